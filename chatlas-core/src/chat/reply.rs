//! What a run returns: [`Reply`], and the events of a stream.

use std::fmt;
use std::sync::Arc;

use crate::content::{Content, ToolRequest, ToolResult};
use crate::telemetry::{FeedbackValue, ReplyId};
use crate::tool::ToolOutput;
use crate::turn::{AssistantTurn, Usage};

/// The model's answer to a prompt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The last turn of the model.
    pub turn: Arc<AssistantTurn>,
    /// All complete turns of the model in the run, oldest first. The last one is `turn`.
    pub turns: Vec<Arc<AssistantTurn>>,
    /// The token counts of all model calls of the run.
    pub usage: Usage,
    /// The number of model calls of the run.
    pub rounds: usize,
    /// The id of the reply in the telemetry. Store it to record feedback later.
    pub id: ReplyId,
}

impl Reply {
    /// Returns the text of the answer.
    pub fn text(&self) -> String {
        self.turn.text()
    }

    /// Records feedback on the answer, as [`ReplyId::feedback`] does.
    ///
    /// ```
    /// # fn example(reply: chatlas_core::Reply) {
    /// reply.feedback("helpfulness", 0.8, "It named the right gate.");
    /// reply.feedback("thumbs", "down", None);
    /// # }
    /// ```
    pub fn feedback<'a>(
        &self,
        name: impl Into<String>,
        value: impl Into<FeedbackValue>,
        explanation: impl Into<Option<&'a str>>,
    ) -> bool {
        self.id.feedback(name, value, explanation)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// An event of a [`ChatStream`](super::ChatStream).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StreamEvent {
    /// The next piece of text.
    Text(String),
    /// The next piece of the model's thinking.
    Thinking(String),
    /// Another complete content, such as a citation or a call of the vendor's own tool.
    Content(Content),
    /// A tool call that the model requests and that is about to run, unless it was cut off.
    ToolRequest(ToolRequest),
    /// A partial result or a progress report of a running tool.
    ToolProgress {
        /// The id of the tool request.
        id: Arc<str>,
        /// The name of the tool.
        name: Arc<str>,
        /// The partial result or the report.
        output: ToolOutput,
    },
    /// The result of a tool call.
    ToolResult(ToolResult),
    /// The answer is not a value of the requested type, and the run requests another one: see
    /// [`Chat::with_extract_retries`](super::Chat::with_extract_retries). Contains the message that
    /// is sent to the model. Discard the text so far.
    OutputRejected(String),
    /// The end of the stream: the answer.
    Done(Box<Reply>),
}
