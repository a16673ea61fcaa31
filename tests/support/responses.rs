//! Recorded traffic of the OpenAI Responses API, decoded independently of the library.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::content::{ServerTool, ToolOutcome, ToolRequest, ToolResult};
use chatlas::{AssistantTurn, ChatRequest, Content, OutputSchema, ToolDefinition, Turn, UserTurn};
use serde_json::Value;

use super::cassettes::{Interaction, Recording, recordings};

/// Returns every interaction with OpenAI's `POST /v1/responses`, by file.
pub fn openai_responses() -> Vec<Recording> {
    recordings(|method, url| method == "POST" && url == "https://api.openai.com/v1/responses")
}

/// Returns every interaction with Azure's Responses API, by file.
pub fn azure_responses() -> Vec<Recording> {
    recordings(|method, url| method == "POST" && url.contains(".azure.com/openai/responses?"))
}

/// Returns every token count of OpenAI, by file.
pub fn openai_counts() -> Vec<Recording> {
    recordings(|_, url| url == "https://api.openai.com/v1/responses/input_tokens")
}

/// Returns the response object: the complete body, or that of the last event.
pub fn response(interaction: &Interaction) -> Value {
    if !interaction.streamed() {
        return interaction.json();
    }
    let mut events = interaction.events();
    let last = events.iter_mut().find(|event| event["type"] == "response.completed");
    last.expect("a last event")["response"].take()
}

/// Returns the library's request for a recorded request body.
pub fn chat_request(recorded: &Value) -> ChatRequest {
    let input = recorded["input"].as_array().expect("a list");
    let system = input.iter().find(|item| item["role"] == "system");
    let mut request = ChatRequest::new(turns(input));
    request.system_prompt = system.map(|item| text(&item["content"][0]).into());
    let tools = recorded["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    request.tools = tools
        .iter()
        .filter(|tool| tool["type"] == "function")
        .map(|tool| {
            let string = |key: &str| tool[key].as_str().expect("a string").to_owned();
            ToolDefinition::new(string("name"), string("description"), tool["parameters"].clone())
        })
        .collect();
    request.output = output(recorded).map(Into::into);
    request
}

pub fn output(recorded: &Value) -> Option<OutputSchema> {
    let format = &recorded["text"]["format"];
    Some(
        OutputSchema::new(format["name"].as_str()?.to_owned(), format["schema"].clone())
            .with_strict(format["strict"] == true),
    )
}

/// Returns the recorded input as turns; consecutive items of one role are one turn.
pub fn turns(input: &[Value]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for item in input.iter().filter(|item| item["role"] != "system") {
        let (by_model, contents) = contents(item);
        match (turns.last_mut(), by_model) {
            (Some(Turn::Assistant(turn)), true) => {
                std::sync::Arc::make_mut(turn).contents.extend(contents);
            }
            (Some(Turn::User(turn)), false) => turn.contents.extend(contents),
            (_, true) => {
                turns.push(Turn::from(AssistantTurn::new(contents)));
            }
            (_, false) => turns.push(Turn::User(UserTurn::new(contents))),
        }
    }
    turns
}

fn contents(item: &Value) -> (bool, Vec<Content>) {
    let string = |key: &str| item[key].as_str().expect("a string").to_owned();
    let parts = item["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    match item["type"].as_str() {
        Some("function_call") => {
            let arguments = serde_json::from_str(&string("arguments")).expect("arguments");
            let (id, name) = (string("call_id"), string("name"));
            (true, vec![Content::ToolRequest(ToolRequest::new(id, name, arguments))])
        }
        Some("function_call_output") => {
            let outcome = ToolOutcome::Value(item["output"].clone());
            let (id, name) = (string("call_id"), String::new());
            (false, vec![Content::ToolResult(ToolResult::new(id, name, outcome))])
        }
        Some("web_search_call") => {
            let replay = chatlas::content::Replay::new("openai", item.clone());
            let tool = ServerTool::new("web_search", replay);
            (true, vec![Content::ServerTool(tool)])
        }
        _ => (item["role"] == "assistant", parts.iter().map(part).collect()),
    }
}

fn part(part: &Value) -> Content {
    match part["type"].as_str() {
        Some("input_text" | "output_text") => Content::text(text(part)),
        Some("input_file") if part["file_url"].is_string() => {
            Content::document_url(part["file_url"].as_str().unwrap_or_default())
        }
        Some("input_file") => {
            let data = part["file_data"].as_str().expect("data");
            let (head, bytes) = data.split_once(";base64,").expect("a data URL");
            let kind = head.strip_prefix("data:").expect("a data URL");
            Content::document_base64(part["filename"].as_str().expect("a name"), kind, bytes)
        }
        other => panic!("a part of an unknown type: {other:?}"),
    }
}

fn text(part: &Value) -> String {
    part["text"].as_str().expect("text").to_owned()
}

/// Returns a request in the form in which requests are compared: without nulls, and with tool
/// arguments parsed.
pub fn normalized(request: &Value) -> Value {
    let mut value = request.clone();
    normalize(&mut value);
    value
}

fn normalize(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, inner| !inner.is_null());
            if let Some(arguments) = map.get_mut("arguments")
                && let Some(Ok(parsed)) = arguments.as_str().map(serde_json::from_str)
            {
                *arguments = parsed;
            }
            // A text of the model is sent in the simple form, which is the same message.
            if map.get("type") == Some(&"message".into())
                && let Some(text) = map["content"][0]["text"].as_str().map(str::to_owned)
            {
                map.retain(|key, _| key == "role" || key == "phase");
                map.insert("content".to_owned(), text.into());
            }
            map.values_mut().for_each(normalize);
        }
        Value::Array(list) => list.iter_mut().for_each(normalize),
        _ => {}
    }
}
