//! OpenAI's models at Azure, over both APIs.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;
use crate::http::{Api, KeyIn, KeyNeeded, variable};
use crate::openai::OpenAi;

const RESOURCE_VARIABLE: &str = "AZURE_OPENAI_ENDPOINT";
const VERSION_VARIABLE: &str = "OPENAI_API_VERSION";
/// The first version that has both APIs with all that is sent here.
const DEFAULT_VERSION: &str = "2025-03-01-preview";

/// A deployment of [Azure OpenAI](https://learn.microsoft.com/azure/ai-services/openai/reference),
/// over the Responses API. On spans it is `azure.ai.openai`.
///
/// **Authentication.** The key of `AZURE_OPENAI_API_KEY`, or tokens of Microsoft Entra:
/// [`token_provider`](Self::token_provider). The resource is that of `AZURE_OPENAI_ENDPOINT`, or of
/// [`resource`](Self::resource); the version of the API that of `OPENAI_API_VERSION`, or of
/// [`api_version`](Self::api_version), else `2025-03-01-preview`. A resource whose address ends with
/// `/openai/v1` has one version, which is not told.
///
/// **What is sent.** As [`OpenAi`]; the model is the name of the deployment.
///
/// **How tokens are counted.** As Azure tells them, which is as OpenAI does.
///
/// ```
/// use chatlas_providers::azure::AzureOpenAi;
///
/// let model = AzureOpenAi::new("my-deployment").resource("https://mine.openai.azure.com");
/// ```
#[provider(
    like = OpenAi,
    name = "azure.ai.openai",
    base_url = "https://{AZURE_OPENAI_ENDPOINT}/openai",
    api_key_env = "AZURE_OPENAI_API_KEY",
    quirks(azure)
)]
pub struct AzureOpenAi;

/// A deployment of [Azure OpenAI](https://learn.microsoft.com/azure/ai-services/openai/reference),
/// over Chat Completions. On spans it is `azure.ai.openai`.
///
/// **Authentication.** The key of `AZURE_OPENAI_API_KEY`, or tokens of Microsoft Entra:
/// [`token_provider`](Self::token_provider). The resource is that of `AZURE_OPENAI_ENDPOINT`, or of
/// [`resource`](Self::resource); the version of the API that of `OPENAI_API_VERSION`, or of
/// [`api_version`](Self::api_version), else `2025-03-01-preview`. A resource whose address ends with
/// `/openai/v1` has one version, which is not told.
///
/// **What is sent.** As [`OpenAiCompletions`]; the model is the name of the deployment, which is
/// part of the address; below `/openai/v1` it is part of the body.
///
/// **How tokens are counted.** As Azure tells them, which is as OpenAI does.
#[provider(
    like = OpenAiCompletions,
    name = "azure.ai.openai",
    base_url = "https://{AZURE_OPENAI_ENDPOINT}/openai",
    api_key_env = "AZURE_OPENAI_API_KEY",
    quirks(azure_deployments)
)]
pub struct AzureOpenAiCompletions;

/// What is the same for both APIs.
pub(crate) fn set_up(api: &mut Api) {
    api.key_in = KeyIn::Header("api-key");
    api.key_needed = KeyNeeded::Always;
    let version = variable(VERSION_VARIABLE).unwrap_or_else(|| DEFAULT_VERSION.to_owned());
    api.set_query("api-version", version);
    if let Some(resource) = variable(RESOURCE_VARIABLE) {
        api.endpoint.set_base_url(address(&resource), &mut api.info);
    }
}

/// Where the API of a resource is. Azure shows some with the path of the API that has no versions.
fn address(resource: &str) -> String {
    let resource = resource.trim_end_matches('/');
    let scheme = if resource.contains("://") { "" } else { "https://" };
    let path = if resource.ends_with("/openai/v1") { "" } else { "/openai" };
    format!("{scheme}{resource}{path}")
}

macro_rules! azure_settings {
    ($provider:ident) => {
        impl $provider {
            /// Uses that resource: its address, `https://mine.openai.azure.com` for example.
            #[must_use]
            pub fn resource(self, url: impl AsRef<str>) -> Self {
                self.base_url(address(url.as_ref()))
            }

            /// Speaks that version of the API.
            #[must_use]
            pub fn api_version(self, version: impl Into<String>) -> Self {
                self.with(|api| api.query("api-version", version))
            }

            /// Uses tokens of Microsoft Entra, as `Authorization: Bearer …`, instead of a key:
            /// `ask` is called when one is needed, and again shortly before it runs out or when it
            /// was refused. Their scope is `https://cognitiveservices.azure.com/.default`.
            #[must_use]
            pub fn token_provider<F, Fut, E>(self, ask: F) -> Self
            where
                F: Fn() -> Fut + Send + Sync + 'static,
                Fut: Future<Output = Result<crate::http::BearerToken, E>> + Send + 'static,
                E: Into<Box<dyn std::error::Error + Send + Sync>>,
            {
                self.with(|api| api.token_provider(ask))
            }
        }
    };
}

azure_settings!(AzureOpenAi);
azure_settings!(AzureOpenAiCompletions);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use chatlas_core::{ChatRequest, Provider as _, Turn};

    use super::*;
    use crate::http::HttpOptions;

    #[tokio::test]
    async fn a_resource_is_asked_in_the_version_that_its_address_tells() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let options = HttpOptions::default().with_max_retries(0).with_sender(move |request| {
            seen.lock().unwrap().push(request.url().to_string());
            std::future::ready(Err(std::io::Error::other("nobody is there")))
        });
        for resource in ["mine.example", "https://mine.example/", "https://mine.example/openai/v1/"]
        {
            let responses = AzureOpenAi::new("m").api_key("k").resource(resource);
            let completions = AzureOpenAiCompletions::new("m").api_key("k").resource(resource);
            let request = || ChatRequest::new([Turn::user("hi")]);
            let version = "2030-01-01";
            let responses = responses.api_version(version).http(options.clone());
            let completions = completions.api_version(version).http(options.clone());
            assert!(responses.chat(request()).await.is_err());
            assert!(completions.chat(request()).await.is_err());
        }
        let dated = [
            "https://mine.example/openai/responses?api-version=2030-01-01",
            "https://mine.example/openai/deployments/m/chat/completions?api-version=2030-01-01",
        ];
        let undated = [
            "https://mine.example/openai/v1/responses",
            "https://mine.example/openai/v1/chat/completions",
        ];
        assert_eq!(*asked.lock().unwrap(), [dated, dated, undated].concat());
    }
}
