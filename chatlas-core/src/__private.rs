//! What macro expansions may call: they emit nothing else. No part of the public API.

pub use std::fmt;
use std::future::Future;

use serde::Serialize;

pub use async_trait::async_trait;
pub use serde_json::Value;
pub use std::clone::Clone;
pub use std::convert::Into;
pub use std::default::Default;
pub use std::ops::FnOnce;
pub use std::option::Option;
pub use std::primitive::{bool, str, u64};
pub use std::result::Result;
pub use std::string::String;
pub use std::sync::{Arc, LazyLock};
pub use std::vec::Vec;

pub use crate::provider::{
    ChatRequest, Completion, CompletionStream, Model, Protocol, Provider, ProviderError,
    ProviderInfo, Runs, Vendor,
};
pub use crate::telemetry::inference::{traced_chat, traced_chat_stream};
pub use crate::telemetry::operation::{traced_count_tokens, traced_list_models};
pub use crate::telemetry::rehearsal::rehearse;
pub use crate::telemetry::tool::{traced_call, traced_call_sync};
pub use crate::tool::args::{Args, Param, object_schema};
pub use crate::tool::{BoxFuture, Tool, ToolCall, ToolDefinition, ToolError, ToolOutput, ToolSet};

/// Proof that `#[provider]` stands above an impl: only its expansion names this.
#[derive(Clone, Copy, Debug)]
pub struct Witness;

/// What `#[tool]` implements for the struct beside the function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    label = "no `#[tool]` function of this name",
    note = "write `#[tool]` above the function, and list it by its name"
)]
pub trait ToolFn {
    /// The tool's name.
    const NAME: &'static str;

    /// The tool, made once.
    fn tool() -> Arc<dyn Tool>;
}

/// Stops the build where `name` stands among `others` already.
#[track_caller]
pub const fn assert_not_among(name: &str, others: &[&str]) {
    let mut i = 0;
    while i < others.len() {
        assert!(
            !same(name, others[i]),
            "another tool in this list has the same name; rename one with `#[tool(name = \"...\")]`"
        );
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
pub fn tool_set<const N: usize>(tools: [Arc<dyn Tool>; N]) -> ToolSet {
    ToolSet::of_distinct(tools.into())
}

/// A tool made of a definition and a function that runs it.
pub struct FnTool {
    definition: ToolDefinition,
    call: fn(ToolCall) -> BoxFuture<'static, Result<ToolOutput, ToolError>>,
}

impl FnTool {
    /// Puts it together.
    pub fn shared(
        name: &'static str,
        description: &'static str,
        params: &[Param],
        call: fn(ToolCall) -> BoxFuture<'static, Result<ToolOutput, ToolError>>,
    ) -> Arc<dyn Tool> {
        let definition = ToolDefinition::new(name, description, object_schema(params));
        Arc::new(Self { definition, call })
    }
}

impl Tool for FnTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        (self.call)(call)
    }
}

/// What a tool may return: any value that serializes.
#[diagnostic::on_unimplemented(
    message = "a tool cannot return `{Self}`: it does not serialize",
    label = "the model can be handed what implements `serde::Serialize`",
    note = "derive `serde::Serialize` for it, or return a `String`"
)]
pub trait Output: Serialize {}
impl<T: Serialize> Output for T {}

/// What a tool may fail with: anything that can be told to the model.
#[diagnostic::on_unimplemented(
    message = "a tool cannot fail with `{Self}`: it has no text to tell the model",
    label = "the error of a tool implements `std::fmt::Display`",
    note = "derive an error type (with thiserror for example), or use `String`"
)]
pub trait Failure: fmt::Display {}
impl<E: fmt::Display> Failure for E {}

/// What a tool may take as a parameter.
#[diagnostic::on_unimplemented(
    message = "the model cannot send a `{Self}`",
    label = "a parameter of a tool implements `serde::Deserialize` and `schemars::JsonSchema`",
    note = "derive both for it"
)]
pub trait Input: schemars::JsonSchema + for<'de> serde::Deserialize<'de> {}
impl<T: schemars::JsonSchema + for<'de> serde::Deserialize<'de>> Input for T {}

/// A parameter together with its type, which is held against [`Input`] here and nowhere else.
pub struct Parameter<T> {
    name: &'static str,
    param: Param,
    take: fn(&mut Args, &str) -> Result<T, ToolError>,
}

/// The parameter of that name and documentation, of type `T`.
pub const fn parameter<T: Input>(name: &'static str, doc: &'static str) -> Parameter<T> {
    Parameter { name, param: Param::of::<T>(name, doc), take: |args, name| args.take(name) }
}

impl<T> Parameter<T> {
    /// Its line in the schema.
    pub const fn untyped(&self) -> Param {
        self.param
    }

    /// Its value, out of what the model gave.
    pub fn take(&self, args: &mut Args) -> Result<T, ToolError> {
        (self.take)(args, self.name)
    }
}

/// The value of a tool that cannot fail.
pub fn value<T: Output>(value: &T) -> Result<ToolOutput, ToolError> {
    serde_json::to_value(value).map(ToolOutput::Value).map_err(|error| {
        ToolError::new(
            crate::telemetry::names::error::UNSERIALIZABLE_RESULT,
            format!("the tool's result cannot be written as JSON: {error}"),
        )
    })
}

/// The value of a tool that can fail.
pub fn result<T: Output, E: Failure>(result: &Result<T, E>) -> Result<ToolOutput, ToolError> {
    match result {
        Ok(ok) => value(ok),
        Err(error) => Err(ToolError::of(error)),
    }
}

/// The outcome of a direct call, for its span: a plain value never fails.
pub fn no_failure<T>(_: &T) -> Option<ToolError> {
    None
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
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: nobody waits for a value any more.
            Err(_) => std::future::pending().await,
        },
    }
}

/// A future as [`Tool::call`] returns it.
pub fn boxed<T>(future: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, T> {
    Box::pin(future)
}
