//! A tool as read from its function and the arguments of `#[tool]`: name, description, hints,
//! parameters, return type.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Attribute, FnArg, Type};

use super::doc::Doc;
use super::parameter::{Parameter, Source};
use super::returns::Returns;
use super::types::cfgs;
use super::valid;
use crate::attr::{Arguments, Field};
use crate::errors::Errors;
use crate::function::Function;
use crate::operation::valid as common;

/// A tool, as read from its function.
pub(crate) struct Tool<'a> {
    pub(crate) function: &'a Function,
    pub(crate) name: String,
    /// The tokens of the name, for errors about it.
    pub(crate) name_tokens: TokenStream,
    pub(super) description: Doc,
    pub(super) parameters: Vec<Parameter<'a>>,
    pub(super) returns: Returns<'a>,
    /// The setter calls for the optional parts of its definition: `.title("…")`.
    pub(super) setters: TokenStream,
    /// The attributes of the program for the span of a call.
    pub(super) fields: Vec<Field>,
    /// The type of the toolbox, if the tool is a method.
    pub(super) owner: Option<&'a Type>,
    /// Whether the body records a span itself, so that a direct call needs no other one.
    pub(crate) has_own_span: bool,
}

impl<'a> Tool<'a> {
    /// Reads the tool, and reports every rule that it breaks.
    pub(crate) fn read(
        function: &'a Function,
        arguments: &Arguments,
        owner: Option<&'a Type>,
        errors: &mut Errors,
    ) -> Self {
        valid::signature(&function.sig, errors);
        let (name, name_tokens) = name(function, arguments, errors);
        let description = description(function, arguments, errors);
        let mut setters = setters(arguments, errors);
        let mut parameters = Vec::new();
        for input in &function.sig.inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    valid::receiver(receiver, owner.is_some(), errors);
                }
                FnArg::Typed(typed) => parameters.extend(Parameter::read(typed, errors)),
            }
        }
        let unconditional = parameters.iter().filter(|parameter| parameter.cfg.is_empty());
        valid::distinct(unconditional.map(|parameter| parameter.ident), errors);
        setters.extend(skip(arguments, &parameters, errors));
        let fields = arguments.fields("fields").to_vec();
        common::fields(&fields, errors);
        let returns = Returns::read(&function.sig.output, errors);
        for parameter in &parameters {
            if let (Some(_), Source::State { attribute, .. }) = (owner, &parameter.source) {
                errors.at(
                    attribute,
                    "a toolbox method takes its state from `self`; make this value a field of the \
                     type",
                );
            }
        }
        Self {
            function,
            name,
            name_tokens,
            description,
            parameters,
            returns,
            setters,
            fields,
            owner,
            has_own_span: false,
        }
    }

    /// Returns the name with its hash, for duplicate checks at compile time.
    pub(crate) fn name_constant(&self, private: &TokenStream) -> TokenStream {
        let (hash, name) = (fnv(&self.name), &self.name);
        quote!(#private::Name { hash: #hash, text: #name })
    }

    /// Returns whether the tool takes `self`.
    pub(super) fn has_receiver(&self) -> bool {
        self.function.sig.receiver().is_some()
    }

    pub(super) fn is_async(&self) -> bool {
        self.function.sig.asyncness.is_some()
    }

    /// Returns the `#[cfg]` attributes of the function.
    pub(crate) fn cfg(&self) -> Vec<&Attribute> {
        cfgs(&self.function.attrs)
    }

    /// Returns the types of the `#[state]` parameters.
    pub(super) fn states(&self) -> impl Iterator<Item = &Type> {
        self.parameters.iter().filter_map(|parameter| match parameter.source {
            Source::State { ty, .. } => Some(ty),
            _ => None,
        })
    }

    /// Returns the name and the path of a generated function: that of the body, if `what` is
    /// empty, or a helper.
    pub(super) fn generated(&self, what: &str) -> (Ident, TokenStream) {
        let ident = &self.function.sig.ident;
        match self.owner {
            None => {
                let name = if what.is_empty() {
                    ident.clone()
                } else {
                    format_ident!("__{what}", span = Span::call_site())
                };
                let path = quote!(#ident::#name);
                (name, path)
            }
            Some(owner) => {
                let mut name = format!("__chatlas_{}", ident.unraw());
                if !what.is_empty() {
                    name.push('_');
                    name.push_str(what);
                }
                let name = Ident::new(&name, Span::call_site());
                let path = quote!(<#owner>::#name);
                (name, path)
            }
        }
    }
}

fn name(function: &Function, arguments: &Arguments, errors: &mut Errors) -> (String, TokenStream) {
    if let Some(literal) = arguments.text("name") {
        valid::name(&literal.value(), literal, errors);
        return (literal.value(), quote!(#literal));
    }
    let ident = &function.sig.ident;
    let name = ident.unraw().to_string();
    valid::name(&name, ident, errors);
    (name, quote!(#ident))
}

fn description(function: &Function, arguments: &Arguments, errors: &mut Errors) -> Doc {
    let given = arguments.text("description");
    let description =
        given.map_or_else(|| Doc::from_attributes(&function.attrs), Doc::from_literal);
    // An invalid argument is already reported.
    if description.is_empty() && (given.is_some() || !arguments.has("description")) {
        let message = "missing description, by which the model selects a tool; write a doc comment \
                       or the argument `description = \"...\"`";
        match given {
            Some(literal) => errors.at(literal, message),
            None => errors.at(&function.sig.ident, message),
        }
    }
    description
}

fn setters(arguments: &Arguments, errors: &mut Errors) -> TokenStream {
    let mut setters = TokenStream::new();
    if let Some(title) = arguments.text("title") {
        valid::title(title, errors);
        setters.extend(quote!(.title(#title)));
    }
    for name in ["read_only", "destructive", "idempotent", "open_world", "strict"] {
        if let Some(on) = arguments.bool(name) {
            let setter = Ident::new(name, Span::call_site());
            setters.extend(quote!(.#setter(#on)));
        }
    }
    valid::hints(arguments, errors);
    if let Some(text) = arguments.text("timeout")
        && let Some(millis) = valid::timeout(text, errors)
    {
        setters.extend(quote!(.timeout(#millis)));
    }
    setters
}

/// Returns the setter calls for the content that is never recorded.
fn skip(arguments: &Arguments, parameters: &[Parameter<'_>], errors: &mut Errors) -> TokenStream {
    let all: Vec<String> =
        parameters.iter().map(|parameter| parameter.ident.unraw().to_string()).collect();
    common::skip(arguments, &all, errors);
    let is_skipped = |word: &str| arguments.names("skip").iter().any(|name| name == word);
    let skipped: Vec<&String> = all.iter().filter(|name| is_skipped(name)).collect();
    let mut setters = TokenStream::new();
    if !skipped.is_empty() {
        setters.extend(quote!(.skip(&[#(#skipped),*])));
    }
    if is_skipped("output") {
        setters.extend(quote!(.skip_output()));
    }
    setters
}

/// Returns the FNV-1a hash.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
