//! The JSON of a reply of `generateContent`. Fields of an unexpected kind are read as absent, and
//! fields that are not listed are skipped.

use std::fmt;

use chatlas_core::Usage;
use chatlas_core::turn::Modalities;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::client::json::{Count, Flag, List, Maybe, Raw, Text};

/// A chunk of a streamed reply, or a complete reply.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) error: Raw<'a>,
    pub(super) response_id: Text<'a>,
    pub(super) model_version: Text<'a>,
    // Boxed, since serde moves a struct several times, and few chunks have these fields.
    pub(super) usage_metadata: Maybe<Box<Counts<'a>>>,
    pub(super) prompt_feedback: Maybe<Box<Feedback<'a>>>,
    pub(super) candidates: List<Candidate<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Feedback<'a> {
    #[serde(borrow)]
    pub(super) block_reason: Text<'a>,
    pub(super) block_reason_message: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) content: Maybe<Parts<'a>>,
    pub(super) finish_reason: Text<'a>,
    pub(super) finish_message: Text<'a>,
    pub(super) grounding_metadata: Raw<'a>,
    pub(super) url_context_metadata: Raw<'a>,
    pub(super) citation_metadata: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts<'a> {
    #[serde(borrow)]
    pub(super) parts: List<Part<'a>>,
}

/// A part of a content. Its other fields are kept, because Google requires the parts of its own
/// tools back.
#[derive(Default)]
pub(super) struct Part<'a> {
    pub(super) text: Text<'a>,
    pub(super) thought: Flag,
    pub(super) signature: Text<'a>,
    pub(super) function_call: Maybe<Box<Call<'a>>>,
    pub(super) inline_data: Maybe<Box<InlineData<'a>>>,
    pub(super) file_data: Maybe<Box<FileData<'a>>>,
    pub(super) rest: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    pub(super) name: Text<'a>,
    pub(super) args: Value,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct InlineData<'a> {
    #[serde(borrow)]
    pub(super) mime_type: Text<'a>,
    pub(super) data: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    #[serde(borrow)]
    pub(super) mime_type: Text<'a>,
    pub(super) file_uri: Text<'a>,
}

/// serde's `flatten` would copy each part into a tree to find the other fields.
impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PartVisitor;

        impl<'de> Visitor<'de> for PartVisitor {
            type Value = Part<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part<'de>, A::Error> {
                let mut part = Part::default();
                while let Some(field) = map.next_key::<Text<'de>>()? {
                    match field.as_str() {
                        "text" => part.text = map.next_value()?,
                        "thought" => part.thought = map.next_value()?,
                        "thoughtSignature" => part.signature = map.next_value()?,
                        "functionCall" => part.function_call = map.next_value()?,
                        "inlineData" => part.inline_data = map.next_value()?,
                        "fileData" => part.file_data = map.next_value()?,
                        other => {
                            let value = map.next_value()?;
                            part.rest.insert(other.to_owned(), value);
                        }
                    }
                }
                Ok(part)
            }
        }

        deserializer.deserialize_map(PartVisitor)
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Counts<'a> {
    prompt_token_count: Count,
    tool_use_prompt_token_count: Count,
    cached_content_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    total_token_count: Count,
    #[serde(borrow)]
    prompt_tokens_details: List<Detail<'a>>,
    tool_use_prompt_tokens_details: List<Detail<'a>>,
    cache_tokens_details: List<Detail<'a>>,
    candidates_tokens_details: List<Detail<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    modality: Text<'a>,
    token_count: Count,
}

/// The token counts so far. Counts are cumulative, and a chunk may leave out some.
#[derive(Default)]
pub(super) struct Tally {
    prompt: Tokens,
    tool_prompt: Tokens,
    cached: Tokens,
    candidates: Tokens,
    thoughts: Option<u64>,
    total: Option<u64>,
}

#[derive(Clone, Copy, Default)]
struct Tokens {
    count: Option<u64>,
    by_modality: Modalities,
}

impl Tokens {
    fn update(&mut self, count: Count, details: &List<Detail<'_>>) {
        if count.0 >= self.count {
            self.count = count.0;
            if !details.0.is_empty() {
                self.by_modality = by_modality(&details.0);
            }
        }
    }
}

impl Tally {
    /// Adds a later report: of each count, the largest report is final.
    pub(super) fn update(&mut self, counts: &Counts<'_>) {
        self.prompt.update(counts.prompt_token_count, &counts.prompt_tokens_details);
        self.tool_prompt
            .update(counts.tool_use_prompt_token_count, &counts.tool_use_prompt_tokens_details);
        self.cached.update(counts.cached_content_token_count, &counts.cache_tokens_details);
        self.candidates.update(counts.candidates_token_count, &counts.candidates_tokens_details);
        self.thoughts = self.thoughts.max(counts.thoughts_token_count.0);
        self.total = self.total.max(counts.total_token_count.0);
    }

    /// Returns the counts in the terms of the conventions.
    pub(super) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        (usage.input_tokens, usage.output_tokens) = self.sums();
        usage.cache_read_tokens = self.cached.count;
        usage.reasoning_tokens = self.thoughts;
        usage.input_by_modality = self.prompt.by_modality;
        usage.input_by_modality += self.tool_prompt.by_modality;
        usage.output_by_modality = self.candidates.by_modality;
        usage.cache_read_by_modality = self.cached.by_modality;
        usage
    }

    /// Returns the input and the output. Google counts the input of its own tools beside the prompt,
    /// and the thoughts beside the answer; gateways may include them, or report the thoughts in the
    /// total alone. The total decides.
    fn sums(&self) -> (Option<u64>, Option<u64>) {
        let (prompt, answer) = (self.prompt.count, self.candidates.count);
        let all_input = sum(prompt, self.tool_prompt.count);
        let all_output = sum(answer, self.thoughts);
        let Some(total) = self.total else { return (all_input, all_output) };
        let possible =
            [(all_input, all_output), (all_input, answer), (prompt, all_output), (prompt, answer)];
        let fits =
            |(input, output): &(Option<u64>, Option<u64>)| sum(*input, *output) == Some(total);
        if let Some(counts) = possible.into_iter().find(fits) {
            return counts;
        }
        let rest = all_input.and_then(|input| total.checked_sub(input));
        (all_input, if answer.is_some() { all_output.max(rest) } else { all_output })
    }
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

fn by_modality(details: &[Detail<'_>]) -> Modalities {
    let mut counts = Modalities::default();
    for detail in details {
        let count = match detail.modality.as_str() {
            // Google documents that tokens without a modality are text.
            "TEXT" | "MODALITY_UNSPECIFIED" => &mut counts.text,
            "IMAGE" => &mut counts.image,
            "AUDIO" => &mut counts.audio,
            _ => continue,
        };
        *count = sum(*count, detail.token_count.0);
    }
    counts
}
