//! Short replies in the wire format of several vendors, and providers that send to a test server.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::{Gemini, HttpOptions, OpenAi};
use serde_json::{Value, json};

use super::server::{Answer as Http, Server};

fn event(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"))
}

fn openai_reply(item: &Value) -> Http {
    Http::json(
        200,
        &json!({
            "id": "resp_1", "status": "completed", "model": "gpt-4o-2024-08-06", "output": [item],
            "usage": {"input_tokens": 76, "output_tokens": 15},
        }),
    )
}

pub fn openai_text(text: &str) -> Http {
    let text = json!({"type": "output_text", "text": text});
    openai_reply(&json!({"type": "message", "role": "assistant", "content": [text]}))
}

pub fn openai_tool_call(name: &str) -> Http {
    openai_reply(&json!({
        "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name,
        "arguments": "{\"city\": \"Tokyo\"}",
    }))
}

pub fn openai(server: &Server, options: HttpOptions) -> OpenAi {
    OpenAi::new("gpt-4o").with_base_url(server.url()).with_api_key("sk-canary").with_http(options)
}

/// Returns a stream whose first usage report is from before the vendor's own tools ran.
pub fn anthropic_stream() -> Http {
    let begin = json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
        "usage": {"input_tokens": 2247, "cache_creation_input_tokens": 0,
                  "cache_read_input_tokens": 0, "output_tokens": 1},
    }});
    let block = [
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 19_000, "cache_creation_input_tokens": 400,
                  "cache_read_input_tokens": 123, "output_tokens": 50}});
    let mut body = event(&begin);
    body.extend(block.iter().map(event));
    body.push_str(&event(&end));
    body.push_str(&event(&json!({"type": "message_stop"})));
    Http::events(body)
}

pub fn gemini_reply(parts: &Value) -> Http {
    Http::json(
        200,
        &json!({
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
            "modelVersion": "gemini-x-001", "responseId": "response-1",
        }),
    )
}

pub fn gemini(server: &Server) -> Gemini {
    Gemini::new("gemini-x").with_base_url(server.url()).with_api_key("k")
}
