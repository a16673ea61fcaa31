//! The attributes of operations: `#[agent]`, `#[workflow]`, `#[plan]`, `#[retriever]` and
//! `#[evaluator]` on a function (`function`, checked by `valid`); `#[retriever]`, `#[memory]` and
//! `#[hosted_agent]` on the impl of a trait (`implement`). `facts` writes what a span records at its
//! start, `outcome` what it records of the return value, and `body` runs
//! a body inside its span.

mod body;
mod facts;
mod function;
mod implement;
mod outcome;
mod valid;

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::{Grammar, Kind};

pub(crate) use valid::stacked;

/// An attribute of this family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Agent,
    Workflow,
    Plan,
    Retriever,
    Evaluator,
    Memory,
    HostedAgent,
}

impl Operation {
    pub(crate) const ALL: [Self; 7] = [
        Self::Agent,
        Self::Workflow,
        Self::Plan,
        Self::Retriever,
        Self::Evaluator,
        Self::Memory,
        Self::HostedAgent,
    ];

    /// Returns the name of the attribute.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Workflow => "workflow",
            Self::Plan => "plan",
            Self::Retriever => "retriever",
            Self::Evaluator => "evaluator",
            Self::Memory => "memory",
            Self::HostedAgent => "hosted_agent",
        }
    }

    /// Returns the trait whose impl the attribute can be written on.
    fn trait_name(self) -> Option<&'static str> {
        match self {
            Self::Retriever => Some("Retriever"),
            Self::Memory => Some("MemoryStore"),
            Self::HostedAgent => Some("HostedAgent"),
            _ => None,
        }
    }

    /// Returns whether the attribute can be written on a function.
    fn is_of_functions(self) -> bool {
        !matches!(self, Self::Memory | Self::HostedAgent)
    }

    fn grammar(self) -> Grammar {
        match self {
            Self::Agent => Grammar(&[
                ("name", Kind::Text),
                ("description", Kind::Text),
                ("model", Kind::Text),
                ("conversation", Kind::Expr),
                ("tool", Kind::Flag),
                ("skip", Kind::Names),
                ("fields", Kind::Fields),
            ]),
            Self::Workflow => Grammar(&[
                ("name", Kind::Text),
                ("description", Kind::Text),
                ("conversation", Kind::Expr),
                ("skip", Kind::Names),
                ("fields", Kind::Fields),
            ]),
            Self::Plan => Grammar(&[("agent", Kind::Text), ("fields", Kind::Fields)]),
            Self::Retriever => Grammar(&[
                ("name", Kind::Text),
                ("description", Kind::Text),
                ("data_source", Kind::Expr),
                ("top_k", Kind::Expr),
                ("tool", Kind::Flag),
                ("skip", Kind::Names),
                ("fields", Kind::Fields),
            ]),
            Self::Evaluator => Grammar(&[("name", Kind::Text), ("labels", Kind::Texts)]),
            Self::Memory => Grammar(&[
                ("store", Kind::Expr),
                ("provider", Kind::Text),
                ("in_process", Kind::Flag),
                ("skip", Kind::Names),
                ("fields", Kind::Fields),
            ]),
            Self::HostedAgent => Grammar(&[("provider", Kind::Text)]),
        }
    }
}

pub(crate) fn expand(
    operation: Operation,
    arguments: TokenStream,
    item: &TokenStream,
    root: &TokenStream,
) -> TokenStream {
    match valid::target(operation, item) {
        Ok(valid::Target::Function(function)) => {
            function::expand(operation, arguments, *function, root)
        }
        Ok(valid::Target::Impl(block)) => implement::expand(operation, arguments, *block, root),
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#item #error)
        }
    }
}
