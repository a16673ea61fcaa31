//! Tests of the macros as functions on tokens: the text of their expansions (`expansion`), and that
//! no input makes them panic (`tokens`).

mod expansion;
mod tokens;

use proc_macro2::TokenStream;
use quote::quote;

use crate::operation::Operation;

/// The macros of this crate.
#[derive(Clone, Copy, Debug)]
enum Macro {
    Tool,
    Toolbox,
    Provider,
    Tools,
    Operation(Operation),
}

impl Macro {
    /// Returns the expansion. `tools![]` ignores the arguments.
    fn expand(self, arguments: TokenStream, item: &TokenStream) -> TokenStream {
        let root = quote!(::chatlas);
        match self {
            Self::Tool => crate::tool::expand(arguments, item, &root),
            Self::Toolbox => crate::toolbox::expand(arguments, item, &root),
            Self::Provider => crate::provider::expand(arguments, item, &root),
            Self::Tools => crate::tools::expand(item.clone(), &root),
            Self::Operation(operation) => {
                crate::operation::expand(operation, arguments, item, &root)
            }
        }
    }
}
