//! The captured messages of a trace, read from the attributes of its spans.

use chatlas_core::telemetry::names::content;
use opentelemetry_sdk::trace::SpanData;
use serde_json::Value;

use crate::attributes::text;
use crate::format::truncate;

/// The maximum number of bytes that are shown of a message.
const MAX_BYTES: usize = 2_000;

/// One part of a captured message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) text: String,
}

impl Message {
    fn new(role: &str, text: &str) -> Self {
        let shown = truncate(text, MAX_BYTES);
        let ellipsis = if shown.len() < text.len() { "…" } else { "" };
        Self { role: role.to_owned(), text: format!("{shown}{ellipsis}") }
    }
}

/// Returns the conversation of a model call, including its response. Empty without capture.
pub(crate) fn conversation(call: &SpanData) -> Vec<Message> {
    let mut messages = Vec::new();
    for part in json_array(call, content::SYSTEM_INSTRUCTIONS) {
        messages.push(message("system", &part));
    }
    for key in [content::INPUT_MESSAGES, content::OUTPUT_MESSAGES] {
        for captured in json_array(call, key) {
            let role = captured["role"].as_str().unwrap_or("?");
            for part in captured["parts"].as_array().into_iter().flatten() {
                messages.push(message(role, part));
            }
        }
    }
    messages
}

fn json_array(span: &SpanData, key: &str) -> Vec<Value> {
    let json = text(span, key).and_then(|text| serde_json::from_str(&text).ok());
    match json {
        Some(Value::Array(array)) => array,
        _ => Vec::new(),
    }
}

fn message(role: &str, part: &Value) -> Message {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match part["type"].as_str() {
        Some("text") => Message::new(role, &plain(&part["content"])),
        Some("reasoning") => Message::new("thinking", &plain(&part["content"])),
        Some("tool_call") => {
            let name = part["name"].as_str().unwrap_or("?");
            Message::new(role, &format!("→ {name}({})", plain(&part["arguments"])))
        }
        Some("tool_call_response") => {
            // The conventions renamed this field.
            let result =
                if part["response"].is_null() { &part["result"] } else { &part["response"] };
            Message::new(role, &format!("← {}", plain(result)))
        }
        Some(other) => Message::new(role, &format!("[{other}]")),
        None => Message::new(role, &plain(part)),
    }
}
