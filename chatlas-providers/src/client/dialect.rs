//! The trait of a dialect: how a protocol writes requests and reads replies. Everything else that a
//! provider does is in [`Client`](super::Client), once for all protocols.

use std::fmt;
use std::sync::Arc;

use chatlas_core::content::{Content, Replay};
use chatlas_core::provider::{Embeddings, Vendor};
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, Model, ProviderError, ProviderErrorKind, Turn};
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::value::RawValue;

use super::{EmbeddingCall, EmbeddingLimits, Endpoint, Frame, Framing, Reply, Rules};
use crate::http::attempts::Signer;

/// An operation of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A request with a complete reply.
    Chat,
    /// A request with a streamed reply.
    Stream,
    /// The list of models.
    Models,
    /// Counting the tokens of a request.
    Count,
    /// Embeddings of texts.
    Embed,
}

/// A request that a dialect writes.
pub struct Call<'a> {
    /// The vendor that receives the request.
    pub vendor: &'static Vendor,
    /// The requested model.
    pub model: &'a str,
    /// The request.
    pub request: &'a ChatRequest,
    /// The turns of the request, in the form that [`Dialect::rules`] require.
    pub turns: &'a [Arc<Turn>],
    /// Whether the vendor itself receives the request, not another server with its protocol.
    pub is_home: bool,
    /// The operation: [`Operation::Models`] has no body.
    pub operation: Operation,
    /// The tool definitions as [`Dialect::tools`] wrote them.
    pub tools: &'a [Box<RawValue>],
}

impl Call<'_> {
    /// Returns whether the reply is to be streamed.
    pub fn is_streamed(&self) -> bool {
        self.operation == Operation::Stream
    }

    /// Returns whether the vendor sent an item, and so takes it back.
    pub(crate) fn is_own(&self, replay: &Replay) -> bool {
        replay.provider == self.vendor.name
    }
}

/// The facts that reading a reply may need. None of them comes from a request of ours.
#[derive(Clone, Copy)]
pub struct ReplyHead<'a> {
    /// The vendor that answers.
    pub vendor: &'static Vendor,
    /// The requested model.
    pub model: &'a str,
    /// The HTTP status code.
    pub status: u16,
    /// The headers of the response.
    pub headers: &'a HeaderMap,
}

impl<'a> ReplyHead<'a> {
    /// Returns the value of a header, if it is a string.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A page of the list of models.
pub struct Page {
    /// The models on the page.
    pub models: Vec<Model>,
    /// The query parameters that request the next page; empty if this is the last one.
    pub next: Vec<(&'static str, String)>,
}

impl Page {
    /// Creates the only page of a list.
    pub fn only(models: Vec<Model>) -> Self {
        Self { models, next: Vec::new() }
    }
}

/// A protocol. The value holds the vendor's quirks and the settings of this protocol alone.
pub trait Dialect: Clone + fmt::Debug + Sized + Send + Sync + 'static {
    /// The vendor that defined the protocol: name, address, variable and default model.
    const VENDOR: &'static Vendor;
    /// The environment variable that holds the key of [`VENDOR`](Self::VENDOR) if the variable of
    /// the vendor is not set.
    const SECOND_KEY_ENV: Option<&'static str> = None;
    /// The environment variable that overrides the base URL of [`VENDOR`](Self::VENDOR).
    const BASE_URL_ENV: Option<&'static str> = None;
    /// The headers of a response that may contain the id of the request.
    const REQUEST_ID_HEADERS: &'static [&'static str] = &[];

    /// How vendors differ: a plain value whose default is [`VENDOR`](Self::VENDOR).
    type Quirks: Default;
    /// Reads one reply.
    type Decoder: Decoder;
    /// Splits the body of a streamed reply into events.
    type Framing: Framing;

    /// Creates the dialect of a vendor. `endpoint` has the address and the key of the vendor; the
    /// dialect adds where the key goes, its own credentials, and its attributes.
    fn new(quirks: Self::Quirks, endpoint: &mut Endpoint) -> Self;

    /// Is called after the model of `endpoint` has changed.
    fn model_changed(&mut self, endpoint: &mut Endpoint) {
        let _ = endpoint;
    }

    /// Returns the URL of an operation. `Endpoint::url` appends path segments to the base URL,
    /// `Endpoint::unsupported` is the error of an operation that the vendor does not offer.
    fn url(&self, endpoint: &Endpoint, operation: Operation) -> Result<Url, ProviderError>;

    /// Adds headers that depend on the settings or the request. The key and the content type are
    /// added by the client. `set_header` adds a value that is not logged.
    fn headers(
        &self,
        operation: Operation,
        request: Option<&ChatRequest>,
        headers: &mut HeaderMap,
    ) -> Result<(), ProviderError> {
        let _ = (operation, request, headers);
        Ok(())
    }

    /// Loads the credentials that sign requests. Is called only if there is neither a key nor a
    /// token.
    fn signer(
        &self,
        endpoint: &Endpoint,
    ) -> impl Future<Output = Result<Option<Arc<dyn Signer>>, ProviderError>> + Send {
        let _ = endpoint;
        std::future::ready(Ok(None))
    }

    /// Writes the tool definitions, one fragment of JSON each. The client keeps the result as long
    /// as the list of tools and the settings stay the same.
    fn tools(
        &self,
        model: &str,
        tools: &[ToolDefinition],
    ) -> Result<Vec<Box<RawValue>>, ProviderError>;

    /// Returns what the vendor requires of a history.
    fn rules(&self, call: &Call<'_>) -> Rules;

    /// Returns whether a content of the model is a message by itself. Thinking is not: no vendor
    /// accepts a message of thinking alone.
    fn is_message(&self, call: &Call<'_>, content: &Content) -> bool {
        match content {
            Content::Text(text) => !text.text.trim().is_empty(),
            Content::Refusal(refusal) => !refusal.text.trim().is_empty(),
            Content::ToolRequest(_) => true,
            Content::ServerTool(tool) => call.is_own(&tool.replay),
            _ => false,
        }
    }

    /// Refuses an image or a document of the user that the vendor does not support.
    fn check_media(&self, call: &Call<'_>, content: &Content) -> Result<(), ProviderError> {
        let _ = (call, content);
        Ok(())
    }

    /// Writes the body of a request. Refuses what the protocol cannot express before it writes the
    /// first byte, since an error inside `Serialize` loses its kind.
    fn write(&self, call: &Call<'_>, body: &mut Vec<u8>) -> Result<(), ProviderError>;

    /// Creates the decoder of a reply. `request` is `None` for a reply to another client.
    fn decoder(&self, head: &ReplyHead<'_>, request: Option<&ChatRequest>) -> Self::Decoder;

    /// Reads the body of a response with a failure status. The client adds the status, the request
    /// id and the wait, and removes secrets.
    fn error(&self, head: &ReplyHead<'_>, body: &str) -> ProviderError;

    /// Reads a page of the list of models.
    fn models(&self, body: &[u8]) -> Result<Page, ProviderError> {
        let _ = body;
        Err(ProviderError::new(ProviderErrorKind::Unsupported, "there is no list of models"))
    }

    /// Reads the number of tokens of a request.
    fn count(&self, body: &[u8]) -> Result<u64, ProviderError> {
        let _ = body;
        Err(ProviderError::new(ProviderErrorKind::Unsupported, "tokens cannot be counted"))
    }

    /// Returns the limits of a request for embeddings.
    fn embedding_limits(&self, endpoint: &Endpoint) -> EmbeddingLimits {
        let _ = endpoint;
        EmbeddingLimits::new(1)
    }

    /// Writes the body of a request for embeddings. Refuses what the protocol cannot express.
    fn write_embeddings(
        &self,
        call: &EmbeddingCall<'_>,
        body: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        let _ = (call, body);
        Err(ProviderError::new(ProviderErrorKind::Unsupported, "there are no embeddings"))
    }

    /// Reads the embeddings of one request.
    fn embeddings(&self, head: &ReplyHead<'_>, body: &[u8]) -> Result<Embeddings, ProviderError> {
        let _ = (head, body);
        Err(ProviderError::new(ProviderErrorKind::Unsupported, "there are no embeddings"))
    }
}

/// Reads one reply. The data is borrowed for the duration of the call; what is kept is copied once,
/// into the [`Reply`].
pub trait Decoder: Send + Unpin + 'static {
    /// Reads a complete (non-streaming) reply. `Reply::end` need not be called.
    fn complete(&mut self, body: &[u8], reply: &mut Reply) -> Result<(), ProviderError>;

    /// Reads an event of a streamed reply. The last one calls `Reply::end`.
    fn event(&mut self, frame: Frame<'_>, reply: &mut Reply) -> Result<(), ProviderError>;

    /// Returns whether the model has finished, so that only token counts or the end of the stream may
    /// follow. Some servers never send that end: the client then calls [`end`](Self::end) shortly
    /// after the last event.
    fn is_finished(&self) -> bool {
        false
    }

    /// Is called at the end of a body whose reply has not ended. Fails, or calls `Reply::end`.
    fn end(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        let _ = reply;
        Err(truncated())
    }
}

/// Returns the error of a reply that breaks off.
pub(crate) fn truncated() -> ProviderError {
    ProviderError::new(ProviderErrorKind::TruncatedStream, "the reply broke off before its end")
}
