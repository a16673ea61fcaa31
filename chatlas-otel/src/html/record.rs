//! Spans as JSON, in the format of `page/model.js`.

use std::time::Duration;

use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::trace::SpanData;
use serde_json::{Value, json};

use super::page::escape;
use crate::facts::{Facts, Kind};
use crate::json::{attributes, nanos};
use chatlas_core::cost::Prices;

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Returns a span that has ended.
pub(crate) fn ended(span: &SpanData, prices: &Prices) -> String {
    let facts = Facts::from_span(span, prices);
    let duration = micros(facts.duration());
    escape(&record(span, facts, [("duration", json!(duration))]))
}

/// Returns a span that has started. It has no duration yet.
#[cfg(feature = "live")]
pub(crate) fn started(span: &SpanData, prices: &Prices) -> String {
    escape(&record(span, Facts::from_span(span, prices), [("running", json!(true))]))
}

fn record(span: &SpanData, facts: Facts, more: [(&str, Value); 1]) -> Value {
    let root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
    let kind = match facts.kind {
        Kind::Agent => "agent",
        Kind::ModelCall => "chat",
        Kind::ToolCall => "tool",
        Kind::Http => "http",
        Kind::Other => "other",
    };
    let description = match &span.status {
        Status::Error { description } if !description.is_empty() => Some(description),
        _ => None,
    };
    let start = nanos(span.start_time);
    let events: Vec<Value> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "name": event.name,
                "at": nanos(event.timestamp).saturating_sub(start) / 1_000,
                "attributes": attributes(&event.attributes),
            })
        })
        .collect();
    let links: Vec<Value> = span
        .links
        .iter()
        .map(|link| {
            let linked = &link.span_context;
            json!({"trace": linked.trace_id().to_string(), "id": linked.span_id().to_string()})
        })
        .collect();
    let mut json = json!({
        "trace": span.span_context.trace_id().to_string(),
        "id": facts.id.to_string(),
        "name": facts.name,
        "kind": kind,
        "start": start / 1_000,
        "attributes": attributes(&span.attributes),
    });
    let Some(fields) = json.as_object_mut() else { return json };
    fields.extend(more.map(|(key, value)| (key.to_owned(), value)));
    let mut put = |key: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (key.to_owned(), value)));
    };
    put("parent", (!root).then(|| facts.parent.to_string().into()));
    put("model", facts.model.map(Value::from));
    put("tool", facts.tool.map(Value::from));
    put("input", facts.tokens.input.map(Value::from));
    put("output", facts.tokens.output.map(Value::from));
    put("cached", facts.tokens.cached.map(Value::from));
    put("firstChunk", facts.time_to_first_chunk.map(|time| micros(time).into()));
    put("cost", facts.cost.map(Value::from));
    put("error", facts.error.map(Value::from));
    put("description", description.map(|text| text.as_ref().into()));
    put("events", (!events.is_empty()).then(|| events.into()));
    put("links", (!links.is_empty()).then(|| links.into()));
    json
}
