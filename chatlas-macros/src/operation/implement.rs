//! The impl of a trait: runs the body of each of its calls inside a span.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, Pat, ReturnType, Token, parse_quote};

use super::body::Body;
use super::facts::Facts;
use super::outcome::{Outcome, Recorded};
use super::{Operation, valid};
use crate::attr::Arguments;
use crate::errors::Errors;

pub(super) fn expand(
    operation: Operation,
    arguments: TokenStream,
    mut block: ItemImpl,
    root: &TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &operation.grammar(), &mut errors);
    let private = arguments.private(root);
    valid::fields(arguments.fields("fields"), &mut errors);
    for name in ["name", "description", "tool"] {
        if let Some(key) = arguments.key(name) {
            errors.at(
                key,
                format!("`{name}` is for functions; for a tool, call `into_tool` on the value"),
            );
        }
    }
    if operation == Operation::HostedAgent {
        add_provider(&mut block, &arguments, &private, &mut errors);
    }
    let methods = block.items.iter_mut().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    });
    let impl_ = Impl { operation, arguments: &arguments, private: &private };
    let mut skippable = Vec::new();
    for method in methods {
        if impl_.is_call(method) {
            if method.sig.asyncness.is_none() {
                let message = format!("`{}` must be an `async fn`; add `async`", method.sig.ident);
                errors.at(method.sig.fn_token, message);
                // With `async`, rustc reports no further error.
                method.sig.asyncness = Some(Token![async](method.sig.fn_token.span));
            }
            if operation != Operation::HostedAgent {
                name_parameters(method);
            }
            skippable.extend(parameters(method).into_iter().flatten().map(|name| name.to_string()));
            impl_.wrap(method);
        }
    }
    valid::skip(&arguments, &skippable, &mut errors);
    let witness =
        quote::format_ident!("__write_the_attribute_{}_above_this_impl", operation.name());
    block.items.push(parse_quote!(fn #witness(&self) {}));
    let errors = errors.to_tokens();
    quote! {
        #[#private::async_trait]
        #block
        #errors
    }
}

/// Adds the method `provider` of a hosted agent.
fn add_provider(
    block: &mut ItemImpl,
    arguments: &Arguments,
    private: &TokenStream,
    errors: &mut Errors,
) {
    let has_method = block
        .items
        .iter()
        .any(|item| matches!(item, ImplItem::Fn(method) if method.sig.ident == "provider"));
    match arguments.text("provider") {
        Some(name) if has_method => {
            errors.at(name, "`provider` and `fn provider` contradict each other; remove one");
        }
        Some(name) => {
            crate::provider::valid_name(name, errors);
            block.items.push(parse_quote! {
                fn provider(&self) -> &#private::ProviderInfo {
                    static INFO: #private::ProviderInfo = #private::ProviderInfo::new(#name);
                    &INFO
                }
            });
        }
        None if has_method => {}
        None => {
            if !arguments.has("provider") {
                errors.at(
                    &block.self_ty,
                    "missing provider; write `#[hosted_agent(provider = \"...\")]`, or \
                     `fn provider(&self) -> &ProviderInfo`",
                );
            }
            block.items.push(parse_quote! {
                fn provider(&self) -> &#private::ProviderInfo { loop {} }
            });
        }
    }
}

/// Gives a name to each parameter that is `_`, because the span records it.
fn name_parameters(method: &mut ImplItemFn) {
    for (index, input) in method.sig.inputs.iter_mut().enumerate() {
        if let FnArg::Typed(typed) = input
            && matches!(*typed.pat, Pat::Wild(_))
        {
            let name = quote::format_ident!("__argument{index}");
            *typed.pat = parse_quote!(#name);
        }
    }
}

/// Returns the names of the parameters after `self`. One that is a pattern has no name.
fn parameters(method: &ImplItemFn) -> Vec<Option<Ident>> {
    let typed = method.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(&*typed.pat),
        FnArg::Receiver(_) => None,
    });
    typed
        .map(|pat| match pat {
            Pat::Ident(name) => Some(name.ident.clone()),
            _ => None,
        })
        .collect()
}

struct Impl<'a> {
    operation: Operation,
    arguments: &'a Arguments,
    private: &'a TokenStream,
}

impl Impl<'_> {
    /// Returns whether the method is a call that has a span.
    fn is_call(&self, method: &ImplItemFn) -> bool {
        let name = method.sig.ident.to_string();
        match self.operation {
            Operation::Memory => memory_operation(&name).is_some(),
            Operation::HostedAgent => name == "create" || name == "invoke",
            _ => name == "retrieve",
        }
    }

    /// Wraps the body of a call in its span.
    fn wrap(&self, method: &mut ImplItemFn) {
        let private = self.private;
        if self.operation == Operation::HostedAgent {
            self.wrap_hosted(method);
            return;
        }
        let statements = &method.block.stmts;
        let (span, recorded) = match self.operation {
            Operation::Memory => self.memory(method),
            _ => self.retriever(method),
        };
        let body = Body {
            sig: &method.sig,
            statements: quote!(#(#statements)*),
            span,
            // The trait fixes the types.
            outcome: Outcome { recorded, span: Span::call_site() },
            stream: None,
        };
        let traced = body.expand(private);
        method.block = parse_quote!({ #traced });
    }

    fn is_skipped(&self, name: &str) -> bool {
        self.arguments.names("skip").iter().any(|skipped| skipped == name)
    }

    /// Adds a parameter as the input, unless it is skipped.
    fn input(&self, facts: &mut Facts<'_>, parameter: Option<&Option<Ident>>) {
        if let Some(Some(name)) = parameter
            && !self.is_skipped(&name.to_string())
        {
            facts.input(&quote!(#name));
        }
    }

    fn retriever(&self, method: &ImplItemFn) -> (TokenStream, Recorded) {
        let private = self.private;
        let mut facts = Facts::new(private);
        let parameters = parameters(method);
        facts.argument("data_source", self.arguments);
        match (self.arguments.expr("top_k"), parameters.get(1)) {
            (Some(_), _) => facts.argument("top_k", self.arguments),
            (None, Some(Some(top_k))) => facts.value("top_k", top_k),
            (None, _) => {}
        }
        self.input(&mut facts, parameters.first());
        facts.fields(self.arguments.fields("fields"));
        let facts = facts.closure();
        let recorded =
            if self.is_skipped("output") { Recorded::Nothing } else { Recorded::Documents };
        (quote!(#private::retrieval_span(#facts)), recorded)
    }

    fn memory(&self, method: &ImplItemFn) -> (TokenStream, Recorded) {
        let private = self.private;
        let name = method.sig.ident.to_string();
        let operation = memory_operation(&name).unwrap_or_default();
        let mut facts = Facts::new(private);
        let parameters = parameters(method);
        facts.argument("store", self.arguments);
        if let Some(provider) = self.arguments.text("provider") {
            facts.constant("provider", provider);
        }
        let first = parameters.first().and_then(Option::as_ref);
        let recorded = match (name.as_str(), first) {
            ("search", _) => {
                self.input(&mut facts, parameters.first());
                if self.is_skipped("output") {
                    facts.constant("skip_output", quote!());
                }
                Recorded::Records
            }
            ("create" | "update" | "upsert", Some(records)) => {
                let with_content = !self.is_skipped(&records.to_string());
                facts.constant("records", quote!(&#records, #with_content));
                if name == "update" { Recorded::Nothing } else { Recorded::Ids }
            }
            ("delete", Some(ids)) => {
                facts.constant("ids", quote!(&#ids));
                Recorded::Nothing
            }
            _ => Recorded::Nothing,
        };
        facts.fields(self.arguments.fields("fields"));
        let facts = facts.closure();
        let in_process = self.arguments.bool("in_process").is_some();
        (quote!(#private::memory_span(#operation, #in_process, #facts)), recorded)
    }

    fn wrap_hosted(&self, method: &mut ImplItemFn) {
        let private = self.private;
        // rustc reports a signature that differs from that of the trait.
        let ReturnType::Type(_, output) = &method.sig.output else { return };
        let Some(FnArg::Typed(argument)) = method.sig.inputs.get_mut(1) else { return };
        let request: Ident = parse_quote!(__request);
        let pattern = std::mem::replace(&mut *argument.pat, parse_quote!(#request));
        let is_create = method.sig.ident == "create";
        let (traced, agent) = if is_create {
            (quote!(traced_create_agent), None)
        } else {
            (quote!(traced_invoke_agent), Some(quote!(#private::HostedAgent::agent(self),)))
        };
        let statements = &method.block.stmts;
        method.block = parse_quote! {{
            #private::#traced(
                #private::HostedAgent::provider(self),
                #agent
                #request,
                move |#pattern| async move {
                    #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop)]
                    if false {
                        let __never: #output = loop {};
                        return __never;
                    }
                    #(#statements)*
                },
            )
            .await
        }};
    }
}

/// Returns `gen_ai.operation.name` of a method of `MemoryStore`.
fn memory_operation(method: &str) -> Option<&'static str> {
    Some(match method {
        "create_store" => "create_memory_store",
        "delete_store" => "delete_memory_store",
        "search" => "search_memory",
        "create" => "create_memory",
        "update" => "update_memory",
        "upsert" => "upsert_memory",
        "delete" => "delete_memory",
        _ => return None,
    })
}
