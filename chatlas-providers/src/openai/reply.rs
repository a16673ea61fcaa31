//! Reads a reply of the Responses API, complete or event by event. Unknown events are skipped,
//! unknown items are kept for the vendor that sent them.

use std::borrow::Cow;

use chatlas_core::content::{Content, Refusal, Replay, ServerTool, Text, Thinking, ToolRequest};
use chatlas_core::telemetry::names;
use chatlas_core::{Completion, FinishReason, ProviderError, ProviderErrorKind, Usage};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::wire::{Event, Item, Part, Response};
use crate::client::json::{self, Maybe, Mixed, read};
use crate::client::{self, Frame, Reply};
use crate::completions::{error, parts::citation};

/// Reads one reply.
#[derive(Debug)]
pub struct Decoder {
    /// The vendor that answers, and that the items are sent back to.
    vendor: &'static str,
    is_openai: bool,
    has_started: bool,
    outputs: Outputs,
    found: Found,
    calls: Vec<OpenCall>,
    /// The refusal that has arrived in pieces.
    refusal: String,
}

/// A tool call whose arguments arrive in events of their own. Some servers leave them, or the call,
/// out of the items.
#[derive(Debug, Default)]
struct OpenCall {
    index: Option<u64>,
    item_id: String,
    call_id: String,
    name: String,
    arguments: String,
    /// Whether the complete item has arrived.
    is_done: bool,
}

/// The positions of the output items that have arrived.
#[derive(Debug, Default)]
struct Outputs {
    /// The item whose text arrives in pieces: its position, and whether the server sent that.
    open: Option<(u64, bool)>,
    /// The position after the last item.
    end: u64,
}

/// The contents that decide about the finish reason.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    call: bool,
    refusal: bool,
}

impl client::Decoder for Decoder {
    fn complete(&mut self, body: &[u8], reply: &mut Reply) -> Result<(), ProviderError> {
        let mut repaired = String::new();
        let response: Maybe<Response<'_>> = read(body, &mut repaired)?;
        let response = response.0.unwrap_or_default();
        let status = response.status.as_str();
        if matches!(status, "queued" | "in_progress") {
            return Err(ProviderError::new(
                ProviderErrorKind::Unsupported,
                format!(
                    "the response is not complete (`{status}`): request it without `background`"
                ),
            ));
        }
        self.finish(&response, body, reply)
    }

    fn event(&mut self, frame: Frame<'_>, reply: &mut Reply) -> Result<(), ProviderError> {
        let data = frame.data;
        if frame.is_exception {
            return Err(error::event(data));
        }
        if data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let mut repaired = String::new();
        let Maybe(Some(event)) = read::<Maybe<Event<'_>>>(data, &mut repaired)? else {
            return Ok(());
        };
        match event.kind.as_str() {
            "response.output_text.delta" => {
                let order = self.outputs.piece(event.output_index.0, event.delta.as_str());
                reply.first().text(order, event.delta.as_str());
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                let order = self.outputs.piece(event.output_index.0, event.delta.as_str());
                reply.first().thinking(order, event.delta.as_str());
            }
            // Some servers send the complete texts alone.
            "response.output_text.done" => {
                let order = self.outputs.piece(event.output_index.0, event.text.as_str());
                if reply.first().text_so_far(order).is_empty() {
                    reply.first().text(order, event.text.as_str());
                }
            }
            "response.reasoning_summary_text.done" | "response.reasoning_text.done" => {
                let order = self.outputs.piece(event.output_index.0, event.text.as_str());
                if reply.first().thinking_so_far(order).is_empty() {
                    reply.first().thinking(order, event.text.as_str());
                }
            }
            "response.refusal.delta" => self.refusal.push_str(event.delta.as_str()),
            "response.refusal.done" if self.refusal.is_empty() => {
                event.refusal.as_str().clone_into(&mut self.refusal);
            }
            "response.output_item.added" => self.begin_call(&event),
            "response.function_call_arguments.delta" => {
                self.open_call(&event).arguments.push_str(event.delta.as_str());
            }
            "response.function_call_arguments.done" => {
                let arguments = text_of(&event.arguments);
                if !arguments.is_empty() {
                    self.open_call(&event).arguments = arguments.into_owned();
                }
            }
            "response.output_item.done" => {
                let contents = event.item.map(|item| self.contents(item)).unwrap_or_default();
                let order = self.outputs.item(event.output_index.0, &contents);
                reply.first().replace(order, contents);
            }
            // These events repeat the complete request: one of them is read.
            "response.created" | "response.queued" | "response.in_progress"
                if !std::mem::replace(&mut self.has_started, true) =>
            {
                let response: Response<'_> = json::parse(event.response).unwrap_or_default();
                reply.set_id(response.id.as_str());
                reply.set_model(response.model.as_str());
                reply.start();
            }
            "response.completed" | "response.incomplete" => {
                let mut repaired = String::new();
                let body = event.response.map_or("null", RawValue::get).as_bytes();
                let response: Maybe<Response<'_>> = read(body, &mut repaired)?;
                self.finish(&response.0.unwrap_or_default(), body, reply)?;
                reply.end();
            }
            "response.failed" => {
                return Err(failed(&json::parse(event.response).unwrap_or_default()));
            }
            "error" => return Err(error::reported(&json::tree(data))),
            // Gateways report errors in their own form.
            "" => return error::in_reply(&json::tree(data)).map_or(Ok(()), Err),
            _ => {}
        }
        Ok(())
    }
}

impl Decoder {
    pub(super) fn new(vendor: &'static str, is_openai: bool) -> Self {
        Self {
            vendor,
            is_openai,
            has_started: false,
            outputs: Outputs::default(),
            found: Found::default(),
            calls: Vec::new(),
            refusal: String::new(),
        }
    }

    /// Returns the call that an event about arguments, or about an item, belongs to.
    fn open_call(&mut self, event: &Event<'_>) -> &mut OpenCall {
        let (index, id) = (event.output_index.0, event.item_id.as_str());
        let found = self.calls.iter().position(|call| {
            if id.is_empty() || call.item_id.is_empty() {
                call.index == index
            } else {
                call.item_id == id
            }
        });
        let position = found.unwrap_or_else(|| {
            self.calls.push(OpenCall { index, item_id: id.to_owned(), ..OpenCall::default() });
            self.calls.len() - 1
        });
        &mut self.calls[position]
    }

    /// Notes the id and the name of a call whose item begins.
    fn begin_call(&mut self, event: &Event<'_>) {
        let Some(item) = json::parse::<Maybe<Item<'_>>>(event.item).unwrap_or_default().0 else {
            return;
        };
        if item.kind.as_str() != "function_call" {
            return;
        }
        self.calls.push(OpenCall {
            index: event.output_index.0,
            item_id: item.id.as_str().to_owned(),
            call_id: item.call_id.0.as_str().to_owned(),
            name: item.name.as_str().to_owned(),
            arguments: text_of(&item.arguments).into_owned(),
            is_done: false,
        });
    }

    /// Adds the calls and the refusal whose items have not arrived.
    fn add_open(&mut self, reply: &mut Reply) {
        for call in std::mem::take(&mut self.calls) {
            if !call.is_done && !call.name.is_empty() {
                let order = self.outputs.item(call.index, &[]);
                self.found.call = true;
                reply.first().content(order, Content::ToolRequest(call.into_request()));
            }
        }
        let refusal = std::mem::take(&mut self.refusal);
        if !refusal.is_empty() && !self.found.refusal {
            self.found.refusal = true;
            let order = self.outputs.end;
            reply.first().content(order, Content::Refusal(Refusal::new(refusal)));
        }
    }

    /// Reads a response that is complete.
    fn finish(
        &mut self,
        response: &Response<'_>,
        body: &[u8],
        reply: &mut Reply,
    ) -> Result<(), ProviderError> {
        if response.status.as_str() == "failed" || response.error.is_some_and(is_error) {
            return Err(failed(response));
        }
        let items: Option<Vec<&RawValue>> = json::parse(response.output);
        if items.is_none() && response.status.0.is_none() && reply.first().is_empty() {
            let error = error::in_body(&json::tree(body));
            let expected = "an object with `output` and `status`";
            return Err(error.unwrap_or_else(|| json::unexpected(expected, body)));
        }
        // Some servers leave the items, or some of them, out of the last event.
        let items = items.unwrap_or_default();
        let contents: Vec<Content> =
            items.into_iter().flat_map(|item| self.contents(item)).collect();
        self.add_open(reply);
        if !contents.is_empty() {
            reply.first().replace_all(contents);
        }
        reply.set_id(response.id.as_str());
        reply.set_model(response.model.as_str());
        reply.set_usage(usage(response));
        reply.first().set_finish(finish_reason(response, self.found));
        if let Some(tier) = response.service_tier.to_owned().filter(|_| self.is_openai) {
            reply.set_attribute(names::openai::RESPONSE_SERVICE_TIER, tier);
        }
        Ok(())
    }

    /// Returns the request of a call, with the arguments of its events if the item has none.
    fn function_call(&mut self, item: &Item<'_>) -> ToolRequest {
        let (id, call_id) = (item.id.as_str(), item.call_id.0.as_str());
        let open = self.calls.iter_mut().find(|call| {
            (!id.is_empty() && call.item_id == id)
                || (!call_id.is_empty() && call.call_id == call_id)
        });
        let mut arguments = text_of(&item.arguments);
        if let Some(open) = open {
            open.is_done = true;
            if arguments.trim().is_empty() {
                arguments = Cow::Borrowed(&open.arguments);
            }
        }
        // The result carries the id of the call. The id of the item is a last resort.
        let id = if call_id.is_empty() { id } else { call_id };
        ToolRequest::new(id, item.name.as_str(), json::arguments(&arguments))
    }

    /// Returns the contents of an output item.
    fn contents(&mut self, item: &RawValue) -> Vec<Content> {
        let mut repaired = String::new();
        let read = read::<Maybe<Item<'_>>>(item.get().as_bytes(), &mut repaired);
        let Ok(Maybe(Some(read))) = read else { return Vec::new() };
        let replay = |item: Value| Replay::new(self.vendor, item);
        match read.kind.as_str() {
            "message" => {
                // The phase (a comment on the way, or the answer) is required back with the text.
                let phase = read.phase.non_empty().map(|phase| replay(json!({"phase": phase})));
                let mut contents = Vec::with_capacity(read.content.0.len());
                for part in &read.content.0 {
                    self.found.refusal |= part.kind.as_str() == "refusal";
                    add_part(part, phase.as_ref(), &mut contents);
                }
                contents
            }
            // A compaction is the rest of a conversation: for the model alone, like its thinking.
            "reasoning" | "compaction" => {
                let text = joined(&read.summary.0).or_else(|| joined(&read.content.0));
                let thinking = Thinking::new(text.unwrap_or_default());
                vec![Content::Thinking(thinking.with_replay(replay(json::value(Some(item)))))]
            }
            // A call without a name is no call.
            "function_call" if read.name.as_str().trim().is_empty() => Vec::new(),
            "function_call" => {
                self.found.call = true;
                vec![Content::ToolRequest(self.function_call(&read))]
            }
            "" => Vec::new(),
            // Calls of tools that OpenAI runs (`web_search_call`, …), lists of their tools, requests
            // for approval, unknown items: all of them are required back.
            kind => {
                let name = kind.strip_suffix("_call").unwrap_or(kind);
                let mut tool = ServerTool::new(name, replay(json::value(Some(item))));
                tool.id = read.id.to_owned();
                vec![Content::ServerTool(tool)]
            }
        }
    }
}

impl Outputs {
    /// Returns the position of the item that a piece of text belongs to. Some servers do not send
    /// it.
    fn piece(&mut self, index: Option<u64>, piece: &str) -> u64 {
        let open = self.open.map(|(position, _)| position);
        let position = index.or(open).unwrap_or(self.end);
        if !piece.is_empty() {
            self.open = Some((position, index.is_some()));
            self.end = self.end.max(position.saturating_add(1));
        }
        position
    }

    /// Returns the position of a complete item with these contents.
    fn item(&mut self, index: Option<u64>, contents: &[Content]) -> u64 {
        let is_text =
            |content: &Content| matches!(content, Content::Text(_) | Content::Thinking(_));
        let open = self.open.filter(|_| contents.iter().any(is_text));
        let position = match (index, open) {
            (Some(index), Some((_, true)) | None) => index,
            (_, Some((position, _))) => position,
            (None, None) => self.end,
        };
        if self.open.is_some_and(|(open, _)| open == position) {
            self.open = None;
        }
        self.end = self.end.max(position.saturating_add(1));
        position
    }
}

/// Whether the field `error` has one: an object, or the text alone.
fn is_error(raw: &RawValue) -> bool {
    raw.get().starts_with('{') || (raw.get().starts_with('"') && raw.get().len() > 2)
}

/// Returns the error of a response with the status `failed`.
fn failed(response: &Response<'_>) -> ProviderError {
    let error = error::reported(&json::value(response.error));
    let usage = usage(response);
    if usage == Usage::default() {
        return error;
    }
    // The tokens of a failed response are billed.
    let mut partial = Completion::new(Vec::new()).with_usage(usage);
    partial.response_id = response.id.to_owned();
    partial.model = response.model.to_owned();
    partial.partial = true;
    error.with_partial(partial)
}

fn usage(response: &Response<'_>) -> Usage {
    response.usage.0.as_ref().map(|counts| counts.tokens().usage()).unwrap_or_default()
}

fn finish_reason(response: &Response<'_>, found: Found) -> FinishReason {
    let details = response.incomplete_details.0.as_ref();
    match details.and_then(|details| details.reason.0.as_deref()) {
        Some("max_output_tokens") => return FinishReason::Length,
        Some("content_filter") => return FinishReason::ContentFilter,
        Some(other) => return FinishReason::Other(other.to_owned()),
        None => {}
    }
    match response.status.0.as_deref() {
        _ if found.call => FinishReason::ToolCall,
        _ if found.refusal => FinishReason::ContentFilter,
        None | Some("completed") => FinishReason::Stop,
        Some(other) => FinishReason::Other(other.to_owned()),
    }
}

/// Adds the contents of a part of a message.
fn add_part(part: &Part<'_>, replay: Option<&Replay>, contents: &mut Vec<Content>) {
    match part.kind.as_str() {
        "output_text" => {
            let mut text = Text::new(part.text.as_str());
            text.replay = replay.cloned();
            text.logprobs = Some(json::value(part.logprobs)).filter(has_elements);
            let notes = json::value(part.annotations);
            let notes = notes.as_array().into_iter().flatten();
            let is_url =
                |note: &&Value| note.get("type").is_some_and(|kind| kind == "url_citation");
            let cited = notes.filter(is_url).map(|note| citation(note, &text.text));
            let cited: Vec<Content> = cited.collect();
            contents.push(Content::Text(text));
            contents.extend(cited);
        }
        "refusal" => contents.push(Content::Refusal(Refusal::new(part.refusal.as_str()))),
        _ => {}
    }
}

fn has_elements(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty())
}

/// Returns the texts of the parts, if there are any.
fn joined(parts: &[Part<'_>]) -> Option<String> {
    let texts: Vec<&str> = parts.iter().filter_map(|part| part.text.0.as_deref()).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

/// Returns the JSON of arguments.
fn text_of<'a>(arguments: &'a Mixed<'_>) -> Cow<'a, str> {
    match arguments {
        Mixed::None => Cow::Borrowed(""),
        Mixed::Text(text) => Cow::Borrowed(text),
        Mixed::Other(value) => Cow::Owned(value.to_string()),
    }
}

impl OpenCall {
    fn into_request(self) -> ToolRequest {
        let id = if self.call_id.is_empty() { self.item_id } else { self.call_id };
        ToolRequest::new(id, self.name, json::arguments(&self.arguments))
    }
}
