//! `embed` of a provider: its span, its metrics, and the providers that forward it.

use std::sync::Arc;

use chatlas::prelude::*;
use chatlas::testing::{Recorder, Script};
use chatlas::{EmbeddingRequest, Embeddings};
use opentelemetry::trace::SpanKind;
use serde_json::json;

const DURATION: &str = "gen_ai.client.embeddings.duration";
const TOKENS: &str = "gen_ai.client.embeddings.operation.input_tokens";

fn scripted() -> Script {
    Script::new().with_embeddings(|request| {
        let vectors = request.inputs.iter().map(|_| vec![0.5, 1.0]);
        let result = Embeddings::new(vectors).with_model("test-model-2").with_tokens(6);
        Ok(result.with_encoding_format("base64"))
    })
}

#[tokio::test]
async fn embeddings_have_a_client_span_and_their_metrics() {
    let trace = Recorder::new();
    let model = scripted();
    let found = model.embed(EmbeddingRequest::new(["secret text", "b"])).await.unwrap();
    assert_eq!(found.vectors.len(), 2);
    assert_eq!(model.embedding_requests().len(), 1);
    trace.assert_sound();
    let span = trace.span("embeddings test-model");
    assert_eq!(span.kind(), SpanKind::Client);
    for (key, value) in [
        ("gen_ai.operation.name", json!("embeddings")),
        ("gen_ai.provider.name", json!("scripted")),
        ("gen_ai.request.model", json!("test-model")),
        ("gen_ai.response.model", json!("test-model-2")),
        ("gen_ai.request.encoding_formats", json!(["base64"])),
        ("gen_ai.embeddings.dimension.count", json!(2)),
        ("gen_ai.usage.input_tokens", json!(6)),
        ("server.address", json!("model.example")),
        ("server.port", json!(8443)),
    ] {
        assert_eq!(span[key], value, "{key}");
    }
    assert!(!format!("{:?}", span.data()).contains("secret text"));
    let (duration, tokens) = (trace.metric(DURATION), trace.metric(TOKENS));
    assert_eq!((duration.count(), duration.unit()), (1, "s"));
    assert_eq!((tokens.sum(), tokens.unit()), (6.0, "{token}"));
    for metric in [&duration, &tokens] {
        let attributes = metric.measurements()[0].attributes();
        assert_eq!(attributes["gen_ai.operation.name"], "embeddings");
        assert_eq!(attributes["gen_ai.response.model"], "test-model-2");
        assert_eq!(attributes["server.address"], "model.example");
    }
    let others = trace.metrics();
    assert!(others.iter().all(|metric| metric.name() != "gen_ai.client.operation.duration"));
}

#[tokio::test]
async fn requested_dimensions_are_recorded_and_unknown_tokens_are_not() {
    let trace = Recorder::new();
    let model = Script::new().with_embeddings(|_| Ok(Embeddings::new([vec![1.0]])));
    model.embed(EmbeddingRequest::new(["a"]).with_dimensions(256)).await.unwrap();
    trace.assert_sound();
    let span = trace.span("embeddings test-model");
    assert_eq!(span["gen_ai.embeddings.dimension.count"], 256);
    for key in ["gen_ai.usage.input_tokens", "gen_ai.request.encoding_formats"] {
        assert!(span.attributes().keys().all(|recorded| recorded != key), "{key}");
    }
    assert!(trace.metrics().iter().all(|metric| metric.name() != TOKENS));
}

#[tokio::test]
async fn failed_embeddings_have_an_error_type_on_the_span_and_the_duration() {
    let trace = Recorder::new();
    let model = Script::new().with_embeddings(|_| {
        Err(ProviderError::new(ProviderErrorKind::RateLimit, "slow down").with_status(429))
    });
    model.embed(EmbeddingRequest::new(["a"])).await.unwrap_err();
    trace.assert_sound();
    assert_eq!(trace.span("embeddings test-model")["error.type"], "429");
    let duration = trace.metric(DURATION);
    assert_eq!(duration.measurements()[0].attributes()["error.type"], "429");
}

/// Forwards every call.
struct Wrapper(Script);

#[provider(transparent)]
impl Provider for Wrapper {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.0.chat(request).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.0.chat_stream(request).await
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        self.0.embed(request).await
    }
}

/// Has no embeddings.
struct ChatOnly;

#[provider(name = "chat-only")]
impl Provider for ChatOnly {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(Completion::default())
    }
}

#[tokio::test]
async fn forwarded_embeddings_have_one_span() {
    let trace = Recorder::new();
    let model: Arc<dyn Provider> = Arc::new(Wrapper(scripted()));
    let found = Arc::new(model).embed(EmbeddingRequest::new(["a"])).await.unwrap();
    assert_eq!(found.tokens, Some(6));
    assert_eq!(trace.spans().len(), 1);
    trace.assert_sound();
}

#[tokio::test]
async fn provider_without_embeddings_reports_unsupported() {
    let error = ChatOnly.embed(EmbeddingRequest::new(["a"])).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
}
