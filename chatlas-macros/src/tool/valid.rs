//! The rules a function has to keep to be a tool. Each one that is broken is noted at its token.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, Expr, LitStr, Meta, Receiver, ReceiverKind, Safety, Signature, Type, TypeImplTrait,
    TypeReference, TypeTraitObject,
};

use super::parameter::Parameter;
use super::parse::{bare, is_tool};
use crate::attr::{Arguments, near};
use crate::errors::Errors;

/// A clearer word than syn's for another kind of item.
pub(super) fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let item: syn::Item = syn::parse2(item.clone()).ok()?;
    Some(syn::Error::new_spanned(
        item,
        "`#[tool]` stands above a function; for a type, implement the trait `Tool`, or write \
         `#[toolbox]` above the impl whose methods are tools",
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
}

/// `#[tool]` is taken away when it is read: what is still there is another.
pub(super) fn once(attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| is_tool(attr)) {
        errors.at(attr, "`#[tool]` stands there twice");
    }
}

/// Each parameter has a name of its own.
pub(super) fn distinct(parameters: &[Parameter<'_>], errors: &mut Errors) {
    let mut names: Vec<&Ident> = Vec::new();
    for Parameter { ident, cfg, .. } in parameters {
        if cfg.is_empty() && names.contains(ident) {
            errors.leave();
        }
        names.push(ident);
    }
}

/// What a method may be called on.
pub(super) fn receiver(receiver: &Receiver, in_toolbox: bool, errors: &mut Errors) {
    if !in_toolbox {
        errors.at(
            receiver,
            "a method is a tool in an impl under `#[toolbox]`: write that above the impl",
        );
    } else if !matches!(receiver.kind, ReceiverKind::Reference(_, None, None)) {
        errors.at(
            receiver,
            "a tool takes `&self`: several calls may run at once; use a `Mutex` for what changes",
        );
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

/// The attributes of a parameter that are ours.
#[derive(Default)]
pub(super) struct Own<'a> {
    pub(super) state: Option<&'a Attribute>,
    pub(super) default: Option<&'a Attribute>,
}

/// What rustc allows above a parameter, the documentation, and what is ours.
pub(super) fn parameter_attributes<'a>(attrs: &'a [Attribute], errors: &mut Errors) -> Own<'a> {
    const KNOWN: [&str; 8] =
        ["doc", "cfg", "cfg_attr", "allow", "expect", "warn", "deny", "forbid"];
    let mut own = Own::default();
    for attr in attrs {
        let name = attr.path().get_ident().map(ToString::to_string).unwrap_or_default();
        let place = match name.as_str() {
            "state" => &mut own.state,
            "default" => &mut own.default,
            known if KNOWN.contains(&known) => continue,
            unknown => {
                let message = match near(unknown, ["state", "default"]) {
                    Some("state") => "did you mean `#[state]`?",
                    Some(_) => "did you mean `#[default(...)]`?",
                    None => {
                        "a parameter of a tool takes a doc comment, `#[state]`, \
                         `#[default(...)]`, `#[cfg]` and lints, nothing else; what the model may \
                         leave out is an `Option` or has a default"
                    }
                };
                errors.at(attr, message);
                continue;
            }
        };
        if place.is_some() {
            errors.at(attr, format!("`#[{name}]` stands there twice"));
        } else {
            *place = Some(attr);
        }
    }
    own
}

/// What the app supplies.
pub(super) fn state(own: &Own<'_>, ty: &Type, errors: &mut Errors) {
    if let Some(attr) = own.state
        && !matches!(attr.meta, Meta::Path(_))
    {
        errors.at(attr, "`#[state]` has no arguments: the app supplies a value of the type");
    }
    if let Some(attr) = own.default {
        errors.at(attr, "the app supplies this parameter, always: leave `#[default]` out");
    }
    let mut inner = match bare(ty) {
        Type::Reference(reference) => {
            if let Some(token) = &reference.mutability {
                errors.at(
                    token,
                    "state is shared by calls that run at once; use a `Mutex` for what changes",
                );
            }
            if let Some(lifetime) = &reference.lifetime {
                errors.at(lifetime, "a tool borrows its state for the call alone; leave this out");
            }
            if is_unsized(&reference.elem) {
                errors.at(&reference.elem, "state has a type of its own: `&String`, `&Vec<T>`");
            }
            (*reference.elem).clone()
        }
        other => other.clone(),
    };
    Nested {
        errors,
        borrow: "state is borrowed as a whole, `&T`; put this into a type of its own",
        sent: false,
    }
    .visit_type_mut(&mut inner);
}

fn is_unsized(ty: &Type) -> bool {
    match bare(ty) {
        Type::Slice(_) | Type::TraitObject(_) => true,
        Type::Path(path) => path.path.is_ident("str"),
        _ => false,
    }
}

/// What comes with the call.
pub(super) fn context(own: &Own<'_>, ty: &Type, errors: &mut Errors) {
    for attr in own.state.into_iter().chain(own.default) {
        errors.at(attr, "a `ToolContext` comes with the call: leave this out");
    }
    if let Type::Reference(reference) = bare(ty) {
        if let Some(token) = &reference.mutability {
            errors.at(token, "a `ToolContext` is not changed: take `&ToolContext`");
        }
        if let Some(lifetime) = &reference.lifetime {
            errors.at(lifetime, "a tool borrows its context for the call alone; leave this out");
        }
    }
}

/// The expression of `#[default(…)]`.
pub(super) fn default(attr: &Attribute, errors: &mut Errors) -> Option<Expr> {
    let expr = match &attr.meta {
        Meta::List(list) => list.parse_args::<Expr>().ok(),
        _ => None,
    };
    if expr.is_none() {
        errors.at(attr, "a default is written `#[default(...)]`, with a value of the type");
    }
    expr
}

/// A name for people.
pub(super) fn title(text: &LitStr, errors: &mut Errors) {
    if text.value().trim().is_empty() {
        errors.at(text, "a title is a name for people; leave it out where there is none");
    }
}

/// Hints that contradict each other.
pub(super) fn hints(arguments: &Arguments, errors: &mut Errors) {
    if arguments.switch("read_only") == Some(true)
        && arguments.switch("destructive") == Some(true)
        && let Some(key) = arguments.key("destructive")
    {
        errors
            .at(key, "a tool that changes nothing destroys nothing: `read_only` or `destructive`");
    }
}

/// A timeout, in milliseconds.
pub(super) fn timeout(text: &LitStr, errors: &mut Errors) -> Option<u64> {
    let millis = millis(text.value().trim());
    if millis.is_none() {
        let message = "a timeout is a whole number and its unit: `30s`, `500ms`, `2m` or `1h`";
        errors.at(text, message);
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

/// What no model can send, whatever the types are.
pub(super) fn parameter_type(ty: &Type, errors: &mut Errors) {
    if is_unsized(ty) {
        errors.leave();
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
        borrow: "only a whole parameter may be borrowed, as `&str` or `&[T]`; take this by value",
        sent: true,
    }
    .visit_type_mut(&mut inner);
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
struct Nested<'e> {
    errors: &'e mut Errors,
    borrow: &'static str,
    /// Whether it is the model that sends the value.
    sent: bool,
}

impl VisitMut for Nested<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.errors.at(reference, self.borrow);
    }

    fn visit_type_trait_object_mut(&mut self, ty: &mut TypeTraitObject) {
        if self.sent {
            self.errors.at(ty, "the model sends a value of one known type, not `dyn Trait`");
        }
    }

    fn visit_type_impl_trait_mut(&mut self, ty: &mut TypeImplTrait) {
        self.errors.at(ty, "a parameter of a tool has one known type, not `impl Trait`");
    }
}
