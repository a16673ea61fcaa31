//! The JSON of a reply, complete or chunk by chunk. Servers of many vendors send it, so that every
//! field may be missing or of another type.

use chatlas_core::Usage;
use serde::Deserialize;

use super::usage::Counts;
use crate::client::json::{Count, List, Maybe, Mixed, Raw, Text};

/// A chunk of a stream, or a complete reply. `C` is the type of a choice.
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>"))]
pub(super) struct Chunk<'a, C> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
    #[serde(borrow, default)]
    pub(super) service_tier: Text<'a>,
    #[serde(borrow, default)]
    pub(super) system_fingerprint: Text<'a>,
    // Boxed, since few chunks have them and a struct is moved several times while it is read.
    #[serde(default)]
    usage: Maybe<Box<Counts>>,
    #[serde(borrow, default)]
    x_groq: Maybe<Box<Groq<'a>>>,
    #[serde(default)]
    pub(super) choices: Option<List<C>>,
    /// The sources of the complete reply, repeated by each chunk (Perplexity).
    #[serde(borrow, default)]
    pub(super) search_results: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) citations: Raw<'a>,
    #[serde(borrow, default)]
    error: Raw<'a>,
    #[serde(borrow, default)]
    errors: Raw<'a>,
    #[serde(borrow, default)]
    error_code: Raw<'a>,
    #[serde(borrow, default)]
    object: Text<'a>,
}

/// Groq has reported the token counts and errors of a stream in a field of its own.
#[derive(Debug, Deserialize)]
struct Groq<'a> {
    #[serde(default)]
    usage: Maybe<Counts>,
    #[serde(borrow, default)]
    error: Raw<'a>,
}

/// A choice of a chunk, or of a complete reply.
pub(super) trait Choice<'a> {
    /// The error of the choice, if there is one.
    fn error(&self) -> Raw<'a>;
}

/// A choice of a chunk.
#[derive(Debug, Deserialize)]
pub(super) struct StreamedChoice<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow, default)]
    pub(super) delta: Maybe<Delta<'a>>,
    // Perplexity sends both: what is new, and everything so far. It is parsed only without a delta.
    #[serde(borrow, default)]
    pub(super) message: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow, default)]
    pub(super) logprobs: Maybe<Logprobs<'a>>,
    #[serde(borrow, default)]
    error: Raw<'a>,
}

/// A choice of a complete reply.
#[derive(Debug, Deserialize)]
pub(super) struct CompleteChoice<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow, default)]
    pub(super) message: Maybe<Delta<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Text<'a>,
    #[serde(borrow, default)]
    pub(super) logprobs: Maybe<Logprobs<'a>>,
    #[serde(borrow, default)]
    error: Raw<'a>,
}

impl<'a> Choice<'a> for StreamedChoice<'a> {
    fn error(&self) -> Raw<'a> {
        self.error
    }
}

impl<'a> Choice<'a> for CompleteChoice<'a> {
    fn error(&self) -> Raw<'a> {
        self.error
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Logprobs<'a> {
    #[serde(borrow, default)]
    pub(super) content: Raw<'a>,
}

/// What a chunk adds to a choice, or a complete message.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    pub(super) content: Mixed<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow, default)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow, default)]
    pub(super) tool_calls: List<ToolCall<'a>>,
    /// The form of a tool call when a reply had at most one.
    #[serde(borrow, default)]
    pub(super) function_call: Maybe<Function<'a>>,
    #[serde(borrow, default)]
    pub(super) reasoning_details: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) annotations: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) images: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) audio: Maybe<Audio<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ToolCall<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) function: Maybe<Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) arguments: Mixed<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Audio<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) data: Text<'a>,
    #[serde(borrow, default)]
    pub(super) transcript: Text<'a>,
}

impl<'a, C: Choice<'a>> Chunk<'a, C> {
    /// Whether the chunk may report an error: a closer look is needed then.
    pub(super) fn may_be_error(&self) -> bool {
        self.error.is_some()
            || self.x_groq.0.as_ref().is_some_and(|groq| groq.error.is_some())
            || self.object.as_str() == "error"
            || match &self.choices {
                Some(choices) => choices.0.iter().any(|choice| choice.error().is_some()),
                None => self.errors.is_some() || self.error_code.is_some(),
            }
    }

    /// Adds the token counts of the chunk to those so far.
    pub(super) fn add_usage(&self, usage: &mut Usage) {
        let groq = self.x_groq.0.as_ref().and_then(|groq| groq.usage.0.as_ref());
        for counts in groq.into_iter().chain(self.usage.0.as_deref()) {
            counts.update(usage);
        }
    }
}

/// Whether a list that was kept as text has elements.
pub(super) fn has_elements(list: Raw<'_>) -> bool {
    list.and_then(|list| list.get().strip_prefix('['))
        .is_some_and(|rest| !rest.trim_start().starts_with(']'))
}
