//! OpenAI, over the [Responses API](https://platform.openai.com/docs/api-reference/responses).

mod reply;
mod request;
mod wire;

use chatlas_core::content::Content;
use chatlas_core::provider::{Embeddings, SupportsTool, Vendor};
use chatlas_core::telemetry::names;
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, ProviderError, WebSearch};
use reqwest::Url;
use serde_json::value::RawValue;

use crate::client::fields;
use crate::client::json::{self, Maybe, read};
use crate::client::{
    Call, CallIds, Client, Dialect, EmbeddingCall, EmbeddingLimits, Endpoint, Operation, Page,
    ReplyHead, Rules, Sse,
};
use crate::completions::{
    BASE_URL_ENV, EmbeddingApi, OPENAI, embeddings, error, is_openai, models, record_service_tier,
};
use reply::Decoder;
use request::{Body, Prompt, Settings};
use wire::Counted;

/// A model of OpenAI, or of a server that speaks its Responses API.
///
/// **Authentication.** The key of the environment variable `OPENAI_API_KEY`, or of
/// [`with_api_key`](Client::with_api_key). A server other than OpenAI's (`OPENAI_BASE_URL`, or
/// [`with_base_url`](Client::with_base_url)) may need none.
///
/// **Requests.** Each request contains the complete conversation; OpenAI stores nothing
/// (`store: false`). Reasoning is returned encrypted and sent back with the next request. The
/// temperature, `top_p`, the maximum number of tokens and the reasoning level are sent if they are
/// set. With `previous_response_id`, only the turns after that response are sent. The Responses API
/// has no `top_k`, stop sequences, seed, penalties or several choices: setting one is an error.
/// Images and documents that a tool returned are sent with its result.
///
/// **Token counts.** As OpenAI reports them: the input includes cached tokens, the output includes
/// reasoning.
///
/// **Embeddings.** As [`OpenAiCompletions`](crate::completions::OpenAiCompletions).
///
/// ```
/// let model = chatlas_providers::openai::OpenAi::new("gpt-4o").with_http_spans(true);
/// ```
pub type OpenAi = Client<Responses>;

/// The dialect of the Responses API.
#[derive(Clone, Debug, Default)]
pub struct Responses {
    settings: Settings,
    /// Whether the model is a part of the URL of embeddings.
    deployments: bool,
}

/// How a vendor that speaks the Responses API differs from OpenAI, which is the default.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Quirks {
    set_up: Option<fn(&mut Endpoint)>,
}

impl Quirks {
    /// Sets a function that sets up the endpoint, from environment variables for example.
    #[cfg(feature = "azure")]
    pub(crate) const fn from_set_up(set_up: fn(&mut Endpoint)) -> Self {
        Self { set_up: Some(set_up) }
    }
}

impl OpenAi {
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
}

impl SupportsTool<WebSearch> for OpenAi {
    fn add_server_tool(self, tool: WebSearch) -> Self {
        self.configure(|dialect, endpoint| {
            dialect.settings.web_search = Some(tool);
            endpoint.info_mut().add_server_tool("web_search", "web_search");
        })
    }
}

impl Dialect for Responses {
    const VENDOR: &'static Vendor = &OPENAI;
    const BASE_URL_ENV: Option<&'static str> = Some(BASE_URL_ENV);
    const REQUEST_ID_HEADERS: &'static [&'static str] = &error::REQUEST_ID_HEADERS;

    type Quirks = Quirks;
    type Decoder = Decoder;
    type Framing = Sse;

    fn new(quirks: Quirks, endpoint: &mut Endpoint) -> Self {
        if is_openai(endpoint.vendor()) {
            endpoint.set_attribute(names::openai::API_TYPE, "responses");
        }
        if let Some(set_up) = quirks.set_up {
            set_up(endpoint);
        }
        // Azure alone sets up its endpoint.
        Self { deployments: quirks.set_up.is_some(), ..Self::default() }
    }

    fn url(&self, endpoint: &Endpoint, operation: Operation) -> Result<Url, ProviderError> {
        endpoint.url(match operation {
            Operation::Chat | Operation::Stream => &["responses"],
            Operation::Count => &["responses", "input_tokens"],
            Operation::Models => &["models"],
            Operation::Embed => return EmbeddingApi::OpenAi.url(endpoint, self.deployments),
        })
    }

    fn tools(
        &self,
        _: &str,
        tools: &[ToolDefinition],
    ) -> Result<Vec<Box<RawValue>>, ProviderError> {
        fields::fragments(request::tools(tools, &self.settings))
    }

    fn rules(&self, call: &Call<'_>) -> Rules {
        Rules {
            call_ids: CallIds::Short,
            names_begin_with_letter: false,
            starts_with_user: false,
            has_stored_calls: call.request.params.previous_response_id.is_some(),
        }
    }

    fn is_message(&self, call: &Call<'_>, content: &Content) -> bool {
        request::is_message(call, content)
    }

    fn check_media(&self, _: &Call<'_>, content: &Content) -> Result<(), ProviderError> {
        request::check_media(content)
    }

    fn write(&self, call: &Call<'_>, body: &mut Vec<u8>) -> Result<(), ProviderError> {
        let Call { vendor, model, request, turns, operation, tools, .. } = *call;
        let settings = &self.settings;
        let prompt = Prompt { model, vendor: vendor.name, settings, request, turns, tools };
        if operation == Operation::Count {
            return fields::write(body, &prompt);
        }
        request::check(&request.params, settings)?;
        fields::write(body, &Body { prompt, stream: call.is_streamed() })
    }

    fn decoder(&self, head: &ReplyHead<'_>, _: Option<&ChatRequest>) -> Decoder {
        Decoder::new(head.vendor.name, is_openai(head.vendor))
    }

    fn error(&self, head: &ReplyHead<'_>, body: &str) -> ProviderError {
        error::read(head.status, body)
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
        EmbeddingApi::OpenAi.write(call, body)
    }

    fn embeddings(&self, _: &ReplyHead<'_>, body: &[u8]) -> Result<Embeddings, ProviderError> {
        EmbeddingApi::OpenAi.read(body)
    }

    fn count(&self, body: &[u8]) -> Result<u64, ProviderError> {
        let mut repaired = String::new();
        let counted: Maybe<Counted> = read(body, &mut repaired)?;
        let tokens = counted.0.and_then(|counted| counted.input_tokens.0);
        tokens.ok_or_else(|| {
            let error = error::in_body(&json::tree(body));
            error.unwrap_or_else(|| json::unexpected("an object with `input_tokens`", body))
        })
    }
}
