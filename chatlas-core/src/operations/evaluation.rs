//! Evaluations of answers: what is judged ([`Judged`]), and the result ([`Score`]).

use serde::{Deserialize, Serialize};

use super::Document;
use crate::chat::Reply;
use crate::telemetry::ReplyId;

/// An answer to be evaluated, with what an evaluator may need to know about it.
///
/// ```
/// # use chatlas_core::{Chat, ChatError};
/// use chatlas_core::operations::Judged;
///
/// # async fn example(mut chat: Chat) -> Result<(), ChatError> {
/// let question = "Which gate?";
/// let reply = chat.chat(question).await?;
/// let judged = Judged::from_reply(question, &reply).with_expected("B12");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Judged {
    /// The model call that returned the answer. The result is recorded in its context.
    pub id: ReplyId,
    /// The question.
    pub input: String,
    /// The answer.
    pub output: String,
    /// The correct answer, if there is one.
    pub expected: Option<String>,
    /// The documents that the answer should be based on.
    pub documents: Vec<Document>,
}

impl Judged {
    /// Creates an answer that belongs to no recorded model call.
    pub fn new(input: impl Into<String>, output: impl Into<String>) -> Self {
        Self { input: input.into(), output: output.into(), ..Self::default() }
    }

    /// Creates the answer of a chat to that question.
    pub fn from_reply(input: impl Into<String>, reply: &Reply) -> Self {
        Self::new(input, reply.text()).with_id(reply.id.clone())
    }

    /// Sets the model call that returned the answer.
    #[must_use]
    pub fn with_id(mut self, id: ReplyId) -> Self {
        self.id = id;
        self
    }

    /// Sets the correct answer.
    #[must_use]
    pub fn with_expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Sets the documents that the answer should be based on.
    #[must_use]
    pub fn with_documents(mut self, documents: impl Into<Vec<Document>>) -> Self {
        self.documents = documents.into();
        self
    }
}

/// The result of an evaluation: a number, a label, or both, with an explanation.
///
/// ```
/// use chatlas_core::operations::Score;
///
/// let score = Score::from(0.8).with_label("pass").with_explanation("It names the gate.");
/// assert_eq!(Score::from(true).label.as_deref(), Some("pass"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Score {
    /// The number. Its range is a matter of the evaluator; 0 to 1 is usual.
    pub value: Option<f64>,
    /// The label, one of few.
    pub label: Option<String>,
    /// The reason. It is recorded only with capture on for events, because it may quote content.
    pub explanation: Option<String>,
}

impl Score {
    /// Creates a result that is a label.
    pub fn from_label(label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..Self::default() }
    }

    /// Sets the label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets the explanation.
    #[must_use]
    pub fn with_explanation(mut self, explanation: impl Into<String>) -> Self {
        self.explanation = Some(explanation.into());
        self
    }
}

impl From<f64> for Score {
    fn from(value: f64) -> Self {
        Self { value: Some(value), ..Self::default() }
    }
}

/// `true` is 1 with the label `pass`, `false` is 0 with the label `fail`.
impl From<bool> for Score {
    fn from(passes: bool) -> Self {
        let (value, label) = if passes { (1.0, "pass") } else { (0.0, "fail") };
        Self::from(value).with_label(label)
    }
}

/// A value that an `#[evaluator]` function can return: a [`Score`], an `f64` or a `bool`.
#[diagnostic::on_unimplemented(
    message = "an evaluator cannot return `{Self}`",
    label = "return a `Score`, an `f64` or a `bool`, or a `Result` of one",
    note = "create a score with `Score::from(0.8)` or `Score::from_label(\"pass\")`"
)]
pub trait ToScore {
    #[doc(hidden)]
    fn to_score(&self) -> Score;
}

impl ToScore for Score {
    fn to_score(&self) -> Score {
        self.clone()
    }
}

impl ToScore for f64 {
    fn to_score(&self) -> Score {
        Score::from(*self)
    }
}

impl ToScore for bool {
    fn to_score(&self) -> Score {
        Score::from(*self)
    }
}
