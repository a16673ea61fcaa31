//! `#[provider]` on impls and structs.

use std::sync::Arc;

use chatlas_core::provider::{Protocol, SupportsTool, Vendor};
use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, CompletionStream, Model, Provider, ProviderError,
    ProviderErrorKind, ProviderInfo, Turn, WebSearch,
};
use chatlas_macros::provider;
use futures_core::Stream;

/// Replies with the number of turns in the request.
struct Counter(ProviderInfo);

fn completion(id: &str) -> Completion {
    Completion::default().with_response_id(id)
}

#[provider]
impl Provider for Counter {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(
        &self,
        ChatRequest { turns, .. }: ChatRequest,
    ) -> Result<Completion, ProviderError> {
        if turns.is_empty() {
            return Err(ProviderError::new(ProviderErrorKind::InvalidRequest, "no turns"));
        }
        Ok(completion(&turns.len().to_string()))
    }
}

struct Acme;

#[provider(name = "acme")]
impl Provider for Acme {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        tokio::task::yield_now().await;
        Ok(completion("complete"))
    }

    async fn chat_stream(&self, _: ChatRequest) -> Result<CompletionStream, ProviderError> {
        Ok(CompletionStream::from_completion(completion("streamed")))
    }
}

/// Tries once more.
struct Retry<P>(P);

#[provider(transparent)]
impl<P> Provider for Retry<P>
where
    P: Provider,
{
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        match self.0.chat(request.clone()).await {
            Err(_) => self.0.chat(request).await,
            done => done,
        }
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        match self.0.chat_stream(request.clone()).await {
            Err(_) => self.0.chat_stream(request).await,
            done => done,
        }
    }
}

async fn last(mut stream: CompletionStream) -> Option<CompletionEvent> {
    let mut last = None;
    while let Some(event) =
        std::future::poll_fn(|task| std::pin::Pin::new(&mut stream).poll_next(task)).await
    {
        last = event.ok();
    }
    last
}

fn id(event: Option<CompletionEvent>) -> Option<String> {
    match event {
        Some(CompletionEvent::Done(reply)) => reply.response_id.clone(),
        _ => None,
    }
}

#[tokio::test]
async fn request_parameter_may_be_a_pattern() {
    let provider: Arc<dyn Provider> = Arc::new(Counter(ProviderInfo::new("counter")));
    assert_eq!(provider.info().name, "counter");
    let request = ChatRequest::new([Turn::user("hello")]);
    let reply = provider.chat(request).await.expect("a reply");
    assert_eq!(reply.response_id.as_deref(), Some("1"));
    let error = provider.chat(ChatRequest::default()).await.expect_err("no turns");
    assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest);
}

#[tokio::test]
async fn name_argument_writes_info() {
    assert_eq!(Acme.info(), &ProviderInfo::new("acme"));
    let reply = Acme.chat(ChatRequest::default()).await.expect("a reply");
    assert_eq!(reply.response_id.as_deref(), Some("complete"));
    let stream = Acme.chat_stream(ChatRequest::default()).await.expect("a stream");
    assert_eq!(id(last(stream).await).as_deref(), Some("streamed"));
}

#[tokio::test]
async fn generic_wrapper_can_be_transparent() {
    let provider = Retry(Retry(Acme));
    assert_eq!(provider.info().name, "acme");
    let reply = provider.chat(ChatRequest::default()).await.expect("a reply");
    assert_eq!(reply.response_id.as_deref(), Some("complete"));
    let stream = provider.chat_stream(ChatRequest::default()).await.expect("a stream");
    assert_eq!(id(last(stream).await).as_deref(), Some("streamed"));
}

/// A protocol whose completions contain its settings.
#[derive(Clone, Debug)]
struct Wire {
    info: ProviderInfo,
    settings: Vec<String>,
}

impl Wire {
    fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }
}

impl Protocol for Wire {
    type HttpOptions = u8;
    type Quirks = Vec<&'static str>;

    fn of_vendor(vendor: &'static Vendor, quirks: Vec<&'static str>) -> Self {
        let mut settings = vec![vendor.base_url.to_owned(), format!("{:?}", vendor.api_key_env)];
        settings.extend(quirks.into_iter().map(str::to_owned));
        Self { info: ProviderInfo::new(vendor.name), settings }
    }

    fn with_model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.info = self.info.with_model(model);
        self
    }

    fn with_api_key(self, key: impl Into<String>) -> Self {
        self.set(key)
    }

    fn with_base_url(self, url: impl Into<String>) -> Self {
        self.set(url)
    }

    fn with_http(self, options: u8) -> Self {
        self.set(options.to_string())
    }

    fn with_http_spans(self, on: bool) -> Self {
        self.set(on.to_string())
    }
}

impl SupportsTool<WebSearch> for Wire {
    fn add_server_tool(self, _: WebSearch) -> Self {
        self.set("web search")
    }
}

#[provider]
impl Provider for Wire {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(completion(&self.settings.join(" ")))
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        Ok(vec![Model::new("acme-1")])
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        Ok(request.turns.len() as u64)
    }
}

/// A vendor with quirks.
#[provider(
    like = Wire,
    name = "gate",
    base_url = "https://gate.example/v1",
    api_key_env = "GATE_API_KEY",
    default_model = "gate-1",
    quirks = vec!["short_names", "no_seed"],
    tools(WebSearch),
)]
struct Gate;

#[provider(like = Wire, name = "local", base_url = "http://localhost:8080")]
struct Local;

async fn settings(provider: &impl Provider) -> String {
    let reply = provider.chat(ChatRequest::default()).await.expect("a reply");
    reply.response_id.expect("the settings")
}

#[tokio::test]
async fn derived_provider_forwards_to_the_protocol() {
    let gate = Gate::default();
    assert_eq!(gate.info(), &ProviderInfo::new("gate").with_model("gate-1"));
    assert_eq!(
        settings(&gate).await,
        "https://gate.example/v1 Some(\"GATE_API_KEY\") short_names no_seed"
    );
    assert_eq!(gate.list_models().await, Ok(vec![Model::new("acme-1")]));
    let request = ChatRequest::new([Turn::user("hello")]);
    assert_eq!(gate.count_tokens(request.clone()).await, Ok(1));
    let stream = gate.chat_stream(request).await.expect("a stream");
    assert!(id(last(stream).await).is_some_and(|id| id.ends_with("no_seed")));
    assert_eq!(format!("{gate:?}"), format!("{:?}", gate.clone().inner));
}

#[tokio::test]
async fn derived_provider_has_the_settings_of_the_protocol() {
    let local = Local::new("small")
        .with_api_key("key")
        .with_base_url("http://other")
        .with_http(3)
        .with_http_spans(true)
        .with(|wire| wire.set("anything"));
    assert_eq!(local.info().model.as_deref(), Some("small"));
    assert_eq!(
        settings(&local).await,
        "http://localhost:8080 None key http://other 3 true anything"
    );
    let gate = Gate::new("gate-2").with_tool(WebSearch::new());
    assert!(settings(&gate).await.ends_with("web search"));
}

#[test]
fn derived_provider_has_its_vendor_as_a_constant() {
    assert_eq!(Gate::VENDOR.name, "gate");
    assert_eq!(Gate::VENDOR.base_url, "https://gate.example/v1");
    assert_eq!(Gate::VENDOR.api_key_env, Some("GATE_API_KEY"));
    assert_eq!(Gate::VENDOR.default_model, Some("gate-1"));
    assert_eq!(Local::VENDOR, Vendor::new("local", "http://localhost:8080"));
}

#[tokio::test]
async fn derived_provider_changes_its_model_and_keeps_its_settings() {
    let gate = Gate::default().with_api_key("key");
    let other = gate.for_model("gate-2").expect("another model");
    assert_eq!(other.info().model.as_deref(), Some("gate-2"));
    assert_eq!(settings(&other).await, settings(&gate).await);
    assert_eq!(gate.info().model.as_deref(), Some("gate-1"), "the original is unchanged");
    assert_eq!(gate.with_model("gate-3").info().model.as_deref(), Some("gate-3"));
}
