//! The facts that a span records at its start, as calls of `Facts`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use crate::attr::{Arguments, Field};
use crate::span::{at_call_site, respan};
use crate::tool::doc::Doc;

/// The calls for one span.
pub(crate) struct Facts<'a> {
    private: &'a TokenStream,
    /// The variable of the closure, which the user's expressions cannot see.
    variable: Ident,
    /// Constants that the compiler evaluates to check the keys.
    checks: TokenStream,
    calls: TokenStream,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(private: &'a TokenStream) -> Self {
        let variable = Ident::new("facts", Span::mixed_site());
        Self { private, variable, checks: TokenStream::new(), calls: TokenStream::new() }
    }

    /// Adds a constant.
    pub(crate) fn constant(&mut self, method: &str, value: impl quote::ToTokens) {
        let (facts, method) = (&self.variable, Ident::new(method, Span::call_site()));
        self.calls.extend(quote!(#facts.#method(#value);));
    }

    /// Adds the description, if there is one.
    pub(crate) fn description(&mut self, doc: &Doc) {
        if !doc.is_empty() {
            self.constant("description", doc);
        }
    }

    /// Adds the value of an expression, which is a `FieldValue`.
    pub(crate) fn value(
        &mut self,
        method: &str,
        value: &(impl quote::ToTokens + syn::spanned::Spanned),
    ) {
        let value = self.checked(value);
        self.constant(method, value);
    }

    /// Adds the argument of that name, if it is present.
    pub(crate) fn argument(&mut self, name: &str, arguments: &Arguments) {
        if let Some(value) = arguments.expr(name) {
            self.value(name, value);
        }
    }

    /// Adds the attributes of the program.
    pub(crate) fn fields(&mut self, fields: &[Field]) {
        for Field { key, value } in fields {
            let (facts, private, value) = (&self.variable, self.private, self.checked(value));
            let assert = respan(at_call_site(key.span()), &quote!(#private::assert_custom(#key)));
            self.checks.extend(quote!(const _: () = #assert;));
            self.calls.extend(quote!(#facts.field(#key, #value);));
        }
    }

    /// Adds the input, which is converted only with capture on.
    pub(crate) fn input(&mut self, value: &TokenStream) {
        let (facts, private) = (&self.variable, self.private);
        self.calls.extend(quote! {
            if #facts.captures() {
                #facts.input(#private::show!(#value));
            }
        });
    }

    /// Returns a reference to a value. The compiler reports an unsuitable type at the expression.
    fn checked(&self, value: &(impl quote::ToTokens + syn::spanned::Spanned)) -> TokenStream {
        let span = at_call_site(value.span());
        let private = self.private;
        let check = respan(span, &quote!(#private::FieldValue::to_value));
        quote_spanned!(span=> #check(&(#value)))
    }

    /// Returns the closure.
    pub(crate) fn closure(&self) -> TokenStream {
        let Self { private, variable, checks, calls } = self;
        quote!(&mut |#variable: &mut #private::Facts| { #checks #calls })
    }
}
