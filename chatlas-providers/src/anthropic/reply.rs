//! Reads a reply of the Messages API: a complete message, or the events of a stream.

use std::collections::BTreeMap;

use chatlas_core::content::{Citation, Content, Refusal, Replay, ServerTool};
use chatlas_core::{FinishReason, ProviderError};
use serde_json::{Map, Value};

use super::error;
use super::request::OUTPUT_TOOL;
use super::wire::{Counts, Delta, Event, Message, StopDetails};
use crate::client::json::{self, Maybe, Raw, Text};
use crate::client::{self, CallPiece, ChoiceMut, Frame, Reply, malformed, truncated};

/// The order of the contents that follow all blocks.
const AT_THE_END: u64 = u64::MAX;

/// Makes a reply of a message, or of the events of a stream.
#[derive(Default)]
pub struct Decoder {
    /// The vendor whose items these are.
    provider: &'static str,
    /// The blocks that have not ended.
    blocks: BTreeMap<u64, Block>,
    /// The last call of a tool that the vendor runs, with the index of its block, while the next
    /// block may be its result.
    server_call: Option<(u64, Map<String, Value>)>,
    /// The ids and the names of the other calls of these tools that have no result yet.
    server_calls: Vec<(String, String)>,
    counts: Counts,
    stop_reason: Option<String>,
    /// Why the model refused.
    refusal: Option<String>,
    /// Whether a guardrail of Bedrock intervened.
    is_filtered: bool,
    has_begun: bool,
    /// Whether a `message_delta` has reported why the model stopped.
    has_stopped: bool,
}

/// A content block that has not ended.
struct Block {
    kind: Kind,
    /// All fields of the block except the text, which the reply holds.
    fields: Map<String, Value>,
    /// The pieces of the arguments, if the reply does not hold them.
    input: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    /// A call of one of the program's tools.
    Call,
    /// The call by which an older model returns structured output.
    Output,
    /// A block that is kept as an item of the vendor.
    Item,
    /// A block without a type.
    Unknown,
}

impl Kind {
    fn of(fields: &Map<String, Value>) -> Self {
        match string(fields, "type") {
            "text" => Self::Text,
            "thinking" => Self::Thinking,
            "tool_use" if string(fields, "name") == OUTPUT_TOOL => Self::Output,
            "tool_use" => Self::Call,
            "" if fields.get("text").is_some_and(Value::is_string) => Self::Text,
            "" => Self::Unknown,
            _ => Self::Item,
        }
    }
}

impl client::Decoder for Decoder {
    fn complete(&mut self, body: &[u8], reply: &mut Reply) -> Result<(), ProviderError> {
        let mut repaired = String::new();
        let Maybe(message) = json::read::<Maybe<Message<'_>>>(body, &mut repaired)?;
        let mut message = message.unwrap_or_default();
        let has_no_content = message.content.is_null();
        if message.kind.as_str() == "error"
            || is_object(message.error)
            || (has_no_content && message.error.is_some())
        {
            return Err(reported(message.error, &message.request_id));
        }
        let blocks = match std::mem::take(&mut message.content) {
            Value::Array(blocks) => blocks,
            text @ Value::String(_) => vec![text],
            Value::Null if message.is_message() => Vec::new(),
            _ => return Err(malformed("it has no `content`")),
        };
        self.begin(&message, reply);
        for (index, block) in (0..).zip(blocks) {
            let fields = match block {
                Value::Object(fields) => fields,
                text @ Value::String(_) => Map::from_iter([("text".to_owned(), text)]),
                _ => continue,
            };
            self.begin_block(index, fields, reply);
            self.end_block(index, reply);
        }
        self.end_message(reply)
    }

    fn event(&mut self, frame: Frame<'_>, reply: &mut Reply) -> Result<(), ProviderError> {
        let mut repaired = String::new();
        let Maybe(event) = json::read::<Maybe<Event<'_>>>(frame.data, &mut repaired)?;
        let Some(event) = event else { return Ok(()) };
        self.note_guardrail(&event.guardrail);
        let index = event.index.0.unwrap_or_default();
        match event.kind.as_str() {
            "message_start" => {
                self.begin(&event.message.0.unwrap_or_default(), reply);
                reply.start();
                reply.set_usage(self.counts.usage());
            }
            "content_block_start" => {
                self.begin_block(index, event.content_block.0.unwrap_or_default(), reply);
            }
            "content_block_delta" => self.delta(index, &event.delta.0.unwrap_or_default(), reply),
            "content_block_stop" => self.end_block(index, reply),
            "message_delta" => {
                let delta = event.delta.0.unwrap_or_default();
                self.has_stopped |= delta.stop_reason.non_empty().is_some();
                self.stop(&delta.stop_reason, &delta.stop_details);
                self.count(event.usage.0.as_deref());
                reply.set_usage(self.counts.usage());
            }
            "message_stop" => self.end_message(reply)?,
            "error" => return Err(reported(event.error, &event.request_id)),
            // Gateways report errors without a `type`.
            "" if event.error.is_some() => return Err(reported(event.error, &event.request_id)),
            // `ping`, and event types that are not supported.
            _ => {}
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.has_stopped
    }

    /// A reply that has stopped is complete: some gateways omit `message_stop`.
    fn end(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        if self.has_stopped { self.end_message(reply) } else { Err(truncated()) }
    }
}

impl Decoder {
    /// Creates a decoder for a reply of that vendor.
    pub(crate) fn new(provider: &'static str) -> Self {
        Self { provider, ..Self::default() }
    }

    fn begin(&mut self, message: &Message<'_>, reply: &mut Reply) {
        self.has_begun = true;
        reply.set_id(message.id.as_str());
        reply.set_model(message.model.as_str());
        self.note_guardrail(&message.guardrail);
        self.stop(&message.stop_reason, &message.stop_details);
        self.count(message.usage.0.as_deref());
    }

    fn note_guardrail(&mut self, action: &Text<'_>) {
        self.is_filtered |= action.as_str() == "INTERVENED";
    }

    fn stop(&mut self, reason: &Text<'_>, details: &Maybe<StopDetails<'_>>) {
        self.stop_reason = reason.to_owned().or(self.stop_reason.take());
        let explanation = details.0.as_ref().and_then(|details| details.explanation.to_owned());
        self.refusal = explanation.or(self.refusal.take());
    }

    fn count(&mut self, counts: Option<&Counts>) {
        self.has_begun = true;
        if let Some(counts) = counts {
            self.counts.update(counts);
        }
    }

    fn begin_block(&mut self, index: u64, mut fields: Map<String, Value>, reply: &mut Reply) {
        self.has_begun = true;
        let kind = Kind::of(&fields);
        if let Some(open) = self.blocks.get(&index) {
            // Some gateways announce a block twice; others give all blocks the same index.
            if open.kind == kind && string(&open.fields, "id") == string(&fields, "id") {
                return;
            }
            self.end_block(index, reply);
        }
        if !string(&fields, "type").ends_with("_tool_result") {
            self.end_server_call(reply);
        }
        let mut first = reply.first();
        match kind {
            Kind::Text => {
                // The text precedes its citations, whichever arrives first.
                first.text_mut(index);
                if let Some(Value::String(text)) = fields.remove("text") {
                    first.text(index, &text);
                }
                let citations = fields.get("citations").and_then(Value::as_array);
                for note in citations.into_iter().flatten() {
                    first.content(index, Content::Citation(citation(note)));
                }
            }
            Kind::Thinking => {
                first.thinking_mut(index);
                if let Some(Value::String(text)) = fields.remove("thinking") {
                    first.thinking(index, &text);
                }
            }
            // The API rejects a text inside a call.
            Kind::Call | Kind::Output => {
                if let Some(Value::String(text)) = fields.remove("text") {
                    text_beside_call(&mut first, index, &text);
                }
            }
            Kind::Item | Kind::Unknown => {}
        }
        self.blocks.insert(index, Block { kind, fields, input: String::new() });
    }

    fn delta(&mut self, index: u64, delta: &Delta<'_>, reply: &mut Reply) {
        let kind = delta.kind.as_str();
        if self.blocks.get(&index).is_none_or(|block| block.kind == Kind::Unknown) {
            // The type of a block that was not announced follows from its first piece.
            let of_block = match kind {
                "" => return,
                "thinking_delta" | "signature_delta" => "thinking",
                _ => "text",
            };
            self.begin_block(index, Map::from_iter([("type".to_owned(), of_block.into())]), reply);
        }
        let Some(block) = self.blocks.get_mut(&index) else { return };
        let mut first = reply.first();
        // A piece that does not fit the block is added to the reply, not to the block: the API would
        // reject the block.
        match kind {
            "text_delta" => match block.kind {
                Kind::Item => block.append("text", &delta.text),
                Kind::Call | Kind::Output => {
                    text_beside_call(&mut first, index, delta.text.as_str());
                }
                Kind::Text | Kind::Thinking | Kind::Unknown => {
                    first.text(index, delta.text.as_str());
                }
            },
            "thinking_delta" if block.kind == Kind::Item => {
                block.append("thinking", &delta.thinking);
            }
            "thinking_delta" => first.thinking(index, delta.thinking.as_str()),
            "signature_delta" if matches!(block.kind, Kind::Thinking | Kind::Item) => {
                block.append("signature", &delta.signature);
            }
            "input_json_delta" if block.kind == Kind::Call => {
                if let Some(piece) = delta.partial_json.non_empty() {
                    // The pieces replace the arguments that the block began with.
                    block.fields.remove("input");
                    first.call(index, block.call_piece(index, piece));
                }
            }
            "input_json_delta" => block.input.push_str(delta.partial_json.as_str()),
            "compaction_delta" => {
                block.append("content", &delta.content);
                block.append("encrypted_content", &delta.encrypted_content);
            }
            "citations_delta" if is_object(delta.citation) => {
                let note = json::value(delta.citation);
                first.content(index, Content::Citation(citation(&note)));
                match block.fields.get_mut("citations") {
                    Some(Value::Array(citations)) => citations.push(note),
                    _ => {
                        block.fields.insert("citations".to_owned(), Value::Array(vec![note]));
                    }
                }
            }
            _ => {}
        }
    }

    fn end_block(&mut self, index: u64, reply: &mut Reply) {
        let Some(mut block) = self.blocks.remove(&index) else { return };
        if !block.input.trim().is_empty() {
            block.fields.insert("input".to_owned(), json::arguments(&block.input));
        }
        let mut first = reply.first();
        // Some gateways send the arguments as the text of their JSON.
        if let Some(Value::String(text)) = block.fields.get("input") {
            let input = json::arguments(text);
            block.fields.insert("input".to_owned(), input);
        }
        if block.kind == Kind::Call {
            let arguments = block.fields.remove("input").map(|input| match input {
                Value::String(text) => text,
                input => input.to_string(),
            });
            let arguments = arguments.unwrap_or_default();
            first.call(index, block.call_piece(index, &arguments));
        }
        let Block { kind, mut fields, .. } = block;
        match kind {
            Kind::Text => {
                let citations = fields.get("citations").and_then(Value::as_array);
                let text = first.text_mut(index);
                if citations.is_some_and(|list| !list.is_empty()) && !text.text.is_empty() {
                    fields.insert("text".to_owned(), text.text.as_str().into());
                    text.replay = Some(self.replay(fields));
                }
            }
            Kind::Thinking => {
                let thinking = first.thinking_mut(index);
                // Other servers with this API sign nothing, and require the thinking back, too.
                fields.insert("thinking".to_owned(), thinking.text.as_str().into());
                thinking.replay = Some(self.replay(fields));
            }
            Kind::Call => {
                // Other fields, such as the caller of the tool, are sent back with the call.
                fields.retain(|key, _| !matches!(key.as_str(), "id" | "name"));
                remove_nulls_in(&mut fields);
                if fields.len() > 1 {
                    first.set_call_replay(index, Replay::new(self.provider, fields));
                }
                first.end_call(index);
            }
            Kind::Output => {
                first.text(index, &answer(fields.remove("input").unwrap_or_default()));
            }
            Kind::Item => self.end_item(index, fields, reply),
            Kind::Unknown => {}
        }
    }

    /// Returns the fields of a block as the item that is sent back.
    fn replay(&self, mut fields: Map<String, Value>) -> Replay {
        remove_nulls_in(&mut fields);
        Replay::new(self.provider, fields)
    }

    /// Ends a block that is kept as an item. A call of the vendor's own tool is complete with its
    /// result.
    fn end_item(&mut self, index: u64, mut fields: Map<String, Value>, reply: &mut Reply) {
        remove_nulls_in(&mut fields);
        let kind = string(&fields, "type").to_owned();
        let mut first = reply.first();
        if kind == "redacted_thinking" {
            first.thinking_mut(index).replay = Some(Replay::new(self.provider, fields));
        } else if kind.ends_with("_tool_use") {
            self.server_call = Some((index, fields));
        } else if let Some(name) = kind.strip_suffix("_tool_result") {
            let id = string(&fields, "tool_use_id");
            let is_of_id = |(_, call): &mut (u64, Map<String, Value>)| {
                !id.is_empty() && string(call, "id") == id
            };
            if let Some((index, call)) = self.server_call.take_if(is_of_id) {
                first.content(index, server_call(self.provider, call, Some(fields)));
            } else {
                self.end_server_call(reply);
                let call = self.server_calls.iter().position(|(call, _)| call == id);
                let name = call.map_or_else(
                    || name.to_owned(),
                    |position| self.server_calls.swap_remove(position).1,
                );
                let id = non_empty(id);
                let item = Value::Array(vec![fields.into()]);
                reply.first().content(index, server_tool(self.provider, &name, id, item));
            }
        } else {
            // A summary without content is sent back without the field.
            if kind == "compaction" && fields.get("content").is_some_and(|content| content == "") {
                fields.remove("content");
            }
            let id = non_empty(string(&fields, "id"));
            first.content(index, server_tool(self.provider, &kind, id, fields.into()));
        }
    }

    /// Adds the last call of a tool that the vendor runs without a result. Its result may follow
    /// later: calls inside the code of another call are between the two, and the API requires the
    /// order in which it sent the blocks.
    fn end_server_call(&mut self, reply: &mut Reply) {
        if let Some((index, call)) = self.server_call.take() {
            let (id, name) = (string(&call, "id").to_owned(), string(&call, "name").to_owned());
            self.server_calls.push((id, name));
            reply.first().content(index, server_call(self.provider, call, None));
        }
    }

    /// Ends the reply.
    fn end_message(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        if !self.has_begun {
            return Err(malformed("it ends before it begins: it has no `message_start`"));
        }
        while let Some(index) = self.blocks.keys().next().copied() {
            self.end_block(index, reply);
        }
        self.end_server_call(reply);
        let mut first = reply.first();
        if let Some(refusal) = self.refusal.take() {
            first.content(AT_THE_END, Content::Refusal(Refusal::new(refusal)));
        }
        let reason = match self.stop_reason.as_deref() {
            _ if self.is_filtered => FinishReason::ContentFilter,
            // The tool of the call may be the one for structured output.
            None | Some("tool_use" | "tool_calls") if first.has_calls() => FinishReason::ToolCall,
            None | Some("tool_use" | "tool_calls") => FinishReason::Stop,
            Some(reason) => finish_reason(reason),
        };
        first.set_finish(reason);
        reply.set_usage(self.counts.usage());
        reply.end();
        Ok(())
    }
}

impl Block {
    /// Returns a piece of the call that the block is.
    fn call_piece<'a>(&'a self, index: u64, arguments: &'a str) -> CallPiece<'a> {
        let (id, name) = (string(&self.fields, "id"), string(&self.fields, "name"));
        CallPiece { index: Some(index), id, name, arguments, ..CallPiece::default() }
    }

    /// Appends a piece to a field. A block without a type has no fields.
    fn append(&mut self, key: &str, piece: &Text<'_>) {
        let Some(piece) = piece.0.as_deref().filter(|_| self.kind != Kind::Unknown) else { return };
        match self.fields.get_mut(key) {
            Some(Value::String(text)) => text.push_str(piece),
            _ => {
                self.fields.insert(key.to_owned(), piece.into());
            }
        }
    }
}

/// Returns why the model stopped, by the
/// [stop reasons](https://docs.claude.com/en/api/handling-stop-reasons). Gateways also send those of
/// Chat Completions.
fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" | "stop" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" | "length" => FinishReason::Length,
        "refusal" | "content_filter" => FinishReason::ContentFilter,
        "pause_turn" => FinishReason::Pause,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Adds a text that came inside a call. White space alone is not the model's.
fn text_beside_call(first: &mut ChoiceMut<'_>, index: u64, text: &str) {
    if !text.trim().is_empty() || !first.text_so_far(index).is_empty() {
        first.text(index, text);
    }
}

/// Returns the structured output in the arguments of the call that returns it.
pub(crate) fn answer(mut arguments: Value) -> String {
    let answer = match arguments.get_mut("data") {
        Some(data) => data.take(),
        None => arguments,
    };
    match answer {
        Value::String(answer) => answer,
        answer => answer.to_string(),
    }
}

/// Returns a call of a tool that the vendor runs, with its result if it has one.
fn server_call(
    provider: &'static str,
    call: Map<String, Value>,
    result: Option<Map<String, Value>>,
) -> Content {
    let (id, name) = (non_empty(string(&call, "id")), string(&call, "name").to_owned());
    let items: Vec<Value> = std::iter::once(call).chain(result).map(Value::Object).collect();
    server_tool(provider, &name, id, items.into())
}

fn server_tool(provider: &'static str, name: &str, id: Option<String>, item: Value) -> Content {
    let mut tool = ServerTool::new(name, Replay::new(provider, item));
    tool.id = id;
    Content::ServerTool(tool)
}

fn citation(note: &Value) -> Citation {
    let first = |keys: &[&str]| keys.iter().find_map(|key| note.get(key)?.as_str());
    let url = first(&["url", "source"]);
    let mut citation = url.map_or_else(Citation::default, Citation::from_url);
    citation.title = first(&["title", "document_title"]).map(str::to_owned);
    citation.quote = first(&["cited_text"]).map(str::to_owned);
    citation
}

fn reported(error: Raw<'_>, request_id: &Text<'_>) -> ProviderError {
    error::in_reply(&json::value(error), request_id.non_empty())
}

fn is_object(raw: Raw<'_>) -> bool {
    raw.is_some_and(|raw| raw.get().starts_with('{'))
}

/// Returns a field that is a string, or an empty string.
fn string<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Removes the fields that are `null`: the API rejects them in the blocks that it sent.
fn remove_nulls_in(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
    fields.values_mut().for_each(remove_nulls);
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => remove_nulls_in(fields),
        Value::Array(list) => list.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}
