//! The spans of a conversation: names, kinds, parents, attributes, status, and when they end.

#![allow(clippy::unused_async)] // some tools have nothing to wait for

mod support;

use std::time::Duration;

use chatlas::prelude::*;
use chatlas::{CompletionEvent, ProviderError, ProviderErrorKind};
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, global};
use serde_json::json;
use support::{
    Scripted, Step, asks, assert_sound, attribute, attributes, in_time, record, says, sdk,
    spans_of, tree,
};

/// Get the current weather forecast for a city.
#[tool]
async fn get_weather(city: String) -> String {
    let _work = global::tracer("travel").start("fetch_forecast");
    format!("{city}: rain")
}

/// Looks something up, on a thread that may block.
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

/// Crashes.
#[tool]
async fn crash() -> String {
    panic!("on purpose")
}

/// Never ends.
#[tool]
async fn hang() -> String {
    std::future::pending().await
}

fn weather() -> Scripted {
    Scripted::new([
        Step::Reply(asks(&[("call_1", "get_weather", json!({"city": "Tokyo"}))])),
        Step::Reply(says("Take an umbrella.")),
    ])
}

const GUIDE: &str = "\
invoke_agent
  chat test-model
  execute_tool get_weather
    fetch_forecast
  chat test-model
";

#[tokio::test]
async fn a_run_is_one_connected_trace() {
    let recorder = record();
    let mut chat = Chat::new(weather()).tools(tools![get_weather]);
    in_time(chat.chat("Tokyo?")).await.unwrap();
    assert_eq!(recorder.tree(), GUIDE);
    assert_sound(&recorder.spans());
    assert_eq!(recorder.span("invoke_agent").span_kind, SpanKind::Internal);
}

#[tokio::test]
async fn a_streamed_run_is_the_same_trace() {
    let recorder = record();
    let mut chat = Chat::new(weather()).tools(tools![get_weather]);
    let events: Vec<_> = in_time(chat.stream("Tokyo?").collect::<Vec<_>>()).await;
    assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))));
    assert_eq!(recorder.tree(), GUIDE);
    assert_sound(&recorder.spans());
    for chat in recorder.spans().iter().filter(|span| span.name == "chat test-model") {
        assert_eq!(attribute(chat, "gen_ai.request.stream").as_deref(), Some("true"));
        let first: f64 =
            attribute(chat, "gen_ai.response.time_to_first_chunk").unwrap().parse().unwrap();
        assert!((0.0..20.0).contains(&first), "{first} seconds");
    }
}

#[tokio::test]
async fn the_spans_say_what_the_guide_says() {
    let recorder = record();
    let mut chat = Chat::new(weather())
        .name("travel")
        .conversation_id("conv-1")
        .temperature(0.5)
        .stop_sequences(["END"])
        .tools(tools![get_weather]);
    in_time(chat.chat("Tokyo?")).await.unwrap();
    let expect = |name: &str, expected: &[(&str, &str)]| {
        let spans = recorder.spans();
        let span = spans.iter().find(|span| span.name == name).unwrap();
        let mut found: Vec<_> = attributes(span).into_iter().collect();
        found.sort();
        let mut expected: Vec<(String, String)> =
            expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    };
    expect(
        "invoke_agent travel",
        &[
            ("gen_ai.operation.name", "invoke_agent"),
            ("gen_ai.provider.name", "scripted"),
            ("gen_ai.request.model", "test-model"),
            ("gen_ai.agent.name", "travel"),
            ("gen_ai.conversation.id", "conv-1"),
            ("gen_ai.request.temperature", "0.5"),
            ("gen_ai.request.stop_sequences", "[\"END\"]"),
            ("gen_ai.response.finish_reasons", "[\"stop\"]"),
            ("gen_ai.usage.input_tokens", "30"),
            ("gen_ai.usage.output_tokens", "8"),
        ],
    );
    expect(
        "chat test-model",
        &[
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "scripted"),
            ("gen_ai.request.model", "test-model"),
            ("server.address", "model.example"),
            ("server.port", "8443"),
            ("gen_ai.conversation.id", "conv-1"),
            ("gen_ai.request.temperature", "0.5"),
            ("gen_ai.request.stop_sequences", "[\"END\"]"),
            ("gen_ai.response.id", "resp-1"),
            ("gen_ai.response.model", "test-model-2026"),
            ("gen_ai.response.finish_reasons", "[\"tool_call\"]"),
            ("gen_ai.usage.input_tokens", "10"),
            ("gen_ai.usage.output_tokens", "3"),
        ],
    );
    expect(
        "execute_tool get_weather",
        &[
            ("gen_ai.operation.name", "execute_tool"),
            ("gen_ai.tool.name", "get_weather"),
            ("gen_ai.tool.type", "function"),
            ("gen_ai.tool.description", "Get the current weather forecast for a city."),
            ("gen_ai.tool.call.id", "call_1"),
            ("gen_ai.agent.name", "travel"),
            ("gen_ai.conversation.id", "conv-1"),
        ],
    );
    let scope = &recorder.span("invoke_agent travel").instrumentation_scope;
    assert_eq!(scope.name(), "chatlas");
    assert!(scope.version().is_some() && scope.schema_url().is_some());
}

#[tokio::test]
async fn the_parent_is_what_was_current_when_the_program_asked() {
    let recorder = record();
    let mut chat = Chat::new(weather()).tools(tools![get_weather]);
    let tracer = global::tracer("app");
    let asked_in = Context::new().with_span(tracer.start("asked here"));
    let polled_in = Context::new().with_span(tracer.start("polled there"));
    let stream = {
        let _guard = asked_in.clone().attach();
        chat.stream("Tokyo?")
    };
    stream.collect::<Vec<_>>().with_context(polled_in.clone()).await;
    asked_in.span().end();
    polled_in.span().end();
    let agent = recorder.span("invoke_agent");
    assert_eq!(agent.parent_span_id, asked_in.span().span_context().span_id());
}

#[tokio::test]
async fn no_span_of_ours_is_current_between_polls() {
    let recorder = record();
    let mut chat = Chat::new(weather()).tools(tools![get_weather]);
    let mut stream = chat.stream("Tokyo?");
    while stream.next().await.is_some() {
        assert!(!Context::current().span().span_context().is_valid());
        global::tracer("app").start("mine").end();
    }
    let spans = recorder.spans();
    let mine: Vec<_> = spans.iter().filter(|span| span.name == "mine").collect();
    assert!(mine.len() >= 4);
    assert!(mine.iter().all(|span| !span.parent_span_is_remote && span.parent_span_id == 0.into()));
}

#[tokio::test]
async fn concurrent_tools_are_siblings_each_with_its_own_work() {
    let recorder = record();
    let model = Scripted::new([
        Step::Reply(asks(&[
            ("c1", "get_weather", json!({"city": "Tokyo"})),
            ("c2", "look_up", json!({"word": "rain"})),
        ])),
        Step::Reply(says("ok")),
    ]);
    let mut chat = Chat::new(model).tools(tools![get_weather, look_up]);
    in_time(chat.chat("go")).await.unwrap();
    let agent = recorder.span("invoke_agent").span_context.span_id();
    for (tool, work) in
        [("execute_tool get_weather", "fetch_forecast"), ("execute_tool look_up", "query")]
    {
        let tool = recorder.span(tool);
        assert_eq!(tool.parent_span_id, agent);
        assert_eq!(recorder.span(work).parent_span_id, tool.span_context.span_id());
    }
}

#[tokio::test]
async fn a_failed_tool_is_an_error_of_its_span_alone() {
    let recorder = record();
    let model = Scripted::new([
        Step::Reply(asks(&[
            ("c1", "look_up", json!({"word": ""})),
            ("c2", "look_up", json!({"wort": ""})),
            ("c3", "no_such", json!({})),
            ("c4", "crash", json!({})),
        ])),
        Step::Reply(says("ok")),
    ]);
    let mut chat = Chat::new(model).tools(tools![look_up, crash]);
    in_time(chat.chat("go")).await.unwrap();
    assert_sound(&recorder.spans());
    let of_call = |id: &str| {
        let spans = recorder.spans();
        let mut found = spans
            .into_iter()
            .filter(|span| attribute(span, "gen_ai.tool.call.id").as_deref() == Some(id));
        found.next().unwrap()
    };
    for (id, kind) in [
        ("c1", "trace::LookUpError"),
        ("c2", "invalid_arguments"),
        ("c3", "unknown_tool"),
        ("c4", "panic"),
    ] {
        let span = of_call(id);
        assert_eq!(attribute(&span, "error.type").as_deref(), Some(kind));
        assert_eq!(span.events.len(), 1, "one exception event");
        let event = &span.events.events[0];
        assert_eq!(event.name, "exception");
        assert_eq!(event.attributes.len(), 1, "no message while capture is off");
    }
    assert!(!format!("{:?}", recorder.spans()).contains("secret-canary"));
    assert_eq!(recorder.span("invoke_agent").status, Status::Unset);
}

#[tokio::test]
async fn a_failed_model_call_is_an_error_recorded_once() {
    let recorder = record();
    let error = ProviderError::new(ProviderErrorKind::RateLimit, "secret-canary: slow down")
        .with_status(429)
        .with_code("rate_limit_exceeded");
    let mut chat = Chat::new(Scripted::new([Step::Fail(error)]));
    chat.chat("hi").await.unwrap_err();
    assert_sound(&recorder.spans());
    let (agent, call) = (recorder.span("invoke_agent"), recorder.span("chat test-model"));
    for span in [&agent, &call] {
        assert_eq!(attribute(span, "error.type").as_deref(), Some("rate_limit_exceeded"));
        assert_eq!(span.status, Status::error("rate_limit (HTTP 429)"));
        let reasons = attribute(span, "gen_ai.response.finish_reasons");
        assert_eq!(reasons.as_deref(), Some("[\"error\"]"));
    }
    assert_eq!((agent.events.len(), call.events.len()), (0, 1));
    assert!(!format!("{:?}", recorder.spans()).contains("secret-canary"));
}

#[tokio::test]
async fn a_code_that_is_no_code_does_not_become_an_error_type() {
    let recorder = record();
    let error = ProviderError::new(ProviderErrorKind::InvalidRequest, "no")
        .with_status(400)
        .with_code("You said: my password is hunter2");
    let mut chat = Chat::new(Scripted::new([Step::Fail(error)]));
    chat.chat("hi").await.unwrap_err();
    assert_eq!(attribute(&recorder.span("invoke_agent"), "error.type").as_deref(), Some("400"));
}

#[tokio::test]
async fn a_dropped_stream_ends_its_spans_at_once_with_what_it_has() {
    let recorder = record();
    let model = Scripted::new([Step::Stall(vec![
        CompletionEvent::Started { response_id: Some("resp-9".into()), model: Some("m-9".into()) },
        CompletionEvent::Usage(support::usage(12, 1)),
        CompletionEvent::Text("Once".into()),
    ])]);
    let mut chat = Chat::new(model);
    let mut stream = chat.stream("tell");
    stream.next().await.unwrap().unwrap();
    assert!(recorder.spans().is_empty());
    drop(stream);
    assert_eq!(recorder.tree(), "invoke_agent\n  chat test-model\n");
    assert_sound(&recorder.spans());
    let call = recorder.span("chat test-model");
    assert_eq!(call.status, Status::Unset, "giving up is no error");
    assert_eq!(attribute(&call, "chatlas.cancelled").as_deref(), Some("true"));
    assert_eq!(attribute(&call, "gen_ai.response.id").as_deref(), Some("resp-9"));
    assert_eq!(attribute(&call, "gen_ai.response.model").as_deref(), Some("m-9"));
    assert_eq!(attribute(&call, "gen_ai.usage.input_tokens").as_deref(), Some("12"));
    let agent = recorder.span("invoke_agent");
    assert_eq!(attribute(&agent, "chatlas.cancelled").as_deref(), Some("true"));
}

#[tokio::test]
async fn a_run_given_up_among_its_tools_ends_all_its_spans() {
    let recorder = record();
    let model = Scripted::new([
        Step::Reply(asks(&[("c1", "hang", json!({})), ("c2", "look_up", json!({"word": "x"}))])),
        Step::Reply(says("ok")),
    ]);
    let mut chat = Chat::new(model).tools(tools![hang, look_up]);
    let given_up = tokio::time::timeout(Duration::from_millis(100), chat.chat("go")).await;
    assert!(given_up.is_err());
    assert_eq!(recorder.spans().len(), 5, "{}", recorder.tree());
    let hanging = recorder.span("execute_tool hang");
    assert_eq!(attribute(&hanging, "chatlas.cancelled").as_deref(), Some("true"));
    assert_sound(&recorder.spans());
    assert_eq!(chat.chat("still there?").await.unwrap().text(), "ok");
}

#[tokio::test]
async fn an_error_mid_stream_is_an_error_with_what_had_arrived() {
    let recorder = record();
    let broken = ProviderError::new(ProviderErrorKind::TruncatedStream, "broke off");
    let model = Scripted::new([Step::Events(vec![
        Ok(CompletionEvent::Started { response_id: Some("resp-9".into()), model: None }),
        Ok(CompletionEvent::Text("Once".into())),
        Err(broken),
    ])]);
    let mut chat = Chat::new(model);
    let _: Vec<_> = chat.stream("tell").collect().await;
    assert_sound(&recorder.spans());
    let call = recorder.span("chat test-model");
    assert_eq!(attribute(&call, "error.type").as_deref(), Some("truncated_stream"));
    assert_eq!(attribute(&call, "gen_ai.response.id").as_deref(), Some("resp-9"));
}

#[tokio::test]
async fn too_many_rounds_is_an_error_of_the_agent() {
    let recorder = record();
    let model = Scripted::new([Step::Reply(asks(&[("c", "look_up", json!({"word": "x"}))]))]);
    let mut chat = Chat::new(model).tools(tools![look_up]).max_rounds(1);
    chat.chat("go").await.unwrap_err();
    assert_sound(&recorder.spans());
    let agent = recorder.span("invoke_agent");
    assert_eq!(attribute(&agent, "error.type").as_deref(), Some("too_many_rounds"));
    assert_eq!(agent.events.len(), 1);
}

#[tokio::test]
async fn a_tool_called_as_plain_rust_has_its_span_too() {
    let recorder = record();
    assert_eq!(get_weather("Tokyo".to_owned()).await, "Tokyo: rain");
    assert_eq!(recorder.tree(), "execute_tool get_weather\n  fetch_forecast\n");
    drop(recorder);
    let recorder = record();
    assert!(look_up(String::new()).is_err());
    assert_eq!(recorder.tree(), "execute_tool look_up\n  query\n");
    assert_sound(&recorder.spans());
}

#[tokio::test]
async fn a_panic_in_a_plain_call_ends_its_span_as_an_error() {
    let recorder = record();
    tokio::spawn(crash()).await.unwrap_err();
    let span = recorder.span("execute_tool crash");
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("panic"));
    assert_sound(&recorder.spans());
}

#[tokio::test]
async fn an_sdk_that_is_installed_later_or_replaced_gets_the_next_run() {
    let recorder = record();
    let silent = opentelemetry::trace::noop::NoopTracerProvider::new();
    let model = || Scripted::new([Step::Reply(says("ok")), Step::Reply(says("ok"))]);
    global::set_tracer_provider(silent);
    let mut chat = Chat::new(model());
    chat.chat("before").await.unwrap();
    assert!(recorder.spans().is_empty());
    let (late, provider) = sdk();
    global::set_tracer_provider(provider);
    chat.chat("after").await.unwrap();
    assert_eq!(tree(&spans_of(&late)), "invoke_agent\n  chat test-model\n");
    let (replaced, provider) = sdk();
    global::set_tracer_provider(provider);
    Chat::new(model()).chat("replaced").await.unwrap();
    assert_eq!(spans_of(&late).len(), 2);
    assert_eq!(spans_of(&replaced).len(), 2);
}
