//! What a program puts on the spans of a chat, what samplers see and decide, and what `invoke_agent`
//! repeats.

#![allow(clippy::unused_async)] // some tools have nothing to wait for

use std::sync::{Arc, Mutex};

use chatlas::prelude::*;
use chatlas::testing::{Recorder, Script};
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::{
    FutureExt as _, Link, SpanKind, TraceContextExt as _, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
};
use serde_json::json;

/// Looks something up.
#[tool]
async fn look_up(word: String) -> String {
    word
}

fn model() -> Script {
    Script::new().calls("look_up", json!({"word": "x"})).says("ok")
}

#[tokio::test]
async fn what_the_program_sets_once_is_on_every_span_of_the_chat() {
    let trace = Recorder::new();
    let chat = Chat::new(model().says("ok"))
        .with_tools(tools![look_up])
        .with_attribute("user.id", "somebody else")
        .with_attribute("user.id", "u-1")
        .with_attribute("app.retries", 3)
        .with_session_id("s-1")
        .with_tags(["beta", "web"]);
    // The settings stay where they were made: a copy may have others.
    let mut other = chat.clone().with_attribute("user.id", "u-2");
    let mut chat = chat;
    chat.chat("go").await.unwrap();
    let spans = trace.spans();
    assert_eq!(spans.len(), 4);
    for span in spans {
        assert_eq!(span["user.id"], "u-1", "{}", span.name());
        assert_eq!(span["app.retries"], 3);
        assert_eq!(span["session.id"], "s-1");
        assert_eq!(span["chatlas.tags"], json!(["beta", "web"]));
    }
    trace.assert_sound();
    drop(trace);
    let trace = Recorder::new();
    other.chat("go").await.unwrap();
    assert!(trace.spans().iter().all(|span| span["user.id"] == "u-2"));
}

#[tokio::test]
async fn selected_baggage_is_on_every_span_and_the_rest_is_not() {
    let trace = Recorder::new();
    let context = Context::current().with_baggage([
        KeyValue::new("tenant", "acme"),
        KeyValue::new("user.id", "of the baggage"),
        KeyValue::new("secret", "canary"),
    ]);
    let mut chat = Chat::new(model())
        .with_tools(tools![look_up])
        .with_attribute("user.id", "of the program")
        .with_baggage("tenant")
        .with_baggage("user.id")
        .with_baggage("not.there")
        .with_baggage("gen_ai.request.model");
    let asking = {
        let _guard = context.attach();
        chat.chat("go")
    };
    asking.await.unwrap();
    for span in trace.spans() {
        assert_eq!(span["tenant"], "acme", "{}", span.name());
        assert_eq!(span["user.id"], "of the program");
        assert!(span["not.there"].is_null() && span["secret"].is_null());
    }
    trace.assert_sound();
}

#[tokio::test]
async fn keys_that_the_library_writes_are_its_own_and_some_are_of_one_operation() {
    let trace = Recorder::new();
    let mut chat = Chat::new(model())
        .with_tools(tools![look_up])
        .with_attribute("gen_ai.request.model", "another")
        .with_attribute("error.type", "none")
        .with_attribute("server.address", "elsewhere")
        .with_attribute("chatlas.cancelled", true)
        .with_attribute("gen_ai.prompt.name", "greeting")
        .with_attribute("gen_ai.data_source.id", "d-1");
    chat.chat("go").await.unwrap();
    for span in trace.spans() {
        let operation = span["gen_ai.operation.name"].as_str().unwrap().to_owned();
        assert!(span["error.type"].is_null() && span["chatlas.cancelled"].is_null());
        assert_ne!(span["server.address"], "elsewhere");
        assert_eq!(span["gen_ai.prompt.name"] == "greeting", operation == "chat", "{operation}");
        let source = span["gen_ai.data_source.id"] == "d-1";
        assert_eq!(source, operation == "invoke_agent", "{operation}");
    }
    trace.assert_sound();
}

#[tokio::test]
async fn a_backend_that_sums_over_all_spans_can_have_the_agents_totals_left_out() {
    let trace = Recorder::new();
    Chat::new(model())
        .with_tools(tools![look_up])
        .with_agent_usage(false)
        .chat("go")
        .await
        .unwrap();
    let agent = trace.span("invoke_agent");
    assert!(agent["gen_ai.usage.input_tokens"].is_null());
    assert_eq!(agent["gen_ai.response.finish_reasons"], json!(["stop"]));
    assert_eq!(trace.spans_of("chat")[0]["gen_ai.usage.input_tokens"], 10);
}

/// Spans as samplers saw them: name and attributes.
type Seen = Vec<(String, Vec<KeyValue>)>;

/// Keeps the spans that this function wants to keep.
#[derive(Clone)]
struct Chooses(fn(&str, &[KeyValue]) -> bool, Arc<Mutex<Seen>>);

impl std::fmt::Debug for Chooses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chooses")
    }
}

impl ShouldSample for Chooses {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        name: &str,
        _: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        self.1.lock().unwrap().push((name.to_owned(), attributes.to_vec()));
        let keep = (self.0)(name, attributes);
        SamplingResult {
            decision: if keep { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

/// Runs a chat under that sampler: its reply, what was kept, what the sampler saw.
async fn sampled(keep: fn(&str, &[KeyValue]) -> bool) -> (String, Vec<String>, Seen) {
    let sampler = Chooses(keep, Arc::default());
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler.clone())
        .with_simple_exporter(exporter.clone())
        .build();
    global::set_tracer_provider(provider);
    let mut chat = Chat::new(model())
        .with_name("finder")
        .with_conversation_id("c-1")
        .with_attribute("user.id", "u-1")
        .with_tools(tools![look_up]);
    let reply = chat.chat("go").await.unwrap();
    let kept = exporter.get_finished_spans().unwrap();
    let seen = sampler.1.lock().unwrap().clone();
    (reply.text(), kept.into_iter().map(|span| span.name.into_owned()).collect(), seen)
}

#[tokio::test]
async fn samplers_see_what_they_need_and_decide() {
    let _alone = Recorder::exclusive();
    let (reply, kept, seen) = sampled(|name, attributes| {
        let has = |key: &str, value: &str| {
            attributes.iter().any(|a| a.key.as_str() == key && a.value.as_str() == value)
        };
        has("gen_ai.tool.name", "look_up") || has("server.address", "model.example") || {
            name == "invoke_agent finder" && has("user.id", "u-1")
        }
    })
    .await;
    assert_eq!(reply, "ok");
    assert_eq!(kept.len(), 4, "{kept:?}");
    for (name, attributes) in &seen {
        let has = |key: &str| attributes.iter().any(|a| a.key.as_str() == key);
        let wanted: &[&str] = match name.as_str() {
            "invoke_agent finder" => &["gen_ai.request.model", "gen_ai.agent.name"],
            "chat test-model" => &["gen_ai.provider.name", "gen_ai.request.model", "server.port"],
            _ => &["gen_ai.tool.name", "gen_ai.tool.type", "gen_ai.agent.name"],
        };
        for key in wanted.iter().chain(&["gen_ai.operation.name", "user.id"]) {
            assert!(has(key), "{key} of {name}");
        }
    }
    assert_eq!(seen.iter().filter(|(name, _)| !name.starts_with(' ')).count(), 4, "no probe");

    // One that keeps nothing changes nothing.
    let (reply, kept, seen) = sampled(|_, _| false).await;
    assert_eq!((reply.as_str(), kept.len(), seen.len()), ("ok", 0, 4));
}

#[tokio::test]
async fn a_suppressed_context_makes_no_spans_and_the_same_answer() {
    let trace = Recorder::new();
    let mut chat = Chat::new(model()).with_tools(tools![look_up]);
    let quiet = Context::current().with_telemetry_suppressed();
    let asking = async { chat.chat("go").await }.with_context(quiet);
    assert_eq!(asking.await.unwrap().text(), "ok");
    assert!(trace.spans().is_empty(), "{}", trace.tree());
    assert!(!Context::current().span().span_context().is_valid());
}
