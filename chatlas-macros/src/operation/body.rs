//! A body that runs inside its span.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{ReturnType, Signature};

use super::outcome::Outcome;
use crate::tool::returns::Items;

/// The parts of a body inside its span.
pub(super) struct Body<'a> {
    pub(super) sig: &'a Signature,
    /// The statements of the user.
    pub(super) statements: TokenStream,
    /// The expression that starts the span.
    pub(super) span: TokenStream,
    /// The conversion of the return value, or of the items of a stream.
    pub(super) outcome: Outcome,
    /// The stream, if the function returns one.
    pub(super) stream: Option<Items<'a>>,
}

impl Body<'_> {
    /// Returns the statements of the function.
    pub(super) fn expand(&self, private: &TokenStream) -> TokenStream {
        let Self { sig, statements, span: start, outcome, stream } = self;
        let local = |name| Ident::new(name, Span::mixed_site());
        let (span, output, error) = (local("span"), local("output"), local("error"));
        let failed = local("failed");
        let is_async = sig.asyncness.is_some();
        let typed = self.typed();
        let convert = outcome.closure(private);
        if let Some(items) = stream {
            let open = if is_async {
                quote!(#span.open_async(async move { #typed #statements }).await)
            } else {
                quote!(#span.open(move || { #typed #statements }))
            };
            let follow = quote!(#span.follow(#output, #convert));
            let follow =
                if items.boxed { quote!(#private::Box::pin(#follow) as _) } else { follow };
            let end = if items.error.is_some() {
                let failure = outcome.failure(&failed, private);
                quote! {
                    match #output {
                        #private::Result::Ok(#output) => #private::Result::Ok(#follow),
                        #private::Result::Err(#error) => {
                            {
                                use #private::Plain as _;
                                let #failed = &#error;
                                #span.fail(&#failure);
                            }
                            #private::Result::Err(#error)
                        }
                    }
                }
            } else {
                follow
            };
            return quote! {
                let mut #span = #private::StreamSpan::new(#start);
                let #output = #open;
                #end
            };
        }
        if is_async {
            return quote! {
                let #span = #start;
                // A function may return a future, unlike the block that it becomes.
                #[allow(clippy::async_yields_async)]
                let #output = async move { #typed #statements };
                #private::direct(#span, #output, #convert).await
            };
        }
        quote! {
            let #span = #private::SyncSpan::enter(#start);
            let #output = #private::call(move || { #typed #statements });
            #span.finish(&#output, #convert);
            #output
        }
    }

    /// Returns a statement that gives the block its type, so that its result is coerced to it, as in
    /// a function.
    fn typed(&self) -> Option<TokenStream> {
        let output = match &self.sig.output {
            ReturnType::Default => quote!(()),
            ReturnType::Type(_, ty) => quote!(#ty),
        };
        // The type of an `impl Trait` has no name.
        let has_name = !output.clone().into_iter().flat_map(flat).any(|word| word == "impl");
        let never = Ident::new("never", Span::mixed_site());
        has_name.then(|| {
            quote! {
                #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
                if false {
                    let #never: #output = loop {};
                    return #never;
                }
            }
        })
    }
}

/// Returns the words of a token.
fn flat(token: proc_macro2::TokenTree) -> Vec<String> {
    match token {
        proc_macro2::TokenTree::Group(group) => group.stream().into_iter().flat_map(flat).collect(),
        other => vec![other.to_string()],
    }
}
