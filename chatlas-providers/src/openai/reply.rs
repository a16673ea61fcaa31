//! A reply in the words of the Responses API, whole or event by event. Lenient: what is unknown
//! is passed over.

use chatlas_core::content::{
    Citation, Content, Refusal, Replay, ServerTool, Text, Thinking, ToolRequest,
};
use chatlas_core::{Completion, CompletionEvent, FinishReason, ProviderError, Usage};
use opentelemetry::KeyValue;
use serde_json::Value;

use crate::completions::{OPENAI, arguments, error};
use crate::http::{Decode, malformed};

/// The events of a stream, one after the other.
pub(super) struct Decoder {
    /// Who answers, and may be sent its items back.
    vendor: &'static str,
    /// The items that are whole: some servers leave them out of the last event.
    items: Vec<Value>,
    over: bool,
}

impl Decoder {
    pub(super) fn new(vendor: &'static str) -> Self {
        Self { vendor, items: Vec::new(), over: false }
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
            "response.completed" | "response.incomplete" => self.last(&event["response"])?,
            "response.failed" => return Err(failed(&event["response"])),
            "error" => return Err(error::reported(&event)),
            // Gateways report in a form of their own.
            "" if event["error"].is_object() => return Err(error::reported(&event)),
            _ => Vec::new(),
        })
    }
}

impl Decoder {
    fn item(&mut self, item: &Value) -> Vec<CompletionEvent> {
        self.items.push(item.clone());
        contents_of(item, self.vendor)
            .into_iter()
            .filter(|content| !matches!(content, Content::Text(_) | Content::Thinking(_)))
            .map(CompletionEvent::Content)
            .collect()
    }

    fn last(&mut self, response: &Value) -> Result<Vec<CompletionEvent>, ProviderError> {
        self.over = true;
        let mut completion = completion(response, self.vendor)?;
        if response["output"].as_array().is_none_or(Vec::is_empty) {
            let items = self.items.iter();
            completion.contents = items.flat_map(|item| contents_of(item, self.vendor)).collect();
            completion.finish_reason = Some(finish_reason(response, &completion.contents));
        }
        Ok(vec![CompletionEvent::Usage(completion.usage), CompletionEvent::Done(completion)])
    }
}

/// A whole response of that vendor's.
pub(super) fn completion(
    response: &Value,
    vendor: &'static str,
) -> Result<Completion, ProviderError> {
    if response["status"] == "failed" || response["error"].is_object() {
        return Err(failed(response));
    }
    if !response["output"].is_array() && response["status"].is_null() {
        return Err(malformed("it has neither `output` nor `status`"));
    }
    let items = response["output"].as_array().map(Vec::as_slice).unwrap_or_default();
    let contents: Vec<Content> = items.iter().flat_map(|item| contents_of(item, vendor)).collect();
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
    let replay = || Replay { provider: vendor.to_owned(), item: item.clone() };
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
    ToolRequest {
        // The id that the result has to carry. The item's own is no substitute.
        id: string(item, "call_id").or_else(|| string(item, "id")).unwrap_or_default(),
        name: string(item, "name").unwrap_or_default(),
        arguments: arguments(item["arguments"].as_str().unwrap_or_default()),
        replay: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PROVIDER: &str = "openai";

    fn decoded(events: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
        let mut decoder = Decoder::new(PROVIDER);
        let mut all = Vec::new();
        for event in events {
            all.extend(decoder.event(&event.to_string())?);
        }
        assert!(decoder.is_over());
        Ok(all)
    }

    fn end(status: &str, output: &Value) -> Value {
        json!({"type": format!("response.{status}"), "response": {
            "id": "resp_1", "model": "m-1", "status": status, "output": output, "usage": {
                "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4},
                "output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 2},
            },
        }})
    }

    fn call() -> Value {
        json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add",
            "arguments": "{\"a\":1}"})
    }

    #[test]
    fn each_event_says_what_the_protocol_means() {
        let note = json!({"type": "url_citation", "url": "https://a.example", "title": "A",
            "start_index": 1, "end_index": 4});
        let text = json!({"type": "output_text", "text": "Häßlich", "annotations": [note]});
        let message = json!({"type": "message", "content": [text]});
        let thought = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gA",
            "summary": [{"type": "summary_text", "text": "Hm."}]});
        let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
        let done = |item: &Value| json!({"type": "response.output_item.done", "item": item});
        let events = decoded(&[
            json!({"type": "response.created", "response": {"id": "resp_1", "model": "m-1"}}),
            json!({"type": "response.reasoning_summary_text.delta", "delta": "Hm."}),
            done(&thought),
            done(&search),
            json!({"type": "response.output_text.delta", "delta": "Häß"}),
            json!({"type": "response.output_text.delta", "delta": "lich"}),
            done(&message),
            done(&call()),
            end("completed", &json!([thought, search, message, call()])),
        ])
        .unwrap();
        let replay = |item: &Value| Replay { provider: PROVIDER.to_owned(), item: item.clone() };
        let cited = Content::Citation(Citation {
            url: Some("https://a.example".to_owned()),
            title: Some("A".to_owned()),
            quote: Some("äßl".to_owned()),
        });
        let searched = Content::ServerTool(ServerTool {
            id: Some("ws_1".to_owned()),
            name: "web_search".to_owned(),
            replay: replay(&search),
        });
        let asked = Content::ToolRequest(ToolRequest {
            id: "call_1".to_owned(),
            name: "add".to_owned(),
            arguments: json!({"a": 1}),
            replay: None,
        });
        let thinking =
            Content::Thinking(Thinking { text: "Hm.".to_owned(), replay: Some(replay(&thought)) });
        let usage = Usage {
            input_tokens: Some(10),
            output_tokens: Some(6),
            cache_read_tokens: Some(4),
            reasoning_tokens: Some(2),
            ..Usage::default()
        };
        let completion = Completion {
            contents: vec![
                thinking,
                searched.clone(),
                Content::text("Häßlich"),
                cited.clone(),
                asked.clone(),
            ],
            usage,
            finish_reason: Some(FinishReason::ToolCall),
            response_id: Some("resp_1".to_owned()),
            model: Some("m-1".to_owned()),
            ..Completion::default()
        };
        assert_eq!(
            events,
            [
                CompletionEvent::Started {
                    response_id: Some("resp_1".to_owned()),
                    model: Some("m-1".to_owned()),
                },
                CompletionEvent::Thinking("Hm.".to_owned()),
                CompletionEvent::Content(searched),
                CompletionEvent::Text("Häß".to_owned()),
                CompletionEvent::Text("lich".to_owned()),
                CompletionEvent::Content(cited),
                CompletionEvent::Content(asked),
                CompletionEvent::Usage(usage),
                CompletionEvent::Done(completion),
            ]
        );
    }

    #[test]
    fn items_make_up_for_a_last_event_without_them() {
        let item = json!({"type": "response.output_item.done", "item": call()});
        for output in [json!([]), Value::Null] {
            let events = decoded(&[item.clone(), end("completed", &output)]).unwrap();
            let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
            assert_eq!(done.tool_requests().count(), 1);
            assert_eq!(done.finish_reason, Some(FinishReason::ToolCall));
        }
    }

    #[test]
    fn what_is_unknown_or_out_of_shape_is_passed_over() {
        let strange = [
            json!({"type": "response.of_the_future", "novelty": [1]}),
            json!({"type": 7}),
            json!([1, 2]),
            json!("text"),
            Value::Null,
            json!({"type": "response.output_text.delta"}),
            json!({"type": "response.output_text.delta", "delta": {"text": "x"}}),
            json!({"type": "response.output_item.done"}),
            json!({"type": "response.output_item.done", "item": {"type": "novelty"}}),
        ];
        let note = json!({"type": "url_citation", "start_index": 9, "end_index": 3});
        let output = json!([
            {"type": "novelty"}, null, 3, {"type": "message"},
            {"type": "message", "content": [{"type": "output_audio"}, null,
                {"type": "output_text", "text": "ok", "annotations": [note, {"type": "novelty"}]}]},
        ]);
        let mut events = strange.to_vec();
        events.push(end("completed", &output));
        let events = decoded(&events).unwrap();
        let [CompletionEvent::Usage(_), CompletionEvent::Done(done)] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(done.contents, [Content::text("ok"), Content::Citation(Citation::default())]);
        assert_eq!(done.finish_reason, Some(FinishReason::Stop));
        let mut decoder = Decoder::new(PROVIDER);
        assert_eq!(decoder.event("[DONE]"), Ok(Vec::new()));
        assert!(!decoder.is_over(), "the last event is one that tells the response");
    }

    #[test]
    fn a_reply_that_stopped_says_why() {
        for (status, reason, expected) in [
            ("incomplete", "max_output_tokens", FinishReason::Length),
            ("incomplete", "content_filter", FinishReason::ContentFilter),
            ("incomplete", "boredom", FinishReason::Other("boredom".to_owned())),
            ("cancelled", "", FinishReason::Other("cancelled".to_owned())),
        ] {
            let mut response = end(status, &json!([]))["response"].take();
            if !reason.is_empty() {
                response["incomplete_details"] = json!({"reason": reason});
            }
            assert_eq!(completion(&response, PROVIDER).unwrap().finish_reason, Some(expected));
        }
    }

    #[test]
    fn arguments_that_are_no_json_are_kept_as_they_came() {
        let mut item = call();
        item["arguments"] = "{\"a\": 1".into();
        assert_eq!(function_call(&item).arguments, json!("{\"a\": 1"));
        item["call_id"] = Value::Null;
        assert_eq!(function_call(&item).id, "fc_1");
    }

    #[test]
    fn a_failure_within_a_stream_is_typed() {
        use chatlas_core::ProviderErrorKind as Kind;
        let told = json!({"code": "rate_limit_exceeded", "message": "slow down"});
        for (event, kind, message) in [
            (
                json!({"type": "error", "code": "server_error", "message": "sorry"}),
                Kind::Overloaded,
                "sorry",
            ),
            (json!({"type": "error", "error": told}), Kind::RateLimit, "slow down"),
            (json!({"error": told}), Kind::RateLimit, "slow down"),
            (
                json!({"type": "response.failed", "response": {"error": told}}),
                Kind::RateLimit,
                "slow down",
            ),
            (
                json!({"type": "response.failed"}),
                Kind::Other,
                "the server reported an error without a word",
            ),
        ] {
            let error = Decoder::new(PROVIDER).event(&event.to_string()).unwrap_err();
            assert_eq!((error.kind(), error.message()), (kind, message));
        }
        for data in ["{\"type\": ", "", "<html>"] {
            let error = Decoder::new(PROVIDER).event(data).unwrap_err();
            assert_eq!(error.kind(), Kind::MalformedReply);
        }
        for response in [json!({}), json!({"hello": 1}), json!([]), json!("no")] {
            assert_eq!(completion(&response, PROVIDER).unwrap_err().kind(), Kind::MalformedReply);
        }
    }
}
