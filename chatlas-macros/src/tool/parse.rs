//! What `#[tool]` reads from the function: its name, its description, its parameters.

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::ext::IdentExt as _;
use syn::{
    Attribute, Expr, ExprLit, FnArg, ItemFn, Lit, LitStr, Meta, Pat, PatType, ReturnType, Type,
};

use super::valid;
use crate::attr::Arguments;
use crate::errors::Errors;

/// A tool, as its function tells it.
pub(super) struct Tool<'a> {
    pub(super) function: &'a ItemFn,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) parameters: Vec<Parameter<'a>>,
}

/// A parameter of the function.
pub(super) struct Parameter<'a> {
    pub(super) ident: &'a Ident,
    pub(super) taken: Taken<'a>,
    pub(super) doc: String,
    pub(super) cfg: Vec<&'a Attribute>,
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

impl<'a> Tool<'a> {
    /// Reads it, and notes every rule that it breaks.
    pub(super) fn read(function: &'a ItemFn, arguments: &Arguments, errors: &mut Errors) -> Self {
        valid::signature(&function.sig, errors);
        let name = name(function, arguments, errors);
        let description = description(function, arguments, errors);
        let parameters =
            function.sig.inputs.iter().filter_map(|input| Parameter::read(input, errors)).collect();
        Self { function, name, description, parameters }
    }

    /// Whether the function returns a `Result`, under that name.
    pub(super) fn can_fail(&self) -> bool {
        let ReturnType::Type(_, ty) = &self.function.sig.output else { return false };
        let Type::Path(path) = bare(ty) else { return false };
        path.path.segments.last().is_some_and(|segment| segment.ident == "Result")
    }

    /// Whether it takes `self`: a method, then.
    pub(super) fn is_method(&self) -> bool {
        self.function.sig.receiver().is_some()
    }
}

fn name(function: &ItemFn, arguments: &Arguments, errors: &mut Errors) -> String {
    if let Some(literal) = arguments.text("name") {
        valid::name(&literal.value(), literal, errors);
        return literal.value();
    }
    let ident = &function.sig.ident;
    let name = ident.unraw().to_string();
    valid::name(&name, ident, errors);
    name
}

fn description(function: &ItemFn, arguments: &Arguments, errors: &mut Errors) -> String {
    let given = arguments.text("description");
    let description =
        given.map_or_else(|| doc(&function.attrs), |literal| literal.value().trim().to_owned());
    if description.is_empty() {
        let message = "a tool needs a description, which the model chooses by: \
                       write a doc comment, or `#[tool(description = \"...\")]`";
        match given {
            Some(literal) => errors.at(literal, message),
            None => errors.at(&function.sig.ident, message),
        }
    }
    description
}

impl<'a> Parameter<'a> {
    fn read(input: &'a FnArg, errors: &mut Errors) -> Option<Self> {
        let PatType { attrs, pat, ty, .. } = match input {
            FnArg::Receiver(receiver) => {
                errors.at(
                    receiver,
                    "a tool cannot be a method: make it a free function, and take what it needs \
                     from a static or a parameter",
                );
                return None;
            }
            FnArg::Typed(typed) => typed,
        };
        valid::parameter_attributes(attrs, errors);
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
        valid::parameter_type(ty, errors);
        let cfg = attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
        Some(Self { ident: &name.ident, taken: Taken::of(ty), doc: doc(attrs), cfg })
    }

    /// The name that the model is told.
    pub(super) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// The variable that holds the model's value.
    pub(super) fn variable(&self) -> Ident {
        format_ident!("__argument_{}", self.name(), span = Span::call_site())
    }
}

impl<'a> Taken<'a> {
    fn of(ty: &'a Type) -> Self {
        let Type::Reference(reference) = bare(ty) else { return Self::Owned(ty) };
        match bare(&reference.elem) {
            Type::Slice(slice) => Self::List(&slice.elem),
            Type::Path(path) if path.path.is_ident("str") => Self::Text(&reference.elem),
            elem => Self::Borrowed(elem),
        }
    }

    /// Whether the function borrows the value.
    pub(super) fn is_borrowed(&self) -> bool {
        !matches!(self, Self::Owned(_))
    }
}

/// A type without the parentheses, and without the invisible ones that `$t:ty` brings along.
pub(super) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// The text of a doc comment, without the space that follows the slashes.
pub(super) fn doc(attrs: &[Attribute]) -> String {
    let mut text = String::new();
    for literal in attrs.iter().filter_map(doc_literal) {
        for line in literal.value().split('\n') {
            text.push_str(line.strip_prefix(' ').unwrap_or(line));
            text.push('\n');
        }
    }
    text.trim().to_owned()
}

fn doc_literal(attr: &Attribute) -> Option<&LitStr> {
    match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal),
            _ => None,
        },
        _ => None,
    }
}
