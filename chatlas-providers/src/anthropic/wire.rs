//! The JSON of replies: what the Messages API sends, in a stream or at once.

use chatlas_core::Usage;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::json::{Count, Maybe, Raw, Text};

/// The fields of all events. `type` decides which of them are set.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) index: Count,
    pub(super) delta: Maybe<Delta<'a>>,
    pub(super) message: Maybe<Box<Message<'a>>>,
    /// The fields are kept: a block is sent back with all of them.
    pub(super) content_block: Maybe<Map<String, Value>>,
    pub(super) usage: Maybe<Box<Counts>>,
    pub(super) error: Raw<'a>,
    pub(super) request_id: Text<'a>,
    /// Set by Bedrock.
    #[serde(rename = "amazon-bedrock-guardrailAction")]
    pub(super) guardrail: Text<'a>,
}

/// A piece of a content block, or the end of the message.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) text: Text<'a>,
    pub(super) thinking: Text<'a>,
    pub(super) signature: Text<'a>,
    pub(super) partial_json: Text<'a>,
    pub(super) citation: Raw<'a>,
    pub(super) content: Text<'a>,
    pub(super) encrypted_content: Text<'a>,
    pub(super) stop_reason: Text<'a>,
    pub(super) stop_details: Maybe<StopDetails<'a>>,
}

/// A message: the complete reply, or its beginning in a stream.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) id: Text<'a>,
    pub(super) model: Text<'a>,
    /// The blocks are kept: a block is sent back with all of its fields.
    pub(super) content: Value,
    pub(super) stop_reason: Text<'a>,
    pub(super) stop_details: Maybe<StopDetails<'a>>,
    pub(super) usage: Maybe<Box<Counts>>,
    pub(super) error: Raw<'a>,
    pub(super) request_id: Text<'a>,
    /// Set by Bedrock.
    #[serde(rename = "amazon-bedrock-guardrailAction")]
    pub(super) guardrail: Text<'a>,
}

impl Message<'_> {
    /// Returns whether this is a message, if it has no content.
    pub(super) fn is_message(&self) -> bool {
        self.kind.as_str() == "message" || self.stop_reason.non_empty().is_some()
    }
}

/// Why the model refused.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StopDetails<'a> {
    #[serde(borrow)]
    pub(super) explanation: Text<'a>,
}

/// The token counts as
/// [Anthropic reports them](https://docs.claude.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    output_tokens_details: Maybe<OutputDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

impl Counts {
    /// Adds a later report. Counts are cumulative, and a report may lack some: with tools that the
    /// vendor runs, the first one covers only the first of several model calls.
    pub(super) fn update(&mut self, later: &Self) {
        let update = |count: &mut Count, later: Count| count.0 = count.0.max(later.0);
        update(&mut self.input_tokens, later.input_tokens);
        update(&mut self.output_tokens, later.output_tokens);
        update(&mut self.cache_read_input_tokens, later.cache_read_input_tokens);
        update(&mut self.cache_creation_input_tokens, later.cache_creation_input_tokens);
        if let Some(later) = &later.output_tokens_details.0 {
            let details = self.output_tokens_details.0.get_or_insert_default();
            update(&mut details.thinking_tokens, later.thinking_tokens);
        }
    }

    /// Returns the counts with every part included in its total.
    pub(super) fn usage(&self) -> Usage {
        let mut usage = usage(
            self.input_tokens,
            self.output_tokens,
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
        );
        let details = self.output_tokens_details.0.as_ref();
        usage.reasoning_tokens = details.and_then(|details| details.thinking_tokens.0);
        usage
    }
}

/// Returns the token counts of an API whose count of input tokens excludes those that were read from
/// or written to the cache.
pub(crate) fn usage(input: Count, output: Count, cache_read: Count, cache_write: Count) -> Usage {
    let mut usage = Usage::default();
    for Count(part) in [input, cache_read, cache_write] {
        usage.input_tokens = match (usage.input_tokens, part) {
            (Some(sum), Some(part)) => Some(sum.saturating_add(part)),
            (sum, part) => sum.or(part),
        };
    }
    usage.output_tokens = output.0;
    usage.cache_read_tokens = cache_read.0;
    usage.cache_write_tokens = cache_write.0;
    usage
}
