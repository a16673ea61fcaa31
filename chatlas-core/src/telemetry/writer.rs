//! Prepares content for spans and events: renders it, passes it to the redaction hook, and limits
//! its size.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::{Value, json};

use super::capture::{
    Capture, CapturedContent, ContentKind, DEFAULT_CAPTURE_LIMIT, RedactionHook, default_redaction,
};
use super::cut;
use super::message_cache::{InputMessages, MessageCache, NOTE_SIZE, RenderedTurn};
use super::messages::{
    assistant_message, parts, server_tool_definition, tool_definition, turn_messages,
};
use super::settings::Settings;
use super::tool_content::{Tools, arguments_object, shown_arguments};
use crate::provider::{ChatRequest, ServerToolDefinition};
use crate::tool::{ToolDefinition, ToolOutput};
use crate::turn::{AssistantTurn, Turn};

/// Which content is recorded, and how.
pub(super) struct Writer {
    pub(super) capture: Capture,
    redact: Option<RedactionHook>,
    limit: usize,
    cache: MessageCache,
}

impl Writer {
    /// Creates a writer with the settings of a chat, or with the defaults for a call outside a chat.
    pub(super) fn new(settings: Option<&Settings>, cache: MessageCache) -> Self {
        let capture = settings.and_then(|settings| settings.capture);
        let redact = settings.and_then(|settings| settings.redact.clone());
        Self {
            capture: capture.unwrap_or_else(Capture::current),
            redact: redact.or_else(default_redaction),
            limit: settings.map_or(DEFAULT_CAPTURE_LIMIT, |settings| settings.limit),
            cache,
        }
    }

    /// Returns the request without its turns and its system prompt, unless they are recorded.
    pub(super) fn recorded_part(&self, request: &ChatRequest) -> ChatRequest {
        if self.capture != Capture::Nothing {
            return request.clone();
        }
        ChatRequest {
            system_prompt: None,
            turns: Vec::new(),
            tools: Arc::clone(&request.tools),
            params: Arc::clone(&request.params),
            output: request.output.clone(),
            conversation_id: request.conversation_id.clone(),
            compacted: request.compacted,
            attributes: request.attributes.clone(),
            run: None,
        }
    }

    /// Returns the system prompt as JSON.
    pub(super) fn system_instructions(&self, prompt: &str) -> String {
        let parts = json!([{"type": "text", "content": prompt}]);
        self.to_json(ContentKind::SystemInstructions, parts, self.limit)
    }

    /// Returns the input messages of a call.
    pub(super) fn input(
        &self,
        turns: &[Arc<Turn>],
        tools: &[ToolDefinition],
    ) -> Arc<InputMessages> {
        self.cache.select(turns, self.limit, |turn| self.render(turn, Tools(tools)))
    }

    fn render(&self, turn: &Arc<Turn>, tools: Tools<'_>) -> RenderedTurn {
        // A single message must fit together with the brackets of the list and the note.
        let limit = self.limit.saturating_sub(NOTE_SIZE + 2);
        let to_json = |message| self.to_json(ContentKind::Message, message, limit).into();
        RenderedTurn::new(turn, turn_messages(turn, tools).into_iter().map(to_json).collect())
    }

    /// Returns the output messages of a call as JSON: one for each choice.
    pub(super) fn output(&self, turn: &AssistantTurn, tools: &[ToolDefinition]) -> String {
        let message = |contents, reason| assistant_message(contents, reason, Tools(tools));
        let first = message(&turn.contents, turn.finish_reason.as_ref());
        let others = turn
            .alternatives
            .iter()
            .map(|other| message(&other.contents, other.finish_reason.as_ref()));
        let messages: Vec<Value> = std::iter::once(first)
            .chain(others)
            .map(|message| self.redacted(ContentKind::Message, message))
            .collect();
        cut::to_text(&messages.into(), self.limit)
    }

    /// Returns the definitions of the available tools as JSON, or `None` if there are no tools.
    pub(super) fn tool_definitions(
        &self,
        tools: &[ToolDefinition],
        server_tools: &[ServerToolDefinition],
    ) -> Option<Arc<str>> {
        if tools.is_empty() && server_tools.is_empty() {
            return None;
        }
        let render = || {
            let tools = tools.iter().map(tool_definition);
            let definitions: Value = tools
                .chain(server_tools.iter().map(server_tool_definition))
                .map(|definition| self.redacted(ContentKind::ToolDefinition, definition))
                .collect();
            cut::to_text(&definitions, self.limit)
        };
        Some(self.cache.definitions(tools, server_tools, render))
    }

    /// Returns the arguments of a tool call as text. `tool` is the called tool, if there is one of
    /// that name.
    pub(super) fn tool_arguments(
        &self,
        tool: Option<&ToolDefinition>,
        arguments: &Value,
    ) -> String {
        let shown = match tool {
            Some(tool) => shown_arguments(tool, arguments),
            None => arguments_object(arguments),
        };
        self.to_text(ContentKind::ToolArguments, shown.into_owned())
    }

    /// Returns the result of a tool call as text.
    pub(super) fn tool_result(&self, output: &ToolOutput) -> String {
        let value = match output {
            ToolOutput::Value(value) => value.clone(),
            ToolOutput::Contents(contents) => parts(contents, Tools::default()).into(),
        };
        self.to_text(ContentKind::ToolResult, value)
    }

    /// Returns the message of an error, or `None` if it is empty.
    pub(super) fn error(&self, message: &str) -> Option<String> {
        Some(self.to_text(ContentKind::Error, message.into())).filter(|text| !text.is_empty())
    }

    /// Returns a list of items of that kind as JSON.
    pub(super) fn list(&self, kind: ContentKind, items: impl IntoIterator<Item = Value>) -> String {
        let items: Value = items.into_iter().map(|item| self.redacted(kind, item)).collect();
        cut::to_text(&items, self.limit)
    }

    fn to_json(&self, kind: ContentKind, value: Value, limit: usize) -> String {
        cut::to_text(&self.redacted(kind, value), limit)
    }

    /// Returns a string verbatim, and any other value as JSON.
    pub(super) fn to_text(&self, kind: ContentKind, value: Value) -> String {
        match self.redacted(kind, value) {
            // The limit includes the note on what was removed.
            Value::String(text) if text.len() > self.limit => {
                cut::short_text(&text, self.limit.max(cut::MIN_LIMIT) - 64)
            }
            Value::String(text) => text,
            other => cut::to_text(&other, self.limit),
        }
    }

    /// Returns the value after the redaction hook. If the hook panics, the content is replaced by a
    /// note.
    fn redacted(&self, kind: ContentKind, mut value: Value) -> Value {
        let Some(redact) = &self.redact else { return value };
        let structure = Structure::of(&value);
        let hook = || redact(&mut CapturedContent::new(kind, &mut value));
        if catch_unwind(AssertUnwindSafe(hook)).is_err() {
            value = json!("[lost: the redaction hook panicked]");
        }
        structure.restore(kind, value)
    }
}

/// The structural fields of a message or a tool definition, saved before redaction.
struct Structure([Option<Value>; 4]);

impl Structure {
    const FIELDS: [&str; 4] = ["role", "finish_reason", "type", "name"];

    fn of(value: &Value) -> Self {
        Self(Self::FIELDS.map(|field| value.get(field).cloned()))
    }

    /// Returns the value if it still has the structure of its kind. Otherwise, returns a value of
    /// that structure with the given one as its text.
    fn restore(self, kind: ContentKind, value: Value) -> Value {
        if is_valid(kind, &value) {
            return value;
        }
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        let Self([role, finish_reason, tool_type, name]) = self;
        let mut fields = match kind {
            ContentKind::Document | ContentKind::MemoryRecord => return json!({"content": text}),
            ContentKind::SystemInstructions => return json!([{"type": "text", "content": text}]),
            ContentKind::ToolArguments => return arguments_object(&text.into()).into_owned(),
            ContentKind::Message if role.as_ref().is_some_and(|role| role == "tool") => {
                json!({"parts": [{"type": "tool_call_response", "response": text}]})
            }
            ContentKind::Message => json!({"parts": [{"type": "text", "content": text}]}),
            _ => json!({"type": tool_type, "name": name}),
        };
        for (field, value) in [("role", role), ("finish_reason", finish_reason)] {
            if let Some(value) = value {
                fields[field] = value;
            }
        }
        fields
    }
}

/// Returns whether a value has the structure that the conventions require for its kind.
fn is_valid(kind: ContentKind, value: &Value) -> bool {
    let are_parts = |parts: &Value| {
        let has_type = |part: &Value| part["type"].is_string();
        parts.as_array().is_some_and(|parts| parts.iter().all(has_type))
    };
    match kind {
        ContentKind::Message => value["role"].is_string() && are_parts(&value["parts"]),
        ContentKind::SystemInstructions => are_parts(value),
        ContentKind::ToolDefinition => value["type"].is_string() && value["name"].is_string(),
        ContentKind::ToolArguments | ContentKind::Document | ContentKind::MemoryRecord => {
            value.is_object()
        }
        ContentKind::ToolResult
        | ContentKind::Error
        | ContentKind::Query
        | ContentKind::Explanation => true,
    }
}
