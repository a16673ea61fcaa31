//! The errors of one item, reported together.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The errors found so far.
#[derive(Default)]
pub(crate) struct Errors {
    errors: Vec<syn::Error>,
    /// Whether rustc reports a further error.
    deferred: bool,
}

impl Errors {
    /// Adds an error at these tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.errors.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds an error.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// Records an error that rustc reports for the original function.
    pub(crate) fn defer_to_rustc(&mut self) {
        self.deferred = true;
    }

    /// Returns whether there is an error.
    pub(crate) fn any(&self) -> bool {
        self.deferred || !self.errors.is_empty()
    }

    /// Returns a `compile_error!` for each error.
    pub(crate) fn to_tokens(&self) -> TokenStream {
        self.errors.iter().map(syn::Error::to_compile_error).collect()
    }
}
