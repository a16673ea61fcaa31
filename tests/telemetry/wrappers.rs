//! Transparent providers: what they forward is counted once, and what they answer by themselves is
//! recorded without usage.

#![allow(clippy::float_cmp)] // the compared sums are exact

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{ChatRequest, ProviderErrorKind, Turn, Usage};
use opentelemetry::trace::SpanKind;

const BY_WRAPPER: &str = "chatlas.answered_by_wrapper";
const INPUT: &str = "gen_ai.usage.input_tokens";
const OUTPUT: &str = "gen_ai.usage.output_tokens";

/// Answers a question that it has seen before with a copy of the completion.
struct Cache<P>(P, Arc<Mutex<HashMap<String, Completion>>>);

impl<P> Cache<P> {
    fn new(inner: P) -> Self {
        Self(inner, Arc::default())
    }

    fn get(&self, request: &ChatRequest) -> Option<Completion> {
        let key = request.turns.last().map(|turn| turn.text())?;
        self.1.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn put(&self, key: String, completion: &Completion) {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).insert(key, completion.clone());
    }
}

#[provider(transparent)]
impl<P: Provider> Provider for Cache<P> {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        if let Some(hit) = self.get(&request) {
            return Ok(hit);
        }
        let key = request.turns.last().map(|turn| turn.text()).unwrap_or_default();
        let completion = self.0.chat(request).await?;
        self.put(key, &completion);
        Ok(completion)
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        match self.get(&request) {
            Some(hit) => Ok(CompletionStream::from_completion(hit)),
            None => self.0.chat_stream(request).await,
        }
    }
}

/// Forwards with a request that it makes from the turns alone, and streams what it has forwarded
/// only when the stream is polled.
struct Rebuild<P>(Arc<P>);

#[provider(transparent)]
impl<P: Provider> Provider for Rebuild<P> {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let turns: Vec<Turn> = request.turns.iter().map(|turn| turn.as_ref().clone()).collect();
        self.0.chat(ChatRequest::new(turns)).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let inner = Arc::clone(&self.0);
        let late = async move { inner.chat_stream(request).await };
        Ok(CompletionStream::new(futures_util::stream::once(late).flat_map(
            |stream| match stream {
                Ok(stream) => stream.left_stream(),
                Err(error) => futures_util::stream::iter([Err(error)]).right_stream(),
            },
        )))
    }
}

/// Calls the inner provider twice, and returns the second reply with the usage of both.
struct Twice<P>(P);

#[provider(transparent)]
impl<P: Provider> Provider for Twice<P> {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let first = self.0.chat(request.clone()).await?;
        let mut second = self.0.chat(request).await?;
        second.usage += first.usage;
        Ok(second)
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.0.chat_stream(request).await
    }
}

/// Rejects every call.
struct Budget<P>(P);

#[provider(transparent)]
impl<P: Provider> Provider for Budget<P> {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Err(ProviderError::new(ProviderErrorKind::RateLimit, "no budget").with_code("no_budget"))
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.chat(request).await.map(CompletionStream::from_completion)
    }
}

fn model() -> Script {
    Script::from_fn(|_| Answer::says("Oslo.").with_tokens(7, 2))
}

/// Asks the same question in a new chat, complete or streamed.
async fn ask(provider: &Arc<dyn Provider>, streamed: bool) -> Result<Reply, ChatError> {
    let mut chat = Chat::new(Arc::clone(provider)).with_capture(Capture::Spans);
    if !streamed {
        return chat.chat("Where?").await;
    }
    let mut events = chat.stream("Where?");
    while let Some(event) = events.next().await {
        if let StreamEvent::Done(reply) = event? {
            return Ok(*reply);
        }
    }
    unreachable!("a stream ends with a reply or an error")
}

#[tokio::test]
async fn cache_hit_is_a_chat_span_without_usage() {
    let provider: Arc<dyn Provider> = Arc::new(Cache::new(model()));
    ask(&provider, false).await.unwrap();
    for streamed in [false, true] {
        let trace = Recorder::new();
        let reply = ask(&provider, streamed).await.unwrap();
        trace.assert_sound();
        assert_eq!(trace.tree(), "invoke_agent\n  chat test-model\n");
        let (run, call) = (trace.span("invoke_agent"), trace.span("chat test-model"));
        for span in [&run, &call] {
            assert!(span[INPUT].is_null() && span[OUTPUT].is_null(), "{}", span.attributes());
            assert_eq!(span.json("gen_ai.output.messages")[0]["parts"][0]["content"], "Oslo.");
            assert!(!span.is_error());
        }
        assert_eq!((&call[BY_WRAPPER], call.kind()), (&true.into(), SpanKind::Internal));
        assert_eq!(call["gen_ai.response.finish_reasons"], serde_json::json!(["stop"]));
        assert_eq!(call.json("gen_ai.input.messages")[0]["parts"][0]["content"], "Where?");
        assert_eq!(reply.id.span_id, call.id().to_string(), "feedback refers to it");
        // No model was called.
        let names: Vec<_> = trace.metrics().iter().map(|metric| metric.name().to_owned()).collect();
        assert!(!names.iter().any(|name| name.contains("client.inference")), "{names:?}");
        assert_eq!(trace.metric("gen_ai.invoke_agent.inference_calls").sum(), 0.0);
    }
}

#[tokio::test]
async fn forwarded_call_is_counted_once_however_it_is_forwarded() {
    let providers: [Arc<dyn Provider>; 4] = [
        Arc::new(Cache::new(model())),
        Arc::new(Cache::new(Cache::new(model()))),
        Arc::new(Rebuild(Arc::new(model()))),
        Arc::new(Cache::new(Rebuild(Arc::new(Cache::new(model()))))),
    ];
    for (index, provider) in providers.iter().enumerate() {
        for streamed in [true, false] {
            let trace = Recorder::new();
            ask(provider, streamed).await.unwrap();
            trace.assert_sound();
            let run = trace.span("invoke_agent");
            assert_eq!((&run[INPUT], &run[OUTPUT]), (&7.into(), &2.into()), "{index} {streamed}");
            let calls = trace.spans_with_operation("chat");
            assert_eq!(calls.len(), 1, "{index} {streamed}");
            assert!(calls[0][BY_WRAPPER].is_null());
            assert_eq!(trace.metric("gen_ai.invoke_agent.inference_calls").sum(), 1.0);
        }
    }
}

#[tokio::test]
async fn nested_wrappers_record_a_cache_hit_once() {
    let provider: Arc<dyn Provider> = Arc::new(Cache::new(Budget(Cache::new(model()))));
    let inner: Arc<dyn Provider> = Arc::new(Twice(Cache::new(model())));
    let trace = Recorder::new();
    ask(&provider, false).await.unwrap_err();
    assert_eq!(trace.spans_with_operation("chat").len(), 1);
    // The first call of `Twice` is forwarded, the second one is a hit.
    let reply = ask(&inner, false).await.unwrap();
    assert_eq!(reply.usage, Usage::new(14, 4), "the usage that the provider returns");
    let calls = trace.spans_with_operation("chat");
    let by_wrapper: Vec<_> = calls.iter().map(|call| !call[BY_WRAPPER].is_null()).collect();
    assert_eq!(by_wrapper, [true, false, true]);
    assert_eq!(trace.spans_with_operation("invoke_agent")[1][INPUT], 7);
    trace.assert_sound();
}

#[tokio::test]
async fn all_calls_of_a_wrapper_are_in_the_total() {
    let trace = Recorder::new();
    let provider: Arc<dyn Provider> = Arc::new(Twice(model()));
    ask(&provider, false).await.unwrap();
    let run = trace.span("invoke_agent");
    assert_eq!((&run[INPUT], &run[OUTPUT]), (&14.into(), &4.into()));
    trace.assert_sound();
}

#[tokio::test]
async fn call_that_a_wrapper_rejects_has_a_failed_span() {
    let provider: Arc<dyn Provider> = Arc::new(Budget(model()));
    for streamed in [false, true] {
        let trace = Recorder::new();
        ask(&provider, streamed).await.unwrap_err();
        trace.assert_sound();
        let call = trace.span("chat test-model");
        assert_eq!((&call["error.type"], &call[BY_WRAPPER]), (&"no_budget".into(), &true.into()));
    }
}

#[tokio::test]
async fn cache_hit_outside_a_chat_is_recorded() {
    let provider = Cache::new(model());
    let request = || ChatRequest::new([Turn::user("Where?")]);
    provider.chat(request()).await.unwrap();
    let trace = Recorder::new();
    provider.chat(request()).await.unwrap();
    assert_eq!(trace.tree(), "chat test-model\n");
    assert_eq!(trace.span("chat test-model")[BY_WRAPPER], true);
}
