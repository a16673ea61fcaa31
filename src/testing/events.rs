//! An event: a log record with a name.

use std::ops::Index;

use opentelemetry::logs::Severity;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::logs::SdkLogRecord;
use serde_json::Value;

use super::Attributes;

/// An event that was written.
///
/// Its attributes are indexed by key, and structured: `event["gen_ai.input.messages"][0]["role"]`.
#[derive(Clone, Debug)]
pub struct RecordedEvent {
    name: String,
    severity: Option<Severity>,
    within: Option<(TraceId, SpanId)>,
    attributes: Attributes,
}

impl RecordedEvent {
    pub(super) fn new(record: &SdkLogRecord) -> Self {
        Self {
            name: record.event_name().unwrap_or_default().to_owned(),
            severity: record.severity_number(),
            within: record.trace_context().map(|trace| (trace.trace_id, trace.span_id)),
            attributes: Attributes::of_event(record.attributes_iter()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How severe it is.
    pub fn severity(&self) -> Option<Severity> {
        self.severity
    }

    /// The span it happened in: [`SpanId::INVALID`] outside any.
    pub fn span_id(&self) -> SpanId {
        self.within.map_or(SpanId::INVALID, |(_, span)| span)
    }

    /// The trace it happened in: [`TraceId::INVALID`] outside any.
    pub fn trace_id(&self) -> TraceId {
        self.within.map_or(TraceId::INVALID, |(trace, _)| trace)
    }

    /// All its attributes.
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
