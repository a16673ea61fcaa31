//! The JSON of a reply of the Responses API. Fields of an unexpected kind are read as absent, and
//! fields that are not listed are skipped.

use serde::Deserialize;

use crate::client::json::{Count, Label, List, Maybe, Mixed, Raw, Text};
use crate::completions::usage::Counts;

/// An event of a streamed reply.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) delta: Text<'a>,
    pub(super) output_index: Count,
    pub(super) item_id: Text<'a>,
    /// The complete text of a part.
    pub(super) text: Text<'a>,
    pub(super) refusal: Text<'a>,
    /// The complete arguments of a call.
    pub(super) arguments: Mixed<'a>,
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
    pub(super) call_id: Label<'a>,
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

/// The reply to a request to count tokens.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Counted {
    pub(super) input_tokens: Count,
}
