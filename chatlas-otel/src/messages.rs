//! What was said in a trace, as far as it was captured: read back from the spans.

use chatlas_core::telemetry::names::content;
use opentelemetry_sdk::trace::SpanData;
use serde_json::Value;

use super::facts::text;

/// The longest text that is shown of one.
const LONGEST: usize = 2_000;

/// Somebody said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) who: String,
    pub(super) text: String,
}

impl Said {
    fn new(who: &str, text: &str) -> Self {
        let shown = &text[..text.floor_char_boundary(LONGEST)];
        let more = if shown.len() < text.len() { "…" } else { "" };
        Self { who: who.to_owned(), text: format!("{shown}{more}") }
    }
}

/// The conversation as one model call saw it, with its answer. Nothing where it is not captured.
pub(super) fn conversation(call: &SpanData) -> Vec<Said> {
    let mut said = Vec::new();
    for part in list(call, content::SYSTEM_INSTRUCTIONS) {
        push_part(&mut said, "system", &part);
    }
    for key in [content::INPUT_MESSAGES, content::OUTPUT_MESSAGES] {
        for message in list(call, key) {
            let who = message["role"].as_str().unwrap_or("?");
            for part in message["parts"].as_array().into_iter().flatten() {
                push_part(&mut said, who, part);
            }
        }
    }
    said
}

fn list(span: &SpanData, key: &str) -> Vec<Value> {
    let json = text(span, key).and_then(|text| serde_json::from_str(&text).ok());
    match json {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

fn push_part(said: &mut Vec<Said>, who: &str, part: &Value) {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    said.push(match part["type"].as_str() {
        Some("text") => Said::new(who, &plain(&part["content"])),
        Some("reasoning") => Said::new("thinking", &plain(&part["content"])),
        Some("tool_call") => {
            let name = part["name"].as_str().unwrap_or("?");
            Said::new(who, &format!("→ {name}({})", plain(&part["arguments"])))
        }
        Some("tool_call_response") => {
            // The conventions have had two names for it.
            let result =
                if part["response"].is_null() { &part["result"] } else { &part["response"] };
            Said::new(who, &format!("← {}", plain(result)))
        }
        Some(other) => Said::new(who, &format!("[{other}]")),
        None => Said::new(who, &plain(part)),
    });
}
