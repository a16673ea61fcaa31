//! What `#[tool]` writes: the function with its span, the struct beside it, the registration.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, ItemFn, Pat, ReturnType, Signature};

use super::parse::{Parameter, Taken, Tool, doc};
use crate::errors::Errors;
use crate::place::{at, here};

impl Tool<'_> {
    /// The function as it was and a tool that is never made, so that a mistake is told once.
    pub(super) fn stub(&self, private: &TokenStream, errors: &Errors) -> TokenStream {
        let errors = errors.to_tokens();
        let ItemFn { attrs, vis, sig, block, .. } = self.function;
        let outer = outer(attrs);
        let signature = plain(sig);
        let function = quote!(#(#outer)* #[allow(unused)] #vis #signature #block);
        if self.is_method() {
            // Nothing but functions may stand in an impl.
            return quote!(#function #errors);
        }
        let (marker, ident, name) = (self.marker(), &sig.ident, &self.name);
        let cfg = cfgs(attrs);
        quote! {
            #function
            #marker
            #(#cfg)*
            impl #private::ToolFn for #ident {
                const NAME: &'static #private::str = #name;
                fn tool() -> #private::Arc<dyn #private::Tool> { loop {} }
            }
            #errors
        }
    }

    /// All of it.
    pub(super) fn expand(&self, private: &TokenStream) -> TokenStream {
        let public = self.public(private);
        let marker = self.marker();
        let body = self.body(private);
        let registration = self.registration(private);
        quote!(#public #marker #body #registration)
    }

    /// The function under its own name: the body in a span.
    fn public(&self, private: &TokenStream) -> TokenStream {
        let ItemFn { attrs, vis, sig, .. } = self.function;
        let (name, description) = (&self.name, &self.description);
        // Documented by its description, if by nothing else.
        let documented = doc(attrs).is_empty().then(|| quote!(#[doc = #description]));
        let attrs = outer(attrs);
        let ident = &sig.ident;
        let given = self.parameters.iter().map(|parameter| {
            let Parameter { cfg, ident, .. } = parameter;
            quote!(#(#cfg)* #ident)
        });
        let call = quote!(#ident::#ident(#(#given),*));
        let failure = self.failure(private);
        let traced = if sig.asyncness.is_some() {
            quote!(#private::traced_call(#name, #description, #call, #failure).await)
        } else {
            quote!(#private::traced_call_sync(#name, #description, || #call, #failure))
        };
        let mut signature = plain(sig);
        without_mut(&mut signature);
        quote! {
            #documented
            #(#attrs)*
            #[allow(
                dead_code,
                clippy::missing_errors_doc,
                clippy::must_use_candidate,
                clippy::used_underscore_binding
            )]
            #vis #signature { #traced }
        }
    }

    /// The struct of the same name, in the type namespace.
    fn marker(&self) -> TokenStream {
        let ItemFn { vis, sig, attrs, .. } = self.function;
        let cfg = cfgs(attrs);
        let ident = &sig.ident;
        let doc = format!("The tool `{}`, for `tools![]`.", self.name);
        quote! {
            #(#cfg)*
            #[doc = #doc]
            #[allow(non_camel_case_types, dead_code)]
            #vis struct #ident { _private: () }
        }
    }

    /// The function as it was written: an associated one, under the same name. No other item of
    /// ours is in scope of the body.
    fn body(&self, private: &TokenStream) -> TokenStream {
        let ItemFn { attrs, sig, block, .. } = self.function;
        let cfg = cfgs(attrs);
        let attrs = inner(attrs);
        let ident = &sig.ident;
        let signature = plain(sig);
        let value = self.value(private);
        quote! {
            #(#cfg)*
            impl #ident {
                #(#attrs)*
                #signature #block
                #value
            }
        }
    }

    /// What the model is handed: the one place where the return type is held against what a tool
    /// may return.
    fn value(&self, private: &TokenStream) -> TokenStream {
        let (span, output) = match &self.function.sig.output {
            ReturnType::Default => (Span::call_site(), quote!(())),
            ReturnType::Type(_, ty) => (here(ty.span()), ty.to_token_stream()),
        };
        let convert = if self.can_fail() { quote!(result) } else { quote!(value) };
        let convert = at(span, &quote!(#private::#convert(__output)));
        quote! {
            fn __value(__output: &#output) -> #private::Result<#private::ToolOutput, #private::ToolError> {
                #convert
            }
        }
    }

    /// What the span of a direct call is told: the error, if the function failed.
    fn failure(&self, private: &TokenStream) -> TokenStream {
        let ident = &self.function.sig.ident;
        if self.can_fail() {
            quote! {
                |__output| {
                    if __output.is_err() {
                        #ident::__value(__output).err()
                    } else {
                        #private::no_failure(__output)
                    }
                }
            }
        } else {
            quote!(#private::no_failure)
        }
    }

    /// What makes it a tool.
    fn registration(&self, private: &TokenStream) -> TokenStream {
        let (name, description) = (&self.name, &self.description);
        let ident = &self.function.sig.ident;
        let cfg = cfgs(&self.function.attrs);
        let parameters = self.parameters.iter().enumerate();
        let typed = parameters.clone().map(|(index, parameter)| parameter.declare(index, private));
        let untyped = parameters.map(|(index, parameter)| {
            let (cfg, constant) = (&parameter.cfg, constant(index));
            quote!(#(#cfg)* #constant.untyped())
        });
        let run = self.run(private);
        quote! {
            #(#cfg)*
            const _: () = {
                #(#typed)*
                const __PARAMETERS: &[#private::Param] = &[#(#untyped),*];
                impl #private::ToolFn for #ident {
                    const NAME: &'static #private::str = #name;
                    fn tool() -> #private::Arc<dyn #private::Tool> {
                        static __TOOL: #private::LazyLock<#private::Arc<dyn #private::Tool>> =
                            #private::LazyLock::new(|| {
                                #private::FnTool::shared(
                                    #name, #description, __PARAMETERS, |__call| #run
                                )
                            });
                        #private::Clone::clone(&*__TOOL)
                    }
                }
            };
        }
    }

    /// The future of one call: arguments in, the body, its value out.
    fn run(&self, private: &TokenStream) -> TokenStream {
        let sig = &self.function.sig;
        let ident = &sig.ident;
        let takes = self.parameters.iter().enumerate().map(|(index, p)| p.take(index, private));
        let given = self.parameters.iter().map(Parameter::give);
        let call = quote!(#ident::#ident(#(#given),*));
        let convert = quote!(#ident::__value(&__output));
        let run = if sig.asyncness.is_some() {
            quote!(let __output = #call.await; #convert)
        } else {
            quote!(#private::blocking(move || { let __output = #call; #convert }).await)
        };
        // At the name, so that a future which is not `Send` is told there.
        let span = here(ident.span());
        let boxed = at(span, &quote!(#private::boxed));
        quote_spanned! {span=>
            #boxed(async move {
                let mut __arguments = #private::Args::new(__call.arguments)?;
                #(#takes)*
                __arguments.finish(__PARAMETERS)?;
                #run
            })
        }
    }
}

impl Parameter<'_> {
    /// The one place where its type is held against what a tool may take.
    fn declare(&self, index: usize, private: &TokenStream) -> TokenStream {
        let Self { cfg, doc, taken, .. } = self;
        let (name, owned, constant) = (self.name(), taken.owned(private), constant(index));
        let parameter = at(taken.span(), &quote!(#private::parameter));
        quote_spanned! {taken.span()=>
            #(#cfg)*
            const #constant: #private::Parameter<#owned> = #parameter::<#owned>(#name, #doc);
        }
    }

    /// Its value, taken from the arguments.
    fn take(&self, index: usize, private: &TokenStream) -> TokenStream {
        let Self { cfg, taken, .. } = self;
        let (variable, owned, constant) = (self.variable(), taken.owned(private), constant(index));
        quote!(#(#cfg)* let #variable: #owned = #constant.take(&mut __arguments)?;)
    }

    /// Its value, given to the function.
    fn give(&self) -> TokenStream {
        let (cfg, variable) = (&self.cfg, self.variable());
        let borrow = self.taken.is_borrowed().then(|| quote!(&));
        quote!(#(#cfg)* #borrow #variable)
    }
}

impl Taken<'_> {
    /// The type that the model's value is read into.
    fn owned(&self, private: &TokenStream) -> TokenStream {
        match self {
            Self::Owned(ty) | Self::Borrowed(ty) => ty.to_token_stream(),
            Self::Text(_) => quote!(#private::String),
            Self::List(item) => quote!(#private::Vec<#item>),
        }
    }

    fn span(&self) -> Span {
        let (Self::Owned(ty) | Self::Borrowed(ty) | Self::Text(ty) | Self::List(ty)) = self;
        here(ty.span())
    }
}

/// The constant that stands for the parameter at that place.
fn constant(index: usize) -> Ident {
    format_ident!("__PARAMETER_{index}", span = Span::call_site())
}

/// The attributes that switch an item on or off.
fn cfgs(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}

const SHOWN: [&str; 4] = ["doc", "cfg", "must_use", "deprecated"];
const LINTS: [&str; 4] = ["allow", "warn", "deny", "forbid"];

fn is_any(attr: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attr.path().is_ident(name))
}

/// The attributes of the public function: what its users see, and the lints.
fn outer(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attr| is_any(attr, &SHOWN) || is_any(attr, &LINTS)).collect()
}

/// The attributes of the body: the lints, and whatever else works on a body.
fn inner(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attr| !is_any(attr, &SHOWN)).collect()
}

/// The signature without the documentation of its parameters, which rustc does not allow there.
fn plain(sig: &Signature) -> Signature {
    let mut sig = sig.clone();
    for input in &mut sig.inputs {
        if let FnArg::Typed(typed) = input {
            typed.attrs.retain(|attr| is_any(attr, &["cfg", "expect"]) || is_any(attr, &LINTS));
        }
    }
    sig
}

/// The body changes its parameters; the function around it only hands them on.
fn without_mut(sig: &mut Signature) {
    for input in &mut sig.inputs {
        if let FnArg::Typed(typed) = input
            && let Pat::Ident(name) = &mut *typed.pat
        {
            name.mutability = None;
            typed.attrs.retain(|attr| attr.path().is_ident("cfg"));
        }
    }
}
