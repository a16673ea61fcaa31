//! A parameter of the function: where its value comes from, and how it is handed over.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, Lit, Pat, PatType, Type, TypePath, UnOp};

use super::parse::{Text, bare, cfgs, doc};
use super::valid;
use crate::errors::Errors;
use crate::place::{at, here};

/// A parameter of the function.
pub(super) struct Parameter<'a> {
    pub(super) ident: &'a Ident,
    pub(super) cfg: Vec<&'a Attribute>,
    pub(super) source: Source<'a>,
}

/// Where its value comes from.
pub(super) enum Source<'a> {
    /// From the model.
    Model {
        taken: Taken<'a>,
        doc: Text,
        /// What stands for it where the model gives none.
        default: Option<Box<Expr>>,
    },
    /// From the app: `#[state]`.
    State { attribute: &'a Attribute, ty: &'a Type, borrowed: bool },
    /// From the call: a `ToolContext`.
    Context { borrowed: bool },
}

/// How the model's value becomes the argument.
pub(super) enum Taken<'a> {
    /// `T`: as it is.
    Owned(&'a Type),
    /// `&T`: borrowed from a `T`.
    Borrowed(&'a Type),
    /// `&str`: borrowed from a string.
    Text(&'a Type),
    /// `&[T]`: borrowed from a vector.
    List(&'a Type),
}

impl<'a> Parameter<'a> {
    /// Reads it, and notes every rule that it breaks.
    pub(super) fn read(typed: &'a PatType, errors: &mut Errors) -> Option<Self> {
        let PatType { attrs, pat, ty, .. } = typed;
        let own = valid::parameter_attributes(attrs, errors);
        let Pat::Ident(name) = &**pat else {
            errors.at(
                pat,
                "a parameter of a tool is a plain name, which the model is told; \
                 take the value apart in the body",
            );
            return None;
        };
        if name.by_ref.is_some() || name.subpat.is_some() {
            errors.at(name, "a parameter of a tool is a plain name, without `ref` or `@`");
            return None;
        }
        let source = if is_context(ty) {
            valid::context(&own, ty, errors);
            Source::Context { borrowed: matches!(bare(ty), Type::Reference(_)) }
        } else if let Some(attribute) = own.state {
            valid::state(&own, ty, errors);
            match bare(ty) {
                Type::Reference(reference) => {
                    Source::State { attribute, ty: &reference.elem, borrowed: true }
                }
                ty => Source::State { attribute, ty, borrowed: false },
            }
        } else {
            valid::parameter_type(ty, errors);
            let default =
                own.default.and_then(|attribute| valid::default(attribute, errors)).map(Box::new);
            Source::Model { taken: Taken::of(ty), doc: doc(attrs), default }
        };
        Some(Self { ident: &name.ident, cfg: cfgs(attrs), source })
    }

    /// The name that the model is told.
    fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// The variable that holds its value.
    fn variable(&self) -> Ident {
        format_ident!("__argument_{}", self.name(), span = Span::call_site())
    }

    /// The one place where its type is held against what a tool may take.
    pub(super) fn declare(&self, index: usize, private: &TokenStream) -> Option<TokenStream> {
        let Source::Model { taken, doc, default } = &self.source else { return None };
        let cfg = &self.cfg;
        let (name, owned, constant) = (self.name(), taken.owned(private), constant(index));
        let parameter = at(taken.span(), &quote!(#private::parameter));
        let or = default.as_ref().map(|expr| {
            let shown = json(expr).unwrap_or_default();
            quote!(.or(#shown))
        });
        Some(quote_spanned! {taken.span()=>
            #(#cfg)*
            const #constant: #private::Parameter<#owned> = #parameter::<#owned>(#name, #doc) #or;
        })
    }

    /// Its line among the parameters.
    pub(super) fn line(&self, index: usize) -> Option<TokenStream> {
        let Source::Model { .. } = &self.source else { return None };
        let (cfg, constant) = (&self.cfg, constant(index));
        Some(quote!(#(#cfg)* #constant.untyped()))
    }

    /// Its value, taken from the arguments or from the state.
    pub(super) fn take(&self, index: usize, private: &TokenStream) -> Option<TokenStream> {
        let (cfg, variable) = (&self.cfg, self.variable());
        match &self.source {
            Source::Model { taken, default, .. } => {
                let (owned, constant) = (taken.owned(private), constant(index));
                let take = if let Some(expr) = default {
                    let value = taken.default(expr, private);
                    quote!(#constant.take_or(&mut __arguments, || #value)?)
                } else {
                    quote!(#constant.take(&mut __arguments)?)
                };
                Some(quote!(#(#cfg)* let #variable: #owned = #take;))
            }
            Source::State { .. } | Source::Context { .. } => None,
        }
    }

    /// Its value, given to the function; `how` is the next kind of supply for a state.
    pub(super) fn give(
        &self,
        how: &mut impl Iterator<Item = Ident>,
        private: &TokenStream,
    ) -> TokenStream {
        let (cfg, variable) = (&self.cfg, self.variable());
        let value = match &self.source {
            Source::Model { taken, .. } => {
                let borrow = taken.is_borrowed().then(|| quote!(&));
                quote!(#borrow #variable)
            }
            Source::State { ty, borrowed, .. } => {
                let how = how.next();
                let supply = quote!(#private::Supply::<#ty, #how>::supply(&__state));
                if *borrowed {
                    supply
                } else {
                    let span = here(ty.span());
                    let cloned = at(span, &quote!(#private::cloned));
                    quote_spanned!(span=> #cloned::<#ty>(#supply))
                }
            }
            Source::Context { borrowed: true } => quote!(&__context),
            Source::Context { borrowed: false } => quote!(#private::Clone::clone(&__context)),
        };
        quote!(#(#cfg)* #value)
    }

    /// Handed on by the public function, which has it under its own name.
    pub(super) fn hand_on(&self, private: &TokenStream, inside: bool) -> TokenStream {
        let Self { cfg, ident, .. } = self;
        match &self.source {
            Source::Context { borrowed } if inside => {
                let borrow = borrowed.then(|| quote!(&));
                let reference = (!borrowed).then(|| quote!(&));
                quote!(#(#cfg)* #borrow #private::here(#reference #ident))
            }
            _ => quote!(#(#cfg)* #ident),
        }
    }
}

impl<'a> Taken<'a> {
    fn of(ty: &'a Type) -> Self {
        let Type::Reference(reference) = bare(ty) else { return Self::Owned(ty) };
        match bare(&reference.elem) {
            Type::Slice(slice) => Self::List(&slice.elem),
            Type::Path(path) if is_str(path) => Self::Text(&reference.elem),
            elem => Self::Borrowed(elem),
        }
    }

    /// Whether the function borrows the value.
    fn is_borrowed(&self) -> bool {
        !matches!(self, Self::Owned(_))
    }

    /// The type that the model's value is read into.
    fn owned(&self, private: &TokenStream) -> TokenStream {
        match self {
            Self::Owned(ty) | Self::Borrowed(ty) => ty.to_token_stream(),
            Self::Text(_) => quote!(#private::String),
            Self::List(item) => quote!(#private::Vec<#item>),
        }
    }

    /// The default as a value of that type.
    fn default(&self, expr: &Expr, private: &TokenStream) -> TokenStream {
        let is_text = matches!(expr, Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)));
        match self {
            Self::Owned(_) | Self::Borrowed(_) if !is_text => expr.to_token_stream(),
            _ => {
                let span = here(expr.span());
                let into = at(span, &quote!(#private::Into::into));
                quote_spanned!(span=> #into(#expr))
            }
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

/// `str`, under whatever path.
fn is_str(path: &TypePath) -> bool {
    path.path.segments.last().is_some_and(|segment| segment.ident == "str")
}

/// `ToolContext` or `&ToolContext`, under whatever path.
fn is_context(ty: &Type) -> bool {
    let ty = match bare(ty) {
        Type::Reference(reference) => bare(&reference.elem),
        other => other,
    };
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "ToolContext")
}

/// A literal as JSON; nothing else can be shown.
fn json(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Group(group) => json(&group.expr),
        Expr::Paren(paren) => json(&paren.expr),
        Expr::Array(array) => {
            let elements: Option<Vec<String>> = array.elems.iter().map(json).collect();
            Some(format!("[{}]", elements?.join(",")))
        }
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            let number = json(&unary.expr)?;
            number.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("-{number}"))
        }
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(quoted(&text.value())),
            Lit::Char(text) => Some(quoted(text.value().encode_utf8(&mut [0; 4]))),
            Lit::Bool(on) => Some(on.value.to_string()),
            Lit::Int(number) => Some(number.base10_digits().to_owned()),
            Lit::Float(number) => {
                let digits = number.base10_digits();
                let zero = if digits.ends_with('.') { "0" } else { "" };
                Some(format!("{digits}{zero}"))
            }
            _ => None,
        },
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                use std::fmt::Write as _;
                // Writing to a string does not fail.
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
