//! `#[provider(like = …)]` on a struct: a vendor that speaks a protocol which is known already.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Fields, ItemStruct, LitStr, Path};

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
    ("quirks", Kind::Paths),
    ("tools", Kind::Paths),
]);

/// A provider, as its struct and its arguments tell it.
struct Derived<'a> {
    item: &'a ItemStruct,
    like: &'a Path,
    name: LitStr,
    base_url: LitStr,
    api_key_env: Option<&'a LitStr>,
    default_model: Option<&'a LitStr>,
    quirks: &'a [Path],
    tools: &'a [Path],
    private: TokenStream,
}

pub(super) fn expand(arguments: TokenStream, item: &ItemStruct, root: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &GRAMMAR, &mut errors);
    let private = arguments.private(root);
    let derived = Derived::read(item, &arguments, private, &mut errors);
    // With a placeholder for what is missing, so that one mistake is told once.
    let expansion = derived.map_or_else(|| bare(item), |derived| derived.expand());
    let errors = errors.to_tokens();
    quote!(#expansion #errors)
}

/// The struct alone.
fn bare(item: &ItemStruct) -> TokenStream {
    let ItemStruct { attrs, vis, struct_token, ident, .. } = item;
    quote!(#(#attrs)* #vis #struct_token #ident;)
}

impl<'a> Derived<'a> {
    /// Reads it, and notes every rule that it breaks.
    fn read(
        item: &'a ItemStruct,
        arguments: &'a Arguments,
        private: TokenStream,
        errors: &mut Errors,
    ) -> Option<Self> {
        if !item.generics.params.is_empty() {
            errors.at(&item.generics, "a derived provider has no parameters");
        } else if !matches!(item.fields, Fields::Unit) {
            errors.at(
                &item.fields,
                "a derived provider has no fields of its own: write `struct Name;`",
            );
        }
        let mut needed = |name: &str, example: &str| {
            let given = arguments.text(name).cloned();
            if given.is_none() && !arguments.has(name) {
                let message = format!("a derived provider needs `{name} = \"{example}\"`");
                errors.at(&item.ident, message);
            }
            given
        };
        let name = needed("name", "acme");
        let base_url = needed("base_url", "https://...");
        if !arguments.has("like") {
            errors.at(
                &item.ident,
                "a derived provider needs `like = ...`: the provider whose protocol it speaks",
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
            quirks: arguments.paths("quirks"),
            tools: arguments.paths("tools"),
            private,
        })
    }

    fn expand(&self) -> TokenStream {
        let Self { item, like, private, .. } = self;
        let ItemStruct { attrs, vis, struct_token, ident, .. } = item;
        let settings = self.settings();
        let default = self.default();
        let runs = self.runs();
        // All of it at the path, so that what is no protocol is told there, once.
        let span = at_call_site(like.span());
        let private = &respan(span, private);
        quote_spanned! {span=>
            #(#attrs)*
            #vis #struct_token #ident { inner: #like }

            #settings
            #default
            #runs

            impl #private::fmt::Debug for #ident {
                fn fmt(&self, f: &mut #private::fmt::Formatter<'_>) -> #private::fmt::Result {
                    #private::fmt::Debug::fmt(#private::Protocol::__as_debug(&self.inner), f)
                }
            }

            // The span of a call is that of the protocol's own impl.
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

                fn __write_the_attribute_provider_above_this_impl(&self, _: #private::Witness) {}
            }
        }
    }

    /// How it is made, and what can be set.
    fn settings(&self) -> TokenStream {
        let Self { item, like, name, base_url, private, .. } = self;
        let ItemStruct { vis, ident, .. } = item;
        let option = |text: Option<&LitStr>| {
            text.map_or_else(
                || quote!(#private::Option::None),
                |text| quote!(#private::Option::Some(#text)),
            )
        };
        let (key, model) = (option(self.api_key_env), option(self.default_model));
        let doc = match self.api_key_env {
            Some(variable) => format!(
                "The model of that name, with the key of the environment variable `{}`.",
                variable.value()
            ),
            None => "The model of that name.".to_owned(),
        };
        let quirks = self.quirks.iter().map(|quirk| {
            let inner = quote_spanned!(at_call_site(quirk.span())=> __inner);
            quote!(let __inner = <#like>::#quirk(#inner);)
        });
        let span = at_call_site(like.span());
        let private = &respan(span, private);
        quote_spanned! {span=>
            // Not all are used where the struct is private.
            #[allow(dead_code)]
            impl #ident {
                #[doc = #doc]
                #vis fn new(model: impl #private::Into<#private::Arc<#private::str>>) -> Self {
                    static VENDOR: #private::Vendor = #private::Vendor {
                        name: #name,
                        base_url: #base_url,
                        api_key_env: #key,
                        default_model: #model,
                    };
                    let __inner: #like = #private::Protocol::of_vendor(&VENDOR, #private::Default::default());
                    #(#quirks)*
                    Self { inner: #private::Protocol::with_model(__inner, model) }
                }

                /// Uses that key. An empty one is none.
                #[must_use]
                #vis fn api_key(self, key: impl #private::Into<#private::String>) -> Self {
                    Self { inner: #private::Protocol::with_api_key(self.inner, key) }
                }

                /// Uses the server at that address: all before the operation's own path.
                #[must_use]
                #vis fn base_url(self, url: impl #private::Into<#private::String>) -> Self {
                    Self { inner: #private::Protocol::with_base_url(self.inner, url) }
                }

                /// Sets timeouts, retries, headers, the HTTP client.
                #[must_use]
                #vis fn http(self, options: <#like as #private::Protocol>::HttpOptions) -> Self {
                    Self { inner: #private::Protocol::with_http(self.inner, options) }
                }

                /// Whether each HTTP attempt has a span of its own, below the span of the
                /// operation. Off unless set.
                #[must_use]
                #vis fn http_spans(self, on: #private::bool) -> Self {
                    Self { inner: #private::Protocol::with_http_spans(self.inner, on) }
                }

                /// Changes any other setting of the protocol.
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
        let doc = format!("The model `{}`.", model.value());
        Some(quote! {
            impl #private::Default for #ident {
                #[doc = #doc]
                fn default() -> Self {
                    Self::new(#model)
                }
            }
        })
    }

    /// The tools that the vendor runs, of those that the protocol can ask for.
    fn runs(&self) -> TokenStream {
        let Self { item, like, private, tools, .. } = self;
        let ident = &item.ident;
        tools
            .iter()
            .map(|tool| {
                let runs = respan(at_call_site(tool.span()), &quote!(#private::Runs));
                quote! {
                    impl #private::SupportsTool<#tool> for #ident {
                        fn add(self, tool: #tool) -> Self {
                            Self { inner: <#like as #runs<#tool>>::add(self.inner, tool) }
                        }
                    }
                }
            })
            .collect()
    }
}
