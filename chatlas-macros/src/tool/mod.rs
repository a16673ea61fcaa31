//! `#[tool]`: the function is read (`parse`, `parameter`, `returns`), held against the rules
//! (`valid`), and written anew with its registration (`expand`, `call`).

mod call;
mod expand;
mod parameter;
mod parse;
mod returns;
mod valid;

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::{Arguments, Grammar, Takes};
use crate::errors::Errors;
use crate::function::Function;

pub(crate) use parse::{Tool, is_tool};

/// What may stand in the parentheses of `#[tool]`.
pub(crate) const GRAMMAR: Grammar = Grammar(&[
    ("name", Takes::Text),
    ("description", Takes::Text),
    ("title", Takes::Text),
    ("read_only", Takes::Switch),
    ("destructive", Takes::Switch),
    ("idempotent", Takes::Switch),
    ("open_world", Takes::Switch),
    ("timeout", Takes::Text),
    ("strict", Takes::Switch),
]);

pub(crate) fn expand(
    arguments: TokenStream,
    item: &TokenStream,
    root: &TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &GRAMMAR, &mut errors);
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.note(valid::not_a_function(item).unwrap_or(error));
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    let private = arguments.private(root);
    let tool = Tool::read(&function, &arguments, None, &mut errors);
    if errors.any() { tool.stub(&private, &errors) } else { tool.expand(&private) }
}
