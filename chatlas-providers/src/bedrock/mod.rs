//! AWS Bedrock: Claude over
//! [`InvokeModel`](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html),
//! and any model over
//! [`Converse`](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).

#[cfg(feature = "bedrock-aws-config")]
mod chain;
mod converse;
mod credentials;
mod embeddings;
mod error;
mod models;
mod reply;
mod signature;

use std::sync::Arc;

pub use aws_credential_types::Credentials;
pub use aws_credential_types::credential_fn::provide_credentials_fn;
pub use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::content::Content;
use chatlas_core::provider::{Embeddings, Vendor};
use chatlas_core::telemetry::names;
use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, ProviderError};
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::anthropic::blocks;
use crate::anthropic::request::{self, Service};
use crate::anthropic::settings::{Caching, ClaudeDialect, Settings};
use crate::client::fields;
use crate::client::{
    AwsEventStream, Call, Client, Dialect, EmbeddingCall, EmbeddingLimits, Endpoint, KeyNeeded,
    Operation, Page, ReplyHead, Rules, malformed, set_header,
};
use credentials::{Account, without_region};
use embeddings::Family;
use reply::Decoder;

/// The service that runs models. The service that lists them has the same name without the suffix.
const RUNTIME: &str = "bedrock-runtime";
/// The version of the Messages API on Bedrock.
const ANTHROPIC_VERSION: &str = "bedrock-2023-05-31";
/// The headers that may contain the id of a request, as AWS or a gateway sends it.
const REQUEST_ID_HEADERS: &[&str] = &["x-amzn-requestid", "x-request-id"];

/// AWS Bedrock. The base URL depends on the region.
pub static BEDROCK: Vendor = Vendor::new("aws.bedrock", "")
    .with_api_key_env("AWS_BEARER_TOKEN_BEDROCK")
    .with_default_model("us.anthropic.claude-sonnet-5");

/// An API of Bedrock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BedrockApi {
    /// Claude, with all features of Anthropic's Messages API.
    InvokeModel,
    /// Any model, in one form for all of them.
    Converse,
}

/// A guardrail of the account.
#[derive(Clone, Debug, Serialize)]
struct Guardrail {
    #[serde(rename = "guardrailIdentifier")]
    id: String,
    #[serde(rename = "guardrailVersion")]
    version: String,
}

/// A model on AWS Bedrock.
///
/// **Authentication.** A Bedrock API key: the one in the environment variable
/// `AWS_BEARER_TOKEN_BEDROCK`, or that of [`with_api_key`](Client::with_api_key). Without a key,
/// each request is signed with AWS credentials: those of
/// [`with_credentials_provider`](Client::with_credentials_provider), otherwise those of
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, otherwise the keys of the
/// profile (`AWS_PROFILE`, or [`with_profile`](Client::with_profile)) in the shared files. With the
/// feature `bedrock-aws-config`, the remaining sources of the AWS SDK (single sign-on, roles, web
/// identity, the metadata of a container or a machine) follow, by its crate `aws-config`.
///
/// **Region.** The one of [`with_region`](Client::with_region), otherwise `AWS_REGION`,
/// `AWS_DEFAULT_REGION`, the region of the profile, or the region in the ARN of the model. There is
/// no default: a request without a region is an error.
///
/// **Requests.** Claude is called by `InvokeModel`, in the form of Anthropic's Messages API, and
/// every other model by `Converse`; [`with_api`](Client::with_api) overrides the choice. Thinking is
/// sent back with its signature, unchanged, to the API that returned it. Structured output is
/// returned by a tool call. Prompts are cached only if [`with_caching`](Client::with_caching)
/// enables it. A parameter that the API or the model does not support is an error.
///
/// **Token counts.** AWS reports the tokens that are read from or written to the cache apart from
/// the other input tokens: the input is the sum of the three. For `Converse`, which returns neither,
/// the id of the response on spans is the id of the request, and its model is the requested one.
///
/// **Embeddings.** Titan and Nova embed one input in each request, Cohere at most 96. Without a kind,
/// inputs are documents for Cohere and Nova, which require one.
///
/// ```
/// use chatlas_providers::bedrock::{Bedrock, BedrockApi};
///
/// let claude =
///     Bedrock::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0").with_region("us-east-1");
/// let nova = Bedrock::new("amazon.nova-lite-v1:0")
///     .with_region("eu-west-1")
///     .with_guardrail("gr-1", "1");
/// let by_converse = claude.with_api(BedrockApi::Converse).with_thinking_budget(2048);
/// ```
pub type Bedrock = Client<BedrockDialect>;

/// The APIs of Bedrock.
#[derive(Clone, Debug)]
pub struct BedrockDialect {
    /// The API that is set; otherwise the model decides.
    chosen_api: Option<BedrockApi>,
    /// The API of the current model.
    api: BedrockApi,
    account: Account,
    guardrail: Option<Guardrail>,
    settings: Settings,
}

impl BedrockDialect {
    /// Sets what depends on the model and on the region: the API, and the server of the region
    /// unless the base URL is another one.
    fn update(&mut self, endpoint: &mut Endpoint) {
        let model = endpoint.model();
        self.api = self.chosen_api.unwrap_or(if model.contains("anthropic.claude") {
            BedrockApi::InvokeModel
        } else {
            BedrockApi::Converse
        });
        let of_aws = |host: &str| host.starts_with(RUNTIME) && host.contains(".amazonaws.com");
        let address = endpoint.info().server_address.as_deref();
        if let Some(region) = self.account.region(model)
            && address.is_none_or(of_aws)
        {
            let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
            let url = format!("https://{RUNTIME}.{region}.amazonaws.com{suffix}");
            endpoint.set_base_url(url);
        }
    }
}

impl Dialect for BedrockDialect {
    const VENDOR: &'static Vendor = &BEDROCK;
    const BASE_URL_ENV: Option<&'static str> = Some("AWS_ENDPOINT_URL_BEDROCK_RUNTIME");
    const REQUEST_ID_HEADERS: &'static [&'static str] = REQUEST_ID_HEADERS;

    type Quirks = ();
    type Decoder = Decoder;
    type Framing = AwsEventStream;

    fn new((): (), endpoint: &mut Endpoint) -> Self {
        endpoint.set_key_needed(KeyNeeded::Never);
        let mut dialect = Self {
            chosen_api: None,
            api: BedrockApi::Converse,
            account: Account::from_env(),
            guardrail: None,
            settings: Settings { caching: Caching::Off, ..Settings::default() },
        };
        dialect.update(endpoint);
        dialect
    }

    fn model_changed(&mut self, endpoint: &mut Endpoint) {
        self.update(endpoint);
    }

    fn url(&self, endpoint: &Endpoint, operation: Operation) -> Result<Url, ProviderError> {
        let model = endpoint.model();
        if endpoint.info().server_address.is_none() && self.account.region(model).is_none() {
            return Err(without_region());
        }
        let operation = match (operation, self.api) {
            (Operation::Embed, _) if Family::of(model).is_none() => {
                return Err(embeddings::unsupported(model));
            }
            (Operation::Chat, BedrockApi::InvokeModel) | (Operation::Embed, _) => "invoke",
            (Operation::Chat, BedrockApi::Converse) => "converse",
            (Operation::Stream, BedrockApi::InvokeModel) => "invoke-with-response-stream",
            (Operation::Stream, BedrockApi::Converse) => "converse-stream",
            (Operation::Count, _) => "count-tokens",
            (Operation::Models, _) => {
                let mut url = endpoint.url(&["foundation-models"])?;
                let host = url.host_str().and_then(|host| host.strip_prefix(RUNTIME));
                if let Some(host) = host.map(|rest| format!("bedrock{rest}")) {
                    url.set_host(Some(&host)).map_err(|_| malformed("the base URL has no host"))?;
                }
                return Ok(url);
            }
        };
        endpoint.url(&["model", model, operation])
    }

    fn headers(
        &self,
        operation: Operation,
        _: Option<&ChatRequest>,
        headers: &mut HeaderMap,
    ) -> Result<(), ProviderError> {
        if self.api == BedrockApi::InvokeModel
            && matches!(operation, Operation::Chat | Operation::Stream)
            && let Some(guardrail) = &self.guardrail
        {
            set_header(headers, "x-amzn-bedrock-guardrailidentifier", &guardrail.id)?;
            set_header(headers, "x-amzn-bedrock-guardrailversion", &guardrail.version)?;
        }
        Ok(())
    }

    async fn signer(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<Arc<dyn crate::client::Signer>>, ProviderError> {
        let region = self.account.region(endpoint.model()).ok_or_else(without_region)?;
        let credentials = self.account.credentials(Some(region)).await?;
        let cache = self.account.cache();
        Ok(Some(Arc::new(signature::Signer { region: region.to_owned(), credentials, cache })))
    }

    fn tools(
        &self,
        _: &str,
        tools: &[ToolDefinition],
    ) -> Result<Vec<Box<RawValue>>, ProviderError> {
        match self.api {
            BedrockApi::InvokeModel => request::tools(tools),
            BedrockApi::Converse => converse::request::tools(tools),
        }
    }

    fn rules(&self, _: &Call<'_>) -> Rules {
        request::RULES
    }

    fn is_message(&self, call: &Call<'_>, content: &Content) -> bool {
        match self.api {
            BedrockApi::InvokeModel => request::is_message(call, content),
            BedrockApi::Converse => converse::blocks::is_message(call, content),
        }
    }

    fn check_media(&self, _: &Call<'_>, content: &Content) -> Result<(), ProviderError> {
        match self.api {
            BedrockApi::InvokeModel => blocks::check_media(content),
            BedrockApi::Converse => converse::blocks::check_media(content),
        }
    }

    fn write(&self, call: &Call<'_>, body: &mut Vec<u8>) -> Result<(), ProviderError> {
        let is_count = call.operation == Operation::Count;
        match self.api {
            BedrockApi::InvokeModel if is_count => {
                let mut counted = Vec::new();
                self.write_invoke(call, &mut counted)?;
                let encoded = Base64Display::new(&counted, &STANDARD).to_string();
                let input = json!({"input": {"invokeModel": {"body": encoded}}});
                body.extend_from_slice(input.to_string().as_bytes());
                Ok(())
            }
            BedrockApi::InvokeModel => self.write_invoke(call, body),
            BedrockApi::Converse => {
                let guardrail = self.guardrail.as_ref();
                let request = converse::request::Body::new(&self.settings, guardrail, call)?;
                if is_count {
                    fields::write(body, &request.counted())
                } else {
                    fields::write(body, &request)
                }
            }
        }
    }

    fn decoder(&self, head: &ReplyHead<'_>, _: Option<&ChatRequest>) -> Decoder {
        Decoder::new(self.api, head)
    }

    fn error(&self, head: &ReplyHead<'_>, body: &str) -> ProviderError {
        error::of_status(head, body)
    }

    fn models(&self, body: &[u8]) -> Result<Page, ProviderError> {
        models::page(body)
    }

    fn count(&self, body: &[u8]) -> Result<u64, ProviderError> {
        request::count(body, "inputTokens")
    }

    fn embedding_limits(&self, endpoint: &Endpoint) -> EmbeddingLimits {
        Family::of(endpoint.model()).map_or(EmbeddingLimits::new(1), Family::limits)
    }

    fn write_embeddings(
        &self,
        call: &EmbeddingCall<'_>,
        body: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        let family = Family::of(call.model).ok_or_else(|| embeddings::unsupported(call.model))?;
        family.write(call, body)
    }

    fn embeddings(&self, head: &ReplyHead<'_>, body: &[u8]) -> Result<Embeddings, ProviderError> {
        let family = Family::of(head.model).ok_or_else(|| embeddings::unsupported(head.model))?;
        family.read(head, body)
    }
}

impl BedrockDialect {
    /// Writes a request of the Messages API. The model and the kind of reply are part of the URL.
    fn write_invoke(&self, call: &Call<'_>, body: &mut Vec<u8>) -> Result<(), ProviderError> {
        let service = Service {
            api: "Claude on Bedrock",
            // All of its models return structured output by a tool call.
            has_output_format: false,
        };
        let betas = &self.settings.betas;
        let version = ("anthropic_version", Some(ANTHROPIC_VERSION.into()));
        let betas = ("anthropic_beta", (!betas.is_empty()).then(|| json!(betas)));
        let request = request::Body::new(service, &self.settings, call, vec![version, betas])?;
        fields::write(body, &request)
    }
}

impl ClaudeDialect for BedrockDialect {
    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

impl Bedrock {
    /// Sets the region.
    #[must_use]
    pub fn with_region(self, region: impl Into<String>) -> Self {
        let region = region.into();
        self.configure(|dialect, endpoint| {
            dialect.account.set_region(region);
            dialect.update(endpoint);
        })
    }

    /// Uses the keys of that profile, and its region unless an environment variable sets one.
    #[must_use]
    pub fn with_profile(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.configure(|dialect, endpoint| {
            dialect.account.set_profile(name);
            endpoint.set_key("");
            dialect.update(endpoint);
        })
    }

    /// Signs requests with the credentials of a provider: [`Credentials`] themselves, a closure
    /// ([`provide_credentials_fn`]), or a provider of the AWS SDK. It is called before each request,
    /// unless the last credentials have an end that is not near.
    ///
    /// ```
    /// use chatlas_providers::bedrock::{Bedrock, Credentials, provide_credentials_fn};
    ///
    /// # async fn read_from_vault() -> (String, String) { Default::default() }
    /// let keys = provide_credentials_fn(|| async {
    ///     let (id, secret) = read_from_vault().await;
    ///     Ok(Credentials::new(id, secret, None, None, "vault"))
    /// });
    /// let model = Bedrock::new("amazon.nova-lite-v1:0")
    ///     .with_region("us-east-1")
    ///     .with_credentials_provider(keys);
    /// ```
    #[must_use]
    pub fn with_credentials_provider(self, provider: impl ProvideCredentials + 'static) -> Self {
        self.configure(|dialect, endpoint| {
            dialect.account.set_provider(provider);
            endpoint.set_key("");
        })
    }

    /// Sets the API. By default, Claude is called by `InvokeModel`, and other models by `Converse`.
    #[must_use]
    pub fn with_api(self, api: BedrockApi) -> Self {
        self.configure(|dialect, endpoint| {
            dialect.chosen_api = Some(api);
            dialect.update(endpoint);
        })
    }

    /// Sets a guardrail that checks requests and replies: its id, and its version (`DRAFT` for the
    /// draft).
    #[must_use]
    pub fn with_guardrail(self, id: impl Into<String>, version: impl Into<String>) -> Self {
        let guardrail = Guardrail { id: id.into(), version: version.into() };
        self.configure(|dialect, endpoint| {
            endpoint.set_attribute(names::aws::BEDROCK_GUARDRAIL_ID, guardrail.id.clone());
            dialect.guardrail = Some(guardrail);
        })
    }
}
