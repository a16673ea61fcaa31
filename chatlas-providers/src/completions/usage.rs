//! The object `usage` of Chat Completions and Responses, in the spellings of all servers.

use chatlas_core::turn::Modalities;
use serde::Deserialize;

use crate::client::TokenCounts;
use crate::client::json::{Count, Maybe};

/// The object `usage`. Servers that report a count in two fields may leave one of them zero.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_field_names)]
pub(crate) struct Counts {
    prompt_tokens: Count,
    input_tokens: Count,
    completion_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Maybe<Details>,
    prompt_token_details: Maybe<Details>,
    input_tokens_details: Maybe<Details>,
    input_token_details: Maybe<Details>,
    completion_tokens_details: Maybe<Details>,
    completion_token_details: Maybe<Details>,
    output_tokens_details: Maybe<Details>,
    output_token_details: Maybe<Details>,
    // DeepSeek, Databricks, Moonshot, Mistral.
    prompt_cache_hit_tokens: Count,
    cache_read_input_tokens: Count,
    cache_read_tokens: Count,
    cached_tokens: Count,
    cached_prompt_tokens: Count,
    num_cached_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation_tokens: Count,
    cache_write_tokens: Count,
    // Perplexity.
    reasoning_tokens: Count,
}

/// The parts of a count.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_field_names)]
struct Details {
    cached_tokens: Count,
    cache_read_tokens: Count,
    cache_write_tokens: Count,
    cache_creation_tokens: Count,
    cached_creation_tokens: Count,
    reasoning_tokens: Count,
    text_tokens: Count,
    image_tokens: Count,
    audio_tokens: Count,
}

impl Counts {
    pub(crate) fn tokens(&self) -> TokenCounts {
        let details = |spellings: [Maybe<Details>; 4]| {
            spellings.into_iter().find_map(|details| details.0).unwrap_or_default()
        };
        let input = details([
            self.prompt_tokens_details,
            self.prompt_token_details,
            self.input_tokens_details,
            self.input_token_details,
        ]);
        let output = details([
            self.completion_tokens_details,
            self.completion_token_details,
            self.output_tokens_details,
            self.output_token_details,
        ]);
        let is_anthropic = self.prompt_tokens.0.unwrap_or(0) == 0
            && (self.cache_read_input_tokens.0.is_some()
                || self.cache_creation_input_tokens.0.is_some());
        TokenCounts {
            input: largest(&[self.prompt_tokens, self.input_tokens]),
            output: largest(&[self.completion_tokens, self.output_tokens]),
            total: self.total_tokens.0,
            cache_read: largest(&[
                input.cached_tokens,
                input.cache_read_tokens,
                self.prompt_cache_hit_tokens,
                self.cache_read_input_tokens,
                self.cache_read_tokens,
                self.cached_tokens,
                self.cached_prompt_tokens,
                self.num_cached_tokens,
            ]),
            cache_write: largest(&[
                input.cache_write_tokens,
                input.cache_creation_tokens,
                input.cached_creation_tokens,
                self.cache_creation_input_tokens,
                self.cache_creation_tokens,
                self.cache_write_tokens,
            ]),
            reasoning: largest(&[output.reasoning_tokens, self.reasoning_tokens]),
            input_by_modality: input.modalities(),
            output_by_modality: output.modalities(),
            // https://docs.anthropic.com/en/api/messages: `input_tokens` excludes cached tokens.
            is_cache_beside: is_anthropic,
            ..TokenCounts::default()
        }
    }
}

fn largest(spellings: &[Count]) -> Option<u64> {
    spellings.iter().filter_map(|count| count.0).max()
}

impl Details {
    /// The counts by modality. A zero adds nothing to the total.
    fn modalities(self) -> Modalities {
        let positive = |count: Count| count.0.filter(|count| *count > 0);
        let mut modalities = Modalities::default();
        modalities.text = positive(self.text_tokens);
        modalities.image = positive(self.image_tokens);
        modalities.audio = positive(self.audio_tokens);
        modalities
    }
}

#[cfg(test)]
mod tests {
    use chatlas_core::Usage;
    use serde_json::{Value, json};

    use super::*;

    fn usage(reported: Value) -> Usage {
        let counts: Maybe<Counts> = serde_json::from_value(reported).unwrap();
        counts.0.unwrap_or_default().tokens().usage()
    }

    #[test]
    fn the_counts_of_each_server_are_read() {
        assert_eq!(usage(json!({})), Usage::default());
        assert_eq!(usage(json!(null)), Usage::default());
        let openai = usage(json!({"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 1}}));
        let mut expected = Usage::new(9, 7);
        expected.cache_read_tokens = Some(4);
        expected.reasoning_tokens = Some(5);
        expected.output_by_modality.audio = Some(1);
        assert_eq!(openai, expected);
        let deepseek = json!({"prompt_tokens": 9, "completion_tokens": 7,
            "prompt_cache_hit_tokens": 3});
        assert_eq!(usage(deepseek), Usage::new(9, 7).with_cache_read_tokens(3));
        // Counted beside the total: added to it.
        let beside = usage(json!({"prompt_tokens": 9, "completion_tokens": 7,
            "reasoning_tokens": 90, "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 10}));
        let mut expected = Usage::new(119, 97);
        expected.cache_read_tokens = Some(100);
        expected.cache_write_tokens = Some(10);
        expected.reasoning_tokens = Some(90);
        assert_eq!(beside, expected);
    }

    #[test]
    fn every_spelling_of_cached_tokens_is_read() {
        let base = json!({"prompt_tokens": 90, "completion_tokens": 7, "total_tokens": 97});
        for (field, details) in [
            ("num_cached_tokens", json!(32)),
            ("cached_tokens", json!("32")),
            ("cached_prompt_tokens", json!(32.0)),
            ("cache_read_tokens", json!(32)),
            ("cache_read_input_tokens", json!("32.0")),
            ("prompt_tokens_details", json!({"cached_tokens": 32})),
            ("prompt_token_details", json!({"cached_tokens": 32})),
            ("input_tokens_details", json!({"cached_tokens": 32})),
            ("input_token_details", json!({"cached_tokens": 32})),
        ] {
            let mut reported = base.clone();
            reported[field] = details;
            // Some servers report a zero in the fields that they do not use.
            for zero in ["prompt_cache_hit_tokens", "input_tokens", "output_tokens"] {
                reported[zero] = json!(0);
            }
            assert_eq!(usage(reported), Usage::new(90, 7).with_cache_read_tokens(32), "{field}");
        }
    }

    #[test]
    fn cached_tokens_in_the_fields_of_anthropic_are_beside_the_input() {
        let reported = json!({"input_tokens": 10, "output_tokens": 5,
            "cache_read_input_tokens": 6, "cache_creation_input_tokens": 2});
        assert_eq!(usage(reported).input_tokens, Some(18));
    }
}
