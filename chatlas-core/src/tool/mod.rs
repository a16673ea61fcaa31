//! What a tool is: the object-safe trait, its definition, and the set a chat is given.
//!
//! `#[tool]` writes all of this for a function; by hand it is one impl of [`Tool`].

pub(crate) mod args;
mod built_in;
mod context;
mod dynamic;
pub(crate) mod function;
pub(crate) mod returned;
pub(crate) mod state;
pub(crate) mod stream;
mod toolbox;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::content::Content;

pub use crate::content::ToolOutcome;
pub use args::ToolParameter;
pub use built_in::{WebFetch, WebSearch};
pub use context::ToolContext;
pub(crate) use context::{Caller, Progress};
pub use dynamic::{DynTool, InvalidTool};
pub use function::ToolFunction;
pub use returned::{ToolFailure, ToolReturn};
pub use state::Provide;
// Named in error messages of the compiler.
#[doc(hidden)]
pub use state::{ByHandle, ByProvide, ByValue, CloneState, Supply};
pub use toolbox::{IntoTools, Toolbox};

/// A boxed future, as [`Tool::call`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something the model may ask for.
///
/// The chat loop opens the `execute_tool` span around [`call`](Self::call): an impl need not.
pub trait Tool: Send + Sync + 'static {
    /// Its name, description and parameters, as the model is told.
    fn definition(&self) -> &ToolDefinition;

    /// Runs it.
    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>>;
}

/// What a tool hands back.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ToolOutput {
    /// A value: a string goes to the model as it is, anything else as JSON.
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

/// Nothing is `null`.
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

/// What the model is told of a tool. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolDefinition {
    /// 1 to 64 ASCII letters, digits, `_` or `-`.
    pub name: Cow<'static, str>,
    /// What it does and when to use it.
    pub description: Cow<'static, str>,
    /// The JSON schema of its arguments: an object, subschemas inlined.
    pub parameters: Arc<Value>,
    /// What it does to the world, for those who decide whether it may run.
    pub annotations: ToolAnnotations,
    /// Whether the vendor is to hold the model to the schema to the letter. `None` leaves it to
    /// the provider.
    pub strict: Option<bool>,
    /// How long a call may take: beyond it the call ends as an error of the type `timeout`. It
    /// needs a tokio runtime with a timer.
    pub timeout: Option<Duration>,
}

/// Hints on what a tool does to the world, as the
/// [Model Context Protocol](https://modelcontextprotocol.io/specification/2025-06-18/schema#toolannotations)
/// has them. What is `None` is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ToolAnnotations {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Cow<'static, str>>,
    /// It changes nothing.
    #[serde(rename = "readOnlyHint", skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// It may destroy something.
    #[serde(rename = "destructiveHint", skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// The same call again changes nothing more.
    #[serde(rename = "idempotentHint", skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It deals with a world outside the program.
    #[serde(rename = "openWorldHint", skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

impl ToolDefinition {
    /// A definition of those three.
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
        }
    }

    /// Sets the hints on what it does to the world.
    #[must_use]
    pub fn with_annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.annotations = annotations;
        self
    }

    /// Sets whether the vendor is to hold the model to the schema to the letter.
    #[must_use]
    pub fn with_strict(mut self, strict: bool) -> Self {
        self.strict = Some(strict);
        self
    }

    /// Bounds how long a call may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// One call of a tool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCall {
    /// The vendor's id of the call.
    pub id: Arc<str>,
    /// What the model gave: a JSON object, or whatever it wrote instead.
    pub arguments: Value,
    /// Who calls, and how to be told to stop.
    pub context: ToolContext,
}

impl ToolCall {
    /// A call with that id and those arguments, by nobody in particular.
    pub fn new(id: impl Into<Arc<str>>, arguments: Value) -> Self {
        let id = id.into();
        Self { context: ToolContext::new(id.clone()), id, arguments }
    }
}

/// A tool call that failed. The model reads the message, and the conversation goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    error_type: Cow<'static, str>,
    message: String,
}

impl ToolError {
    /// A failure with a low-cardinality type (it becomes `error.type`) and the message the model reads.
    pub fn new(error_type: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into() }
    }

    /// A failure for an error value: the type is the error's type name, the message its text in
    /// the alternate form, which tells the causes of an `anyhow::Error`.
    pub fn of<E: fmt::Display + ?Sized>(error: &E) -> Self {
        Self::new(std::any::type_name::<E>(), format!("{error:#}"))
    }

    /// The value of `error.type`.
    pub fn error_type(&self) -> &Cow<'static, str> {
        &self.error_type
    }

    /// What the model reads.
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

/// The tools of a chat: no two of one name.
///
/// `tools![a, b, ..toolbox]` makes one whose names the compiler has checked. Tools that are known
/// only when the program runs are [added](Self::add), and other sets [merged](Self::merge).
#[derive(Clone, Default)]
pub struct ToolSet {
    tools: Vec<Arc<dyn Tool>>,
    /// The definitions of the tools, collected once.
    definitions: OnceLock<Arc<[ToolDefinition]>>,
}

impl ToolSet {
    /// A set of none.
    pub const fn new() -> Self {
        Self { tools: Vec::new(), definitions: OnceLock::new() }
    }

    /// Adds a tool.
    ///
    /// # Errors
    ///
    /// [`DuplicateTool`] where the set has one of that name already; the set is as before.
    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), DuplicateTool> {
        self.free(&tool.definition().name)?;
        self.tools.push(tool);
        self.definitions = OnceLock::new();
        Ok(())
    }

    /// Adds the tools of another set.
    ///
    /// ```
    /// # use chatlas_core::ToolSet;
    /// # fn example(local: ToolSet, remote: ToolSet) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tools = local;
    /// tools.merge(remote)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DuplicateTool`] where both have one of the same name; the set is as before.
    pub fn merge(&mut self, other: Self) -> Result<(), DuplicateTool> {
        for tool in other.iter() {
            self.free(&tool.definition().name)?;
        }
        self.tools.extend(other.tools);
        self.definitions = OnceLock::new();
        Ok(())
    }

    fn free(&self, name: &str) -> Result<(), DuplicateTool> {
        match self.get(name) {
            Some(_) => Err(DuplicateTool { name: name.to_owned() }),
            None => Ok(()),
        }
    }

    /// The tool of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.tools.iter().find(|tool| tool.definition().name == name)
    }

    /// All of them, in the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.tools.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// Returns the definitions of the tools: the same allocation until the set changes.
    pub fn definitions(&self) -> Arc<[ToolDefinition]> {
        let collect = || self.tools.iter().map(|tool| tool.definition().clone()).collect();
        Arc::clone(self.definitions.get_or_init(collect))
    }

    /// A set whose names are known to differ: `tools![]` has checked them.
    pub(crate) const fn of_distinct(tools: Vec<Arc<dyn Tool>>) -> Self {
        Self { tools, definitions: OnceLock::new() }
    }
}

impl fmt::Debug for ToolSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tools.iter().map(|tool| &tool.definition().name)).finish()
    }
}

/// A set of tools has one of that name already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateTool {
    name: String,
}

impl fmt::Display for DuplicateTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the set has a tool named `{}` already; give one of them another name", self.name)
    }
}

impl std::error::Error for DuplicateTool {}
