//! Attributes that a program sets on the spans of a chat, sampling decisions, and the totals on
//! `invoke_agent`.

#![allow(clippy::unused_async)] // some tools have nothing to await

use std::sync::{Arc, Mutex};

use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::toolbox;
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
async fn attributes_of_a_chat_are_on_every_span() {
    let trace = Recorder::new();
    let chat = Chat::new(model().says("ok"))
        .with_tools(tools![look_up])
        .with_attribute("user.id", "somebody else")
        .with_attribute("user.id", "u-1")
        .with_attribute("app.retries", 3)
        .with_session_id("s-1")
        .with_tags(["beta", "web"]);
    // A clone of the chat has its own settings.
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
async fn only_selected_baggage_is_on_every_span() {
    let trace = Recorder::new();
    let context = Context::current().with_baggage([
        KeyValue::new("tenant", "acme"),
        KeyValue::new("user.id", "of the baggage"),
        KeyValue::new("secret", "canary"),
    ]);
    let mut chat = Chat::new(model())
        .with_tools(tools![look_up])
        .with_attribute("user.id", "set by the program")
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
        assert_eq!(span["user.id"], "set by the program");
        assert!(span["not.there"].is_null() && span["secret"].is_null());
    }
    trace.assert_sound();
}

#[tokio::test]
async fn attributes_of_the_library_cannot_be_overridden() {
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
async fn totals_on_the_agent_span_can_be_turned_off() {
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
    assert_eq!(trace.spans_with_operation("chat")[0]["gen_ai.usage.input_tokens"], 10);
}

/// The name and the attributes of each span that a sampler received.
type Seen = Vec<(String, Vec<KeyValue>)>;

/// Samples the spans for which the function returns `true`.
#[derive(Clone)]
struct FunctionSampler(fn(&str, &[KeyValue]) -> bool, Arc<Mutex<Seen>>);

impl std::fmt::Debug for FunctionSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FunctionSampler")
    }
}

impl ShouldSample for FunctionSampler {
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

/// Runs a chat with a sampler. Returns the reply, the sampled spans, and what the sampler received.
async fn sampled(keep: fn(&str, &[KeyValue]) -> bool) -> (String, Vec<String>, Seen) {
    let sampler = FunctionSampler(keep, Arc::default());
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
async fn samplers_receive_their_attributes_and_decide() {
    let _alone = Recorder::for_process();
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

    // A sampler that drops every span does not change the reply.
    let (reply, kept, seen) = sampled(|_, _| false).await;
    assert_eq!((reply.as_str(), kept.len(), seen.len()), ("ok", 0, 4));
}

#[tokio::test]
async fn suppressed_context_creates_no_spans() {
    let trace = Recorder::new();
    let mut chat = Chat::new(model()).with_tools(tools![look_up]);
    let quiet = Context::current().with_telemetry_suppressed();
    let asking = async { chat.chat("go").await }.with_context(quiet);
    assert_eq!(asking.await.unwrap().text(), "ok");
    assert!(trace.spans().is_empty(), "{}", trace.tree());
    assert!(!Context::current().span().span_context().is_valid());
}

struct Train {
    seats: u32,
}

#[toolbox]
impl Train {
    /// Books a seat.
    #[tool(fields(app.seat = seat, app.class = class, "app.seats" = self.seats))]
    fn book(&self, seat: u32, class: Option<String>) -> bool {
        let seat = seat + u32::from(class.is_some());
        seat < self.seats
    }
}

/// Counts.
#[tool(fields(app.to = to))]
fn count(to: u8) -> impl futures_util::Stream<Item = u8> {
    futures_util::stream::iter(1..=to)
}

#[tokio::test]
async fn fields_of_a_tool_are_on_the_spans_of_all_its_calls() {
    let trace = Recorder::for_process();
    let calls =
        Answer::calls("book", json!({"seat": 7, "class": "2"})).call("count", json!({"to": 3}));
    let model = Script::new().then(calls).says("Done.");
    Chat::new(model).with_tools(tools![..Train { seats: 90 }, count]).chat("go").await.unwrap();
    assert!(Train { seats: 4 }.book(1, None));
    count(2).collect::<Vec<_>>().await;
    trace.assert_sound();
    let spans = trace.spans_with_operation("execute_tool");
    let [called, counted, direct, streamed] = &spans[..] else { panic!("{}", spans.len()) };
    assert_eq!(called["app.seat"], 7);
    assert_eq!(called["app.class"], "2");
    assert_eq!(called["app.seats"], 90);
    assert_eq!(counted["app.to"], 3);
    assert_eq!(direct["app.seats"], 4);
    assert!(direct.attributes().get("app.class").is_none());
    assert_eq!(streamed["app.to"], 2);
    assert!(trace.spans_with_operation("invoke_agent")[0].attributes().get("app.to").is_none());
}
