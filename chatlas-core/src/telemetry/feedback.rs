//! Feedback on replies: an evaluation event, or a span, that refers to the model call that returned
//! the reply.

use opentelemetry::logs::Severity;
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags,
    TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use serde::{Deserialize, Serialize};

use super::attributes::{push, without_empty};
use super::events::{Event, any_attributes, event_sink};
use super::installed::tracer;
use super::names::{event, response};
use super::shield::shielded;

/// Identifies a reply in the traces. Store it with the reply to record feedback later.
///
/// ```
/// use chatlas_core::telemetry::ReplyId;
///
/// let stored = r#"{"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331",
///                  "response_id":"resp_1"}"#;
/// let reply: ReplyId = serde_json::from_str(stored)?;
/// reply.feedback("helpfulness", 0.8, "It named the right gate.");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReplyId {
    /// The trace id, as 32 hexadecimal digits. Empty if no tracer provider was installed.
    pub trace_id: String,
    /// The id of the span of the model call, as 16 hexadecimal digits. Empty if no tracer provider
    /// was installed.
    pub span_id: String,
    /// The vendor's id of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
}

impl ReplyId {
    /// Creates the id of the reply that the model call of `span` returned.
    pub(crate) fn new(span: Option<&SpanContext>, response_id: Option<String>) -> Self {
        let span = span.filter(|span| span.is_valid());
        Self {
            trace_id: span.map(|span| span.trace_id().to_string()).unwrap_or_default(),
            span_id: span.map(|span| span.span_id().to_string()).unwrap_or_default(),
            response_id,
        }
    }

    /// Creates an id from its parts: the trace id as 32 hexadecimal digits, the span id of the model
    /// call as 16 hexadecimal digits, and the vendor's id of the response. An unknown part is empty.
    ///
    /// ```
    /// # use chatlas_core::telemetry::ReplyId;
    /// let reply =
    ///     ReplyId::from_parts("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "resp_1");
    /// reply.feedback("thumbs", "up", None);
    /// ```
    pub fn from_parts(
        trace_id: impl Into<String>,
        span_id: impl Into<String>,
        response_id: impl Into<String>,
    ) -> Self {
        let response_id = Some(response_id.into()).filter(|id| !id.is_empty());
        Self { trace_id: trace_id.into(), span_id: span_id.into(), response_id }
    }

    /// Records feedback on the reply, in the trace of the model call that returned it.
    ///
    /// `name` is the aspect that is evaluated; use a small set of names. `explanation` is recorded
    /// verbatim, whether or not capture is on.
    ///
    /// With an [event sink](super::set_event_sink), feedback is the event
    /// `gen_ai.evaluation.result` of the
    /// [conventions](https://github.com/open-telemetry/semantic-conventions-genai). Without one, and
    /// with [`EventSink::with_feedback_spans`](super::EventSink::with_feedback_spans), it is a span
    /// of that name with the same attributes, because many backends receive traces only. Its parent
    /// is the model call, to which it also has a link.
    ///
    /// Returns whether the event was emitted or the span is recorded. A sampler that drops the span,
    /// or a logger that rejects the event, records nothing.
    pub fn feedback<'a>(
        &self,
        name: impl Into<String>,
        value: impl Into<FeedbackValue>,
        explanation: impl Into<Option<&'a str>>,
    ) -> bool {
        let FeedbackValue { score, label } = value.into();
        let mut attributes = vec![KeyValue::new(event::EVALUATION_NAME, name.into())];
        push(&mut attributes, event::EVALUATION_SCORE, score);
        push(&mut attributes, event::EVALUATION_LABEL, label);
        let explanation = explanation.into().map(str::to_owned);
        push(&mut attributes, event::EVALUATION_EXPLANATION, explanation);
        self.record_evaluation(attributes)
    }

    /// Records an evaluation with these attributes. Returns whether it is recorded.
    pub(super) fn record_evaluation(&self, mut attributes: Vec<KeyValue>) -> bool {
        push(&mut attributes, response::ID, self.response_id.clone());
        without_empty(&mut attributes);
        let Some(sink) = event_sink() else { return self.record_span(attributes) };
        let recorded = sink.feedback_spans && self.record_span(attributes.clone());
        let emitted = sink.emit(Event {
            name: event::EVALUATION,
            severity: Some(Severity::Info),
            span: self.span(),
            attributes: any_attributes(attributes),
        });
        emitted || recorded
    }

    /// Records a span with these attributes. Returns whether the SDK records it.
    fn record_span(&self, attributes: Vec<KeyValue>) -> bool {
        let record = || {
            let mut parent = Context::current();
            let mut builder = SpanBuilder::from_name(event::EVALUATION)
                .with_kind(SpanKind::Internal)
                .with_attributes(attributes);
            if let Some(judged) = self.span() {
                builder = builder.with_links(vec![Link::with_context(judged.clone())]);
                parent = parent.with_remote_span_context(judged);
            }
            let mut span = tracer()?.build_with_context(builder, &parent);
            let is_recording = span.is_recording();
            span.end();
            Some(is_recording)
        };
        shielded(record).flatten().unwrap_or(false)
    }

    pub(super) fn span(&self) -> Option<SpanContext> {
        let trace = TraceId::from_hex(&self.trace_id).ok()?;
        let span = SpanId::from_hex(&self.span_id).ok()?;
        let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE);
        Some(context).filter(SpanContext::is_valid)
    }
}

/// The value of a feedback: a score, a label, or both.
///
/// ```
/// use chatlas_core::telemetry::FeedbackValue;
///
/// let score = FeedbackValue::from(0.8);
/// let label = FeedbackValue::from("good");
/// let both = FeedbackValue::from((0.8, "good"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedbackValue {
    score: Option<f64>,
    label: Option<String>,
}

impl From<f64> for FeedbackValue {
    fn from(score: f64) -> Self {
        Self { score: Some(score), label: None }
    }
}

impl From<&str> for FeedbackValue {
    fn from(label: &str) -> Self {
        Self { score: None, label: Some(label.to_owned()) }
    }
}

impl From<String> for FeedbackValue {
    fn from(label: String) -> Self {
        Self { score: None, label: Some(label) }
    }
}

impl From<(f64, &str)> for FeedbackValue {
    fn from((score, label): (f64, &str)) -> Self {
        Self { score: Some(score), label: Some(label.to_owned()) }
    }
}
