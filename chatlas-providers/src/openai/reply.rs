//! A reply in the words of the Responses API, whole or event by event. Lenient: what is unknown
//! is passed over.

use chatlas_core::content::{
    Citation, Content, Refusal, Replay, ServerTool, Text, Thinking, ToolRequest,
};
use chatlas_core::{
    Completion, CompletionEvent, FinishReason, ProviderError, ProviderErrorKind, Usage,
};
use serde_json::{Value, json};

use super::error;

/// Whose items may be sent back to this API.
pub(super) const PROVIDER: &str = "openai";

/// A reply that is not what the protocol says.
pub(super) fn malformed(why: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::MalformedReply,
        format!("the reply does not follow the Responses API: {why}"),
    )
}

/// The events of a stream, one after the other.
#[derive(Default)]
pub(super) struct Decoder {
    /// The items that are whole: some servers leave them out of the last event.
    items: Vec<Value>,
    over: bool,
}

impl Decoder {
    /// Whether the last event has come.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// What an event says.
    pub(super) fn event(&mut self, data: &str) -> Result<Vec<CompletionEvent>, ProviderError> {
        if data.trim() == "[DONE]" {
            return Ok(Vec::new());
        }
        let event: Value = serde_json::from_str(data)
            .map_err(|error| malformed(&format!("an event is no JSON ({error})")))?;
        let delta = || string(&event, "delta");
        Ok(match event["type"].as_str().unwrap_or_default() {
            "response.created" => vec![CompletionEvent::Started {
                response_id: string(&event["response"], "id"),
                model: string(&event["response"], "model"),
            }],
            "response.output_text.delta" => {
                delta().map(CompletionEvent::Text).into_iter().collect()
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                delta().map(CompletionEvent::Thinking).into_iter().collect()
            }
            "response.output_item.done" => self.item(&event["item"]),
            "response.completed" | "response.incomplete" => self.end(&event["response"])?,
            "response.failed" => return Err(error::failed(&event["response"])),
            "error" => return Err(error::reported(&event)),
            _ => Vec::new(),
        })
    }

    fn item(&mut self, item: &Value) -> Vec<CompletionEvent> {
        self.items.push(item.clone());
        contents_of(item)
            .into_iter()
            .filter(|content| !matches!(content, Content::Text(_) | Content::Thinking(_)))
            .map(CompletionEvent::Content)
            .collect()
    }

    fn end(&mut self, response: &Value) -> Result<Vec<CompletionEvent>, ProviderError> {
        self.over = true;
        let mut completion = completion(response)?;
        if response["output"].as_array().is_none_or(Vec::is_empty) {
            completion.contents = self.items.iter().flat_map(contents_of).collect();
            completion.finish_reason = Some(finish_reason(response, &completion.contents));
        }
        Ok(vec![CompletionEvent::Usage(completion.usage), CompletionEvent::Done(completion)])
    }
}

/// A whole response.
pub(super) fn completion(response: &Value) -> Result<Completion, ProviderError> {
    if response["status"] == "failed" || response["error"].is_object() {
        return Err(error::failed(response));
    }
    if !response["output"].is_array() && response["status"].is_null() {
        return Err(malformed("it has neither `output` nor `status`"));
    }
    let items = response["output"].as_array().map(Vec::as_slice).unwrap_or_default();
    let contents: Vec<Content> = items.iter().flat_map(contents_of).collect();
    Ok(Completion {
        usage: usage(&response["usage"]),
        finish_reason: Some(finish_reason(response, &contents)),
        response_id: string(response, "id"),
        model: string(response, "model"),
        contents,
        partial: false,
    })
}

fn string(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

fn usage(usage: &Value) -> Usage {
    Usage {
        input_tokens: usage["input_tokens"].as_u64(),
        output_tokens: usage["output_tokens"].as_u64(),
        cache_read_tokens: usage["input_tokens_details"]["cached_tokens"].as_u64(),
        cache_write_tokens: usage["input_tokens_details"]["cache_write_tokens"].as_u64(),
        reasoning_tokens: usage["output_tokens_details"]["reasoning_tokens"].as_u64(),
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
fn contents_of(item: &Value) -> Vec<Content> {
    let kind = item["type"].as_str().unwrap_or_default();
    let replay = || Replay { provider: PROVIDER.to_owned(), item: item.clone() };
    match kind {
        "message" => {
            let parts = item["content"].as_array().map(Vec::as_slice).unwrap_or_default();
            parts.iter().flat_map(contents_of_part).collect()
        }
        "reasoning" => {
            let text = thought(&item["summary"]).or_else(|| thought(&item["content"]));
            let text = text.unwrap_or_default();
            vec![Content::Thinking(Thinking { text, replay: Some(replay()) })]
        }
        "function_call" => vec![Content::ToolRequest(function_call(item))],
        // `web_search_call`, `file_search_call`, …: run by OpenAI.
        _ => match kind.strip_suffix("_call") {
            Some(name) => vec![Content::ServerTool(ServerTool {
                id: string(item, "id"),
                name: name.to_owned(),
                replay: replay(),
            })],
            None => Vec::new(),
        },
    }
}

fn contents_of_part(part: &Value) -> Vec<Content> {
    match part["type"].as_str() {
        Some("output_text") => {
            let text = string(part, "text").unwrap_or_default();
            let likely = part["logprobs"].as_array().filter(|list| !list.is_empty());
            let logprobs = likely.map(|list| Value::Array(list.clone()));
            let mut contents =
                vec![Content::Text(Text { text: text.clone(), replay: None, logprobs })];
            let notes = part["annotations"].as_array().map(Vec::as_slice).unwrap_or_default();
            let cited = notes.iter().filter(|note| note["type"] == "url_citation");
            contents.extend(cited.map(|note| Content::Citation(citation(note, &text))));
            contents
        }
        Some("refusal") => {
            vec![Content::Refusal(Refusal { text: string(part, "refusal").unwrap_or_default() })]
        }
        _ => Vec::new(),
    }
}

/// A source, with the words of the answer that it stands for.
fn citation(note: &Value, text: &str) -> Citation {
    let index = |key: &str| note[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let quote = index("start_index").zip(index("end_index")).and_then(|(start, end)| {
        let words: String = text.chars().skip(start).take(end.checked_sub(start)?).collect();
        (!words.is_empty()).then_some(words)
    });
    Citation { url: string(note, "url"), title: string(note, "title"), quote }
}

fn thought(parts: &Value) -> Option<String> {
    let texts: Vec<&str> =
        parts.as_array()?.iter().filter_map(|part| part["text"].as_str()).collect();
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn function_call(item: &Value) -> ToolRequest {
    let raw = item["arguments"].as_str().unwrap_or_default();
    let arguments = serde_json::from_str(raw).unwrap_or_else(|_| Value::String(raw.to_owned()));
    let item_id = string(item, "id");
    ToolRequest {
        // The id that the result has to carry. The item's own is no substitute.
        id: string(item, "call_id").or_else(|| item_id.clone()).unwrap_or_default(),
        name: string(item, "name").unwrap_or_default(),
        arguments,
        replay: item_id.map(|id| Replay { provider: PROVIDER.to_owned(), item: json!({"id": id}) }),
    }
}
