//! `#[provider]` on an `impl Provider`: its model calls in spans, its methods async.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Block, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Pat, ReturnType, parse_quote};

use crate::attr::{Arguments, Grammar};
use crate::errors::Errors;

const GRAMMAR: Grammar = Grammar { strings: &["name"], flags: &["transparent"] };

pub(crate) fn expand(arguments: TokenStream, item: TokenStream, root: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &GRAMMAR, &mut errors);
    let private = arguments.private(root);
    let mut block = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(block) if is_provider(&block) => block,
        _ => {
            let place = syn::parse2::<syn::Item>(item.clone())
                .map_or_else(|_| quote!(), |item| item.into_token_stream());
            errors.at(place, "`#[provider]` stands above an `impl Provider for …`");
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    complete(&mut block, &arguments, &private, &mut errors);
    let errors = errors.to_tokens();
    quote! {
        #[#private::async_trait]
        #block
        #errors
    }
}

fn is_provider(block: &ItemImpl) -> bool {
    block
        .trait_
        .as_ref()
        .and_then(|(path, _)| path.segments.last())
        .is_some_and(|segment| segment.ident == "Provider")
}

/// Writes what the impl leaves to the macro, and wraps its calls.
fn complete(
    block: &mut ItemImpl,
    arguments: &Arguments,
    private: &TokenStream,
    errors: &mut Errors,
) {
    let transparent = arguments.flag("transparent").is_some();
    let has = |name: &str| methods(block).any(|method| method.sig.ident == name);
    let (info, chat) = (has("info"), has("chat"));
    if !chat {
        errors.at(
            &block.self_ty,
            "a provider needs `async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError>`",
        );
        block.items.push(parse_quote! {
            async fn chat(&self, _: #private::ChatRequest)
                -> #private::Result<#private::Completion, #private::ProviderError> { loop {} }
        });
    }
    match arguments.string("name") {
        Some(name) if info => errors.at(name, "the impl has `fn info` already: leave `name` out"),
        Some(name) => block.items.push(parse_quote! {
            fn info(&self) -> &#private::ProviderInfo {
                static INFO: #private::ProviderInfo = #private::ProviderInfo::new(#name);
                &INFO
            }
        }),
        None if info => {}
        None => {
            errors.at(
                &block.self_ty,
                "a provider needs a name: write `fn info(&self) -> &ProviderInfo`, or \
                 `#[provider(name = \"...\")]` where no model is fixed",
            );
            block.items.push(parse_quote! {
                fn info(&self) -> &#private::ProviderInfo { loop {} }
            });
        }
    }
    if !transparent {
        for item in &mut block.items {
            if let ImplItem::Fn(method) = item {
                wrap(method, private);
            }
        }
    }
    block.items.push(parse_quote! {
        fn __write_the_attribute_provider_above_this_impl(&self, _: #private::Witness) {}
    });
}

fn methods(block: &ItemImpl) -> impl Iterator<Item = &ImplItemFn> {
    block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    })
}

/// Puts the body of a model call into its span.
fn wrap(method: &mut ImplItemFn, private: &TokenStream) {
    let traced = match method.sig.ident.to_string().as_str() {
        "chat" => quote!(traced_chat),
        "chat_stream" => quote!(traced_chat_stream),
        _ => return,
    };
    // Another signature than the trait's: rustc says so better than a macro could.
    let (Some(FnArg::Typed(request)), 2, ReturnType::Type(_, output)) =
        (method.sig.inputs.get(1), method.sig.inputs.len(), &method.sig.output)
    else {
        return;
    };
    let (pattern, output, body) = (request.pat.clone(), output.clone(), method.block.clone());
    let name: Ident = match &*pattern {
        Pat::Ident(pattern) if pattern.subpat.is_none() => pattern.ident.clone(),
        _ => quote::format_ident!("__request"),
    };
    if let Some(FnArg::Typed(request)) = method.sig.inputs.get_mut(1) {
        *request.pat = parse_quote!(#name);
    }
    let Block { stmts, .. } = &body;
    method.block = parse_quote! {{
        let __info = #private::Provider::info(self);
        #private::#traced(__info, #name, move |#pattern| async move {
            // Never taken: it tells the compiler the type, so that the body coerces as in a function.
            #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
            if false {
                let __never: #output = loop {};
                return __never;
            }
            #(#stmts)*
        })
        .await
    }};
}
