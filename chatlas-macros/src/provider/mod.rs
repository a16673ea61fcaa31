//! `#[provider]`: on an `impl Provider` it records a span for each call (`implement`); on a struct it
//! derives a provider from one that speaks the same protocol (`derive`).

mod derive;
mod implement;
mod method;
mod valid;

pub(crate) use valid::name as valid_name;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, ItemImpl};

pub(crate) fn expand(
    arguments: TokenStream,
    item: &TokenStream,
    root: &TokenStream,
) -> TokenStream {
    match syn::parse2(item.clone()) {
        Ok(Item::Impl(block)) if is_provider(&block) => implement::expand(arguments, block, root),
        Ok(Item::Struct(item)) => derive::expand(arguments, &item, root),
        _ => {
            let message = "`#[provider]` can only be used on an `impl Provider for ...`, or on a \
                           struct with `#[provider(like = ..., name = \"...\", base_url = \"...\")]` \
                           to derive a provider";
            let error = syn::Error::new_spanned(item, message).to_compile_error();
            quote!(#item #error)
        }
    }
}

fn is_provider(block: &ItemImpl) -> bool {
    block
        .trait_
        .as_ref()
        .and_then(|(path, _)| path.segments.last())
        .is_some_and(|segment| segment.ident == "Provider")
}
