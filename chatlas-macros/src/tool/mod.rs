//! `#[tool]`: reads the function (`parse`, `parameter`, `returns`), checks it (`valid`), and writes
//! the traced function (`expand`) and its registration (`call`).

mod call;
pub(crate) mod doc;
mod expand;
mod literal;
mod parameter;
mod parse;
pub(crate) mod returns;
pub(crate) mod types;
mod valid;

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::{Arguments, Grammar, Kind};
use crate::errors::Errors;
use crate::function::Function;
use crate::operation::kind::stacked;

pub(crate) use parse::Tool;
pub(crate) use types::is_tool;

/// The arguments of `#[tool]`.
pub(crate) const GRAMMAR: Grammar = Grammar(&[
    ("name", Kind::Text),
    ("description", Kind::Text),
    ("title", Kind::Text),
    ("read_only", Kind::Bool),
    ("destructive", Kind::Bool),
    ("idempotent", Kind::Bool),
    ("open_world", Kind::Bool),
    ("timeout", Kind::Text),
    ("strict", Kind::Bool),
    ("skip", Kind::Names),
    ("fields", Kind::Fields),
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
            errors.push(valid::not_a_function(item).unwrap_or(error));
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    let private = arguments.private(root);
    stacked("tool", &function.attrs, &mut errors);
    let tool = Tool::read(&function, &arguments, None, &mut errors);
    if errors.any() { tool.stub(&private, &errors) } else { tool.expand(&private) }
}
