//! A span that has ended, and spans drawn as a tree.

use std::fmt::Write as _;
use std::ops::Index;

use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId};
use opentelemetry_sdk::trace::SpanData;
use serde_json::Value;

use super::Attributes;

/// A span that has ended.
///
/// Its attributes are indexed by key: `span["gen_ai.request.model"]`.
#[derive(Clone, Debug)]
pub struct RecordedSpan {
    data: SpanData,
    attributes: Attributes,
}

impl RecordedSpan {
    pub(super) fn new(data: SpanData) -> Self {
        Self { attributes: Attributes::of(&data.attributes), data }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.data.name
    }

    /// Its kind.
    pub fn kind(&self) -> SpanKind {
        self.data.span_kind.clone()
    }

    /// Its status.
    pub fn status(&self) -> Status {
        self.data.status.clone()
    }

    /// Whether its status is an error.
    pub fn failed(&self) -> bool {
        matches!(self.data.status, Status::Error { .. })
    }

    /// Its own id.
    pub fn id(&self) -> SpanId {
        self.data.span_context.span_id()
    }

    /// The id of its parent: [`SpanId::INVALID`] for a root.
    pub fn parent_id(&self) -> SpanId {
        self.data.parent_span_id
    }

    /// The id of its trace.
    pub fn trace_id(&self) -> TraceId {
        self.data.span_context.trace_id()
    }

    /// All its attributes.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The text of that attribute, read as JSON.
    ///
    /// # Panics
    ///
    /// As [`Attributes::json`].
    #[track_caller]
    pub fn json(&self, key: &str) -> Value {
        self.attributes.json(key)
    }

    /// The names and attributes of its events: exceptions, for example.
    pub fn events(&self) -> Vec<(String, Attributes)> {
        let events = self.data.events.iter();
        events.map(|e| (e.name.to_string(), Attributes::of(&e.attributes))).collect()
    }

    /// All that the SDK knows of it.
    pub fn data(&self) -> &SpanData {
        &self.data
    }

    /// Whether chatlas made it.
    pub(super) fn is_ours(&self) -> bool {
        self.data.instrumentation_scope.name() == chatlas_core::telemetry::names::SCOPE_NAME
    }
}

impl Index<&str> for RecordedSpan {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        &self.attributes[key]
    }
}

/// The spans as an indented tree, in the order they started; on each line what `label` adds.
pub(super) fn tree(spans: &[RecordedSpan], label: &dyn Fn(&RecordedSpan, &mut String)) -> String {
    let mut out = String::new();
    let known = |id: SpanId| spans.iter().any(|span| span.id() == id);
    for span in spans.iter().filter(|span| !known(span.parent_id())) {
        branch(spans, span, 0, label, &mut out);
    }
    out
}

fn branch(
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
        branch(spans, child, depth + 1, label, out);
    }
}
