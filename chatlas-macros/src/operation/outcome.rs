//! The conversion of a return value into what its span records, as a closure.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::span::respan;

/// What is recorded of a return value that is not an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    Nothing,
    /// The value in a readable form.
    Value,
    Documents,
    Score,
    /// The records that a search of a memory found.
    Records,
    /// The ids of new records of a memory.
    Ids,
}

/// The conversion of a return value. The compiler reports an unsuitable type at `span`.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    pub(super) recorded: Recorded,
    pub(super) span: Span,
}

impl Outcome {
    /// Returns the closure. Its second parameter is whether content is recorded.
    pub(super) fn closure(self, private: &TokenStream) -> TokenStream {
        let local = |name| Ident::new(name, Span::mixed_site());
        let (output, wanted) = (local("output"), local("wanted"));
        let (value, error) = (local("value"), local("error"));
        let checked = |tokens: TokenStream| respan(self.span, &tokens);
        let null = quote!(#private::null_output());
        let ok = quote!(#private::Result::Ok);
        let if_wanted =
            |converted| quote!(#ok(#value) if #wanted => #ok(#converted), #ok(_) => #ok(#null),);
        let (uses_wanted, arms) = match self.recorded {
            Recorded::Nothing => (false, quote!(#ok(_) => #ok(#null),)),
            Recorded::Value => (true, if_wanted(quote!(#private::show!(*#value)))),
            Recorded::Documents => {
                (true, if_wanted(checked(quote!(#private::Documents::to_output(#value)))))
            }
            Recorded::Score => {
                let score = checked(quote!(#private::ToScore::to_score(#value)));
                (false, quote!(#ok(#value) => #ok(#private::score_output(#score)),))
            }
            Recorded::Records => {
                (true, quote!(#ok(#value) => #ok(#private::found_records(#value, #wanted)),))
            }
            Recorded::Ids => (false, quote!(#ok(#value) => #ok(#private::new_ids(#value)),)),
        };
        let failure = self.failure(&error, private);
        let wanted = if uses_wanted { quote!(#wanted) } else { quote!(_) };
        quote! {
            |#output, #wanted| {
                #[allow(unused_imports)]
                use #private::Plain as _;
                match #private::Returned(#output).split() {
                    #arms
                    #private::Result::Err(#error) => #private::Result::Err(#failure),
                }
            }
        }
    }

    /// Returns the conversion of a reference to an error, where the trait `Plain` is in scope.
    pub(super) fn failure(self, error: &Ident, private: &TokenStream) -> TokenStream {
        respan(
            self.span,
            &quote! {
                #private::Returned(#error).error(#private::ToolFailure::to_error)
            },
        )
    }
}
