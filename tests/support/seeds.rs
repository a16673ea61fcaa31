//! The seeds of the fuzzer: responses to every operation of every protocol, as vendors and gateways
//! send them.

use serde_json::{Value, json};

use super::protocols::Protocol;

/// The operations, as the first byte of an input selects them.
const STREAM: u8 = 0;
const COMPLETE: u8 = 1;
const MODELS: u8 = 2;
const COUNT: u8 = 3;
const REFUSAL: u8 = 4;
const STREAM_REFUSAL: u8 = 5;

type Seed = (&'static str, Vec<u8>);

fn seed(operation: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    [&[operation], body.as_ref()].concat()
}

/// Returns the seeds of a protocol.
pub(crate) fn seeds(protocol: &Protocol) -> Vec<Seed> {
    let (begin, almost, end) = ((protocol.begin)(), (protocol.middle)(), (protocol.end)());
    let failure = (protocol.failure_event)("sorry");
    let refusal = (protocol.error_body)("the prompt is too long: 9 > 8 tokens");
    let complete = |value: Value| seed(COMPLETE, value.to_string());
    let mut seeds = vec![
        ("stream", seed(STREAM, [&begin[..], &almost, &end].concat())),
        ("stream-failed", seed(STREAM, [&begin[..], &failure].concat())),
        ("stream-truncated", seed(STREAM, [&begin[..], &almost].concat())),
        ("whole", complete((protocol.complete)("Hello"))),
        ("whole-asks", complete((protocol.tool_call)("count"))),
        ("whole-refusal", complete((protocol.error_body)("no"))),
        ("whole-list", complete(json!([(protocol.complete)("Hello")]))),
        ("refusal", seed(REFUSAL, refusal.to_string())),
        ("refusal-list", seed(REFUSAL, json!([refusal]).to_string())),
        (
            "refusal-errors",
            seed(REFUSAL, json!({"errors": [{"message": "no", "code": 7}]}).to_string()),
        ),
        ("refusal-page", seed(REFUSAL, "<html><title>403 &amp; %6b</title>\u{202e}\n</html>")),
        (
            "refusal-quotes",
            seed(
                STREAM_REFUSAL,
                format!("{{\"{0}\": \"\\u0063anary-key-1f2e3d {0}", super::protocols::KEY),
            ),
        ),
        (
            "refusal-invisible",
            seed(REFUSAL, "bad canary-key-1f\u{202e}2e3d or canary-\u{0}key-1f2e3d"),
        ),
    ];
    seeds.extend(models());
    seeds.extend(counts());
    seeds.extend(odd_replies(protocol));
    seeds
}

/// The lists of all vendors in one.
fn models() -> impl Iterator<Item = Seed> {
    let lists = [
        (
            "models",
            json!({"object": "list", "data": [{"id": "a", "created": 1.5, "owned_by": null,
                "display_name": "A", "created_at": "2026-01-02T03:04:05Z", "max_tokens": "64"}],
            "models": [{"name": "models/a", "inputTokenLimit": "9"}],
            "modelSummaries": [{"modelId": "a", "outputModalities": ["TEXT"]}]}),
        ),
        (
            "models-pages",
            json!({"data": [{"id": "a"}], "has_more": true, "last_id": "a",
            "models": [{"name": "a"}], "nextPageToken": "b", "modelSummaries": []}),
        ),
        ("models-odd", json!([null, 7, "a", {"data": "b", "models": {"a": 1}}])),
        ("models-text", json!("hello")),
    ];
    lists.into_iter().map(|(name, list)| (name, seed(MODELS, list.to_string())))
}

fn counts() -> impl Iterator<Item = Seed> {
    let counts = [
        ("count", json!({"input_tokens": 3, "totalTokens": 3, "inputTokens": 3})),
        ("count-odd", json!({"input_tokens": "3.0", "totalTokens": -1, "inputTokens": [3]})),
        ("count-text", json!(true)),
    ];
    counts.into_iter().map(|(name, count)| (name, seed(COUNT, count.to_string())))
}

/// Replies that deviate from the documentation of the vendor.
fn odd_replies(protocol: &Protocol) -> Vec<Seed> {
    let events: Vec<Value> = match protocol.target {
        "messages" | "invoke_model" => odd_messages(),
        "gemini" => odd_candidates(),
        "converse" => odd_deltas(),
        "completions" => odd_chunks(),
        _ => odd_items(),
    };
    let stream: Vec<u8> =
        events.iter().flat_map(|event| (protocol.event)(&event.to_string())).collect();
    let body = [(protocol.begin)(), stream, (protocol.end)()].concat();
    let mut odd = (protocol.complete)("Hello");
    // Every field becomes one of another type.
    if let Some(fields) = odd.as_object_mut() {
        let values =
            [Value::Null, json!("{\"a\": 1}"), json!([[]]), json!({"a": null}), json!(-1.5)];
        for (field, value) in fields.values_mut().zip(values.into_iter().cycle()) {
            *field = value;
        }
    }
    vec![
        ("stream-odd", seed(STREAM, body)),
        ("whole-odd", seed(COMPLETE, odd.to_string())),
        ("whole-events", seed(COMPLETE, json!(events).to_string())),
    ]
}

fn odd_messages() -> Vec<Value> {
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    vec![
        json!({"type": "message_start", "message": {"content": null, "usage": null}}),
        start(
            1,
            json!({"type": "tool_use", "id": "t", "name": "count", "input": "{}", "text": "?"}),
        ),
        delta(1, json!({"type": "text_delta", "text": "!"})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        start(1, json!({"type": "tool_use", "id": "u", "name": "count"})),
        start(2, json!({"type": "server_tool_use", "id": "s", "name": "code", "input": {}})),
        start(3, json!({"type": "server_tool_use", "id": "w", "name": "web_search"})),
        start(4, json!({"type": "web_search_tool_result", "tool_use_id": "w", "content": []})),
        start(5, json!({"type": "code_tool_result", "tool_use_id": "s", "content": null})),
        start(6, Value::Null),
        delta(6, json!({"type": "thinking_delta", "thinking": "Hm"})),
        delta(9, json!({"type": "citations_delta", "citation": {"url": 3}})),
    ]
}

fn odd_candidates() -> Vec<Value> {
    let parts = |parts: Value| json!({"candidates": [{"content": {"parts": parts}}]});
    vec![
        parts(json!([{"functionCall": {"name": "count", "args": {}}}])),
        parts(json!([{"text": ""}, {"functionCall": {"args": {"a": 1}}, "thoughtSignature": "s"}])),
        parts(json!([{"functionCall": {"name": "", "args": "{\"b\": 2}"}}])),
        parts(json!([{"text": "a", "thought": true, "thoughtSignature": "s"}, {"inlineData": {}}])),
        json!({"candidates": [{"index": 127, "content": null, "finishReason": "max_tokens"}],
            "promptFeedback": {"blockReason": ""}}),
        json!({"usageMetadata": {"promptTokenCount": 35, "candidatesTokenCount": 12,
            "thoughtsTokenCount": 3, "totalTokenCount": 109}}),
    ]
}

fn odd_deltas() -> Vec<Value> {
    let delta = |index: u64, delta: Value| json!({"contentBlockIndex": index, "delta": delta});
    vec![
        delta(1, json!({"toolUse": {"input": "{\"a\": 1}"}})),
        delta(1, json!({"text": "!", "reasoningContent": {"signature": "s"}})),
        delta(2, json!({"reasoningContent": {"redactedContent": "eA=="}})),
        delta(3, json!({"citation": {"location": {"web": {"url": 3}}}, "toolResult": [1]})),
        delta(4, json!({"image": {"source": {"bytes": "eA=="}}, "novelty": {}})),
    ]
}

fn odd_chunks() -> Vec<Value> {
    let chunk = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    vec![
        chunk(json!({"content": [{"type": "thinking", "thinking": ["a"]}]})),
        chunk(json!({"content": [{"x": "b"}]})),
        chunk(json!({"reasoning_details": [3, {"type": "reasoning.text", "text": "a"}]})),
        chunk(
            json!({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "count", "arguments": {}}}]}),
        ),
        chunk(
            json!({"tool_calls": [{"index": 0, "function": {"name": "", "arguments": "{\"a\""}}]}),
        ),
        chunk(json!({"function_call": {"name": "", "arguments": ""}, "content": null})),
        json!({"choices": null, "usage": {"prompt_tokens": 20, "completion_tokens": 7,
            "total_tokens": 30, "completion_tokens_details": {"reasoning_tokens": 3}}}),
    ]
}

fn odd_items() -> Vec<Value> {
    let item = json!({"id": "f", "type": "function_call", "call_id": "t", "name": "count",
        "arguments": ""});
    vec![
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{"}),
        json!({"type": "response.function_call_arguments.done", "item_id": "f", "arguments": "{}"}),
        json!({"type": "response.output_text.delta", "output_index": 1, "delta": "Hel"}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 2, "delta": "Hm"}),
        json!({"type": "response.output_item.done", "output_index": 3, "item":
            {"type": "mcp_list_tools", "id": "m", "tools": null}}),
    ]
}
