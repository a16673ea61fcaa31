//! Whether the model may, must, or must not call tools.

use serde::{Deserialize, Serialize};

/// Whether the model may, must, or must not call the program's tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides. This is the default of all vendors.
    Auto,
    /// The model calls no tool.
    None,
    /// The model calls at least one tool.
    #[doc(alias = "Any")]
    Required,
    /// The model calls the tool of that name.
    Tool(String),
}

impl ToolChoice {
    /// Requires a call of the tool of that name.
    pub fn tool(name: impl Into<String>) -> Self {
        Self::Tool(name.into())
    }

    /// Returns whether the model has to call a tool.
    pub fn is_forced(&self) -> bool {
        matches!(self, Self::Required | Self::Tool(_))
    }
}
