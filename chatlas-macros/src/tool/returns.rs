//! What the function returns: one value, or a stream of them.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::spanned::Spanned as _;
use syn::{
    AngleBracketedGenericArguments, GenericArgument, PathArguments, PathSegment, ReturnType, Type,
    TypeParamBound,
};

use super::parse::bare;
use crate::errors::Errors;
use crate::place::here;

/// What a tool returns. A `Result` is no case of its own: the compiler tells, whatever alias it
/// hides behind.
pub(super) enum Returns<'a> {
    /// A value that is there when the function is done.
    Value(Option<&'a Type>),
    /// A stream: `impl Stream<Item = T>`, or one that is boxed.
    Stream(Items<'a>),
}

/// The stream that a tool returns.
pub(super) struct Items<'a> {
    pub(super) item: &'a Type,
    /// The error, where there may be no stream: `Result<impl Stream<Item = T>, E>`.
    pub(super) error: Option<&'a Type>,
    /// Whether it is `Pin<Box<dyn Stream<…>>>`.
    pub(super) boxed: bool,
}

impl<'a> Returns<'a> {
    pub(super) fn read(output: &'a ReturnType, errors: &mut Errors) -> Self {
        let ReturnType::Type(_, ty) = output else { return Self::Value(None) };
        let ty = bare(ty);
        if let Some(items) = stream(ty, errors) {
            return Self::Stream(items);
        }
        if let Some(segment) = last(ty)
            && segment.ident == "Result"
            && let Some(types) = types(segment)
            && let Some(first) = types.first()
            && let Some(items) = stream(bare(first), errors)
        {
            let error = types.get(1).copied();
            if error.is_none() {
                errors.at(
                    ty,
                    "where there may be no stream, the error is written out: \
                     `Result<impl Stream<Item = T>, E>`",
                );
            }
            return Self::Stream(Items { error, ..items });
        }
        if let Type::Never(_) = ty {
            errors.at(ty, "a tool returns: what never does has nothing to tell the model");
        }
        if let Type::ImplTrait(_) = ty {
            errors.at(
                ty,
                "a tool returns one known type that serializes, or `impl Stream<Item = T>`; \
                 write the type, or return a `serde_json::Value`",
            );
        }
        Self::Value(Some(ty))
    }

    /// The type that is held against what a tool may hand to the model.
    pub(super) fn value(&self) -> (Span, TokenStream) {
        match self {
            Self::Value(None) => (Span::call_site(), quote!(())),
            Self::Value(Some(ty)) | Self::Stream(Items { item: ty, .. }) => {
                (here(ty.span()), ty.to_token_stream())
            }
        }
    }
}

/// The items of a stream, if it is one.
fn stream<'a>(ty: &'a Type, errors: &mut Errors) -> Option<Items<'a>> {
    let (bounds, boxed) = match ty {
        Type::ImplTrait(ty) => (&ty.bounds, false),
        Type::Path(_) => {
            let segment = last(ty)?;
            let types = types(segment)?;
            if segment.ident == "BoxStream" {
                return Some(Items { item: types.last().copied()?, error: None, boxed: true });
            }
            let boxed = (segment.ident == "Pin").then(|| types.first().copied()).flatten()?;
            let inner = last(bare(boxed)).filter(|segment| segment.ident == "Box")?;
            match bare(self::types(inner)?.first().copied()?) {
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
        errors.at(segment, "a stream says what its items are: `Stream<Item = T>`");
    }
    Some(Items { item: item.unwrap_or(ty), error: None, boxed })
}

fn last(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn arguments(segment: &PathSegment) -> Option<&AngleBracketedGenericArguments> {
    match &segment.arguments {
        PathArguments::AngleBracketed(list) => Some(list),
        _ => None,
    }
}

fn types(segment: &PathSegment) -> Option<Vec<&Type>> {
    let types = arguments(segment)?.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}
