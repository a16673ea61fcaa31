//! The return type of the function: one value, or a stream of values.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::spanned::Spanned as _;
use syn::{GenericArgument, ReturnType, Type, TypeParamBound};

use super::types::{arguments, bare, last_segment, type_arguments};
use crate::errors::Errors;
use crate::span::at_call_site;

/// The return type of a tool. The expansion lets the compiler recognise a `Result` of a value, so
/// that aliases such as `std::io::Result` work.
pub(crate) enum Returns<'a> {
    /// A value.
    Value(Option<&'a Type>),
    /// A stream: `impl Stream<Item = T>`, or a boxed one.
    Stream(Items<'a>),
}

/// The type of a stream that a tool returns.
pub(crate) struct Items<'a> {
    pub(crate) item: &'a Type,
    /// The error type of `Result<impl Stream<Item = T>, E>`.
    pub(crate) error: Option<&'a Type>,
    /// Whether the stream is `Pin<Box<dyn Stream<…>>>`.
    pub(crate) boxed: bool,
}

impl<'a> Returns<'a> {
    pub(crate) fn read(output: &'a ReturnType, errors: &mut Errors) -> Self {
        let ReturnType::Type(_, ty) = output else { return Self::Value(None) };
        let ty = bare(ty);
        if let Some(items) = stream(ty, errors) {
            return Self::Stream(items);
        }
        if let Some(segment) = last_segment(ty)
            && segment.ident == "Result"
            && let Some(types) = type_arguments(segment)
            && let Some(first) = types.first()
            && let Some(items) = stream(bare(first), errors)
        {
            let error = types.get(1).copied();
            if error.is_none() {
                errors.at(ty, "missing error type; write `Result<impl Stream<Item = T>, E>`");
            }
            return Self::Stream(Items { error, ..items });
        }
        if let Type::Never(_) = ty {
            errors.at(ty, "a tool cannot return `!`; return a value for the model, or `()`");
        }
        if let Type::ImplTrait(_) = ty {
            errors.at(
                ty,
                "a tool cannot return `impl Trait`, except `impl Stream<Item = T>`; write the concrete \
                 type, or return a `serde_json::Value`",
            );
        }
        Self::Value(Some(ty))
    }

    /// Returns the type of the value or item, and the span for errors about it.
    pub(crate) fn value(&self) -> (Span, TokenStream) {
        match self {
            Self::Value(None) => (Span::call_site(), quote!(())),
            Self::Value(Some(ty)) | Self::Stream(Items { item: ty, .. }) => {
                (at_call_site(ty.span()), ty.to_token_stream())
            }
        }
    }
}

/// Returns the parts of a stream type, or `None` for any other type.
fn stream<'a>(ty: &'a Type, errors: &mut Errors) -> Option<Items<'a>> {
    let (bounds, boxed) = match ty {
        Type::ImplTrait(ty) => (&ty.bounds, false),
        Type::Path(_) => {
            let segment = last_segment(ty)?;
            let types = type_arguments(segment)?;
            if segment.ident == "BoxStream" {
                return Some(Items { item: types.last().copied()?, error: None, boxed: true });
            }
            let boxed = (segment.ident == "Pin").then(|| types.first().copied()).flatten()?;
            let inner = last_segment(bare(boxed)).filter(|segment| segment.ident == "Box")?;
            match bare(type_arguments(inner)?.first().copied()?) {
                Type::TraitObject(object) => (&object.bounds, true),
                _ => return None,
            }
        }
        _ => return None,
    };
    let segment = bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            bound.path.segments.last().filter(|segment| segment.ident == "Stream")
        }
        _ => None,
    })?;
    let item = arguments(segment).into_iter().flat_map(|list| &list.args).find_map(|argument| {
        match argument {
            GenericArgument::AssocType(item) if item.ident == "Item" => Some(&item.ty),
            _ => None,
        }
    });
    if item.is_none() {
        errors.at(segment, "missing item type; write `Stream<Item = T>`");
    }
    Some(Items { item: item.unwrap_or(ty), error: None, boxed })
}
