//! OpenAI, over the [Responses API](https://platform.openai.com/docs/api-reference/responses).

mod error;
mod reply;
mod request;

use std::collections::VecDeque;
use std::env;
use std::fmt;
use std::sync::Arc;

use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, ProviderError, ProviderErrorKind,
    ProviderInfo,
};
use chatlas_macros::provider;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use reqwest::Url;
use serde_json::Value;
use sse_stream::SseByteStream;

use crate::http::{Http, HttpOptions, Secret, Secrets, broken_off, see_off};
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
    base_url: String,
    key: Option<Secret>,
    http: Http,
    extras: request::Extras,
    info: ProviderInfo,
}

impl OpenAi {
    /// The model of that name, with key and address from the environment.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let model = model.into();
        Self {
            info: ProviderInfo::new("openai").with_model(model.clone()),
            model,
            base_url: String::new(),
            key: set(KEY_VARIABLE).map(|key| Secret::new(key.trim())),
            http: Http::new(HttpOptions::default()),
            extras: request::Extras::default(),
        }
        .base_url(set(BASE_URL_VARIABLE).unwrap_or_else(|| DEFAULT_BASE_URL.to_owned()))
    }

    /// Uses that key. An empty one is none.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        let key = key.into();
        let key = key.trim();
        self.key = (!key.is_empty()).then(|| Secret::new(key));
        self
    }

    /// Uses the server at that address: all before `/responses`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self.info.server_address = None;
        self.info.server_port = None;
        if let Ok(url) = Url::parse(&self.base_url)
            && let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default())
        {
            self.info = self.info.with_server(host, port);
        }
        self
    }

    /// Sets timeouts, retries, headers, the HTTP client.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = Http::new(options);
        self
    }

    /// Whether each HTTP attempt has a span of its own, below the `chat` span. Off unless set.
    #[must_use]
    pub fn http_spans(mut self, on: bool) -> Self {
        let mut options = self.http.options().clone();
        options.set_spans(on);
        self.http = Http::new(options);
        self
    }

    /// Lets the model search the web, on OpenAI's servers.
    #[must_use]
    pub fn web_search(mut self) -> Self {
        self.extras.web_search = true;
        self
    }

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
        let url = self.url()?;
        if self.key.is_none() && self.info.server_address.as_deref() == Some(HOST) {
            return Err(ProviderError::new(
                ProviderErrorKind::Authentication,
                format!(
                    "there is no API key for OpenAI: set the environment variable {KEY_VARIABLE}, \
                     or call `.api_key(...)`"
                ),
            ));
        }
        let explain = |status, headers: &_, body: &str| error::explain(status, headers, body);
        self.http.post_json(&url, self.key.as_ref(), body, explain).await
    }

    /// What no error may show.
    fn secrets(&self) -> Secrets {
        self.http.secrets(self.key.as_ref())
    }

    fn url(&self) -> Result<Url, ProviderError> {
        let invalid = |why: &str| {
            ProviderError::new(
                ProviderErrorKind::InvalidRequest,
                format!("the base URL of the model server is unusable: {why}"),
            )
        };
        let mut url = Url::parse(&self.base_url).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("it must begin with `http://` or `https://`"));
        }
        if url.scheme() == "https" && !cfg!(feature = "rustls-ring") && !self.http.brings_client() {
            return Err(invalid(
                "it needs TLS, which this build is without: turn on `rustls-ring`",
            ));
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("responses");
        }
        Ok(url)
    }
}

impl fmt::Debug for OpenAi {
    /// Of the address, host and port are shown: the rest may hold a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("info", &self.info)
            .field("key", &self.key)
            .field("http", &self.http)
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
        whole(response).await.map_err(|error| self.secrets().hide(error))
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let response = self.send(&request, true).await?;
        let kind = content_type(&response);
        if kind.starts_with("text/event-stream") {
            let secrets = self.secrets();
            Ok(CompletionStream::new(arriving(response).map_err(move |error| secrets.hide(error))))
        } else if kind.starts_with("application/json") {
            // A server that does not stream answers whole.
            let completion = whole(response).await.map_err(|error| self.secrets().hide(error))?;
            Ok(CompletionStream::whole(completion))
        } else {
            Err(reply::malformed(&format!("an event stream was asked for, `{kind}` came")))
        }
    }
}

fn content_type(response: &reqwest::Response) -> String {
    let value = response.headers().get(reqwest::header::CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase()
}

async fn whole(response: reqwest::Response) -> Result<Completion, ProviderError> {
    let kind = content_type(&response);
    let body = response.bytes().await.map_err(|error| broken_off(&error))?;
    let response: Value = serde_json::from_slice(&body).map_err(|error| {
        // serde's message tells the place, never the text.
        reply::malformed(&format!("it is no JSON ({error}; content type `{kind}`)"))
    })?;
    reply::completion(&response)
}

/// The events of a reply, as they arrive.
fn arriving(
    response: reqwest::Response,
) -> impl Stream<Item = Result<CompletionEvent, ProviderError>> + Send {
    let incoming = SseByteStream::new(crate::http::body(response));
    let state = (Box::pin(incoming), Decoder::default(), VecDeque::new());
    futures_util::stream::try_unfold(state, |(mut incoming, mut decoder, mut ready)| async move {
        loop {
            if let Some(event) = ready.pop_front() {
                return Ok(Some((event, (incoming, decoder, ready))));
            }
            if decoder.is_over() {
                return Ok(None);
            }
            match incoming.next().await {
                Some(Ok(event)) => {
                    if let Some(data) = event.data {
                        ready.extend(decoder.event(&data)?);
                        if decoder.is_over() {
                            // Now: who has the last event need not ask again.
                            see_off(&mut incoming).await;
                        }
                    }
                }
                Some(Err(sse_stream::Error::Body(error))) => {
                    return Err(match error.downcast::<reqwest::Error>() {
                        Ok(error) => broken_off(&error),
                        Err(error) => reply::malformed(&error.to_string()),
                    });
                }
                Some(Err(error)) => return Err(reply::malformed(&error.to_string())),
                None => {
                    return Err(ProviderError::new(
                        ProviderErrorKind::TruncatedStream,
                        "the reply broke off before its end",
                    ));
                }
            }
        }
    })
}
