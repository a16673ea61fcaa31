//! What people think of an answer: an evaluation event, beside the model call that gave it.

use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry::{Key, logs};
use serde::{Deserialize, Serialize};

use super::events::{Event, event_sink};
use super::names::{event, response};

/// Where an answer stands in the traces: enough to judge it later. Store it beside the answer.
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
    /// The trace, as 32 hexadecimal digits; empty where nobody listened to spans.
    pub trace_id: String,
    /// The span of the model call that gave the answer, as 16 hexadecimal digits; empty where
    /// nobody listened to spans.
    pub span_id: String,
    /// The vendor's id of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
}

impl ReplyId {
    pub(crate) fn new(span: Option<&SpanContext>, response_id: Option<String>) -> Self {
        let span = span.filter(|span| span.is_valid());
        Self {
            trace_id: span.map(|span| span.trace_id().to_string()).unwrap_or_default(),
            span_id: span.map(|span| span.span_id().to_string()).unwrap_or_default(),
            response_id,
        }
    }

    /// Puts it together from ids that were stored by themselves: the trace as 32 hexadecimal
    /// digits, the span of the model call as 16, and the vendor's id of the response. What is not
    /// known is empty.
    ///
    /// ```
    /// # use chatlas_core::telemetry::ReplyId;
    /// ReplyId::of("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "resp_1")
    ///     .feedback("thumbs", "up", None);
    /// ```
    pub fn of(
        trace_id: impl Into<String>,
        span_id: impl Into<String>,
        response_id: impl Into<String>,
    ) -> Self {
        let response_id = Some(response_id.into()).filter(|id| !id.is_empty());
        Self { trace_id: trace_id.into(), span_id: span_id.into(), response_id }
    }

    /// Records what somebody thinks of the answer: the event `gen_ai.evaluation.result`, in the
    /// context of the model call that gave it.
    ///
    /// `name` says what is judged, and is one of few. `explanation` is recorded as it is, whether
    /// capture is on or not. It returns whether an [event sink](super::set_event_sink) took it.
    pub fn feedback<'a>(
        &self,
        name: impl Into<String>,
        verdict: impl Into<Verdict>,
        explanation: impl Into<Option<&'a str>>,
    ) -> bool {
        let Some(sink) = event_sink() else { return false };
        let Verdict { score, label } = verdict.into();
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

    fn span(&self) -> Option<SpanContext> {
        let trace = TraceId::from_hex(&self.trace_id).ok()?;
        let span = SpanId::from_hex(&self.span_id).ok()?;
        Some(SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE))
    }
}

/// What somebody thinks of an answer: a score, a label, or both.
///
/// `0.8`, `"good"` and `(0.8, "good")` are verdicts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    score: Option<f64>,
    label: Option<String>,
}

impl From<f64> for Verdict {
    fn from(score: f64) -> Self {
        Self { score: Some(score), label: None }
    }
}

impl From<&str> for Verdict {
    fn from(label: &str) -> Self {
        Self { score: None, label: Some(label.to_owned()) }
    }
}

impl From<String> for Verdict {
    fn from(label: String) -> Self {
        Self { score: None, label: Some(label) }
    }
}

impl From<(f64, &str)> for Verdict {
    fn from((score, label): (f64, &str)) -> Self {
        Self { score: Some(score), label: Some(label.to_owned()) }
    }
}
