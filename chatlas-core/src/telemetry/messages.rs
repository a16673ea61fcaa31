//! Content in the form of the conventions' JSON schemas. What a turn looks like is made once and
//! used again in every later call, so that a call costs what is new in it, and a copy.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use opentelemetry::logs::AnyValue;
use serde_json::{Value, json};

use super::capture::{Capture, CapturedContent, ContentKind, DEFAULT_LIMIT};
use super::cut;
use super::events::any_json;
use super::settings::{Redact, Settings};
use crate::content::{Content, Media, MediaSource, ServerTool, ToolOutcome};
use crate::provider::ServerToolDefinition;
use crate::tool::{ToolDefinition, ToolOutput};
use crate::turn::{Alternative, AssistantTurn, FinishReason, Turn};

/// How content is written: which, within what bound, and what a hook does to it first.
pub(super) struct Writer {
    pub(super) capture: Capture,
    redact: Option<Redact>,
    limit: usize,
    written: Written,
}

/// What of a conversation has been written already.
#[derive(Default)]
pub(crate) struct Written(Arc<Kept>);

#[derive(Default)]
struct Kept {
    /// The turns, in their order.
    turns: Mutex<Arc<Vec<Arc<WrittenTurn>>>>,
    /// The tools that the model was told of last.
    definitions: Mutex<Option<Definitions>>,
}

/// The tools that the model is told of: the chat's, then the vendor's; and how they are written.
#[derive(Clone)]
struct Definitions {
    tools: Vec<ToolDefinition>,
    server_tools: Vec<ServerToolDefinition>,
    text: Arc<str>,
}

/// A turn as JSON.
struct WrittenTurn {
    /// The turn itself: as long as it is kept, its address is its own.
    turn: Arc<Turn>,
    messages: Vec<Arc<str>>,
    /// Their bytes in a list, each with a comma.
    size: usize,
    structured: OnceLock<Vec<AnyValue>>,
}

impl Clone for Written {
    /// A copy of a conversation goes its own way.
    fn clone(&self) -> Self {
        let definitions = lock(&self.0.definitions).clone().into();
        Self(Arc::new(Kept { turns: self.turns().into(), definitions }))
    }
}

impl Written {
    /// The same, for a run of the conversation.
    fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn turns(&self) -> Arc<Vec<Arc<WrittenTurn>>> {
        Arc::clone(&lock(&self.0.turns))
    }

    /// Puts those turns behind the first `length` of the known ones. They are copied only where
    /// somebody else still reads them.
    fn extend(
        &self,
        known: Arc<Vec<Arc<WrittenTurn>>>,
        length: usize,
        fresh: Vec<Arc<WrittenTurn>>,
    ) -> Arc<Vec<Arc<WrittenTurn>>> {
        let mut kept = lock(&self.0.turns);
        *kept = known;
        let turns = Arc::make_mut(&mut kept);
        turns.truncate(length);
        turns.extend(fresh);
        Arc::clone(&kept)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WrittenTurn {
    fn structured(&self) -> &[AnyValue] {
        self.structured
            .get_or_init(|| self.messages.iter().filter_map(|text| parsed(text)).collect())
    }
}

/// JSON text in the structured form of events.
pub(super) fn parsed(text: &str) -> Option<AnyValue> {
    serde_json::from_str(text).ok().as_ref().and_then(any_json)
}

impl Writer {
    /// As a chat has it set; as the environment says for a call without a chat.
    pub(super) fn new(chat: Option<(&Settings, &Written)>) -> Self {
        let settings = chat.map(|(settings, _)| settings);
        let set = settings.and_then(|settings| settings.capture);
        Self {
            capture: set.unwrap_or_else(Capture::current),
            redact: settings.and_then(|settings| settings.redact.clone()),
            limit: settings.map_or(DEFAULT_LIMIT, |settings| settings.limit),
            written: chat.map(|(_, written)| written.share()).unwrap_or_default(),
        }
    }

    /// The system prompt.
    pub(super) fn system(&self, prompt: &str) -> String {
        let parts = json!([{"type": "text", "content": prompt}]);
        self.write(ContentKind::SystemInstructions, parts)
    }

    /// The messages that go in.
    pub(super) fn input(&self, turns: &[Arc<Turn>]) -> Input {
        let mut known = self.written.turns();
        let pairs = known.iter().zip(turns);
        let same = pairs.take_while(|(known, turn)| Arc::ptr_eq(&known.turn, turn)).count();
        if same < known.len() || same < turns.len() {
            // Not under the lock: the hook is the program's.
            let fresh = turns.iter().skip(same).map(|turn| Arc::new(self.turn(turn))).collect();
            known = self.written.extend(known, same, fresh);
        }
        Input::new(known, self.limit)
    }

    fn turn(&self, turn: &Arc<Turn>) -> WrittenTurn {
        let messages = messages(turn).into_iter();
        // Alone in a list, with the note on those before it, it still has to fit.
        let limit = self.limit.saturating_sub(ROOM_FOR_NOTE + 2);
        let write = |message| self.write_within(ContentKind::Message, message, limit);
        let messages: Vec<Arc<str>> = messages.map(|message| write(message).into()).collect();
        WrittenTurn {
            turn: Arc::clone(turn),
            size: messages.iter().map(|text| text.len() + 1).sum(),
            messages,
            structured: OnceLock::new(),
        }
    }

    /// The message that comes out: one for each choice.
    pub(super) fn output(&self, turn: &AssistantTurn) -> String {
        let first = assistant_message(&turn.contents, turn.finish_reason.as_ref());
        let others = turn.alternatives.iter().map(|other: &Alternative| {
            assistant_message(&other.contents, other.finish_reason.as_ref())
        });
        let messages: Vec<Value> = std::iter::once(first)
            .chain(others)
            .map(|message| self.redacted(ContentKind::Message, message))
            .collect();
        cut::to_text(&messages.into(), self.limit)
    }

    /// The tools that the model is told of, made once, unless they change; `None` where there are
    /// none.
    pub(super) fn tool_definitions(
        &self,
        tools: &[ToolDefinition],
        server_tools: &[ServerToolDefinition],
    ) -> Option<Arc<str>> {
        if tools.is_empty() && server_tools.is_empty() {
            return None;
        }
        let same = |a: &ToolDefinition, b: &ToolDefinition| {
            a.name == b.name
                && a.description == b.description
                && Arc::ptr_eq(&a.parameters, &b.parameters)
        };
        let unchanged = |known: &Definitions| {
            known.server_tools == server_tools
                && known.tools.len() == tools.len()
                && known.tools.iter().zip(tools).all(|(a, b)| same(a, b))
        };
        if let Some(known) = &*lock(&self.written.0.definitions)
            && unchanged(known)
        {
            return Some(Arc::clone(&known.text));
        }
        // Not under the lock: the hook is the program's.
        let definitions: Value = tools
            .iter()
            .map(definition)
            .chain(server_tools.iter().map(|tool| json!({"type": tool.kind, "name": tool.name})))
            .map(|definition| self.redacted(ContentKind::ToolDefinition, definition))
            .collect();
        let text: Arc<str> = cut::to_text(&definitions, self.limit).into();
        *lock(&self.written.0.definitions) = Some(Definitions {
            tools: tools.to_vec(),
            server_tools: server_tools.to_vec(),
            text: Arc::clone(&text),
        });
        Some(text)
    }

    /// The arguments of a tool call.
    pub(super) fn tool_arguments(&self, arguments: &Value) -> String {
        self.write_plain(ContentKind::ToolArguments, as_object(arguments).into_owned())
    }

    /// What a tool handed back.
    pub(super) fn tool_result(&self, output: &ToolOutput) -> String {
        let value = match output {
            ToolOutput::Value(value) => value.clone(),
            ToolOutput::Contents(contents) => parts(contents).into(),
        };
        self.write_plain(ContentKind::ToolResult, value)
    }

    /// The message of an error, if there is anything in it.
    pub(super) fn error(&self, message: &str) -> Option<String> {
        Some(self.write_plain(ContentKind::Error, message.into())).filter(|text| !text.is_empty())
    }

    fn write(&self, kind: ContentKind, value: Value) -> String {
        self.write_within(kind, value, self.limit)
    }

    fn write_within(&self, kind: ContentKind, value: Value, limit: usize) -> String {
        cut::to_text(&self.redacted(kind, value), limit)
    }

    /// A text as it is, anything else as JSON.
    fn write_plain(&self, kind: ContentKind, value: Value) -> String {
        match self.redacted(kind, value) {
            // The note on the cut is within the bound, too.
            Value::String(text) if text.len() > self.limit => {
                cut::short_text(&text, self.limit.max(cut::LEAST) - 64)
            }
            Value::String(text) => text,
            other => cut::to_text(&other, self.limit),
        }
    }

    /// The value as the program's hook leaves it. A hook that panics loses the content, nothing
    /// else, and one that leaves another thing than a message loses no more than the form: what it
    /// left is the text of one.
    fn redacted(&self, kind: ContentKind, mut value: Value) -> Value {
        let Some(redact) = &self.redact else { return value };
        let form = Form::of(&value);
        let hook = || redact(&mut CapturedContent::new(kind, &mut value));
        if catch_unwind(AssertUnwindSafe(hook)).is_err() {
            value = json!("[lost: the redaction hook panicked]");
        }
        form.restored(kind, value)
    }
}

/// What of a content is no matter of what was said, and has to stay for it to be one.
struct Form([Option<Value>; 4]);

impl Form {
    const FIELDS: [&str; 4] = ["role", "finish_reason", "type", "name"];

    fn of(value: &Value) -> Self {
        Self(Self::FIELDS.map(|field| value.get(field).cloned()))
    }

    /// The value, or its text in the form that its kind has to have.
    fn restored(self, kind: ContentKind, value: Value) -> Value {
        let is_list_of_parts = |parts: &Value| {
            let typed = |part: &Value| part["type"].is_string();
            parts.as_array().is_some_and(|parts| parts.iter().all(typed))
        };
        let whole = match kind {
            ContentKind::Message => value["role"].is_string() && is_list_of_parts(&value["parts"]),
            ContentKind::SystemInstructions => is_list_of_parts(&value),
            ContentKind::ToolDefinition => value["type"].is_string() && value["name"].is_string(),
            ContentKind::ToolArguments => value.is_object(),
            ContentKind::ToolResult | ContentKind::Error => true,
        };
        if whole {
            return value;
        }
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        let Self([role, finish_reason, tool_type, name]) = self;
        let mut fields = match kind {
            ContentKind::SystemInstructions => return json!([{"type": "text", "content": text}]),
            ContentKind::ToolArguments => return as_object(&text.into()).into_owned(),
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

/// The messages that go in, within the bound: where they are too many, the oldest are left out.
pub(super) struct Input {
    turns: Arc<Vec<Arc<WrittenTurn>>>,
    /// How many messages are left out.
    skipped: usize,
    /// The bytes of the others, as a list.
    size: usize,
    limit: usize,
}

/// Room for the message that stands for those left out.
const ROOM_FOR_NOTE: usize = 200;

impl Input {
    fn new(turns: Arc<Vec<Arc<WrittenTurn>>>, limit: usize) -> Self {
        let mut skipped = 0;
        let mut size = turns.iter().map(|turn| turn.size).sum::<usize>() + 1;
        if size > limit {
            let lengths =
                || turns.iter().flat_map(|turn| &turn.messages).map(|text| text.len() + 1);
            let last = lengths().count().saturating_sub(1);
            for length in lengths().take(last) {
                if size + ROOM_FOR_NOTE <= limit {
                    break;
                }
                size -= length;
                skipped += 1;
            }
        }
        Self { turns, skipped, size, limit }
    }

    fn note(&self) -> Option<Value> {
        let Self { skipped, limit, .. } = self;
        let note = format!("[cut: {skipped} earlier messages; the limit is {limit} bytes]");
        (*skipped > 0)
            .then(|| json!({"role": "system", "parts": [{"type": "text", "content": note}]}))
    }

    /// As JSON text.
    pub(super) fn text(&self) -> String {
        let messages = self.turns.iter().flat_map(|turn| &turn.messages).skip(self.skipped);
        let note = self.note().map(|note| Arc::from(note.to_string()));
        let of_note = note.as_ref().map_or(0, |note: &Arc<str>| note.len() + 1);
        // To the byte: what is too large would be copied once more.
        let mut list = String::with_capacity(self.size.max(2) + of_note);
        list.push('[');
        for text in note.iter().chain(messages) {
            if list.len() > 1 {
                list.push(',');
            }
            list.push_str(text);
        }
        list.push(']');
        list
    }

    /// In the structured form of events.
    pub(super) fn structured(&self) -> AnyValue {
        let note = self.note().as_ref().and_then(any_json);
        let messages = self.turns.iter().flat_map(|turn| turn.structured()).skip(self.skipped);
        AnyValue::ListAny(Box::new(note.into_iter().chain(messages.cloned()).collect()))
    }
}

fn definition(tool: &ToolDefinition) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": *tool.parameters,
    })
}

/// A turn as messages: tool results stand in one of their own, of the role `tool`.
fn messages(turn: &Turn) -> Vec<Value> {
    match turn {
        Turn::Assistant(turn) => {
            let mut message = assistant_message(&turn.contents, turn.finish_reason.as_ref());
            // Of a turn that was not asked for here nobody knows how it ended.
            if let (None, Some(fields)) = (&turn.finish_reason, message.as_object_mut()) {
                fields.remove("finish_reason");
            }
            vec![message]
        }
        Turn::User(turn) => {
            let (results, said): (Vec<_>, Vec<_>) =
                turn.contents.iter().partition(|content| matches!(content, Content::ToolResult(_)));
            [("tool", results), ("user", said)]
                .into_iter()
                .filter(|(_, contents)| !contents.is_empty())
                .map(|(role, contents)| json!({"role": role, "parts": parts(contents)}))
                .collect()
        }
    }
}

fn assistant_message(contents: &[Content], reason: Option<&FinishReason>) -> Value {
    // Some backends show no message without it.
    let reason = reason.map_or("error", FinishReason::as_str);
    json!({"role": "assistant", "parts": parts(contents), "finish_reason": reason})
}

/// Arguments as an object, as the conventions have them. Some vendors write it as a text, or
/// nothing for none; what the model wrote instead of one stands in the field `unparsed`.
fn as_object(arguments: &Value) -> Cow<'_, Value> {
    let parsed = |text: &String| serde_json::from_str(text).ok().filter(Value::is_object);
    match arguments {
        Value::Object(_) => Cow::Borrowed(arguments),
        Value::Null => Cow::Owned(json!({})),
        Value::String(text) => {
            Cow::Owned(parsed(text).unwrap_or_else(|| json!({ "unparsed": text })))
        }
        other => Cow::Owned(json!({ "unparsed": other })),
    }
}

/// Contents as parts of a message. What the conventions have no word for is left out.
fn parts<'a>(contents: impl IntoIterator<Item = &'a Content>) -> Vec<Value> {
    let mut list = Vec::new();
    for content in contents {
        match content {
            Content::ServerTool(tool) => list.extend(server_tool_parts(tool)),
            other => list.extend(part(other)),
        }
    }
    list
}

/// The call of a tool that the vendor ran, and its result where it came as an item of its own.
fn server_tool_parts(tool: &ServerTool) -> impl Iterator<Item = Value> {
    let items = match &tool.replay.item {
        Value::Array(items) => items.as_slice(),
        item => std::slice::from_ref(item),
    };
    items.iter().map(|item| {
        // The kind of item: its type, or the one thing that is in it.
        let first = || item.as_object().and_then(|fields| fields.keys().next().map(String::as_str));
        let kind = item["type"].as_str().or_else(first).unwrap_or_default().to_ascii_lowercase();
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

/// A content as one part of a message.
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
            "arguments": *as_object(&request.arguments),
        }),
        Content::ToolResult(result) => json!({
            "type": "tool_call_response",
            "id": result.id,
            "response": match &result.outcome {
                // What the model reads; events have no null.
                ToolOutcome::Value(Value::Null) => json!("null"),
                ToolOutcome::Value(value) => value.clone(),
                ToolOutcome::Contents(contents) => parts(contents).into(),
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
