//! OpenAI Responses: text and tool calls.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};
use support::{DESCRIPTION, MODEL, PROMPT, SYSTEM, Work, tool_name, tool_schema, weather};

use super::{Http, sse};

#[derive(Deserialize)]
struct Complete {
    output: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    Message { content: Vec<Part> },
    FunctionCall { call_id: String, name: String, arguments: String },
}

#[derive(Deserialize)]
struct Part {
    text: String,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    delta: Option<Cow<'a, str>>,
    #[serde(default)]
    item: Option<Item>,
}

#[derive(Deserialize)]
struct Arguments {
    city: String,
}

/// Runs a turn and returns the answer.
pub async fn turn(http: &mut Http, work: &Work) -> String {
    let mut input: Vec<Value> = Vec::new();
    for (question, answer) in &work.history {
        input.push(json!({"role": "user", "content": question}));
        input.push(json!({"role": "assistant", "content": answer}));
    }
    input.push(json!({"role": "user", "content": PROMPT}));
    let tools: Vec<Value> = (0..work.tools)
        .map(|index| {
            json!({"type": "function", "name": tool_name(index), "description": DESCRIPTION,
                "parameters": tool_schema(index)})
        })
        .collect();
    loop {
        let request = json!({"model": MODEL, "instructions": SYSTEM, "stream": work.streamed,
            "input": input, "tools": tools});
        let response = http.post(serde_json::to_vec(&request).expect("JSON")).await;
        let mut text = String::new();
        let mut calls = Vec::new();
        let mut finished = |item| match item {
            Item::Message { content } => content.into_iter().map(|part| part.text).collect(),
            Item::FunctionCall { call_id, name, arguments } => {
                calls.push((call_id, name, arguments));
                String::new()
            }
        };
        if work.streamed {
            sse::read(response, |data| {
                let event: Event<'_> = serde_json::from_slice(data).expect("an event");
                match (&*event.r#type, event.delta, event.item) {
                    ("response.output_text.delta", Some(piece), _) => text.push_str(&piece),
                    ("response.output_item.done", _, Some(item)) => {
                        finished(item);
                    }
                    _ => {}
                }
            })
            .await;
        } else {
            let body = response.bytes().await.expect("a body");
            let reply: Complete = serde_json::from_slice(&body).expect("a reply");
            text = reply.output.into_iter().map(finished).collect();
        }
        if calls.is_empty() {
            return text;
        }
        for (id, name, arguments) in calls {
            let parsed: Arguments = serde_json::from_str(&arguments).expect("arguments");
            input.push(json!({"type": "function_call", "call_id": id, "name": name,
                "arguments": arguments}));
            input.push(json!({"type": "function_call_output", "call_id": id,
                "output": weather(&parsed.city)}));
        }
    }
}
