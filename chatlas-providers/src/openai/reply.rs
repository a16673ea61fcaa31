//! A reply in the words of the Responses API, whole or event by event. Lenient: events that are
//! unknown are passed over, items that are unknown are kept for who sent them.

use chatlas_core::content::{Content, Refusal, Replay, ServerTool, Text, Thinking, ToolRequest};
use chatlas_core::{
    Completion, CompletionEvent, FinishReason, ProviderError, ProviderErrorKind, Usage,
};
use opentelemetry::KeyValue;
use serde_json::{Value, json};

use crate::completions::{OPENAI, arguments, citation, count, error, list, string};
use crate::http::{Decode, malformed};

/// The events of a stream, one after the other.
pub(super) struct Decoder {
    /// Who answers, and may be sent its items back.
    vendor: &'static str,
    /// The items that are whole, with their places: some servers leave them out of the last event.
    items: Vec<(Value, u64)>,
    /// The places of the items whose text has come in pieces: some servers send no pieces.
    told: Vec<Value>,
    started: bool,
    over: bool,
}

impl Decoder {
    pub(super) fn new(vendor: &'static str) -> Self {
        Self { vendor, items: Vec::new(), told: Vec::new(), started: false, over: false }
    }
}

impl Decode for Decoder {
    fn is_over(&self) -> bool {
        self.over
    }

    fn event(&mut self, data: &str) -> Result<Vec<CompletionEvent>, ProviderError> {
        if data.trim() == "[DONE]" {
            return Ok(Vec::new());
        }
        let event: Value = serde_json::from_str(data)
            .map_err(|error| malformed(&format!("an event is no JSON ({error})")))?;
        Ok(match event["type"].as_str().unwrap_or_default() {
            "response.created" | "response.queued" | "response.in_progress" => {
                self.start(&event["response"])
            }
            "response.output_text.delta" => self.piece(&event, CompletionEvent::Text),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.piece(&event, CompletionEvent::Thinking)
            }
            "response.output_item.done" => self.item(&event),
            "response.completed" | "response.incomplete" => self.last(&event["response"])?,
            "response.failed" => return Err(failed(&event["response"])),
            "error" => return Err(error::reported(&event)),
            // Gateways report in a form of their own.
            "" => match error::in_reply(&event) {
                Some(error) => return Err(error),
                None => Vec::new(),
            },
            _ => Vec::new(),
        })
    }
}

impl Decoder {
    fn start(&mut self, response: &Value) -> Vec<CompletionEvent> {
        if std::mem::replace(&mut self.started, true) {
            return Vec::new();
        }
        let (response_id, model) = (string(response, "id"), string(response, "model"));
        vec![CompletionEvent::Started { response_id, model }]
    }

    fn piece(&mut self, event: &Value, of: fn(String) -> CompletionEvent) -> Vec<CompletionEvent> {
        let Some(delta) = string(event, "delta") else { return Vec::new() };
        let place = &event["output_index"];
        if !self.told.contains(place) {
            self.told.push(place.clone());
        }
        vec![of(delta)]
    }

    fn item(&mut self, event: &Value) -> Vec<CompletionEvent> {
        let (item, place) = (&event["item"], &event["output_index"]);
        self.items.push((item.clone(), place.as_u64().unwrap_or(u64::MAX)));
        let mut told = self.told.iter();
        let is_told = told.any(|told| told == place || told.is_null() || place.is_null());
        events_of(&contents_of(item, self.vendor), is_told)
    }

    fn last(&mut self, response: &Value) -> Result<Vec<CompletionEvent>, ProviderError> {
        self.over = true;
        let nothing_told = self.items.is_empty() && self.told.is_empty();
        let mut output = list(&response["output"]).to_vec();
        if output.is_empty() {
            self.items.sort_by_key(|(_, place)| *place);
            output = self.items.drain(..).map(|(item, _)| item).collect();
        }
        let completion = read(response, &output, self.vendor)?;
        let mut events = Vec::new();
        if nothing_told {
            events = events_of(&completion.contents, false);
        }
        events.push(CompletionEvent::Usage(completion.usage));
        events.push(CompletionEvent::Done(completion.into()));
        Ok(events)
    }
}

/// The events for contents that came in one piece; for those without text, where that was told.
fn events_of(contents: &[Content], is_told: bool) -> Vec<CompletionEvent> {
    let news = |text: &String| (!is_told && !text.is_empty()).then(|| text.clone());
    let event = |content: &Content| match content {
        Content::Text(text) => news(&text.text).map(CompletionEvent::Text),
        Content::Thinking(thinking) => news(&thinking.text).map(CompletionEvent::Thinking),
        other => Some(CompletionEvent::Content(other.clone())),
    };
    contents.iter().filter_map(event).collect()
}

/// A response of that vendor's which came as one piece.
pub(super) fn completion(
    response: &Value,
    vendor: &'static str,
) -> Result<Completion, ProviderError> {
    let status = response["status"].as_str().unwrap_or_default();
    if matches!(status, "queued" | "in_progress") {
        return Err(ProviderError::new(
            ProviderErrorKind::Unsupported,
            format!(
                "the response is not there yet, its status is `{status}`: ask without `background`"
            ),
        ));
    }
    read(response, list(&response["output"]), vendor)
}

/// A response that has come to its end, with the items that it has.
fn read(
    response: &Value,
    output: &[Value],
    vendor: &'static str,
) -> Result<Completion, ProviderError> {
    if response["status"] == "failed" || response["error"].is_object() {
        return Err(failed(response));
    }
    if output.is_empty() && !response["output"].is_array() && response["status"].is_null() {
        let error = error::in_reply(response);
        return Err(error.unwrap_or_else(|| malformed("it has neither `output` nor `status`")));
    }
    let contents: Vec<Content> = output.iter().flat_map(|item| contents_of(item, vendor)).collect();
    Ok(Completion {
        usage: usage(&response["usage"]),
        finish_reason: Some(finish_reason(response, &contents)),
        response_id: string(response, "id"),
        model: string(response, "model"),
        attributes: attributes(response, vendor),
        contents,
        ..Completion::default()
    })
}

/// A response whose status is `failed`.
fn failed(response: &Value) -> ProviderError {
    let usage = usage(&response["usage"]);
    let error = error::reported(&response["error"]);
    if usage == Usage::default() {
        return error;
    }
    // It has failed, and is paid for.
    error.with_partial(Completion {
        usage,
        response_id: string(response, "id"),
        model: string(response, "model"),
        partial: true,
        ..Completion::default()
    })
}

/// What OpenAI's own conventions tell of a response.
fn attributes(response: &Value, vendor: &str) -> Vec<KeyValue> {
    let tier = string(response, "service_tier").filter(|_| vendor == OPENAI.name);
    tier.map(|tier| KeyValue::new("openai.response.service_tier", tier)).into_iter().collect()
}

fn usage(usage: &Value) -> Usage {
    Usage {
        input_tokens: count(&usage["input_tokens"]),
        output_tokens: count(&usage["output_tokens"]),
        cache_read_tokens: count(&usage["input_tokens_details"]["cached_tokens"]),
        cache_write_tokens: count(&usage["input_tokens_details"]["cache_write_tokens"]),
        reasoning_tokens: count(&usage["output_tokens_details"]["reasoning_tokens"]),
        ..Usage::default()
    }
}

fn finish_reason(response: &Value, contents: &[Content]) -> FinishReason {
    match response["incomplete_details"]["reason"].as_str() {
        Some("max_output_tokens") => return FinishReason::Length,
        Some("content_filter") => return FinishReason::ContentFilter,
        Some(other) => return FinishReason::Other(other.to_owned()),
        None => {}
    }
    let any = |is: fn(&Content) -> bool| contents.iter().any(is);
    if any(|content| matches!(content, Content::ToolRequest(_))) {
        return FinishReason::ToolCall;
    }
    if any(|content| matches!(content, Content::Refusal(_))) {
        return FinishReason::ContentFilter;
    }
    match response["status"].as_str() {
        None | Some("completed") => FinishReason::Stop,
        Some(other) => FinishReason::Other(other.to_owned()),
    }
}

/// What an output item says.
fn contents_of(item: &Value, vendor: &'static str) -> Vec<Content> {
    let kind = item["type"].as_str().unwrap_or_default();
    let replay = |item: Value| Replay { provider: vendor.to_owned(), item };
    match kind {
        "message" => {
            // Whether it is a comment on the way or the answer: wanted back with the text.
            let phase = string(item, "phase").map(|phase| json!({"phase": phase}));
            let replay = phase.map(replay);
            let parts = list(&item["content"]).iter();
            parts.flat_map(|part| contents_of_part(part, replay.as_ref())).collect()
        }
        // What a compaction leaves of a conversation is for the model alone, as a thought is.
        "reasoning" | "compaction" => {
            let text = thought(&item["summary"]).or_else(|| thought(&item["content"]));
            let text = text.unwrap_or_default();
            vec![Content::Thinking(Thinking { text, replay: Some(replay(item.clone())) })]
        }
        "function_call" => vec![Content::ToolRequest(function_call(item))],
        "" => Vec::new(),
        // `web_search_call`, `file_search_call`, …: run by OpenAI. Lists of their tools, questions
        // for leave, what is not known yet: wanted back with the rest.
        _ => vec![Content::ServerTool(ServerTool {
            id: string(item, "id"),
            name: kind.strip_suffix("_call").unwrap_or(kind).to_owned(),
            replay: replay(item.clone()),
        })],
    }
}

fn contents_of_part(part: &Value, replay: Option<&Replay>) -> Vec<Content> {
    match part["type"].as_str() {
        Some("output_text") => {
            let text = string(part, "text").unwrap_or_default();
            let likely = part["logprobs"].as_array().filter(|list| !list.is_empty());
            let logprobs = likely.map(|list| Value::Array(list.clone()));
            let notes = list(&part["annotations"]).iter();
            let cited = notes.filter(|note| note["type"] == "url_citation");
            let cited: Vec<Content> = cited.map(|note| citation(note, &text)).collect();
            let text = Content::Text(Text { text, replay: replay.cloned(), logprobs });
            std::iter::once(text).chain(cited).collect()
        }
        Some("refusal") => {
            vec![Content::Refusal(Refusal { text: string(part, "refusal").unwrap_or_default() })]
        }
        _ => Vec::new(),
    }
}

fn thought(parts: &Value) -> Option<String> {
    let texts: Vec<&str> =
        parts.as_array()?.iter().filter_map(|part| part["text"].as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn function_call(item: &Value) -> ToolRequest {
    ToolRequest {
        // The id that the result has to carry. The item's own is no substitute.
        id: string(item, "call_id").or_else(|| string(item, "id")).unwrap_or_default(),
        name: string(item, "name").unwrap_or_default(),
        arguments: arguments(&item["arguments"]),
        replay: None,
    }
}

