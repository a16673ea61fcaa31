//! [`DynTool`]: a tool that is defined at run time.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    BoxFuture, Tool, ToolAnnotations, ToolCall, ToolContext, ToolDefinition, ToolError, ToolOutput,
};
use crate::schema::generator;
use crate::telemetry::names::error;

type Run = dyn Fn(ToolCall) -> BoxFuture<'static, Result<ToolOutput, ToolError>> + Send + Sync;

/// A tool whose name, description and schema are data, such as a tool listed by an MCP server.
///
/// The chat loop records the same `execute_tool` span as for any other tool.
///
/// The function receives the arguments as JSON. Values that do not fit the schema are converted where
/// it leaves no doubt: `2.0` and `"2"` to the integer 2, a string of JSON to the array or object in it.
/// Other values are passed unchanged, so check them.
///
/// ```
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
/// tools.add(weather)?;
/// # Ok(())
/// # }
/// ```
pub struct DynTool {
    definition: ToolDefinition,
    run: Box<Run>,
}

impl DynTool {
    /// Creates a tool from its name, its description, the JSON schema of its arguments, and the
    /// function that runs it.
    ///
    /// # Errors
    ///
    /// [`InvalidTool`] if the name is not 1 to 64 ASCII letters, digits, `_` or `-`, or if the schema
    /// is not of type `object`: vendors reject such tools.
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

    /// Creates a tool whose arguments are a type. The schema is that of the type, in which the doc
    /// comments of its fields are descriptions. Arguments that are not a value of the type fail the call
    /// with the error type `invalid_arguments`, and the model is informed.
    ///
    /// ```
    /// use chatlas_core::tool::DynTool;
    /// use chatlas_core::ToolError;
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Query {
    ///     /// The name of the city.
    ///     city: String,
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let weather = DynTool::typed("get_weather", "Get the weather.", async |query: Query, _| {
    ///     Ok::<_, ToolError>(format!("{}: rain", query.city))
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new): the type has to be a struct or a map.
    #[doc(alias = "DynamicTool")]
    pub fn typed<A, F, Fut, O>(
        name: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        run: F,
    ) -> Result<Self, InvalidTool>
    where
        A: DeserializeOwned + JsonSchema,
        F: Fn(A, ToolContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O, ToolError>> + Send + 'static,
        O: Into<ToolOutput>,
    {
        let schema = generator().into_root_schema_for::<A>().to_value();
        Self::new(name, description, schema, move |call: ToolCall| {
            let running = A::deserialize(call.arguments)
                .map(|arguments| run(arguments, call.context))
                .map_err(|cause| {
                    let message = format!("The arguments are invalid: {cause}.");
                    ToolError::new(error::INVALID_ARGUMENTS, message)
                });
            async move { running?.await }
        })
    }

    /// Sets the hints about the effects of the tool.
    #[must_use]
    pub fn with_annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.definition.annotations = annotations;
        self
    }

    /// Sets whether the vendor enforces the schema exactly.
    #[must_use]
    pub fn with_strict(mut self, strict: bool) -> Self {
        self.definition.strict = Some(strict);
        self
    }

    /// Sets the time limit of a call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.definition.timeout = Some(timeout);
        self
    }
}

impl Tool for DynTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, mut call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        call.coerce(&self.definition.parameters);
        (self.run)(call)
    }
}

impl fmt::Debug for DynTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynTool").field("definition", &self.definition).finish_non_exhaustive()
    }
}

/// The error of a tool definition that vendors reject.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTool {
    /// The name is invalid.
    Name {
        /// The name.
        name: String,
    },
    /// The schema of the arguments is not of type `object`.
    Schema {
        /// The name of the tool.
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
                "the schema of the tool `{name}` is not of type `object`: write \
                 `{{\"type\": \"object\", \"properties\": {{...}}}}`"
            ),
        }
    }
}

impl std::error::Error for InvalidTool {}

impl ToolDefinition {
    /// Checks the definition against the rules of all vendors.
    pub(crate) fn check(&self) -> Result<(), InvalidTool> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    struct Query {
        city: String,
        days: u8,
    }

    #[tokio::test]
    async fn typed_tools_read_their_arguments() {
        let tool = DynTool::typed("look", "Looks.", async |query: Query, _| {
            Ok::<_, ToolError>(format!("{} {}", query.city, query.days))
        })
        .unwrap();
        assert_eq!(tool.definition().parameters["required"], json!(["city", "days"]));
        let call = |arguments| {
            let context = ToolContext::new("1");
            tool.call(ToolCall { id: "1".into(), arguments, context })
        };
        let output = call(json!({"city": "Oslo", "days": "2"})).await.unwrap();
        assert_eq!(output, ToolOutput::from("Oslo 2".to_owned()), "converted to the schema");
        let error = call(json!({"days": 2})).await.unwrap_err();
        assert_eq!(error.error_type(), "invalid_arguments");
        assert!(error.message().contains("`city`"), "{}", error.message());
    }

    #[test]
    fn typed_tools_need_an_object() {
        let tool = DynTool::typed("look", "Looks.", async |_: u8, _| Ok::<_, ToolError>(""));
        assert!(matches!(tool, Err(InvalidTool::Schema { .. })));
    }
}
