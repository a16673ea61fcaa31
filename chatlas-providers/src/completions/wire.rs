//! The JSON of a reply, complete or chunk by chunk. Servers of many vendors send it, so that every
//! field may be missing or of another type.

use serde::Deserialize;

use super::usage::Counts;
use crate::client::TokenCounts;
use crate::client::json::{Count, Label, List, Maybe, Mixed, Raw, Text};

/// A chunk of a stream, or a complete reply.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    pub(super) model: Text<'a>,
    pub(super) service_tier: Text<'a>,
    pub(super) system_fingerprint: Text<'a>,
    // Boxed, since few chunks have them and a struct is moved several times while it is read.
    usage: Maybe<Box<Counts>>,
    x_groq: Maybe<Box<Groq<'a>>>,
    pub(super) choices: Option<List<Choice<'a>>>,
    /// The sources of the complete reply, repeated by each chunk (Perplexity).
    pub(super) search_results: Raw<'a>,
    pub(super) citations: Raw<'a>,
    error: Raw<'a>,
    errors: Raw<'a>,
    error_code: Raw<'a>,
    base_resp: Raw<'a>,
    detail: Raw<'a>,
    code: Raw<'a>,
    #[serde(rename = "type")]
    kind: Text<'a>,
    object: Text<'a>,
}

/// Groq has reported the token counts and errors of a stream in a field of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Groq<'a> {
    usage: Maybe<Counts>,
    #[serde(borrow)]
    error: Raw<'a>,
}

/// A choice of a chunk, or of a complete reply.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) delta: Maybe<Delta<'a>>,
    // Perplexity streams both: what is new, and everything so far. It is parsed if there is no delta.
    pub(super) message: Raw<'a>,
    pub(super) finish_reason: Text<'a>,
    /// The finish reason of the server behind OpenRouter.
    pub(super) native_finish_reason: Text<'a>,
    /// The text of a legacy completion.
    pub(super) text: Text<'a>,
    pub(super) logprobs: Maybe<Logprobs<'a>>,
    /// Moonshot.
    usage: Maybe<Box<Counts>>,
    error: Raw<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Logprobs<'a> {
    #[serde(borrow)]
    pub(super) content: Raw<'a>,
}

/// What a chunk adds to a choice, or a complete message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) content: Mixed<'a>,
    pub(super) reasoning_content: Text<'a>,
    pub(super) reasoning: Mixed<'a>,
    pub(super) thinking: Text<'a>,
    pub(super) refusal: Text<'a>,
    pub(super) tool_calls: List<ToolCall<'a>>,
    /// The form of a tool call when a reply had at most one.
    pub(super) function_call: Maybe<Function<'a>>,
    pub(super) reasoning_details: Raw<'a>,
    pub(super) annotations: Raw<'a>,
    pub(super) images: Raw<'a>,
    pub(super) audio: Maybe<Audio<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolCall<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) id: Label<'a>,
    pub(super) function: Maybe<Function<'a>>,
    /// The signature of a thought (Google).
    pub(super) extra_content: Raw<'a>,
    // Cloudflare writes the fields of `function` here.
    name: Text<'a>,
    arguments: Mixed<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    pub(super) arguments: Mixed<'a>,
}

impl<'a> ToolCall<'a> {
    pub(super) fn new(function: Function<'a>) -> Self {
        Self { function: Maybe(Some(function)), ..Self::default() }
    }

    pub(super) fn name(&self) -> &str {
        let name = self.function.0.as_ref().and_then(|function| function.name.non_empty());
        name.unwrap_or(self.name.as_str())
    }

    pub(super) fn arguments(&self) -> &Mixed<'a> {
        match &self.function.0 {
            Some(function) if !matches!(function.arguments, Mixed::None) => &function.arguments,
            _ => &self.arguments,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Audio<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    pub(super) data: Text<'a>,
    pub(super) transcript: Text<'a>,
}

impl Chunk<'_> {
    /// Whether the chunk may report an error: a closer look is needed then.
    pub(super) fn may_be_error(&self) -> bool {
        self.error.is_some()
            || self.x_groq.0.as_ref().is_some_and(|groq| groq.error.is_some())
            || self.object.as_str() == "error"
            || self.choices.as_ref().map_or_else(
                || {
                    let fields =
                        [self.errors, self.error_code, self.base_resp, self.detail, self.code];
                    self.kind.as_str() == "error" || fields.iter().any(Option::is_some)
                },
                |choices| choices.0.iter().any(|choice| choice.error.is_some()),
            )
    }

    /// Adds the token counts of the chunk to those so far. Returns whether it has any.
    pub(super) fn add_tokens(&self, tokens: &mut TokenCounts) -> bool {
        let groq = self.x_groq.0.as_ref().and_then(|groq| groq.usage.0.as_ref());
        let choices = self.choices.iter().flat_map(|choices| &choices.0);
        let in_choices = choices.filter_map(|choice| choice.usage.0.as_deref());
        let mut is_counted = false;
        for counts in groq.into_iter().chain(self.usage.0.as_deref()).chain(in_choices) {
            tokens.merge(counts.tokens());
            is_counted = true;
        }
        is_counted
    }
}

/// Whether a list that was kept as text has elements.
pub(super) fn has_elements(list: Raw<'_>) -> bool {
    list.and_then(|list| list.get().strip_prefix('['))
        .is_some_and(|rest| !rest.trim_start().starts_with(']'))
}
