//! The arguments in an attribute's parentheses: `name = "…"`, `read_only`, `crate = path`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, LitBool, LitStr, Path, Token, parenthesized};

use crate::errors::Errors;

/// The arguments of an attribute. Every attribute has `crate = path` as well.
pub(crate) struct Grammar(pub(crate) &'static [(&'static str, Kind)]);

/// The kind of an argument's value.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// No value: `transparent`.
    Flag,
    /// A `bool`, `true` if it is omitted: `strict`, `strict = false`.
    Bool,
    /// A string: `name = "…"`.
    Text,
    /// A path: `like = OpenAi`.
    Path,
    /// Paths in parentheses: `tools(a, b)`.
    Paths,
    /// An expression: `quirks = Quirks::new()`.
    Expr,
    /// Names in parentheses: `skip(a, b)`.
    Names,
    /// Strings in parentheses: `labels("a", "b")`.
    Texts,
    /// Names with values in parentheses: `fields(user.id = id)`.
    Fields,
}

/// The parsed arguments.
#[derive(Default)]
pub(crate) struct Arguments(Vec<(&'static str, Ident, Value)>);

enum Value {
    /// A value that was reported as an error.
    Invalid,
    Bool(bool),
    Text(LitStr),
    Path(Path),
    Paths(Vec<Path>),
    Expr(Box<Expr>),
    Names(Vec<Ident>),
    Texts(Vec<LitStr>),
    Fields(Vec<Field>),
}

/// A custom attribute of a span: `user.id = id`, or `"user.id" = id`.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) key: LitStr,
    pub(crate) value: Expr,
}

impl Parse for Field {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = if input.peek(LitStr) {
            input.parse()?
        } else {
            let first = input.call(Ident::parse_any)?;
            let mut key = first.to_string();
            while input.peek(Token![.]) {
                input.parse::<Token![.]>()?;
                key = format!("{key}.{}", input.call(Ident::parse_any)?);
            }
            LitStr::new(&key, first.span())
        };
        input.parse::<Token![=]>()?;
        Ok(Self { key, value: input.parse()? })
    }
}

/// Parses a list in parentheses.
fn list<T>(
    input: ParseStream<'_>,
    item: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    let list;
    parenthesized!(list in input);
    let items = Punctuated::<_, Token![,]>::parse_terminated_with(&list, item)?;
    Ok(items.into_iter().collect())
}

impl Arguments {
    /// Parses all arguments. Continues after an error, which is added to `errors`.
    pub(crate) fn parse(tokens: TokenStream, grammar: &Grammar, errors: &mut Errors) -> Self {
        let mut arguments = Self::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = arguments.parse_one(input, grammar, errors) {
                    errors.push(error);
                    skip_to_comma(input)?;
                }
                if input.is_empty() {
                    break;
                }
                input.parse::<Token![,]>()?;
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        arguments
    }

    fn parse_one(
        &mut self,
        input: ParseStream<'_>,
        grammar: &Grammar,
        errors: &mut Errors,
    ) -> syn::Result<()> {
        let key = input.call(Ident::parse_any).map_err(|error| {
            let supported = grammar.supported();
            syn::Error::new(error.span(), format!("an argument needs a name; {supported}"))
        })?;
        let word = key.to_string();
        let (name, kind) = grammar.nearest(&word).map_err(|message| at(&key, message))?;
        if name != word {
            errors.at(
                &key,
                format!("unknown argument `{word}`; did you mean `{}`?", kind.form(name)),
            );
        } else if self.find(name).is_some() {
            errors.at(&key, format!("duplicate argument `{word}`; remove one"));
        }
        let value = kind.parse(input);
        let invalid = value.is_err();
        self.0.push((name, key.clone(), value.unwrap_or(Value::Invalid)));
        if invalid {
            let form = kind.form(name);
            let or_off = match kind {
                Kind::Bool => format!(" or `{name} = false`"),
                _ => String::new(),
            };
            return Err(at(&key, format!("invalid argument; write `{form}`{or_off}")));
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, ..)| *key == name).map(|(.., value)| value)
    }

    /// Returns the name of the argument, as it was written.
    pub(crate) fn key(&self, name: &str) -> Option<&Ident> {
        self.0.iter().find(|(key, ..)| *key == name).map(|(_, key, _)| key)
    }

    /// Returns whether the argument is present, valid or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&LitStr> {
        match self.find(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value of a [`Kind::Bool`], or `Some(true)` for a [`Kind::Flag`].
    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        match self.find(name)? {
            Value::Bool(on) => Some(*on),
            _ => None,
        }
    }

    pub(crate) fn path(&self, name: &str) -> Option<&Path> {
        match self.find(name)? {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Returns the paths; empty if the argument is missing.
    pub(crate) fn paths(&self, name: &str) -> &[Path] {
        match self.find(name) {
            Some(Value::Paths(paths)) => paths,
            _ => &[],
        }
    }

    /// Returns the names; empty if the argument is missing.
    pub(crate) fn names(&self, name: &str) -> &[Ident] {
        match self.find(name) {
            Some(Value::Names(names)) => names,
            _ => &[],
        }
    }

    /// Returns the strings; empty if the argument is missing.
    pub(crate) fn texts(&self, name: &str) -> &[LitStr] {
        match self.find(name) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// Returns the custom attributes; empty if the argument is missing.
    pub(crate) fn fields(&self, name: &str) -> &[Field] {
        match self.find(name) {
            Some(Value::Fields(fields)) => fields,
            _ => &[],
        }
    }

    pub(crate) fn expr(&self, name: &str) -> Option<&Expr> {
        match self.find(name)? {
            Value::Expr(expr) => Some(expr),
            _ => None,
        }
    }

    /// Returns the path of the module `__private`.
    pub(crate) fn private(&self, root: &TokenStream) -> TokenStream {
        let root = self.path("crate").map_or_else(|| root.clone(), ToTokens::to_token_stream);
        quote!(#root::__private)
    }
}

impl Grammar {
    /// Returns the argument of this name, or of the most similar one.
    fn nearest(&self, word: &str) -> Result<(&'static str, Kind), String> {
        if word == "crate" {
            return Ok(("crate", Kind::Path));
        }
        let exact = self.0.iter().find(|(name, _)| *name == word);
        let similar = || {
            let name = nearest(word, self.0.iter().map(|(name, _)| *name))?;
            self.0.iter().find(|(other, _)| *other == name)
        };
        exact
            .or_else(similar)
            .copied()
            .ok_or_else(|| format!("unknown argument `{word}`; {}", self.supported()))
    }

    /// Returns the list of all arguments for an error message.
    fn supported(&self) -> String {
        let all = self.0.iter().chain(&[("crate", Kind::Path)]);
        let all: Vec<String> = all.map(|(name, kind)| format!("`{}`", kind.form(name))).collect();
        format!("supported: {}", all.join(", "))
    }
}

impl Kind {
    fn parse(self, input: ParseStream<'_>) -> syn::Result<Value> {
        let value = match self {
            Self::Flag => Value::Bool(true),
            Self::Bool if !input.peek(Token![=]) => Value::Bool(true),
            Self::Paths => Value::Paths(list(input, Path::parse_mod_style)?),
            Self::Names => Value::Names(list(input, Ident::parse_any)?),
            Self::Texts => Value::Texts(list(input, <LitStr as Parse>::parse)?),
            Self::Fields => Value::Fields(list(input, Field::parse)?),
            Self::Bool | Self::Text | Self::Path | Self::Expr => {
                input.parse::<Token![=]>()?;
                match self {
                    Self::Bool => Value::Bool(input.parse::<LitBool>()?.value),
                    Self::Text => Value::Text(input.parse()?),
                    Self::Expr => Value::Expr(input.parse()?),
                    _ => Value::Path(input.call(Path::parse_mod_style)?),
                }
            }
        };
        if input.is_empty() || input.peek(Token![,]) {
            Ok(value)
        } else {
            Err(input.error("expected a comma"))
        }
    }

    /// Returns how the argument is written.
    fn form(self, name: &str) -> String {
        match self {
            Self::Flag | Self::Bool => name.to_owned(),
            Self::Text => format!("{name} = \"...\""),
            Self::Path => format!("{name} = path"),
            Self::Paths => format!("{name}(...)"),
            Self::Names => format!("{name}(parameter)"),
            Self::Texts => format!("{name}(\"...\")"),
            Self::Fields => format!("{name}(key = value)"),
            Self::Expr => format!("{name} = value"),
        }
    }
}

fn at(key: &Ident, message: String) -> syn::Error {
    syn::Error::new(key.span(), message)
}

fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// Returns the most similar of `words`, if one is similar enough to be meant.
pub(crate) fn nearest(
    word: &str,
    words: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    let distances = words.into_iter().map(|name| (distance(name, word), name));
    let (_, name) = distances.filter(|(distance, name)| *distance <= name.len() / 3).min()?;
    Some(name)
}

/// Returns the Levenshtein distance of two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, pair) in b.chars().zip(row.windows(2)) {
            let [diagonal, above] = pair else { continue };
            left = (left + 1).min(above + 1).min(diagonal + usize::from(x != y));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
