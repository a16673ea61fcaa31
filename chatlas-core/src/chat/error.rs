//! The errors of a run.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use super::{LimitError, Reply};
use crate::provider::ProviderError;
use crate::telemetry::names;

/// The error of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChatError {
    /// A model call failed.
    Provider(ProviderError),
    /// The model still requested tools, or the vendor still paused the turn, after the maximum number
    /// of model calls.
    TooManyRounds {
        /// The maximum, as set by [`Chat::with_max_rounds`](super::Chat::with_max_rounds).
        limit: usize,
    },
    /// Two replies in succession ended (by the token limit or a content filter) before the arguments
    /// of a tool call were complete. The call was not run; the model had been informed of the first
    /// one. The history keeps both turns.
    TruncatedCall,
    /// The token of [`Chat::with_cancellation`](super::Chat::with_cancellation) was cancelled. The
    /// history keeps the complete turns and what had arrived of the reply.
    Cancelled,
    /// The run reached one of its [limits](super::Limits).
    Limit(LimitError),
    /// The answer is not a value of the type that [`Chat::extract`](super::Chat::extract) requested.
    Output(OutputError),
}

impl ChatError {
    /// Returns the value of `error.type` on the `invoke_agent` span. A cancelled run has none there,
    /// because cancellation is not an error of the agent.
    pub fn error_type(&self) -> Cow<'static, str> {
        match self {
            Self::Provider(error) => error.error_type(),
            Self::TooManyRounds { .. } => Cow::Borrowed(names::error::TOO_MANY_ROUNDS),
            Self::TruncatedCall => Cow::Borrowed(names::error::ARGUMENTS_TRUNCATED),
            Self::Cancelled => Cow::Borrowed(names::error::CANCELLED),
            Self::Output(error) => Cow::Borrowed(error.kind().as_str()),
            Self::Limit(error) => Cow::Borrowed(error.kind().as_str()),
        }
    }
}

impl fmt::Display for ChatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => error.fmt(f),
            Self::Output(error) => error.fmt(f),
            Self::Limit(error) => error.fmt(f),
            Self::TooManyRounds { limit } => write!(
                f,
                "the model was not done after {limit} model calls: \
                 raise the limit with `Chat::with_max_rounds` if that is expected"
            ),
            Self::TruncatedCall => f.write_str(
                "the token limit (or a content filter) cut the arguments of a tool call off, twice in \
                 succession: raise `Chat::with_max_tokens`, or request less",
            ),
            Self::Cancelled => f.write_str("the run was cancelled"),
        }
    }
}

/// `Provider`, `Output` and `Limit` display the inner error, so their source is the inner error's source: a
/// chain prints each message once.
impl Error for ChatError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Provider(error) => error.source(),
            Self::Output(error) => error.source(),
            Self::Limit(error) => error.source(),
            Self::TooManyRounds { .. } | Self::TruncatedCall | Self::Cancelled => None,
        }
    }
}

impl From<ProviderError> for ChatError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<LimitError> for ChatError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

/// Why an answer is not a value of the requested type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputErrorKind {
    /// A token limit cut the answer off.
    Truncated,
    /// The model, or a filter of the vendor, declined.
    Refused,
    /// The answer is not JSON of the requested type.
    Invalid,
}

impl OutputErrorKind {
    /// Returns the value of `error.type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => names::error::OUTPUT_TRUNCATED,
            Self::Refused => names::error::OUTPUT_REFUSED,
            Self::Invalid => names::error::OUTPUT_INVALID,
        }
    }
}

/// The error of an answer that is not a value of the requested type. It holds the reply, because its
/// tokens have been paid for; the conversation keeps the turn.
#[derive(Clone, PartialEq)]
pub struct OutputError(Box<Failure>);

#[derive(Clone, PartialEq)]
struct Failure {
    kind: OutputErrorKind,
    message: String,
    reply: Reply,
}

impl OutputError {
    pub(super) fn new(kind: OutputErrorKind, message: impl Into<String>, reply: Reply) -> Self {
        Self(Box::new(Failure { kind, message: message.into(), reply }))
    }

    /// Returns the kind, to match on.
    pub fn kind(&self) -> OutputErrorKind {
        self.0.kind
    }

    /// Returns the reply of the model.
    pub fn reply(&self) -> &Reply {
        &self.0.reply
    }
}

impl fmt::Debug for OutputError {
    /// Shows only the usage of the reply, because the rest is message content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("usage", &self.0.reply.usage)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl Error for OutputError {}
