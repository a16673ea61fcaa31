//! The token counts of a reply, as the servers of this family report them.

use chatlas_core::Usage;
use chatlas_core::turn::Modalities;
use serde::Deserialize;

use crate::client::json::{Count, Maybe};

/// The object `usage`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    prompt_tokens: Count,
    completion_tokens: Count,
    prompt_tokens_details: Maybe<Details>,
    completion_tokens_details: Maybe<Details>,
    // DeepSeek, Databricks, Moonshot.
    prompt_cache_hit_tokens: Count,
    cache_read_input_tokens: Count,
    cached_tokens: Count,
    cache_creation_input_tokens: Count,
    // Perplexity.
    reasoning_tokens: Count,
}

/// The parts of a count.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_field_names)]
struct Details {
    cached_tokens: Count,
    cache_write_tokens: Count,
    reasoning_tokens: Count,
    text_tokens: Count,
    image_tokens: Count,
    audio_tokens: Count,
}

impl Counts {
    /// Adds the counts to those so far. A later chunk may repeat some of them: none is a sum.
    pub(super) fn update(&self, usage: &mut Usage) {
        let newer = |now: &mut Option<u64>, later: Option<u64>| *now = later.or(*now);
        let input = self.prompt_tokens_details.0.unwrap_or_default();
        let output = self.completion_tokens_details.0.unwrap_or_default();
        let cache_read = (input.cached_tokens.0)
            .or(self.prompt_cache_hit_tokens.0)
            .or(self.cache_read_input_tokens.0)
            .or(self.cached_tokens.0);
        let cache_write = input.cache_write_tokens.0.or(self.cache_creation_input_tokens.0);
        let reasoning = output.reasoning_tokens.0.or(self.reasoning_tokens.0);
        let cached = cache_read.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
        newer(&mut usage.input_tokens, total(self.prompt_tokens.0, cached));
        newer(&mut usage.output_tokens, total(self.completion_tokens.0, reasoning.unwrap_or(0)));
        newer(&mut usage.cache_read_tokens, cache_read);
        newer(&mut usage.cache_write_tokens, cache_write);
        newer(&mut usage.reasoning_tokens, reasoning);
        for (now, later) in [
            (&mut usage.input_by_modality, input.modalities()),
            (&mut usage.output_by_modality, output.modalities()),
        ] {
            if !later.is_empty() {
                *now = later;
            }
        }
    }
}

/// The total of a count. A server whose part exceeds the total counts the part beside it.
fn total(count: Option<u64>, part: u64) -> Option<u64> {
    count.map(|count| if part > count { count.saturating_add(part) } else { count })
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
    use serde_json::{Value, json};

    use super::*;

    fn update(usage: &mut Usage, reported: Value) {
        let counts: Maybe<Counts> = serde_json::from_value(reported).unwrap();
        counts.0.unwrap_or_default().update(usage);
    }

    fn usage(reported: Value) -> Usage {
        let mut usage = Usage::default();
        update(&mut usage, reported);
        usage
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
    fn a_count_that_a_later_chunk_leaves_out_is_kept() {
        let mut known = usage(json!({"prompt_tokens": 9, "completion_tokens": null}));
        update(&mut known, json!({"prompt_tokens": 9, "completion_tokens": 7}));
        update(&mut known, json!({}));
        assert_eq!((known.input_tokens, known.output_tokens), (Some(9), Some(7)));
    }
}
