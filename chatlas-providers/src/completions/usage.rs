//! The tokens of a reply, as the servers of this family tell them.

use chatlas_core::Usage;
use chatlas_core::turn::Modalities;
use serde_json::Value;

/// A count, which some servers write as a text or with a decimal point.
pub(crate) fn count(told: &Value) -> Option<u64> {
    match told {
        Value::Number(count) => count.as_u64().or_else(|| count.as_f64()?.to_string().parse().ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The counts in a `usage` object.
pub(super) fn usage(told: &Value) -> Usage {
    let input = &told["prompt_tokens_details"];
    let output = &told["completion_tokens_details"];
    let first = |places: &[&Value]| places.iter().find_map(|place| count(place));
    let cache_read_tokens = first(&[
        &input["cached_tokens"],
        // DeepSeek, Databricks, Moonshot.
        &told["prompt_cache_hit_tokens"],
        &told["cache_read_input_tokens"],
        &told["cached_tokens"],
    ]);
    let cache_write_tokens =
        first(&[&input["cache_write_tokens"], &told["cache_creation_input_tokens"]]);
    let reasoning_tokens = first(&[&output["reasoning_tokens"], &told["reasoning_tokens"]]);
    let cached = cache_read_tokens.unwrap_or(0).saturating_add(cache_write_tokens.unwrap_or(0));
    Usage {
        input_tokens: whole(count(&told["prompt_tokens"]), cached),
        output_tokens: whole(count(&told["completion_tokens"]), reasoning_tokens.unwrap_or(0)),
        cache_read_tokens,
        cache_write_tokens,
        reasoning_tokens,
        input_by_modality: modalities(input),
        output_by_modality: modalities(output),
        ..Usage::default()
    }
}

/// The counts known by now, where a later chunk tells some of them again: none is a sum.
pub(super) fn update(usage: &mut Usage, later: Usage) {
    let newer = |now: &mut Option<u64>, later: Option<u64>| *now = later.or(*now);
    newer(&mut usage.input_tokens, later.input_tokens);
    newer(&mut usage.output_tokens, later.output_tokens);
    newer(&mut usage.cache_read_tokens, later.cache_read_tokens);
    newer(&mut usage.cache_write_tokens, later.cache_write_tokens);
    newer(&mut usage.reasoning_tokens, later.reasoning_tokens);
    if !later.input_by_modality.is_empty() {
        usage.input_by_modality = later.input_by_modality;
    }
    if !later.output_by_modality.is_empty() {
        usage.output_by_modality = later.output_by_modality;
    }
}

/// The whole of a count. A server whose part is more than the whole counts it beside.
fn whole(count: Option<u64>, part: u64) -> Option<u64> {
    count.map(|count| if part > count { count.saturating_add(part) } else { count })
}

/// By kind of content. A zero tells nothing that the whole does not.
fn modalities(details: &Value) -> Modalities {
    let some = |key: &str| count(&details[key]).filter(|count| *count > 0);
    Modalities {
        text: some("text_tokens"),
        image: some("image_tokens"),
        audio: some("audio_tokens"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_servers_counts_are_understood() {
        let none = Usage::default();
        for (told, expected) in [
            (json!({}), none),
            (json!(null), none),
            (
                json!({"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16,
                    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 1}}),
                Usage {
                    input_tokens: Some(9),
                    output_tokens: Some(7),
                    cache_read_tokens: Some(4),
                    reasoning_tokens: Some(5),
                    output_by_modality: Modalities { audio: Some(1), ..Modalities::default() },
                    ..none
                },
            ),
            (
                json!({"prompt_tokens": 9, "completion_tokens": 7, "prompt_cache_hit_tokens": 3}),
                Usage {
                    input_tokens: Some(9),
                    output_tokens: Some(7),
                    cache_read_tokens: Some(3),
                    ..none
                },
            ),
            // Counted beside the whole: added to it.
            (
                json!({"prompt_tokens": 9, "completion_tokens": 7, "reasoning_tokens": 90,
                    "cache_read_input_tokens": 100, "cache_creation_input_tokens": 10}),
                Usage {
                    input_tokens: Some(119),
                    output_tokens: Some(97),
                    cache_read_tokens: Some(100),
                    cache_write_tokens: Some(10),
                    reasoning_tokens: Some(90),
                    ..none
                },
            ),
        ] {
            assert_eq!(usage(&told), expected, "{told}");
        }
    }

    #[test]
    fn what_a_later_chunk_leaves_out_is_kept() {
        let mut known = usage(&json!({"prompt_tokens": 9, "completion_tokens": null}));
        update(&mut known, usage(&json!({"prompt_tokens": 9, "completion_tokens": 7})));
        update(&mut known, Usage::default());
        assert_eq!((known.input_tokens, known.output_tokens), (Some(9), Some(7)));
    }
}
