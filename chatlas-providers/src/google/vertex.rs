//! Vertex AI, with the credentials of a Google Cloud project.

use std::error::Error;

use chatlas_core::{WebFetch, WebSearch};
use chatlas_macros::provider;

use super::gemini::Gemini;
use super::quirks::Quirks;
use super::resource::base_url;
use crate::http::BearerToken;

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
/// **Embeddings.** Text embedding models accept 250 inputs and 20,000 tokens in one request; Gemini
/// models accept one input.
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
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.with(|api| api.with_token_provider(fetch))
    }
}
