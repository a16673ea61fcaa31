//! OpenAI's [Chat Completions API](https://platform.openai.com/docs/api-reference/chat), which many
//! vendors and local servers speak.
//!
//! `request` writes, `reply` reads (`wire` is the JSON of a reply, `parts` its rare contents),
//! `quirks` is how vendors differ, `error`, `models` and `schema` serve the Responses API, too.

pub(crate) mod embeddings;
pub(crate) mod error;
mod finish;
pub(crate) mod models;
pub(crate) mod parts;
mod quirks;
mod reply;
mod request;
pub(crate) mod schema;
pub(crate) mod usage;
mod wire;

use chatlas_core::content::{Content, Text};
use chatlas_core::provider::{Embeddings, Vendor};
use chatlas_core::telemetry::names;
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, ProviderError, ProviderErrorKind};
use reqwest::Url;
use serde_json::value::RawValue;

use crate::client::fields;
use crate::client::{
    Call, CallIds, Client, Dialect, EmbeddingCall, EmbeddingLimits, Endpoint, Operation, Page,
    ReplyHead, Rules, Sse,
};
pub use embeddings::EmbeddingApi;
pub use quirks::{ContentOfCalls, DocumentUrls, Quirks, ReasoningForm, ThinkingReplay};
use reply::Decoder;
use request::{Body, Settings, Tool};

/// OpenAI itself.
pub(crate) static OPENAI: Vendor = Vendor::new("openai", "https://api.openai.com/v1")
    .with_api_key_env("OPENAI_API_KEY")
    .with_default_model("gpt-5.6-terra");
pub(crate) const BASE_URL_ENV: &str = "OPENAI_BASE_URL";

/// A model behind the Chat Completions API: OpenAI's own, or that of any server that speaks it.
///
/// **Authentication.** The key of the environment variable `OPENAI_API_KEY`, or that of
/// [`with_api_key`](Client::with_api_key); or tokens that expire, of
/// [`with_token_provider`](Client::with_token_provider). A server other than OpenAI's
/// (`OPENAI_BASE_URL`, or [`with_base_url`](Client::with_base_url)) may need none.
///
/// **Requests.** Each request contains the complete conversation. All parameters but `top_k` and
/// `previous_response_id` are sent if they are set; setting one of these is an error. Images are
/// sent by URL or as data, documents as data or by the id of an uploaded file. Images and documents
/// that a tool returned follow its result as a user message, because a tool message takes text
/// alone. A message that consists of text is a string.
///
/// **Token counts.** As the server reports them: input includes cached tokens, output includes
/// reasoning. A stream requests them (`stream_options.include_usage`). If a server counts a part
/// beside the total, the part is added to it.
///
/// **Embeddings.** [`embed`](chatlas_core::Provider::embed) requests base64 and also reads numbers.
/// OpenAI's limits apply: 2,048 inputs and 300,000 tokens in one request. Other vendors get at most
/// 128 inputs. A request that the server finds too large is split.
///
/// ```
/// use chatlas_providers::completions::OpenAiCompletions;
///
/// let model = OpenAiCompletions::new("qwen3").with_base_url("http://localhost:8000/v1");
/// ```
///
/// To add a vendor that speaks this protocol, derive a provider and give its [`Quirks`]:
///
/// ```
/// use chatlas_macros::provider;
/// use chatlas_providers::completions::{OpenAiCompletions, Quirks};
///
/// /// The models behind our gateway.
/// #[provider(
///     like = OpenAiCompletions,
///     name = "gateway",
///     base_url = "https://models.example/v1",
///     api_key_env = "GATEWAY_API_KEY",
///     quirks = Quirks::new().with_max_tokens_field("max_tokens").with_stream_options(false)
/// )]
/// pub struct Gateway;
///
/// let model = Gateway::new("qwen3").with(|api| api.with_service_tier("flex"));
/// ```
///
/// A `{VARIABLE}` in its base URL is replaced by the environment variable.
pub type OpenAiCompletions = Client<ChatCompletions>;

/// The dialect of the Chat Completions API.
#[derive(Clone, Debug)]
pub struct ChatCompletions {
    quirks: Quirks,
    settings: Settings,
}

impl OpenAiCompletions {
    /// Requests a service tier: `auto`, `default`, `flex`, `priority`.
    #[must_use]
    pub fn with_service_tier(self, tier: impl Into<String>) -> Self {
        let tier = tier.into();
        self.configure(|dialect, endpoint| {
            record_service_tier(&tier, endpoint);
            dialect.settings.service_tier = Some(tier);
        })
    }

    /// Requests the log probability of each token:
    /// [`Text::logprobs`](chatlas_core::content::Text::logprobs).
    #[must_use]
    pub fn with_logprobs(self) -> Self {
        self.configure(|dialect, _| dialect.settings.logprobs = true)
    }

    /// Requests the `count` most likely tokens at each position, at most 20, with their log
    /// probabilities.
    #[must_use]
    pub fn with_top_logprobs(self, count: u8) -> Self {
        self.with_logprobs().configure(|dialect, _| dialect.settings.top_logprobs = Some(count))
    }
}

/// Returns whether OpenAI itself answers: the attributes `openai.*` are for its telemetry alone.
pub(crate) fn is_openai(vendor: &Vendor) -> bool {
    vendor.name == OPENAI.name
}

/// Records the requested service tier on the spans of OpenAI.
pub(crate) fn record_service_tier(tier: &str, endpoint: &mut Endpoint) {
    if is_openai(endpoint.vendor()) && tier != "auto" {
        endpoint.set_attribute(names::openai::REQUEST_SERVICE_TIER, tier.to_owned());
    }
}

impl Dialect for ChatCompletions {
    const VENDOR: &'static Vendor = &OPENAI;
    const BASE_URL_ENV: Option<&'static str> = Some(BASE_URL_ENV);
    const REQUEST_ID_HEADERS: &'static [&'static str] = &error::REQUEST_ID_HEADERS;

    type Quirks = Quirks;
    type Decoder = Decoder;
    type Framing = Sse;

    fn new(quirks: Quirks, endpoint: &mut Endpoint) -> Self {
        if is_openai(endpoint.vendor()) {
            endpoint.set_attribute(names::openai::API_TYPE, "chat_completions");
        }
        quirks.apply(endpoint);
        Self { quirks, settings: Settings::default() }
    }

    fn url(&self, endpoint: &Endpoint, operation: Operation) -> Result<Url, ProviderError> {
        match operation {
            Operation::Chat | Operation::Stream
                if self.quirks.deployments && !endpoint.is_versioned() =>
            {
                endpoint.url(&["deployments", endpoint.model(), "chat", "completions"])
            }
            Operation::Chat | Operation::Stream => endpoint.url(&["chat", "completions"]),
            Operation::Models if self.quirks.model_list => endpoint.url(&["models"]),
            Operation::Models => Err(endpoint.unsupported("list its models")),
            Operation::Count => Err(endpoint.unsupported("count tokens")),
            Operation::Embed => self.quirks.embeddings.url(endpoint, self.quirks.deployments),
        }
    }

    fn tools(
        &self,
        _: &str,
        tools: &[ToolDefinition],
    ) -> Result<Vec<Box<RawValue>>, ProviderError> {
        fields::fragments(tools.iter().map(Tool))
    }

    fn rules(&self, call: &Call<'_>) -> Rules {
        let is_openai = is_openai(call.vendor);
        Rules {
            call_ids: match () {
                () if self.quirks.short_call_ids => CallIds::Nine,
                // Another vendor may have written more than a name into an id.
                () if is_openai || self.quirks.deployments => CallIds::Short,
                () => CallIds::Free,
            },
            names_begin_with_letter: false,
            starts_with_user: !is_openai,
            has_stored_calls: false,
        }
    }

    fn is_message(&self, call: &Call<'_>, content: &Content) -> bool {
        match content {
            Content::Text(Text { text, replay, .. }) => {
                let own = replay.as_ref().filter(|replay| call.is_own(replay));
                !text.trim().is_empty() || own.is_some_and(|own| own.item.get("audio").is_some())
            }
            Content::Refusal(refusal) => !refusal.text.trim().is_empty(),
            content => matches!(content, Content::ToolRequest(_)),
        }
    }

    fn check_media(&self, call: &Call<'_>, content: &Content) -> Result<(), ProviderError> {
        request::check_media(call, &self.quirks, content)
    }

    fn write(&self, call: &Call<'_>, body: &mut Vec<u8>) -> Result<(), ProviderError> {
        let request = Body { call, quirks: &self.quirks, settings: &self.settings };
        request.check()?;
        fields::write(body, &request)
    }

    fn decoder(&self, head: &ReplyHead<'_>, request: Option<&ChatRequest>) -> Decoder {
        let audio_type = request.and_then(|request| {
            let format = request.params.extra.get("audio")?.get("format")?.as_str()?;
            Some(format!("audio/{format}"))
        });
        let is_openai = is_openai(head.vendor);
        Decoder::new(head.vendor.name, is_openai, self.quirks.thinking_replay, audio_type)
    }

    fn error(&self, head: &ReplyHead<'_>, body: &str) -> ProviderError {
        let error = error::read(head.status, body);
        match self.quirks.missing_model_hint {
            Some(hint) if error.kind() == ProviderErrorKind::ModelNotFound => {
                error::with_hint(error, &hint.replace("{model}", head.model))
            }
            _ => error,
        }
    }

    fn models(&self, body: &[u8]) -> Result<Page, ProviderError> {
        models::page(body)
    }

    fn embedding_limits(&self, endpoint: &Endpoint) -> EmbeddingLimits {
        embeddings::limits(endpoint.vendor().name)
    }

    fn write_embeddings(
        &self,
        call: &EmbeddingCall<'_>,
        body: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        self.quirks.embeddings.write(call, body)
    }

    fn embeddings(&self, _: &ReplyHead<'_>, body: &[u8]) -> Result<Embeddings, ProviderError> {
        self.quirks.embeddings.read(body)
    }
}
