//! Feedback on replies: an evaluation event that refers to the model call that returned the reply.

use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry::{Key, logs};
use serde::{Deserialize, Serialize};

use super::events::{Event, event_sink};
use super::names::{event, response};

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

    /// Records feedback on the reply: the event `gen_ai.evaluation.result`, in the context of the
    /// model call that returned the reply.
    ///
    /// `name` is the aspect that is evaluated; use a small set of names. `explanation` is recorded
    /// verbatim, whether or not capture is on. Returns whether an
    /// [event sink](super::set_event_sink) is set, so that the event was emitted.
    pub fn feedback<'a>(
        &self,
        name: impl Into<String>,
        value: impl Into<FeedbackValue>,
        explanation: impl Into<Option<&'a str>>,
    ) -> bool {
        let Some(sink) = event_sink() else { return false };
        let FeedbackValue { score, label } = value.into();
        let label = label.filter(|label| !label.is_empty());
        let mut attributes: Vec<(Key, AnyValue)> =
            vec![(event::EVALUATION_NAME.into(), name.into().into())];
        attributes.extend(score.map(|score| (event::EVALUATION_SCORE.into(), score.into())));
        attributes.extend(label.map(|label| (event::EVALUATION_LABEL.into(), label.into())));
        let explanation = explanation.into().filter(|text| !text.is_empty());
        attributes.extend(
            explanation.map(|text| (event::EVALUATION_EXPLANATION.into(), text.to_owned().into())),
        );
        let response = self.response_id.clone().filter(|id| !id.is_empty());
        attributes.extend(response.map(|id| (response::ID.into(), id.into())));
        let severity = Some(logs::Severity::Info);
        sink.emit(Event { name: event::EVALUATION, severity, span: self.span(), attributes });
        true
    }

    pub(super) fn span(&self) -> Option<SpanContext> {
        let trace = TraceId::from_hex(&self.trace_id).ok()?;
        let span = SpanId::from_hex(&self.span_id).ok()?;
        Some(SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE))
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
