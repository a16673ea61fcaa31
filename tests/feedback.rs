//! Feedback with `chatlas::otel`: an event where events are received, and a span where traces alone are.

#[path = "support/otlp.rs"]
mod otlp;

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chatlas::otel::{Compatibility, Otlp, Signal, Telemetry};
use chatlas::prelude::*;
use chatlas::telemetry::{Capture, EventSink, ReplyId, set_event_sink};
use chatlas::testing::Script;
use opentelemetry::global;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider};
use otlp::{Received, Receiver, attribute};

const EVALUATION: &str = "gen_ai.evaluation.result";

/// One after the other: there is one global SDK.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Asks a question and records feedback on the reply.
fn rate() -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut chat = Chat::new(Script::new().says("Oslo.")).with_capture(Capture::Spans);
    let reply = runtime.block_on(chat.chat("Where?")).unwrap();
    reply.feedback("helpfulness", (0.8, "good"), "It was short.")
}

/// Returns the spans of all requests that a receiver has got.
fn spans(receiver: &Receiver) -> Vec<Span> {
    receiver.received().iter().flat_map(Received::spans).collect()
}

#[test]
fn receiver_of_traces_alone_gets_a_span() {
    let _turn = turn();
    let receiver = Receiver::start();
    let target = Otlp::new(receiver.url()).with_signals(&[Signal::Traces]);
    let telemetry = Telemetry::new()
        .with_otlp(target)
        .with_compatibility(Compatibility::OpenInference)
        .install()
        .unwrap();
    assert!(rate());
    telemetry.shutdown().unwrap();
    let spans = spans(&receiver);
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (feedback, call) = (find(EVALUATION), find("chat test-model"));
    let link = &feedback.links[0];
    assert_eq!((&link.trace_id, &link.span_id), (&call.trace_id, &call.span_id));
    assert_eq!((&feedback.trace_id, &feedback.parent_span_id), (&call.trace_id, &call.span_id));
    for (key, value) in [
        ("gen_ai.evaluation.name", "helpfulness"),
        ("gen_ai.evaluation.score.label", "good"),
        ("gen_ai.evaluation.explanation", "It was short."),
        ("gen_ai.response.id", "resp-1"),
        ("openinference.span.kind", "EVALUATOR"),
        ("output.value", "helpfulness: 0.8 good \"It was short.\""),
    ] {
        assert_eq!(attribute(&feedback.attributes, key).as_deref(), Some(value), "{key}");
    }
    let run = find("invoke_agent");
    assert_eq!(attribute(&run.attributes, "input.value").as_deref(), Some("Where?"));
    assert_eq!(attribute(&run.attributes, "output.value").as_deref(), Some("Oslo."));
}

#[test]
fn receiver_of_events_gets_no_span_but_the_console_prints_feedback() {
    let _turn = turn();
    let receiver = Receiver::start();
    let written = Written::default();
    let telemetry = Telemetry::new()
        .with_otlp(Otlp::new(receiver.url()))
        .with_console()
        .with_writer(written.clone())
        .install()
        .unwrap();
    assert!(rate());
    telemetry.shutdown().unwrap();
    let spans = spans(&receiver);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let events = format!("{:?}", receiver.wait_for("/v1/logs").payload);
    assert!(events.contains(EVALUATION), "{events}");
    // Compatibility attributes are opt-in.
    assert_eq!(attribute(&spans[0].attributes, "input.value"), None);
    let text = written.text();
    assert!(text.contains("feedback helpfulness: 0.8 good \"It was short.\""), "{text}");
}

#[test]
fn other_sdk_records_a_span_without_a_sink_and_the_result_is_honest() {
    let _turn = turn();
    let exporter = InMemorySpanExporter::default();
    let install = |sampler: Sampler| {
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone());
        global::set_tracer_provider(provider.with_sampler(sampler).build());
    };
    let recorded = || {
        let spans = exporter.get_finished_spans().unwrap();
        exporter.reset();
        spans.iter().filter(|span| span.name == EVALUATION).count()
    };
    install(Sampler::AlwaysOn);
    assert!(rate());
    assert_eq!(recorded(), 1);
    // Without a trace, the span is a root.
    assert!(ReplyId::from_parts("", "", "resp-1").feedback("thumbs", "up", None));
    assert_eq!(recorded(), 1);

    let events = InMemoryLogExporter::default();
    let logger = SdkLoggerProvider::builder().with_simple_exporter(events.clone()).build();
    for (both, expected) in [(false, 0), (true, 1)] {
        set_event_sink(Some(EventSink::new(&logger).with_feedback_spans(both)));
        assert!(rate());
        assert_eq!(recorded(), expected);
    }
    set_event_sink(None);

    install(Sampler::AlwaysOff);
    assert!(!rate(), "the sampler drops the span");
    assert_eq!(recorded(), 0);
}
