//! Anthropic, over the [Messages API](https://docs.claude.com/en/api/messages).

pub(crate) mod blocks;
pub(crate) mod error;
pub(crate) mod message;
pub(crate) mod models;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod schema;

use std::fmt;
use std::sync::Arc;

use chatlas_core::provider::SupportsTool;
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, Model, ProviderError, ProviderInfo, WebFetch,
    WebSearch,
};
use chatlas_macros::provider;
use futures_util::TryStreamExt as _;
use reqwest::{Method, Response, Url};
use serde_json::Value;

use crate::http::{
    Call, Endpoint, KeyIn, content_type, events, json, malformed, settings, variable, without_key,
};
use error::with_id;
use reply::Decoder;
pub use request::Caching;
use request::{Options, Place};

const PROVIDER: &str = "anthropic";
const DEFAULT_BASE_URL: &str = "https://api.anthropic.com";
/// The host that takes no request without a key.
const HOST: &str = "api.anthropic.com";
const KEY_VARIABLE: &str = "ANTHROPIC_API_KEY";
const BASE_URL_VARIABLE: &str = "ANTHROPIC_BASE_URL";
/// The version of the API that is spoken.
const VERSION: &str = "2023-06-01";
/// No list of models is longer than so many pages.
const MOST_PAGES: usize = 100;

/// The builder methods of all places where Claude runs, over the field `options`.
macro_rules! claude_settings {
    () => {
        /// How long what was read is kept for the next request.
        #[must_use]
        pub fn caching(mut self, caching: $crate::anthropic::Caching) -> Self {
            self.options.caching = caching;
            self
        }

        /// Lets the model think before it answers, for so many tokens at most: 1024 or more.
        #[must_use]
        pub fn thinking_budget(mut self, tokens: u32) -> Self {
            self.options.thinks = Some($crate::anthropic::request::Thinks::Budget(tokens));
            self
        }

        /// Lets the model think before it answers, as much as it sees fit.
        #[must_use]
        pub fn adaptive_thinking(mut self) -> Self {
            self.options.thinks = Some($crate::anthropic::request::Thinks::Adaptive);
            self
        }

        /// Has the model name the places in documents that it relies on.
        #[must_use]
        pub fn document_citations(mut self) -> Self {
            self.options.cites_documents = true;
            self
        }
    };
}
#[cfg(feature = "bedrock")]
pub(crate) use claude_settings;

/// A model of Anthropic's, or of a server that speaks its Messages API.
///
/// **Authentication.** The key of the environment variable `ANTHROPIC_API_KEY`, or that of
/// [`api_key`](Self::api_key), in the header `x-api-key`. A server other than Anthropic's
/// (`ANTHROPIC_BASE_URL`, or [`base_url`](Self::base_url)) may need none.
///
/// **What is sent.** The whole conversation with each request. The system prompt and the last
/// block are marked for the prompt cache ([`caching`](Self::caching)), for five minutes unless set. Thoughts go back with
/// their signatures, exactly as they came, and so do searches of the vendor's and texts with
/// citations. The API demands a bound on tokens: 4096 unless `max_tokens` is set, more with a
/// [`thinking_budget`](Self::thinking_budget) that needs it. A reasoning level is sent as
/// `output_config.effort`. A schema for the output is sent as `output_config.format`, where a
/// bound that the API does not enforce stands in the description; models before Claude 4.5 are made
/// to answer by a tool, and so are all where the schema is open or refers to itself. The API has no seed, penalties or several
/// choices: setting one is an error.
///
/// **How tokens are counted.** Anthropic's `input_tokens` leave out what has to do with the cache,
/// so that input is the sum of `input_tokens`, `cache_read_input_tokens` and
/// `cache_creation_input_tokens`: as they are told, without any weight of the price. Of a stream,
/// the last count holds for each field that it tells. Output includes the thoughts.
///
/// ```
/// use chatlas_providers::anthropic::{Anthropic, Caching};
///
/// let model = Anthropic::new("claude-sonnet-4-5").caching(Caching::OneHour).thinking_budget(2048);
/// ```
pub struct Anthropic {
    model: Arc<str>,
    endpoint: Endpoint,
    options: Options,
    info: ProviderInfo,
}

impl Anthropic {
    /// The model of that name, with key and address from the environment.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        let model = model.into();
        let mut info = ProviderInfo::new(PROVIDER).with_model(model.clone());
        let url = variable(BASE_URL_VARIABLE).unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let mut endpoint = Endpoint::new(url, &mut info);
        endpoint.set_key(&variable(KEY_VARIABLE).unwrap_or_default());
        Self { model, endpoint, options: Options::default(), info }
    }

    settings!();

    claude_settings!();

    /// Uses a feature that is not yet for all: a name for the header `anthropic-beta`. Those that
    /// files and web fetch need are sent without being asked for.
    #[must_use]
    pub fn beta(mut self, name: impl Into<String>) -> Self {
        self.options.betas.push(name.into());
        self
    }

    fn place(&self) -> Place {
        Place {
            provider: PROVIDER,
            name: "Anthropic's Messages API",
            output_format: request::takes_output_format(&self.model),
        }
    }

    /// The address of an operation. A base URL may say `/v1`, or leave it to us.
    fn url(&self, path: &[&str]) -> Result<Url, ProviderError> {
        let base = self.endpoint.url(&[])?;
        if base.path_segments().and_then(|mut segments| segments.next_back()) == Some("v1") {
            self.endpoint.url(path)
        } else {
            self.endpoint.url(&[&["v1"], path].concat())
        }
    }

    async fn send(&self, call: Call<'_>, betas: &[String]) -> Result<Response, ProviderError> {
        if !self.endpoint.is_authenticated() && self.info.server_address.as_deref() == Some(HOST) {
            return Err(without_key("Anthropic", KEY_VARIABLE));
        }
        let mut call = call.header("anthropic-version", VERSION);
        if !betas.is_empty() {
            call = call.secret_header("anthropic-beta", &betas.join(","))?;
        }
        call.key = self.endpoint.key().map(|key| (KeyIn::Header("x-api-key"), key));
        self.endpoint.send(call, error::explain).await
    }

    async fn ask(&self, request: &ChatRequest, stream: bool) -> Result<Response, ProviderError> {
        let mut body = request::body(self.place(), &self.options, request)?;
        body.entry("model").or_insert_with(|| (*self.model).into());
        body.entry("stream").or_insert_with(|| stream.into());
        let call = Call::new(Method::POST, self.url(&["messages"])?).body(request::bytes(&body)?);
        self.send(call, &request::betas(&self.options, request)).await
    }

    /// A reply that came as one piece.
    async fn whole(&self, response: Response) -> Result<Completion, ProviderError> {
        let id = error::request_id(response.headers()).map(str::to_owned);
        let message = json(response).await;
        let completion = message.and_then(|told| message::completion(PROVIDER, &told));
        completion.map_err(|error| self.endpoint.secrets().hide(with_id(error, id.as_deref())))
    }
}

impl SupportsTool<WebSearch> for Anthropic {
    fn add_server_tool(mut self, tool: WebSearch) -> Self {
        self.options.web_search = Some(tool);
        self.info.add_server_tool(request::WEB_SEARCH, "web_search");
        self
    }
}

impl SupportsTool<WebFetch> for Anthropic {
    fn add_server_tool(mut self, tool: WebFetch) -> Self {
        self.options.web_fetch = Some(tool);
        self.info.add_server_tool(request::WEB_FETCH, "web_fetch");
        self
    }
}

impl fmt::Debug for Anthropic {
    /// Of the address, host and port are shown: the rest may hold a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anthropic")
            .field("info", &self.info)
            .field("endpoint", &self.endpoint)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[provider(crate = chatlas_core)]
impl chatlas_core::Provider for Anthropic {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let response = self.ask(&request, false).await?;
        self.whole(response).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let response = self.ask(&request, true).await?;
        let kind = content_type(&response);
        if kind.starts_with("text/event-stream") {
            let secrets = self.endpoint.secrets();
            let id = error::request_id(response.headers()).map(str::to_owned);
            let arriving = events(response, Decoder::new(PROVIDER));
            Ok(CompletionStream::new(
                arriving.map_err(move |error| secrets.hide(with_id(error, id.as_deref()))),
            ))
        } else if kind.starts_with("application/json") {
            // A server that does not stream answers whole.
            Ok(CompletionStream::from_completion(self.whole(response).await?))
        } else {
            Err(malformed(&format!("an event stream was asked for, `{kind}` came")))
        }
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        let (mut models, mut after) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let mut url = self.url(&["models"])?;
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("limit", "1000").append_pair("after_id", after);
            }
            let response = self.send(Call::new(Method::GET, url), &self.options.betas).await?;
            let (page, next) = models::page(&json(response).await?)?;
            models.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        Ok(models)
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        let mut body = request::counted(request::body(self.place(), &self.options, &request)?);
        body.entry("model").or_insert_with(|| (*self.model).into());
        let url = self.url(&["messages", "count_tokens"])?;
        let call = Call::new(Method::POST, url).body(request::bytes(&body)?);
        let response = self.send(call, &request::betas(&self.options, &request)).await?;
        let told: Value = json(response).await?;
        told["input_tokens"].as_u64().ok_or_else(|| malformed("it has no `input_tokens`"))
    }
}
