//! A recorded span, and the drawing of spans as a tree.

use std::fmt::Write as _;
use std::ops::Index;

use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::trace::SpanData;
use serde_json::Value;

use super::Attributes;

/// A span that has ended.
///
/// Index it by key to read an attribute: `span["gen_ai.request.model"]`.
#[derive(Clone, Debug)]
pub struct RecordedSpan {
    data: SpanData,
    attributes: Attributes,
}

impl RecordedSpan {
    pub(super) fn new(data: SpanData) -> Self {
        Self { attributes: Attributes::from_key_values(&data.attributes), data }
    }

    /// Returns the name of the span.
    pub fn name(&self) -> &str {
        &self.data.name
    }

    /// Returns the kind.
    pub fn kind(&self) -> SpanKind {
        self.data.span_kind.clone()
    }

    /// Returns the status.
    pub fn status(&self) -> Status {
        self.data.status.clone()
    }

    /// Returns whether the status is an error.
    pub fn is_error(&self) -> bool {
        matches!(self.data.status, Status::Error { .. })
    }

    /// Returns the id of the span.
    pub fn id(&self) -> SpanId {
        self.data.span_context.span_id()
    }

    /// Returns the id of the parent, or [`SpanId::INVALID`] for a root span.
    pub fn parent_id(&self) -> SpanId {
        self.data.parent_span_id
    }

    /// Returns the id of the trace.
    pub fn trace_id(&self) -> TraceId {
        self.data.span_context.trace_id()
    }

    /// Returns the attributes.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Parses the string value of an attribute as JSON; see [`Attributes::json`].
    ///
    /// # Panics
    ///
    /// Panics if the attribute is missing or its value is not a string of valid JSON.
    #[track_caller]
    pub fn json(&self, key: &str) -> Value {
        self.attributes.json(key)
    }

    /// Returns the names and attributes of the span's own events, exceptions for example.
    pub fn events(&self) -> Vec<(String, Attributes)> {
        let events = self.data.events.iter();
        events.map(|e| (e.name.to_string(), Attributes::from_key_values(&e.attributes))).collect()
    }

    /// Returns the span as the SDK exports it.
    pub fn data(&self) -> &SpanData {
        &self.data
    }

    /// Returns whether chatlas created the span.
    pub(super) fn is_from_chatlas(&self) -> bool {
        self.data.instrumentation_scope.name() == chatlas_core::telemetry::names::SCOPE_NAME
    }
}

impl Index<&str> for RecordedSpan {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        &self.attributes[key]
    }
}

/// Draws the spans as an indented tree, in the order in which they started. `label` appends to each
/// line.
pub(super) fn tree(spans: &[RecordedSpan], label: &dyn Fn(&RecordedSpan, &mut String)) -> String {
    let mut out = String::new();
    let contains = |id: SpanId| spans.iter().any(|span| span.id() == id);
    for span in spans.iter().filter(|span| !contains(span.parent_id())) {
        draw(spans, span, 0, label, &mut out);
    }
    out
}

fn draw(
    spans: &[RecordedSpan],
    span: &RecordedSpan,
    depth: usize,
    label: &dyn Fn(&RecordedSpan, &mut String),
    out: &mut String,
) {
    let _ = write!(out, "{:1$}{2}", "", depth * 2, span.name());
    label(span, out);
    out.push('\n');
    for child in spans.iter().filter(|child| child.parent_id() == span.id()) {
        draw(spans, child, depth + 1, label, out);
    }
}
