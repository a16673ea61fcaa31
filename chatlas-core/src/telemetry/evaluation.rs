//! An evaluation: the event `gen_ai.evaluation.result` in the context of the judged model call. The
//! conventions define no span for it.

use std::future::Future;
use std::sync::Arc;

use opentelemetry::logs::{AnyValue, Severity};
use opentelemetry::{Context, Key};

use super::capture::ContentKind;
use super::events::Event;
use super::failure::low_cardinality;
use super::feedback::ReplyId;
use super::function::{End, FunctionSpan, Operation, direct};
use super::names::{self, error, event, response};
use super::run::Live;
use crate::chat::ChatError;
use crate::operations::{Judged, Score};
use crate::tool::{ToolError, ToolOutput};

struct Evaluation {
    live: Arc<Live>,
    name: &'static str,
    /// The labels that are recorded. Empty if all are.
    labels: &'static [&'static str],
    id: ReplyId,
}

/// Starts an evaluation.
pub fn evaluation_span(
    name: &'static str,
    labels: &'static [&'static str],
    judged: &Judged,
) -> FunctionSpan {
    FunctionSpan::start(|live| {
        let id = judged.id.clone();
        let has_sink = live.sink.is_some();
        has_sink.then(|| Box::new(Evaluation { live, name, labels, id }) as Box<dyn Operation>)
    })
}

/// Runs an evaluation and records its result.
pub(crate) fn evaluate(
    name: &'static str,
    judged: &Judged,
    work: impl Future<Output = Result<Score, ChatError>> + Send,
) -> impl Future<Output = Result<Score, ChatError>> + Send {
    direct(evaluation_span(name, &[], judged), work, |result, _| match result {
        Ok(score) => Ok(score_output(score.clone())),
        Err(error) => Err(ToolError::new(error.error_type(), error.to_string())),
    })
}

/// Returns a score as the output of a function. Called by macro expansions.
pub fn score_output(score: Score) -> ToolOutput {
    ToolOutput::Value(serde_json::to_value(score).unwrap_or_default())
}

impl Evaluation {
    /// Returns the attributes of the result.
    fn attributes(&self, score: Score) -> Vec<(Key, AnyValue)> {
        let Score { value, label, explanation } = score;
        let is_listed = |label: &String| self.labels.contains(&label.as_str());
        let label = label.filter(|label| !label.is_empty()).map(|label| {
            if self.labels.is_empty() || is_listed(&label) { label } else { error::OTHER.into() }
        });
        let explanation = explanation
            .filter(|text| !text.is_empty() && self.live.writer.capture.on_events())
            .map(|text| self.live.writer.to_text(ContentKind::Explanation, text.into()));
        let texts =
            [(event::EVALUATION_LABEL, label), (event::EVALUATION_EXPLANATION, explanation)];
        let value = value.map(|value| (event::EVALUATION_SCORE.into(), value.into()));
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key.into(), text?.into())));
        value.into_iter().chain(texts).collect()
    }
}

impl Operation for Evaluation {
    fn context(&self) -> Option<&Context> {
        None
    }

    fn wants_output(&self) -> bool {
        true
    }

    fn end(self: Box<Self>, end: End<'_>) {
        let result = match end {
            End::Completed(Some(ToolOutput::Value(score))) => {
                self.attributes(serde_json::from_value(score.clone()).unwrap_or_default())
            }
            End::Failed(error) => {
                let kind = low_cardinality(error.error_type().clone()).into_owned();
                vec![(names::ERROR_TYPE.into(), kind.into())]
            }
            End::Panicked => vec![(names::ERROR_TYPE.into(), error::PANIC.into())],
            End::Completed(_) | End::Cancelled => return,
        };
        let Some(sink) = &self.live.sink else { return };
        let mut attributes: Vec<(Key, AnyValue)> =
            vec![(event::EVALUATION_NAME.into(), self.name.into())];
        attributes.extend(result);
        let response = self.id.response_id.clone().filter(|id| !id.is_empty());
        attributes.extend(response.map(|id| (response::ID.into(), id.into())));
        let severity = Some(Severity::Info);
        sink.emit(Event { name: event::EVALUATION, severity, span: self.id.span(), attributes });
    }
}
