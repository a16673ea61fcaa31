//! Recorded traffic of Chat Completions, and what it says, read without the library's own decoder.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::content::{Replay, Thinking, ToolOutcome, ToolRequest, ToolResult};
use chatlas::{AssistantTurn, ChatRequest, Content, OutputSchema, ToolDefinition, Turn, UserTurn};
use serde_json::{Value, json};

use super::cassettes::{Interaction, Recording, recordings};

/// Every interaction with a `/chat/completions`, by file.
pub fn completions() -> Vec<Recording> {
    recordings(|method, url| method == "POST" && url.ends_with("/chat/completions"))
}

/// The request as a program would make it of that vendor.
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
        OutputSchema {
            name: name.to_owned(),
            schema: format["schema"].clone(),
            strict: format["strict"] == true,
        }
        .into()
    });
    request.params_mut().seed =
        recorded["seed"].as_i64().or_else(|| recorded["random_seed"].as_i64());
    request
}

/// The recorded messages as turns; who speaks on is the same turn.
pub fn turns(vendor: &str, messages: &[Value]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages.iter().filter(|message| message["role"] != "system") {
        let contents = contents(vendor, message);
        match (turns.last_mut(), message["role"] == "assistant") {
            (Some(Turn::User(turn)), false) => turn.contents.extend(contents),
            (_, true) => {
                turns.push(Turn::from(AssistantTurn::new(contents)));
            }
            (_, false) => turns.push(Turn::User(UserTurn { contents })),
        }
    }
    turns
}

pub fn contents(vendor: &str, message: &Value) -> Vec<Content> {
    if message["role"] == "tool" {
        return vec![Content::ToolResult(ToolResult {
            id: message["tool_call_id"].as_str().expect("an id").to_owned(),
            name: String::new(),
            outcome: ToolOutcome::Value(message["content"].clone()),
        })];
    }
    let mut contents = Vec::new();
    if let Some(thought) = message["reasoning_content"].as_str() {
        let item = json!({"reasoning_content": thought});
        let replay = Some(Replay { provider: vendor.to_owned(), item });
        contents.push(Content::Thinking(Thinking { text: thought.to_owned(), replay }));
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
    ToolRequest {
        id: call["id"].as_str().expect("an id").to_owned(),
        name: call["function"]["name"].as_str().expect("a name").to_owned(),
        arguments: if raw.is_empty() {
            json!({})
        } else {
            serde_json::from_str(raw).expect("JSON")
        },
        replay: None,
    }
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

/// What a recorded reply says.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
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

/// What the reply of an interaction says: the last word on each fact, the pieces of each text.
pub fn told(interaction: &Interaction) -> Told {
    let chunks =
        if interaction.streamed() { interaction.events() } else { vec![interaction.json()] };
    let mut told = Told::default();
    let mut calls: Vec<Value> = Vec::new();
    for chunk in &chunks {
        let string = |key: &str| chunk[key].as_str().unwrap_or_default().to_owned();
        (told.id, told.model) = (string("id"), string("model"));
        told.fingerprint = chunk["system_fingerprint"].as_str().map(str::to_owned);
        told.tier = chunk["service_tier"].as_str().map(str::to_owned);
        if chunk["usage"].is_object() {
            told.usage = chunk["usage"].clone();
        }
        let Some(choice) = chunk["choices"].get(0) else { continue };
        let said = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        match &said["content"] {
            Value::String(text) => told.text.push_str(text),
            Value::Null => {}
            json => told.text.push_str(&json.to_string()),
        }
        told.thinking.push_str(said["reasoning_content"].as_str().unwrap_or_default());
        told.logprobs += choice["logprobs"]["content"].as_array().map_or(0, Vec::len);
        if let Some(reason) = choice["finish_reason"].as_str() {
            reason.clone_into(&mut told.finish);
        }
        for piece in said["tool_calls"].as_array().into_iter().flatten() {
            let index = piece["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let place = index.unwrap_or(calls.len());
            match calls.get_mut(place) {
                None => calls.push(piece.clone()),
                Some(call) => {
                    let mut raw = call["function"]["arguments"].as_str().unwrap_or("").to_owned();
                    raw.push_str(piece["function"]["arguments"].as_str().unwrap_or(""));
                    call["function"]["arguments"] = raw.into();
                }
            }
        }
    }
    told.calls = calls.iter().map(tool_request).collect();
    told
}

/// A request by its meaning: arguments as what they are. Two things that the recorded client sends
/// and that say nothing are left out here, as the library leaves them out: the detail of an image
/// where it is the default (`auto`), and a description of a schema that is empty.
pub fn meaning(request: &Value) -> Value {
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
            map.values_mut().for_each(normalize);
        }
        Value::Array(list) => list.iter_mut().for_each(normalize),
        _ => {}
    }
}
