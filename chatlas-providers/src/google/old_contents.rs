//! The conversation as contents: what users, tools and the model said, part by part.

use std::sync::Arc;

use chatlas_core::content::{Content, Replay, ToolOutcome, ToolRequest, ToolResult};
use chatlas_core::{ProviderError, Turn};
use serde_json::{Value, json};

use super::old_media::{self as media, is_server_tool};
use super::old_request::generation;
use super::{INVENTED_ID, Platform};

/// What stands for a text where one is demanded and there is none.
const NO_TEXT: &str = "[empty string]";

/// The turns in order.
pub(super) fn contents(
    platform: &Platform,
    model: &str,
    turns: &[Arc<Turn>],
) -> Result<Vec<Value>, ProviderError> {
    let mut contents = Vec::with_capacity(turns.len());
    for turn in turns {
        let (role, parts) = match &**turn {
            Turn::User(turn) => ("user", said_by_user(model, &turn.contents)?),
            Turn::Assistant(turn) => ("model", said_by_model(platform, &turn.contents)?),
            _ => continue,
        };
        // Google refuses a content without parts.
        if !parts.is_empty() {
            contents.push(json!({"role": role, "parts": parts}));
        }
    }
    Ok(contents)
}

fn said_by_user(model: &str, contents: &[Content]) -> Result<Vec<Value>, ProviderError> {
    let mut parts = Vec::new();
    for content in contents {
        match content {
            // Google refuses a text without a word.
            Content::Text(text) if text.text.trim().is_empty() => {}
            Content::Text(text) => parts.push(json!({"text": text.text})),
            Content::Image(media) | Content::Document(media) => parts.push(media::part(media)?),
            Content::ToolResult(result) => {
                let (response, beside) = function_response(model, result)?;
                parts.push(response);
                parts.extend(beside);
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        parts.push(json!({"text": NO_TEXT}));
    }
    Ok(parts)
}

/// What the model said before, with the signatures in the places where they were.
fn said_by_model(platform: &Platform, contents: &[Content]) -> Result<Vec<Value>, ProviderError> {
    let mut parts = Vec::new();
    let mut signature_of_next: Option<Value> = None;
    for content in contents {
        let own = |replay: Option<&Replay>| {
            replay.filter(|replay| replay.provider == platform.provider).map(|r| r.item.clone())
        };
        let mut part = match content {
            Content::Text(text) => {
                let signature =
                    own(text.replay.as_ref()).map(|item| item["thoughtSignature"].clone());
                if text.text.is_empty() && signature.is_none() {
                    continue;
                }
                signed(json!({"text": text.text}), signature)
            }
            Content::Refusal(refusal) if refusal.text.is_empty() => continue,
            Content::Refusal(refusal) => json!({"text": refusal.text}),
            Content::Thinking(thinking) => match own(thinking.replay.as_ref()) {
                Some(mut item) if item["thought"] == true => {
                    item["text"] = thinking.text.as_str().into();
                    item
                }
                Some(item) if item.get("text").is_some() => item,
                Some(item) => {
                    signature_of_next = Some(item["thoughtSignature"].clone());
                    continue;
                }
                None => continue,
            },
            Content::ToolRequest(request) => {
                let signature = own(request.replay.as_ref()).map(|i| i["thoughtSignature"].clone());
                signed(function_call(request), signature)
            }
            Content::Image(media) | Content::Document(media) => media::part(media)?,
            Content::ServerTool(tool) => match own(Some(&tool.replay)) {
                Some(item) if is_server_tool(&item) => item,
                _ => continue,
            },
            _ => continue,
        };
        if let Some(signature) = signature_of_next.take() {
            part = signed(part, Some(signature));
        }
        parts.push(part);
    }
    Ok(parts)
}

fn signed(mut part: Value, signature: Option<Value>) -> Value {
    if let Some(signature) = signature.filter(Value::is_string) {
        part["thoughtSignature"] = signature;
    }
    part
}

fn function_call(request: &ToolRequest) -> Value {
    let arguments = match &request.arguments {
        Value::Object(_) => request.arguments.clone(),
        Value::Null => json!({}),
        // What another vendor's model wrote; Google takes objects alone.
        other => json!({"arguments": other}),
    };
    identified(json!({"name": request.name, "args": arguments}), &request.id, "functionCall")
}

/// The answer of a tool, and the images and documents that cannot stand within it.
fn function_response(
    model: &str,
    result: &ToolResult,
) -> Result<(Value, Vec<Value>), ProviderError> {
    let response = match &result.outcome {
        ToolOutcome::Value(value) => json!({"result": value}),
        ToolOutcome::Error(message) => json!({"error": message}),
        contents => json!({"result": contents.to_model_text()}),
    };
    let mut function = json!({"name": result.name, "response": response});
    let mut beside = Vec::new();
    if let ToolOutcome::Contents(contents) = &result.outcome {
        for content in contents {
            if let Content::Image(media) | Content::Document(media) = content {
                beside.push(media::part(media)?);
            }
        }
    }
    if takes_media_in_results(model) && !beside.is_empty() {
        function["parts"] = std::mem::take(&mut beside).into();
    }
    Ok((identified(function, &result.id, "functionResponse"), beside))
}

/// With its id, unless that was invented here: then the API knows none.
fn identified(mut function: Value, id: &str, key: &str) -> Value {
    if !id.is_empty() && !id.starts_with(INVENTED_ID) {
        function["id"] = id.into();
    }
    json!({key: function})
}

/// Whether images may stand in a tool's answer itself: from Gemini 3 on.
fn takes_media_in_results(model: &str) -> bool {
    generation(model).is_some_and(|number| number >= 3)
}

