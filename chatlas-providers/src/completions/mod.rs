//! OpenAI's [Chat Completions API](https://platform.openai.com/docs/api-reference/chat), which many
//! vendors and local servers speak: what `#[provider(like = OpenAiCompletions, …)]` derives from.
//!
//! `request` writes, `reply` reads, `quirks` is where vendors differ, `error` and `models` read
//! what the other APIs of this family say in the same words.

mod choice;
pub(crate) mod error;
pub(crate) mod models;
mod quirks;
mod reply;
mod request;
mod usage;

use std::fmt;
use std::sync::Arc;

use chatlas_core::provider::{Protocol, Vendor};
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, Model, ProviderError, ProviderErrorKind,
    ProviderInfo,
};
use chatlas_macros::provider;
use futures_util::TryStreamExt as _;
use opentelemetry::KeyValue;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};

use crate::http::{Api, HttpOptions, content_type, events, json, malformed, settings, variable};
use quirks::Quirks;
use reply::{Decoder, Reading};

#[cfg(feature = "openai")]
pub(crate) use {
    choice::{arguments, citation, list, string},
    request::written_arguments,
    usage::count,
};

/// Where OpenAI's own models are.
pub(crate) static OPENAI: Vendor = Vendor {
    name: "openai",
    base_url: "https://api.openai.com/v1",
    api_key_env: Some("OPENAI_API_KEY"),
    default_model: Some("gpt-5.6-terra"),
};
pub(crate) const BASE_URL_VARIABLE: &str = "OPENAI_BASE_URL";

/// A model behind the Chat Completions API: OpenAI's own, or that of any server that speaks it.
///
/// **Authentication.** The key of the environment variable `OPENAI_API_KEY`, or that of
/// [`api_key`](Self::api_key); or tokens that run out, of
/// [`token_provider`](Self::token_provider). A server other than OpenAI's (`OPENAI_BASE_URL`, or
/// [`base_url`](Self::base_url)) may need none.
///
/// **What is sent.** The whole conversation with each request. All parameters but `top_k` and
/// `previous_response_id` are sent where set; setting one of these is an error. Images go by
/// address or as data, documents as data or by the id of an uploaded file. Images and documents
/// that a tool returned follow its result as a message of the user's, because a tool message takes
/// text alone.
///
/// **How tokens are counted.** As the server tells them: input with the cached tokens, output with
/// the reasoning; the parts beside them. A streamed reply is asked to tell them
/// (`stream_options.include_usage`). Where a server counts a part beside the whole, it is added.
///
/// ```
/// use chatlas_providers::completions::OpenAiCompletions;
///
/// let model = OpenAiCompletions::new("qwen3").base_url("http://localhost:8000/v1");
/// ```
///
/// A vendor of its own is derived from it, with the ways in which it differs:
///
/// ```
/// use chatlas_macros::provider;
/// use chatlas_providers::completions::OpenAiCompletions;
///
/// /// The models behind our gateway.
/// #[provider(
///     like = OpenAiCompletions,
///     name = "gateway",
///     base_url = "https://models.example/v1",
///     api_key_env = "GATEWAY_API_KEY",
///     quirks(max_tokens_field, no_stream_options)
/// )]
/// pub struct Gateway;
///
/// let model = Gateway::new("qwen3").with(|api| api.service_tier("flex"));
/// ```
///
/// A `{VARIABLE}` in its base URL is filled from the environment.
pub struct OpenAiCompletions {
    api: Api,
    quirks: Quirks,
    settings: request::Settings,
}

impl OpenAiCompletions {
    /// The model of that name, with key and address from the environment.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        let new = Self::of_vendor(&OPENAI, ()).with_model(model);
        match variable(BASE_URL_VARIABLE) {
            Some(url) => new.base_url(url),
            None => new,
        }
    }

    settings!(api);

    /// Asks for a service tier: `auto`, `default`, `flex`, `priority`.
    #[must_use]
    pub fn service_tier(mut self, tier: impl Into<String>) -> Self {
        let tier = tier.into();
        if self.is_openai() && tier != "auto" {
            let attribute = KeyValue::new("openai.request.service_tier", tier.clone());
            self.api.set_attribute(attribute);
        }
        self.settings.service_tier = Some(tier);
        self
    }

    /// Asks how likely the model held each token: [`Text::logprobs`](chatlas_core::content::Text).
    #[must_use]
    pub fn logprobs(mut self) -> Self {
        self.settings.logprobs = true;
        self
    }

    /// Asks for that many likely tokens at each place, at most 20, with how likely each was.
    #[must_use]
    pub fn top_logprobs(mut self, count: u8) -> Self {
        self.settings.top_logprobs = Some(count);
        self.logprobs()
    }

    /// Sends a header of the vendor's own with every request; its value is not shown anywhere.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.api.endpoint.set_header(name, value);
        self
    }

    /// Puts a parameter into the address of every request.
    #[cfg(feature = "azure")]
    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.api.set_query(name, value);
        self
    }

    /// Whether it is OpenAI that answers: the attributes `openai.*` are for its telemetry alone.
    fn is_openai(&self) -> bool {
        self.api.vendor.name == OPENAI.name
    }

    async fn send(&self, request: &ChatRequest, stream: bool) -> Result<Response, ProviderError> {
        let asked = request::Asked {
            model: &self.api.model,
            vendor: self.api.vendor.name,
            quirks: &self.quirks,
            settings: &self.settings,
            request,
            stream,
        };
        let body = asked.body()?;
        let path: &[&str] = if self.quirks.deployments && !self.api.is_versioned() {
            &["deployments", &self.api.model, "chat", "completions"]
        } else {
            &["chat", "completions"]
        };
        let call = self.api.call(Method::POST, path)?.body(body);
        self.api
            .endpoint
            .send(call, |status, headers, body| self.explain(status, headers, body))
            .await
    }

    /// What the server said went wrong, with the vendor's own advice.
    fn explain(&self, status: u16, headers: &HeaderMap, body: &str) -> ProviderError {
        let error = error::explain(status, headers, body);
        match self.quirks.advice {
            Some(advice) if error.kind() == ProviderErrorKind::ModelNotFound => {
                error::advised(&error, &advice.replace("{model}", &self.api.model))
            }
            _ => error,
        }
    }

    /// How a reply is to be read.
    fn reading(&self, request: &ChatRequest) -> Reading {
        Reading {
            vendor: self.api.vendor.name,
            is_openai: self.is_openai(),
            replays: self.quirks.replays,
            sound: request.params.extra.get("audio").and_then(|audio| {
                let format = audio.get("format")?.as_str()?;
                Some(format!("audio/{format}"))
            }),
        }
    }

    /// A reply that came as one piece.
    async fn whole(
        &self,
        response: Response,
        reading: Reading,
    ) -> Result<Completion, ProviderError> {
        let completion = json(response).await.and_then(|reply| reading.completion(&reply));
        completion.map_err(|error| self.api.endpoint.secrets().hide(error))
    }
}

impl Protocol for OpenAiCompletions {
    type HttpOptions = HttpOptions;

    type Quirks = ();

    fn of_vendor(vendor: &'static Vendor, (): ()) -> Self {
        let mut api = Api::new(vendor);
        if vendor.name == OPENAI.name {
            api.set_attribute(KeyValue::new("openai.api.type", "chat_completions"));
        }
        Self { api, quirks: Quirks::default(), settings: request::Settings::default() }
    }

    fn with_model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.api = self.api.with_model(model);
        self
    }

    fn with_api_key(self, key: impl Into<String>) -> Self {
        self.api_key(key)
    }

    fn with_base_url(self, url: impl Into<String>) -> Self {
        self.base_url(url)
    }

    fn with_http(self, options: HttpOptions) -> Self {
        self.http(options)
    }

    fn with_http_spans(self, on: bool) -> Self {
        self.http_spans(on)
    }
}

impl fmt::Debug for OpenAiCompletions {
    /// Of the address, host and port are shown: the rest may hold a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiCompletions")
            .field("api", &self.api)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[provider(crate = chatlas_core)]
impl chatlas_core::Provider for OpenAiCompletions {
    fn info(&self) -> &ProviderInfo {
        &self.api.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let response = self.send(&request, false).await?;
        self.whole(response, self.reading(&request)).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let response = self.send(&request, true).await?;
        let reading = self.reading(&request);
        let kind = content_type(&response);
        if kind.starts_with("text/event-stream") {
            let secrets = self.api.endpoint.secrets();
            let arriving = events(response, Decoder::new(reading));
            Ok(CompletionStream::new(arriving.map_err(move |error| secrets.hide(error))))
        } else if kind.starts_with("application/json") {
            // A server that does not stream answers whole.
            Ok(CompletionStream::from_completion(self.whole(response, reading).await?))
        } else {
            Err(malformed(&format!("an event stream was asked for, `{kind}` came")))
        }
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        if self.quirks.no_model_list {
            return Err(ProviderError::new(
                ProviderErrorKind::Unsupported,
                format!("the provider `{}` cannot list its models", self.api.info.name),
            ));
        }
        let call = self.api.call(Method::GET, &["models"])?;
        let response = self
            .api
            .endpoint
            .send(call, |status, headers, body| self.explain(status, headers, body));
        let listed = models::listed(json(response.await?).await?);
        listed.map_err(|error| self.api.endpoint.secrets().hide(error))
    }
}
