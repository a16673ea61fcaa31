//! Message content on spans: off unless switched on, and then in the form of the conventions'
//! JSON schemas.

use std::env;

use opentelemetry::KeyValue;
use serde_json::{Map, Value, json};

use super::names::content as key;
use crate::content::{Content, Media, MediaSource, ToolOutcome};
use crate::tool::{ToolDefinition, ToolOutput};
use crate::turn::{AssistantTurn, Turn};

/// The environment variable that switches capture on.
pub const CAPTURE_VARIABLE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

/// What of the messages is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// Nothing: the default.
    #[default]
    Nothing,
    /// Messages, tool arguments and results, on spans.
    Spans,
    /// The same, on events alone.
    Events,
    /// The same, on both.
    SpansAndEvents,
}

impl Capture {
    /// What [`CAPTURE_VARIABLE`] says now.
    pub fn from_env() -> Self {
        env::var(CAPTURE_VARIABLE).map_or(Self::Nothing, |value| Self::parse(&value))
    }

    /// What a value of [`CAPTURE_VARIABLE`] means, in whatever case: `true`, `1` and `span_only`
    /// mean spans, then there are `event_only` and `span_and_event`. Anything else is nothing, so
    /// that a slip of the pen never publishes a conversation.
    pub fn parse(value: &str) -> Self {
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "span_only" => Self::Spans,
            "event_only" => Self::Events,
            "span_and_event" => Self::SpansAndEvents,
            _ => Self::Nothing,
        }
    }

    /// Whether spans carry content.
    pub fn on_spans(self) -> bool {
        matches!(self, Self::Spans | Self::SpansAndEvents)
    }
}

/// What goes in: system prompt, messages.
pub(super) fn push_input<'a>(
    list: &mut Vec<KeyValue>,
    system_prompt: Option<&str>,
    turns: impl Iterator<Item = &'a Turn>,
) {
    if let Some(prompt) = system_prompt {
        let parts = json!([{"type": "text", "content": prompt}]);
        list.push(KeyValue::new(key::SYSTEM_INSTRUCTIONS, parts.to_string()));
    }
    let mut messages = Vec::new();
    for turn in turns {
        push_messages(&mut messages, turn);
    }
    list.push(KeyValue::new(key::INPUT_MESSAGES, Value::Array(messages).to_string()));
}

/// What comes out: one message.
pub(super) fn push_output(list: &mut Vec<KeyValue>, turn: &AssistantTurn) {
    let messages = json!([assistant_message(turn)]);
    list.push(KeyValue::new(key::OUTPUT_MESSAGES, messages.to_string()));
}

/// The tools that the model was told of.
pub(super) fn push_tool_definitions(list: &mut Vec<KeyValue>, tools: &[ToolDefinition]) {
    if tools.is_empty() {
        return;
    }
    let definitions: Value = tools
        .iter()
        .map(|tool| {
            json!({
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            })
        })
        .collect();
    list.push(KeyValue::new(super::names::tool::DEFINITIONS, definitions.to_string()));
}

fn push_messages(messages: &mut Vec<Value>, turn: &Turn) {
    match turn {
        Turn::Assistant(turn) => messages.push(assistant_message(turn)),
        Turn::User(turn) => {
            // Tool results stand in a message of their own, of the role `tool`.
            let (results, said): (Vec<_>, Vec<_>) =
                turn.contents.iter().partition(|content| matches!(content, Content::ToolResult(_)));
            for (role, contents) in [("tool", results), ("user", said)] {
                if !contents.is_empty() {
                    let parts: Vec<Value> = contents.into_iter().filter_map(part).collect();
                    messages.push(json!({"role": role, "parts": parts}));
                }
            }
        }
    }
}

fn assistant_message(turn: &AssistantTurn) -> Value {
    let parts: Vec<Value> = turn.contents.iter().filter_map(part).collect();
    let reason = turn.finish_reason.as_ref().map_or("error", |reason| reason.as_str());
    json!({"role": "assistant", "parts": parts, "finish_reason": reason})
}

/// A content as a part of a message; `None` where the conventions have no word for it.
fn part(content: &Content) -> Option<Value> {
    Some(match content {
        Content::Text(text) => json!({"type": "text", "content": text.text}),
        Content::Refusal(refusal) => json!({"type": "text", "content": refusal.text}),
        Content::Thinking(thinking) if thinking.text.is_empty() => return None,
        Content::Thinking(thinking) => json!({"type": "reasoning", "content": thinking.text}),
        Content::ToolRequest(request) => json!({
            "type": "tool_call",
            "id": request.id,
            "name": request.name,
            "arguments": request.arguments,
        }),
        Content::ToolResult(result) => json!({
            "type": "tool_call_response",
            "id": result.id,
            "response": match &result.outcome {
                ToolOutcome::Value(value) => value.clone(),
                ToolOutcome::Contents(contents) => contents.iter().filter_map(part).collect(),
                ToolOutcome::Error(message) => json!({"error": message}),
            },
        }),
        Content::ServerTool(tool) => {
            let mut call = Map::from_iter([("type".to_owned(), json!(tool.name))]);
            call.insert("item".to_owned(), tool.replay.item.clone());
            json!({
                "type": "server_tool_call",
                "id": tool.id,
                "name": tool.name,
                "server_tool_call": call,
            })
        }
        Content::Image(media) => media_part("image", media),
        Content::Document(media) => media_part("document", media),
        Content::Citation(_) => return None,
    })
}

/// What a tool handed back, as it stands on its span.
pub(super) fn tool_output(output: &ToolOutput) -> Value {
    match output {
        ToolOutput::Value(value) => value.clone(),
        ToolOutput::Contents(contents) => contents.iter().filter_map(part).collect(),
    }
}

fn media_part(modality: &str, media: &Media) -> Value {
    match &media.source {
        MediaSource::Url { url } => json!({"type": "uri", "modality": modality, "uri": url}),
        MediaSource::Base64 { mime_type, data } => {
            json!({"type": "blob", "modality": modality, "mime_type": mime_type, "content": data})
        }
        MediaSource::File { id, mime_type } => {
            let mut part = json!({"type": "file", "modality": modality, "file_id": id});
            if let Some(mime_type) = mime_type {
                part["mime_type"] = json!(mime_type);
            }
            part
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Capture;

    #[test]
    fn the_variable_is_read_as_the_ecosystem_writes_it() {
        for (value, capture) in [
            ("true", Capture::Spans),
            ("1", Capture::Spans),
            ("TRUE", Capture::Spans),
            (" span_only ", Capture::Spans),
            ("SPAN_ONLY", Capture::Spans),
            ("event_only", Capture::Events),
            ("SPAN_AND_EVENT", Capture::SpansAndEvents),
            ("no_content", Capture::Nothing),
            ("NO_CONTENT", Capture::Nothing),
            ("false", Capture::Nothing),
            ("0", Capture::Nothing),
            ("yes", Capture::Nothing),
            ("", Capture::Nothing),
        ] {
            assert_eq!(Capture::parse(value), capture, "{value:?}");
        }
    }
}
