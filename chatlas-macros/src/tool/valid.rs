//! The rules for a function that is a tool. Each violation is reported at its token.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, Expr, LitStr, Meta, Receiver, ReceiverKind, Safety, Signature, Type, TypeImplTrait,
    TypeReference, TypeTraitObject,
};

use super::types::{bare, is_unsized};
use crate::attr::{Arguments, nearest};
use crate::errors::Errors;

/// Returns a clearer error than that of syn if the item is not a function.
pub(super) fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let item: syn::Item = syn::parse2(item.clone()).ok()?;
    Some(syn::Error::new_spanned(
        item,
        "`#[tool]` can only be used on a function; for a type, implement the trait `Tool`, or \
         write `#[toolbox]` on the impl whose methods are tools",
    ))
}

/// Checks the qualifiers, generics and variadics of the signature.
pub(super) fn signature(sig: &Signature, errors: &mut Errors) {
    if !sig.generics.params.is_empty() {
        errors.at(
            &sig.generics,
            "a tool cannot be generic, because it has one JSON schema; use concrete types",
        );
    }
    if let Some(clause) = &sig.generics.where_clause {
        errors.at(clause, "a tool cannot have a `where` clause; remove it");
    }
    if let Some(token) = &sig.constness {
        errors.at(token, "a tool cannot be a `const fn`; remove `const`");
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(
            token,
            "a tool cannot be `unsafe`, because the model decides when it is called; remove \
             `unsafe`",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a tool cannot be `extern`; remove the ABI");
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a tool cannot be variadic; take a `Vec<T>`");
    }
}

/// Checks that the names of the parameters differ. rustc reports a duplicate.
pub(super) fn distinct<'a>(parameters: impl Iterator<Item = &'a Ident>, errors: &mut Errors) {
    let mut names: Vec<&Ident> = Vec::new();
    for name in parameters {
        if names.contains(&name) {
            errors.defer_to_rustc();
        }
        names.push(name);
    }
}

/// Checks the `self` of a method.
pub(super) fn receiver(receiver: &Receiver, in_toolbox: bool, errors: &mut Errors) {
    if !in_toolbox {
        errors.at(
            receiver,
            "a method can only be a tool in a toolbox; write `#[toolbox]` on the impl",
        );
    } else if !matches!(receiver.kind, ReceiverKind::Reference(_, None, None)) {
        errors.at(
            receiver,
            "a tool method must take `&self`, because calls can run at the same time; use a \
             `Mutex` for data that changes",
        );
    }
}

/// Checks that the vendors accept the name of the tool.
pub(super) fn name(name: &str, tokens: impl ToTokens, errors: &mut Errors) {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        errors.at(
            tokens,
            format!(
                "`{name}` is not a valid tool name; use 1 to 64 ASCII letters, digits, `_` or `-`"
            ),
        );
    }
}

/// The attributes of a parameter that the macro removes.
#[derive(Default)]
pub(super) struct ParameterAttributes<'a> {
    pub(super) state: Option<&'a Attribute>,
    pub(super) default: Option<&'a Attribute>,
}

/// Reads the attributes of a parameter, and reports those that are unsupported.
pub(super) fn parameter_attributes<'a>(
    attrs: &'a [Attribute],
    errors: &mut Errors,
) -> ParameterAttributes<'a> {
    const OF_RUSTC: [&str; 8] =
        ["doc", "cfg", "cfg_attr", "allow", "expect", "warn", "deny", "forbid"];
    let mut read = ParameterAttributes::default();
    for attr in attrs {
        let name = attr.path().get_ident().map(ToString::to_string).unwrap_or_default();
        let slot = match name.as_str() {
            "state" => &mut read.state,
            "default" => &mut read.default,
            name if OF_RUSTC.contains(&name) => continue,
            name => {
                let unknown =
                    |meant| format!("unknown attribute `{name}`; did you mean `{meant}`?");
                let message = match nearest(name, ["state", "default"]) {
                    Some("state") => unknown("#[state]"),
                    Some(_) => unknown("#[default(...)]"),
                    None => "unsupported attribute on a tool parameter; supported: doc comments, \
                             `#[state]`, `#[default(...)]`, `#[cfg]` and lints. For an optional \
                             parameter, use `Option<T>` or `#[default(...)]`"
                        .to_owned(),
                };
                errors.at(attr, message);
                continue;
            }
        };
        if slot.is_some() {
            errors.at(attr, format!("duplicate attribute `#[{name}]`; remove one"));
        } else {
            *slot = Some(attr);
        }
    }
    read
}

/// Checks a `#[state]` parameter.
pub(super) fn state(attributes: &ParameterAttributes<'_>, ty: &Type, errors: &mut Errors) {
    if let Some(attr) = attributes.state
        && !matches!(attr.meta, Meta::Path(_))
    {
        errors.at(attr, "`#[state]` takes no arguments; remove them");
    }
    if let Some(attr) = attributes.default {
        errors.at(attr, "a `#[state]` parameter cannot have a default; remove `#[default]`");
    }
    let mut inner = match bare(ty) {
        Type::Reference(reference) => {
            if let Some(token) = &reference.mutability {
                errors.at(
                    token,
                    "state cannot be borrowed mutably, because calls can run at the same time; \
                     use `&T`, with a `Mutex` for data that changes",
                );
            }
            if let Some(lifetime) = &reference.lifetime {
                errors.at(lifetime, "a `#[state]` parameter cannot name a lifetime; remove it");
            }
            if is_unsized(&reference.elem) {
                errors
                    .at(&reference.elem, "state must be a sized type; use `&String` or `&Vec<T>`");
            }
            (*reference.elem).clone()
        }
        other => other.clone(),
    };
    Nested {
        errors,
        borrow: "state can only be borrowed at the top level, as `&T`; use an owned type here",
        from_model: false,
    }
    .visit_type_mut(&mut inner);
}

/// Checks a `ToolContext` parameter.
pub(super) fn context(attributes: &ParameterAttributes<'_>, ty: &Type, errors: &mut Errors) {
    for attr in attributes.state.into_iter().chain(attributes.default) {
        errors.at(attr, "each call supplies its own `ToolContext`; remove this attribute");
    }
    if let Type::Reference(reference) = bare(ty) {
        if let Some(token) = &reference.mutability {
            errors.at(token, "a `ToolContext` cannot be borrowed mutably; take `&ToolContext`");
        }
        if let Some(lifetime) = &reference.lifetime {
            errors.at(lifetime, "a `ToolContext` parameter cannot name a lifetime; remove it");
        }
    }
}

/// Returns the expression of `#[default(…)]`.
pub(super) fn default(attr: &Attribute, errors: &mut Errors) -> Option<Expr> {
    let expr = match &attr.meta {
        Meta::List(list) => list.parse_args::<Expr>().ok(),
        _ => None,
    };
    if expr.is_none() {
        errors.at(
            attr,
            "invalid default; write `#[default(value)]`, with a value of the parameter's type",
        );
    }
    expr
}

/// Checks the display name.
pub(super) fn title(text: &LitStr, errors: &mut Errors) {
    if text.value().trim().is_empty() {
        errors.at(text, "the title is empty; write a display name, or remove the argument");
    }
}

/// Checks that the hints do not contradict each other.
pub(super) fn hints(arguments: &Arguments, errors: &mut Errors) {
    if arguments.bool("read_only") == Some(true)
        && arguments.bool("destructive") == Some(true)
        && let Some(key) = arguments.key("destructive")
    {
        errors.at(key, "`read_only` and `destructive` contradict each other; remove one");
    }
}

/// Returns the timeout in milliseconds.
pub(super) fn timeout(text: &LitStr, errors: &mut Errors) -> Option<u64> {
    let millis = millis(text.value().trim());
    if millis.is_none() {
        errors.at(
            text,
            "invalid timeout; write a positive integer and a unit: `500ms`, `30s`, `2m` or `1h`",
        );
    }
    millis
}

fn millis(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|millis| *millis > 0)
}

/// Checks the type of a parameter from the model, as far as a macro can.
pub(super) fn parameter_type(ty: &Type, errors: &mut Errors) {
    if is_unsized(ty) {
        errors.defer_to_rustc();
    }
    let mut inner = match bare(ty) {
        Type::Reference(reference) => {
            borrow(reference, errors);
            (*reference.elem).clone()
        }
        other => other.clone(),
    };
    Nested {
        errors,
        borrow: "a parameter can only be borrowed at the top level, as `&str`, `&[T]` or `&T`; use an \
                 owned type here",
        from_model: true,
    }
    .visit_type_mut(&mut inner);
}

fn borrow(reference: &TypeReference, errors: &mut Errors) {
    if let Some(token) = &reference.mutability {
        errors.at(token, "a tool parameter cannot be borrowed mutably; take it by value");
    }
    if let Some(lifetime) = &reference.lifetime {
        errors.at(
            lifetime,
            "a tool parameter cannot name a lifetime; remove it, or take the parameter by value",
        );
    }
}

/// Reports what a parameter's type cannot contain.
struct Nested<'e> {
    errors: &'e mut Errors,
    borrow: &'static str,
    /// Whether the model sends the value; otherwise the app supplies it.
    from_model: bool,
}

impl VisitMut for Nested<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.errors.at(reference, self.borrow);
    }

    fn visit_type_trait_object_mut(&mut self, ty: &mut TypeTraitObject) {
        if self.from_model {
            self.errors.at(ty, "a tool parameter cannot be `dyn Trait`; use a concrete type");
        }
    }

    fn visit_type_impl_trait_mut(&mut self, ty: &mut TypeImplTrait) {
        self.errors.at(ty, "a tool parameter cannot be `impl Trait`; use a concrete type");
    }
}
