//! The turns of a conversation, and the token counts of model calls.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::{Key, KeyValue, Value};
use serde::{Deserialize, Serialize};

use crate::content::{Content, ToolRequest, ToolResult};

/// One turn of a conversation.
///
/// The system prompt is not a turn: it belongs to the [`Chat`](crate::Chat).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Turn {
    /// The user's prompt, or the results of tools.
    User(UserTurn),
    /// The model's reply.
    Assistant(Arc<AssistantTurn>),
}

impl Turn {
    /// Creates a user turn with one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User(UserTurn::new([Content::text(text)]))
    }

    /// Creates an assistant turn with one text.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::from(AssistantTurn::new([Content::text(text)]))
    }

    /// Returns the contents of the turn.
    pub fn contents(&self) -> &[Content] {
        match self {
            Self::User(turn) => &turn.contents,
            Self::Assistant(turn) => &turn.contents,
        }
    }

    /// Returns the text of the turn, joined.
    pub fn text(&self) -> String {
        text_of(self.contents())
    }
}

impl From<UserTurn> for Turn {
    fn from(turn: UserTurn) -> Self {
        Self::User(turn)
    }
}

impl From<AssistantTurn> for Turn {
    fn from(turn: AssistantTurn) -> Self {
        Self::Assistant(Arc::new(turn))
    }
}

/// The user's prompt, or the results of tools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserTurn {
    /// The contents of the turn.
    pub contents: Vec<Content>,
}

impl UserTurn {
    /// Creates a turn with these contents.
    pub fn new(contents: impl Into<Vec<Content>>) -> Self {
        Self { contents: contents.into() }
    }

    /// Returns the tool results in the turn, in order.
    pub fn tool_results(&self) -> impl Iterator<Item = &ToolResult> {
        self.contents.iter().filter_map(|content| match content {
            Content::ToolResult(result) => Some(result),
            _ => None,
        })
    }
}

/// The model's reply, with its token counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AssistantTurn {
    /// The contents of the turn.
    pub contents: Vec<Content>,
    /// The token counts of the model call, if the vendor reports them.
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
    /// The other choices, if [`choice_count`](crate::ModelParams::choice_count) requested more than
    /// one. The conversation continues with the first choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// Whether the turn was cut off (by an error or a dropped stream) and holds only what arrived.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Facts about the model call. Set by the chat for complete replies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<ModelCall>,
    /// Attributes of the vendor's own conventions for the `chat` span, such as the service tier.
    /// They are not part of the conversation and are not serialized.
    #[serde(skip)]
    pub attributes: Vec<KeyValue>,
}

impl AssistantTurn {
    /// Creates a turn with these contents.
    pub fn new(contents: impl Into<Vec<Content>>) -> Self {
        Self { contents: contents.into(), ..Self::default() }
    }

    /// Sets the token counts.
    #[must_use]
    pub fn with_usage(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }

    /// Sets why the model stopped.
    #[must_use]
    pub fn with_finish_reason(mut self, reason: FinishReason) -> Self {
        self.finish_reason = Some(reason);
        self
    }

    /// Sets the vendor's id of the response.
    #[must_use]
    pub fn with_response_id(mut self, id: impl Into<String>) -> Self {
        self.response_id = Some(id.into());
        self
    }

    /// Sets the exact model that answered.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the other choices.
    #[must_use]
    pub fn with_alternatives(mut self, alternatives: impl Into<Vec<Alternative>>) -> Self {
        self.alternatives = alternatives.into();
        self
    }

    /// Sets whether the turn was cut off.
    #[must_use]
    pub fn with_partial(mut self, partial: bool) -> Self {
        self.partial = partial;
        self
    }

    /// Sets the facts about the model call.
    #[must_use]
    pub fn with_call(mut self, call: ModelCall) -> Self {
        self.call = Some(call);
        self
    }

    /// Adds an attribute of the vendor's own conventions.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<Key>, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(key, value));
        self
    }

    /// Fills in what the partial reply of an error reports: the usage, the id, the model, the finish
    /// reason, and the contents if nothing has arrived yet.
    pub(crate) fn fill_from(&mut self, reported: &Self) {
        if reported.usage != Usage::default() {
            self.usage = reported.usage;
        }
        if self.contents.is_empty() {
            self.contents.clone_from(&reported.contents);
        }
        if self.attributes.is_empty() {
            self.attributes.clone_from(&reported.attributes);
        }
        self.finish_reason = self.finish_reason.take().or_else(|| reported.finish_reason.clone());
        self.response_id = self.response_id.take().or_else(|| reported.response_id.clone());
        self.model = self.model.take().or_else(|| reported.model.clone());
    }

    /// Returns the text of the turn, joined.
    pub fn text(&self) -> String {
        text_of(&self.contents)
    }

    /// Returns the tool calls that the model requests, in its order.
    pub fn tool_requests(&self) -> impl Iterator<Item = &ToolRequest> {
        self.contents.iter().filter_map(|content| match content {
            Content::ToolRequest(request) => Some(request),
            _ => None,
        })
    }
}

/// Facts about a model call, for its cost and its speed.
///
/// Equality ignores the measured times.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ModelCall {
    /// `gen_ai.provider.name` of the vendor.
    pub vendor: Cow<'static, str>,
    /// The model in the request, if the provider has a fixed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<Arc<str>>,
    /// The service tier that the vendor reports, if it is not the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Whether the reply was stored before, for example in a cache. It repeats the usage of an earlier
    /// call, so it adds nothing to usage and cost. A provider that returns stored replies sets it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// The time from the request to the complete reply. Includes the time in which a stream waited for
    /// its consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// The time from the request to the first event of a streamed reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_chunk: Option<Duration>,
}

impl ModelCall {
    /// Creates the facts of a call of that vendor (`gen_ai.provider.name`).
    pub fn new(vendor: impl Into<Cow<'static, str>>) -> Self {
        Self { vendor: vendor.into(), ..Self::default() }
    }

    /// Sets the model in the request.
    #[must_use]
    pub fn with_requested_model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.requested_model = Some(model.into());
        self
    }

    /// Sets the service tier.
    #[must_use]
    pub fn with_service_tier(mut self, tier: impl Into<String>) -> Self {
        self.service_tier = Some(tier.into());
        self
    }

    /// Sets whether the reply was stored before.
    #[must_use]
    pub fn with_cached(mut self, cached: bool) -> Self {
        self.cached = cached;
        self
    }
}

impl PartialEq for ModelCall {
    fn eq(&self, other: &Self) -> bool {
        self.vendor == other.vendor
            && self.requested_model == other.requested_model
            && self.service_tier == other.service_tier
            && self.cached == other.cached
    }
}

/// Another choice of a reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Alternative {
    /// The contents of the choice.
    pub contents: Vec<Content>,
    /// Why the model stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
}

impl Alternative {
    /// Creates a choice with these contents.
    pub fn new(contents: impl Into<Vec<Content>>) -> Self {
        Self { contents: contents.into(), finish_reason: None }
    }

    /// Sets why the model stopped.
    #[must_use]
    pub fn with_finish_reason(mut self, reason: FinishReason) -> Self {
        self.finish_reason = Some(reason);
        self
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

/// The token counts of a model call. A count that the vendor does not report is `None`, never zero.
///
/// Parts are included in their totals: `cache_read_tokens` and `cache_write_tokens` in
/// `input_tokens`, `reasoning_tokens` in `output_tokens`.
///
/// ```
/// use chatlas_core::Usage;
///
/// let usage = Usage::new(120, 30).with_cache_read_tokens(100);
/// assert_eq!(usage.total_tokens(), Some(150));
/// assert_eq!(usage.to_string(), "120 input tokens (100 cached), 30 output tokens");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// All input tokens, including those read from and written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// All output tokens, including reasoning tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Input tokens that were read from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Input tokens that were written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Output tokens that the model used for reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// `input_tokens` by modality, if the vendor reports it.
    #[serde(skip_serializing_if = "Modalities::is_empty")]
    pub input_by_modality: Modalities,
    /// `output_tokens` by modality, if the vendor reports it.
    #[serde(skip_serializing_if = "Modalities::is_empty")]
    pub output_by_modality: Modalities,
    /// `cache_read_tokens` by modality, if the vendor reports it.
    #[serde(skip_serializing_if = "Modalities::is_empty")]
    pub cache_read_by_modality: Modalities,
}

impl Usage {
    /// Creates counts of input and output tokens.
    pub fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            input_tokens: Some(input_tokens),
            output_tokens: Some(output_tokens),
            ..Self::default()
        }
    }

    /// Sets the input tokens that were read from a cache.
    #[must_use]
    pub fn with_cache_read_tokens(mut self, tokens: u64) -> Self {
        self.cache_read_tokens = Some(tokens);
        self
    }

    /// Sets the input tokens that were written to a cache.
    #[must_use]
    pub fn with_cache_write_tokens(mut self, tokens: u64) -> Self {
        self.cache_write_tokens = Some(tokens);
        self
    }

    /// Sets the output tokens that the model used for reasoning.
    #[must_use]
    pub fn with_reasoning_tokens(mut self, tokens: u64) -> Self {
        self.reasoning_tokens = Some(tokens);
        self
    }

    /// Sets the input tokens by modality.
    #[must_use]
    pub fn with_input_by_modality(mut self, tokens: Modalities) -> Self {
        self.input_by_modality = tokens;
        self
    }

    /// Sets the output tokens by modality.
    #[must_use]
    pub fn with_output_by_modality(mut self, tokens: Modalities) -> Self {
        self.output_by_modality = tokens;
        self
    }

    /// Sets the input tokens that were read from a cache, by modality.
    #[must_use]
    pub fn with_cache_read_by_modality(mut self, tokens: Modalities) -> Self {
        self.cache_read_by_modality = tokens;
        self
    }

    /// Returns the sum of input and output tokens, if the vendor reports one of them.
    pub fn total_tokens(&self) -> Option<u64> {
        let mut total = self.input_tokens;
        add(&mut total, self.output_tokens);
        total
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn count(f: &mut fmt::Formatter<'_>, tokens: Option<u64>) -> fmt::Result {
            match tokens {
                Some(tokens) => write!(f, "{tokens}"),
                None => f.write_str("unknown"),
            }
        }
        count(f, self.input_tokens)?;
        f.write_str(" input tokens")?;
        if let Some(cached) = self.cache_read_tokens.filter(|tokens| *tokens > 0) {
            write!(f, " ({cached} cached)")?;
        }
        f.write_str(", ")?;
        count(f, self.output_tokens)?;
        f.write_str(" output tokens")?;
        if let Some(reasoning) = self.reasoning_tokens.filter(|tokens| *tokens > 0) {
            write!(f, " ({reasoning} reasoning)")?;
        }
        Ok(())
    }
}

/// Token counts by modality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Modalities {
    /// Tokens of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<u64>,
    /// Tokens of images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<u64>,
    /// Tokens of audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<u64>,
}

impl Modalities {
    /// Creates counts of which none is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the tokens of text.
    #[must_use]
    pub fn with_text(mut self, tokens: u64) -> Self {
        self.text = Some(tokens);
        self
    }

    /// Sets the tokens of images.
    #[must_use]
    pub fn with_image(mut self, tokens: u64) -> Self {
        self.image = Some(tokens);
        self
    }

    /// Sets the tokens of audio.
    #[must_use]
    pub fn with_audio(mut self, tokens: u64) -> Self {
        self.audio = Some(tokens);
        self
    }

    /// Returns whether no count is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Adds a count to a sum. An unknown count adds nothing.
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

/// Why the model stopped, in the terms of the
/// [GenAI conventions](https://opentelemetry.io/docs/specs/semconv/gen-ai/).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum FinishReason {
    /// The reply is complete, or a stop sequence was reached.
    Stop,
    /// A token limit was reached.
    Length,
    /// A filter of the vendor, or the model itself, declined.
    ContentFilter,
    /// The model requests tool calls.
    ToolCall,
    /// The vendor paused a turn with many calls of its own tools and continues it when the turn is
    /// sent back. A [`Chat`](crate::Chat) does so; each continuation counts as a round.
    Pause,
    /// The reply ended in an error.
    Error,
    /// A vendor-specific reason.
    Other(String),
}

impl FinishReason {
    /// Returns the value of `gen_ai.response.finish_reasons`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(reason) if !reason.is_empty() => reason,
            reason => reason.well_known(),
        }
    }

    /// Returns the value of `gen_ai.response.finish_reasons`; only a vendor-specific one is copied.
    pub(crate) fn to_attribute(&self) -> Cow<'static, str> {
        match self {
            Self::Other(reason) if !reason.is_empty() => Cow::Owned(reason.clone()),
            reason => Cow::Borrowed(reason.well_known()),
        }
    }

    fn well_known(&self) -> &'static str {
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
            reason => reason.as_str().to_owned(),
        }
    }
}
