//! The invariants after every run.

use std::collections::{HashMap, HashSet};

use chatlas::telemetry::Capture;
use chatlas::{ChatError, Reply};
use opentelemetry::KeyValue;
use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

use super::sdk::Log;
use super::world::{BODY, PROMPT};

/// The outcome of a run.
#[derive(Debug)]
pub(super) enum Outcome {
    Replied(Box<Reply>),
    Failed(ChatError),
    Panicked,
    GivenUp,
}

pub(super) struct Expected<'a> {
    pub(super) outcome: &'a Outcome,
    /// The span that was current at the call.
    pub(super) parent: Option<SpanContext>,
    pub(super) capture: Capture,
    pub(super) redacts: bool,
    pub(super) unpolled: bool,
}

/// Checks the records of one run.
pub(super) fn run(log: &Log, expected: &Expected<'_>) {
    let spans: HashMap<SpanId, (usize, &SpanData)> =
        log.ended.iter().map(|(sdk, span)| (span.span_context.span_id(), (*sdk, span))).collect();
    let started: HashSet<SpanId> = log.started.iter().map(|(_, span, _)| span.span_id()).collect();
    assert_eq!(spans.len(), log.ended.len(), "a span ends once");
    assert_eq!(started, spans.keys().copied().collect(), "every span ends");

    let ours: Vec<_> = log
        .ended
        .iter()
        .filter(|(_, span)| is_ours(span))
        .map(|(sdk, span)| (*sdk, span))
        .collect();
    let agents: Vec<_> =
        ours.iter().filter(|(_, span)| span.name.starts_with("invoke_agent")).collect();
    if expected.unpolled {
        assert!(ours.is_empty(), "nothing starts before the first poll");
    }
    match agents.as_slice() {
        [] => assert!(ours.is_empty(), "spans without a root: {ours:?}"),
        [(sdk, agent)] => {
            let above = expected.parent.as_ref().map_or(SpanId::INVALID, SpanContext::span_id);
            assert_eq!(agent.parent_span_id, above, "the parent is the current span");
            check_agent(agent, expected.outcome, &ours);
            for (other, span) in &ours {
                assert_eq!(sdk, other, "a run stays with the SDK it started with");
                assert_eq!(span.span_context.trace_id(), agent.span_context.trace_id());
                if span.span_context.span_id() != agent.span_context.span_id() {
                    assert_eq!(span.parent_span_id, agent.span_context.span_id(), "{}", span.name);
                }
            }
        }
        _ => panic!("one root for each run, not {}", agents.len()),
    }
    for (sdk, span) in &log.ended {
        check_span(span);
        if let Some((other, parent)) = spans.get(&span.parent_span_id) {
            assert!(
                parent.start_time <= span.start_time,
                "{} started before its parent",
                span.name
            );
            // Blocking threads and background work may outlive their parent.
            let outlives = matches!(&*span.name, "blocking work" | "detached work");
            assert!(
                outlives || *other != *sdk || span.end_time <= parent.end_time,
                "{} outlived its parent {}",
                span.name,
                parent.name
            );
        } else {
            let root = span.parent_span_id == SpanId::INVALID
                || expected.parent.as_ref().is_some_and(|p| p.span_id() == span.parent_span_id);
            let foreign = !is_ours(span);
            assert!(root || foreign, "{} is an orphan", span.name);
        }
    }
    check_content(log, expected);
}

fn is_ours(span: &SpanData) -> bool {
    span.instrumentation_scope.name() == "chatlas"
}

fn value<'a>(span: &'a SpanData, key: &str) -> Option<&'a opentelemetry::Value> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| &pair.value)
}

fn check_span(span: &SpanData) {
    let mut keys = HashSet::new();
    for pair in &span.attributes {
        assert!(keys.insert(pair.key.as_str()), "`{}` is duplicated on {}", pair.key, span.name);
    }
    assert!(span.end_time >= span.start_time);
    if !is_ours(span) {
        return;
    }
    assert_ne!(span.status, Status::Ok, "a library does not set OK");
    let failed = matches!(span.status, Status::Error { .. });
    assert_eq!(failed, keys.contains("error.type"), "{}: {:?}", span.name, span.attributes);
    assert!(!failed || !keys.contains("chatlas.cancelled"), "cancellation is not an error");
    assert!(span.events.len() <= 1, "one exception event at most");
    let kind = if span.name.starts_with("chat") { SpanKind::Client } else { SpanKind::Internal };
    assert_eq!(span.span_kind, kind, "{}", span.name);
}

/// Checks that the root span has the outcome of the run.
fn check_agent(agent: &SpanData, outcome: &Outcome, ours: &[(usize, &SpanData)]) {
    let failure = value(agent, "error.type").map(ToString::to_string);
    let cancelled = value(agent, "chatlas.cancelled").is_some();
    match outcome {
        Outcome::Replied(reply) => {
            assert_eq!((failure, cancelled), (None, false));
            let sum = |key: &str| {
                let counts = ours.iter().filter(|(_, span)| span.name.starts_with("chat"));
                let counts = counts.filter_map(|(_, span)| match value(span, key) {
                    Some(opentelemetry::Value::I64(count)) => Some(*count),
                    _ => None,
                });
                counts.reduce(|a, b| a + b)
            };
            let key = "gen_ai.usage.input_tokens";
            let reported = reply.usage.input_tokens.map(|count| i64::try_from(count).unwrap());
            assert_eq!(sum(key), reported, "the sum of the model calls");
            assert_eq!(value(agent, key).map(ToString::to_string), reported.map(|n| n.to_string()));
        }
        Outcome::Failed(ChatError::Cancelled) | Outcome::GivenUp => {
            assert_eq!((failure, cancelled), (None, true));
        }
        Outcome::Failed(error) => {
            assert_eq!((failure.as_deref(), cancelled), (Some(&*error.error_type()), false));
        }
        Outcome::Panicked => assert_eq!((failure.as_deref(), cancelled), (Some("panic"), false)),
    }
}

/// Checks that no content is recorded unless capture is on.
fn check_content(log: &Log, expected: &Expected<'_>) {
    let quotes = |text: &str| text.contains(PROMPT) || text.contains(BODY);
    let any = |pairs: &[KeyValue]| {
        pairs.iter().any(|pair| quotes(pair.key.as_str()) || quotes(&pair.value.as_str()))
    };
    if !expected.capture.on_spans() || expected.redacts {
        for (_, span) in &log.ended {
            let status_quotes = match &span.status {
                Status::Error { description } => quotes(description),
                _ => false,
            };
            let event = span.events.iter().any(|event| any(&event.attributes));
            let at = span.attributes.iter().find(|pair| any(std::slice::from_ref(pair)));
            assert!(
                !(status_quotes || event || quotes(&span.name)) && at.is_none(),
                "content is recorded on {}:  {at:?} {:?} {:?}",
                span.name,
                span.status,
                span.events
            );
        }
    }
    if !expected.capture.on_events() || expected.redacts {
        for record in &log.events {
            let found = record.attributes_iter().any(|(_, value)| any_quotes(value, &quotes));
            assert!(!found, "content is recorded on {record:?}");
        }
    }
}

fn any_quotes(value: &AnyValue, quotes: &impl Fn(&str) -> bool) -> bool {
    match value {
        AnyValue::String(text) => quotes(text.as_str()),
        AnyValue::ListAny(list) => list.iter().any(|value| any_quotes(value, quotes)),
        AnyValue::Map(map) => {
            map.iter().any(|(key, value)| quotes(key.as_str()) || any_quotes(value, quotes))
        }
        _ => false,
    }
}
