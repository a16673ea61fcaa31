//! Spans as JSON, in the format of `page/model.js`.

use std::time::Duration;

use opentelemetry::trace::{Event, Link, SpanId, Status};
use opentelemetry_sdk::trace::SpanData;
use serde::Serialize;

use super::page::escape;
use crate::facts::{Facts, Kind};
use crate::json::{Attributes, nanos};
use chatlas_core::cost::Prices;

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Returns a span that has ended.
pub(crate) fn ended(span: &SpanData, prices: &Prices) -> String {
    let facts = Facts::from_span(span, prices);
    let duration = micros(facts.duration());
    escape(&Record { duration: Some(duration), ..Record::new(span, &facts) })
}

/// Returns a span that has started. It has no duration yet.
#[cfg(feature = "live")]
pub(crate) fn started(span: &SpanData, prices: &Prices) -> String {
    let facts = Facts::from_span(span, prices);
    escape(&Record { running: Some(true), ..Record::new(span, &facts) })
}

/// The fields that the page reads. Those that are `None` or empty are omitted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    trace: String,
    id: String,
    name: &'a str,
    kind: &'static str,
    start: u64,
    attributes: Attributes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_chunk: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventRecord<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<LinkRecord>,
}

#[derive(Serialize)]
struct EventRecord<'a> {
    name: &'a str,
    /// Microseconds since the start of the span.
    at: u64,
    attributes: Attributes<'a>,
}

#[derive(Serialize)]
struct LinkRecord {
    trace: String,
    id: String,
}

impl<'a> Record<'a> {
    fn new(span: &'a SpanData, facts: &'a Facts) -> Self {
        let root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
        let description = match &span.status {
            Status::Error { description } if !description.is_empty() => Some(description.as_ref()),
            _ => None,
        };
        let start = nanos(span.start_time);
        let event = |event: &'a Event| EventRecord {
            name: &event.name,
            at: nanos(event.timestamp).saturating_sub(start) / 1_000,
            attributes: Attributes(&event.attributes),
        };
        let link = |link: &Link| LinkRecord {
            trace: link.span_context.trace_id().to_string(),
            id: link.span_context.span_id().to_string(),
        };
        Self {
            trace: span.span_context.trace_id().to_string(),
            id: facts.id.to_string(),
            name: &facts.name,
            kind: match facts.kind {
                Kind::Agent => "agent",
                Kind::ModelCall => "chat",
                Kind::ToolCall => "tool",
                Kind::Http => "http",
                Kind::Other => "other",
            },
            start: start / 1_000,
            attributes: Attributes(&span.attributes),
            duration: None,
            running: None,
            parent: (!root).then(|| facts.parent.to_string()),
            model: facts.model.as_deref(),
            tool: facts.tool.as_deref(),
            input: facts.tokens.input,
            output: facts.tokens.output,
            cached: facts.tokens.cached,
            first_chunk: facts.time_to_first_chunk.map(micros),
            cost: facts.cost,
            details: facts.details.as_deref(),
            error: facts.error.as_deref(),
            description,
            events: span.events.iter().map(event).collect(),
            links: span.links.iter().map(link).collect(),
        }
    }
}
