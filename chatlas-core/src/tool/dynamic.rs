//! [`DynTool`]: a tool that is known only when the program runs.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde_json::Value;

use super::{BoxFuture, Tool, ToolAnnotations, ToolCall, ToolDefinition, ToolError, ToolOutput};

type Run = dyn Fn(ToolCall) -> BoxFuture<'static, Result<ToolOutput, ToolError>> + Send + Sync;

/// A tool whose name, description and schema are data: read from a file, or asked of a server.
///
/// The chat loop calls it in the same `execute_tool` span as any other tool.
///
/// ```
/// use std::sync::Arc;
///
/// use chatlas_core::tool::DynTool;
/// use chatlas_core::{ToolError, ToolSet};
/// use serde_json::json;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
/// let weather = DynTool::new("get_weather", "Get the weather.", schema, async |call| {
///     match call.arguments["city"].as_str() {
///         Some(city) => Ok(format!("{city}: rain")),
///         None => Err(ToolError::new("invalid_arguments", "which city?")),
///     }
/// })?;
/// let mut tools = ToolSet::new();
/// tools.add(Arc::new(weather))?;
/// # Ok(())
/// # }
/// ```
pub struct DynTool {
    definition: ToolDefinition,
    run: Box<Run>,
}

impl DynTool {
    /// A tool of that name, description and JSON schema, which that closure runs.
    ///
    /// # Errors
    ///
    /// [`InvalidTool`] where the vendors would refuse it: the name is not 1 to 64 ASCII letters,
    /// digits, `_` or `-`, or the schema is not that of an object.
    pub fn new<F, Fut, O>(
        name: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        schema: Value,
        run: F,
    ) -> Result<Self, InvalidTool>
    where
        F: Fn(ToolCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
        O: Into<ToolOutput>,
    {
        let definition = ToolDefinition::new(name, description, schema);
        definition.check()?;
        let run = move |call| -> BoxFuture<'static, Result<ToolOutput, ToolError>> {
            let running = run(call);
            Box::pin(async move { running.await.map(Into::into) })
        };
        Ok(Self { definition, run: Box::new(run) })
    }

    /// Sets the hints on what it does to the world.
    #[must_use]
    pub fn annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.definition.annotations = annotations;
        self
    }

    /// Sets whether the vendor is to hold the model to the schema to the letter.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.definition.strict = Some(strict);
        self
    }

    /// Bounds how long a call may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.definition.timeout = Some(timeout);
        self
    }
}

impl Tool for DynTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        (self.run)(call)
    }
}

impl fmt::Debug for DynTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynTool").field("definition", &self.definition).finish_non_exhaustive()
    }
}

/// A definition that the vendors would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTool {
    /// The name is none.
    Name {
        /// What was given.
        name: String,
    },
    /// The arguments of a tool are an object, and its schema says so.
    Schema {
        /// The tool's name.
        name: String,
    },
}

impl fmt::Display for InvalidTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                f,
                "`{name}` is not a tool name: a tool name has 1 to 64 ASCII letters, digits, `_` \
                 or `-`"
            ),
            Self::Schema { name } => write!(
                f,
                "the schema of the tool `{name}` is not that of an object: write \
                 `{{\"type\": \"object\", \"properties\": {{...}}}}`"
            ),
        }
    }
}

impl std::error::Error for InvalidTool {}

impl ToolDefinition {
    /// Holds it against what all vendors ask for.
    fn check(&self) -> Result<(), InvalidTool> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let name = &self.name;
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(InvalidTool::Name { name: name.to_string() });
        }
        if self.parameters.get("type").and_then(Value::as_str) != Some("object") {
            return Err(InvalidTool::Schema { name: name.to_string() });
        }
        Ok(())
    }
}
