//! Spans of generated tokens: where the compiler reports an error in an expansion.

use proc_macro2::{Group, Span, TokenStream, TokenTree};

/// Returns the location of `span` with the name resolution of the call site. A function that
/// `macro_rules!` generated has a name resolution of its own.
pub(crate) fn at_call_site(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

/// Returns the tokens with the location of `span`. Each keeps its name resolution, because the
/// crate that `crate = path` names is looked up where the path was written.
pub(crate) fn respan(span: Span, tokens: &TokenStream) -> TokenStream {
    tokens.clone().into_iter().map(|token| respan_token(span, token)).collect()
}

fn respan_token(span: Span, token: TokenTree) -> TokenTree {
    let mut token = match token {
        TokenTree::Group(group) => {
            TokenTree::Group(Group::new(group.delimiter(), respan(span, &group.stream())))
        }
        other => other,
    };
    token.set_span(span.resolved_at(token.span()));
    token
}
