//! The arguments in an attribute's parentheses: `name = "…"`, `read_only`, `crate = path`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{LitBool, LitStr, Path, Token, parenthesized};

use crate::errors::Errors;

/// What may stand in the parentheses of an attribute. `crate = path` may stand in all of them.
pub(crate) struct Grammar(pub(crate) &'static [(&'static str, Takes)]);

/// What an argument takes.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    /// Nothing: `transparent`.
    Nothing,
    /// Nothing, which is yes, or a `bool`: `strict`, `strict = false`.
    Switch,
    /// A string: `name = "…"`.
    Text,
    /// A path: `like = OpenAi`.
    Path,
    /// Paths in parentheses: `quirks(a, b)`.
    Paths,
}

/// What stood there.
#[derive(Default)]
pub(crate) struct Arguments(Vec<(&'static str, Ident, Value)>);

enum Value {
    /// Something that could not be read, which is told already.
    Unread,
    Switch(bool),
    Text(LitStr),
    Path(Path),
    Paths(Vec<Path>),
}

impl Arguments {
    /// Reads them all; what does not fit is noted, and the rest is read on.
    pub(crate) fn parse(tokens: TokenStream, grammar: &Grammar, errors: &mut Errors) -> Self {
        let mut arguments = Self::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = arguments.parse_one(input, grammar, errors) {
                    errors.note(error);
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
            errors.note(error);
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
            let known = grammar.known();
            syn::Error::new(error.span(), format!("an argument has a name; there are {known}"))
        })?;
        let word = key.to_string();
        let (name, takes) = grammar.nearest(&word).map_err(|message| at(&key, message))?;
        if name != word {
            errors.at(
                &key,
                format!("unknown argument `{word}`; did you mean `{}`?", takes.form(name)),
            );
        } else if self.find(name).is_some() {
            errors.at(&key, format!("`{word}` is given twice"));
        }
        let value = takes.parse(input);
        let unread = value.is_err();
        self.0.push((name, key.clone(), value.unwrap_or(Value::Unread)));
        if unread {
            let form = takes.form(name);
            let or_off = match takes {
                Takes::Switch => format!(" or `{name} = false`"),
                _ => String::new(),
            };
            return Err(at(&key, format!("this is written `{form}`{or_off}")));
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, ..)| *known == name).map(|(.., value)| value)
    }

    /// Where that was given.
    pub(crate) fn key(&self, name: &str) -> Option<&Ident> {
        self.0.iter().find(|(known, ..)| *known == name).map(|(_, key, _)| key)
    }

    /// Whether that was given, readable or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The string of that name.
    pub(crate) fn text(&self, name: &str) -> Option<&LitStr> {
        match self.find(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether that is switched on, or off.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        match self.find(name)? {
            Value::Switch(on) => Some(*on),
            _ => None,
        }
    }

    /// The path of that name.
    pub(crate) fn path(&self, name: &str) -> Option<&Path> {
        match self.find(name)? {
            Value::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The paths of that name; none where it was not given.
    pub(crate) fn paths(&self, name: &str) -> &[Path] {
        match self.find(name) {
            Some(Value::Paths(paths)) => paths,
            _ => &[],
        }
    }

    /// Where `__private` is.
    pub(crate) fn private(&self, root: &TokenStream) -> TokenStream {
        let root = self.path("crate").map_or_else(|| root.clone(), ToTokens::to_token_stream);
        quote!(#root::__private)
    }
}

impl Grammar {
    /// The argument of that name, or of one so near that it must be meant.
    fn nearest(&self, word: &str) -> Result<(&'static str, Takes), String> {
        if word == "crate" {
            return Ok(("crate", Takes::Path));
        }
        let exact = self.0.iter().find(|(name, _)| *name == word);
        let near = || {
            let name = near(word, self.0.iter().map(|(name, _)| *name))?;
            self.0.iter().find(|(known, _)| *known == name)
        };
        exact.or_else(near).copied().ok_or_else(|| {
            if self.0.is_empty() {
                format!("unknown argument `{word}`; there is `crate = path` alone")
            } else {
                format!("unknown argument `{word}`; there are {}", self.known())
            }
        })
    }

    /// All that there are, as they are written.
    fn known(&self) -> String {
        let known = self.0.iter().chain(&[("crate", Takes::Path)]);
        let known: Vec<String> =
            known.map(|(name, takes)| format!("`{}`", takes.form(name))).collect();
        known.join(", ")
    }
}

impl Takes {
    fn parse(self, input: ParseStream<'_>) -> syn::Result<Value> {
        let given = match self {
            Self::Nothing => Value::Switch(true),
            Self::Switch if !input.peek(Token![=]) => Value::Switch(true),
            Self::Paths => {
                let list;
                parenthesized!(list in input);
                let paths =
                    Punctuated::<_, Token![,]>::parse_terminated_with(&list, Path::parse_mod_style);
                Value::Paths(paths?.into_iter().collect())
            }
            Self::Switch | Self::Text | Self::Path => {
                input.parse::<Token![=]>()?;
                match self {
                    Self::Switch => Value::Switch(input.parse::<LitBool>()?.value),
                    Self::Text => Value::Text(input.parse()?),
                    _ => Value::Path(input.call(Path::parse_mod_style)?),
                }
            }
        };
        if input.is_empty() || input.peek(Token![,]) {
            Ok(given)
        } else {
            Err(input.error("expected a comma"))
        }
    }

    /// How it is written.
    fn form(self, name: &str) -> String {
        match self {
            Self::Nothing | Self::Switch => name.to_owned(),
            Self::Text => format!("{name} = \"...\""),
            Self::Path => format!("{name} = path"),
            Self::Paths => format!("{name}(...)"),
        }
    }
}

fn at(key: &Ident, message: String) -> syn::Error {
    syn::Error::new(key.span(), message)
}

/// Past what could not be read, so that what follows still is.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// The word of those that must be meant, if there is one so near.
pub(crate) fn near(
    word: &str,
    known: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    let near = known.into_iter().map(|name| (distance(name, word), name));
    let (_, name) = near.filter(|(distance, name)| *distance <= name.len() / 3).min()?;
    Some(name)
}

/// How many letters have to be put in, left out or replaced to make one word of the other.
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
