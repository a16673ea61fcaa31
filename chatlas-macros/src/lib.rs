//! The attributes `#[tool]`, `#[toolbox]` and `#[provider]` and the macro `tools![]` of chatlas.
//!
//! Programs use them through the crate `chatlas`, and so do the examples in `docs/`, which are
//! compiled as doctests of `chatlas`. Each macro is implemented in the module of the same name. All
//! paths in an expansion begin with `chatlas_core::__private`.

#![forbid(unsafe_code)]

mod attr;
mod errors;
mod function;
mod operation;
mod provider;
mod span;
mod tool;
mod toolbox;
mod tools;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use quote::quote;

use crate::operation::Operation;

#[cfg_attr(not(doctest), doc = include_str!("../docs/tool.md"))]
#[proc_macro_attribute]
pub fn tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(arguments.into(), &item.into(), &quote!(::chatlas_core)).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/toolbox.md"))]
#[proc_macro_attribute]
pub fn toolbox(arguments: TokenStream, item: TokenStream) -> TokenStream {
    toolbox::expand(arguments.into(), &item.into(), &quote!(::chatlas_core)).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/tools.md"))]
#[proc_macro]
pub fn tools(input: TokenStream) -> TokenStream {
    tools::expand(input.into(), &quote!(::chatlas_core)).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/provider.md"))]
#[proc_macro_attribute]
pub fn provider(arguments: TokenStream, item: TokenStream) -> TokenStream {
    provider::expand(arguments.into(), &item.into(), &quote!(::chatlas_core)).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/agent.md"))]
#[proc_macro_attribute]
pub fn agent(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas_core);
    operation::expand(Operation::Agent, arguments.into(), &item.into(), &root).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/workflow.md"))]
#[proc_macro_attribute]
pub fn workflow(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas_core);
    operation::expand(Operation::Workflow, arguments.into(), &item.into(), &root).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/plan.md"))]
#[proc_macro_attribute]
pub fn plan(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas_core);
    operation::expand(Operation::Plan, arguments.into(), &item.into(), &root).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/retriever.md"))]
#[proc_macro_attribute]
pub fn retriever(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas_core);
    operation::expand(Operation::Retriever, arguments.into(), &item.into(), &root).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/memory.md"))]
#[proc_macro_attribute]
pub fn memory(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas_core);
    operation::expand(Operation::Memory, arguments.into(), &item.into(), &root).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/evaluator.md"))]
#[proc_macro_attribute]
pub fn evaluator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas_core);
    operation::expand(Operation::Evaluator, arguments.into(), &item.into(), &root).into()
}

#[cfg_attr(not(doctest), doc = include_str!("../docs/hosted_agent.md"))]
#[proc_macro_attribute]
pub fn hosted_agent(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas_core);
    operation::expand(Operation::HostedAgent, arguments.into(), &item.into(), &root).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/tool.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(arguments.into(), &item.into(), &quote!(::chatlas)).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/toolbox.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_toolbox(arguments: TokenStream, item: TokenStream) -> TokenStream {
    toolbox::expand(arguments.into(), &item.into(), &quote!(::chatlas)).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/tools.md"))]
#[doc(hidden)]
#[proc_macro]
pub fn face_tools(input: TokenStream) -> TokenStream {
    tools::expand(input.into(), &quote!(::chatlas)).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/provider.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_provider(arguments: TokenStream, item: TokenStream) -> TokenStream {
    provider::expand(arguments.into(), &item.into(), &quote!(::chatlas)).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/agent.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_agent(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas);
    operation::expand(Operation::Agent, arguments.into(), &item.into(), &root).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/workflow.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_workflow(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas);
    operation::expand(Operation::Workflow, arguments.into(), &item.into(), &root).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/plan.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_plan(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas);
    operation::expand(Operation::Plan, arguments.into(), &item.into(), &root).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/retriever.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_retriever(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas);
    operation::expand(Operation::Retriever, arguments.into(), &item.into(), &root).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/memory.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_memory(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas);
    operation::expand(Operation::Memory, arguments.into(), &item.into(), &root).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/evaluator.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_evaluator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas);
    operation::expand(Operation::Evaluator, arguments.into(), &item.into(), &root).into()
}

// The same macro for the crate `chatlas`, which exports it without the prefix.
#[cfg_attr(not(doctest), doc = include_str!("../docs/hosted_agent.md"))]
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_hosted_agent(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let root = quote!(::chatlas);
    operation::expand(Operation::HostedAgent, arguments.into(), &item.into(), &root).into()
}
