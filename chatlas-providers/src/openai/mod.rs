//! OpenAI, over the [Responses API](https://platform.openai.com/docs/api-reference/responses).

mod error;
mod reply;
mod request;

use std::fmt;
use std::sync::Arc;

use chatlas_core::provider::Runs;
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, ProviderError, ProviderInfo, WebSearch,
};
use chatlas_macros::provider;
use futures_util::TryStreamExt as _;
use reqwest::Method;

use crate::http::{
    Call, Endpoint, KeyIn, content_type, events, json, malformed, settings, variable, without_key,
};
use reply::Decoder;

const DEFAULT_BASE_URL: &str = "https://api.openai.com/v1";
/// The host that takes no request without a key.
const HOST: &str = "api.openai.com";
const KEY_VARIABLE: &str = "OPENAI_API_KEY";
const BASE_URL_VARIABLE: &str = "OPENAI_BASE_URL";

/// A model of OpenAI's, or of a server that speaks its Responses API.
///
/// **Authentication.** The key of the environment variable `OPENAI_API_KEY`, or that of
/// [`api_key`](Self::api_key). A server other than OpenAI's (`OPENAI_BASE_URL`, or
/// [`base_url`](Self::base_url)) may need none.
///
/// **What is sent.** The whole conversation with each request; nothing is stored at OpenAI
/// (`store: false`). Reasoning comes encrypted and is sent back with the next request.
/// Temperature, `top_p`, the bound on tokens and the reasoning level are sent where set. The
/// Responses API has no `top_k`, stop sequences, seed or penalties: setting one is an error.
///
/// **How tokens are counted.** As OpenAI tells them: input with the cached tokens, output with the
/// reasoning; the parts beside them.
///
/// ```
/// let model = chatlas_providers::openai::OpenAi::new("gpt-4o").http_spans(true);
/// ```
pub struct OpenAi {
    model: Arc<str>,
    endpoint: Endpoint,
    extras: request::Extras,
    info: ProviderInfo,
}

impl OpenAi {
    /// The model of that name, with key and address from the environment.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        let model = model.into();
        let mut info = ProviderInfo::new("openai").with_model(model.clone());
        let url = variable(BASE_URL_VARIABLE).unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let mut endpoint = Endpoint::new(url, &mut info);
        endpoint.set_key(&variable(KEY_VARIABLE).unwrap_or_default());
        Self { model, endpoint, extras: request::Extras::default(), info }
    }

    settings!();

    /// Asks for a service tier: `auto`, `default`, `flex`, `priority`.
    #[must_use]
    pub fn service_tier(mut self, tier: impl Into<String>) -> Self {
        self.extras.service_tier = Some(tier.into());
        self
    }

    /// Asks how likely the model held each token: [`Text::logprobs`](chatlas_core::content::Text).
    #[must_use]
    pub fn logprobs(mut self) -> Self {
        self.extras.logprobs = true;
        self
    }

    async fn send(
        &self,
        request: &ChatRequest,
        stream: bool,
    ) -> Result<reqwest::Response, ProviderError> {
        let body = request::body(&self.model, &self.extras, request, stream)?;
        let mut call = Call::new(Method::POST, self.endpoint.url(&["responses"])?).body(body);
        if !self.endpoint.is_authenticated() && self.info.server_address.as_deref() == Some(HOST) {
            return Err(without_key("OpenAI", KEY_VARIABLE));
        }
        call.key = self.endpoint.key().map(|key| (KeyIn::Bearer, key));
        self.endpoint.send(call, error::explain).await
    }

    /// A reply that came as one piece.
    async fn whole(&self, response: reqwest::Response) -> Result<Completion, ProviderError> {
        let completion = json(response).await.and_then(|response| reply::completion(&response));
        completion.map_err(|error| self.endpoint.secrets().hide(error))
    }
}

impl Runs<WebSearch> for OpenAi {
    fn add(mut self, tool: WebSearch) -> Self {
        self.extras.web_search = Some(tool);
        self
    }
}

impl fmt::Debug for OpenAi {
    /// Of the address, host and port are shown: the rest may hold a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("info", &self.info)
            .field("endpoint", &self.endpoint)
            .field("extras", &self.extras)
            .finish_non_exhaustive()
    }
}

#[provider(crate = chatlas_core)]
impl chatlas_core::Provider for OpenAi {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let response = self.send(&request, false).await?;
        self.whole(response).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let response = self.send(&request, true).await?;
        let kind = content_type(&response);
        if kind.starts_with("text/event-stream") {
            let secrets = self.endpoint.secrets();
            let arriving = events(response, Decoder::default());
            Ok(CompletionStream::new(arriving.map_err(move |error| secrets.hide(error))))
        } else if kind.starts_with("application/json") {
            // A server that does not stream answers whole.
            Ok(CompletionStream::whole(self.whole(response).await?))
        } else {
            Err(malformed(&format!("an event stream was asked for, `{kind}` came")))
        }
    }
}
