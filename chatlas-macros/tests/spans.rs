//! Which expansions record a span: direct calls and calls of a model, not calls by a chat.

use std::sync::Arc;

use chatlas_core::provider::{Protocol, Vendor};
use chatlas_core::{ChatRequest, Completion, CompletionStream, Provider, ProviderError, ToolCall};
use chatlas_macros::{provider, tool, tools};
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::json;

/// Halves a number.
#[tool]
async fn halve(number: u8) -> Result<u8, String> {
    std::future::ready(()).await;
    if number.is_multiple_of(2) { Ok(number / 2) } else { Err(format!("{number} is odd")) }
}

/// Doubles a number.
#[tool(name = "double-it")]
fn double(number: u8) -> u8 {
    number * 2
}

#[derive(Clone, Debug)]
struct Silent;

#[provider(name = "silent")]
impl Provider for Silent {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

struct Wrapper(Silent);

#[provider(transparent)]
impl Provider for Wrapper {
    fn info(&self) -> &chatlas_core::ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.0.chat(request).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.0.chat_stream(request).await
    }
}

impl Protocol for Silent {
    type HttpOptions = ();
    type Quirks = ();

    fn of_vendor(_: &'static Vendor, (): ()) -> Self {
        Self
    }

    fn with_model(self, _: impl Into<Arc<str>>) -> Self {
        self
    }

    fn with_api_key(self, _: impl Into<String>) -> Self {
        self
    }

    fn with_base_url(self, _: impl Into<String>) -> Self {
        self
    }

    fn with_http(self, (): ()) -> Self {
        self
    }

    fn with_http_spans(self, _: bool) -> Self {
        self
    }
}

#[provider(like = Silent, name = "quiet", base_url = "https://quiet.example")]
struct Quiet;

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == key)
        .map(|attribute| attribute.value.to_string())
}

#[tokio::test]
async fn each_direct_or_model_call_has_one_span() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    opentelemetry::global::set_tracer_provider(provider);
    let spans = || {
        let spans = exporter.get_finished_spans().expect("finished spans");
        exporter.reset();
        spans
    };

    // A chat records the span of a call of a tool; there is no chat here.
    let set = tools![halve, double];
    for tool in set.iter() {
        tool.call(ToolCall::new("1", json!({"number": 2}))).await.expect("two is even");
    }
    assert!(spans().is_empty());

    assert_eq!(halve(4).await, Ok(2));
    assert_eq!(double(4), 8);
    let finished = spans();
    let names: Vec<&str> = finished.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["execute_tool halve", "execute_tool double-it"]);
    assert!(finished.iter().all(|span| attribute(span, "error.type").is_none()));

    assert!(halve(3).await.is_err());
    let finished = spans();
    assert_eq!(finished.len(), 1);
    assert!(matches!(finished[0].status, Status::Error { .. }));
    assert!(attribute(&finished[0], "error.type").is_some());

    Wrapper(Silent).chat(ChatRequest::default()).await.expect("a reply");
    let finished = spans();
    assert_eq!(finished.len(), 1, "a transparent wrapper records no span");
    assert_eq!(attribute(&finished[0], "gen_ai.provider.name").as_deref(), Some("silent"));

    Wrapper(Silent).chat_stream(ChatRequest::default()).await.expect("a stream");
    assert_eq!(spans().len(), 1);

    let quiet = Quiet::new("quiet-1");
    quiet.chat(ChatRequest::default()).await.expect("a reply");
    quiet.chat_stream(ChatRequest::default()).await.expect("a stream");
    let finished = spans();
    assert_eq!(finished.len(), 2, "a derived provider has the spans of its protocol");
}
