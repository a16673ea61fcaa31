//! Capture: whether content is recorded, and the value that a redaction hook receives.

use std::env;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

/// The environment variable that turns capture on; see [`Capture::parse`] for its values.
pub const CAPTURE_VARIABLE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

/// The default maximum size of one content attribute: 64 KiB. Exporters and collectors reject
/// batches that are too large.
pub const DEFAULT_CAPTURE_LIMIT: usize = 64 * 1024;

/// Which telemetry records content: prompts, replies, tool arguments and results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capture {
    /// None. This is the default.
    #[default]
    Nothing,
    /// Spans: messages, tool arguments and tool results.
    Spans,
    /// Events: messages. Tool calls have no event.
    Events,
    /// Spans and events.
    SpansAndEvents,
}

impl Capture {
    /// Reads [`CAPTURE_VARIABLE`].
    pub fn from_env() -> Self {
        env::var(CAPTURE_VARIABLE).map_or(Self::Nothing, |value| Self::parse(&value))
    }

    /// Returns the setting for chats without one: the value passed to [`set_default_capture`], or
    /// [`from_env`](Self::from_env).
    pub fn current() -> Self {
        let set = *DEFAULT.read().unwrap_or_else(PoisonError::into_inner);
        set.unwrap_or_else(Self::from_env)
    }

    /// Parses a value of [`CAPTURE_VARIABLE`], ignoring case: `true`, `1` and `span_only` select
    /// spans, `event_only` events, and `span_and_event` both. Any other value turns capture off, so
    /// that a typo never enables it.
    pub fn parse(value: &str) -> Self {
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "span_only" => Self::Spans,
            "event_only" => Self::Events,
            "span_and_event" => Self::SpansAndEvents,
            _ => Self::Nothing,
        }
    }

    /// Returns whether spans record content.
    pub fn on_spans(self) -> bool {
        matches!(self, Self::Spans | Self::SpansAndEvents)
    }

    /// Returns whether events record content.
    pub fn on_events(self) -> bool {
        matches!(self, Self::Events | Self::SpansAndEvents)
    }
}

static DEFAULT: RwLock<Option<Capture>> = RwLock::new(None);

/// Sets which content is recorded for chats without a capture setting. It overrides the
/// environment; `None` restores it.
pub fn set_default_capture(capture: Option<Capture>) {
    *DEFAULT.write().unwrap_or_else(PoisonError::into_inner) = capture;
}

/// A hook that receives all content before it is recorded and may change it.
pub type RedactionHook = Arc<dyn Fn(&mut CapturedContent<'_>) + Send + Sync>;

static DEFAULT_REDACTION: RwLock<Option<RedactionHook>> = RwLock::new(None);

/// Sets the redaction hook of chats without one and of operations outside a chat. `None`, the
/// default, records content unchanged.
///
/// ```
/// use std::sync::Arc;
///
/// use chatlas_core::telemetry::{CapturedContent, ContentKind, set_default_redaction};
///
/// set_default_redaction(Some(Arc::new(|content: &mut CapturedContent<'_>| {
///     if content.kind() == ContentKind::Document {
///         content.each_text(&mut |text| *text = "[document]".to_owned());
///     }
/// })));
/// ```
pub fn set_default_redaction(hook: Option<RedactionHook>) {
    let mut current = DEFAULT_REDACTION.write().unwrap_or_else(PoisonError::into_inner);
    let previous = std::mem::replace(&mut *current, hook);
    // Outside the lock: dropping the last handle runs the program's code.
    drop(current);
    drop(previous);
}

pub(super) fn default_redaction() -> Option<RedactionHook> {
    DEFAULT_REDACTION.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The kind of a piece of captured content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentKind {
    /// The system prompt: a list of parts.
    SystemInstructions,
    /// A message to or from the model: `{"role", "parts"}`.
    Message,
    /// The definition of a tool: `{"type", "name", …}`.
    ToolDefinition,
    /// The arguments of a tool call.
    ToolArguments,
    /// The result of a tool call.
    ToolResult,
    /// The message of an error, which may quote content.
    Error,
    /// The query of a retrieval or of a memory search.
    Query,
    /// A retrieved document: `{"id", "score", "content", "metadata"}`.
    Document,
    /// A memory record: `{"id", "score", "content", "metadata"}`.
    MemoryRecord,
    /// The explanation of an evaluation.
    Explanation,
}

/// A piece of content that is about to be recorded, as the redaction hook of a chat receives it:
/// JSON in the form of the conventions.
#[derive(Debug)]
pub struct CapturedContent<'a> {
    kind: ContentKind,
    value: &'a mut Value,
}

impl<'a> CapturedContent<'a> {
    pub(super) fn new(kind: ContentKind, value: &'a mut Value) -> Self {
        Self { kind, value }
    }

    /// Returns the kind of the content.
    pub fn kind(&self) -> ContentKind {
        self.kind
    }

    /// Returns the JSON that will be recorded.
    pub fn value(&self) -> &Value {
        self.value
    }

    /// Returns the JSON that will be recorded, to change it.
    pub fn value_mut(&mut self) -> &mut Value {
        self.value
    }

    /// Calls `edit` with every text written by the user, the model or a tool. Structural fields
    /// (roles, types, ids) are skipped.
    ///
    /// ```
    /// # use chatlas_core::telemetry::CapturedContent;
    /// fn without_numbers(content: &mut CapturedContent<'_>) {
    ///     content.each_text(&mut |text| *text = text.replace(|c: char| c.is_ascii_digit(), "*"));
    /// }
    /// ```
    pub fn each_text(&mut self, edit: &mut dyn FnMut(&mut String)) {
        match self.kind {
            ContentKind::Message => {
                if let Some(parts) = self.value.get_mut("parts") {
                    edit_parts(parts, edit);
                }
            }
            ContentKind::SystemInstructions => edit_parts(self.value, edit),
            ContentKind::Document | ContentKind::MemoryRecord => {
                let fields = self.value.as_object_mut().into_iter().flatten();
                for (_, value) in fields.filter(|(key, _)| *key != "id") {
                    edit_all(value, edit);
                }
            }
            _ => edit_all(self.value, edit),
        }
    }
}

/// The structural fields of a part.
const STRUCTURAL_FIELDS: [&str; 6] = ["type", "id", "name", "modality", "mime_type", "file_id"];

fn edit_parts(parts: &mut Value, edit: &mut dyn FnMut(&mut String)) {
    for part in parts.as_array_mut().into_iter().flatten() {
        let fields = part.as_object_mut().into_iter().flatten();
        for (_, value) in fields.filter(|(key, _)| !STRUCTURAL_FIELDS.contains(&key.as_str())) {
            edit_all(value, edit);
        }
    }
}

fn edit_all(value: &mut Value, edit: &mut dyn FnMut(&mut String)) {
    match value {
        Value::String(text) => edit(text),
        Value::Array(list) => list.iter_mut().for_each(|value| edit_all(value, edit)),
        Value::Object(map) => map.values_mut().for_each(|value| edit_all(value, edit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn capture_variable_accepts_values_of_other_libraries() {
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

    #[test]
    fn each_text_skips_structural_fields() {
        let mut message = json!({"role": "tool", "parts": [
            {"type": "text", "content": "a"},
            {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"name": "b", "n": 1}},
            {"type": "tool_call_response", "id": "c1", "response": ["c", {"type": "d"}]},
        ]});
        let mut seen = Vec::new();
        CapturedContent::new(ContentKind::Message, &mut message).each_text(&mut |text| {
            seen.push(text.clone());
            text.push('!');
        });
        assert_eq!(seen, ["a", "b", "c", "d"]);
        assert_eq!(message["parts"][1]["arguments"]["name"], "b!");
        assert_eq!(message["parts"][1]["name"], "look");
    }
}
