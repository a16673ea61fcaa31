//! Whether content is recorded, and what a program may do to it before it is written. In which
//! form it is written is the matter of `messages`.

use std::env;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

/// The environment variable that switches capture on.
pub const CAPTURE_VARIABLE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";

/// The most bytes of one content attribute, unless [`Chat::capture_limit`](crate::Chat::capture_limit)
/// says otherwise: 64 KiB. Exporters and collectors refuse whole batches that are too large.
pub const DEFAULT_LIMIT: usize = 64 * 1024;

/// What of the content is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Capture {
    /// Nothing: the default.
    #[default]
    Nothing,
    /// Messages, tool arguments and results, on spans.
    Spans,
    /// Messages on events alone. Tool calls have no event of their own.
    Events,
    /// All of that.
    SpansAndEvents,
}

impl Capture {
    /// What [`CAPTURE_VARIABLE`] says now.
    pub fn from_env() -> Self {
        env::var(CAPTURE_VARIABLE).map_or(Self::Nothing, |value| Self::parse(&value))
    }

    /// What holds for a chat that does not say: what [`set_default_capture`] was given, else what
    /// the environment says.
    pub fn current() -> Self {
        let set = *DEFAULT.read().unwrap_or_else(PoisonError::into_inner);
        set.unwrap_or_else(Self::from_env)
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

    /// Whether events carry content.
    pub fn on_events(self) -> bool {
        matches!(self, Self::Events | Self::SpansAndEvents)
    }
}

static DEFAULT: RwLock<Option<Capture>> = RwLock::new(None);

/// What is recorded of chats that do not say so themselves, from now on, whatever the environment
/// says; `None` leaves it to the environment again.
pub fn set_default_capture(capture: Option<Capture>) {
    *DEFAULT.write().unwrap_or_else(PoisonError::into_inner) = capture;
}

/// What a piece of captured content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentKind {
    /// The system prompt: a list of parts.
    SystemInstructions,
    /// A message to or from the model: `{"role", "parts"}`.
    Message,
    /// A tool as the model is told of it.
    ToolDefinition,
    /// The arguments of a tool call.
    ToolArguments,
    /// What a tool handed back.
    ToolResult,
    /// The message of an error: it may quote what people wrote.
    Error,
}

/// A piece of content on its way to a span or an event, as the hook of
/// [`Chat::redact`](crate::Chat::redact) sees it: JSON in the form of the conventions.
#[derive(Debug)]
pub struct CapturedContent<'a> {
    kind: ContentKind,
    value: &'a mut Value,
}

impl<'a> CapturedContent<'a> {
    pub(super) fn new(kind: ContentKind, value: &'a mut Value) -> Self {
        Self { kind, value }
    }

    /// What it is.
    pub fn kind(&self) -> ContentKind {
        self.kind
    }

    /// The JSON that will be written.
    pub fn value(&self) -> &Value {
        self.value
    }

    /// The JSON that will be written, to be changed.
    pub fn value_mut(&mut self) -> &mut Value {
        self.value
    }

    /// Calls `edit` with every text in it: what people, the model and tools said. The words of the
    /// form itself (roles, types, ids) are no such text.
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
            _ => edit_all(self.value, edit),
        }
    }
}

/// The keys of a part whose texts are words of the form.
const FORM: [&str; 6] = ["type", "id", "name", "modality", "mime_type", "file_id"];

fn edit_parts(parts: &mut Value, edit: &mut dyn FnMut(&mut String)) {
    for part in parts.as_array_mut().into_iter().flatten() {
        let fields = part.as_object_mut().into_iter().flatten();
        for (_, value) in fields.filter(|(key, _)| !FORM.contains(&key.as_str())) {
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

    #[test]
    fn the_hook_sees_what_was_said_and_not_the_form() {
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
