//! What goes into a chat and comes out of it: the prompt, the events of a stream, the reply, the
//! error.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::OutputError;
use crate::content::{Content, ToolRequest, ToolResult};
use crate::provider::ProviderError;
use crate::telemetry::{FeedbackValue, ReplyId, names};
use crate::tool::ToolOutput;
use crate::turn::{AssistantTurn, Usage};

/// What the user says: text, or several contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt(pub(super) Vec<Content>);

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self(vec![Content::text(text)])
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self(vec![Content::text(text)])
    }
}

impl From<&String> for Prompt {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Content> for Prompt {
    fn from(content: Content) -> Self {
        Self(vec![content])
    }
}

impl From<Vec<Content>> for Prompt {
    fn from(contents: Vec<Content>) -> Self {
        Self(contents)
    }
}

impl<const N: usize> From<[Content; N]> for Prompt {
    fn from(contents: [Content; N]) -> Self {
        Self(contents.into())
    }
}

/// What the model answered in the end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The model's last turn.
    pub turn: Arc<AssistantTurn>,
    /// The tokens of all model calls that led to it.
    pub usage: Usage,
    /// How many model calls that were.
    pub rounds: usize,
    /// Where the answer stands in the traces: store it to judge the answer later.
    pub id: ReplyId,
}

impl Reply {
    /// The text of the answer.
    pub fn text(&self) -> String {
        self.turn.text()
    }

    /// Records feedback on the reply; see [`ReplyId::feedback`].
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

/// What happens while a reply arrives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
// The large one comes once, at the end; a box would be in everybody's way.
#[allow(clippy::large_enum_variant)]
pub enum StreamEvent {
    /// More text.
    Text(String),
    /// More of what the model thinks.
    Thinking(String),
    /// Another content that is whole: a citation, a vendor's own tool call.
    Content(Content),
    /// The model asks for a tool, which is about to run.
    ToolRequest(ToolRequest),
    /// A tool that is running tells how far it has come.
    ToolProgress {
        /// The id of the request that it serves.
        id: Arc<str>,
        /// A part of its result, or a word on its progress.
        output: ToolOutput,
    },
    /// A tool is done.
    ToolResult(ToolResult),
    /// The end: the answer.
    Done(Reply),
}

/// A conversation that could not go on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChatError {
    /// A model call failed.
    Provider(ProviderError),
    /// The model was not done: it kept asking for tools, or its vendor kept pausing the turn.
    TooManyRounds {
        /// The bound, as [`Chat::max_rounds`](super::Chat::max_rounds) has it.
        limit: usize,
    },
    /// The token of [`Chat::cancellation`](super::Chat::cancellation) was cancelled. The history keeps what is whole, and
    /// what had arrived of a reply.
    Cancelled,
    /// The answer is no value of the type that [`Chat::extract`](super::Chat::extract) asked for.
    Output(OutputError),
}

impl ChatError {
    /// The value of `error.type` on the `invoke_agent` span. One that was cancelled has none: that
    /// is no error of the agent's.
    pub fn error_type(&self) -> Cow<'static, str> {
        match self {
            Self::Provider(error) => error.error_type(),
            Self::TooManyRounds { .. } => Cow::Borrowed(names::error::TOO_MANY_ROUNDS),
            Self::Cancelled => Cow::Borrowed(names::error::CANCELLED),
            Self::Output(error) => Cow::Borrowed(error.kind().as_str()),
        }
    }
}

impl fmt::Display for ChatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => error.fmt(f),
            Self::Output(error) => error.fmt(f),
            Self::TooManyRounds { limit } => write!(
                f,
                "the model was not done after {limit} model calls; \
                 if that is meant to be, raise `Chat::max_rounds`"
            ),
            Self::Cancelled => f.write_str("the conversation was cancelled"),
        }
    }
}

impl std::error::Error for ChatError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Provider(error) => Some(error),
            Self::Output(error) => Some(error),
            Self::TooManyRounds { .. } | Self::Cancelled => None,
        }
    }
}

impl From<ProviderError> for ChatError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}
