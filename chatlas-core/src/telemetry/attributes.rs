//! The attributes that several kinds of spans have in common.

use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::names;
use crate::cost::{Cost, recorded_prices};
use crate::provider::{ModelParams, ProviderInfo};
use crate::turn::{AssistantTurn, FinishReason, Modalities, Usage};

/// Returns an empty list with room for all attributes of a span, including those that are recorded
/// at its end: the SDK keeps the allocation.
pub(super) fn span_attributes() -> Vec<KeyValue> {
    Vec::with_capacity(18)
}

/// Adds an attribute if there is a value.
pub(super) fn push<V: Into<Value>>(list: &mut Vec<KeyValue>, key: &'static str, value: Option<V>) {
    list.extend(value.map(|value| KeyValue::new(key, value)));
}

/// Removes attributes whose value is an empty text, which some servers send for a missing value.
pub(super) fn without_empty(list: &mut Vec<KeyValue>) {
    list.retain(
        |attribute| !matches!(&attribute.value, Value::String(text) if text.as_str().is_empty()),
    );
}

/// Adds the parameters that are set. `json` is whether the output is requested as JSON.
pub(super) fn push_params(list: &mut Vec<KeyValue>, params: &ModelParams, json: bool) {
    use names::request;
    push(list, request::TEMPERATURE, params.temperature);
    push(list, request::TOP_P, params.top_p);
    push(list, request::MAX_TOKENS, params.max_tokens.map(i64::from));
    push(list, request::SEED, params.seed);
    push(list, request::FREQUENCY_PENALTY, params.frequency_penalty);
    push(list, request::PRESENCE_PENALTY, params.presence_penalty);
    let choices = params.choice_count.filter(|count| *count != 1);
    push(list, request::CHOICE_COUNT, choices.map(i64::from));
    if !params.stop_sequences.is_empty() {
        let texts = params.stop_sequences.iter().cloned().map(StringValue::from).collect();
        push(list, request::STOP_SEQUENCES, Some(Value::Array(Array::String(texts))));
    }
    push(list, names::OUTPUT_TYPE, json.then_some("json"));
}

/// Returns the value of `chatlas.coerced`.
pub(crate) fn coerced(notes: Vec<String>) -> Value {
    Value::Array(Array::String(notes.into_iter().map(StringValue::from).collect()))
}

/// Adds the total token counts that are set.
pub(super) fn push_total_usage(list: &mut Vec<KeyValue>, usage: &Usage) {
    push_tokens(list, names::usage::INPUT_TOKENS, usage.input_tokens);
    push_tokens(list, names::usage::OUTPUT_TOKENS, usage.output_tokens);
}

/// Adds the cost of a call. An unknown cost is omitted.
pub(super) fn push_cost(list: &mut Vec<KeyValue>, cost: &Cost, currency: &str) {
    if cost.is_complete() {
        list.push(KeyValue::new(names::COST_AMOUNT, cost.total()));
        push(list, names::COST_CURRENCY, Some(currency.to_owned()));
    }
}

/// Adds the cost of the calls of an agent, unless the cost of one is unknown.
pub(super) fn push_total_cost(list: &mut Vec<KeyValue>, cost: &Cost) {
    if cost.total() > 0.0
        && let Some(prices) = recorded_prices()
    {
        push_cost(list, cost, prices.currency());
    }
}

/// Adds all token counts that are set: the totals and their parts.
pub(super) fn push_usage(list: &mut Vec<KeyValue>, usage: &Usage) {
    use names::usage as key;
    push_total_usage(list, usage);
    push_tokens(list, key::CACHE_READ_TOKENS, usage.cache_read_tokens);
    push_tokens(list, key::CACHE_WRITE_TOKENS, usage.cache_write_tokens);
    push_tokens(list, key::REASONING_TOKENS, usage.reasoning_tokens);
    let input = [key::TEXT_INPUT_TOKENS, key::IMAGE_INPUT_TOKENS, key::AUDIO_INPUT_TOKENS];
    let output = [key::TEXT_OUTPUT_TOKENS, key::IMAGE_OUTPUT_TOKENS, key::AUDIO_OUTPUT_TOKENS];
    let cache_read =
        [key::TEXT_CACHE_READ_TOKENS, key::IMAGE_CACHE_READ_TOKENS, key::AUDIO_CACHE_READ_TOKENS];
    for (keys, Modalities { text, image, audio, .. }) in [
        (input, usage.input_by_modality),
        (output, usage.output_by_modality),
        (cache_read, usage.cache_read_by_modality),
    ] {
        for (key, count) in keys.into_iter().zip([text, image, audio]) {
            push_tokens(list, key, count);
        }
    }
}

/// Adds a token count if it is set.
pub(super) fn push_tokens(list: &mut Vec<KeyValue>, key: &'static str, tokens: Option<u64>) {
    push(list, key, tokens.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX)));
}

/// Returns the finish reason of each choice. By the conventions, a choice without one ended in
/// `error`.
pub(super) fn finish_reasons(turn: Option<&AssistantTurn>) -> KeyValue {
    let to_value = |reason: Option<&FinishReason>| {
        StringValue::from(reason.unwrap_or(&FinishReason::Error).to_attribute())
    };
    let first = to_value(turn.and_then(|turn| turn.finish_reason.as_ref()));
    let others = turn.map(|turn| turn.alternatives.as_slice()).unwrap_or_default();
    let others = others.iter().map(|other| to_value(other.finish_reason.as_ref()));
    let reasons = std::iter::once(first).chain(others).collect();
    KeyValue::new(names::response::FINISH_REASONS, Value::Array(Array::String(reasons)))
}

/// Adds the host and port that requests are sent to, if there is a host.
pub(super) fn push_server(list: &mut Vec<KeyValue>, info: &ProviderInfo) {
    if let Some(address) = info.server_address.as_ref().filter(|address| !address.is_empty()) {
        list.push(KeyValue::new(names::SERVER_ADDRESS, address.clone()));
        push(list, names::SERVER_PORT, info.server_port.map(i64::from));
    }
}
