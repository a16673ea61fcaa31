//! The JSON of a reply of `generateContent`. Fields of an unexpected kind are read as absent, and
//! fields that are not listed are skipped.

use std::fmt;

use chatlas_core::turn::Modalities;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::client::TokenCounts;
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

impl Counts<'_> {
    /// Returns the counts. Google counts the input of server tools beside the prompt, and the
    /// thoughts beside the answer.
    pub(super) fn tokens(&self) -> TokenCounts {
        let mut input_by_modality = by_modality(&self.prompt_tokens_details.0);
        input_by_modality += by_modality(&self.tool_use_prompt_tokens_details.0);
        // Thoughts without an answer are output as well.
        let has_output = self.candidates_token_count.0.or(self.thoughts_token_count.0).is_some();
        TokenCounts {
            input: self.prompt_token_count.0,
            tool_input: self.tool_use_prompt_token_count.0,
            output: self.candidates_token_count.0.or(has_output.then_some(0)),
            total: self.total_token_count.0,
            cache_read: self.cached_content_token_count.0,
            reasoning: self.thoughts_token_count.0,
            input_by_modality,
            output_by_modality: by_modality(&self.candidates_tokens_details.0),
            is_reasoning_beside: true,
            ..TokenCounts::default()
        }
    }

    /// Returns the modalities of the cached tokens, if they are reported.
    pub(super) fn cached_by_modality(&self) -> Option<Modalities> {
        let details = &self.cache_tokens_details.0;
        (!details.is_empty()).then(|| by_modality(details))
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
        if let Some(tokens) = detail.token_count.0 {
            *count = Some(count.unwrap_or_default().saturating_add(tokens));
        }
    }
    counts
}
