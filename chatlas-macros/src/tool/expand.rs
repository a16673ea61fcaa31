//! The expansion of `#[tool]`: the traced function, the struct of the same name, the registration.

use std::borrow::Cow;

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Attribute, FnArg, Meta, Pat, Signature, Visibility, parse_quote};

use super::doc::Doc;
use super::parse::Tool;
use super::returns::{Items, Returns};
use crate::errors::Errors;
use crate::function::Function;
use crate::operation::facts::Facts;
use crate::span::{at_call_site, respan};

impl Tool<'_> {
    /// Returns the original function and a tool that is never created, so that the compiler reports
    /// no further errors.
    pub(crate) fn stub(&self, private: &TokenStream, errors: &Errors) -> TokenStream {
        let function = self.original();
        let errors = errors.to_tokens();
        if self.has_receiver() {
            // The function is inside an impl, which cannot contain a struct.
            return quote!(#function #errors);
        }
        let (marker, ident, name) =
            (self.marker(), &self.function.sig.ident, self.name_constant(private));
        let cfg = self.cfg();
        quote! {
            #function
            #marker
            #(#cfg)*
            impl #private::StatelessTool for #ident {
                const NAME: #private::Name = #name;
                fn tool() -> #private::Arc<dyn #private::Tool> { loop {} }
            }
            #errors
        }
    }

    /// Returns the original function without the attributes of the macro.
    pub(crate) fn original(&self) -> TokenStream {
        let Function { attrs, vis, sig, body } = self.function;
        let outer = public_attributes(attrs);
        let mut signature = plain(sig);
        // Already reported; rustc would report it again.
        signature.variadic = None;
        quote!(#(#outer)* #[allow(unused)] #vis #signature #body)
    }

    /// Returns the complete expansion.
    pub(crate) fn expand(&self, private: &TokenStream) -> TokenStream {
        let public = self.public(private);
        let marker = self.marker();
        let body = self.body(private);
        let registration = self.registration(private);
        let attributes = self.item_attributes();
        let ident = &self.function.sig.ident;
        // The body is an associated function of the struct, so that no generated item is in its
        // scope.
        quote! {
            #public
            #marker
            #(#attributes)*
            impl #ident { #body }
            #registration
        }
    }

    /// Returns the public function, which calls the body in a span.
    pub(crate) fn public(&self, private: &TokenStream) -> TokenStream {
        let Function { attrs, vis, sig, .. } = self.function;
        // A function without a doc comment is documented by its description.
        let description = &self.description;
        let documented =
            Doc::from_attributes(attrs).is_empty().then(|| quote!(#[doc = #description]));
        let attrs = public_attributes(attrs);
        let traced = match &self.returns {
            _ if self.has_own_span => {
                let (call, run) = (self.direct_call(false, private), self.is_async());
                let run = run.then(|| quote!(.await));
                quote!(#call #run)
            }
            Returns::Value(_) => self.traced_value(private),
            Returns::Stream(items) => self.traced_stream(items, private),
        };
        let mut signature = plain(sig);
        remove_mut(&mut signature);
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

    /// Returns the call of the body by the public function. `inside`: whether the arguments are
    /// evaluated inside the span.
    fn direct_call(&self, inside: bool, private: &TokenStream) -> TokenStream {
        let (_, path) = self.generated("");
        let receiver = self.has_receiver().then(|| quote!(self,));
        let forwarded = self.parameters.iter().map(|parameter| parameter.forward(private, inside));
        quote!(#path(#receiver #(#forwarded),*))
    }

    fn traced_value(&self, private: &TokenStream) -> TokenStream {
        let (name, description) = (&self.name, &self.description);
        // The context of a call moves into its span, unless the return value may borrow from it.
        let inside = self.has_context() && !self.returns_borrow();
        let call = self.direct_call(inside, private);
        let (_, value) = self.generated("value");
        if !self.is_async() {
            let (span, output) = (local("span"), local("output"));
            return quote! {
                let #span = #private::SyncSpan::enter(#private::tool_span(#name, #description));
                let #output = #call;
                #span.finish(&#output, #value);
                #output
            };
        }
        let body = if inside { quote!(async move { #call.await }) } else { call };
        quote! {
            #private::direct(#private::tool_span(#name, #description), #body, #value).await
        }
    }

    fn traced_stream(&self, items: &Items<'_>, private: &TokenStream) -> TokenStream {
        let (name, description) = (&self.name, &self.description);
        let call = self.direct_call(self.has_context(), private);
        let (_, value) = self.generated("value");
        let (span, stream, error) = (local("span"), local("stream"), local("error"));
        let open = if self.is_async() {
            quote!(#span.open_async(async move { #call.await }).await)
        } else {
            quote!(#span.open(move || #call))
        };
        let follow = quote!(#span.follow(#stream, #value));
        let follow = if items.boxed { quote!(#private::Box::pin(#follow) as _) } else { follow };
        let end = if items.error.is_some() {
            let (_, convert) = self.generated("error");
            quote! {
                match #stream {
                    #private::Result::Ok(#stream) => #private::Result::Ok(#follow),
                    #private::Result::Err(#error) => {
                        #span.fail(&#convert(&#error));
                        #private::Result::Err(#error)
                    }
                }
            }
        } else {
            follow
        };
        quote! {
            let mut #span = #private::StreamSpan::new(#private::tool_span(#name, #description));
            let #stream = #open;
            #end
        }
    }

    /// Returns the body, which first records the attributes of the program. The span of an operation
    /// has them already.
    fn with_fields(&self, body: &Group, private: &TokenStream) -> Group {
        if self.fields.is_empty() || self.has_own_span {
            return body.clone();
        }
        let mut facts = Facts::new(private);
        facts.fields(&self.fields);
        let (facts, statements) = (facts.closure(), body.stream());
        self.function.body_of(quote!(#private::record_fields(#facts); #statements))
    }

    /// Returns the attributes of the generated items that repeat the types of the function.
    pub(crate) fn item_attributes(&self) -> Vec<Cow<'_, Attribute>> {
        let cfg = self.cfg().into_iter().map(Cow::Borrowed);
        cfg.chain(lints(&self.function.attrs)).collect()
    }

    /// Returns the struct of the same name, in the type namespace.
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

    /// Returns the original function and the conversion of its output. Only here, the compiler
    /// checks the return type, so that it reports an unsuitable type once.
    pub(crate) fn body(&self, private: &TokenStream) -> TokenStream {
        let Function { attrs, sig, body, vis } = self.function;
        let attrs = body_attributes(attrs);
        let body = self.with_fields(body, private);
        // Clippy checks the signature, because this function is private, unlike the public one.
        // Parameters by value are fine: the arguments exist for one call.
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
        signature.ident = self.generated("").0;
        signature.ident.set_span(sig.ident.span());
        let attributes = self.item_attributes();
        let (value, _) = self.generated("value");
        let (span, output) = self.returns.value();
        let to_output = conversion(span, private, &quote!(output), &quote!(ToolReturn::to_output));
        let to_error = conversion(span, private, &quote!(error), &quote!(ToolFailure::to_error));
        let split = respan(span, &quote!(split));
        let error_of_stream = match &self.returns {
            Returns::Stream(Items { error: Some(ty), .. }) => {
                let (name, _) = self.generated("error");
                let span = at_call_site(ty.span());
                let to_error =
                    conversion(span, private, &quote!(error), &quote!(ToolFailure::to_error));
                Some(quote! {
                    #(#attributes)*
                    fn #name(__value: &#ty) -> #private::ToolError {
                        use #private::Plain as _;
                        #to_error
                    }
                })
            }
            _ => None,
        };
        quote! {
            #allowed
            #(#attrs)*
            #signature #body

            #(#attributes)*
            #[allow(clippy::ptr_arg)]
            fn #value(
                __output: &#output,
                __wanted: #private::bool,
            ) -> #private::Result<#private::ToolOutput, #private::ToolError> {
                use #private::Plain as _;
                match #private::Returned(__output).#split() {
                    #private::Result::Ok(__value) if __wanted => #to_output,
                    #private::Result::Ok(_) => #private::Result::Ok(#private::null_output()),
                    #private::Result::Err(__value) => #private::Result::Err(#to_error),
                }
            }

            #error_of_stream
        }
    }
}

/// Returns the conversion of `__value`: the method `select` of `Returned`, which calls the method
/// `convert` of a trait for every type without a special conversion.
fn conversion(
    span: Span,
    private: &TokenStream,
    select: &TokenStream,
    convert: &TokenStream,
) -> TokenStream {
    respan(span, &quote!(#private::Returned(__value).#select(#private::#convert)))
}

/// Returns a variable whose name cannot collide with that of a parameter.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

const PUBLIC: [&str; 4] = ["doc", "cfg", "must_use", "deprecated"];
const LINTS: [&str; 4] = ["allow", "warn", "deny", "forbid"];

fn is_any(attr: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attr.path().is_ident(name))
}

/// Returns the attributes of the public function: those that its users see, and the lints.
fn public_attributes(attrs: &[Attribute]) -> Vec<Cow<'_, Attribute>> {
    let shown = attrs.iter().filter(|attr| is_any(attr, &PUBLIC)).map(Cow::Borrowed);
    shown.chain(lints(attrs)).collect()
}

/// Returns the lints of the function, for the generated items that repeat its types. Only the body
/// fulfils an `expect`, which is therefore an `allow` here.
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

/// Returns the attributes of the body: all but those for the users of the function.
fn body_attributes(attrs: &[Attribute]) -> Vec<&Attribute> {
    const PUBLIC_ONLY: [&str; 3] = ["doc", "must_use", "deprecated"];
    attrs.iter().filter(|attr| !is_any(attr, &PUBLIC_ONLY)).collect()
}

/// Returns the signature without the documentation of its parameters and the attributes of the
/// macro, which rustc does not allow there.
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

/// Removes `mut` from the parameters: the public function only forwards them.
fn remove_mut(sig: &mut Signature) {
    for input in &mut sig.inputs {
        if let FnArg::Typed(typed) = input
            && let Pat::Ident(name) = &mut *typed.pat
        {
            name.mutability = None;
            typed.attrs.retain(|attr| attr.path().is_ident("cfg"));
        }
    }
}
