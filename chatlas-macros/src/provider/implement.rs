//! `#[provider]` on an `impl Provider`: makes its methods async, and records a span for each call.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{
    Block, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Pat, ReceiverKind, ReturnType, Stmt,
    Token, Type, parse_quote,
};

use super::method::{AsyncMethod, remove_async_trait, remove_others};
use super::valid;
use crate::attr::{Arguments, Grammar, Kind};
use crate::errors::Errors;
use crate::span::{at_call_site, respan};

const GRAMMAR: Grammar = Grammar(&[("name", Kind::Text), ("transparent", Kind::Flag)]);

pub(super) fn expand(
    arguments: TokenStream,
    mut block: ItemImpl,
    root: &TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &GRAMMAR, &mut errors);
    let private = arguments.private(root);
    let is_expanded = remove_async_trait(&mut block, &mut errors);
    remove_others(&mut block, &mut errors);
    complete(&mut block, &arguments, &private, &mut errors);
    if is_expanded {
        let errors = errors.to_tokens();
        return quote!(#block #errors);
    }
    wrap_all(&mut block, &arguments, &private, &mut errors);
    let errors = errors.to_tokens();
    quote! {
        #[#private::async_trait]
        #block
        #errors
    }
}

/// Adds the generated methods to the impl.
fn complete(
    block: &mut ItemImpl,
    arguments: &Arguments,
    private: &TokenStream,
    errors: &mut Errors,
) {
    let transparent = arguments.bool("transparent").is_some();
    let has = |name: &str| methods(block).any(|method| method.sig.ident == name);
    let (info, chat, chat_stream) = (has("info"), has("chat"), has("chat_stream"));
    if !chat {
        errors.at(
            &block.self_ty,
            "missing method; write `async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError>`",
        );
        block.items.push(parse_quote! {
            async fn chat(&self, _: #private::ChatRequest)
                -> #private::Result<#private::Completion, #private::ProviderError> { loop {} }
        });
    }
    if transparent && !chat_stream {
        errors.at(
            &block.self_ty,
            "missing method: without it, replies of the inner provider are not streamed; write \
             `async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, \
             ProviderError>`, which calls `chat_stream` of the inner provider",
        );
    }
    match arguments.text("name") {
        Some(name) if transparent => {
            let message = "a transparent provider has the name of the inner provider; remove \
                           `name` and write `fn info(&self) -> &ProviderInfo`, which returns the \
                           `info` of the inner provider";
            errors.at(name, message);
            if !info {
                block.items.push(parse_quote! {
                    fn info(&self) -> &#private::ProviderInfo { loop {} }
                });
            }
        }
        Some(name) if info => {
            errors.at(name, "`name` and `fn info` contradict each other; remove one");
        }
        Some(name) => {
            valid::name(name, errors);
            block.items.push(parse_quote! {
                fn info(&self) -> &#private::ProviderInfo {
                    static INFO: #private::ProviderInfo = #private::ProviderInfo::new(#name);
                    &INFO
                }
            });
        }
        None if info => {}
        None => {
            // An invalid name is already reported.
            if transparent {
                errors.at(
                    &block.self_ty,
                    "missing method; write `fn info(&self) -> &ProviderInfo`, which returns the \
                     `info` of the inner provider",
                );
            } else if !arguments.has("name") {
                errors.at(
                    &block.self_ty,
                    "missing name; write `#[provider(name = \"...\")]`, or \
                     `fn info(&self) -> &ProviderInfo` if the provider has a fixed model",
                );
            }
            block.items.push(parse_quote! {
                fn info(&self) -> &#private::ProviderInfo { loop {} }
            });
        }
    }
    block.items.push(parse_quote! {
        fn __write_the_attribute_provider_above_this_impl(&self) {}
    });
}

/// Wraps the bodies of the calls in spans.
fn wrap_all(
    block: &mut ItemImpl,
    arguments: &Arguments,
    private: &TokenStream,
    errors: &mut Errors,
) {
    let transparent = arguments.has("transparent");
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item
            && let Some(known) = AsyncMethod::named(&method.sig.ident, transparent)
            && let Some(wrapper) = &known.wrapper
        {
            wrap(method, &known, wrapper, private, errors);
        }
    }
}

fn methods(block: &ItemImpl) -> impl Iterator<Item = &ImplItemFn> {
    block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    })
}

/// Passes the body of a call to its wrapper.
fn wrap(
    method: &mut ImplItemFn,
    known: &AsyncMethod,
    wrapper: &Ident,
    private: &TokenStream,
    errors: &mut Errors,
) {
    if method.sig.asyncness.is_none() {
        let message = format!("`{}` must be an `async fn`; add `async`", method.sig.ident);
        errors.at(method.sig.fn_token, message);
        // With `async`, rustc reports no further error.
        method.sig.asyncness = Some(Token![async](method.sig.fn_token.span));
    }
    let reply = known.reply(private);
    let in_trait: Type = parse_quote!(#private::Result<#reply, #private::ProviderError>);
    let ReturnType::Type(_, output) = method.sig.output.clone() else {
        let message = format!("missing return type; write `-> {}`", known.shown());
        errors.at(&method.sig.ident, message);
        method.sig.output = parse_quote!(-> #in_trait);
        method.block = parse_quote!({ loop {} });
        return;
    };
    // rustc reports other parameters than those of the trait.
    let (request, pattern) = match method.sig.inputs.len() {
        1 => (TokenStream::new(), TokenStream::new()),
        2 => {
            let Some((name, pattern)) = name_request(method) else { return };
            (quote!(#name,), quote!(#pattern))
        }
        _ => return,
    };
    let is_as_in_trait = known.returns(&output);
    if !is_as_in_trait {
        method.sig.output = parse_quote!(-> #in_trait);
    }
    let returned = if is_as_in_trait { &*output } else { &in_trait };
    let await_it = (!box_future(method, returned, private)).then(|| quote!(.await));
    let (items, statements) = split(&method.block);
    let body = quote! {
        // This branch is never taken. It gives the block its type, so that the result of the body
        // is coerced to it, as in a function.
        #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
        if false {
            let __never: #output = loop {};
            return __never;
        }
        #(#statements)*
    };
    let body = if is_as_in_trait {
        body
    } else {
        // The compiler reports a type that is not an alias of that of the trait here, once.
        let span = at_call_site(output.span());
        let check = respan(span, &quote!(#private::MethodReply::<#reply>::into_reply));
        quote_spanned!(span=> #check(async move { #body }.await))
    };
    method.block = parse_quote! {{
        #(#items)*
        #private::#wrapper(#private::Provider::info(self), #request move |#pattern| async move { #body })
        #await_it
    }};
}

/// Makes `chat` or `chat_stream` a function that returns a boxed future, as `async_trait` does, and
/// returns whether it did. The traced future is then in the box itself. `async_trait` would wrap it
/// in a second future, into which the request and the reply are moved.
fn box_future(method: &mut ImplItemFn, output: &Type, private: &TokenStream) -> bool {
    let sig = &mut method.sig;
    let is_call = sig.ident == "chat" || sig.ident == "chat_stream";
    let Some(FnArg::Receiver(receiver)) = sig.inputs.first_mut() else { return false };
    let ReceiverKind::Reference(_, lifetime @ None, None) = &mut receiver.kind else {
        return false;
    };
    if !is_call || !sig.generics.params.is_empty() || sig.generics.where_clause.is_some() {
        return false;
    }
    *lifetime = Some(parse_quote!('life0));
    sig.asyncness = None;
    sig.generics = parse_quote!(<'life0, 'async_trait>);
    sig.generics.where_clause = parse_quote!(where 'life0: 'async_trait, Self: 'async_trait);
    sig.output = parse_quote!(-> #private::BoxFuture<'async_trait, #output>);
    true
}

/// Replaces the pattern of the request by a plain name, and returns both. The closure takes the
/// pattern.
fn name_request(method: &mut ImplItemFn) -> Option<(Ident, Pat)> {
    let Some(FnArg::Typed(request)) = method.sig.inputs.get_mut(1) else { return None };
    let name = match &*request.pat {
        Pat::Ident(pattern) if pattern.subpat.is_none() => pattern.ident.clone(),
        _ => format_ident!("__request"),
    };
    let pattern = std::mem::replace(&mut *request.pat, parse_quote!(#name));
    Some((name, pattern))
}

/// Splits a body into the items at its start, which stay outside the closure, and the statements.
fn split(body: &Block) -> (&[Stmt], &[Stmt]) {
    let is_statement = |stmt: &Stmt| !matches!(stmt, Stmt::Item(_));
    body.stmts.split_at(body.stmts.iter().position(is_statement).unwrap_or(body.stmts.len()))
}
