//! Recorded traffic of Chat Completions, decoded independently of the library.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::content::{Replay, Thinking, ToolOutcome, ToolRequest, ToolResult};
use chatlas::{AssistantTurn, ChatRequest, Content, OutputSchema, ToolDefinition, Turn, UserTurn};
use serde_json::{Value, json};

use super::cassettes::{Interaction, Recording, recordings};

/// Returns every interaction with `/chat/completions`, by file.
pub fn completions() -> Vec<Recording> {
    recordings(|method, url| method == "POST" && url.ends_with("/chat/completions"))
}

/// Returns the library's request for a recorded request body of `vendor`.
pub fn chat_request(vendor: &str, recorded: &Value) -> ChatRequest {
    let messages = recorded["messages"].as_array().expect("a list");
    let mut request = ChatRequest::new(turns(vendor, messages));
    let system = messages.iter().find(|message| message["role"] == "system");
    request.system_prompt = system.map(|m| m["content"].as_str().expect("a text").into());
    let tools = recorded["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    request.tools = tools
        .iter()
        .map(|tool| {
            let function = &tool["function"];
            let string = |key: &str| function[key].as_str().expect("a string").to_owned();
            let parameters = function["parameters"].clone();
            ToolDefinition::new(string("name"), string("description"), parameters)
        })
        .collect();
    let format = &recorded["response_format"]["json_schema"];
    request.output = format["name"].as_str().map(|name| {
        OutputSchema::new(name, format["schema"].clone())
            .with_strict(format["strict"] == true)
            .into()
    });
    request.params_mut().seed =
        recorded["seed"].as_i64().or_else(|| recorded["random_seed"].as_i64());
    request
}

/// Returns the recorded messages as turns; consecutive messages of one role are one turn.
pub fn turns(vendor: &str, messages: &[Value]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages.iter().filter(|message| message["role"] != "system") {
        let contents = contents(vendor, message);
        match (turns.last_mut(), message["role"] == "assistant") {
            (Some(Turn::User(turn)), false) => turn.contents.extend(contents),
            (_, true) => {
                turns.push(Turn::from(AssistantTurn::new(contents)));
            }
            (_, false) => turns.push(Turn::User(UserTurn::new(contents))),
        }
    }
    turns
}

pub fn contents(vendor: &str, message: &Value) -> Vec<Content> {
    if message["role"] == "tool" {
        return vec![Content::ToolResult(ToolResult::new(
            message["tool_call_id"].as_str().expect("an id").to_owned(),
            String::new(),
            ToolOutcome::Value(message["content"].clone()),
        ))];
    }
    let mut contents = Vec::new();
    if let Some(thought) = message["reasoning_content"].as_str() {
        let item = json!({"reasoning_content": thought});
        let replay = Replay::new(vendor, item);
        contents.push(Content::Thinking(Thinking::new(thought).with_replay(replay)));
    }
    match &message["content"] {
        Value::String(text) => contents.push(Content::text(text)),
        Value::Array(parts) => contents.extend(parts.iter().map(part)),
        _ => {}
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        contents.push(Content::ToolRequest(tool_request(call)));
    }
    contents
}

fn tool_request(call: &Value) -> ToolRequest {
    let raw = call["function"]["arguments"].as_str().expect("arguments");
    ToolRequest::new(
        call["id"].as_str().expect("an id").to_owned(),
        call["function"]["name"].as_str().expect("a name").to_owned(),
        if raw.is_empty() { json!({}) } else { serde_json::from_str(raw).expect("JSON") },
    )
}

fn part(part: &Value) -> Content {
    let data = |url: &str| {
        let (head, bytes) = url.split_once(";base64,")?;
        Some((head.strip_prefix("data:")?.to_owned(), bytes.to_owned()))
    };
    match part["type"].as_str() {
        Some("text") => Content::text(part["text"].as_str().expect("a text")),
        Some("image_url") => {
            let url = part["image_url"]["url"].as_str().expect("an address");
            match data(url) {
                Some((kind, bytes)) => Content::image_base64(kind, bytes),
                None => Content::image_url(url),
            }
        }
        Some("file") => {
            let file = &part["file"];
            let (kind, bytes) = data(file["file_data"].as_str().expect("data")).expect("data");
            Content::document_base64(file["filename"].as_str().expect("a name"), kind, bytes)
        }
        other => panic!("a part of an unknown type: {other:?}"),
    }
}

/// The facts of a recorded reply.
#[derive(Debug, Default, PartialEq)]
pub struct RecordedReply {
    pub id: String,
    pub model: String,
    pub text: String,
    pub thinking: String,
    pub calls: Vec<ToolRequest>,
    pub logprobs: usize,
    pub finish: String,
    pub usage: Value,
    pub fingerprint: Option<String>,
    pub tier: Option<String>,
}

/// Returns the facts of an interaction's reply: the last value of each field, and the
/// concatenated pieces of each text.
pub fn recorded_reply(interaction: &Interaction) -> RecordedReply {
    let chunks =
        if interaction.streamed() { interaction.events() } else { vec![interaction.json()] };
    let mut reply = RecordedReply::default();
    let mut calls: Vec<Value> = Vec::new();
    for chunk in &chunks {
        let string = |key: &str| chunk[key].as_str().unwrap_or_default().to_owned();
        (reply.id, reply.model) = (string("id"), string("model"));
        reply.fingerprint = chunk["system_fingerprint"].as_str().map(str::to_owned);
        reply.tier = chunk["service_tier"].as_str().map(str::to_owned);
        if chunk["usage"].is_object() {
            reply.usage = chunk["usage"].clone();
        }
        let Some(choice) = chunk["choices"].get(0) else { continue };
        let message =
            if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        match &message["content"] {
            Value::String(text) => reply.text.push_str(text),
            Value::Null => {}
            json => reply.text.push_str(&json.to_string()),
        }
        reply.thinking.push_str(message["reasoning_content"].as_str().unwrap_or_default());
        reply.logprobs += choice["logprobs"]["content"].as_array().map_or(0, Vec::len);
        if let Some(reason) = choice["finish_reason"].as_str() {
            reason.clone_into(&mut reply.finish);
        }
        for piece in message["tool_calls"].as_array().into_iter().flatten() {
            let index = piece["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let position = index.unwrap_or(calls.len());
            match calls.get_mut(position) {
                None => calls.push(piece.clone()),
                Some(call) => {
                    let mut raw = call["function"]["arguments"].as_str().unwrap_or("").to_owned();
                    raw.push_str(piece["function"]["arguments"].as_str().unwrap_or(""));
                    call["function"]["arguments"] = raw.into();
                }
            }
        }
    }
    reply.calls = calls.iter().map(tool_request).collect();
    reply
}

/// Returns a request in the form in which requests are compared, with tool arguments parsed. Two
/// redundant fields of the recorded client, which the library omits, are removed: the detail of an
/// image if it is the default (`auto`), and an empty description of a schema.
pub fn normalized(request: &Value) -> Value {
    let mut value = request.clone();
    normalize(&mut value);
    value
}

fn normalize(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(arguments) = map.get_mut("arguments")
                && let Some(Ok(parsed)) = arguments.as_str().map(serde_json::from_str)
            {
                *arguments = parsed;
            }
            if map.contains_key("url") && map.get("detail") == Some(&json!("auto")) {
                map.remove("detail");
            }
            if map.contains_key("schema") && map.get("description") == Some(&json!("")) {
                map.remove("description");
            }
            // Texts are sent as a string, which is the same message.
            if map.contains_key("role")
                && let Some(Value::Array(parts)) = map.get("content")
                && parts.iter().all(|part| part["type"] == "text")
            {
                let texts: Vec<&str> =
                    parts.iter().filter_map(|part| part["text"].as_str()).collect();
                let separator = if map["role"] == "assistant" { "" } else { "\n" };
                let text = texts.join(separator);
                map.insert("content".to_owned(), text.into());
            }
            if map.contains_key("tool_calls") && map.get("content") == Some(&Value::Null) {
                map.remove("content");
            }
            map.values_mut().for_each(normalize);
        }
        Value::Array(list) => list.iter_mut().for_each(normalize),
        _ => {}
    }
}
