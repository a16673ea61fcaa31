//! Vertex AI, with the credentials of a Google Cloud project.

use std::fmt;
use std::sync::Arc;

use chatlas_core::provider::SupportsTool;
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, Model, ProviderError, ProviderErrorKind,
    ProviderInfo, WebFetch, WebSearch,
};
use chatlas_macros::provider;
use reqwest::{Method, Response, Url};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::models::Pages;
use super::old_request as request;
use super::old_request::Extras;
use super::{Platform, counted, error, streamed, whole};
use crate::http::{BearerToken, Call, Endpoint, KeyIn, Tokens, json, settings, variable};

const PROJECT_VARIABLE: &str = "GOOGLE_CLOUD_PROJECT";
const LOCATION_VARIABLE: &str = "GOOGLE_CLOUD_LOCATION";
const DEFAULT_LOCATION: &str = "global";
const KEY_HEADER: &str = "x-goog-api-key";
/// What a token is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

pub(super) const PLATFORM: Platform = Platform {
    provider: "gcp.vertex_ai",
    title: "Vertex AI",
    tells_server_tools: false,
    reports_server_tools: false,
    blocks_domains: true,
    counts_whole_requests: false,
};

/// A Gemini model, over
/// [Vertex AI](https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference).
///
/// **Authentication.** The application default credentials: the service account whose file
/// `GOOGLE_APPLICATION_CREDENTIALS` names, the user of `gcloud auth application-default login`, or
/// the account of the machine on Google Cloud. Other tokens come from
/// [`token_provider`](Self::token_provider). The project is that of `GOOGLE_CLOUD_PROJECT` or
/// [`project`](Self::project), the location that of `GOOGLE_CLOUD_LOCATION` or
/// [`location`](Self::location), else `global`. With an [`api_key`](Self::api_key) no project is
/// needed: that is the express mode.
///
/// **What is sent**, and **how tokens are counted**: as with [`Gemini`](super::Gemini). The web
/// search can leave out domains here. A model with a `/` in its name is one of the location
/// (`endpoints/123`), or a whole resource name (`projects/…`).
///
/// ```
/// use chatlas_providers::google::Vertex;
///
/// let model = Vertex::new("gemini-3.5-flash").project("my-project").location("europe-west4");
/// ```
pub struct Vertex {
    model: Arc<str>,
    project: Option<String>,
    location: String,
    endpoint: Endpoint,
    extras: Extras,
    info: ProviderInfo,
}

impl Vertex {
    /// The model of that name, with project, location and credentials from the environment.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        let model = model.into();
        let mut info = ProviderInfo::new(PLATFORM.provider).with_model(model.clone());
        let location = variable(LOCATION_VARIABLE).unwrap_or_else(|| DEFAULT_LOCATION.to_owned());
        let mut endpoint = Endpoint::new(base_url(&location), &mut info);
        endpoint.set_tokens(default_credentials());
        let project = variable(PROJECT_VARIABLE);
        Self { model, project, location, endpoint, extras: Extras::default(), info }
    }

    settings!();

    /// Uses that project.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Uses the models at that location, `europe-west4` or `global` for example, and the server
    /// there. A [`base_url`](Self::base_url) that is set after it holds.
    #[must_use]
    pub fn location(mut self, location: impl Into<String>) -> Self {
        self.location = location.into();
        self.endpoint.set_base_url(base_url(&self.location), &mut self.info);
        self
    }

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
        let model = if self.model.contains('/') {
            self.model.to_string()
        } else {
            format!("publishers/google/models/{}", self.model)
        };
        let resource = match &self.project {
            _ if model.starts_with("projects/") => model,
            Some(project) => format!("projects/{project}/locations/{}/{model}", self.location),
            None if self.endpoint.key().is_some() => model,
            None => {
                return Err(ProviderError::new(
                    ProviderErrorKind::InvalidRequest,
                    format!(
                        "there is no project for Vertex AI: set the environment variable \
                         {PROJECT_VARIABLE}, or call `.project(...)`"
                    ),
                ));
            }
        };
        let resource = format!("{resource}:{method}");
        self.endpoint.url(&resource.split('/').collect::<Vec<_>>())
    }

    async fn send(&self, mut call: Call<'_>) -> Result<Response, ProviderError> {
        call.key = self.endpoint.key().map(|key| (KeyIn::Header(KEY_HEADER), key));
        self.endpoint.send(call, error::explain).await
    }

    /// The next page of the list of Google's models.
    async fn page(&self, token: Option<&str>) -> Result<Value, ProviderError> {
        let mut url = self.endpoint.url(&["publishers", "google", "models"])?;
        // No later version of the API has the list.
        let path = url.path().replacen("/v1/", "/v1beta1/", 1);
        url.set_path(&path);
        if let Some(token) = token {
            url.query_pairs_mut().append_pair("pageToken", token);
        }
        let page = json(self.send(Call::new(Method::GET, url)).await?).await;
        page.map_err(|error| self.endpoint.secrets().hide(error))
    }

    async fn ask(&self, request: &ChatRequest, url: Url) -> Result<Response, ProviderError> {
        let body = request::body(&PLATFORM, &self.model, &self.extras, request)?;
        self.send(Call::new(Method::POST, url).body(request::bytes(&body)?)).await
    }
}

/// Where the models of that location are.
fn base_url(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com/v1".to_owned(),
        // Of more than one region.
        "us" | "eu" => format!("https://aiplatform.{location}.rep.googleapis.com/v1"),
        region => format!("https://{region}-aiplatform.googleapis.com/v1"),
    }
}

/// The application default credentials: looked for when a token is needed.
fn default_credentials() -> Tokens {
    let found = Arc::new(OnceCell::new());
    Tokens::new(move || {
        let found = Arc::clone(&found);
        async move {
            let credentials =
                found.get_or_try_init(gcp_auth::provider).await.map_err(|e| without_token(&e))?;
            let token = credentials.token(&[SCOPE]).await.map_err(|e| without_token(&e))?;
            Ok::<_, ProviderError>(
                BearerToken::new(token.as_str()).with_expiry(token.expires_at().into()),
            )
        }
    })
}

fn without_token(error: &gcp_auth::Error) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Authentication,
        format!(
            "there is no token for Vertex AI ({error}): let GOOGLE_APPLICATION_CREDENTIALS name \
             the file of a service account, run `gcloud auth application-default login`, or call \
             `.token_provider(...)`"
        ),
    )
}

impl SupportsTool<WebSearch> for Vertex {
    fn add_server_tool(mut self, tool: WebSearch) -> Self {
        self.extras.web_search = Some(tool);
        self.info.add_server_tool("googleSearch", "web_search");
        self
    }
}

impl SupportsTool<WebFetch> for Vertex {
    fn add_server_tool(mut self, tool: WebFetch) -> Self {
        self.extras.web_fetch = Some(tool);
        self.info.add_server_tool("urlContext", "web_fetch");
        self
    }
}

impl fmt::Debug for Vertex {
    /// Of the address, host and port are shown: the rest may hold a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vertex")
            .field("info", &self.info)
            .field("project", &self.project)
            .field("location", &self.location)
            .field("endpoint", &self.endpoint)
            .field("extras", &self.extras)
            .finish_non_exhaustive()
    }
}

#[provider(crate = chatlas_core)]
impl chatlas_core::Provider for Vertex {
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
            if let Some(models) = pages.turn(&page["publisherModels"], &page)? {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(model: &Vertex) -> String {
        model.url("generateContent").unwrap().into()
    }

    #[test]
    fn each_location_and_each_kind_of_model_has_its_address() {
        let of = |model: &str, location: &str| {
            address(&Vertex::new(model).project("p").location(location))
        };
        let path = "publishers/google/models/gemini-3.5-flash:generateContent";
        for (location, host) in [
            ("global", "aiplatform.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
            ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ] {
            let expected = format!("https://{host}/v1/projects/p/locations/{location}/{path}");
            assert_eq!(of("gemini-3.5-flash", location), expected);
        }
        let root = "https://us-east1-aiplatform.googleapis.com/v1/projects";
        for (model, resource) in [
            ("endpoints/12", "p/locations/us-east1/endpoints/12"),
            ("projects/q/locations/l/endpoints/12", "q/locations/l/endpoints/12"),
            ("publishers/a/models/m", "p/locations/us-east1/publishers/a/models/m"),
        ] {
            assert_eq!(of(model, "us-east1"), format!("{root}/{resource}:generateContent"));
        }
    }

    #[test]
    fn without_a_project_a_key_is_needed() {
        let mut model = Vertex::new("gemini-3.5-flash").location("global");
        model.project = None;
        let error = model.url("generateContent").unwrap_err();
        assert!(error.message().contains("GOOGLE_CLOUD_PROJECT"), "{error}");
        let root = "https://aiplatform.googleapis.com/v1";
        assert_eq!(
            address(&model.api_key("k")),
            format!("{root}/publishers/google/models/gemini-3.5-flash:generateContent")
        );
    }
}
