//! Where the compiler is to point when it does not like what an expansion calls.

use proc_macro2::{Group, Span, TokenStream, TokenTree};

/// That place, with the names of this expansion: a function that `macro_rules!` wrote has others.
pub(crate) fn here(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

/// Those tokens, as if they stood at that place.
pub(crate) fn at(span: Span, tokens: &TokenStream) -> TokenStream {
    tokens.clone().into_iter().map(|token| token_at(span, token)).collect()
}

fn token_at(span: Span, token: TokenTree) -> TokenTree {
    let mut token = match token {
        TokenTree::Group(group) => {
            TokenTree::Group(Group::new(group.delimiter(), at(span, &group.stream())))
        }
        other => other,
    };
    // The crate that `crate = path` names is looked up where it was written.
    token.set_span(span.resolved_at(token.span()));
    token
}
