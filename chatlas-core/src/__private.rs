//! What macro expansions may call: they emit nothing else. No part of the public API.

pub use std::fmt;
use std::future::Future;

pub use async_trait::async_trait;
pub use serde_json::Value;
pub use std::boxed::Box;
pub use std::clone::Clone;
pub use std::convert::Into;
pub use std::default::Default;
pub use std::marker::{Send, Sync};
pub use std::ops::FnOnce;
pub use std::option::Option;
pub use std::primitive::{bool, str, u64};
pub use std::result::Result;
pub use std::string::String;
pub use std::sync::Arc;
pub use std::vec;
pub use std::vec::Vec;

pub use crate::chat::rehearsal::rehearse;
pub use crate::provider::{
    ChatRequest, Completion, CompletionStream, Model, Protocol, Provider, ProviderError,
    ProviderInfo, SupportsTool, Vendor,
};
pub use crate::telemetry::operation::{traced_count_tokens, traced_list_models};
pub use crate::telemetry::tool_direct::{StreamSpan, SyncSpan, direct};
pub use crate::telemetry::traced::{traced_chat, traced_chat_stream};
pub use crate::tool::args::{Args, Param, Parameter, parameter};
pub use crate::tool::function::{Name, Spec, Stateless, ToolFn, ToolWith, bound, function};
pub use crate::tool::returned::{Plain, Returned};
pub use crate::tool::state::{NoState, Share, Shared, Supply};
pub use crate::tool::stream::drain;
pub use crate::tool::{
    BoxFuture, Tool, ToolCall, ToolContext, ToolError, ToolOutput, ToolSet, Toolbox,
};

/// Proof that `#[provider]` stands above an impl: only its expansion names this.
#[derive(Clone, Copy, Debug)]
pub struct Witness;

/// The name of a tool, or none: what is no tool is told elsewhere, once.
pub struct NameOf<T>(std::marker::PhantomData<T>);

impl<T: ToolFn> NameOf<T> {
    /// The tool's name.
    pub const NAME: Name = T::NAME;
}

/// [`NameOf::NAME`], for what is no tool.
pub trait Nameless {
    /// No name.
    const NAME: Name = Name { hash: 0, text: "" };
}

impl<T> Nameless for NameOf<T> {}

/// A copy of the state, for a tool that takes it by value.
pub fn cloned<T: Copied>(state: &T) -> T {
    state.clone()
}

/// State that a tool takes by value.
#[diagnostic::on_unimplemented(
    message = "this tool takes a copy of `{Self}`, which cannot be cloned",
    label = "the state of a tool is taken as `&T`, or cloned",
    note = "take `&{Self}`"
)]
pub trait Copied: Clone {}
impl<T: Clone> Copied for T {}

/// Stops the build where the name at that index stands before it already.
#[track_caller]
pub const fn assert_new(names: &[Name], index: usize) {
    assert_not_among(names[index], names.split_at(index).0);
}

/// Stops the build where `name` stands among `others` already.
#[track_caller]
pub const fn assert_not_among(name: Name, others: &[Name]) {
    let mut i = 0;
    while i < others.len() {
        if name.hash == others[i].hash {
            assert!(
                name.text.is_empty() || !same(name.text, others[i].text),
                "another tool in this list has the same name; rename one with \
                 `#[tool(name = \"...\")]`"
            );
        }
        i += 1;
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// A set of tools whose names `assert_not_among` has checked.
pub const fn tool_set(tools: Vec<Arc<dyn Tool>>) -> ToolSet {
    ToolSet::from_distinct(tools)
}

/// Stops the build where a name of a toolbox stands among `others` already.
#[track_caller]
pub const fn assert_none_among(names: &[Name], others: &[Name]) {
    let mut i = 0;
    while i < names.len() {
        assert_not_among(names[i], others);
        i += 1;
    }
}

/// What stands for a value that nobody asked for.
pub const fn untold() -> ToolOutput {
    ToolOutput::Value(Value::Null)
}

/// The state of a list that was given none.
pub fn no_state() -> Arc<NoState> {
    Arc::new(NoState)
}

/// The context of a direct call, inside its span.
pub fn here(context: &ToolContext) -> ToolContext {
    context.in_current_span()
}

/// Runs a synchronous body where it blocks nobody: on tokio's blocking pool, inside the context
/// that is current now. Outside a tokio runtime it runs where it stands.
pub async fn blocking<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return body() };
    let context = opentelemetry::Context::current();
    let task = runtime.spawn_blocking(move || {
        let _guard = context.attach();
        body()
    });
    // What still waits for a thread when nobody waits for it any more never begins.
    let _unless_begun = AbortWhenDropped(task.abort_handle());
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: nobody waits for a value any more.
            Err(_) => std::future::pending().await,
        },
    }
}

struct AbortWhenDropped(tokio::task::AbortHandle);

impl Drop for AbortWhenDropped {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A future as [`Tool::call`] returns it.
pub fn boxed<T>(future: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, T> {
    Box::pin(future)
}
