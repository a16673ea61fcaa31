//! A function whose signature is parsed and whose body stays tokens: an incomplete body reaches the
//! compiler unchanged, and the cost of an expansion does not depend on the length of the body.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _};
use syn::parse::{Parse, ParseStream};
use syn::{AttrStyle, Attribute, Signature, Visibility};

/// A function with a body.
pub(crate) struct Function {
    /// The attributes of the function, and the inner attributes of its body as outer ones.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The body, in braces.
    pub(crate) body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        Self::after_attributes(attrs, input)
    }
}

impl Function {
    /// Parses the function after its attributes.
    pub(crate) fn after_attributes(
        mut attrs: Vec<Attribute>,
        input: ParseStream<'_>,
    ) -> syn::Result<Self> {
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = match input.parse()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => group,
            other => {
                return Err(syn::Error::new_spanned(other, "expected a function body in braces"));
            }
        };
        let split = |input: ParseStream<'_>| {
            let attrs = input.call(Attribute::parse_inner)?;
            Ok((attrs, input.parse::<TokenStream>()?))
        };
        let (inner, rest) = syn::parse::Parser::parse2(split, body.stream())?;
        attrs.extend(inner.into_iter().map(|attr| Attribute { style: AttrStyle::Outer, ..attr }));
        let body = braced(&body, rest);
        Ok(Self { attrs, vis, sig, body })
    }

    /// Returns a body of these statements at the position of the original one.
    pub(crate) fn body_of(&self, statements: TokenStream) -> Group {
        braced(&self.body, statements)
    }

    /// Returns the function with another body.
    pub(crate) fn with_body(&self, statements: TokenStream) -> Self {
        Self {
            attrs: self.attrs.clone(),
            vis: self.vis.clone(),
            sig: self.sig.clone(),
            body: self.body_of(statements),
        }
    }
}

/// Returns the statements in braces at the position of `original`.
fn braced(original: &Group, statements: TokenStream) -> Group {
    let mut body = Group::new(Delimiter::Brace, statements);
    body.set_span(original.span());
    body
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}
