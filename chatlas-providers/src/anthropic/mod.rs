//! Anthropic, over the [Messages API](https://docs.claude.com/en/api/messages).

pub(crate) mod blocks;
pub(crate) mod error;
pub(crate) mod models;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod schema;
pub(crate) mod settings;
pub(crate) mod wire;

use chatlas_core::content::Content;
use chatlas_core::provider::{SupportsTool, Vendor};
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, ProviderError, WebFetch, WebSearch};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;

use crate::client::fields;
use crate::client::{
    Call, Client, Dialect, Endpoint, KeyIn, Operation, Page, ReplyHead, Rules, Sse, set_header,
};
use reply::Decoder;
use request::{Body, Service};
pub use settings::Caching;
use settings::{ClaudeDialect, Settings};

/// Anthropic.
pub static ANTHROPIC: Vendor = Vendor::new("anthropic", "https://api.anthropic.com")
    .with_api_key_env("ANTHROPIC_API_KEY")
    .with_default_model("claude-sonnet-5");

/// The version of the API.
const VERSION: &str = "2023-06-01";

/// A model of Anthropic, or of a server that supports its Messages API.
///
/// **Authentication.** The key in the environment variable `ANTHROPIC_API_KEY`, or that of
/// [`with_api_key`](Client::with_api_key), is sent in the header `x-api-key`. A server other than
/// Anthropic's (`ANTHROPIC_BASE_URL`, or [`with_base_url`](Client::with_base_url)) may need no key.
///
/// **Requests.** Each request contains the complete conversation. The system prompt and the last
/// block are marked for the prompt cache ([`with_caching`](Client::with_caching)), for five minutes
/// by default. Thinking is sent back with its signature, unchanged, and so are the vendor's searches
/// and texts with citations. The API requires a limit on output tokens: the default is 4096, or more
/// if a [thinking budget](Client::with_thinking_budget) requires it. A reasoning level is adaptive
/// thinking with `output_config.effort`; for models before Claude 4.6 it is a thinking budget. It
/// replaces the thinking that the provider is set to. An output schema is sent as `output_config.format`; keywords that the API
/// does not enforce are moved to the description. Models before Claude 4.5 return structured output
/// by a tool call, and so do all models if the schema is open or refers to itself. The API has no
/// seed, penalties or multiple choices: setting one of them is an error.
///
/// **Token counts.** Anthropic's `input_tokens` exclude the tokens that are read from or written to
/// the cache, so the input is the sum of `input_tokens`, `cache_read_input_tokens` and
/// `cache_creation_input_tokens`, without any weight of the price. In a stream, the largest report
/// of each count is the final one. The output includes thinking.
///
/// ```
/// use chatlas_providers::anthropic::{Anthropic, Caching};
///
/// let model = Anthropic::new("claude-sonnet-4-5")
///     .with_caching(Caching::OneHour)
///     .with_thinking_budget(2048);
/// ```
pub type Anthropic = Client<Messages>;

/// The Messages API.
#[derive(Clone, Debug)]
pub struct Messages {
    provider: &'static str,
    settings: Settings,
}

impl Dialect for Messages {
    const VENDOR: &'static Vendor = &ANTHROPIC;
    const BASE_URL_ENV: Option<&'static str> = Some("ANTHROPIC_BASE_URL");
    const REQUEST_ID_HEADERS: &'static [&'static str] = error::REQUEST_ID_HEADERS;

    type Quirks = ();
    type Decoder = Decoder;
    type Framing = Sse;

    fn new((): (), endpoint: &mut Endpoint) -> Self {
        endpoint.set_key_in(KeyIn::Header("x-api-key"));
        Self { provider: endpoint.vendor().name, settings: Settings::default() }
    }

    fn url(&self, endpoint: &Endpoint, operation: Operation) -> Result<Url, ProviderError> {
        let path = match operation {
            Operation::Chat | Operation::Stream => ["v1", "messages", ""],
            Operation::Models => ["v1", "models", ""],
            Operation::Count => ["v1", "messages", "count_tokens"],
            Operation::Embed => return Err(endpoint.unsupported("embed texts")),
        };
        // A base URL may end with `/v1`, or leave it out.
        let from = usize::from(endpoint.is_versioned());
        let to = path.iter().position(|segment| segment.is_empty()).unwrap_or(path.len());
        endpoint.url(&path[from..to])
    }

    fn headers(
        &self,
        _: Operation,
        request: Option<&ChatRequest>,
        headers: &mut HeaderMap,
    ) -> Result<(), ProviderError> {
        headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
        let betas = request::betas(&self.settings, request);
        if betas.is_empty() {
            Ok(())
        } else {
            set_header(headers, "anthropic-beta", &betas.join(","))
        }
    }

    fn tools(
        &self,
        _: &str,
        tools: &[ToolDefinition],
    ) -> Result<Vec<Box<RawValue>>, ProviderError> {
        request::tools(tools)
    }

    fn rules(&self, _: &Call<'_>) -> Rules {
        request::RULES
    }

    fn is_message(&self, call: &Call<'_>, content: &Content) -> bool {
        request::is_message(call, content)
    }

    fn write(&self, call: &Call<'_>, body: &mut Vec<u8>) -> Result<(), ProviderError> {
        let service = Service {
            api: "Anthropic's Messages API",
            has_output_format: request::has_output_format(call.model),
        };
        let model = ("model", Some(call.model.into()));
        let stream = ("stream", Some(call.is_streamed().into()));
        let request = Body::new(service, &self.settings, call, vec![model, stream])?;
        match call.operation {
            Operation::Count => fields::write(body, &request.counted()),
            _ => fields::write(body, &request),
        }
    }

    fn check_media(&self, _: &Call<'_>, content: &Content) -> Result<(), ProviderError> {
        blocks::check_media(content)
    }

    fn decoder(&self, _: &ReplyHead<'_>, _: Option<&ChatRequest>) -> Decoder {
        Decoder::new(self.provider)
    }

    fn error(&self, head: &ReplyHead<'_>, body: &str) -> ProviderError {
        error::of_status(head, body)
    }

    fn models(&self, body: &[u8]) -> Result<Page, ProviderError> {
        models::page(body)
    }

    fn count(&self, body: &[u8]) -> Result<u64, ProviderError> {
        request::count(body, "input_tokens")
    }
}

impl ClaudeDialect for Messages {
    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

impl SupportsTool<WebSearch> for Anthropic {
    fn add_server_tool(self, tool: WebSearch) -> Self {
        self.configure(|dialect, endpoint| {
            dialect.settings.web_search = Some(tool);
            endpoint.info_mut().add_server_tool(request::WEB_SEARCH, "web_search");
        })
    }
}

impl SupportsTool<WebFetch> for Anthropic {
    fn add_server_tool(self, tool: WebFetch) -> Self {
        self.configure(|dialect, endpoint| {
            dialect.settings.web_fetch = Some(tool);
            endpoint.info_mut().add_server_tool(request::WEB_FETCH, "web_fetch");
        })
    }
}
