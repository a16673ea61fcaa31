//! The arguments in an attribute's parentheses: `name = "…"`, a flag, `crate = path`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{LitStr, Path, Token};

use crate::errors::Errors;

/// What may stand in the parentheses of an attribute.
pub(crate) struct Grammar {
    /// Arguments with a string: `name = "…"`.
    pub(crate) strings: &'static [&'static str],
    /// Arguments that stand alone: `transparent`.
    pub(crate) flags: &'static [&'static str],
}

/// What stood there.
#[derive(Default)]
pub(crate) struct Arguments {
    strings: Vec<(Ident, LitStr)>,
    flags: Vec<Ident>,
    root: Option<Path>,
}

impl Arguments {
    /// Reads them all; what does not fit is noted, and the rest is read on.
    pub(crate) fn parse(tokens: TokenStream, grammar: &Grammar, errors: &mut Errors) -> Self {
        let mut arguments = Self::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                arguments.parse_one(input, grammar, errors)?;
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
        let key = input.call(Ident::parse_any)?;
        let word = key.to_string();
        if self.has(&word) {
            errors.at(&key, format!("`{word}` is given twice"));
        }
        if word == "crate" {
            input.parse::<Token![=]>()?;
            self.root = Some(input.call(Path::parse_mod_style)?);
        } else if grammar.strings.contains(&word.as_str()) {
            input.parse::<Token![=]>()?;
            self.strings.push((key, input.parse()?));
        } else if grammar.flags.contains(&word.as_str()) {
            self.flags.push(key);
        } else {
            let known: Vec<String> = grammar
                .strings
                .iter()
                .map(|name| format!("`{name} = \"...\"`"))
                .chain(grammar.flags.iter().map(|name| format!("`{name}`")))
                .collect();
            errors.at(&key, format!("unknown argument `{word}`; there are {}", known.join(", ")));
            // Past its value, so that what follows is still read.
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<proc_macro2::TokenTree>()?;
            }
        }
        Ok(())
    }

    fn has(&self, word: &str) -> bool {
        self.string(word).is_some()
            || self.flag(word).is_some()
            || (word == "crate" && self.root.is_some())
    }

    /// The string of that name.
    pub(crate) fn string(&self, name: &str) -> Option<&LitStr> {
        self.strings.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The flag of that name.
    pub(crate) fn flag(&self, name: &str) -> Option<&Ident> {
        self.flags.iter().find(|flag| *flag == name)
    }

    /// Where `__private` is.
    pub(crate) fn private(&self, root: &TokenStream) -> TokenStream {
        let root = self.root.as_ref().map_or_else(|| root.clone(), ToTokens::to_token_stream);
        quote!(#root::__private)
    }
}
