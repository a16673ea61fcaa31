//! The JSON of a reply, complete or chunk by chunk. Servers of many vendors send it, so that every
//! field may be missing or of another type.

use serde::Deserialize;

use super::usage::Counts;
use crate::client::TokenCounts;
use crate::client::json::{Count, Label, List, Maybe, Mixed, Present, Raw, Text};

/// A chunk of a stream, or a complete reply.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(default, borrow)]
    pub(super) id: Text<'a>,
    #[serde(default)]
    pub(super) model: Text<'a>,
    #[serde(default)]
    pub(super) service_tier: Text<'a>,
    #[serde(default)]
    pub(super) system_fingerprint: Text<'a>,
    // Boxed, as other rare fields are: a struct is moved several times while it is read.
    #[serde(default)]
    usage: Maybe<Box<Counts>>,
    #[serde(default)]
    x_groq: Maybe<Box<Groq>>,
    #[serde(default)]
    pub(super) choices: Option<List<Choice<'a>>>,
    /// The sources of the complete reply, repeated by each chunk (Perplexity).
    #[serde(default)]
    pub(super) search_results: Raw<'a>,
    #[serde(default)]
    pub(super) citations: Raw<'a>,
    #[serde(default)]
    error: Present,
    #[serde(default)]
    errors: Present,
    #[serde(default)]
    error_code: Present,
    #[serde(default)]
    base_resp: Present,
    #[serde(default)]
    detail: Present,
    #[serde(default)]
    code: Present,
    #[serde(default, rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    object: Text<'a>,
}

/// Groq has reported the token counts and errors of a stream in a field of its own.
#[derive(Debug, Default, Deserialize)]
struct Groq {
    #[serde(default)]
    usage: Maybe<Counts>,
    #[serde(default)]
    error: Present,
}

/// A choice of a chunk, or of a complete reply.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(default, borrow)]
    pub(super) delta: Maybe<Delta<'a>>,
    // A complete reply has it. Perplexity streams both: what is new, and everything so far.
    #[serde(default)]
    pub(super) message: Maybe<Box<Delta<'a>>>,
    #[serde(default)]
    pub(super) finish_reason: Text<'a>,
    /// The finish reason of the server behind OpenRouter.
    #[serde(default)]
    pub(super) native_finish_reason: Text<'a>,
    /// The text of a legacy completion.
    #[serde(default)]
    pub(super) text: Text<'a>,
    #[serde(default)]
    pub(super) logprobs: Maybe<Logprobs<'a>>,
    /// Moonshot.
    #[serde(default)]
    usage: Maybe<Box<Counts>>,
    #[serde(default)]
    error: Present,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Logprobs<'a> {
    #[serde(default, borrow)]
    pub(super) content: Raw<'a>,
}

/// What a chunk adds to a choice, or a complete message.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(default, borrow)]
    pub(super) content: Mixed<'a>,
    #[serde(default)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(default)]
    pub(super) reasoning: Mixed<'a>,
    #[serde(default)]
    pub(super) thinking: Text<'a>,
    #[serde(default)]
    pub(super) refusal: Text<'a>,
    #[serde(default)]
    pub(super) tool_calls: List<ToolCall<'a>>,
    /// The form of a tool call when a reply had at most one.
    #[serde(default)]
    pub(super) function_call: Maybe<Box<Function<'a>>>,
    #[serde(default)]
    pub(super) reasoning_details: Raw<'a>,
    #[serde(default)]
    pub(super) annotations: Raw<'a>,
    #[serde(default)]
    pub(super) images: Raw<'a>,
    #[serde(default)]
    pub(super) audio: Maybe<Box<Audio<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ToolCall<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(default, borrow)]
    pub(super) id: Label<'a>,
    #[serde(default)]
    pub(super) function: Maybe<Function<'a>>,
    /// The signature of a thought (Google).
    #[serde(default)]
    pub(super) extra_content: Raw<'a>,
    // Cloudflare writes the fields of `function` here.
    #[serde(default)]
    name: Text<'a>,
    #[serde(default)]
    arguments: Mixed<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(default, borrow)]
    pub(super) name: Text<'a>,
    #[serde(default)]
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
pub(super) struct Audio<'a> {
    #[serde(default, borrow)]
    pub(super) id: Text<'a>,
    #[serde(default)]
    pub(super) data: Text<'a>,
    #[serde(default)]
    pub(super) transcript: Text<'a>,
}

impl Chunk<'_> {
    /// Whether the chunk may report an error: a closer look is needed then.
    pub(super) fn may_be_error(&self) -> bool {
        self.error.0
            || self.x_groq.0.as_ref().is_some_and(|groq| groq.error.0)
            || self.object.as_str() == "error"
            || self.choices.as_ref().map_or_else(
                || {
                    let fields =
                        [self.errors, self.error_code, self.base_resp, self.detail, self.code];
                    self.kind.as_str() == "error" || fields.iter().any(|field| field.0)
                },
                |choices| choices.0.iter().any(|choice| choice.error.0),
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
