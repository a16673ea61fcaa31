//! Gemini: text and tool calls.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};
use support::{DESCRIPTION, PROMPT, SYSTEM, Work, tool_name, tool_schema, weather};

use super::{Http, sse};

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    candidates: Vec<Candidate<'a>>,
}

#[derive(Deserialize)]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Content<'a>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Vec<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    function_call: Option<Call>,
}

#[derive(Deserialize)]
struct Call {
    name: String,
    args: Arguments,
}

#[derive(Deserialize)]
struct Arguments {
    city: String,
}

/// Runs a turn and returns the answer.
pub async fn turn(http: &mut Http, work: &Work) -> String {
    let content = |role: &str, text: &str| json!({"role": role, "parts": [{"text": text}]});
    let mut contents: Vec<Value> = Vec::new();
    for (question, answer) in &work.history {
        contents.extend([content("user", question), content("model", answer)]);
    }
    contents.push(content("user", PROMPT));
    let declarations: Vec<Value> = (0..work.tools)
        .map(|index| {
            json!({"name": tool_name(index), "description": DESCRIPTION,
                "parametersJsonSchema": tool_schema(index)})
        })
        .collect();
    loop {
        let request = json!({"systemInstruction": {"parts": [{"text": SYSTEM}]},
            "contents": contents, "tools": [{"functionDeclarations": declarations}]});
        let response = http.post(serde_json::to_vec(&request).expect("JSON")).await;
        let mut text = String::new();
        let mut calls = Vec::new();
        let mut read = |data: &[u8]| {
            let reply: Reply<'_> = serde_json::from_slice(data).expect("a reply");
            for part in reply.candidates.into_iter().flat_map(|candidate| candidate.content.parts) {
                text.push_str(&part.text.unwrap_or_default());
                calls.extend(part.function_call);
            }
        };
        if work.streamed {
            sse::read(response, read).await;
        } else {
            read(&response.bytes().await.expect("a body"));
        }
        if calls.is_empty() {
            return text;
        }
        let (mut requests, mut results) = (Vec::new(), Vec::new());
        for Call { name, args } in calls {
            let result = json!({"name": name, "response": {"result": weather(&args.city)}});
            requests.push(json!({"functionCall": {"name": name, "args": {"city": args.city}}}));
            results.push(json!({"functionResponse": result}));
        }
        contents.push(json!({"role": "model", "parts": requests}));
        contents.push(json!({"role": "user", "parts": results}));
    }
}
