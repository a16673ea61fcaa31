//! The spans of a conversation: names, kinds, parents, attributes, status, and when they end.

#![allow(clippy::unused_async)] // some tools have nothing to await

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{ProviderError, ProviderErrorKind};
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanId, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, global};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use serde_json::{Value, json};

/// Get the current weather forecast for a city.
#[tool]
async fn get_weather(city: String) -> String {
    let _work = global::tracer("travel").start("fetch_forecast");
    format!("{city}: rain")
}

/// Looks something up, on a blocking thread.
#[tool]
fn look_up(word: String) -> Result<String, LookUpError> {
    let _work = global::tracer("travel").start("query");
    if word.is_empty() { Err(LookUpError) } else { Ok(word) }
}

#[derive(Debug)]
struct LookUpError;

impl std::fmt::Display for LookUpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the word is secret-canary")
    }
}

/// Panics.
#[tool]
async fn crash() -> String {
    panic!("on purpose")
}

/// Never returns.
#[tool]
async fn hang() -> String {
    std::future::pending().await
}

fn weather() -> Script {
    Script::new().calls("get_weather", json!({"city": "Tokyo"})).says("Take an umbrella.")
}

const GUIDE: &str = "\
invoke_agent
  chat test-model
  execute_tool get_weather
    fetch_forecast
  chat test-model
";

#[tokio::test]
async fn run_is_one_connected_trace() {
    let recorder = Recorder::new();
    let mut chat = Chat::new(weather()).with_tools(tools![get_weather]);
    in_time(chat.chat("Tokyo?")).await.unwrap();
    assert_eq!(recorder.tree(), GUIDE);
    recorder.assert_sound();
    assert_eq!(recorder.span("invoke_agent").kind(), SpanKind::Internal);
}

#[tokio::test]
async fn streamed_run_has_the_same_trace() {
    let recorder = Recorder::new();
    let mut chat = Chat::new(weather()).with_tools(tools![get_weather]);
    let events: Vec<_> = in_time(chat.stream("Tokyo?").collect::<Vec<_>>()).await;
    assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))));
    assert_eq!(recorder.tree(), GUIDE);
    recorder.assert_sound();
    for chat in recorder.spans_with_operation("chat") {
        assert_eq!(chat["gen_ai.request.stream"], true);
        let first = chat["gen_ai.response.time_to_first_chunk"].as_f64().unwrap();
        assert!((0.0..20.0).contains(&first), "{first} seconds");
    }
}

#[tokio::test]
async fn spans_have_the_attributes_of_the_guide() {
    let recorder = Recorder::new();
    let mut chat = Chat::new(weather())
        .with_name("travel")
        .with_conversation_id("conv-1")
        .with_temperature(0.5)
        .with_stop_sequences(["END"])
        .with_tools(tools![get_weather]);
    in_time(chat.chat("Tokyo?")).await.unwrap();
    let expect = |name: &str, expected: &[(&str, Value)]| {
        let spans = recorder.spans();
        let span = spans.iter().find(|span| span.name() == name).unwrap();
        let found: BTreeMap<_, _> = span.attributes().iter().collect();
        let expected: BTreeMap<_, _> = expected.iter().map(|(key, value)| (*key, value)).collect();
        assert_eq!(found, expected, "{name}");
    };
    expect(
        "invoke_agent travel",
        &[
            ("gen_ai.operation.name", json!("invoke_agent")),
            ("gen_ai.provider.name", json!("scripted")),
            ("gen_ai.request.model", json!("test-model")),
            ("gen_ai.agent.name", json!("travel")),
            ("gen_ai.conversation.id", json!("conv-1")),
            ("gen_ai.request.temperature", json!(0.5)),
            ("gen_ai.request.stop_sequences", json!(["END"])),
            ("gen_ai.response.finish_reasons", json!(["stop"])),
            ("gen_ai.usage.input_tokens", json!(20)),
            ("gen_ai.usage.output_tokens", json!(10)),
        ],
    );
    expect(
        "chat test-model",
        &[
            ("gen_ai.operation.name", json!("chat")),
            ("gen_ai.provider.name", json!("scripted")),
            ("gen_ai.request.model", json!("test-model")),
            ("server.address", json!("model.example")),
            ("server.port", json!(8443)),
            ("gen_ai.conversation.id", json!("conv-1")),
            ("gen_ai.request.temperature", json!(0.5)),
            ("gen_ai.request.stop_sequences", json!(["END"])),
            ("gen_ai.response.id", json!("resp-1")),
            ("gen_ai.response.model", json!("test-model-2026")),
            ("gen_ai.response.finish_reasons", json!(["tool_call"])),
            ("gen_ai.usage.input_tokens", json!(10)),
            ("gen_ai.usage.output_tokens", json!(5)),
        ],
    );
    expect(
        "execute_tool get_weather",
        &[
            ("gen_ai.operation.name", json!("execute_tool")),
            ("gen_ai.tool.name", json!("get_weather")),
            ("gen_ai.tool.type", json!("function")),
            ("gen_ai.tool.description", json!("Get the current weather forecast for a city.")),
            ("gen_ai.tool.call.id", json!("call-1")),
            ("gen_ai.agent.name", json!("travel")),
            ("gen_ai.conversation.id", json!("conv-1")),
        ],
    );
    let span = recorder.span("invoke_agent travel");
    let scope = &span.data().instrumentation_scope;
    assert_eq!(scope.name(), "chatlas");
    assert!(scope.version().is_some() && scope.schema_url().is_some());
}

#[tokio::test]
async fn parent_is_the_span_that_is_current_at_the_call() {
    let recorder = Recorder::new();
    let mut chat = Chat::new(weather()).with_tools(tools![get_weather]);
    let tracer = global::tracer("app");
    let caller = Context::new().with_span(tracer.start("caller"));
    let polled_in = Context::new().with_span(tracer.start("polled there"));
    let stream = {
        let _guard = caller.clone().attach();
        chat.stream("Tokyo?")
    };
    stream.collect::<Vec<_>>().with_context(polled_in.clone()).await;
    caller.span().end();
    polled_in.span().end();
    let agent = recorder.span("invoke_agent");
    assert_eq!(agent.parent_id(), caller.span().span_context().span_id());
}

#[tokio::test]
async fn no_span_of_the_library_is_current_between_polls() {
    let recorder = Recorder::new();
    let mut chat = Chat::new(weather()).with_tools(tools![get_weather]);
    let mut stream = chat.stream("Tokyo?");
    while stream.next().await.is_some() {
        assert!(!Context::current().span().span_context().is_valid());
        global::tracer("app").start("mine").end();
    }
    let spans = recorder.spans();
    let mine: Vec<_> = spans.iter().filter(|span| span.name() == "mine").collect();
    assert!(mine.len() >= 4);
    assert!(mine.iter().all(|span| span.parent_id() == SpanId::INVALID));
}

#[tokio::test]
async fn concurrent_tools_are_siblings_with_their_own_children() {
    let recorder = Recorder::new();
    let model = Script::new()
        .then(
            Answer::calls("get_weather", json!({"city": "Tokyo"}))
                .call("look_up", json!({"word": "rain"})),
        )
        .says("ok");
    let mut chat = Chat::new(model).with_tools(tools![get_weather, look_up]);
    in_time(chat.chat("go")).await.unwrap();
    let agent = recorder.span("invoke_agent").id();
    for (tool, work) in
        [("execute_tool get_weather", "fetch_forecast"), ("execute_tool look_up", "query")]
    {
        let tool = recorder.span(tool);
        assert_eq!(tool.parent_id(), agent);
        assert_eq!(recorder.span(work).parent_id(), tool.id());
    }
}

#[tokio::test]
async fn failed_tool_is_an_error_of_its_span_only() {
    let recorder = Recorder::new();
    let model = Script::new()
        .then(
            Answer::calls("look_up", json!({"word": ""}))
                .call("look_up", json!({"wort": ""}))
                .call("no_such", json!({}))
                .call("crash", json!({})),
        )
        .says("ok");
    let mut chat = Chat::new(model).with_tools(tools![look_up, crash]);
    in_time(chat.chat("go")).await.unwrap();
    recorder.assert_sound();
    for (id, kind) in [
        ("call-1", "telemetry::spans::LookUpError"),
        ("call-2", "invalid_arguments"),
        ("call-3", "unknown_tool"),
        ("call-4", "panic"),
    ] {
        let spans = recorder.spans_with_operation("execute_tool");
        let span = spans.iter().find(|span| span["gen_ai.tool.call.id"] == id).unwrap();
        assert_eq!(span["error.type"], kind);
        let events = span.events();
        assert_eq!(events.len(), 1, "one exception event");
        let (name, attributes) = &events[0];
        assert_eq!(name, "exception");
        assert_eq!(attributes.len(), 1, "no message while capture is off");
    }
    assert!(!format!("{:?}", recorder.spans()).contains("secret-canary"));
    assert_eq!(recorder.span("invoke_agent").status(), Status::Unset);
}

#[tokio::test]
async fn failed_model_call_is_recorded_once() {
    let recorder = Recorder::new();
    let error = ProviderError::new(ProviderErrorKind::RateLimit, "secret-canary: slow down")
        .with_status(429)
        .with_code("rate_limit_exceeded");
    let mut chat = Chat::new(Script::new().fails(error));
    chat.chat("hi").await.unwrap_err();
    recorder.assert_sound();
    let (agent, call) = (recorder.span("invoke_agent"), recorder.span("chat test-model"));
    for span in [&agent, &call] {
        assert_eq!(span["error.type"], "rate_limit_exceeded");
        assert_eq!(span.status(), Status::error("rate_limit (HTTP 429)"));
        assert_eq!(span["gen_ai.response.finish_reasons"], json!(["error"]));
    }
    assert_eq!((agent.events().len(), call.events().len()), (0, 1));
    assert!(!format!("{:?}", recorder.spans()).contains("secret-canary"));
}

#[tokio::test]
async fn invalid_error_code_is_not_used_as_error_type() {
    let recorder = Recorder::new();
    let error = ProviderError::new(ProviderErrorKind::InvalidRequest, "no")
        .with_status(400)
        .with_code("You said: my password is hunter2");
    let mut chat = Chat::new(Script::new().fails(error));
    chat.chat("hi").await.unwrap_err();
    assert_eq!(recorder.span("invoke_agent")["error.type"], "400");
}

#[tokio::test]
async fn dropped_stream_ends_its_spans_with_the_received_data() {
    let recorder = Recorder::new();
    let once = Answer::new().usage_update(12, 1).text("Once");
    let model = Script::new().then(once.with_response_id("resp-9").with_model("m-9").then_stalls());
    let mut chat = Chat::new(model);
    let mut stream = chat.stream("tell");
    stream.next().await.unwrap().unwrap();
    assert!(recorder.spans().is_empty());
    drop(stream);
    assert_eq!(recorder.tree(), "invoke_agent\n  chat test-model\n");
    recorder.assert_sound();
    let call = recorder.span("chat test-model");
    assert_eq!(call.status(), Status::Unset, "cancellation is not an error");
    assert_eq!(call["chatlas.cancelled"], true);
    assert_eq!(call["gen_ai.response.id"], "resp-9");
    assert_eq!(call["gen_ai.response.model"], "m-9");
    assert_eq!(call["gen_ai.usage.input_tokens"], 12);
    let agent = recorder.span("invoke_agent");
    assert_eq!(agent["chatlas.cancelled"], true);
}

#[tokio::test]
async fn run_cancelled_during_tools_ends_all_spans() {
    let recorder = Recorder::new();
    let model = Script::new()
        .then(Answer::calls("hang", json!({})).call("look_up", json!({"word": "x"})))
        .says("ok");
    let mut chat = Chat::new(model).with_tools(tools![hang, look_up]);
    let given_up = tokio::time::timeout(Duration::from_millis(100), chat.chat("go")).await;
    assert!(given_up.is_err());
    assert_eq!(recorder.spans().len(), 5, "{}", recorder.tree());
    let hanging = recorder.span("execute_tool hang");
    assert_eq!(hanging["chatlas.cancelled"], true);
    recorder.assert_sound();
    assert_eq!(chat.chat("still there?").await.unwrap().text(), "ok");
}

#[tokio::test]
async fn error_in_a_stream_is_recorded_with_the_received_data() {
    let recorder = Recorder::new();
    let broken = ProviderError::new(ProviderErrorKind::TruncatedStream, "broke off");
    let once = Answer::says("Once").with_response_id("resp-9");
    let model = Script::new().then(once.then_fails(broken));
    let mut chat = Chat::new(model);
    let _: Vec<_> = chat.stream("tell").collect().await;
    recorder.assert_sound();
    let call = recorder.span("chat test-model");
    assert_eq!(call["error.type"], "truncated_stream");
    assert_eq!(call["gen_ai.response.id"], "resp-9");
}

#[tokio::test]
async fn too_many_rounds_is_an_error_of_the_agent_span() {
    let recorder = Recorder::new();
    let model = Script::new().calls("look_up", json!({"word": "x"}));
    let mut chat = Chat::new(model).with_tools(tools![look_up]).with_max_rounds(1);
    chat.chat("go").await.unwrap_err();
    recorder.assert_sound();
    let agent = recorder.span("invoke_agent");
    assert_eq!(agent["error.type"], "too_many_rounds");
    assert_eq!(agent.events().len(), 1);
}

#[tokio::test]
async fn tool_called_as_a_function_has_its_span() {
    let recorder = Recorder::new();
    assert_eq!(get_weather("Tokyo".to_owned()).await, "Tokyo: rain");
    assert_eq!(recorder.tree(), "execute_tool get_weather\n  fetch_forecast\n");
    drop(recorder);
    let recorder = Recorder::new();
    assert!(look_up(String::new()).is_err());
    assert_eq!(recorder.tree(), "execute_tool look_up\n  query\n");
    recorder.assert_sound();
}

#[tokio::test]
async fn panic_in_a_direct_tool_call_ends_its_span_with_an_error() {
    let recorder = Recorder::new();
    tokio::spawn(crash()).await.unwrap_err();
    let span = recorder.span("execute_tool crash");
    assert_eq!(span["error.type"], "panic");
    recorder.assert_sound();
}

#[tokio::test]
async fn sdk_installed_later_or_replaced_receives_the_next_run() {
    let _alone = Recorder::for_process();
    let sdk = || {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        (exporter, provider)
    };
    let names = |exporter: &InMemorySpanExporter| -> Vec<_> {
        exporter.get_finished_spans().unwrap().into_iter().map(|span| span.name).collect()
    };
    let model = || Script::new().says("ok").says("ok");
    global::set_tracer_provider(opentelemetry::trace::noop::NoopTracerProvider::new());
    let mut chat = Chat::new(model());
    chat.chat("before").await.unwrap();
    let (late, provider) = sdk();
    global::set_tracer_provider(provider);
    chat.chat("after").await.unwrap();
    assert_eq!(names(&late), ["chat test-model", "invoke_agent"]);
    let (replaced, provider) = sdk();
    global::set_tracer_provider(provider);
    Chat::new(model()).chat("replaced").await.unwrap();
    assert_eq!(names(&late).len(), 2);
    assert_eq!(names(&replaced).len(), 2);
}
