//! The documentation of an item: the text of its doc comments and `#[doc]` attributes.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta};

/// A text that may begin with expressions that only the compiler can evaluate, such as
/// `include_str!("…")`.
#[derive(Default)]
pub(crate) struct Doc {
    parts: Vec<TokenStream>,
    text: String,
}

impl Doc {
    /// Returns the text of the doc comments, without the space that follows the slashes.
    pub(crate) fn from_attributes(attrs: &[Attribute]) -> Self {
        let mut doc = Self::default();
        for value in attrs.iter().filter_map(value) {
            if let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = value {
                add_lines(&mut doc.text, &literal.value());
            } else {
                let before = std::mem::replace(&mut doc.text, "\n".to_owned());
                doc.parts.extend([quote!(#before), quote!(#value)]);
            }
        }
        doc.text.truncate(doc.text.trim_end().len());
        if doc.parts.is_empty() {
            doc.text = doc.text.trim_start().to_owned();
        }
        doc
    }

    /// Returns the text of an argument.
    pub(crate) fn from_literal(literal: &LitStr) -> Self {
        Self { text: literal.value().trim().to_owned(), ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.text.is_empty()
    }
}

impl ToTokens for Doc {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { parts, text } = self;
        tokens.extend(if parts.is_empty() {
            quote!(#text)
        } else {
            quote!(::core::concat!(#(#parts,)* #text))
        });
    }
}

fn value(attr: &Attribute) -> Option<&Expr> {
    match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => Some(&meta.value),
        _ => None,
    }
}

/// Adds the lines of a comment. A block comment may begin each line with a star.
fn add_lines(text: &mut String, comment: &str) {
    let starred = comment.lines().skip(1).all(|line| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('*')
    });
    for (index, mut line) in comment.split('\n').enumerate() {
        if starred && index > 0 {
            line = line.trim_start();
            line = line.strip_prefix('*').unwrap_or(line);
        }
        text.push_str(line.strip_prefix(' ').unwrap_or(line));
        text.push('\n');
    }
}
