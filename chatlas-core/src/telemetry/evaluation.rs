//! An evaluation: the event `gen_ai.evaluation.result` in the context of the judged model call, or a
//! span where feedback is one. The conventions define no span for the evaluation itself.

use std::future::Future;
use std::sync::Arc;

use opentelemetry::{Context, KeyValue};

use super::attributes::push;
use super::capture::ContentKind;
use super::failure::low_cardinality;
use super::feedback::ReplyId;
use super::function::{End, FunctionSpan, Operation, direct};
use super::names::{self, error, event};
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
        Some(Box::new(Evaluation { live, name, labels, id: judged.id.clone() }))
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
    fn attributes(&self, score: Score) -> Vec<KeyValue> {
        let Score { value, label, explanation } = score;
        let is_listed = |label: &String| {
            label.is_empty() || self.labels.is_empty() || self.labels.contains(&label.as_str())
        };
        let label = label.map(|label| if is_listed(&label) { label } else { error::OTHER.into() });
        let explanation = explanation
            .filter(|_| self.live.writer.capture.on_events())
            .map(|text| self.live.writer.to_text(ContentKind::Explanation, text.into()));
        let mut list = Vec::with_capacity(5);
        push(&mut list, event::EVALUATION_SCORE, value);
        push(&mut list, event::EVALUATION_LABEL, label);
        push(&mut list, event::EVALUATION_EXPLANATION, explanation);
        list
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
        let mut list = match end {
            End::Completed(Some(ToolOutput::Value(score))) => {
                self.attributes(serde_json::from_value(score.clone()).unwrap_or_default())
            }
            End::Failed(error) => {
                vec![KeyValue::new(names::ERROR_TYPE, low_cardinality(error.error_type().clone()))]
            }
            End::Panicked => vec![KeyValue::new(names::ERROR_TYPE, error::PANIC)],
            End::Completed(_) | End::Cancelled => return,
        };
        list.push(KeyValue::new(event::EVALUATION_NAME, self.name));
        self.id.record_evaluation(list);
    }
}
