//! Anthropic Messages: text and tool calls.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};
use support::{DESCRIPTION, PROMPT, SYSTEM, Work, tool_name, tool_schema, weather};

use super::{Http, sse};

#[derive(Deserialize)]
struct Complete {
    content: Vec<Block>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text { text: String },
    ToolUse { id: String, name: String, input: Arguments },
}

#[derive(Deserialize, Default)]
struct Arguments {
    #[serde(default)]
    city: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        #[serde(borrow)]
        delta: Delta<'a>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    partial_json: Option<Cow<'a, str>>,
}

/// Runs a turn and returns the answer.
pub async fn turn(http: &mut Http, work: &Work) -> String {
    let mut messages: Vec<Value> = Vec::new();
    for (question, answer) in &work.history {
        messages.push(json!({"role": "user", "content": question}));
        messages.push(json!({"role": "assistant", "content": answer}));
    }
    messages.push(json!({"role": "user", "content": PROMPT}));
    let tools: Vec<Value> = (0..work.tools)
        .map(|index| {
            json!({"name": tool_name(index), "description": DESCRIPTION,
                "input_schema": tool_schema(index)})
        })
        .collect();
    loop {
        let request = json!({"model": "claude-sonnet-4-5", "max_tokens": 4096, "system": SYSTEM,
            "stream": work.streamed, "messages": messages, "tools": tools});
        let response = http.post(serde_json::to_vec(&request).expect("JSON")).await;
        let mut text = String::new();
        let mut calls: Vec<(String, String, String)> = Vec::new();
        if work.streamed {
            sse::read(response, |data| match serde_json::from_slice(data).expect("an event") {
                Event::ContentBlockStart { content_block: Block::ToolUse { id, name, .. } } => {
                    calls.push((id, name, String::new()));
                }
                Event::ContentBlockDelta { delta } => {
                    text.push_str(&delta.text.unwrap_or_default());
                    if let (Some(piece), Some(call)) = (delta.partial_json, calls.last_mut()) {
                        call.2.push_str(&piece);
                    }
                }
                _ => {}
            })
            .await;
        } else {
            let body = response.bytes().await.expect("a body");
            let reply: Complete = serde_json::from_slice(&body).expect("a reply");
            for block in reply.content {
                match block {
                    Block::Text { text: piece } => text.push_str(&piece),
                    Block::ToolUse { id, name, input } => {
                        calls.push((id, name, json!({"city": input.city}).to_string()));
                    }
                }
            }
        }
        if calls.is_empty() {
            return text;
        }
        let (mut uses, mut results) = (Vec::new(), Vec::new());
        for (id, name, arguments) in calls {
            let input: Arguments = serde_json::from_str(&arguments).expect("arguments");
            uses.push(json!({"type": "tool_use", "id": id, "name": name,
                "input": {"city": input.city}}));
            results.push(json!({"type": "tool_result", "tool_use_id": id,
                "content": weather(&input.city)}));
        }
        messages.push(json!({"role": "assistant", "content": uses}));
        messages.push(json!({"role": "user", "content": results}));
    }
}
