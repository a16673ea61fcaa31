//! Events: details of model calls, exceptions, and feedback.

#![allow(clippy::unused_async)] // some tools have nothing to await

use chatlas::prelude::*;
use chatlas::telemetry::{Capture, ReplyId, set_event_sink};
use chatlas::testing::{Answer, RecordedEvent, Recorder, Script};
use chatlas::{Content, ProviderError, ProviderErrorKind};
use opentelemetry::global;
use opentelemetry::logs::Severity;
use opentelemetry::trace::noop::NoopTracerProvider;
use opentelemetry::trace::{SpanId, TraceId};
use serde_json::json;

const DETAILS: &str = "gen_ai.client.inference.operation.details";
const EXCEPTION: &str = "gen_ai.client.inference.exception";
const EVALUATION: &str = "gen_ai.evaluation.result";

/// Looks something up.
#[tool]
async fn look_up(word: String) -> serde_json::Value {
    json!({"found": word, "more": [1, null, true, 0.5]})
}

fn model() -> Script {
    Script::new().calls("look_up", json!({"word": "x"})).says("It is x.")
}

fn details(trace: &Recorder) -> Vec<RecordedEvent> {
    trace.events().into_iter().filter(|event| event.name() == DETAILS).collect()
}

#[tokio::test]
async fn details_event_has_the_attributes_and_the_context_of_its_span() {
    let trace = Recorder::new();
    let chat = Chat::new(model()).with_tools(tools![look_up]).with_attribute("user.id", "u-1");
    chat.with_conversation_id("c-1").with_temperature(0.5).chat("What is x?").await.unwrap();
    let (events, spans) = (details(&trace), trace.spans_with_operation("chat"));
    assert_eq!((events.len(), spans.len()), (2, 2));
    for (event, span) in events.iter().zip(&spans) {
        assert_eq!(event.severity(), Some(Severity::Debug));
        assert_eq!((event.trace_id(), event.span_id()), (span.trace_id(), span.id()));
        // The same attributes, and no content while capture is off.
        assert_eq!(event.attributes().len(), span.attributes().len());
        for (key, value) in span.attributes().iter() {
            assert_eq!(&event.attributes()[key], value, "{key}");
        }
    }
}

#[tokio::test]
async fn content_on_events_is_structured() {
    let trace = Recorder::new();
    let chat = Chat::new(model()).with_system_prompt("Be brief.").with_tools(tools![look_up]);
    chat.with_capture(Capture::Events).chat("What is x?").await.unwrap();
    let event = &details(&trace)[1];
    let all = event.attributes();
    let text = |text: &str| json!([{"type": "text", "content": text}]);
    assert_eq!(all["gen_ai.system_instructions"], text("Be brief."));
    let messages = &all["gen_ai.input.messages"];
    assert_eq!(messages[0], json!({"role": "user", "parts": text("What is x?")}));
    assert_eq!(messages[1]["parts"][0]["arguments"], json!({"word": "x"}));
    // Structured values have no null. Items of a list keep their positions.
    let response = json!({"found": "x", "more": [1, "null", true, 0.5]});
    assert_eq!(messages[2]["parts"][0]["response"], response);
    let answer = json!({"role": "assistant", "parts": text("It is x."), "finish_reason": "stop"});
    assert_eq!(all["gen_ai.output.messages"], json!([answer]));
    assert_eq!(all["gen_ai.tool.definitions"][0]["parameters"]["required"], json!(["word"]));
    // Spans have no content.
    for span in trace.spans() {
        let keys = span.attributes().keys();
        let content = ["messages", "instructions", "definitions", "arguments", "result"];
        assert!(keys.into_iter().all(|key| content.iter().all(|word| !key.ends_with(word))));
    }
}

#[tokio::test]
async fn exception_event_has_a_message_only_with_capture() {
    for (capture, quoted) in [
        (Capture::Nothing, false),
        (Capture::Spans, false),
        (Capture::Events, true),
        (Capture::SpansAndEvents, true),
    ] {
        let trace = Recorder::new();
        let error =
            ProviderError::new(ProviderErrorKind::InvalidRequest, "canary").with_status(400);
        let mut chat = Chat::new(Script::new().fails(error)).with_capture(capture);
        chat.chat("go").await.unwrap_err();
        let event = trace.event(EXCEPTION);
        assert_eq!(event.severity(), Some(Severity::Warn));
        assert_eq!(event.span_id(), trace.span("chat test-model").id());
        assert_eq!(event.attributes()["exception.type"], "chatlas::ProviderError");
        let message = event.attributes()["exception.message"].as_str().map(str::to_owned);
        assert_eq!(message.is_some_and(|text| text.contains("canary")), quoted, "{capture:?}");
        let on_span = format!("{:?}", trace.spans()).contains("canary");
        assert_eq!(on_span, capture.on_spans(), "{capture:?}");
        assert_eq!(details(&trace)[0].attributes()["error.type"], "400");
    }
}

#[tokio::test]
async fn feedback_event_is_in_the_span_of_the_model_call() {
    let trace = Recorder::new();
    let reply = Chat::new(model()).with_tools(tools![look_up]).chat("What is x?").await.unwrap();
    assert!(reply.feedback("helpfulness", (0.8, "good"), "It was short."));
    let event = trace.event(EVALUATION);
    let answered = &trace.spans_with_operation("chat")[1];
    assert_eq!((event.trace_id(), event.span_id()), (answered.trace_id(), answered.id()));
    let expected = [
        ("gen_ai.evaluation.name", json!("helpfulness")),
        ("gen_ai.evaluation.score.value", json!(0.8)),
        ("gen_ai.evaluation.score.label", json!("good")),
        ("gen_ai.evaluation.explanation", json!("It was short.")),
        ("gen_ai.response.id", json!("resp-2")),
    ];
    assert_eq!(event.attributes().len(), expected.len());
    for (key, value) in expected {
        assert_eq!(event.attributes()[key], value, "{key}");
    }
}

#[tokio::test]
async fn feedback_can_be_given_later_with_a_stored_reply_id() {
    let trace = Recorder::new();
    let reply = Chat::new(Script::new().says("Hi")).chat("Hi").await.unwrap();
    let stored = serde_json::to_string(&reply.id).unwrap();
    let call = trace.span("chat test-model");
    let (trace_id, span_id) = (call.trace_id(), call.id());
    drop((reply, trace));

    // Later, in another process.
    for id in [
        serde_json::from_str::<ReplyId>(&stored).unwrap(),
        ReplyId::from_parts(trace_id.to_string(), span_id.to_string(), "resp-1"),
    ] {
        let trace = Recorder::new();
        assert!(id.feedback("thumbs", "down", None));
        let event = trace.events().pop();
        // An event of another trace belongs to no recorder: only an exclusive one receives it.
        drop(trace);
        assert!(event.is_none_or(|event| event.trace_id() == trace_id));
        let all = Recorder::for_process();
        assert!(id.feedback("thumbs", "down", None));
        let event = all.event(EVALUATION);
        assert_eq!((event.trace_id(), event.span_id()), (trace_id, span_id));
        assert_eq!(event.attributes()["gen_ai.response.id"], "resp-1");
        assert_eq!(event.attributes()["gen_ai.evaluation.score.label"], "down");
        assert!(event.attributes()["gen_ai.evaluation.score.value"].is_null());
    }
}

#[tokio::test]
async fn feedback_with_an_invalid_id_has_no_span() {
    let all = Recorder::for_process();
    assert!(ReplyId::from_parts("no trace", "", "resp-1").feedback("thumbs", 1.0, None));
    let event = all.event(EVALUATION);
    assert_eq!((event.trace_id(), event.span_id()), (TraceId::INVALID, SpanId::INVALID));
    assert_eq!(event.attributes()["gen_ai.response.id"], "resp-1");
}

#[tokio::test]
async fn events_need_a_sink_but_no_spans() {
    let all = Recorder::for_process();
    // Events are emitted without spans, too.
    global::set_tracer_provider(NoopTracerProvider::new());
    let mut chat = Chat::new(model()).with_tools(tools![look_up]).with_capture(Capture::Events);
    let picture = Content::image_url("https://a.example/x.png");
    let reply = chat.chat([Content::text("What is x?"), picture]).await.unwrap();
    let events = details(&all);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].attributes()["gen_ai.input.messages"][0]["parts"][1]["type"], "uri");
    assert_eq!(events[1].attributes()["gen_ai.output.messages"][0]["finish_reason"], "stop");

    set_event_sink(None);
    let emitted = all.events().len();
    Chat::new(Script::new().then(Answer::says("Hi"))).chat("Hi").await.unwrap();
    assert!(!reply.feedback("thumbs", "up", None), "neither a sink nor an SDK is installed");
    assert_eq!(all.events().len(), emitted);
}
