//! The data, the traits, the chat loop and the telemetry of chatlas.
//!
//! Programs use this crate through `chatlas`. It depends on the OpenTelemetry API only. Spans are
//! recorded if the program installs an SDK; without one, they cost nanoseconds.
//!
//! The trace is the architecture. Each kind of span has one owner:
//!
//! ```text
//! invoke_agent travel_assistant        chat: the loop
//! ├── chat gpt-4o                      a method of a provider, under `#[provider]`
//! ├── execute_tool get_weather         the function of a tool, under `#[tool]`
//! └── chat gpt-4o
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod chat;
mod coerce;
pub mod content;
pub mod cost;
pub mod operations;
pub mod provider;
pub mod schema;
pub mod session;
pub mod telemetry;
pub mod tool;
pub mod turn;

#[doc(hidden)]
#[allow(missing_docs)]
pub mod __private;

pub use chat::{
    Approval, Chat, ChatError, ChatStream, LimitError, LimitKind, Limits, OwnedChatStream, Prompt,
    Reply, StreamEvent, ToolMode,
};
pub use content::Content;
pub use cost::{Cost, Price, Prices};
pub use operations::{
    Document, HostedAgent, Judged, MemoryRecord, MemoryStore, OperationError, Retriever, Score,
};
pub use provider::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, EmbeddingKind, EmbeddingRequest,
    Embeddings, Model, ModelParams, OutputSchema, Provider, ProviderError, ProviderErrorKind,
    ProviderInfo, Reasoning, ServerToolDefinition, ToolChoice,
};
/// Re-exported for `#[derive(schemars::JsonSchema)]` with `#[schemars(crate = "…::schemars")]`, in a
/// crate that does not depend on it.
pub use schemars;
/// Re-exported for `#[derive(serde::Deserialize)]` with `#[serde(crate = "…::serde")]`, in a crate that
/// does not depend on it.
pub use serde;
/// Re-exported for `serde_json::json!` and `serde_json::Value`, the type of tool arguments.
pub use serde_json;
pub use session::{Session, SessionError, SessionStore};
pub use tokio_util::sync::CancellationToken;
pub use tool::{
    DuplicateTool, DynTool, Provide, Tool, ToolAnnotations, ToolCall, ToolContext, ToolDefinition,
    ToolError, ToolOutput, ToolSet, Toolbox, WebFetch, WebSearch,
};
pub use turn::{AssistantTurn, FinishReason, Modalities, ModelCall, Turn, Usage, UserTurn};
