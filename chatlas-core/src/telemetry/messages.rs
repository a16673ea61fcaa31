//! Renders turns, contents and tool definitions in the JSON schemas of the conventions.

use serde_json::{Value, json};

use super::tool_content::Tools;
use crate::content::{Content, Media, MediaSource, ServerTool, ToolOutcome, data_url};
use crate::provider::ServerToolDefinition;
use crate::tool::ToolDefinition;
use crate::turn::{FinishReason, Turn};

/// The recorded form of a hidden result, which a message needs.
const HIDDEN: &str = "[not recorded]";

/// Returns the definition of a tool that runs in this program.
pub(super) fn tool_definition(tool: &ToolDefinition) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": *tool.parameters,
    })
}

/// Returns the definition of a tool that the vendor runs.
pub(super) fn server_tool_definition(tool: &ServerToolDefinition) -> Value {
    json!({"type": tool.kind, "name": tool.name})
}

/// Returns the messages of a turn. Tool results are in a separate message of the role `tool`.
pub(super) fn turn_messages(turn: &Turn, tools: Tools<'_>) -> Vec<Value> {
    match turn {
        Turn::Assistant(turn) => {
            let reason = turn.finish_reason.as_ref();
            let mut message = assistant_message(&turn.contents, reason, tools);
            // A turn that was added by the program need not have one.
            if let (None, Some(fields)) = (&turn.finish_reason, message.as_object_mut()) {
                fields.remove("finish_reason");
            }
            vec![message]
        }
        Turn::User(turn) => {
            let (results, others): (Vec<_>, Vec<_>) =
                turn.contents.iter().partition(|content| matches!(content, Content::ToolResult(_)));
            [("tool", results), ("user", others)]
                .into_iter()
                .filter(|(_, contents)| !contents.is_empty())
                .map(|(role, contents)| json!({"role": role, "parts": parts(contents, tools)}))
                .collect()
        }
    }
}

/// Returns the message of one choice of a reply.
pub(super) fn assistant_message(
    contents: &[Content],
    reason: Option<&FinishReason>,
    tools: Tools<'_>,
) -> Value {
    // Some backends do not show a message without a finish reason.
    let reason = reason.map_or("error", FinishReason::as_str);
    json!({"role": "assistant", "parts": parts(contents, tools), "finish_reason": reason})
}

/// Returns contents as parts of a message. Skips contents that the conventions do not cover.
pub(super) fn parts<'a>(
    contents: impl IntoIterator<Item = &'a Content>,
    tools: Tools<'_>,
) -> Vec<Value> {
    let mut list = Vec::new();
    for content in contents {
        match content {
            Content::ServerTool(tool) => list.extend(server_tool_parts(tool)),
            other => list.extend(part(other, tools)),
        }
    }
    list
}

/// Returns the call of a tool that the vendor ran, and its result if the vendor sent a separate item.
fn server_tool_parts(tool: &ServerTool) -> impl Iterator<Item = Value> {
    let items = match &tool.replay.item {
        Value::Array(items) => items.as_slice(),
        item => std::slice::from_ref(item),
    };
    items.iter().map(|item| {
        // The kind of the item is its type, or the name of its first field.
        let first_field =
            || item.as_object().and_then(|fields| fields.keys().next().map(String::as_str));
        let kind =
            item["type"].as_str().or_else(first_field).unwrap_or_default().to_ascii_lowercase();
        let is_result = ["result", "response", "output"].iter().any(|end| kind.ends_with(end));
        let mut part = if is_result {
            json!({
                "type": "server_tool_call_response",
                "server_tool_call_response": {"type": tool.name, "item": item},
            })
        } else {
            json!({
                "type": "server_tool_call",
                "name": tool.name,
                "server_tool_call": {"type": tool.name, "item": item},
            })
        };
        if let Some(id) = &tool.id {
            part["id"] = json!(id);
        }
        part
    })
}

/// Returns a content as one part of a message.
fn part(content: &Content, tools: Tools<'_>) -> Option<Value> {
    Some(match content {
        Content::Text(text) => json!({"type": "text", "content": text.text}),
        Content::Refusal(refusal) => json!({"type": "text", "content": refusal.text}),
        Content::Thinking(thinking) if thinking.text.is_empty() => return None,
        Content::Thinking(thinking) => json!({"type": "reasoning", "content": thinking.text}),
        Content::ToolRequest(request) => json!({
            "type": "tool_call",
            "id": request.id,
            "name": request.name,
            "arguments": *tools.arguments(&request.name, &request.arguments),
        }),
        Content::ToolResult(result) => json!({
            "type": "tool_call_response",
            "id": result.id,
            "response": match &result.outcome {
                ToolOutcome::Value(_) | ToolOutcome::Contents(_)
                    if tools.hides_output(&result.name) =>
                {
                    json!(HIDDEN)
                }
                // A string, because structured events cannot represent `null`.
                ToolOutcome::Value(Value::Null) => json!("null"),
                ToolOutcome::Value(value) => value.clone(),
                ToolOutcome::Contents(contents) => parts(contents, tools).into(),
                ToolOutcome::Error(message) => json!({"error": message}),
            },
        }),
        Content::Image(media) => media_part("image", media),
        Content::Document(media) => media_part("document", media),
        Content::ServerTool(_) | Content::Citation(_) => return None,
    })
}

fn media_part(modality: &str, media: &Media) -> Value {
    match &media.source {
        MediaSource::Base64 { mime_type, data } => blob_part(modality, mime_type, data),
        MediaSource::Url { url } => match data_url(url) {
            // A part of the type `uri` could be cut inside its base64.
            Some((mime_type, data)) => blob_part(modality, mime_type, data),
            None => json!({"type": "uri", "modality": modality, "uri": url}),
        },
        MediaSource::File { id, mime_type } => {
            let modality = mime_type.as_deref().and_then(modality_of).unwrap_or(modality);
            let mut part = json!({"type": "file", "modality": modality, "file_id": id});
            if let Some(mime_type) = mime_type {
                part["mime_type"] = json!(mime_type);
            }
            part
        }
    }
}

fn blob_part(modality: &str, mime_type: &str, data: &str) -> Value {
    let modality = modality_of(mime_type).unwrap_or(modality);
    json!({"type": "blob", "modality": modality, "mime_type": mime_type, "content": data})
}

/// Returns the modality of a MIME type, if the conventions have a value for it.
fn modality_of(mime_type: &str) -> Option<&'static str> {
    let (kind, _) = mime_type.split_once('/')?;
    ["image", "audio", "video"].into_iter().find(|modality| kind.eq_ignore_ascii_case(modality))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_url_is_recorded_as_a_blob() {
        let image = Content::image_url("data:image/png;base64,aGk=");
        let blob = json!({"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="});
        assert_eq!(part(&image, Tools::default()), Some(blob));
    }

    #[test]
    fn modality_follows_the_mime_type() {
        let modality =
            |content: &Content| part(content, Tools::default()).unwrap()["modality"].clone();
        let sound = Content::document_base64("a.wav", "audio/wav", "aGk=");
        assert_eq!(modality(&sound), "audio");
        let film = MediaSource::File { id: "f1".into(), mime_type: Some("video/mp4".into()) };
        assert_eq!(modality(&Content::Document(Media::new(film))), "video");
        let page = Content::document_base64("a.pdf", "application/pdf", "aGk=");
        assert_eq!(modality(&page), "document");
    }
}
