//! All mistakes of one item, told at once.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors {
    noted: Vec<syn::Error>,
    /// Whether there are others, which rustc tells.
    left: bool,
}

impl Errors {
    /// Notes a mistake at those tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.noted.push(syn::Error::new_spanned(tokens, message));
    }

    /// Leaves a mistake to rustc, which tells it of the function as it was written.
    pub(crate) fn leave(&mut self) {
        self.left = true;
    }

    /// Notes a mistake that syn found.
    pub(crate) fn note(&mut self, error: syn::Error) {
        self.noted.push(error);
    }

    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.left || !self.noted.is_empty()
    }

    /// All of them, as the compiler is to print them.
    pub(crate) fn to_tokens(&self) -> TokenStream {
        self.noted.iter().map(syn::Error::to_compile_error).collect()
    }
}
