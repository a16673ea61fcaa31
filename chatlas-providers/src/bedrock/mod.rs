//! AWS Bedrock: Claude over
//! [`InvokeModel`](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html),
//! and any model over
//! [`Converse`](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).

mod aws;
#[cfg(feature = "bedrock-aws-config")]
mod chain;
mod converse;
mod error;
mod frames;
mod invoke;
mod models;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub use aws_credential_types::Credentials;
pub use aws_credential_types::credential_fn::provide_credentials_fn;
pub use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::{ChatRequest, Completion, CompletionStream, Model, ProviderError, ProviderInfo};
use chatlas_macros::provider;
use futures_util::TryStreamExt as _;
use reqwest::header::HeaderMap;
use reqwest::{Method, Request, Response, Url};
use serde_json::{Value, json};

use crate::anthropic::error::with_id;
use crate::anthropic::request::{self, Options};
use crate::anthropic::{Caching, claude_settings, message};
use crate::http::{
    Call, Endpoint, KeyIn, Secrets, content_type, json, malformed, settings, variable,
};
use aws::Aws;
use converse::reply::Known;

const PROVIDER: &str = "aws.bedrock";
const TOKEN_VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
const BASE_URL_VARIABLE: &str = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME";
/// The service that models are asked at; the one that lists them is the same without the end.
const RUNTIME: &str = "bedrock-runtime";

/// By which of its APIs Bedrock is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BedrockApi {
    /// Claude in its own words: all that Anthropic's Messages API has.
    InvokeModel,
    /// Any model, in the same words.
    Converse,
}

/// A filter of the account's own.
#[derive(Clone, Debug)]
struct Guardrail {
    id: String,
    version: String,
}

/// A model on AWS Bedrock.
///
/// **Authentication.** A Bedrock API key: that of the environment variable
/// `AWS_BEARER_TOKEN_BEDROCK`, or of [`api_key`](Self::api_key). Else each request is signed with
/// AWS credentials: those of [`credentials_provider`](Self::credentials_provider), else those of
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, else the keys of the
/// profile (`AWS_PROFILE`, or [`profile`](Self::profile)) in the shared files. What else the AWS
/// SDK knows (single sign-on, roles, web identity, the metadata of a container or a machine) is
/// looked for after that, with the feature `bedrock-aws-config`, by its own crate `aws-config`.
///
/// **The region** is that of [`region`](Self::region), else of `AWS_REGION`,
/// `AWS_DEFAULT_REGION`, or the profile, else that which the ARN of the model names. There is no
/// default: without one a request is an error.
///
/// **What is sent.** Claude is asked by `InvokeModel`, in the words of Anthropic's Messages API,
/// and every other model by `Converse`; [`api`](Self::api) chooses otherwise. Thoughts go back
/// with their signatures as they came, to the API that they came by. A schema for the output is
/// asked for by a tool. Prompts are cached only where [`caching`](Self::caching) says so. A
/// parameter that an API or a model has no word for is an error.
///
/// **How tokens are counted.** AWS tells those that no cache had to do with apart from those read
/// from and written to one: input is the sum of the three. The response's id on spans is that of
/// the request where the API has none (`Converse`), and its model the one that was asked for.
///
/// ```
/// use chatlas_providers::bedrock::{Bedrock, BedrockApi};
///
/// let claude = Bedrock::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0").region("us-east-1");
/// let nova = Bedrock::new("amazon.nova-lite-v1:0").region("eu-west-1").guardrail("gr-1", "1");
/// let same = claude.api(BedrockApi::Converse).thinking_budget(2048);
/// ```
pub struct Bedrock {
    model: Arc<str>,
    api: BedrockApi,
    endpoint: Endpoint,
    aws: Aws,
    guardrail: Option<Guardrail>,
    options: Options,
    info: ProviderInfo,
}

impl Bedrock {
    /// The model of that id (or inference profile, or ARN), with region and credentials from the
    /// environment.
    pub fn new(model: impl Into<Arc<str>>) -> Self {
        let model = model.into();
        let mut info = ProviderInfo::new(PROVIDER).with_model(model.clone());
        let aws = Aws::from_env(&model);
        let of_region = || aws.region.as_deref().map(runtime);
        let url = variable(BASE_URL_VARIABLE).or_else(of_region).unwrap_or_default();
        let mut endpoint = Endpoint::new(url, &mut info);
        endpoint.set_key(&variable(TOKEN_VARIABLE).unwrap_or_default());
        let api = if model.contains("anthropic.claude") {
            BedrockApi::InvokeModel
        } else {
            BedrockApi::Converse
        };
        let options = Options { caching: Caching::Off, ..Options::default() };
        Self { model, api, endpoint, aws, guardrail: None, options, info }
    }

    settings!();

    claude_settings!();

    /// Goes to that region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.aws.region = Some(region.into());
        self.follow_region();
        self
    }

    /// Takes the keys of that profile, and its region unless the environment has one.
    #[must_use]
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.aws.set_profile(name.into());
        self.endpoint.set_key("");
        self.follow_region();
        self
    }

    /// Signs with the credentials of that provider: [`Credentials`] themselves, a closure
    /// ([`provide_credentials_fn`]), or a provider of the AWS SDK. It is asked before each request, unless the last credentials tell how long they hold
    /// and still do.
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
    ///     .region("us-east-1")
    ///     .credentials_provider(keys);
    /// ```
    #[must_use]
    pub fn credentials_provider(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.aws.set_provider(provider);
        self.endpoint.set_key("");
        self
    }

    /// Asks by that API.
    #[must_use]
    pub fn api(mut self, api: BedrockApi) -> Self {
        self.api = api;
        self
    }

    /// Has that guardrail look at what is said: its id, and its version (`DRAFT` for the draft).
    #[must_use]
    pub fn guardrail(mut self, id: impl Into<String>, version: impl Into<String>) -> Self {
        let id = id.into();
        self.info = self.info.with_attribute("aws.bedrock.guardrail.id", id.clone());
        self.guardrail = Some(Guardrail { id, version: version.into() });
        self
    }

    /// Uses a feature of Anthropic's that is not yet for all: a name for `anthropic_beta`.
    #[must_use]
    pub fn beta(mut self, name: impl Into<String>) -> Self {
        self.options.betas.push(name.into());
        self
    }

    /// Goes to the server of the region, unless it goes to another one already.
    fn follow_region(&mut self) {
        let own = |host: &str| host.starts_with(RUNTIME) && host.contains(".amazonaws.com");
        if let Some(region) = &self.aws.region
            && self.info.server_address.as_deref().is_none_or(own)
        {
            self.endpoint.set_base_url(runtime(region), &mut self.info);
        }
    }

    /// The address of an operation on the model.
    fn url(&self, operation: &str) -> Result<Url, ProviderError> {
        if self.info.server_address.is_none() && self.aws.region.is_none() {
            return Err(aws::without_region());
        }
        self.endpoint.url(&["model", &self.model, operation])
    }

    /// The answer, and what no error may show.
    async fn send(&self, mut call: Call<'_>) -> Result<(Response, Secrets), ProviderError> {
        if self.endpoint.is_authenticated() {
            call.key = self.endpoint.key().map(|key| (KeyIn::Bearer, key));
            let response = self.endpoint.send(call, error::explain).await?;
            return Ok((response, self.endpoint.secrets()));
        }
        let region = self.aws.region.as_deref().ok_or_else(aws::without_region)?;
        let credentials = self.aws.credentials().await?;
        let keys = [credentials.access_key_id(), credentials.secret_access_key()];
        let secrets =
            self.endpoint.secrets().and(keys.into_iter().chain(credentials.session_token()));
        let sign =
            |request: &mut Request| aws::signed(request, region, &credentials, SystemTime::now());
        call.sign = Some(&sign);
        // AWS quotes them where a signature is wrong.
        let explain = |status: u16, headers: &HeaderMap, body: &str| {
            error::explain(status, headers, &secrets.hide_in_body(body))
        };
        match self.endpoint.send(call, explain).await {
            Ok(response) => Ok((response, secrets)),
            Err(error) => {
                if error.code() == Some("ExpiredTokenException") {
                    self.aws.forget();
                }
                Err(secrets.hide(error))
            }
        }
    }

    async fn ask(
        &self,
        request: &ChatRequest,
        stream: bool,
    ) -> Result<(Response, Secrets), ProviderError> {
        let (operation, body) = match (self.api, stream) {
            (BedrockApi::InvokeModel, false) => ("invoke", self.invoke_body(request)?),
            (BedrockApi::InvokeModel, true) => {
                ("invoke-with-response-stream", self.invoke_body(request)?)
            }
            (BedrockApi::Converse, false) => ("converse", self.converse_body(request)?),
            (BedrockApi::Converse, true) => ("converse-stream", self.converse_body(request)?),
        };
        let mut call = Call::new(Method::POST, self.url(operation)?).body(request::bytes(&body)?);
        if self.api == BedrockApi::InvokeModel
            && let Some(guardrail) = &self.guardrail
        {
            call = call
                .secret_header("x-amzn-bedrock-guardrailidentifier", &guardrail.id)?
                .secret_header("x-amzn-bedrock-guardrailversion", &guardrail.version)?;
        }
        self.send(call).await
    }

    fn invoke_body(&self, request: &ChatRequest) -> Result<Body, ProviderError> {
        invoke::body(&self.options, request)
    }

    fn converse_body(&self, request: &ChatRequest) -> Result<Body, ProviderError> {
        let guardrail = self.guardrail.as_ref();
        converse::request::body(&self.model, &self.options, guardrail, request)
    }

    fn known(&self, response: &Response) -> Known {
        let id = error::request_id(response.headers()).map(str::to_owned);
        Known { id, model: self.model.clone() }
    }

    /// A reply that came as one piece.
    async fn whole(
        &self,
        response: Response,
        secrets: &Secrets,
    ) -> Result<Completion, ProviderError> {
        let known = self.known(&response);
        let completion = json(response).await.and_then(|told| match self.api {
            BedrockApi::InvokeModel => {
                let mut completion = message::completion(PROVIDER, &told)?;
                completion.model.get_or_insert_with(|| known.model.to_string());
                completion.response_id = completion.response_id.or_else(|| known.id.clone());
                Ok(completion)
            }
            BedrockApi::Converse => converse::reply::completion(&known, &told),
        });
        completion.map_err(|error| secrets.hide(with_id(error, known.id.as_deref())))
    }

    /// The events of a reply as it arrives.
    fn stream<D: frames::Decode>(
        &self,
        response: Response,
        secrets: Secrets,
        decoder: D,
    ) -> CompletionStream {
        let id = self.known(&response).id;
        let arriving = frames::events(response, decoder);
        CompletionStream::new(
            arriving.map_err(move |error| secrets.hide(with_id(error, id.as_deref()))),
        )
    }
}

type Body = serde_json::Map<String, Value>;

/// The server of a region.
fn runtime(region: &str) -> String {
    let end = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{RUNTIME}.{region}.amazonaws.com{end}")
}

impl fmt::Debug for Bedrock {
    /// Of the address, host and port are shown: the rest may hold a password or a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bedrock")
            .field("info", &self.info)
            .field("api", &self.api)
            .field("endpoint", &self.endpoint)
            .field("aws", &self.aws)
            .field("guardrail", &self.guardrail)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[provider(crate = chatlas_core)]
impl chatlas_core::Provider for Bedrock {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let (response, secrets) = self.ask(&request, false).await?;
        self.whole(response, &secrets).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let (response, secrets) = self.ask(&request, true).await?;
        let kind = content_type(&response);
        if kind.starts_with(frames::CONTENT_TYPE) {
            Ok(match self.api {
                BedrockApi::InvokeModel => {
                    self.stream(response, secrets, invoke::Chunks::default())
                }
                BedrockApi::Converse => {
                    let known = self.known(&response);
                    self.stream(response, secrets, converse::reply::Decoder::new(known))
                }
            })
        } else if kind.starts_with("application/json") {
            // A server that does not stream answers whole.
            Ok(CompletionStream::from_completion(self.whole(response, &secrets).await?))
        } else {
            Err(malformed(&format!("an event stream was asked for, `{kind}` came")))
        }
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        if self.info.server_address.is_none() && self.aws.region.is_none() {
            return Err(aws::without_region());
        }
        let mut url = self.endpoint.url(&["foundation-models"])?;
        // AWS has them at another host than the models themselves.
        let host = url.host_str().and_then(|host| host.strip_prefix(RUNTIME));
        if let Some(host) = host.map(|rest| format!("bedrock{rest}")) {
            url.set_host(Some(&host)).map_err(|_| malformed("the base URL has no host"))?;
        }
        let (response, _) = self.send(Call::new(Method::GET, url)).await?;
        models::list(&json(response).await?)
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        let asked = match self.api {
            BedrockApi::InvokeModel => {
                let body = STANDARD.encode(request::bytes(&self.invoke_body(&request)?)?);
                json!({"input": {"invokeModel": {"body": body}}})
            }
            BedrockApi::Converse => converse::request::counted(self.converse_body(&request)?),
        };
        let call = Call::new(Method::POST, self.url("count-tokens")?);
        let (response, _) = self.send(call.body(asked.to_string().into_bytes())).await?;
        let told: Value = json(response).await?;
        told["inputTokens"].as_u64().ok_or_else(|| malformed("it has no `inputTokens`"))
    }
}
