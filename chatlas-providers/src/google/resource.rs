//! The resources of Vertex AI: models of a project at a location, and the credentials for them.

use std::sync::Arc;

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::Url;
use tokio::sync::OnceCell;

use super::embeddings::Method;
use super::operation::{as_event_stream, method};
use crate::client::{Endpoint, Operation};
use crate::http::{BearerToken, Tokens, variable};

const PROJECT_VARIABLE: &str = "GOOGLE_CLOUD_PROJECT";
const LOCATION_VARIABLE: &str = "GOOGLE_CLOUD_LOCATION";
const DEFAULT_LOCATION: &str = "global";
/// The scope of the tokens that are requested.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The project and the location that models belong to.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) project: Option<String>,
    pub(super) location: String,
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
        let Some(method) = method(operation, Method::of(endpoint.model(), true)) else {
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
pub(super) fn base_url(location: &str) -> String {
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
