//! The registration of a tool, which creates the `Tool` that runs the function when the model calls
//! it.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ReturnType, Type};

use super::parameter::Source;
use super::parse::Tool;
use super::returns::{Items, Returns};
use crate::span::{at_call_site, respan};

impl Tool<'_> {
    /// Returns the registration of a free function.
    pub(super) fn registration(&self, private: &TokenStream) -> TokenStream {
        let ident = &self.function.sig.ident;
        let (attributes, name) = (self.item_attributes(), self.name_constant(private));
        let spec = self.spec(private);
        let outcome = outcome(private);
        let impls = if self.states().next().is_some() {
            let with_state = self.with_state(private);
            quote! {
                impl #private::NamedTool for #ident {
                    const NAME: #private::Name = #name;
                }
                #with_state
            }
        } else {
            let future = self.future(&mut std::iter::empty(), private);
            quote! {
                fn __call(__call: #private::ToolCall) -> #outcome { #future }

                impl #private::StatelessTool for #ident {
                    const NAME: #private::Name = #name;
                    fn tool() -> #private::Arc<dyn #private::Tool> {
                        #private::function(&__SPEC, __call)
                    }
                }
            }
        };
        quote! {
            #(#attributes)*
            const _: () = {
                #spec
                #impls
            };
        }
    }

    /// Returns the expression that creates the tool of a method, in a function where `self` is an
    /// `Arc` of the toolbox.
    pub(crate) fn method_tool(&self, private: &TokenStream) -> TokenStream {
        let spec = self.spec(private);
        let owner = self.owner;
        // The definition is an item, in which the `Self` of a parameter has no meaning.
        let spec = replace_self(&spec, &quote!(#owner));
        let future = self.future(&mut std::iter::empty(), private);
        quote! {{
            #spec
            #private::bound(&__SPEC, &self, |__this, __call| #future)
        }}
    }

    /// Returns the impl of a function with state, which is generic over the state of the list.
    fn with_state(&self, private: &TokenStream) -> TokenStream {
        let ident = &self.function.sig.ident;
        let states: Vec<&Type> = self.states().collect();
        let sources: Vec<Ident> = (0..states.len())
            .map(|i| format_ident!("__Source{i}", span = Span::call_site()))
            .collect();
        let bounds = states.iter().zip(&sources).map(|(ty, source)| {
            let span = at_call_site(ty.span());
            let supply = respan(span, &quote!(#private::Supply));
            quote_spanned!(span=> #private::Arc<__State>: #supply<#ty, #source>)
        });
        let future = self.future(&mut sources.iter().cloned(), private);
        quote! {
            impl<__State, #(#sources),*> #private::ToolFunction<__State, (#(#sources,)*)> for #ident
            where
                __State: #private::Send + #private::Sync + 'static,
                #(#sources: 'static,)*
                #(#bounds,)*
            {
                fn tool(__state: &#private::Arc<__State>) -> #private::Arc<dyn #private::Tool> {
                    #private::bound(&__SPEC, __state, |__state, __call| #future)
                }
            }
        }
    }

    /// Returns the static definition.
    fn spec(&self, private: &TokenStream) -> TokenStream {
        let (name, description, setters) = (&self.name, &self.description, &self.setters);
        let parameters = self.parameters.iter().enumerate();
        let typed =
            parameters.clone().filter_map(|(index, parameter)| parameter.declare(index, private));
        let untyped = parameters.filter_map(|(index, parameter)| parameter.untyped(index));
        quote! {
            #(#typed)*
            const __PARAMETERS: &[#private::Param] = &[#(#untyped),*];
            static __SPEC: #private::Spec =
                #private::Spec::new(#name, #description, __PARAMETERS) #setters;
        }
    }

    /// Returns the future of one call: it parses the arguments, runs the body, and converts its
    /// output.
    fn future(
        &self,
        sources: &mut impl Iterator<Item = Ident>,
        private: &TokenStream,
    ) -> TokenStream {
        let takes: Vec<TokenStream> = self
            .parameters
            .iter()
            .enumerate()
            .filter_map(|(index, parameter)| parameter.take(index, private))
            .collect();
        let mutable = (!takes.is_empty()).then(|| quote!(mut));
        let (_, path) = self.generated("");
        let this = self.has_receiver().then(|| quote!(&__this,));
        let passed: Vec<TokenStream> =
            self.parameters.iter().map(|parameter| parameter.pass(sources, private)).collect();
        let call = quote!(#path(#this #(#passed),*));
        let context = (self.has_context() || matches!(self.returns, Returns::Stream(_)))
            .then(|| quote!(let __context = __call.context;));
        let output = self.output(&call, private);
        // The compiler reports a future that is not `Send` at the name of the function.
        let span = at_call_site(self.function.sig.ident.span());
        let pin = respan(span, &quote!(#private::Box::pin));
        quote_spanned! {span=>
            #pin(async move {
                let #mutable __arguments = #private::Args::new(__call.arguments, __PARAMETERS)?;
                #(#takes)*
                #context
                #output
            })
        }
    }

    /// Returns the call of the body, and the conversion of its output.
    fn output(&self, call: &TokenStream, private: &TokenStream) -> TokenStream {
        let (_, value) = self.generated("value");
        let is_async = self.is_async().then(|| quote!(.await));
        match &self.returns {
            Returns::Value(_) if self.is_async() => {
                quote!(let __output = #call.await; #value(&__output, true))
            }
            Returns::Value(_) => quote! {
                #private::blocking(move || { let __output = #call; #value(&__output, true) }).await
            },
            Returns::Stream(Items { error, .. }) => {
                let stream = if error.is_some() {
                    let (_, error) = self.generated("error");
                    quote! {
                        let __stream = match #call #is_async {
                            #private::Result::Ok(__stream) => __stream,
                            #private::Result::Err(__error) => {
                                return #private::Result::Err(#error(&__error));
                            }
                        };
                    }
                } else {
                    quote!(let __stream = #call #is_async;)
                };
                quote!(#stream #private::drain(__stream, &__context, #value).await)
            }
        }
    }

    /// Returns whether the tool takes the context of the call.
    pub(super) fn has_context(&self) -> bool {
        self.parameters.iter().any(|p| matches!(p.source, Source::Context { .. }))
    }

    /// Returns whether the return value may borrow from the parameters.
    pub(super) fn returns_borrow(&self) -> bool {
        let ReturnType::Type(_, ty) = &self.function.sig.output else { return false };
        let text = quote!(#ty).to_string();
        text.contains(['&', '\''])
    }
}

/// Returns the tokens with the type instead of `Self`.
fn replace_self(tokens: &TokenStream, owner: &TokenStream) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(ident) if ident == "Self" => respan(ident.span(), owner),
        TokenTree::Group(group) => {
            let mut replaced = Group::new(group.delimiter(), replace_self(&group.stream(), owner));
            replaced.set_span(group.span());
            TokenTree::Group(replaced).into()
        }
        other => other.into(),
    };
    tokens.clone().into_iter().flat_map(replace).collect()
}

/// Returns the type of the future of a call.
fn outcome(private: &TokenStream) -> TokenStream {
    quote! {
        #private::BoxFuture<
            'static,
            #private::Result<#private::ToolOutput, #private::ToolError>,
        >
    }
}
