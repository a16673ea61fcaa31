//! [`Document`]: what a retrieval returns, and what a memory stores.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::tool::ToolOutput;

/// A document that a retrieval returned.
///
/// With capture on, all its fields are recorded in `gen_ai.retrieval.documents`.
///
/// ```
/// use chatlas_core::operations::Document;
///
/// let document = Document::new("The gate is B12.").with_id("faq-7").with_score(0.92);
/// assert_eq!(document.content, "The gate is B12.");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Document {
    /// The id in its data source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How well the document matches the query: greater is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The text.
    pub content: String,
    /// Further data, such as the title or the source.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// A record of a memory. It has the fields of a [`Document`]: an id, the content, metadata, and the
/// score of a search.
pub type MemoryRecord = Document;

impl Document {
    /// Creates a document from its text.
    pub fn new(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the score.
    #[must_use]
    pub fn with_score(mut self, score: f64) -> Self {
        self.score = Some(score);
        self
    }

    /// Sets a field of the metadata.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}

impl From<&str> for Document {
    fn from(content: &str) -> Self {
        Self::new(content)
    }
}

impl From<&String> for Document {
    fn from(content: &String) -> Self {
        Self::new(content)
    }
}

impl From<&Self> for Document {
    fn from(document: &Self) -> Self {
        document.clone()
    }
}

/// An item that a `#[retriever]` function can return: its telemetry is that of a [`Document`].
///
/// Implemented for every type `T` with `impl From<&T> for Document`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a document",
    label = "a retriever returns a `Vec` of documents, or a `Result` of one",
    note = "return a `Vec<Document>`, or implement `From<&{Self}> for Document`"
)]
pub trait RetrievedDocument {
    #[doc(hidden)]
    fn to_document(&self) -> Document;
}

#[diagnostic::do_not_recommend]
impl<T> RetrievedDocument for T
where
    for<'a> &'a T: Into<Document>,
{
    fn to_document(&self) -> Document {
        self.into()
    }
}

/// What a `#[retriever]` function can return: a list of documents.
#[diagnostic::on_unimplemented(
    message = "a retriever cannot return `{Self}`",
    label = "not a list of documents",
    note = "return a `Vec<Document>`, or a `Result` of one"
)]
pub trait Documents {
    #[doc(hidden)]
    fn to_output(&self) -> ToolOutput;
}

impl<T: RetrievedDocument> Documents for [T] {
    fn to_output(&self) -> ToolOutput {
        let list = self.iter().map(RetrievedDocument::to_document);
        ToolOutput::Value(list.map(|document| to_json(&document)).collect())
    }
}

impl<T: RetrievedDocument> Documents for Vec<T> {
    fn to_output(&self) -> ToolOutput {
        self.as_slice().to_output()
    }
}

impl<T: RetrievedDocument, const N: usize> Documents for [T; N] {
    fn to_output(&self) -> ToolOutput {
        self.as_slice().to_output()
    }
}

/// Returns a document or a memory record as JSON.
pub(crate) fn to_json(document: &Document) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}
