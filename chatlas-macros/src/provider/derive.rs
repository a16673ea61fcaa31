//! `#[provider(like = …)]` on a struct: derives the provider of a vendor that speaks the protocol of
//! an existing provider.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, Fields, ItemStruct, LitStr, Path};

use super::valid;
use crate::attr::{Arguments, Grammar, Kind};
use crate::errors::Errors;
use crate::span::{at_call_site, respan};

const GRAMMAR: Grammar = Grammar(&[
    ("like", Kind::Path),
    ("name", Kind::Text),
    ("base_url", Kind::Text),
    ("api_key_env", Kind::Text),
    ("default_model", Kind::Text),
    ("quirks", Kind::Expr),
    ("tools", Kind::Paths),
]);

/// A derived provider, as read from its struct and its arguments.
struct Derived<'a> {
    item: &'a ItemStruct,
    like: &'a Path,
    name: LitStr,
    base_url: LitStr,
    api_key_env: Option<&'a LitStr>,
    default_model: Option<&'a LitStr>,
    quirks: Option<&'a Expr>,
    tools: &'a [Path],
    private: TokenStream,
}

pub(super) fn expand(arguments: TokenStream, item: &ItemStruct, root: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &GRAMMAR, &mut errors);
    let private = arguments.private(root);
    let derived = Derived::read(item, &arguments, private, &mut errors);
    // A missing argument has a placeholder, so that the compiler reports no further errors.
    let expansion = derived.map_or_else(|| unit_struct(item), |derived| derived.expand());
    let errors = errors.to_tokens();
    quote!(#expansion #errors)
}

fn unit_struct(item: &ItemStruct) -> TokenStream {
    let ItemStruct { attrs, vis, struct_token, ident, .. } = item;
    quote!(#(#attrs)* #vis #struct_token #ident;)
}

impl<'a> Derived<'a> {
    /// Reads the struct and the arguments, and reports every rule that they break.
    fn read(
        item: &'a ItemStruct,
        arguments: &'a Arguments,
        private: TokenStream,
        errors: &mut Errors,
    ) -> Option<Self> {
        if !item.generics.params.is_empty() {
            errors.at(&item.generics, "a derived provider cannot be generic; write `struct Name;`");
        } else if !matches!(item.fields, Fields::Unit) {
            errors.at(&item.fields, "a derived provider cannot have fields; write `struct Name;`");
        }
        let mut required = |name: &str, example: &str| {
            let literal = arguments.text(name).cloned();
            if literal.is_none() && !arguments.has(name) {
                let message =
                    format!("missing argument of a derived provider; add `{name} = \"{example}\"`");
                errors.at(&item.ident, message);
            }
            literal
        };
        let name = required("name", "acme");
        let base_url = required("base_url", "https://...");
        if !arguments.has("like") {
            errors.at(
                &item.ident,
                "missing argument of a derived provider; add `like = path`, the provider whose \
                 protocol the vendor speaks",
            );
        }
        for (text, rule) in [
            (&name, valid::name as fn(&LitStr, &mut Errors)),
            (&base_url, valid::base_url),
            (&arguments.text("api_key_env").cloned(), valid::variable),
            (&arguments.text("default_model").cloned(), valid::model),
        ] {
            if let Some(text) = text {
                rule(text, errors);
            }
        }
        let empty = || LitStr::new("", Span::call_site());
        Some(Self {
            item,
            like: arguments.path("like")?,
            name: name.unwrap_or_else(empty),
            base_url: base_url.unwrap_or_else(empty),
            api_key_env: arguments.text("api_key_env"),
            default_model: arguments.text("default_model"),
            quirks: arguments.expr("quirks"),
            tools: arguments.paths("tools"),
            private,
        })
    }

    fn expand(&self) -> TokenStream {
        let Self { item, like, private, .. } = self;
        let ItemStruct { attrs, vis, struct_token, ident, .. } = item;
        let constructor = self.constructor();
        let setters = self.setters();
        let default = self.default();
        let tools = self.supported_tools();
        // All tokens have the span of the path, so that the compiler reports a type that is not a
        // `Protocol` there, once.
        let span = at_call_site(like.span());
        let private = &respan(span, private);
        quote_spanned! {span=>
            #(#attrs)*
            #vis #struct_token #ident { inner: #like }

            #constructor
            #setters
            #default
            #tools

            impl #private::Clone for #ident {
                fn clone(&self) -> Self {
                    Self { inner: #private::Protocol::__clone(&self.inner) }
                }
            }

            impl #private::fmt::Debug for #ident {
                fn fmt(&self, f: &mut #private::fmt::Formatter<'_>) -> #private::fmt::Result {
                    #private::fmt::Debug::fmt(#private::Protocol::__as_debug(&self.inner), f)
                }
            }

            // The impl of the protocol records the spans.
            #[#private::async_trait]
            impl #private::Provider for #ident {
                fn info(&self) -> &#private::ProviderInfo {
                    #private::Protocol::__as_provider(&self.inner).info()
                }

                async fn chat(&self, request: #private::ChatRequest)
                    -> #private::Result<#private::Completion, #private::ProviderError>
                {
                    #private::Protocol::__as_provider(&self.inner).chat(request).await
                }

                async fn chat_stream(&self, request: #private::ChatRequest)
                    -> #private::Result<#private::CompletionStream, #private::ProviderError>
                {
                    #private::Protocol::__as_provider(&self.inner).chat_stream(request).await
                }

                async fn list_models(&self)
                    -> #private::Result<#private::Vec<#private::Model>, #private::ProviderError>
                {
                    #private::Protocol::__as_provider(&self.inner).list_models().await
                }

                async fn count_tokens(&self, request: #private::ChatRequest)
                    -> #private::Result<#private::u64, #private::ProviderError>
                {
                    #private::Protocol::__as_provider(&self.inner).count_tokens(request).await
                }

                async fn embed(&self, request: #private::EmbeddingRequest)
                    -> #private::Result<#private::Embeddings, #private::ProviderError>
                {
                    #private::Protocol::__as_provider(&self.inner).embed(request).await
                }

                fn for_model(&self, model: &#private::str) -> #private::Result<
                    #private::Arc<dyn #private::Provider>,
                    #private::ProviderError,
                > {
                    let __inner = #private::Protocol::__clone(&self.inner);
                    #private::Result::Ok(#private::Arc::new(Self {
                        inner: #private::Protocol::with_model(__inner, model),
                    }))
                }

                fn __write_the_attribute_provider_above_this_impl(&self) {}
            }
        }
    }

    fn constructor(&self) -> TokenStream {
        let Self { item, like, name, base_url, private, .. } = self;
        let ItemStruct { vis, ident, .. } = item;
        let api_key_env = self.api_key_env.map(|variable| quote!(.with_api_key_env(#variable)));
        let default_model = self.default_model.map(|model| quote!(.with_default_model(#model)));
        let doc = match self.api_key_env {
            Some(variable) => format!(
                "Creates a provider for a model. Reads the API key from the environment variable \
                 `{}` if it is set.",
                variable.value()
            ),
            None => "Creates a provider for a model.".to_owned(),
        };
        let span = at_call_site(like.span());
        let private = &respan(span, private);
        let quirks = self.quirks.map_or_else(
            || quote_spanned!(span=> #private::Default::default()),
            quote::ToTokens::to_token_stream,
        );
        quote_spanned! {span=>
            // A private struct may not use all of them.
            #[allow(dead_code)]
            impl #ident {
                /// The vendor: its name, base URL, API key variable and default model.
                #vis const VENDOR: #private::Vendor =
                    #private::Vendor::new(#name, #base_url) #api_key_env #default_model;

                #[doc = #doc]
                #vis fn new(model: impl #private::Into<#private::Arc<#private::str>>) -> Self {
                    let __inner: #like =
                        #private::Protocol::of_vendor(&Self::VENDOR, Self::__quirks());
                    Self { inner: #private::Protocol::with_model(__inner, model) }
                }

                fn __quirks() -> <#like as #private::Protocol>::Quirks { #quirks }
            }
        }
    }

    fn setters(&self) -> TokenStream {
        let Self { item, like, private, .. } = self;
        let ItemStruct { vis, ident, .. } = item;
        let span = at_call_site(like.span());
        let private = &respan(span, private);
        quote_spanned! {span=>
            #[allow(dead_code)]
            impl #ident {
                /// Sets the model.
                #[must_use]
                #vis fn with_model(
                    self,
                    model: impl #private::Into<#private::Arc<#private::str>>,
                ) -> Self {
                    Self { inner: #private::Protocol::with_model(self.inner, model) }
                }

                /// Sets the API key. An empty key is no key.
                #[must_use]
                #vis fn with_api_key(self, key: impl #private::Into<#private::String>) -> Self {
                    Self { inner: #private::Protocol::with_api_key(self.inner, key) }
                }

                /// Sets the base URL: everything before the path of an operation.
                #[must_use]
                #vis fn with_base_url(self, url: impl #private::Into<#private::String>) -> Self {
                    Self { inner: #private::Protocol::with_base_url(self.inner, url) }
                }

                /// Sets the HTTP settings: timeouts, retries, headers.
                #[must_use]
                #vis fn with_http(
                    self,
                    options: <#like as #private::Protocol>::HttpOptions,
                ) -> Self {
                    Self { inner: #private::Protocol::with_http(self.inner, options) }
                }

                /// Sets whether each HTTP attempt has a span below the span of its operation.
                /// Default: off.
                #[must_use]
                #vis fn with_http_spans(self, on: #private::bool) -> Self {
                    Self { inner: #private::Protocol::with_http_spans(self.inner, on) }
                }

                /// Applies any other setting of the protocol.
                #[must_use]
                #vis fn with(self, settings: impl #private::FnOnce(#like) -> #like) -> Self {
                    Self { inner: settings(self.inner) }
                }
            }
        }
    }

    fn default(&self) -> Option<TokenStream> {
        let Self { item, private, default_model, .. } = self;
        let ident = &item.ident;
        let model = (*default_model)?;
        let doc = format!("Creates a provider for the model `{}`.", model.value());
        Some(quote! {
            impl #private::Default for #ident {
                #[doc = #doc]
                fn default() -> Self {
                    Self::new(#model)
                }
            }
        })
    }

    /// Returns the impls for the tools that the vendor runs and the protocol supports.
    fn supported_tools(&self) -> TokenStream {
        let Self { item, like, private, tools, .. } = self;
        let ident = &item.ident;
        let impls = tools.iter().map(|tool| {
            let checked = respan(at_call_site(tool.span()), &quote!(#private::SupportsTool));
            quote! {
                impl #private::SupportsTool<#tool> for #ident {
                    fn add_server_tool(self, tool: #tool) -> Self {
                        let __inner = <#like as #checked<#tool>>::add_server_tool(self.inner, tool);
                        Self { inner: __inner }
                    }
                }
            }
        });
        impls.collect()
    }
}
