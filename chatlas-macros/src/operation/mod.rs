//! The attributes of operations: `#[agent]`, `#[workflow]`, `#[plan]`, `#[retriever]` and
//! `#[evaluator]` on a function (`function`, checked by `valid`; `kind` lists them); `#[retriever]`, `#[memory]` and
//! `#[hosted_agent]` on the impl of a trait (`implement`). `facts` writes what a span records at its
//! start, `outcome` what it records of the return value, and `body` runs
//! a body inside its span.

mod body;
pub(crate) mod facts;
mod function;
mod implement;
pub(crate) mod kind;
mod outcome;
pub(crate) mod valid;

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) use kind::Operation;

pub(crate) fn expand(
    operation: Operation,
    arguments: TokenStream,
    item: &TokenStream,
    root: &TokenStream,
) -> TokenStream {
    match valid::target(operation, item) {
        Ok(valid::Target::Function(function)) => {
            function::expand(operation, arguments, *function, root)
        }
        Ok(valid::Target::Impl(block)) => implement::expand(operation, arguments, *block, root),
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#item #error)
        }
    }
}
