//! The dialect of `generateContent`, and the Gemini API.

use chatlas_core::content::Content;
use chatlas_core::provider::{Embeddings, SupportsTool, Vendor};
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, ProviderError, WebFetch, WebSearch};
use reqwest::Url;
use serde_json::value::RawValue;

use super::embeddings::{self, Method};
use super::operation::{as_event_stream, method};
use super::quirks::Quirks;
use super::reply::Decoder;
use super::request::{self, Body, CountBody, Settings};
#[cfg(feature = "vertex")]
use super::resource::Resource;
use super::{contents, error, model_name, models};
use crate::client::fields;
use crate::client::{
    Call, CallIds, Client, Dialect, EmbeddingCall, EmbeddingLimits, Endpoint, KeyIn, Operation,
    Page, ReplyHead, Rules, Sse,
};

/// The Gemini API. Google's own libraries also prefer `GOOGLE_API_KEY` to `GEMINI_API_KEY`.
static GEMINI: Vendor =
    Vendor::new("gcp.gemini", "https://generativelanguage.googleapis.com/v1beta")
        .with_api_key_env("GOOGLE_API_KEY")
        .with_default_model("gemini-3.5-flash");

/// A Gemini model, over the [Gemini API](https://ai.google.dev/api).
///
/// **Authentication.** The key of the environment variable `GOOGLE_API_KEY` or `GEMINI_API_KEY`, or
/// of [`with_api_key`](Client::with_api_key). It is sent in the header `x-goog-api-key`, never in the
/// URL.
///
/// **Requests.** Each request contains the complete conversation. Thought signatures are sent back
/// at the positions where they were received, and so are the ids of calls. A call without an id gets
/// one here, which is not sent. A schema (of a tool, or of the reply) is written in Google's own
/// subset if that can express it, otherwise as JSON schema. Images and documents are sent inline, or
/// by their URL: of an uploaded file, of a video, of a page. If the URL has no file extension, give
/// the MIME type with [`MediaSource::File`](chatlas_core::content::MediaSource::File). A reasoning
/// level is sent as `thinkingLevel`, for Gemini 2.5 as `thinkingBudget`.
///
/// **Token counts.** The input is the prompt and the input of Google's own tools. The output is the
/// answer and the thoughts. Cached tokens are a part of the input, thoughts of the output.
///
/// **Embeddings.** [`embed`](chatlas_core::Provider::embed) sends at most 100 inputs in one request.
/// `gemini-embedding-2` reads the kind of an input from a prefix of its text, which is added. Vectors
/// with fewer dimensions than the model's own may not be normalized.
///
/// ```
/// use chatlas_core::{Provider, WebSearch};
/// use chatlas_providers::google::Gemini;
///
/// let model = Gemini::new("gemini-3.5-flash").with_tool(WebSearch::new()).with_thoughts();
/// ```
pub type Gemini = Client<GenerateContent>;

/// The dialect of `generateContent`.
#[derive(Clone, Debug)]
pub struct GenerateContent {
    pub(super) quirks: Quirks,
    pub(super) settings: Settings,
    /// The project and the location, on Vertex AI.
    #[cfg(feature = "vertex")]
    pub(super) resource: Option<Resource>,
}

impl GenerateContent {
    /// Returns the method that embeds texts.
    #[cfg(feature = "vertex")]
    fn embedding_method(&self, model: &str) -> Method {
        Method::of(model, self.resource.is_some())
    }

    /// Returns the method that embeds texts.
    #[cfg(not(feature = "vertex"))]
    #[allow(clippy::unused_self)] // Vertex AI has its own methods
    fn embedding_method(&self, model: &str) -> Method {
        Method::of(model, false)
    }
}

impl Gemini {
    /// Requests the thoughts of the model, as far as Google returns them.
    #[must_use]
    pub fn with_thoughts(self) -> Self {
        self.configure(|dialect, _| dialect.settings.thoughts = true)
    }

    /// Lets the model run code on Google's servers.
    #[must_use]
    pub fn with_code_execution(self) -> Self {
        self.configure(|dialect, endpoint| {
            dialect.settings.code_execution = true;
            endpoint.info_mut().add_server_tool("codeExecution", "code_execution");
        })
    }
}

impl SupportsTool<WebSearch> for Gemini {
    fn add_server_tool(self, tool: WebSearch) -> Self {
        self.configure(|dialect, endpoint| {
            dialect.settings.web_search = Some(tool);
            endpoint.info_mut().add_server_tool("googleSearch", "web_search");
        })
    }
}

impl SupportsTool<WebFetch> for Gemini {
    fn add_server_tool(self, tool: WebFetch) -> Self {
        self.configure(|dialect, endpoint| {
            dialect.settings.web_fetch = Some(tool);
            endpoint.info_mut().add_server_tool("urlContext", "web_fetch");
        })
    }
}

impl Dialect for GenerateContent {
    const VENDOR: &'static Vendor = &GEMINI;
    const SECOND_KEY_ENV: Option<&'static str> = Some("GEMINI_API_KEY");

    type Quirks = Quirks;
    type Decoder = Decoder;
    type Framing = Sse;

    fn new(quirks: Quirks, endpoint: &mut Endpoint) -> Self {
        endpoint.set_key_in(KeyIn::Header("x-goog-api-key"));
        Self {
            quirks,
            settings: Settings::default(),
            #[cfg(feature = "vertex")]
            resource: quirks.has_resources.then(|| Resource::new(endpoint)),
        }
    }

    fn url(&self, endpoint: &Endpoint, operation: Operation) -> Result<Url, ProviderError> {
        #[cfg(feature = "vertex")]
        if let Some(resource) = &self.resource {
            return resource.url(endpoint, operation);
        }
        let Some(method) = method(operation, Method::Batch) else {
            return endpoint.url(&["models"]);
        };
        let model = endpoint.model();
        let (collection, id) = model_name::resource(model);
        let url = endpoint.url(&[collection, &format!("{id}:{method}")])?;
        Ok(as_event_stream(url, operation))
    }

    fn tools(
        &self,
        _: &str,
        tools: &[ToolDefinition],
    ) -> Result<Vec<Box<RawValue>>, ProviderError> {
        request::check_names(tools)?;
        fields::fragments(request::tools(tools, &self.settings))
    }

    fn rules(&self, _: &Call<'_>) -> Rules {
        Rules {
            call_ids: CallIds::Free,
            names_begin_with_letter: true,
            starts_with_user: true,
            has_stored_calls: false,
        }
    }

    fn is_message(&self, call: &Call<'_>, content: &Content) -> bool {
        contents::is_message(call, content)
    }

    fn check_media(&self, _: &Call<'_>, content: &Content) -> Result<(), ProviderError> {
        contents::check_media(content)
    }

    fn write(&self, call: &Call<'_>, body: &mut Vec<u8>) -> Result<(), ProviderError> {
        let Self { quirks, settings, .. } = self;
        request::check(quirks, &call.request.params, settings)?;
        let view = Body { quirks, settings, call };
        if call.operation == Operation::Count {
            fields::write(body, &CountBody(view))
        } else {
            fields::write(body, &view)
        }
    }

    fn decoder(&self, head: &ReplyHead<'_>, _: Option<&ChatRequest>) -> Decoder {
        Decoder::new(head.vendor.name)
    }

    fn error(&self, head: &ReplyHead<'_>, body: &str) -> ProviderError {
        error::explain(head.status, body)
    }

    fn models(&self, body: &[u8]) -> Result<Page, ProviderError> {
        models::page(body)
    }

    fn count(&self, body: &[u8]) -> Result<u64, ProviderError> {
        models::count(body)
    }

    fn embedding_limits(&self, endpoint: &Endpoint) -> EmbeddingLimits {
        let model = endpoint.model();
        self.embedding_method(model).limits(model)
    }

    fn write_embeddings(
        &self,
        call: &EmbeddingCall<'_>,
        body: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        self.embedding_method(call.model).write(call, body)
    }

    fn embeddings(&self, _: &ReplyHead<'_>, body: &[u8]) -> Result<Embeddings, ProviderError> {
        embeddings::embeddings(body)
    }
}
