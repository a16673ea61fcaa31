//! Chat Completions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{DESCRIPTION, MODEL, PROMPT, SYSTEM, Work, tool_name, tool_schema, weather};

use super::{Http, sse};

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    stream: bool,
    messages: &'a [Message],
    tools: &'a [Value],
}

#[derive(Serialize, Clone, Default)]
struct Message {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<Call>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
}

#[derive(Serialize, Deserialize, Clone, Default)]
struct Call {
    id: String,
    r#type: String,
    function: Function,
}

#[derive(Serialize, Deserialize, Clone, Default)]
struct Function {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct Complete {
    choices: Vec<CompleteChoice>,
}

#[derive(Deserialize)]
struct CompleteChoice {
    message: Answer,
}

#[derive(Deserialize)]
struct Answer {
    content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tool_calls: Vec<CallPiece<'a>>,
}

#[derive(Deserialize)]
struct CallPiece<'a> {
    index: usize,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: FunctionPiece<'a>,
}

#[derive(Deserialize)]
struct FunctionPiece<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    arguments: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Arguments {
    city: String,
}

/// Runs a turn and returns the answer.
pub async fn turn(http: &mut Http, work: &Work) -> String {
    let message =
        |role, text: &str| Message { role, content: Some(text.to_owned()), ..Message::default() };
    let mut messages = vec![message("system", SYSTEM)];
    for (question, answer) in &work.history {
        messages.extend([message("user", question), message("assistant", answer)]);
    }
    messages.push(message("user", PROMPT));
    let tools: Vec<Value> = (0..work.tools)
        .map(|index| {
            let function = json!({"name": tool_name(index), "description": DESCRIPTION,
                "parameters": tool_schema(index)});
            json!({"type": "function", "function": function})
        })
        .collect();
    loop {
        let request =
            Request { model: MODEL, stream: work.streamed, messages: &messages, tools: &tools };
        let response = http.post(serde_json::to_vec(&request).expect("JSON")).await;
        let (text, calls) = if work.streamed {
            streamed(http, response).await
        } else {
            let body = response.bytes().await.expect("a body");
            let reply: Complete = serde_json::from_slice(&body).expect("a reply");
            let answer = reply.choices.into_iter().next().expect("a choice").message;
            (answer.content.unwrap_or_default(), answer.tool_calls)
        };
        if calls.is_empty() {
            return text;
        }
        messages.push(Message {
            role: "assistant",
            tool_calls: Some(calls.clone()),
            ..Message::default()
        });
        for call in calls {
            let arguments: Arguments =
                serde_json::from_str(&call.function.arguments).expect("arguments");
            let result = Message {
                tool_call_id: Some(call.id),
                ..message("tool", &weather(&arguments.city))
            };
            messages.push(result);
        }
    }
}

async fn streamed(http: &Http, response: reqwest::Response) -> (String, Vec<Call>) {
    let mut text = String::new();
    let mut calls: Vec<Call> = Vec::new();
    sse::read(response, |data| {
        if data == b"[DONE]" {
            return;
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).expect("a chunk");
        for Choice { delta } in chunk.choices {
            if let Some(piece) = delta.content.filter(|piece| !piece.is_empty()) {
                text.push_str(&piece);
                http.piece();
            }
            for piece in delta.tool_calls {
                if calls.len() <= piece.index {
                    calls.resize_with(piece.index + 1, Call::default);
                }
                let call = &mut calls[piece.index];
                if let Some(id) = piece.id {
                    (call.id, call.r#type) = (id.into_owned(), "function".to_owned());
                }
                if let Some(name) = piece.function.name {
                    call.function.name = name.into_owned();
                }
                call.function.arguments.push_str(&piece.function.arguments);
            }
        }
    })
    .await;
    (text, calls)
}
