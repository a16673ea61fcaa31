//! The state of a conversation that only sessions and history limits use.

use serde_json::{Map, Value};

use crate::turn::Usage;

/// What a session contains beside the turns and the settings of a chat.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) title: Option<String>,
    /// When the first session was created, in seconds since 1970-01-01 UTC.
    pub(super) created: Option<u64>,
    pub(super) revision: u64,
    /// The token counts of removed replies.
    pub(super) removed_usage: Usage,
    /// Whether the turns are a compacted view of the conversation.
    pub(super) compacted: bool,
    /// The fields of the session that this release does not define.
    pub(super) other: Map<String, Value>,
}

/// How much history a conversation keeps.
///
/// ```
/// # use chatlas_core::{Chat, Provider, chat::HistoryLimit};
/// # fn example(provider: impl Provider) {
/// let limit = HistoryLimit::new(20_000).with_first_exchange(true);
/// let chat = Chat::new(provider).with_history_limit(limit);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryLimit {
    /// The maximum size of the system prompt and the turns, in tokens.
    pub tokens: u64,
    /// Whether the first prompt and its replies are always kept. Default: `false`.
    pub first_exchange: bool,
}

impl HistoryLimit {
    /// Creates a limit of that many tokens.
    pub fn new(tokens: u64) -> Self {
        Self { tokens, first_exchange: false }
    }

    /// Sets whether the first prompt and its replies are always kept.
    #[must_use]
    pub fn with_first_exchange(mut self, kept: bool) -> Self {
        self.first_exchange = kept;
        self
    }
}

impl From<u64> for HistoryLimit {
    fn from(tokens: u64) -> Self {
        Self::new(tokens)
    }
}
