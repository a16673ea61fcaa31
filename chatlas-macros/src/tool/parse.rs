//! What `#[tool]` reads from the function: its name, its description, what it does to the world.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Attribute, Expr, ExprLit, FnArg, Lit, Meta, Type};

use super::parameter::{Parameter, Source};
use super::returns::Returns;
use super::valid;
use crate::attr::Arguments;
use crate::errors::Errors;
use crate::function::Function;

/// A tool, as its function tells it.
pub(crate) struct Tool<'a> {
    pub(crate) function: &'a Function,
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) named_at: TokenStream,
    pub(super) description: Text,
    pub(super) parameters: Vec<Parameter<'a>>,
    pub(super) returns: Returns<'a>,
    /// The calls that say more of it: `.title("…")`.
    pub(super) facts: TokenStream,
    /// The type whose method it is.
    pub(super) owner: Option<&'a Type>,
}

impl<'a> Tool<'a> {
    /// Reads it, and notes every rule that it breaks.
    pub(crate) fn read(
        function: &'a Function,
        arguments: &Arguments,
        owner: Option<&'a Type>,
        errors: &mut Errors,
    ) -> Self {
        valid::signature(&function.sig, errors);
        valid::once(&function.attrs, errors);
        let (name, named_at) = name(function, arguments, errors);
        let description = description(function, arguments, errors);
        let facts = facts(arguments, errors);
        let mut parameters = Vec::new();
        for input in &function.sig.inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    valid::receiver(receiver, owner.is_some(), errors);
                }
                FnArg::Typed(typed) => parameters.extend(Parameter::read(typed, errors)),
            }
        }
        valid::distinct(&parameters, errors);
        let returns = Returns::read(&function.sig.output, errors);
        let tool =
            Self { function, name, named_at, description, parameters, returns, facts, owner };
        for parameter in &tool.parameters {
            if let (Some(_), Source::State { attribute, .. }) = (owner, &parameter.source) {
                errors.at(attribute, "a method takes its state from `self`; leave `#[state]` out");
            }
        }
        tool
    }

    /// Its name, for the compiler's checks.
    pub(crate) fn key(&self, private: &TokenStream) -> TokenStream {
        let (hash, name) = (fnv(&self.name), &self.name);
        quote!(#private::Name { hash: #hash, text: #name })
    }

    /// Whether it takes `self`.
    pub(super) fn has_receiver(&self) -> bool {
        self.function.sig.receiver().is_some()
    }

    pub(super) fn is_async(&self) -> bool {
        self.function.sig.asyncness.is_some()
    }

    /// The attributes that switch it on or off.
    pub(crate) fn cfg(&self) -> Vec<&Attribute> {
        cfgs(&self.function.attrs)
    }

    /// The types of its state, one for each parameter that is.
    pub(super) fn states(&self) -> impl Iterator<Item = &Type> {
        self.parameters.iter().filter_map(|parameter| match parameter.source {
            Source::State { ty, .. } => Some(ty),
            _ => None,
        })
    }

    /// A function of ours that stands beside the body, and the way to it.
    pub(super) fn beside(&self, what: &str) -> (Ident, TokenStream) {
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

fn description(function: &Function, arguments: &Arguments, errors: &mut Errors) -> Text {
    let given = arguments.text("description");
    let description = given.map_or_else(
        || doc(&function.attrs),
        |literal| Text { text: literal.value().trim().to_owned(), ..Text::default() },
    );
    // One that could not be read is told already.
    if description.is_empty() && (given.is_some() || !arguments.has("description")) {
        let message = "a tool needs a description, which the model chooses by: \
                       write a doc comment, or `#[tool(description = \"...\")]`";
        match given {
            Some(literal) => errors.at(literal, message),
            None => errors.at(&function.sig.ident, message),
        }
    }
    description
}

fn facts(arguments: &Arguments, errors: &mut Errors) -> TokenStream {
    let mut facts = TokenStream::new();
    if let Some(title) = arguments.text("title") {
        valid::title(title, errors);
        facts.extend(quote!(.title(#title)));
    }
    for name in ["read_only", "destructive", "idempotent", "open_world", "strict"] {
        if let Some(on) = arguments.switch(name) {
            let setter = Ident::new(name, Span::call_site());
            facts.extend(quote!(.#setter(#on)));
        }
    }
    valid::hints(arguments, errors);
    if let Some(text) = arguments.text("timeout")
        && let Some(millis) = valid::timeout(text, errors)
    {
        facts.extend(quote!(.timeout(#millis)));
    }
    facts
}

/// The hash of Fowler, Noll and Vo.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// `#[tool]`, under whatever path.
pub(crate) fn is_tool(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == "tool")
}

/// The attributes that switch an item on or off.
pub(super) fn cfgs(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}

/// A type without the parentheses, and without the invisible ones that `$t:ty` brings along.
pub(super) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// What documents an item: a text, in front of which stands what the compiler alone can read,
/// `#[doc = include_str!("…")]` for example.
#[derive(Default)]
pub(super) struct Text {
    parts: Vec<TokenStream>,
    text: String,
}

impl Text {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.text.is_empty()
    }
}

impl ToTokens for Text {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { parts, text } = self;
        tokens.extend(if parts.is_empty() {
            quote!(#text)
        } else {
            quote!(::core::concat!(#(#parts,)* #text))
        });
    }
}

/// The text of a doc comment, without the space that follows the slashes.
pub(super) fn doc(attrs: &[Attribute]) -> Text {
    let mut doc = Text::default();
    for value in attrs.iter().filter_map(doc_value) {
        if let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = value {
            add_lines(&mut doc.text, &literal.value());
        } else {
            let before = std::mem::replace(&mut doc.text, "\n".to_owned());
            doc.parts.extend([quote!(#before), quote!(#value)]);
        }
    }
    doc.text.truncate(doc.text.trim_end().len());
    if doc.parts.is_empty() {
        doc.text = doc.text.trim_start().to_owned();
    }
    doc
}

/// Adds the lines of a comment. Those of a block have a star in front, each of them or none.
fn add_lines(text: &mut String, comment: &str) {
    let starred = comment.lines().skip(1).all(|line| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('*')
    });
    for (index, mut line) in comment.split('\n').enumerate() {
        if starred && index > 0 {
            line = line.trim_start();
            line = line.strip_prefix('*').unwrap_or(line);
        }
        text.push_str(line.strip_prefix(' ').unwrap_or(line));
        text.push('\n');
    }
}

fn doc_value(attr: &Attribute) -> Option<&Expr> {
    match &attr.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => Some(&meta.value),
        _ => None,
    }
}
