//! A recorded event: a log record with a name.

use std::ops::Index;

use opentelemetry::logs::Severity;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::logs::SdkLogRecord;
use serde_json::Value;

use super::Attributes;

/// A recorded event.
///
/// Index it by key to read an attribute. Content is structured:
/// `event["gen_ai.input.messages"][0]["role"]`.
#[derive(Clone, Debug)]
pub struct RecordedEvent {
    name: String,
    severity: Option<Severity>,
    parent: Option<(TraceId, SpanId)>,
    attributes: Attributes,
}

impl RecordedEvent {
    pub(super) fn new(record: &SdkLogRecord) -> Self {
        Self {
            name: record.event_name().unwrap_or_default().to_owned(),
            severity: record.severity_number(),
            parent: record.trace_context().map(|trace| (trace.trace_id, trace.span_id)),
            attributes: Attributes::from_log(record.attributes_iter()),
        }
    }

    /// Returns the name of the event.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the severity.
    pub fn severity(&self) -> Option<Severity> {
        self.severity
    }

    /// Returns the id of the span in which the event was emitted, or [`SpanId::INVALID`] outside any
    /// span.
    pub fn span_id(&self) -> SpanId {
        self.parent.map_or(SpanId::INVALID, |(_, span)| span)
    }

    /// Returns the id of the trace in which the event was emitted, or [`TraceId::INVALID`] outside any
    /// trace.
    pub fn trace_id(&self) -> TraceId {
        self.parent.map_or(TraceId::INVALID, |(trace, _)| trace)
    }

    /// Returns the attributes.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }
}

impl Index<&str> for RecordedEvent {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        &self.attributes[key]
    }
}
