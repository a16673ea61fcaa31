//! What `#[tool]` writes: the function with its span, the struct beside it, the registration.

use std::borrow::Cow;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Attribute, FnArg, Meta, Pat, Signature, Visibility, parse_quote};

use super::parse::{Tool, doc};
use super::returns::{Items, Returns};
use crate::errors::Errors;
use crate::function::Function;
use crate::place::at;

impl Tool<'_> {
    /// The function as it was and a tool that is never made, so that a mistake is told once.
    pub(super) fn stub(&self, private: &TokenStream, errors: &Errors) -> TokenStream {
        let function = self.bare();
        let errors = errors.to_tokens();
        if self.has_receiver() {
            // Nothing but functions may stand in an impl.
            return quote!(#function #errors);
        }
        let (marker, ident, name) = (self.marker(), &self.function.sig.ident, self.key(private));
        let cfg = self.cfg();
        quote! {
            #function
            #marker
            #(#cfg)*
            impl #private::Stateless for #ident {
                const NAME: #private::Name = #name;
                fn tool() -> #private::Arc<dyn #private::Tool> { loop {} }
            }
            #errors
        }
    }

    /// The function as it was, without what is ours.
    pub(crate) fn bare(&self) -> TokenStream {
        let Function { attrs, vis, sig, body } = self.function;
        let outer = outer(attrs);
        let mut signature = plain(sig);
        // Told already, and rustc would tell it again.
        signature.variadic = None;
        quote!(#(#outer)* #[allow(unused)] #vis #signature #body)
    }

    /// All of it.
    pub(super) fn expand(&self, private: &TokenStream) -> TokenStream {
        let public = self.public(private);
        let marker = self.marker();
        let body = self.body(private);
        let registration = self.registration(private);
        let around = self.around();
        let ident = &self.function.sig.ident;
        // Associated to the struct: no other item of ours is in scope of the body.
        quote! {
            #public
            #marker
            #(#around)*
            impl #ident { #body }
            #registration
        }
    }

    /// The function under its own name: the body in a span.
    pub(crate) fn public(&self, private: &TokenStream) -> TokenStream {
        let Function { attrs, vis, sig, .. } = self.function;
        // Documented by its description, if by nothing else.
        let description = &self.description;
        let documented = doc(attrs).is_empty().then(|| quote!(#[doc = #description]));
        let attrs = outer(attrs);
        let traced = match &self.returns {
            Returns::Value(_) => self.traced_value(private),
            Returns::Stream(items) => self.traced_stream(items, private),
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
                clippy::ptr_arg,
                clippy::too_many_arguments,
                clippy::used_underscore_binding
            )]
            #vis #signature { #traced }
        }
    }

    /// The call of the body, out of the public function. `inside`: whether it is inside the span
    /// when its arguments are made.
    fn direct(&self, inside: bool, private: &TokenStream) -> TokenStream {
        let (_, path) = self.beside("");
        let receiver = self.has_receiver().then(|| quote!(self,));
        let given = self.parameters.iter().map(|parameter| parameter.hand_on(private, inside));
        quote!(#path(#receiver #(#given),*))
    }

    fn traced_value(&self, private: &TokenStream) -> TokenStream {
        let (name, description) = (&self.name, &self.description);
        // The context of a call is moved inside its span, unless what is returned may borrow it.
        let inside = self.has_context() && !self.returns_borrow();
        let call = self.direct(inside, private);
        let (_, told) = self.beside("value");
        if !self.is_async() {
            let (span, output) = (local("span"), local("output"));
            return quote! {
                let #span = #private::SyncSpan::enter(#name, #description);
                let #output = #call;
                #span.finish(&#output, #told);
                #output
            };
        }
        let body = if inside { quote!(async move { #call.await }) } else { call };
        quote!(#private::direct(#name, #description, #body, #told).await)
    }

    fn traced_stream(&self, items: &Items<'_>, private: &TokenStream) -> TokenStream {
        let (name, description) = (&self.name, &self.description);
        let call = self.direct(self.has_context(), private);
        let (_, told) = self.beside("value");
        let (span, stream, error) = (local("span"), local("stream"), local("error"));
        let open = if self.is_async() {
            quote!(#span.open_async(async move { #call.await }).await)
        } else {
            quote!(#span.open(move || #call))
        };
        let follow = quote!(#span.follow(#stream, #told));
        let follow = if items.boxed { quote!(#private::Box::pin(#follow) as _) } else { follow };
        let end = if items.error.is_some() {
            let (_, told) = self.beside("error");
            quote! {
                match #stream {
                    #private::Result::Ok(#stream) => #private::Result::Ok(#follow),
                    #private::Result::Err(#error) => {
                        #span.fail(&#told(&#error));
                        #private::Result::Err(#error)
                    }
                }
            }
        } else {
            follow
        };
        quote! {
            let mut #span = #private::StreamSpan::start(#name, #description);
            let #stream = #open;
            #end
        }
    }

    /// The attributes of what stands around the body and repeats its types.
    pub(crate) fn around(&self) -> Vec<Cow<'_, Attribute>> {
        let cfg = self.cfg().into_iter().map(Cow::Borrowed);
        cfg.chain(lints(&self.function.attrs)).collect()
    }

    /// The struct of the same name, in the type namespace.
    fn marker(&self) -> TokenStream {
        let Function { vis, sig, .. } = self.function;
        let cfg = self.cfg();
        let ident = &sig.ident;
        let doc = format!("The tool `{}`, for `tools![]`.", self.name);
        quote! {
            #(#cfg)*
            #[doc = #doc]
            #[allow(non_camel_case_types, dead_code)]
            #vis struct #ident { _private: () }
        }
    }

    /// The function as it was written, and beside it what the model is handed: the one place
    /// where the return type is held against what a tool may return.
    pub(crate) fn body(&self, private: &TokenStream) -> TokenStream {
        let Function { attrs, sig, body, vis } = self.function;
        let attrs = inner(attrs);
        // Clippy leaves the signature of an exported function alone; this one is private. What the
        // model sends is there for the call alone, so it may as well be taken by value.
        let exported =
            (!matches!(vis, Visibility::Inherited)).then(|| quote!(, clippy::unnecessary_wraps));
        let allowed = quote! {
            #[allow(
                clippy::missing_const_for_fn,
                clippy::needless_pass_by_value,
                clippy::ptr_arg,
                clippy::too_many_arguments,
                clippy::trivially_copy_pass_by_ref,
                clippy::unused_self
                #exported
            )]
        };
        let mut signature = plain(sig);
        signature.ident = at_ident(&self.beside("").0, &sig.ident);
        let around = self.around();
        let (value, _) = self.beside("value");
        let (span, output) = self.returns.value();
        let returned = at(span, &quote!(#private::Returned));
        let (split, told, error) =
            (at(span, &quote!(split)), at(span, &quote!(output)), at(span, &quote!(error)));
        let error_of_stream = match &self.returns {
            Returns::Stream(Items { error: Some(ty), .. }) => {
                let (name, _) = self.beside("error");
                let span = crate::place::here(syn::spanned::Spanned::span(ty));
                let returned = at(span, &quote!(#private::Returned(__error)));
                let error = at(span, &quote!(error()));
                Some(quote! {
                    #(#around)*
                    fn #name(__error: &#ty) -> #private::ToolError {
                        use #private::Plain as _;
                        #returned.#error
                    }
                })
            }
            _ => None,
        };
        quote! {
            #allowed
            #(#attrs)*
            #signature #body

            #(#around)*
            #[allow(clippy::ptr_arg)]
            fn #value(
                __output: &#output,
                __wanted: #private::bool,
            ) -> #private::Result<#private::ToolOutput, #private::ToolError> {
                use #private::Plain as _;
                match #private::Returned(__output).#split() {
                    #private::Result::Ok(__value) if __wanted => #returned(__value).#told(),
                    #private::Result::Ok(_) => #private::Result::Ok(#private::untold()),
                    #private::Result::Err(__error) => {
                        #private::Result::Err(#returned(__error).#error())
                    }
                }
            }

            #error_of_stream
        }
    }
}

/// A variable that no parameter of the function can be confused with.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn at_ident(name: &Ident, place: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(place.span());
    name
}

const SHOWN: [&str; 4] = ["doc", "cfg", "must_use", "deprecated"];
const LINTS: [&str; 4] = ["allow", "warn", "deny", "forbid"];

fn is_any(attr: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attr.path().is_ident(name))
}

/// The attributes of the public function: what its users see, and the lints.
fn outer(attrs: &[Attribute]) -> Vec<Cow<'_, Attribute>> {
    let shown = attrs.iter().filter(|attr| is_any(attr, &SHOWN)).map(Cow::Borrowed);
    shown.chain(lints(attrs)).collect()
}

/// The lints of the function, for what repeats its types. What it expects is fulfilled by the body
/// alone.
fn lints(attrs: &[Attribute]) -> impl Iterator<Item = Cow<'_, Attribute>> {
    attrs.iter().filter_map(|attr| {
        if is_any(attr, &LINTS) {
            return Some(Cow::Borrowed(attr));
        }
        let Meta::List(list) = &attr.meta else { return None };
        let lints = &list.tokens;
        list.path.is_ident("expect").then(|| Cow::Owned(parse_quote!(#[allow(#lints)])))
    })
}

/// The attributes of the body: the lints, and whatever else works on a body.
fn inner(attrs: &[Attribute]) -> Vec<&Attribute> {
    const SHOWN_ALONE: [&str; 3] = ["doc", "must_use", "deprecated"];
    attrs.iter().filter(|attr| !is_any(attr, &SHOWN_ALONE)).collect()
}

/// The signature without the documentation of its parameters and what is ours, which rustc does
/// not allow there.
fn plain(sig: &Signature) -> Signature {
    let mut sig = sig.clone();
    for input in &mut sig.inputs {
        if let FnArg::Typed(typed) = input {
            typed.attrs.retain(|attr| {
                is_any(attr, &["cfg", "cfg_attr", "expect"]) || is_any(attr, &LINTS)
            });
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
