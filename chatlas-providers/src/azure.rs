//! OpenAI's models at Azure, over both APIs.

use std::error::Error;

use chatlas_macros::provider;

use crate::client::{Endpoint, KeyIn, KeyNeeded};
use crate::completions::{self, OpenAiCompletions};
use crate::http::{BearerToken, variable};
use crate::openai::{self, OpenAi};

const RESOURCE_VARIABLE: &str = "AZURE_OPENAI_ENDPOINT";
const VERSION_VARIABLE: &str = "OPENAI_API_VERSION";
/// The first version that has all features of both APIs that are used here.
const DEFAULT_VERSION: &str = "2025-03-01-preview";

/// A deployment of [Azure OpenAI](https://learn.microsoft.com/azure/ai-services/openai/reference),
/// over the Responses API. On spans, its provider is `azure.ai.openai`.
///
/// **Authentication.** The key of `AZURE_OPENAI_API_KEY`, or tokens of Microsoft Entra:
/// [`with_token_provider`](Self::with_token_provider). The resource is that of
/// `AZURE_OPENAI_ENDPOINT`, or of [`with_resource`](Self::with_resource). The version of the API is
/// that of `OPENAI_API_VERSION`, or of [`with_api_version`](Self::with_api_version), by default
/// `2025-03-01-preview`. It is not sent to a resource whose URL ends with `/openai/v1`, which has
/// one version.
///
/// **Requests** are those of [`OpenAi`]; the model is the name of the deployment.
///
/// **Token counts** are those of [`OpenAi`].
///
/// ```
/// use chatlas_providers::azure::AzureOpenAi;
///
/// let model = AzureOpenAi::new("my-deployment").with_resource("https://mine.openai.azure.com");
/// ```
#[provider(
    like = OpenAi,
    name = "azure.ai.openai",
    base_url = "https://{AZURE_OPENAI_ENDPOINT}/openai",
    api_key_env = "AZURE_OPENAI_API_KEY",
    quirks = openai::Quirks::from_set_up(set_up)
)]
pub struct AzureOpenAi;

/// A deployment of [Azure OpenAI](https://learn.microsoft.com/azure/ai-services/openai/reference),
/// over Chat Completions. On spans, its provider is `azure.ai.openai`.
///
/// **Authentication.** The key of `AZURE_OPENAI_API_KEY`, or tokens of Microsoft Entra:
/// [`with_token_provider`](Self::with_token_provider). The resource is that of
/// `AZURE_OPENAI_ENDPOINT`, or of [`with_resource`](Self::with_resource). The version of the API is
/// that of `OPENAI_API_VERSION`, or of [`with_api_version`](Self::with_api_version), by default
/// `2025-03-01-preview`. It is not sent to a resource whose URL ends with `/openai/v1`, which has
/// one version.
///
/// **Requests** are those of [`OpenAiCompletions`]. The model is the name of the deployment, which
/// is a part of the URL; below `/openai/v1`, it is a part of the body.
///
/// **Token counts** are those of [`OpenAiCompletions`].
#[provider(
    like = OpenAiCompletions,
    name = "azure.ai.openai",
    base_url = "https://{AZURE_OPENAI_ENDPOINT}/openai",
    api_key_env = "AZURE_OPENAI_API_KEY",
    quirks = completions::Quirks::new().with_deployments(true).with_set_up(set_up)
)]
pub struct AzureOpenAiCompletions;

/// Sets up the endpoint of a resource, for both APIs.
fn set_up(endpoint: &mut Endpoint) {
    endpoint.set_key_in(KeyIn::Header("api-key"));
    endpoint.set_key_needed(KeyNeeded::Always);
    let version = variable(VERSION_VARIABLE).unwrap_or_else(|| DEFAULT_VERSION.to_owned());
    endpoint.set_query("api-version", version);
    if let Some(resource) = variable(RESOURCE_VARIABLE) {
        endpoint.set_base_url(base_url(&resource));
    }
}

/// Returns the base URL of a resource. Azure shows some resources with the path of the API that has
/// one version.
fn base_url(resource: &str) -> String {
    let resource = resource.trim_end_matches('/');
    let scheme = if resource.contains("://") { "" } else { "https://" };
    let path = if resource.ends_with("/openai/v1") { "" } else { "/openai" };
    format!("{scheme}{resource}{path}")
}

macro_rules! azure_settings {
    ($provider:ident) => {
        impl $provider {
            /// Sets the resource: its URL, such as `https://mine.openai.azure.com`.
            #[must_use]
            pub fn with_resource(self, url: impl AsRef<str>) -> Self {
                self.with_base_url(base_url(url.as_ref()))
            }

            /// Sets the version of the API.
            #[must_use]
            pub fn with_api_version(self, version: impl Into<String>) -> Self {
                let version = version.into();
                self.with(|api| {
                    api.configure(|_, endpoint| endpoint.set_query("api-version", version))
                })
            }

            /// Uses tokens of Microsoft Entra, as `Authorization: Bearer …`, instead of a key.
            /// `fetch` is called when a token is needed, and again shortly before it expires or
            /// after it was rejected. The scope of the tokens is
            /// `https://cognitiveservices.azure.com/.default`.
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
    };
}

azure_settings!(AzureOpenAi);
azure_settings!(AzureOpenAiCompletions);
