//! The Gemini API, with a key.

use std::fmt;
use std::sync::Arc;

use chatlas_core::provider::SupportsTool;
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, Model, ProviderError, ProviderInfo, WebFetch,
    WebSearch,
};
use chatlas_macros::provider;
use reqwest::{Method, Response, Url};
use serde_json::Value;

use super::models::Pages;
use super::old_request as request;
use super::old_request::Extras;
use super::{Platform, counted, error, streamed, whole};
use crate::http::{Call, Endpoint, KeyIn, json, settings, variable, without_key};

const DEFAULT_BASE_URL: &str = "https://generativelanguage.googleapis.com/v1beta";
/// The host that takes no request without a key.
const HOST: &str = "generativelanguage.googleapis.com";
const KEY_HEADER: &str = "x-goog-api-key";
/// Where both are set, the first one holds, as with Google's own libraries.
const KEY_VARIABLES: [&str; 2] = ["GOOGLE_API_KEY", "GEMINI_API_KEY"];

pub(super) const PLATFORM: Platform = Platform {
    provider: "gcp.gemini",
    title: "the Gemini API",
    tells_server_tools: true,
    reports_server_tools: true,
    blocks_domains: false,
    counts_whole_requests: true,
};

/// A Gemini model, over the [Gemini API](https://ai.google.dev/api).
///
/// **Authentication.** The key of the environment variable `GOOGLE_API_KEY` or `GEMINI_API_KEY`, or
/// that of [`api_key`](Self::api_key). It is sent in the header `x-goog-api-key`, never in the URL.
///
/// **What is sent.** The whole conversation with each request. Thought signatures go back in the
/// places where they came, and so do the ids of calls; a call to which the API gave no id gets one
/// here, which is not sent. A schema (of a tool, or of the reply) is written in Google's own subset
/// where that can say all of it, as JSON schema elsewhere. Images and documents go inline, or by
/// their address: of an uploaded file, of a video, of a page; where the address does not tell its
/// type, [`MediaSource::File`](chatlas_core::content::MediaSource::File) does. The reasoning level is a word (`low`,
/// `medium`, `high`), or a number: a budget of tokens.
///
/// **How tokens are counted.** Input is the prompt, and what Google's own tools added to it; output
/// is the answer and the thoughts. Cached tokens are a part of the input, thoughts of the output.
///
/// ```
/// use chatlas_core::{Provider, WebSearch};
/// use chatlas_providers::google::Gemini;
///
/// let model = Gemini::new("gemini-3.5-flash").with_tool(WebSearch::new()).thoughts();
/// ```
pub struct Gemini {
    model: Arc<str>,
    endpoint: Endpoint,
    extras: Extras,
    info: ProviderInfo,
}

impl Gemini {
    /// The model of that name, with the key from the environment.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        let model = model.into();
        let mut info = ProviderInfo::new(PLATFORM.provider).with_model(model.clone());
        let mut endpoint = Endpoint::new(DEFAULT_BASE_URL, &mut info);
        let key = KEY_VARIABLES.iter().find_map(|name| variable(name));
        endpoint.set_key(&key.unwrap_or_default());
        Self { model, endpoint, extras: Extras::default(), info }
    }

    settings!();

    /// Asks for what the model thinks, as far as Google shows it.
    #[must_use]
    pub fn thoughts(mut self) -> Self {
        self.extras.thoughts = true;
        self
    }

    /// Lets the model run code on Google's servers.
    #[must_use]
    pub fn code_execution(mut self) -> Self {
        self.extras.code_execution = true;
        self.info.add_server_tool("codeExecution", "code_execution");
        self
    }

    /// The address of a method of the model.
    fn url(&self, method: &str) -> Result<Url, ProviderError> {
        let last = format!("{}:{method}", self.model);
        // A tuned model is named with its folder.
        match last.split_once('/') {
            Some((folder, last)) => self.endpoint.url(&[folder, last]),
            None => self.endpoint.url(&["models", &last]),
        }
    }

    async fn send(&self, mut call: Call<'_>) -> Result<Response, ProviderError> {
        if !self.endpoint.is_authenticated() && self.info.server_address.as_deref() == Some(HOST) {
            return Err(without_key("Google", &KEY_VARIABLES.join(" or ")));
        }
        call.key = self.endpoint.key().map(|key| (KeyIn::Header(KEY_HEADER), key));
        self.endpoint.send(call, error::explain).await
    }

    async fn ask(&self, request: &ChatRequest, url: Url) -> Result<Response, ProviderError> {
        let body = request::body(&PLATFORM, &self.model, &self.extras, request)?;
        self.send(Call::new(Method::POST, url).body(request::bytes(&body)?)).await
    }

    /// The next page of the list of models.
    async fn page(&self, token: Option<&str>) -> Result<Value, ProviderError> {
        let mut url = self.endpoint.url(&["models"])?;
        if let Some(token) = token {
            url.query_pairs_mut().append_pair("pageToken", token);
        }
        let page = json(self.send(Call::new(Method::GET, url)).await?).await;
        page.map_err(|error| self.endpoint.secrets().hide(error))
    }
}

impl SupportsTool<WebSearch> for Gemini {
    fn add_server_tool(mut self, tool: WebSearch) -> Self {
        self.extras.web_search = Some(tool);
        self.info.add_server_tool("googleSearch", "web_search");
        self
    }
}

impl SupportsTool<WebFetch> for Gemini {
    fn add_server_tool(mut self, tool: WebFetch) -> Self {
        self.extras.web_fetch = Some(tool);
        self.info.add_server_tool("urlContext", "web_fetch");
        self
    }
}

impl fmt::Debug for Gemini {
    /// Of the address, host and port are shown: the rest may hold a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gemini")
            .field("info", &self.info)
            .field("endpoint", &self.endpoint)
            .field("extras", &self.extras)
            .finish_non_exhaustive()
    }
}

#[provider(crate = chatlas_core)]
impl chatlas_core::Provider for Gemini {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let response = self.ask(&request, self.url("generateContent")?).await?;
        whole(&PLATFORM, response, &self.endpoint.secrets()).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let mut url = self.url("streamGenerateContent")?;
        url.query_pairs_mut().append_pair("alt", "sse");
        let response = self.ask(&request, url).await?;
        streamed(&PLATFORM, response, self.endpoint.secrets()).await
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        let mut pages = Pages::default();
        loop {
            let page = self.page(pages.token()).await?;
            if let Some(models) = pages.turn(&page["models"], &page)? {
                return Ok(models);
            }
        }
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        let body = request::body(&PLATFORM, &self.model, &self.extras, &request)?;
        let body = request::count_body(&PLATFORM, &self.model, body);
        let call = Call::new(Method::POST, self.url("countTokens")?).body(request::bytes(&body)?);
        counted(self.send(call).await?, &self.endpoint.secrets()).await
    }
}
