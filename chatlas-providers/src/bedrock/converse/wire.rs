//! The JSON of replies: what the Converse API sends, in a stream or at once.

use chatlas_core::Usage;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::anthropic::wire::usage;
use crate::client::json::{Count, Maybe, Text};

/// The fields of all events. The type of the frame decides which of them are set.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Event<'a> {
    pub(super) content_block_index: Count,
    #[serde(borrow)]
    pub(super) delta: Maybe<Delta<'a>>,
    /// The block: `toolUse`, `toolResult` or `image`, with all of its fields.
    pub(super) start: Maybe<Map<String, Value>>,
    pub(super) stop_reason: Text<'a>,
    pub(super) usage: Maybe<Box<Counts>>,
}

/// A piece of a content block.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    pub(super) tool_use: Maybe<Input<'a>>,
    pub(super) reasoning_content: Maybe<Reasoning<'a>>,
    pub(super) tool_result: Value,
    pub(super) image: Value,
    pub(super) citation: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Input<'a> {
    #[serde(borrow)]
    pub(super) input: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Reasoning<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    pub(super) signature: Text<'a>,
    pub(super) redacted_content: Text<'a>,
}

/// A complete reply.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Response<'a> {
    pub(super) output: Maybe<Output>,
    #[serde(borrow)]
    pub(super) stop_reason: Text<'a>,
    pub(super) usage: Maybe<Box<Counts>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Output {
    pub(super) message: Maybe<Message>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    /// The blocks are kept: a block is sent back with all of its fields.
    pub(super) content: Value,
}

/// The token counts as
/// [AWS reports them](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[allow(clippy::struct_field_names)] // the names of the API
pub(super) struct Counts {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_write_input_tokens: Count,
}

impl Counts {
    /// Returns the counts with every part included in its total.
    pub(super) fn usage(&self) -> Usage {
        usage(
            self.input_tokens,
            self.output_tokens,
            self.cache_read_input_tokens,
            self.cache_write_input_tokens,
        )
    }
}
