//! The attributes of operations: their names, their arguments, and which of them can be combined.

use syn::Attribute;

use crate::attr::{Grammar, Kind};
use crate::errors::Errors;
use crate::tool::types::is_tool;

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
    pub(super) fn trait_name(self) -> Option<&'static str> {
        match self {
            Self::Retriever => Some("Retriever"),
            Self::Memory => Some("MemoryStore"),
            Self::HostedAgent => Some("HostedAgent"),
            _ => None,
        }
    }

    /// Returns whether the attribute can be written on a function.
    pub(super) fn is_of_functions(self) -> bool {
        !matches!(self, Self::Memory | Self::HostedAgent)
    }

    pub(super) fn grammar(self) -> Grammar {
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

/// Reports other attributes of chatlas on the same function: one attribute decides.
pub(crate) fn stacked(this: &str, attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| is_operation(attr)) {
        let last = attr.path().segments.last().map(|segment| segment.ident.to_string());
        let word = last.unwrap_or_default();
        let message = match [this, word.as_str()] {
            [other, "tool"] | ["tool", other] if matches!(other, "agent" | "retriever") => {
                format!(
                    "`#[tool]` and `#[{other}]` cannot be combined; write one attribute: \
                     `#[{other}(tool)]`"
                )
            }
            [one, other] if one == other => format!("duplicate attribute `#[{one}]`; remove one"),
            _ => format!(
                "`#[{this}]` and `#[{word}]` cannot be combined on one function; call one function \
                 from the other"
            ),
        };
        errors.at(attr, message);
    }
}

/// Returns whether an attribute is `#[tool]` or one of this family, under any path.
pub(super) fn is_operation(attr: &Attribute) -> bool {
    let last = attr.path().segments.last();
    let is_named = |name: &str| last.is_some_and(|segment| segment.ident == name);
    is_tool(attr) || Operation::ALL.iter().any(|operation| is_named(operation.name()))
}
