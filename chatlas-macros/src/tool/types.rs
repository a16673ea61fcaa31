//! Inspection of types and attributes as tokens: a macro does not see their definitions.

use syn::{
    AngleBracketedGenericArguments, Attribute, GenericArgument, PathArguments, PathSegment, Type,
};

/// Returns the type without parentheses, and without the invisible ones around `$t:ty`.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// Returns the last segment of a path: `Result<T, E>` of `std::io::Result<T, E>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Returns whether the type is a path that ends in this name.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// Returns whether the type is `str`, a slice or a trait object.
pub(crate) fn is_unsized(ty: &Type) -> bool {
    match bare(ty) {
        Type::Slice(_) | Type::TraitObject(_) => true,
        Type::Path(path) => path.path.is_ident("str"),
        _ => false,
    }
}

/// Returns whether the type is `ToolContext` or `&ToolContext`.
pub(crate) fn is_context(ty: &Type) -> bool {
    match bare(ty) {
        Type::Reference(reference) => is_named(bare(&reference.elem), "ToolContext"),
        other => is_named(other, "ToolContext"),
    }
}

/// Returns the generic arguments in angle brackets.
pub(crate) fn arguments(segment: &PathSegment) -> Option<&AngleBracketedGenericArguments> {
    match &segment.arguments {
        PathArguments::AngleBracketed(list) => Some(list),
        _ => None,
    }
}

/// Returns the types among the generic arguments.
pub(crate) fn type_arguments(segment: &PathSegment) -> Option<Vec<&Type>> {
    let types = arguments(segment)?.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}

/// Returns whether the attribute is `#[tool]`, under any path.
pub(crate) fn is_tool(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "tool")
}

/// Returns the `#[cfg]` attributes.
pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}
