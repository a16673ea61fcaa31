//! Vertex AI, with the credentials of a Google Cloud project.

use std::sync::Arc;

use chatlas_core::{ProviderError, ProviderErrorKind, WebFetch, WebSearch};
use chatlas_macros::provider;
use reqwest::Url;
use tokio::sync::OnceCell;

use super::gemini::{Gemini, Quirks, as_event_stream, method};
use crate::client::{Endpoint, Operation};
use crate::http::{BearerToken, Tokens, variable};

const PROJECT_VARIABLE: &str = "GOOGLE_CLOUD_PROJECT";
const LOCATION_VARIABLE: &str = "GOOGLE_CLOUD_LOCATION";
const DEFAULT_LOCATION: &str = "global";
/// The scope of the tokens that are requested.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A Gemini model, over
/// [Vertex AI](https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference).
///
/// **Authentication.** The application default credentials: the service account of the file that
/// `GOOGLE_APPLICATION_CREDENTIALS` names, the user of `gcloud auth application-default login`, or
/// the account of the machine on Google Cloud. Other tokens come from
/// [`with_token_provider`](Self::with_token_provider). The project is that of `GOOGLE_CLOUD_PROJECT`
/// or [`with_project`](Self::with_project), the location that of `GOOGLE_CLOUD_LOCATION` or
/// [`with_location`](Self::with_location), by default `global`. With an API key
/// ([`with_api_key`](Self::with_api_key)), no project is needed: that is the express mode.
///
/// **Requests** and **token counts** are those of [`Gemini`]. Here, the web search can exclude
/// domains. A model with a `/` in its name is a resource of the location (`endpoints/123`), or a
/// complete resource name (`projects/…`).
///
/// ```
/// use chatlas_providers::google::Vertex;
///
/// let model =
///     Vertex::new("gemini-3.5-flash").with_project("my-project").with_location("europe-west4");
/// ```
#[provider(
    like = Gemini,
    name = "gcp.vertex_ai",
    base_url = "https://aiplatform.googleapis.com/v1",
    default_model = "gemini-3.5-flash",
    tools(WebSearch, WebFetch),
    quirks = Quirks::VERTEX
)]
pub struct Vertex;

impl Quirks {
    /// Vertex AI.
    pub const VERTEX: Self = Self {
        title: "Vertex AI",
        reports_server_tools: false,
        blocks_domains: true,
        counts_whole_requests: false,
        has_resources: true,
    };
}

impl Vertex {
    /// Sets the project.
    #[must_use]
    pub fn with_project(self, project: impl Into<String>) -> Self {
        let project = project.into();
        self.with(|api| {
            api.configure(|dialect, _| {
                if let Some(resource) = &mut dialect.resource {
                    resource.project = Some(project);
                }
            })
        })
    }

    /// Sets the location of the models, such as `europe-west4` or `global`, and with it the base
    /// URL. A later [`with_base_url`](Self::with_base_url) overrides that URL.
    #[must_use]
    pub fn with_location(self, location: impl Into<String>) -> Self {
        let location = location.into();
        self.with(|api| {
            api.configure(|dialect, endpoint| {
                endpoint.set_base_url(base_url(&location));
                if let Some(resource) = &mut dialect.resource {
                    resource.location = location;
                }
            })
        })
    }

    /// Requests the thoughts of the model, as far as Google returns them.
    #[must_use]
    pub fn with_thoughts(self) -> Self {
        self.with(Gemini::with_thoughts)
    }

    /// Lets the model run code on Google's servers.
    #[must_use]
    pub fn with_code_execution(self) -> Self {
        self.with(Gemini::with_code_execution)
    }

    /// Uses tokens that expire, as `Authorization: Bearer …`, instead of the application default
    /// credentials. `fetch` is called when a token is needed, and again shortly before it expires or
    /// after it was rejected.
    #[must_use]
    pub fn with_token_provider<F, Fut, E>(self, fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<BearerToken, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.with(|api| api.with_token_provider(fetch))
    }
}

/// The project and the location that models belong to.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    project: Option<String>,
    location: String,
}

impl Resource {
    /// Reads the project and the location from environment variables, and sets the endpoint to that
    /// location and to the application default credentials.
    pub(super) fn new(endpoint: &mut Endpoint) -> Self {
        let location = variable(LOCATION_VARIABLE);
        if let Some(location) = &location {
            endpoint.set_base_url(base_url(location));
        }
        if !endpoint.has_key() {
            endpoint.set_tokens(default_credentials());
        }
        let location = location.unwrap_or_else(|| DEFAULT_LOCATION.to_owned());
        Self { project: variable(PROJECT_VARIABLE), location }
    }

    /// Returns the URL of an operation.
    pub(super) fn url(
        &self,
        endpoint: &Endpoint,
        operation: Operation,
    ) -> Result<Url, ProviderError> {
        let Some(method) = method(operation) else {
            let mut url = endpoint.url(&["publishers", "google", "models"])?;
            // Only this version of the API has the list.
            let path = url.path().replacen("/v1/", "/v1beta1/", 1);
            url.set_path(&path);
            return Ok(url);
        };
        let name = format!("{}:{method}", self.resource_name(endpoint)?);
        let url = endpoint.url(&name.split('/').collect::<Vec<_>>())?;
        Ok(as_event_stream(url, operation))
    }

    /// Returns the resource name of the model.
    fn resource_name(&self, endpoint: &Endpoint) -> Result<String, ProviderError> {
        let model = endpoint.model();
        let model = if model.contains('/') {
            model.to_owned()
        } else {
            format!("publishers/google/models/{model}")
        };
        match &self.project {
            _ if model.starts_with("projects/") => Ok(model),
            Some(project) => Ok(format!("projects/{project}/locations/{}/{model}", self.location)),
            None if endpoint.has_key() => Ok(model),
            None => Err(ProviderError::new(
                ProviderErrorKind::InvalidRequest,
                format!(
                    "missing project for Vertex AI: set the environment variable \
                     {PROJECT_VARIABLE}, or call `.with_project(...)`"
                ),
            )),
        }
    }
}

/// Returns the base URL of a location.
fn base_url(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com/v1".to_owned(),
        // A location with several regions.
        "us" | "eu" => format!("https://aiplatform.{location}.rep.googleapis.com/v1"),
        region => format!("https://{region}-aiplatform.googleapis.com/v1"),
    }
}

/// Returns the tokens of the application default credentials, which are loaded when the first token
/// is needed.
fn default_credentials() -> Tokens {
    let loaded = Arc::new(OnceCell::new());
    Tokens::new(move || {
        let loaded = Arc::clone(&loaded);
        async move {
            let credentials =
                loaded.get_or_try_init(gcp_auth::provider).await.map_err(|e| without_token(&e))?;
            let token = credentials.token(&[SCOPE]).await.map_err(|e| without_token(&e))?;
            let expiry = token.expires_at().into();
            Ok::<_, ProviderError>(BearerToken::new(token.as_str()).with_expiry(expiry))
        }
    })
}

fn without_token(error: &gcp_auth::Error) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Authentication,
        format!(
            "no token for Vertex AI ({error}): set GOOGLE_APPLICATION_CREDENTIALS to the file of a \
             service account, run `gcloud auth application-default login`, or call \
             `.with_token_provider(...)`"
        ),
    )
}
