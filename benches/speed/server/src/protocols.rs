//! The replies of the four protocols, with the fields that the vendors send.

use serde_json::{Value, json};

/// A protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    Completions,
    Responses,
    Messages,
    Gemini,
}

impl Api {
    pub fn of_path(path: &str) -> Self {
        match path {
            _ if path.contains("/chat/completions") => Self::Completions,
            _ if path.contains("/responses") => Self::Responses,
            _ if path.contains("/messages") => Self::Messages,
            _ => Self::Gemini,
        }
    }
}

/// A response, as bytes on the wire.
pub struct Response {
    pub complete: Vec<u8>,
    /// The head and the events up to the first piece of text.
    pub first: Vec<u8>,
}

/// The content of a reply.
enum Reply {
    /// The pieces of a text.
    Text(Vec<String>),
    /// The pieces of the arguments of one tool call.
    Call(Vec<String>),
}

/// The stream events of a reply, and the number of those up to the first piece.
struct Events {
    list: Vec<String>,
    first: usize,
}

pub fn response(scenario: &str, api: Api, streamed: bool, answered: bool) -> Response {
    let reply = reply(scenario, answered);
    if !streamed {
        let body = match api {
            Api::Completions => completions::complete(&reply),
            Api::Responses => responses::complete(&reply, "completed"),
            Api::Messages => messages::complete(&reply),
            Api::Gemini => gemini::complete(&reply),
        }
        .to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
        let complete = format!("{head} {}\r\n\r\n{body}", body.len()).into_bytes();
        return Response { complete, first: Vec::new() };
    }
    let events = match api {
        Api::Completions => completions::events(&reply),
        Api::Responses => responses::events(&reply),
        Api::Messages => messages::events(&reply),
        Api::Gemini => gemini::events(&reply),
    };
    let mut complete =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    let mut first = Vec::new();
    for (index, event) in events.list.iter().enumerate() {
        complete.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
        if index + 1 == events.first {
            first = complete.clone();
        }
    }
    complete.extend_from_slice(b"0\r\n\r\n");
    Response { complete, first }
}

fn reply(scenario: &str, answered: bool) -> Reply {
    let mut parts = scenario.split('-');
    let name = parts.next().unwrap_or_default();
    let mut number = |default| parts.next().and_then(|part| part.parse().ok()).unwrap_or(default);
    match name {
        "text" | "idle" => {
            let (count, size) = (number(20), number(10));
            Reply::Text(vec![" lorem ips dolor".chars().cycle().take(size).collect(); count])
        }
        _ if answered => Reply::Text(pieces(&"Take a coat. ".repeat(11), 7)),
        "arguments" => {
            let (total, size) = (number(1 << 20), number(50));
            let city = "x".repeat(total.saturating_sub(11));
            Reply::Call(pieces(&json!({ "city": city }).to_string(), size))
        }
        _ => Reply::Call(pieces(r#"{"city":"Lisbon"}"#, 4)),
    }
}

fn pieces(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}

fn parsed(arguments: &[String]) -> Value {
    serde_json::from_str(&arguments.concat()).expect("the arguments are JSON")
}

fn data(event: &Value) -> String {
    format!("data: {event}\n\n")
}

fn named(kind: &str, mut event: Value) -> String {
    event["type"] = kind.into();
    format!("event: {kind}\ndata: {event}\n\n")
}

mod completions {
    use super::*;

    fn usage() -> Value {
        json!({"prompt_tokens": 120, "completion_tokens": 14, "total_tokens": 134,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}})
    }

    fn object(kind: &str, choices: &Value, usage: &Value) -> Value {
        json!({"id": "chatcmpl-Bx71", "object": kind, "created": 1_790_000_000,
            "model": "gpt-4o-2024-08-06", "service_tier": "default",
            "system_fingerprint": "fp_83ac", "choices": choices, "usage": usage})
    }

    pub fn complete(reply: &Reply) -> Value {
        let (message, reason) = match reply {
            Reply::Text(text) => (
                json!({"role": "assistant", "content": text.concat(),
                "refusal": null, "annotations": []}),
                "stop",
            ),
            Reply::Call(arguments) => {
                let function = json!({"name": "get_weather", "arguments": arguments.concat()});
                let calls = json!([{"id": "call_1", "type": "function", "function": function}]);
                (
                    json!({"role": "assistant", "content": null, "tool_calls": calls,
                    "refusal": null, "annotations": []}),
                    "tool_calls",
                )
            }
        };
        let choice = json!([{"index": 0, "message": message, "logprobs": null,
            "finish_reason": reason}]);
        object("chat.completion", &choice, &usage())
    }

    pub fn events(reply: &Reply) -> Events {
        let mut list = Vec::new();
        let mut add = |delta: Value, reason: Value| {
            let choice = json!([{"index": 0, "delta": delta, "logprobs": null,
                "finish_reason": reason}]);
            list.push(data(&object("chat.completion.chunk", &choice, &Value::Null)));
        };
        match reply {
            Reply::Text(text) => {
                add(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null);
                text.iter().for_each(|piece| add(json!({"content": piece}), Value::Null));
                add(json!({}), "stop".into());
            }
            Reply::Call(arguments) => {
                let function = json!({"name": "get_weather", "arguments": ""});
                let call = json!([{"index": 0, "id": "call_1", "type": "function",
                    "function": function}]);
                add(json!({"role": "assistant", "content": null, "tool_calls": call}), Value::Null);
                for piece in arguments {
                    let call = json!([{"index": 0, "function": {"arguments": piece}}]);
                    add(json!({"tool_calls": call}), Value::Null);
                }
                add(json!({}), "tool_calls".into());
            }
        }
        list.push(data(&object("chat.completion.chunk", &json!([]), &usage())));
        list.push("data: [DONE]\n\n".to_owned());
        Events { list, first: 2 }
    }
}

mod responses {
    use super::*;

    fn item(reply: &Reply) -> Value {
        match reply {
            Reply::Text(text) => json!({"type": "message", "id": "msg_1", "status": "completed",
                "role": "assistant", "content": [{"type": "output_text", "text": text.concat(),
                "annotations": []}]}),
            Reply::Call(arguments) => json!({"type": "function_call", "id": "fc_1",
                "call_id": "call_1", "name": "get_weather", "arguments": arguments.concat(),
                "status": "completed"}),
        }
    }

    pub fn complete(reply: &Reply, status: &str) -> Value {
        let done = status == "completed";
        let usage = json!({"input_tokens": 120, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 14, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 134});
        json!({"id": "resp_91fe", "object": "response", "created_at": 1_790_000_000,
            "status": status, "error": null, "incomplete_details": null, "instructions": null,
            "max_output_tokens": null, "model": "gpt-4o-2024-08-06",
            "output": if done { json!([item(reply)]) } else { json!([]) },
            "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null}, "store": true, "temperature": 1.0,
            "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
            "top_p": 1.0, "truncation": "disabled",
            "usage": if done { usage } else { Value::Null }, "user": null, "metadata": {}})
    }

    pub fn events(reply: &Reply) -> Events {
        let mut list = Vec::new();
        let mut add = |kind: &str, mut event: Value| {
            event["sequence_number"] = list.len().into();
            list.push(named(kind, event));
        };
        let begun = complete(reply, "in_progress");
        add("response.created", json!({"response": begun}));
        add("response.in_progress", json!({"response": begun}));
        let mut item = item(reply);
        let finished = item.clone();
        item["status"] = "in_progress".into();
        match reply {
            Reply::Text(text) => {
                item["content"] = json!([]);
                add("response.output_item.added", json!({"output_index": 0, "item": item}));
                let part = |text: &str| {
                    json!({"item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "part": {"type": "output_text", "text": text,
                    "annotations": []}})
                };
                add("response.content_part.added", part(""));
                for piece in text {
                    add(
                        "response.output_text.delta",
                        json!({"item_id": "msg_1",
                        "output_index": 0, "content_index": 0, "delta": piece, "logprobs": [],
                        "obfuscation": "k2"}),
                    );
                }
                let text = text.concat();
                add(
                    "response.output_text.done",
                    json!({"item_id": "msg_1", "output_index": 0,
                    "content_index": 0, "text": text, "logprobs": []}),
                );
                add("response.content_part.done", part(&text));
            }
            Reply::Call(arguments) => {
                item["arguments"] = "".into();
                add("response.output_item.added", json!({"output_index": 0, "item": item}));
                for piece in arguments {
                    add(
                        "response.function_call_arguments.delta",
                        json!({"item_id": "fc_1",
                        "output_index": 0, "delta": piece, "obfuscation": "k2"}),
                    );
                }
                add(
                    "response.function_call_arguments.done",
                    json!({"item_id": "fc_1",
                    "output_index": 0, "arguments": arguments.concat()}),
                );
            }
        }
        add("response.output_item.done", json!({"output_index": 0, "item": finished}));
        add("response.completed", json!({"response": complete(reply, "completed")}));
        Events { list, first: 5 }
    }
}

mod messages {
    use super::*;

    fn message(content: &Value, reason: &Value) -> Value {
        json!({"id": "msg_01Kq", "type": "message", "role": "assistant",
            "model": "claude-sonnet-4-5", "content": content, "stop_reason": reason,
            "stop_sequence": null, "usage": {"input_tokens": 120,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 14}})
    }

    pub fn complete(reply: &Reply) -> Value {
        match reply {
            Reply::Text(text) => {
                message(&json!([{"type": "text", "text": text.concat()}]), &"end_turn".into())
            }
            Reply::Call(arguments) => message(
                &json!([{"type": "tool_use", "id": "toolu_1", "name": "get_weather",
                    "input": parsed(arguments)}]),
                &"tool_use".into(),
            ),
        }
    }

    pub fn events(reply: &Reply) -> Events {
        let mut list =
            vec![named("message_start", json!({"message": message(&json!([]), &Value::Null)}))];
        let (block, pieces, reason) = match reply {
            Reply::Text(text) => (json!({"type": "text", "text": ""}), text, "end_turn"),
            Reply::Call(arguments) => (
                json!({"type": "tool_use", "id": "toolu_1",
                "name": "get_weather", "input": {}}),
                arguments,
                "tool_use",
            ),
        };
        list.push(named("content_block_start", json!({"index": 0, "content_block": block})));
        for piece in pieces {
            let delta = match reply {
                Reply::Text(_) => json!({"type": "text_delta", "text": piece}),
                Reply::Call(_) => json!({"type": "input_json_delta", "partial_json": piece}),
            };
            list.push(named("content_block_delta", json!({"index": 0, "delta": delta})));
        }
        list.push(named("content_block_stop", json!({"index": 0})));
        let delta = json!({"stop_reason": reason, "stop_sequence": null});
        list.push(named("message_delta", json!({"delta": delta, "usage": {"output_tokens": 14}})));
        list.push(named("message_stop", json!({})));
        Events { list, first: 3 }
    }
}

mod gemini {
    use super::*;

    fn candidate(part: &Value, reason: Option<&str>) -> Value {
        let mut candidate = json!({"content": {"parts": [part], "role": "model"}, "index": 0});
        if let Some(reason) = reason {
            candidate["finishReason"] = reason.into();
        }
        json!({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 120,
            "candidatesTokenCount": 14, "totalTokenCount": 134,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 120}]},
            "modelVersion": "gemini-2.5-flash", "responseId": "Zk31"})
    }

    fn call(arguments: &[String]) -> Value {
        json!({"functionCall": {"name": "get_weather", "args": parsed(arguments)}})
    }

    pub fn complete(reply: &Reply) -> Value {
        match reply {
            Reply::Text(text) => candidate(&json!({"text": text.concat()}), Some("STOP")),
            Reply::Call(arguments) => candidate(&call(arguments), Some("STOP")),
        }
    }

    pub fn events(reply: &Reply) -> Events {
        let list = match reply {
            Reply::Text(text) => {
                let reason = |index: usize| (index + 1 == text.len()).then_some("STOP");
                let event =
                    |(index, piece)| data(&candidate(&json!({"text": piece}), reason(index)));
                text.iter().enumerate().map(event).collect()
            }
            Reply::Call(_) => vec![data(&complete(reply))],
        };
        Events { list, first: 1 }
    }
}
