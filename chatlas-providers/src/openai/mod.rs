//! OpenAI, over the [Responses API](https://platform.openai.com/docs/api-reference/responses).

mod reply;
mod old_request;
mod request;
#[doc(hidden)]
pub mod diff;

use std::fmt;
use std::sync::Arc;

use chatlas_core::provider::{Protocol, SupportsTool, Vendor};
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, Model, ProviderError, ProviderInfo, WebSearch,
};
use chatlas_macros::provider;
use futures_util::TryStreamExt as _;
use opentelemetry::KeyValue;
use reqwest::{Method, Response};

use crate::completions::{BASE_URL_VARIABLE, OPENAI, count, error, models};
use crate::http::{Api, HttpOptions, content_type, events, json, malformed, settings, variable};
use reply::Decoder;

/// A model of OpenAI's, or of a server that speaks its Responses API.
///
/// **Authentication.** The key of the environment variable `OPENAI_API_KEY`, or that of
/// [`api_key`](Self::api_key). A server other than OpenAI's (`OPENAI_BASE_URL`, or
/// [`base_url`](Self::base_url)) may need none.
///
/// **What is sent.** The whole conversation with each request; nothing is stored at OpenAI
/// (`store: false`). Reasoning comes encrypted and is sent back with the next request.
/// Temperature, `top_p`, the bound on tokens and the reasoning level are sent where set. With
/// `previous_response_id`, only what came after that response is sent. The Responses API has no
/// `top_k`, stop sequences, seed, penalties or several choices: setting one is an error. Images and
/// documents that a tool returned go with its result.
///
/// **How tokens are counted.** As OpenAI tells them: input with the cached tokens, output with the
/// reasoning; the parts beside them.
///
/// ```
/// let model = chatlas_providers::openai::OpenAi::new("gpt-4o").http_spans(true);
/// ```
pub struct OpenAi {
    api: Api,
    extras: old_request::Extras,
}

impl OpenAi {
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
        self.extras.service_tier = Some(tier);
        self
    }

    /// Asks how likely the model held each token: [`Text::logprobs`](chatlas_core::content::Text).
    #[must_use]
    pub fn logprobs(mut self) -> Self {
        self.extras.logprobs = true;
        self
    }

    /// As Azure has it: the key goes into the header `api-key` and is always needed, the address
    /// tells the API's version.
    #[cfg(feature = "azure")]
    #[must_use]
    pub fn azure(mut self) -> Self {
        crate::azure::set_up(&mut self.api);
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

    fn asked<'a>(&'a self, request: &'a ChatRequest) -> old_request::Asked<'a> {
        old_request::Asked {
            model: &self.api.model,
            vendor: self.api.vendor.name,
            extras: &self.extras,
            request,
        }
    }

    async fn send(&self, request: &ChatRequest, stream: bool) -> Result<Response, ProviderError> {
        let body = self.asked(request).body(stream)?;
        let call = self.api.call(Method::POST, &["responses"])?.body(body);
        self.api.endpoint.send(call, error::explain).await
    }

    /// A reply that came as one piece.
    async fn whole(&self, response: Response) -> Result<Completion, ProviderError> {
        let vendor = self.api.vendor.name;
        let read = json(response).await;
        self.shown(read.and_then(|response| reply::completion(&response, vendor)))
    }

    /// The result, whose error shows no secret.
    fn shown<T>(&self, result: Result<T, ProviderError>) -> Result<T, ProviderError> {
        result.map_err(|error| self.api.endpoint.secrets().hide(error))
    }
}

impl Protocol for OpenAi {
    type HttpOptions = HttpOptions;

    type Quirks = ();

    fn of_vendor(vendor: &'static Vendor, (): ()) -> Self {
        let mut api = Api::new(vendor);
        if vendor.name == OPENAI.name {
            api.set_attribute(KeyValue::new("openai.api.type", "responses"));
        }
        Self { api, extras: old_request::Extras::default() }
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

impl SupportsTool<WebSearch> for OpenAi {
    fn add_server_tool(mut self, tool: WebSearch) -> Self {
        self.extras.web_search = Some(tool);
        self.api.info.add_server_tool("web_search", "web_search");
        self
    }
}

impl fmt::Debug for OpenAi {
    /// Of the address, host and port are shown: the rest may hold a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("api", &self.api)
            .field("extras", &self.extras)
            .finish_non_exhaustive()
    }
}

#[provider(crate = chatlas_core)]
impl chatlas_core::Provider for OpenAi {
    fn info(&self) -> &ProviderInfo {
        &self.api.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let response = self.send(&request, false).await?;
        self.whole(response).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let response = self.send(&request, true).await?;
        let kind = content_type(&response);
        if kind.starts_with("text/event-stream") {
            let secrets = self.api.endpoint.secrets();
            let arriving = events(response, Decoder::new(self.api.vendor.name));
            Ok(CompletionStream::new(arriving.map_err(move |error| secrets.hide(error))))
        } else if kind.starts_with("application/json") {
            // A server that does not stream answers whole.
            Ok(CompletionStream::from_completion(self.whole(response).await?))
        } else {
            Err(malformed(&format!("an event stream was asked for, `{kind}` came")))
        }
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        let call = self.api.call(Method::GET, &["models"])?;
        let response = self.api.endpoint.send(call, error::explain).await?;
        self.shown(json(response).await.and_then(models::listed))
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        let body = self.asked(&request).count_body()?;
        let call = self.api.call(Method::POST, &["responses", "input_tokens"])?.body(body);
        let response = self.api.endpoint.send(call, error::explain).await?;
        self.shown(json(response).await.and_then(|told| {
            count(&told["input_tokens"]).ok_or_else(|| malformed("it has no `input_tokens`"))
        }))
    }
}
