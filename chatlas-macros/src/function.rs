//! A function as the macros read it: its head is parsed, its body stays the tokens that it is. So
//! one that is only half written is still handed on as it stands, and what it costs to build does
//! not grow with the bodies.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _};
use syn::parse::{Parse, ParseStream};
use syn::{AttrStyle, Attribute, Signature, Visibility};

/// A function with a body.
pub(crate) struct Function {
    /// Those above it, and those at the start of its body, which mean the same there.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The body, in its braces.
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        Self::after_attributes(attrs, input)
    }
}

impl Function {
    /// What follows the attributes.
    pub(crate) fn after_attributes(
        mut attrs: Vec<Attribute>,
        input: ParseStream<'_>,
    ) -> syn::Result<Self> {
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = match input.parse()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => group,
            other => return Err(syn::Error::new_spanned(other, "expected the body in braces")),
        };
        let split = |input: ParseStream<'_>| {
            let attrs = input.call(Attribute::parse_inner)?;
            Ok((attrs, input.parse::<TokenStream>()?))
        };
        let (inner, rest) = syn::parse::Parser::parse2(split, body.stream())?;
        attrs.extend(inner.into_iter().map(|attr| Attribute { style: AttrStyle::Outer, ..attr }));
        let mut plain = Group::new(Delimiter::Brace, rest);
        plain.set_span(body.span());
        Ok(Self { attrs, vis, sig, body: plain })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}
