//! Reads a reply of the Converse API: a complete response, or the events of a stream.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::content::{Citation, Content, Replay, ServerTool, Thinking};
use chatlas_core::{FinishReason, ProviderError};
use serde_json::{Map, Value, json};

use super::wire::{Delta, Event, Response};
use crate::anthropic::reply::answer;
use crate::anthropic::request::OUTPUT_TOOL;
use crate::client::json::{self, Maybe};
use crate::client::{CallPiece, ChoiceMut, Frame, Reply, malformed, truncated};

/// The types of the events that are read.
const EVENTS: [&str; 6] = [
    "contentBlockDelta",
    "contentBlockStart",
    "contentBlockStop",
    "messageStart",
    "messageStop",
    "metadata",
];

/// Makes a reply of a response or of the events of a stream.
pub(in crate::bedrock) struct Decoder {
    /// The vendor whose items these are.
    provider: &'static str,
    /// The blocks that have not ended.
    blocks: BTreeMap<u64, Block>,
    /// Why the model stopped, if it has.
    stop_reason: Option<String>,
}

/// A content block that has not ended. The reply holds its text and its thinking.
#[derive(Default)]
struct Block {
    /// `toolUse`, `toolResult` or `image`, with all of its fields.
    start: Map<String, Value>,
    /// The pieces of a call's arguments, if the reply does not hold them.
    input: String,
    has_thinking: bool,
    signature: String,
    redacted: Vec<u8>,
}

impl Decoder {
    /// Creates a decoder for a reply of that vendor.
    pub(in crate::bedrock) fn new(provider: &'static str) -> Self {
        Self { provider, blocks: BTreeMap::new(), stop_reason: None }
    }

    /// Reads a complete response.
    pub(in crate::bedrock) fn response(
        &mut self,
        body: &[u8],
        reply: &mut Reply,
    ) -> Result<(), ProviderError> {
        let mut repaired = String::new();
        let Maybe(response) = json::read::<Maybe<Response<'_>>>(body, &mut repaired)?;
        let response = response.unwrap_or_default();
        self.stop_reason = response.stop_reason.to_owned();
        let message = response.output.0.and_then(|output| output.message.0);
        let blocks = match message.map(|message| message.content).unwrap_or_default() {
            Value::Array(blocks) => blocks,
            text @ Value::String(_) => vec![text],
            Value::Null if self.stop_reason.is_some() => Vec::new(),
            _ => return Err(malformed("it has no `output.message.content`")),
        };
        for (order, block) in (0..).zip(blocks) {
            let mut first = reply.first();
            match block {
                Value::Object(members) => {
                    for (kind, value) in members {
                        add(&mut first, self.provider, order, &kind, value);
                    }
                }
                Value::String(text) => first.text(order, &text),
                _ => {}
            }
        }
        if let Some(counts) = response.usage.0 {
            reply.set_usage(counts.usage());
        }
        self.end(reply);
        Ok(())
    }

    pub(in crate::bedrock) fn is_finished(&self) -> bool {
        self.stop_reason.is_some()
    }

    /// Reads an event of a stream.
    pub(in crate::bedrock) fn event(
        &mut self,
        frame: Frame<'_>,
        reply: &mut Reply,
    ) -> Result<(), ProviderError> {
        if !EVENTS.contains(&frame.kind) {
            return Ok(());
        }
        let mut repaired = String::new();
        let Maybe(event) = json::read::<Maybe<Event<'_>>>(frame.data, &mut repaired)?;
        let event = event.unwrap_or_default();
        let index = event.content_block_index.0.unwrap_or_default();
        match frame.kind {
            "messageStart" => reply.start(),
            "contentBlockStart" => {
                let mut start = event.start.0.unwrap_or_default();
                if let Some(result) = start.get_mut("toolResult").and_then(Value::as_object_mut) {
                    result.insert("content".to_owned(), Value::Array(Vec::new()));
                }
                self.blocks.entry(index).or_default().start = start;
            }
            "contentBlockDelta" => {
                let block = self.blocks.entry(index).or_default();
                block.delta(index, event.delta.0.unwrap_or_default(), &mut reply.first());
            }
            "contentBlockStop" => self.end_block(index, reply),
            "messageStop" => self.stop_reason = Some(event.stop_reason.as_str().to_owned()),
            "metadata" => {
                if let Some(counts) = event.usage.0 {
                    reply.set_usage(counts.usage());
                }
                // The last event; before the end, it has the counts so far.
                if self.stop_reason.is_some() {
                    self.end(reply);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends a stream. A reply that has stopped is complete, even if its counts are missing.
    pub(in crate::bedrock) fn end_of_stream(
        &mut self,
        reply: &mut Reply,
    ) -> Result<(), ProviderError> {
        if self.stop_reason.is_none() {
            return Err(truncated());
        }
        self.end(reply);
        Ok(())
    }

    fn end_block(&mut self, index: u64, reply: &mut Reply) {
        if let Some(block) = self.blocks.remove(&index) {
            block.end(index, self.provider, &mut reply.first());
        }
    }

    fn end(&mut self, reply: &mut Reply) {
        for (index, block) in std::mem::take(&mut self.blocks) {
            block.end(index, self.provider, &mut reply.first());
        }
        let mut first = reply.first();
        let reason = match self.stop_reason.as_deref().unwrap_or_default() {
            "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
            "content_filtered" | "guardrail_intervened" => FinishReason::ContentFilter,
            // The tool of the call may be the one for structured output.
            "tool_use" | "" if first.has_calls() => FinishReason::ToolCall,
            "tool_use" | "" | "end_turn" | "stop_sequence" => FinishReason::Stop,
            other => FinishReason::Other(other.to_owned()),
        };
        first.set_finish(reason);
        reply.end();
    }
}

impl Block {
    fn delta(&mut self, index: u64, delta: Delta<'_>, first: &mut ChoiceMut<'_>) {
        first.text(index, delta.text.as_str());
        if let Some(reasoning) = delta.reasoning_content.0 {
            if let Some(piece) = &reasoning.text.0 {
                self.has_thinking = true;
                first.thinking(index, piece);
            }
            self.signature.push_str(reasoning.signature.as_str());
            let redacted = STANDARD.decode(reasoning.redacted_content.as_str());
            self.redacted.extend(redacted.unwrap_or_default());
        }
        if let Some(input) = delta.tool_use.0 {
            self.input_piece(index, input.input.as_str(), first);
        }
        if let Value::Array(parts) = delta.tool_result
            && let Some(result) = self.start.get_mut("toolResult")
            && let Some(content) = result.get_mut("content").and_then(Value::as_array_mut)
        {
            content.extend(parts);
        }
        if let Value::Object(mut image) = delta.image
            && let Some(source) = image.remove("source").filter(Value::is_object)
            && let Some(started) = self.start.get_mut("image").and_then(Value::as_object_mut)
        {
            started.insert("source".to_owned(), source);
        }
        if delta.citation.is_object() {
            // The text precedes its citations.
            first.text_mut(index);
            first.content(index, Content::Citation(citation(&delta.citation)));
        }
    }

    fn input_piece(&mut self, index: u64, piece: &str, first: &mut ChoiceMut<'_>) {
        match self.start.get_mut("toolUse").filter(|call| is_call_of_program(call)) {
            Some(call) if !piece.is_empty() => {
                // The pieces replace the arguments that the block began with.
                call.as_object_mut().and_then(|call| call.remove("input"));
                add_call(first, index, call, piece);
            }
            Some(_) => {}
            None => self.input.push_str(piece),
        }
    }

    /// Adds what is complete only at the end of the block.
    fn end(mut self, index: u64, provider: &'static str, first: &mut ChoiceMut<'_>) {
        if self.has_thinking && !self.signature.is_empty() {
            let thinking = first.thinking_mut(index);
            let text = json!({"text": thinking.text, "signature": self.signature});
            thinking.replay =
                Some(item(provider, "reasoningContent", json!({"reasoningText": text})));
        }
        if !self.redacted.is_empty() {
            let redacted = json!({"redactedContent": STANDARD.encode(&self.redacted)});
            add(first, provider, index, "reasoningContent", redacted);
        }
        for (kind, mut value) in std::mem::take(&mut self.start) {
            // The reply holds the arguments of the other calls.
            if kind == "toolUse"
                && !is_call_of_program(&value)
                && let Some(call) = value.as_object_mut()
            {
                let input = json::arguments(&self.input);
                if self.input.trim().is_empty() {
                    call.entry("input").or_insert(input);
                } else {
                    call.insert("input".to_owned(), input);
                }
            }
            if matches!(kind.as_str(), "toolUse" | "toolResult" | "image") && value.is_object() {
                add(first, provider, index, &kind, value);
            }
        }
    }
}

/// Adds a complete block to the reply.
fn add(
    first: &mut ChoiceMut<'_>,
    provider: &'static str,
    order: u64,
    kind: &str,
    mut value: Value,
) {
    match kind {
        "text" => first.text(order, value.as_str().unwrap_or_default()),
        "toolUse" if is_call_of_program(&value) => {
            let arguments = match value.get_mut("input").map(Value::take) {
                // Some gateways send the arguments as the text of their JSON.
                Some(Value::String(text)) => text,
                Some(input) => input.to_string(),
                None => String::new(),
            };
            add_call(first, order, &value, &arguments);
            first.end_call(order);
        }
        "toolUse" if !is_server_call(&value) => {
            let input = value.get_mut("input").map(Value::take).unwrap_or_default();
            first.text(order, &answer(input));
        }
        "citationsContent" => {
            let texts = value.get("content").and_then(Value::as_array);
            for text in texts.into_iter().flatten() {
                first.text(order, string(text, "text"));
            }
            let notes = value.get("citations").and_then(Value::as_array);
            for note in notes.into_iter().flatten() {
                first.content(order, Content::Citation(citation(note)));
            }
        }
        "reasoningContent" => {
            let part = |key: &str| value.get("reasoningText")?.get(key)?.as_str();
            let (text, signature) = (part("text"), part("signature").unwrap_or_default());
            let is_redacted = value.get("redactedContent").is_some_and(Value::is_string);
            if text.is_some() || is_redacted {
                let mut thinking = Thinking::new(text.unwrap_or_default());
                // Models that do not sign their thinking do not require it back.
                if !signature.is_empty() || is_redacted {
                    thinking.replay = Some(item(provider, kind, value));
                }
                first.content(order, Content::Thinking(thinking));
            }
        }
        "image" => {
            let format = value.get("format").and_then(Value::as_str).unwrap_or("png");
            let bytes = value.get("source").and_then(|source| source.get("bytes")?.as_str());
            if let Some(bytes) = bytes {
                first.content(order, Content::image_base64(format!("image/{format}"), bytes));
            }
        }
        // A call of a tool that AWS runs, its result, or a block of an unsupported type: sent back
        // unchanged.
        _ if value.is_object() => {
            let name = match kind {
                "toolUse" => string(&value, "name"),
                _ => value.get("type").and_then(Value::as_str).unwrap_or(kind),
            };
            let name = name.to_owned();
            let id = value.get("toolUseId").and_then(Value::as_str).map(str::to_owned);
            let mut tool = ServerTool::new(name, item(provider, kind, value));
            tool.id = id;
            first.content(order, Content::ServerTool(tool));
        }
        _ => {}
    }
}

/// Adds a piece of a call of one of the program's tools.
fn add_call(first: &mut ChoiceMut<'_>, index: u64, call: &Value, arguments: &str) {
    let (id, name) = (string(call, "toolUseId"), string(call, "name"));
    let piece = CallPiece { index: Some(index), id, name, arguments, ..CallPiece::default() };
    first.call(index, piece);
}

/// Returns whether a call is of one of the program's tools. The tool for structured output is not.
fn is_call_of_program(call: &Value) -> bool {
    !is_server_call(call) && string(call, "name") != OUTPUT_TOOL
}

/// Returns a block as the item that is sent back.
fn item(provider: &'static str, kind: &str, value: Value) -> Replay {
    Replay::new(provider, Map::from_iter([(kind.to_owned(), value)]))
}

/// Returns whether a call is of a tool that AWS runs.
fn is_server_call(call: &Value) -> bool {
    string(call, "type") == "server_tool_use"
}

fn citation(note: &Value) -> Citation {
    let url = note.get("location").and_then(|location| location.get("web")?.get("url")?.as_str());
    let parts = note.get("sourceContent").and_then(Value::as_array);
    let quote: String = parts.into_iter().flatten().map(|part| string(part, "text")).collect();
    let mut citation = url.map_or_else(Citation::default, Citation::from_url);
    citation.title = note.get("title").and_then(Value::as_str).map(str::to_owned);
    citation.quote = (!quote.is_empty()).then_some(quote);
    citation
}

/// Returns a field that is a string, or an empty string.
fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
