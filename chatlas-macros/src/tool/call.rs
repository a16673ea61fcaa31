//! How the model's call reaches the function: the registration, and the future of one call.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ReturnType, Type};

use super::parameter::Source;
use super::parse::Tool;
use super::returns::{Items, Returns};
use crate::place::{at, here};

impl Tool<'_> {
    /// What makes a free function a tool.
    pub(super) fn registration(&self, private: &TokenStream) -> TokenStream {
        let ident = &self.function.sig.ident;
        let (around, name) = (self.around(), self.key(private));
        let spec = self.spec(private);
        let outcome = outcome(private);
        let made = if self.states().next().is_some() {
            let made = self.with_state(private);
            quote! {
                impl #private::ToolFn for #ident {
                    const NAME: #private::Name = #name;
                }
                #made
            }
        } else {
            let run = self.run(&mut std::iter::empty(), private);
            quote! {
                fn __call(__call: #private::ToolCall) -> #outcome { #run }

                impl #private::Stateless for #ident {
                    const NAME: #private::Name = #name;
                    fn tool() -> #private::Arc<dyn #private::Tool> {
                        #private::function(&__SPEC, __call)
                    }
                }
            }
        };
        quote! {
            #(#around)*
            const _: () = {
                #spec
                #made
            };
        }
    }

    /// What makes a method a tool: an expression, in a place where `self` is an `Arc` of the owner.
    pub(crate) fn made_of_method(&self, private: &TokenStream) -> TokenStream {
        let spec = self.spec(private);
        let owner = self.owner;
        // In an item of its own, a parameter's `Self` means nothing.
        let spec = name_self(&spec, &quote!(#owner));
        let run = self.run(&mut std::iter::empty(), private);
        quote! {{
            #spec
            #private::bound(&__SPEC, &self, |__this, __call| #run)
        }}
    }

    /// A function whose state the list supplies: generic over what that is.
    fn with_state(&self, private: &TokenStream) -> TokenStream {
        let ident = &self.function.sig.ident;
        let states: Vec<&Type> = self.states().collect();
        let hows: Vec<Ident> =
            (0..states.len()).map(|i| format_ident!("__H{i}", span = Span::call_site())).collect();
        let bounds = states.iter().zip(&hows).map(|(ty, how)| {
            let span = here(ty.span());
            let supply = at(span, &quote!(#private::Supply));
            quote_spanned!(span=> #private::Arc<__S>: #supply<#ty, #how>)
        });
        let run = self.run(&mut hows.iter().cloned(), private);
        quote! {
            impl<__S, #(#hows),*> #private::ToolWith<__S, (#(#hows,)*)> for #ident
            where
                __S: #private::Send + #private::Sync + 'static,
                #(#hows: 'static,)*
                #(#bounds,)*
            {
                fn tool(__state: &#private::Arc<__S>) -> #private::Arc<dyn #private::Tool> {
                    #private::bound(&__SPEC, __state, |__state, __call| #run)
                }
            }
        }
    }

    /// Its facts, in a static.
    fn spec(&self, private: &TokenStream) -> TokenStream {
        let (name, description, facts) = (&self.name, &self.description, &self.facts);
        let parameters = self.parameters.iter().enumerate();
        let typed =
            parameters.clone().filter_map(|(index, parameter)| parameter.declare(index, private));
        let lines = parameters.filter_map(|(index, parameter)| parameter.line(index));
        quote! {
            #(#typed)*
            const __PARAMETERS: &[#private::Param] = &[#(#lines),*];
            static __SPEC: #private::Spec =
                #private::Spec::new(#name, #description, __PARAMETERS) #facts;
        }
    }

    /// The future of one call: arguments in, the body, its value out.
    fn run(&self, hows: &mut impl Iterator<Item = Ident>, private: &TokenStream) -> TokenStream {
        let takes: Vec<TokenStream> = self
            .parameters
            .iter()
            .enumerate()
            .filter_map(|(index, parameter)| parameter.take(index, private))
            .collect();
        // Without parameters nothing is taken out of them.
        let mutable = (!takes.is_empty()).then(|| quote!(mut));
        let (_, path) = self.beside("");
        let this = self.has_receiver().then(|| quote!(&__this,));
        let given: Vec<TokenStream> =
            self.parameters.iter().map(|parameter| parameter.give(hows, private)).collect();
        let call = quote!(#path(#this #(#given),*));
        let context = (self.has_context() || matches!(self.returns, Returns::Stream(_)))
            .then(|| quote!(let __context = __call.context;));
        let end = self.end(&call, private);
        // At the name, so that a future which is not `Send` is told there.
        let span = here(self.function.sig.ident.span());
        let boxed = at(span, &quote!(#private::boxed));
        quote_spanned! {span=>
            #boxed(async move {
                let #mutable __arguments = #private::Args::new(__call.arguments, &__SPEC)?;
                #(#takes)*
                #context
                #end
            })
        }
    }

    /// The call itself, and what becomes of its output.
    fn end(&self, call: &TokenStream, private: &TokenStream) -> TokenStream {
        let (_, value) = self.beside("value");
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
                    let (_, error) = self.beside("error");
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

    /// Whether it takes the context of the call.
    pub(super) fn has_context(&self) -> bool {
        self.parameters.iter().any(|p| matches!(p.source, Source::Context { .. }))
    }

    /// Whether what it returns may borrow what it takes.
    pub(super) fn returns_borrow(&self) -> bool {
        let ReturnType::Type(_, ty) = &self.function.sig.output else { return false };
        let text = quote!(#ty).to_string();
        text.contains(['&', '\''])
    }
}

/// Those tokens, with the type itself instead of `Self`.
fn name_self(tokens: &TokenStream, owner: &TokenStream) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(ident) if ident == "Self" => at(ident.span(), owner),
        TokenTree::Group(group) => {
            let mut replaced = Group::new(group.delimiter(), name_self(&group.stream(), owner));
            replaced.set_span(group.span());
            TokenTree::Group(replaced).into()
        }
        other => other.into(),
    };
    tokens.clone().into_iter().flat_map(replace).collect()
}

/// What a call comes to.
fn outcome(private: &TokenStream) -> TokenStream {
    quote! {
        #private::BoxFuture<
            'static,
            #private::Result<#private::ToolOutput, #private::ToolError>,
        >
    }
}
