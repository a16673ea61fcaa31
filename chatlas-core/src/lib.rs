//! The data, the traits, the chat loop and the telemetry of chatlas.
//!
//! Programs use it through the face crate `chatlas`. It depends on the OpenTelemetry *API* alone:
//! its spans are always made, and go nowhere (at a price of some nanoseconds) until the program
//! installs an SDK.
//!
//! The trace is the architecture; each kind of span has one owner:
//!
//! ```text
//! invoke_agent travel_assistant        chat: the loop
//! ├── chat gpt-4o                      a provider's method, under `#[provider]`
//! ├── execute_tool get_weather         a tool's function, under `#[tool]`
//! └── chat gpt-4o
//! ```

#![forbid(unsafe_code)]

pub mod chat;
pub mod content;
pub mod provider;
pub mod schema;
pub mod telemetry;
pub mod tool;
pub mod turn;

#[doc(hidden)]
#[allow(missing_docs)]
pub mod __private;

pub use chat::{Approval, Chat, ChatError, ChatStream, Prompt, Reply, StreamEvent, ToolMode};
pub use content::Content;
pub use provider::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, Model, ModelParams, OutputSchema,
    Provider, ProviderError, ProviderErrorKind, ProviderInfo, ServerToolDefinition,
};
/// For the types of tools' parameters and values, in a crate that does not depend on it:
/// `#[derive(schemars::JsonSchema)]` with `#[schemars(crate = "…::schemars")]`.
pub use schemars;
/// For the types of tools' parameters and values, in a crate that does not depend on it:
/// `#[derive(serde::Deserialize)]` with `#[serde(crate = "…::serde")]`.
pub use serde;
pub use tokio_util::sync::CancellationToken;
pub use tool::{
    DynTool, Provide, Tool, ToolAnnotations, ToolCall, ToolContext, ToolDefinition, ToolError,
    ToolOutput, ToolSet, Toolbox, WebFetch, WebSearch,
};
pub use turn::{AssistantTurn, FinishReason, Modalities, Turn, Usage, UserTurn};
