//! Who said it: the turns of a conversation, and what a model call cost.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use serde::{Deserialize, Serialize};

use crate::content::{Content, ToolRequest, ToolResult};

/// One turn of a conversation.
///
/// The system prompt is no turn: it belongs to the [`Chat`](crate::Chat).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
// Turns are kept behind an `Arc` each.
#[allow(clippy::large_enum_variant)]
pub enum Turn {
    /// What the user said, or what tools answered on the user's side.
    User(UserTurn),
    /// What the model said.
    Assistant(AssistantTurn),
}

impl Turn {
    /// A user turn of one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User(UserTurn { contents: vec![Content::text(text)] })
    }

    /// An assistant turn of one text.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant(AssistantTurn { contents: vec![Content::text(text)], ..Default::default() })
    }

    /// What the turn is made of.
    pub fn contents(&self) -> &[Content] {
        match self {
            Self::User(turn) => &turn.contents,
            Self::Assistant(turn) => &turn.contents,
        }
    }

    /// All text of the turn, joined.
    pub fn text(&self) -> String {
        text_of(self.contents())
    }
}

/// What the user said, or what tools answered on the user's side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UserTurn {
    /// What it is made of.
    pub contents: Vec<Content>,
}

/// What the model said, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssistantTurn {
    /// What it is made of.
    pub contents: Vec<Content>,
    /// The tokens of the call, where the vendor told them.
    pub usage: Usage,
    /// Why the model stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// The vendor's id of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    /// The exact model that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The other choices, where [`choice_count`](crate::ModelParams::choice_count) asked for more
    /// than one. The conversation goes on with the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// Whether the turn was cut off (an error, a dropped stream) and holds only what had arrived.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What the vendor's own conventions put on the `chat` span of a response, the service tier
    /// for example. It is no part of the conversation, and is not stored with it.
    #[serde(skip)]
    pub attributes: Vec<KeyValue>,
}

/// Another choice of a reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alternative {
    /// What it is made of.
    pub contents: Vec<Content>,
    /// Why the model stopped there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
}

impl AssistantTurn {
    /// Takes over what a failure told of its reply: the tokens, the id, the model, why it ended,
    /// and what it said where nothing had arrived.
    pub(crate) fn learn(&mut self, told: &Self) {
        if told.usage != Usage::default() {
            self.usage = told.usage;
        }
        if self.contents.is_empty() {
            self.contents.clone_from(&told.contents);
        }
        if self.attributes.is_empty() {
            self.attributes.clone_from(&told.attributes);
        }
        self.finish_reason = self.finish_reason.take().or_else(|| told.finish_reason.clone());
        self.response_id = self.response_id.take().or_else(|| told.response_id.clone());
        self.model = self.model.take().or_else(|| told.model.clone());
    }

    /// All text of the turn, joined.
    pub fn text(&self) -> String {
        text_of(&self.contents)
    }

    /// The tool calls that the model asks for, in its order.
    pub fn tool_requests(&self) -> impl Iterator<Item = &ToolRequest> {
        self.contents.iter().filter_map(|content| match content {
            Content::ToolRequest(request) => Some(request),
            _ => None,
        })
    }
}

impl UserTurn {
    /// The tool results in the turn, in order.
    pub fn tool_results(&self) -> impl Iterator<Item = &ToolResult> {
        self.contents.iter().filter_map(|content| match content {
            Content::ToolResult(result) => Some(result),
            _ => None,
        })
    }
}

fn text_of(contents: &[Content]) -> String {
    contents
        .iter()
        .filter_map(|content| match content {
            Content::Text(text) => Some(text.text.as_str()),
            _ => None,
        })
        .collect()
}

/// The tokens of a model call. A count that the vendor did not tell is `None`, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All input tokens, those read from and written to a cache included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// All output tokens, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Input tokens that came from a cache: a part of `input_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Input tokens that were written to a cache: a part of `input_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Output tokens that the model spent on reasoning: a part of `output_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// `input_tokens` by kind of content, where the vendor tells them apart.
    #[serde(skip_serializing_if = "Modalities::is_empty")]
    pub input_by_modality: Modalities,
    /// `output_tokens` by kind of content, where the vendor tells them apart.
    #[serde(skip_serializing_if = "Modalities::is_empty")]
    pub output_by_modality: Modalities,
    /// `cache_read_tokens` by kind of content, where the vendor tells them apart.
    #[serde(skip_serializing_if = "Modalities::is_empty")]
    pub cache_read_by_modality: Modalities,
}

/// Tokens by kind of content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Modalities {
    /// Tokens of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<u64>,
    /// Tokens of images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<u64>,
    /// Tokens of sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<u64>,
}

impl Modalities {
    /// Whether nothing is told apart.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The sum of two counts, of which either may be unknown.
fn add(to: &mut Option<u64>, more: Option<u64>) {
    *to = match (*to, more) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    };
}

impl std::ops::AddAssign for Modalities {
    fn add_assign(&mut self, other: Self) {
        add(&mut self.text, other.text);
        add(&mut self.image, other.image);
        add(&mut self.audio, other.audio);
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add(&mut self.cache_read_tokens, other.cache_read_tokens);
        add(&mut self.cache_write_tokens, other.cache_write_tokens);
        add(&mut self.reasoning_tokens, other.reasoning_tokens);
        self.input_by_modality += other.input_by_modality;
        self.output_by_modality += other.output_by_modality;
        self.cache_read_by_modality += other.cache_read_by_modality;
    }
}

/// Why the model stopped, in the words of the
/// [GenAI conventions](https://opentelemetry.io/docs/specs/semconv/gen-ai/).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum FinishReason {
    /// It had said all (or met a stop sequence).
    Stop,
    /// It ran into a token limit.
    Length,
    /// The vendor's filter, or the model itself, declined.
    ContentFilter,
    /// It asks for tools.
    ToolCall,
    /// The vendor has paused a turn of many calls of its own tools, and goes on when it gets the
    /// turn back. A [`Chat`](crate::Chat) sees to that by itself; the rounds are counted.
    Pause,
    /// The reply ended in an error.
    Error,
    /// A reason of the vendor's own.
    Other(String),
}

impl FinishReason {
    /// The word of the conventions.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(reason) if !reason.is_empty() => reason,
            known => known.known(),
        }
    }

    /// The same, to be kept: only a word of the vendor's own is copied.
    pub(crate) fn to_word(&self) -> Cow<'static, str> {
        match self {
            Self::Other(reason) if !reason.is_empty() => Cow::Owned(reason.clone()),
            known => Cow::Borrowed(known.known()),
        }
    }

    fn known(&self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::ToolCall => "tool_call",
            Self::Pause => "pause_turn",
            Self::Error | Self::Other(_) => "error",
        }
    }
}

impl From<String> for FinishReason {
    fn from(reason: String) -> Self {
        match reason.as_str() {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "tool_call" => Self::ToolCall,
            "pause_turn" => Self::Pause,
            "error" => Self::Error,
            _ => Self::Other(reason),
        }
    }
}

impl From<FinishReason> for String {
    fn from(reason: FinishReason) -> Self {
        match reason {
            FinishReason::Other(reason) => reason,
            known => known.as_str().to_owned(),
        }
    }
}
