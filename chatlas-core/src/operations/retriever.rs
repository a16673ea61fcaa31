//! [`Retriever`]: a source of documents.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Document, OperationError};
use crate::telemetry::names::error::INVALID_ARGUMENTS;
use crate::tool::{DynTool, InvalidTool, ToolCall, ToolError, ToolOutput};

/// A source of documents: an index, a database, a search engine.
///
/// Write `#[retriever]` above the impl: it records a `retrieval` span for each call. For a single
/// function, write `#[retriever]` on the function.
#[async_trait]
pub trait Retriever: Send + Sync + 'static {
    /// Returns the documents that match the query best, at most `top_k` of them.
    ///
    /// # Errors
    ///
    /// Any failure of the source.
    async fn retrieve(&self, query: &str, top_k: usize) -> Result<Vec<Document>, OperationError>;

    /// Returns this retriever as a tool, by which a model searches for documents. Each call is an
    /// `execute_tool` span with the `retrieval` span inside it. `top_k` is the number of documents
    /// of a call.
    ///
    /// # Errors
    ///
    /// [`InvalidTool::Name`] if the name is not 1 to 64 ASCII letters, digits, `_` or `-`.
    fn into_tool(
        self,
        name: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        top_k: usize,
    ) -> Result<DynTool, InvalidTool>
    where
        Self: Sized,
    {
        let this = Arc::new(self);
        let schema = json!({
            "type": "object",
            "properties": {"query": {"type": "string", "description": "The text to search for."}},
            "required": ["query"],
            "additionalProperties": false,
        });
        DynTool::new(name, description, schema, move |call: ToolCall| {
            let this = Arc::clone(&this);
            async move {
                let query = call.arguments.get("query").and_then(Value::as_str);
                let query = query.ok_or_else(|| {
                    ToolError::new(INVALID_ARGUMENTS, "missing argument: `query`, a string")
                })?;
                let documents = this.retrieve(query, top_k).await?;
                let list = documents.iter().map(super::to_json);
                Ok(ToolOutput::Value(list.collect()))
            }
        })
    }

    #[doc(hidden)]
    fn __write_the_attribute_retriever_above_this_impl(&self);
}

/// A shared retriever is a retriever: every call is forwarded.
#[async_trait]
impl<R: Retriever + ?Sized> Retriever for Arc<R> {
    async fn retrieve(&self, query: &str, top_k: usize) -> Result<Vec<Document>, OperationError> {
        (**self).retrieve(query, top_k).await
    }

    fn __write_the_attribute_retriever_above_this_impl(&self) {}
}
