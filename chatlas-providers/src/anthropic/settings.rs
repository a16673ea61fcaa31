//! The settings that Anthropic and Bedrock share: prompt caching, thinking, citations, betas.

use chatlas_core::{WebFetch, WebSearch};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{Client, Dialect};

/// How long the vendor keeps the prefix of a conversation, so that the next request does not pay for
/// it again: [prompt caching](https://docs.claude.com/en/docs/build-with-claude/prompt-caching).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caching {
    /// The prefix is not cached.
    Off,
    /// Five minutes from the last use. Writing costs a quarter more than plain input.
    #[default]
    FiveMinutes,
    /// One hour from the last use. Writing costs twice as much as plain input.
    OneHour,
}

impl Caching {
    /// Returns the mark at the end of the cached prefix.
    pub(super) fn mark(self) -> Option<Value> {
        let ttl = match self {
            Self::Off => return None,
            Self::FiveMinutes => "5m",
            Self::OneHour => "1h",
        };
        Some(json!({"type": "ephemeral", "ttl": ttl}))
    }
}

/// Whether and how much a model thinks before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Thinking {
    /// The model does not think.
    Disabled,
    /// The model decides.
    Adaptive,
    /// At most this number of tokens.
    Enabled { budget_tokens: u32 },
}

/// The settings of a provider that hold for all its requests.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub(crate) caching: Caching,
    pub(crate) thinking: Option<Thinking>,
    /// Whether the model cites passages of documents.
    pub(crate) cites_documents: bool,
    pub(crate) web_search: Option<WebSearch>,
    pub(crate) web_fetch: Option<WebFetch>,
    pub(crate) betas: Vec<String>,
}

/// A dialect whose models are Claude.
pub trait ClaudeDialect: Dialect {
    /// Returns the settings of Claude.
    fn settings_mut(&mut self) -> &mut Settings;
}

impl<D: ClaudeDialect> Client<D> {
    fn with_claude(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.configure(|dialect, _| change(dialect.settings_mut()))
    }

    /// Sets how long the prefix of a conversation is cached.
    #[must_use]
    pub fn with_caching(self, caching: Caching) -> Self {
        self.with_claude(|settings| settings.caching = caching)
    }

    /// Lets the model think before it answers, with at most that number of tokens: 1024 or more.
    #[must_use]
    pub fn with_thinking_budget(self, tokens: u32) -> Self {
        let thinking = Thinking::Enabled { budget_tokens: tokens };
        self.with_claude(|settings| settings.thinking = Some(thinking))
    }

    /// Lets the model decide how much it thinks before it answers.
    #[must_use]
    pub fn with_adaptive_thinking(self) -> Self {
        self.with_claude(|settings| settings.thinking = Some(Thinking::Adaptive))
    }

    /// Lets the model cite the passages of documents that it relies on.
    #[must_use]
    pub fn with_document_citations(self) -> Self {
        self.with_claude(|settings| settings.cites_documents = true)
    }

    /// Enables a beta feature of Anthropic's API by its name (`anthropic-beta`). The betas that
    /// files and web fetch require are sent automatically.
    #[must_use]
    pub fn with_beta(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with_claude(|settings| settings.betas.push(name))
    }
}
