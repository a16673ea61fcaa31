//! The JSON of a reply of the Responses API. Fields of an unexpected kind are read as absent, and
//! fields that are not listed are skipped.

use chatlas_core::Usage;
use serde::Deserialize;

use crate::client::json::{Count, List, Maybe, Mixed, Raw, Text};

/// An event of a streamed reply.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) delta: Text<'a>,
    pub(super) output_index: Count,
    pub(super) item: Raw<'a>,
    pub(super) response: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    pub(super) model: Text<'a>,
    pub(super) status: Text<'a>,
    pub(super) service_tier: Text<'a>,
    pub(super) incomplete_details: Maybe<IncompleteDetails<'a>>,
    pub(super) error: Raw<'a>,
    pub(super) output: Raw<'a>,
    pub(super) usage: Maybe<Counts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct IncompleteDetails<'a> {
    #[serde(borrow)]
    pub(super) reason: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) id: Text<'a>,
    pub(super) call_id: Text<'a>,
    pub(super) name: Text<'a>,
    pub(super) phase: Text<'a>,
    pub(super) arguments: Mixed<'a>,
    pub(super) content: List<Part<'a>>,
    pub(super) summary: List<Part<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) text: Text<'a>,
    pub(super) refusal: Text<'a>,
    pub(super) annotations: Raw<'a>,
    pub(super) logprobs: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: Count,
    output_tokens: Count,
    input_tokens_details: Maybe<InputDetails>,
    output_tokens_details: Maybe<OutputDetails>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
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
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Counted {
    pub(super) input_tokens: Count,
}
