//! Tools: the object-safe trait, its definition, and the set that a chat has.
//!
//! `#[tool]` writes an impl of [`Tool`] for a function.

pub(crate) mod args;
mod built_in;
mod context;
mod dynamic;
pub(crate) mod function;
mod hidden;
pub(crate) mod returned;
pub(crate) mod run;
mod set;
pub(crate) mod state;
pub(crate) mod stream;
mod toolbox;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::coerce::coerce_arguments;
use crate::content::Content;
use crate::telemetry::{coerced, names};

pub use crate::content::ToolOutcome;
pub use args::ToolParameter;
pub use built_in::{WebFetch, WebSearch};
pub use context::ToolContext;
pub(crate) use context::{Caller, Progress};
pub use dynamic::{DynTool, InvalidTool};
#[doc(hidden)]
pub use function::TextDefault;
pub use function::ToolFunction;
pub(crate) use hidden::Hidden;
pub use returned::{ToolFailure, ToolReturn};
pub(crate) use run::{has_timer, run_tool};
pub use set::{DuplicateTool, IntoToolSet, ToolSet};
pub use state::Provide;
// Named in error messages of the compiler.
#[doc(hidden)]
pub use state::{ByHandle, ByProvide, ByValue, CloneState, Supply};
pub use toolbox::{IntoTools, Toolbox};

/// The boxed future that [`Tool::call`] returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A tool that the model may call.
///
/// The chat loop records the `execute_tool` span around [`call`](Self::call).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tool",
    note = "list `#[tool]` functions by their names in `tools![...]`, which returns a `ToolSet`; a value \
            is a tool if its type implements `Tool`"
)]
pub trait Tool: Send + Sync + 'static {
    /// Returns the definition that is sent to the model.
    fn definition(&self) -> &ToolDefinition;

    /// Runs the tool.
    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>>;
}

/// A shared tool is a tool: every call is forwarded.
impl<T: Tool + ?Sized> Tool for Arc<T> {
    fn definition(&self) -> &ToolDefinition {
        (**self).definition()
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        (**self).call(call)
    }
}

/// The output of a tool.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToolOutput {
    /// A value. A string is sent to the model verbatim, any other value as JSON.
    Value(Value),
    /// Text, images and documents, in that order.
    Contents(Vec<Content>),
}

impl From<Value> for ToolOutput {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<String> for ToolOutput {
    fn from(text: String) -> Self {
        Self::Value(Value::String(text))
    }
}

impl From<&str> for ToolOutput {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<Content> for ToolOutput {
    fn from(content: Content) -> Self {
        Self::Contents(vec![content])
    }
}

impl From<Vec<Content>> for ToolOutput {
    fn from(contents: Vec<Content>) -> Self {
        Self::Contents(contents)
    }
}

/// `None` is sent as `null`.
impl<T: Into<ToolOutput>> From<Option<T>> for ToolOutput {
    fn from(output: Option<T>) -> Self {
        output.map_or(Self::Value(Value::Null), Into::into)
    }
}

impl From<ToolOutput> for ToolOutcome {
    fn from(output: ToolOutput) -> Self {
        match output {
            ToolOutput::Value(value) => Self::Value(value),
            ToolOutput::Contents(contents) => Self::Contents(contents),
        }
    }
}

/// The definition of a tool. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolDefinition {
    /// The name: 1 to 64 ASCII letters, digits, `_` or `-`.
    pub name: Cow<'static, str>,
    /// The description: what the tool does and when to use it.
    pub description: Cow<'static, str>,
    /// The JSON schema of the arguments: an object, with subschemas inlined.
    pub parameters: Arc<Value>,
    /// Hints about the effects of the tool, for approval.
    pub annotations: ToolAnnotations,
    /// Whether the vendor enforces the schema exactly. With `None`, the provider decides.
    pub strict: Option<bool>,
    /// The time limit of a call. A call that exceeds it fails with the error type `timeout`. Needs a
    /// tokio runtime with a timer.
    pub timeout: Option<Duration>,
    /// The content of calls that is never recorded.
    pub(crate) hidden: Hidden,
}

/// Hints about the effects of a tool, as defined by the
/// [Model Context Protocol](https://modelcontextprotocol.io/specification/2025-06-18/schema#toolannotations).
/// A hint that is `None` is omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ToolAnnotations {
    /// A title for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Cow<'static, str>>,
    /// The tool does not modify its environment.
    #[serde(rename = "readOnlyHint", skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// The tool may perform destructive updates.
    #[serde(rename = "destructiveHint", skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// Repeating a call with the same arguments has no further effect.
    #[serde(rename = "idempotentHint", skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// The tool interacts with external entities.
    #[serde(rename = "openWorldHint", skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

impl ToolAnnotations {
    /// Creates annotations without any hint.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the title for people.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets whether the tool leaves its environment unmodified.
    #[must_use]
    pub fn with_read_only(mut self, on: bool) -> Self {
        self.read_only = Some(on);
        self
    }

    /// Sets whether the tool may perform destructive updates.
    #[must_use]
    pub fn with_destructive(mut self, on: bool) -> Self {
        self.destructive = Some(on);
        self
    }

    /// Sets whether repeating a call has no further effect.
    #[must_use]
    pub fn with_idempotent(mut self, on: bool) -> Self {
        self.idempotent = Some(on);
        self
    }

    /// Sets whether the tool interacts with external entities.
    #[must_use]
    pub fn with_open_world(mut self, on: bool) -> Self {
        self.open_world = Some(on);
        self
    }
}

impl ToolDefinition {
    /// Creates a definition from a name, a description and the JSON schema of the arguments.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        parameters: Value,
    ) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters: Arc::new(parameters),
            annotations: ToolAnnotations::default(),
            strict: None,
            timeout: None,
            hidden: Hidden::default(),
        }
    }

    /// Sets the hints about the effects of the tool.
    #[must_use]
    pub fn with_annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.annotations = annotations;
        self
    }

    /// Sets whether the vendor enforces the schema exactly.
    #[must_use]
    pub fn with_strict(mut self, strict: bool) -> Self {
        self.strict = Some(strict);
        self
    }

    /// Sets the time limit of a call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// A call of a tool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCall {
    /// The vendor's id of the call.
    pub id: Arc<str>,
    /// The arguments: a JSON object, or the string that the model wrote instead. Values that do not
    /// fit the schema have been converted where it leaves no doubt, such as `"2"` to an integer.
    pub arguments: Value,
    /// The context of the call: the caller, the span, the cancellation.
    pub context: ToolContext,
}

impl ToolCall {
    /// Creates a call with that id and those arguments, outside a conversation.
    pub fn new(id: impl Into<Arc<str>>, arguments: Value) -> Self {
        let id = id.into();
        Self { context: ToolContext::new(id.clone()), id, arguments }
    }

    /// Converts the arguments that do not fit their schema, as far as that is possible, and records
    /// the conversions on the span of the call.
    pub(crate) fn coerce(&mut self, schema: &Value) {
        let notes = coerce_arguments(&mut self.arguments, schema);
        if !notes.is_empty() {
            self.context.set_attribute(names::COERCED, coerced(notes));
        }
    }
}

/// The error of a tool call. The message is sent to the model, and the conversation continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    error_type: Cow<'static, str>,
    message: String,
}

impl ToolError {
    /// Creates an error from a low-cardinality `error.type` and the message for the model.
    pub fn new(error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into() }
    }

    /// Creates an error from an error value. The `error.type` is the name of its type, or `_OTHER`
    /// for a `Box<dyn Error>`, which hides the type. The message is its alternate `Display` form,
    /// which includes the causes of an `anyhow::Error`.
    pub fn from_error<E: fmt::Display + ?Sized>(error: &E) -> Self {
        let name = std::any::type_name::<E>();
        let hides_type = name.starts_with("alloc::boxed::Box<dyn ");
        let error_type = if hides_type { crate::telemetry::names::error::OTHER } else { name };
        Self::new(error_type, format!("{error:#}"))
    }

    /// Returns the value of `error.type`.
    pub fn error_type(&self) -> &Cow<'static, str> {
        &self.error_type
    }

    /// Returns the message that is sent to the model.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ToolError {}
