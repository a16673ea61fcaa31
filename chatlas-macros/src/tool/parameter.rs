//! A parameter of the function: the source of its value, and how the function receives it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, Lit, Pat, PatType, Type};

use super::doc::Doc;
use super::literal::json;
use super::types::{bare, cfgs, is_context, is_named};
use super::valid;
use crate::errors::Errors;
use crate::span::{at_call_site, respan};

/// A parameter of the function.
pub(super) struct Parameter<'a> {
    pub(super) ident: &'a Ident,
    pub(super) cfg: Vec<&'a Attribute>,
    pub(super) source: Source<'a>,
}

/// The source of a parameter's value.
pub(super) enum Source<'a> {
    /// The model.
    Model {
        passing: Passing<'a>,
        doc: Doc,
        /// The value if the model sends none.
        default: Option<Box<Expr>>,
    },
    /// The app: `#[state]`.
    State { attribute: &'a Attribute, ty: &'a Type, borrowed: bool },
    /// The call: a `ToolContext`.
    Context { borrowed: bool },
}

/// How the function receives a value from the model.
pub(super) enum Passing<'a> {
    /// `T`: by value.
    Owned(&'a Type),
    /// `&T`: borrowed from a `T`.
    Borrowed(&'a Type),
    /// `&str`: borrowed from a string.
    Text(&'a Type),
    /// `&[T]`: borrowed from a vector.
    List(&'a Type),
}

impl<'a> Parameter<'a> {
    /// Reads the parameter, and reports every rule that it breaks.
    pub(super) fn read(typed: &'a PatType, errors: &mut Errors) -> Option<Self> {
        let PatType { attrs, pat, ty, .. } = typed;
        let attributes = valid::parameter_attributes(attrs, errors);
        let Pat::Ident(name) = &**pat else {
            errors.at(
                pat,
                "a tool parameter must be a plain name, which is sent to the model; destructure the \
                 value in the body",
            );
            return None;
        };
        if name.by_ref.is_some() || name.subpat.is_some() {
            errors.at(name, "a tool parameter must be a plain name; remove `ref` and `@`");
            return None;
        }
        let source = if is_context(ty) {
            valid::context(&attributes, ty, errors);
            Source::Context { borrowed: matches!(bare(ty), Type::Reference(_)) }
        } else if let Some(attribute) = attributes.state {
            valid::state(&attributes, ty, errors);
            match bare(ty) {
                Type::Reference(reference) => {
                    Source::State { attribute, ty: &reference.elem, borrowed: true }
                }
                ty => Source::State { attribute, ty, borrowed: false },
            }
        } else {
            valid::parameter_type(ty, errors);
            let default = attributes.default.and_then(|attr| valid::default(attr, errors));
            Source::Model {
                passing: Passing::from_type(ty),
                doc: Doc::from_attributes(attrs),
                default: default.map(Box::new),
            }
        };
        Some(Self { ident: &name.ident, cfg: cfgs(attrs), source })
    }

    /// Returns the name that is sent to the model.
    fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// Returns the variable that holds the value.
    fn variable(&self) -> Ident {
        format_ident!("__argument_{}", self.name(), span = Span::call_site())
    }

    /// Returns the constant that declares the parameter. Only here, the compiler checks that the
    /// type is a `ToolParameter`, so that it reports an unsuitable type once.
    pub(super) fn declare(&self, index: usize, private: &TokenStream) -> Option<TokenStream> {
        let Source::Model { passing, doc, default } = &self.source else { return None };
        let cfg = &self.cfg;
        let (name, owned, constant) = (self.name(), passing.owned(private), constant(index));
        let span = passing.span();
        let checked = respan(span, &quote!(#private::ToolParameter));
        let or = default.as_ref().map(|expr| {
            let shown = json(expr).unwrap_or_default();
            quote!(.or(#shown))
        });
        Some(quote_spanned! {span=>
            #(#cfg)*
            const #constant: #private::Parameter<#owned> =
                #private::Parameter::new(#name, #doc, &<#owned as #checked>::TYPE) #or;
        })
    }

    /// Returns the element of the list of parameters.
    pub(super) fn untyped(&self, index: usize) -> Option<TokenStream> {
        let Source::Model { .. } = &self.source else { return None };
        let (cfg, constant) = (&self.cfg, constant(index));
        Some(quote!(#(#cfg)* #constant.untyped()))
    }

    /// Returns the statement that takes the value from the arguments of a call.
    pub(super) fn take(&self, index: usize, private: &TokenStream) -> Option<TokenStream> {
        let (cfg, variable) = (&self.cfg, self.variable());
        match &self.source {
            Source::Model { passing, default, .. } => {
                let (owned, constant) = (passing.owned(private), constant(index));
                let take = if let Some(expr) = default {
                    let value = passing.default(expr, private);
                    quote!(#constant.take_or(&mut __arguments, || #value)?)
                } else {
                    quote!(#constant.take(&mut __arguments)?)
                };
                Some(quote!(#(#cfg)* let #variable: #owned = #take;))
            }
            Source::State { .. } | Source::Context { .. } => None,
        }
    }

    /// Returns the argument for the function. `sources` has a type parameter for each `#[state]`
    /// parameter.
    pub(super) fn pass(
        &self,
        sources: &mut impl Iterator<Item = Ident>,
        private: &TokenStream,
    ) -> TokenStream {
        let (cfg, variable) = (&self.cfg, self.variable());
        let value = match &self.source {
            Source::Model { passing, .. } => {
                let borrow = passing.is_borrowed().then(|| quote!(&));
                quote!(#borrow #variable)
            }
            Source::State { ty, borrowed, .. } => {
                let source = sources.next();
                let supply = quote!(#private::Supply::<#ty, #source>::supply(&__state));
                if *borrowed {
                    supply
                } else {
                    let span = at_call_site(ty.span());
                    let checked = respan(span, &quote!(#private::CloneState));
                    quote_spanned!(span=> <#ty as #checked>::clone_state(#supply))
                }
            }
            Source::Context { borrowed: true } => quote!(&__context),
            Source::Context { borrowed: false } => quote!(#private::Clone::clone(&__context)),
        };
        quote!(#(#cfg)* #value)
    }

    /// Returns the argument that the public function forwards to the body. `inside`: whether it is
    /// evaluated inside the span.
    pub(super) fn forward(&self, private: &TokenStream, inside: bool) -> TokenStream {
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

impl<'a> Passing<'a> {
    fn from_type(ty: &'a Type) -> Self {
        let Type::Reference(reference) = bare(ty) else { return Self::Owned(ty) };
        match bare(&reference.elem) {
            Type::Slice(slice) => Self::List(&slice.elem),
            elem if is_named(elem, "str") => Self::Text(&reference.elem),
            elem => Self::Borrowed(elem),
        }
    }

    /// Returns whether the function borrows the value.
    fn is_borrowed(&self) -> bool {
        !matches!(self, Self::Owned(_))
    }

    /// Returns the type that the JSON value is converted into.
    fn owned(&self, private: &TokenStream) -> TokenStream {
        match self {
            Self::Owned(ty) | Self::Borrowed(ty) => ty.to_token_stream(),
            Self::Text(_) => quote!(#private::String),
            Self::List(item) => quote!(#private::Vec<#item>),
        }
    }

    /// Returns the default as a value of that type.
    fn default(&self, expr: &Expr, private: &TokenStream) -> TokenStream {
        let is_text = matches!(expr, Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)));
        match self {
            Self::Owned(_) | Self::Borrowed(_) if !is_text => expr.to_token_stream(),
            // The compiler reports a type that has no such value at the default.
            Self::Owned(_) | Self::Borrowed(_) => {
                let span = at_call_site(expr.span());
                let check = respan(span, &quote!(#private::TextDefault::from_text));
                quote_spanned!(span=> #check(#expr))
            }
            _ => {
                let span = at_call_site(expr.span());
                let into = respan(span, &quote!(#private::Into::into));
                quote_spanned!(span=> #into(#expr))
            }
        }
    }

    fn span(&self) -> Span {
        let (Self::Owned(ty) | Self::Borrowed(ty) | Self::Text(ty) | Self::List(ty)) = self;
        at_call_site(ty.span())
    }
}

/// Returns the name of the constant that declares the parameter at this index.
fn constant(index: usize) -> Ident {
    format_ident!("__PARAMETER_{index}", span = Span::call_site())
}
