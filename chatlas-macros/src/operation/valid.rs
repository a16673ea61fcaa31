//! The rules of the attributes of operations. Each violation is reported at its token.

use proc_macro2::TokenStream;
use syn::{Item, ItemImpl, LitStr, ReturnType, Type, TypeParamBound};

use super::kind::Operation;
use crate::attr::{Arguments, Field};
use crate::errors::Errors;
use crate::function::Function;
use crate::tool::types::{bare, last_segment, type_arguments};

/// The item below an attribute.
pub(super) enum Target {
    Function(Box<Function>),
    Impl(Box<ItemImpl>),
}

/// Returns the item, if the attribute can be written on it.
pub(super) fn target(operation: Operation, item: &TokenStream) -> syn::Result<Target> {
    let name = operation.name();
    let parsed = syn::parse2::<Item>(item.clone());
    if let (Some(of), Ok(Item::Impl(block))) = (operation.trait_name(), &parsed) {
        let path = block.trait_.as_ref().and_then(|(path, _)| path.segments.last());
        if path.is_some_and(|segment| segment.ident == of) {
            return Ok(Target::Impl(Box::new(block.clone())));
        }
    }
    // A function with an incomplete body is no item, but a `Function`.
    match syn::parse2::<Function>(item.clone()) {
        Ok(function) if operation.is_of_functions() => {
            return Ok(Target::Function(Box::new(function)));
        }
        Err(error) if operation.is_of_functions() && parsed.is_err() => return Err(error),
        _ => {}
    }
    let message = match (operation.is_of_functions(), operation.trait_name()) {
        (true, None) => format!("`#[{name}]` can only be used on a function"),
        (true, Some(of)) => {
            format!("`#[{name}]` can only be used on a function or an `impl {of} for ...`")
        }
        (false, of) => {
            let of = of.unwrap_or_default();
            format!("`#[{name}]` can only be used on an `impl {of} for ...`")
        }
    };
    Err(syn::Error::new_spanned(item, message))
}

/// Checks the name of an agent, a workflow or an evaluator.
pub(super) fn name(text: &LitStr, errors: &mut Errors) {
    if text.value().trim().is_empty() {
        errors.at(text, "the name is empty; write a name, or remove the argument");
    }
}

/// Checks the attributes of the program. The compiler reports reserved keys.
pub(crate) fn fields(fields: &[Field], errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for Field { key, .. } in fields {
        let text = key.value();
        if text.is_empty() {
            errors.at(key, "the key is empty; write the name of an attribute");
        } else if seen.contains(&text) {
            errors.at(key, format!("duplicate field `{text}`; remove one"));
        }
        seen.push(text);
    }
}

/// Checks the names in `skip(…)`.
pub(crate) fn skip(arguments: &Arguments, names: &[String], errors: &mut Errors) {
    for name in arguments.names("skip") {
        if name != "output" && !names.iter().any(|known| name == known) {
            let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let known = known.join(", ");
            errors.at(
                name,
                format!(
                    "there is no parameter `{name}`; `skip` takes names of parameters ({known}) and \
                     `output` for the return value"
                ),
            );
        }
    }
}

/// Checks that the function does not return a future, before which its span would end.
pub(super) fn future(operation: Operation, output: &ReturnType, errors: &mut Errors) {
    let ReturnType::Type(_, ty) = output else { return };
    let is_future = |bounds: &syn::punctuated::Punctuated<TypeParamBound, syn::Token![+]>| {
        bounds.iter().any(|bound| match bound {
            TypeParamBound::Trait(bound) => {
                bound.path.segments.last().is_some_and(|segment| segment.ident == "Future")
            }
            _ => false,
        })
    };
    let inner = |ty: &Type, of: &str| {
        let segment = last_segment(ty).filter(|segment| segment.ident == of)?;
        type_arguments(segment)?.first().map(|ty| bare(ty).clone())
    };
    let found = match bare(ty) {
        Type::ImplTrait(ty) => is_future(&ty.bounds),
        ty => {
            last_segment(ty).is_some_and(|segment| segment.ident == "BoxFuture")
                || matches!(
                    inner(ty, "Pin").and_then(|ty| inner(&ty, "Box")),
                    Some(Type::TraitObject(object)) if is_future(&object.bounds)
                )
        }
    };
    if found {
        errors.at(
            ty,
            format!(
                "`#[{}]` needs an `async fn`, so that its span ends when the work is done; below \
                 `#[async_trait]`, write it on a function that the method calls",
                operation.name()
            ),
        );
    }
}
