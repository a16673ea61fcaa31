//! `#[tool]`: the function is read (`parse`), held against the rules (`valid`), and written anew
//! with its registration (`expand`).

mod expand;
mod parse;
mod valid;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{AttrStyle, ItemFn};

use crate::attr::{Arguments, Grammar, Takes};
use crate::errors::Errors;

const GRAMMAR: Grammar = Grammar(&[("name", Takes::Text), ("description", Takes::Text)]);

pub(crate) fn expand(
    arguments: TokenStream,
    item: &TokenStream,
    root: &TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &GRAMMAR, &mut errors);
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => with_outer_attributes(function),
        Err(error) => {
            errors.note(valid::not_a_function(item).unwrap_or(error));
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    let private = arguments.private(root);
    let tool = parse::Tool::read(&function, &arguments, &mut errors);
    if errors.any() { tool.stub(&private, &errors) } else { tool.expand(&private) }
}

/// `#![…]` at the start of a body means what `#[…]` above the function means.
fn with_outer_attributes(mut function: ItemFn) -> ItemFn {
    for attr in &mut function.attrs {
        attr.style = AttrStyle::Outer;
    }
    function
}
