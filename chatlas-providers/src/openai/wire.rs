//! The JSON of a reply of the Responses API. Fields of an unexpected kind are read as absent, and
//! fields that are not listed are skipped.

use chatlas_core::Usage;
use serde::Deserialize;

use crate::client::json::{Count, List, Maybe, Mixed, Raw, Text};

/// An event of a streamed reply.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) delta: Text<'a>,
    #[serde(default)]
    pub(super) output_index: Count,
    #[serde(borrow, default)]
    pub(super) item: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) response: Raw<'a>,
}

#[derive(Default, Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) model: Text<'a>,
    #[serde(borrow, default)]
    pub(super) status: Text<'a>,
    #[serde(borrow, default)]
    pub(super) service_tier: Text<'a>,
    #[serde(borrow, default)]
    pub(super) incomplete_details: Maybe<IncompleteDetails<'a>>,
    #[serde(borrow, default)]
    pub(super) error: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) output: Raw<'a>,
    #[serde(default)]
    pub(super) usage: Maybe<Counts>,
}

#[derive(Deserialize)]
pub(super) struct IncompleteDetails<'a> {
    #[serde(borrow, default)]
    pub(super) reason: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) call_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) phase: Text<'a>,
    #[serde(borrow, default)]
    pub(super) arguments: Mixed<'a>,
    #[serde(borrow, default)]
    pub(super) content: List<Part<'a>>,
    #[serde(borrow, default)]
    pub(super) summary: List<Part<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    #[serde(borrow, default)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow, default)]
    pub(super) annotations: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) logprobs: Raw<'a>,
}

#[derive(Deserialize)]
pub(super) struct Counts {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    input_tokens_details: Maybe<InputDetails>,
    #[serde(default)]
    output_tokens_details: Maybe<OutputDetails>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Count,
    #[serde(default)]
    cache_write_tokens: Count,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Count,
}

impl Counts {
    pub(super) fn to_usage(&self) -> Usage {
        let input = self.input_tokens_details.0.unwrap_or_default();
        let output = self.output_tokens_details.0.unwrap_or_default();
        let mut usage = Usage::default();
        usage.input_tokens = self.input_tokens.0;
        usage.output_tokens = self.output_tokens.0;
        usage.cache_read_tokens = input.cached_tokens.0;
        usage.cache_write_tokens = input.cache_write_tokens.0;
        usage.reasoning_tokens = output.reasoning_tokens.0;
        usage
    }
}

/// The reply to a request to count tokens.
#[derive(Deserialize)]
pub(super) struct Counted {
    #[serde(default)]
    pub(super) input_tokens: Count,
}
