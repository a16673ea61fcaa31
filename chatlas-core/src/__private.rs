//! The items that macro expansions refer to. Not part of the public API.

pub use async_trait::async_trait;
pub use serde_json::Value;
pub use std::boxed::Box;
pub use std::clone::Clone;
pub use std::convert::Into;
pub use std::default::Default;
pub use std::fmt;
pub use std::marker::{Send, Sync};
pub use std::ops::FnOnce;
pub use std::option::Option;
pub use std::primitive::{bool, str, u64};
pub use std::result::Result;
pub use std::string::String;
pub use std::sync::Arc;
pub use std::vec;
pub use std::vec::Vec;

pub use crate::__show as show;
pub use crate::chat::rehearsal::rehearse;
pub use crate::operations::{
    AgentInfo, Documents, HostedAgent, MemoryRecord, NewAgent, OperationError, Retriever, ToScore,
};
pub use crate::provider::{
    ChatRequest, Completion, CompletionStream, EmbeddingRequest, Embeddings, MethodReply, Model,
    Protocol, Provider, ProviderError, ProviderInfo, SupportsTool, Vendor,
};
pub use crate::telemetry::agent_function::{agent_span, plan_span, workflow_span};
pub use crate::telemetry::embeddings::traced_embed;
pub use crate::telemetry::evaluation::{evaluation_span, score_output};
pub use crate::telemetry::facts::{Facts, FieldValue, record_fields};
pub use crate::telemetry::forwarded::{forwarded_chat, forwarded_chat_stream};
pub use crate::telemetry::function::{StreamSpan, SyncSpan, direct};
pub use crate::telemetry::hosted::{traced_create_agent, traced_invoke_agent};
pub use crate::telemetry::mcp::{
    McpConnection, McpRequest, McpSide, McpSpan, McpStart, McpSubject, record_mcp_session,
};
pub use crate::telemetry::memory::{found_records, memory_span, new_ids};
pub use crate::telemetry::names::assert_custom;
pub use crate::telemetry::operation::{traced_count_tokens, traced_list_models};
pub use crate::telemetry::retrieval::retrieval_span;
pub use crate::telemetry::shown::{ShowContents, ShowJson, ShowNothing, ShowText, Shown};
pub use crate::telemetry::tool::tool_span;
pub use crate::telemetry::traced::{traced_chat, traced_chat_stream};
pub use crate::tool::args::{Args, Param, Parameter, ToolParameter};
pub use crate::tool::function::{
    Name, NamedTool, Spec, StatelessTool, TextDefault, ToolFunction, bound, function,
};
pub use crate::tool::returned::{Plain, Returned, ToolFailure, ToolReturn};
pub use crate::tool::run::run_tool_for_client;
pub use crate::tool::state::{CloneState, Supply};
pub use crate::tool::stream::drain;
pub use crate::tool::{
    BoxFuture, DuplicateTool, IntoTools, Tool, ToolCall, ToolContext, ToolError, ToolOutput,
    ToolSet, Toolbox,
};

/// The name of a tool in a tuple, or an empty name for a type that is not a tool: the compiler reports that
/// type once, where the tool is created.
pub struct NameOf<T>(std::marker::PhantomData<T>);

impl<T: NamedTool> NameOf<(T,)> {
    /// The name of the tool.
    pub const NAME: Name = T::NAME;
}

/// [`NameOf::NAME`] of a type that is not a tool.
pub trait Nameless {
    /// The empty name.
    const NAME: Name = Name { hash: 0, text: "" };
}

impl<T> Nameless for NameOf<T> {}

/// Panics at compile time if the name at `index` also occurs before it.
#[track_caller]
pub const fn assert_new(names: &[Name], index: usize) {
    assert_not_among(names[index], names.split_at(index).0);
}

/// Panics at compile time if `name` is one of `others`.
#[track_caller]
pub const fn assert_not_among(name: Name, others: &[Name]) {
    let mut i = 0;
    while i < others.len() {
        if name.hash == others[i].hash {
            assert!(
                name.text.is_empty() || !crate::telemetry::names::same(name.text, others[i].text),
                "another tool in this list has the same name; rename one with \
                 `#[tool(name = \"...\")]`"
            );
        }
        i += 1;
    }
}

/// Returns the set of tools whose names [`assert_not_among`] has checked.
pub fn tool_set(tools: Vec<Arc<dyn Tool>>) -> ToolSet {
    ToolSet::from_distinct(tools)
}

/// Returns the set of these tools, or an error if two have the same name.
pub fn checked_tool_set(tools: Vec<Arc<dyn Tool>>) -> Result<ToolSet, DuplicateTool> {
    let mut set = ToolSet::new();
    for tool in tools {
        set.add_shared(tool)?;
    }
    Ok(set)
}

/// Panics at compile time if one of the names of a toolbox is one of `others`.
#[track_caller]
pub const fn assert_none_among(names: &[Name], others: &[Name]) {
    let mut i = 0;
    while i < names.len() {
        assert_not_among(names[i], others);
        i += 1;
    }
}

/// Calls a body once. With this bound, a body may return what it borrows from its captures.
pub fn call<T>(body: impl FnOnce() -> T) -> T {
    body()
}

/// Returns the output in place of a value that is not recorded.
pub const fn null_output() -> ToolOutput {
    ToolOutput::Value(Value::Null)
}

/// A value to share. One that is already in an `Arc` stays in it: the inherent method exists for
/// `Arc` alone, and the compiler prefers it to the method of [`Share`].
pub struct Shared<T>(pub T);

impl<T> Shared<Arc<T>> {
    /// Returns the `Arc`.
    pub fn share(self) -> Arc<T> {
        self.0
    }
}

/// [`Shared::share`] for every type other than `Arc`.
pub trait Share {
    /// The type of the value.
    type Target;

    /// Returns the value in a new `Arc`.
    fn share(self) -> Arc<Self::Target>;
}

impl<T> Share for Shared<T> {
    type Target = T;

    fn share(self) -> Arc<T> {
        Arc::new(self.0)
    }
}

/// Returns the context of a direct call, inside its span.
pub fn here(context: &ToolContext) -> ToolContext {
    context.in_current_span()
}

/// Runs a synchronous body on tokio's blocking pool, in the current OpenTelemetry context. Without
/// a tokio runtime it runs on the current thread.
pub async fn blocking<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return body() };
    let context = opentelemetry::Context::current();
    let task = runtime.spawn_blocking(move || {
        let _guard = context.attach();
        body()
    });
    // A body that is still queued when this future is dropped never starts.
    let _cancel = AbortOnDrop(task.abort_handle());
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, so this future is dropped as well.
            Err(_) => std::future::pending().await,
        },
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
