//! Tokens as Google counts them.

use chatlas_core::{Modalities, Usage};
use serde_json::{Map, Value};

/// `usageMetadata` by the words of the conventions: Google counts what its own tools put into the
/// prompt, and what the model thinks, beside the prompt and the answer.
pub(super) fn usage(told: &Map<String, Value>) -> Usage {
    let count = |key: &str| told.get(key).and_then(Value::as_u64);
    Usage {
        input_tokens: sum(count("promptTokenCount"), count("toolUsePromptTokenCount")),
        output_tokens: sum(count("candidatesTokenCount"), count("thoughtsTokenCount")),
        cache_read_tokens: count("cachedContentTokenCount"),
        reasoning_tokens: count("thoughtsTokenCount"),
        input_by_modality: by_modality(
            told,
            &["promptTokensDetails", "toolUsePromptTokensDetails"],
        ),
        output_by_modality: by_modality(told, &["candidatesTokensDetails"]),
        cache_read_by_modality: by_modality(told, &["cacheTokensDetails"]),
        ..Usage::default()
    }
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

fn by_modality(told: &Map<String, Value>, lists: &[&str]) -> Modalities {
    let mut counts = Modalities::default();
    let details = lists.iter().filter_map(|list| told.get(*list)?.as_array()).flatten();
    for detail in details {
        let place = match detail["modality"].as_str() {
            // What has no name is text, by Google's own word.
            Some("TEXT" | "MODALITY_UNSPECIFIED") => &mut counts.text,
            Some("IMAGE") => &mut counts.image,
            Some("AUDIO") => &mut counts.audio,
            _ => continue,
        };
        *place = sum(*place, detail["tokenCount"].as_u64());
    }
    counts
}
