//! What the macros write, seen from inside: its very text (`expansion`), and that nothing makes
//! them panic (`tokens`).

mod expansion;
mod tokens;

use proc_macro2::TokenStream;
use quote::quote;

/// The macros of this crate, as the crates use them.
#[derive(Clone, Copy, Debug)]
enum Macro {
    Tool,
    Toolbox,
    Provider,
    Tools,
}

impl Macro {
    /// Its expansion; `tools![]` has no arguments.
    fn expand(self, arguments: TokenStream, item: &TokenStream) -> TokenStream {
        let root = quote!(::chatlas);
        match self {
            Self::Tool => crate::tool::expand(arguments, item, &root),
            Self::Toolbox => crate::toolbox::expand(arguments, item, &root),
            Self::Provider => crate::provider::expand(arguments, item, &root),
            Self::Tools => crate::tools::expand(item.clone(), &root),
        }
    }
}
