//! Embeddings: the request for the vectors of texts, and the result.

/// A request for the embeddings of texts: one vector for each input.
///
/// A setting that is `None` is not sent, so the vendor's default applies. A provider splits the
/// inputs into as many requests as the vendor's limits require.
///
/// ```
/// use chatlas_core::provider::{EmbeddingKind, EmbeddingRequest};
///
/// let request = EmbeddingRequest::new(["The cat sat.", "It rained."])
///     .with_dimensions(256)
///     .with_kind(EmbeddingKind::Document);
/// assert_eq!(request.inputs.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EmbeddingRequest {
    /// The texts. None of them may be empty.
    pub inputs: Vec<String>,
    /// The number of dimensions of each vector. An error if the vendor or the model has one fixed
    /// number.
    pub dimensions: Option<u32>,
    /// How the vectors are used. Ignored by vendors without this distinction.
    pub kind: Option<EmbeddingKind>,
    /// Whether an input that is too long is cut; otherwise it is an error. An error if the vendor
    /// always does the opposite.
    pub truncate: Option<bool>,
}

/// How embeddings are used. Many models embed a question and the texts that answer it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmbeddingKind {
    /// The texts are queries.
    Query,
    /// The texts are documents that queries search.
    Document,
}

impl EmbeddingRequest {
    /// Creates a request for the embeddings of these texts.
    pub fn new<I>(inputs: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { inputs: inputs.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Sets the number of dimensions of each vector.
    #[must_use]
    pub fn with_dimensions(mut self, dimensions: u32) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// Sets how the vectors are used.
    #[must_use]
    pub fn with_kind(mut self, kind: EmbeddingKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Sets whether an input that is too long is cut.
    #[must_use]
    pub fn with_truncate(mut self, on: bool) -> Self {
        self.truncate = Some(on);
        self
    }
}

/// The embeddings of the inputs of a request.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Embeddings {
    /// One vector for each input, in the order of the inputs.
    pub vectors: Vec<Vec<f32>>,
    /// The model that the vendor reports.
    pub model: Option<String>,
    /// The input tokens of all requests. `None` if the vendor did not report those of each request.
    pub tokens: Option<u64>,
    /// The format in which the vectors were requested, such as `float` or `base64`. Recorded on the
    /// span.
    pub encoding_format: Option<&'static str>,
}

impl Embeddings {
    /// Creates embeddings with these vectors and nothing else.
    pub fn new(vectors: impl IntoIterator<Item = Vec<f32>>) -> Self {
        Self { vectors: vectors.into_iter().collect(), ..Self::default() }
    }

    /// Sets the model that the vendor reports.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the input tokens.
    #[must_use]
    pub fn with_tokens(mut self, tokens: u64) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Sets the format in which the vectors were requested.
    #[must_use]
    pub fn with_encoding_format(mut self, format: &'static str) -> Self {
        self.encoding_format = Some(format);
        self
    }
}
