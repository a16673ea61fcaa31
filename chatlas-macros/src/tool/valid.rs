//! The rules a function has to keep to be a tool. Each one that is broken is noted at its token.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit_mut::VisitMut;
use syn::{Attribute, ReturnType, Safety, Signature, Type, TypeImplTrait, TypeReference};

use super::parse::bare;
use crate::errors::Errors;

/// A clearer word than syn's for another kind of item.
pub(super) fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let item: syn::Item = syn::parse2(item.clone()).ok()?;
    Some(syn::Error::new_spanned(
        item,
        "`#[tool]` stands above a free function; for a type, implement the trait `Tool`",
    ))
}

/// What a function may not be.
pub(super) fn signature(sig: &Signature, errors: &mut Errors) {
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, "a tool cannot be generic: the model is told one schema");
    }
    if let Some(clause) = &sig.generics.where_clause {
        errors.at(clause, "a tool cannot have a `where` clause");
    }
    if let Some(token) = &sig.constness {
        errors.at(token, "a tool cannot be a `const fn`");
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(token, "a tool cannot be `unsafe`: the model chooses when it is called");
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a tool cannot be `extern`");
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a tool cannot be variadic");
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && let Type::ImplTrait(_) = bare(ty)
    {
        errors.at(ty, "a tool returns one known type that serializes, not `impl Trait`");
    }
}

/// The name that the vendors accept.
pub(super) fn name(name: &str, tokens: impl ToTokens, errors: &mut Errors) {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        errors.at(
            tokens,
            format!(
                "`{name}` is not a tool name: \
                 a tool name has 1 to 64 ASCII letters, digits, `_` or `-`"
            ),
        );
    }
}

/// What rustc allows above a parameter, and the documentation.
pub(super) fn parameter_attributes(attrs: &[Attribute], errors: &mut Errors) {
    const KNOWN: [&str; 8] =
        ["doc", "cfg", "cfg_attr", "allow", "expect", "warn", "deny", "forbid"];
    for attr in attrs {
        if !KNOWN.iter().any(|name| attr.path().is_ident(name)) {
            errors.at(
                attr,
                "a parameter of a tool takes a doc comment, `#[cfg]` and lints, nothing else; \
                 what the model may leave out is an `Option`",
            );
        }
    }
}

/// What no model can send, whatever the types are.
pub(super) fn parameter_type(ty: &Type, errors: &mut Errors) {
    let mut inner = match bare(ty) {
        Type::Reference(reference) => {
            borrow(reference, errors);
            (*reference.elem).clone()
        }
        other => other.clone(),
    };
    Nested(errors).visit_type_mut(&mut inner);
}

fn borrow(reference: &TypeReference, errors: &mut Errors) {
    if let Some(token) = &reference.mutability {
        errors.at(token, "a tool cannot borrow mutably what the model sends; take it by value");
    }
    if let Some(lifetime) = &reference.lifetime {
        errors.at(
            lifetime,
            "a tool borrows what the model sends for the call alone; leave the lifetime out, or \
             take it by value",
        );
    }
}

/// Looks for what may not stand inside a parameter's type.
struct Nested<'e>(&'e mut Errors);

impl VisitMut for Nested<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.0.at(
            reference,
            "only a whole parameter may be borrowed, as `&str` or `&[T]`; take this by value",
        );
    }

    fn visit_type_impl_trait_mut(&mut self, ty: &mut TypeImplTrait) {
        self.0.at(ty, "a parameter of a tool has one known type, not `impl Trait`");
    }
}
