//! A streamed reply in the words of the Messages API, event by event. Lenient: what is unknown is
//! passed over.

use std::collections::BTreeMap;

use chatlas_core::content::Content;
use chatlas_core::{Completion, CompletionEvent, ProviderError};
use serde_json::{Map, Value};

use super::error;
use super::message::{GUARDRAIL, citation, complete, contents, requested, string, usage};
use crate::http::{Decode, malformed};

/// The events of a stream, one after the other.
pub(crate) struct Decoder {
    provider: &'static str,
    /// The message as far as it is known: all but its content.
    message: Map<String, Value>,
    blocks: BTreeMap<u64, Block>,
    over: bool,
}

/// A content block that arrives in pieces.
struct Block {
    value: Value,
    /// The arguments of a call, as they are written.
    input: String,
}

impl Decoder {
    /// For a reply of that provider: its opaque items are its own.
    pub(crate) fn new(provider: &'static str) -> Self {
        Self { provider, message: Map::new(), blocks: BTreeMap::new(), over: false }
    }

    /// What one event says.
    pub(crate) fn value(&mut self, event: &Value) -> Result<Vec<CompletionEvent>, ProviderError> {
        if event[GUARDRAIL] == "INTERVENED" {
            self.message.insert(GUARDRAIL.to_owned(), event[GUARDRAIL].clone());
        }
        Ok(match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.start(&event["message"]),
            "content_block_start" => self.block(event).into_iter().collect(),
            "content_block_delta" => self.delta(event).into_iter().collect(),
            "content_block_stop" => self.stop(event).into_iter().collect(),
            "message_delta" => self.message_delta(event),
            "message_stop" => vec![CompletionEvent::Done(self.last()?.into())],
            "error" => return Err(error::reported(event)),
            // Gateways report in a form of their own.
            "" if event["error"].is_object() => return Err(error::reported(event)),
            // `ping`, and what is to come.
            _ => Vec::new(),
        })
    }

    fn start(&mut self, message: &Value) -> Vec<CompletionEvent> {
        self.message
            .extend(message.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        self.message.remove("content");
        vec![
            CompletionEvent::Started {
                response_id: string(message, "id"),
                model: string(message, "model"),
            },
            CompletionEvent::Usage(usage(&message["usage"])),
        ]
    }

    fn block(&mut self, event: &Value) -> Option<CompletionEvent> {
        let value = event["content_block"].clone();
        let said = |key: &str| string(&value, key).filter(|text| !text.is_empty());
        let event_of_start = match value["type"].as_str().unwrap_or_default() {
            "text" => said("text").map(CompletionEvent::Text),
            "thinking" => said("thinking").map(CompletionEvent::Thinking),
            _ => None,
        };
        self.blocks.insert(index(event), Block { value, input: String::new() });
        event_of_start
    }

    fn delta(&mut self, event: &Value) -> Option<CompletionEvent> {
        let delta = &event["delta"];
        let kind = delta["type"].as_str()?;
        // A server that announces no block says by the delta which one it is.
        let block = self.blocks.entry(index(event)).or_insert_with(|| Block {
            value: serde_json::json!({"type": match kind {
                "thinking_delta" | "signature_delta" => "thinking",
                _ => "text",
            }}),
            input: String::new(),
        });
        match kind {
            "text_delta" => {
                let text = delta["text"].as_str()?;
                append(&mut block.value, "text", text);
                Some(CompletionEvent::Text(text.to_owned()))
            }
            "thinking_delta" => {
                let text = delta["thinking"].as_str()?;
                append(&mut block.value, "thinking", text);
                Some(CompletionEvent::Thinking(text.to_owned()))
            }
            "signature_delta" => {
                append(&mut block.value, "signature", delta["signature"].as_str()?);
                None
            }
            "input_json_delta" => {
                block.input.push_str(delta["partial_json"].as_str()?);
                None
            }
            "compaction_delta" => {
                for key in ["content", "encrypted_content"] {
                    if let Some(text) = delta[key].as_str() {
                        append(&mut block.value, key, text);
                    }
                }
                None
            }
            "citations_delta" => {
                let cited = delta["citation"].clone();
                let content = Content::Citation(citation(&cited));
                match block.value.get_mut("citations").and_then(Value::as_array_mut) {
                    Some(list) => list.push(cited),
                    None => set(&mut block.value, "citations", Value::Array(vec![cited])),
                }
                Some(CompletionEvent::Content(content))
            }
            _ => None,
        }
    }

    fn stop(&mut self, event: &Value) -> Option<CompletionEvent> {
        let block = self.blocks.get_mut(&index(event))?;
        block.finish();
        match block.value["type"].as_str().unwrap_or_default() {
            "tool_use" => {
                return Some(match requested(self.provider, &block.value) {
                    Content::Text(text) => CompletionEvent::Text(text.text),
                    other => CompletionEvent::Content(other),
                });
            }
            // They have been told.
            "text" | "thinking" | "redacted_thinking" => return None,
            // A call of the vendor's is whole with its result.
            kind if kind.ends_with("_tool_use") => return None,
            _ => {}
        }
        let id = block.value["tool_use_id"].clone();
        let call = self.blocks.values().find(|call| !id.is_null() && call.value["id"] == id);
        let result = self.blocks.get(&index(event));
        let both = call.into_iter().chain(result).map(|block| block.value.clone());
        contents(self.provider, both).pop().map(CompletionEvent::Content)
    }

    fn message_delta(&mut self, event: &Value) -> Vec<CompletionEvent> {
        for (key, value) in event["delta"].as_object().into_iter().flatten() {
            self.message.insert(key.clone(), value.clone());
        }
        // What the last count tells holds: with tools of the vendor's own, the first one knows of
        // the first of several requests to the model alone.
        let known = self.message.entry("usage").or_insert(Value::Null);
        if !known.is_object() {
            *known = Map::new().into();
        }
        for (key, value) in event["usage"].as_object().into_iter().flatten() {
            if !value.is_null() {
                set(known, key, value.clone());
            }
        }
        vec![CompletionEvent::Usage(usage(known))]
    }

    fn last(&mut self) -> Result<Completion, ProviderError> {
        if self.message.is_empty() && self.blocks.is_empty() {
            return Err(malformed("it ends before it begins: there was no `message_start`"));
        }
        self.over = true;
        let blocks = std::mem::take(&mut self.blocks).into_values().map(|mut block| {
            block.finish();
            block.value
        });
        Ok(complete(self.provider, &Value::Object(std::mem::take(&mut self.message)), blocks))
    }
}

impl Decode for Decoder {
    fn is_over(&self) -> bool {
        self.over
    }

    fn event(&mut self, data: &str) -> Result<Vec<CompletionEvent>, ProviderError> {
        let event: Value = serde_json::from_str(data)
            .map_err(|error| malformed(&format!("an event is no JSON ({error})")))?;
        self.value(&event)
    }
}

impl Block {
    /// Reads the arguments, where they came in pieces.
    fn finish(&mut self) {
        let raw = std::mem::take(&mut self.input);
        if !raw.trim().is_empty() {
            let input = serde_json::from_str(&raw).unwrap_or(Value::String(raw));
            set(&mut self.value, "input", input);
        }
        // A summary that came to nothing goes back without a text.
        if self.value["type"] == "compaction" && self.value["content"] == "" {
            set(&mut self.value, "content", Value::Null);
        }
    }
}

fn index(event: &Value) -> u64 {
    event["index"].as_u64().unwrap_or_default()
}

/// Sets a field of an object; anything else has none.
fn set(value: &mut Value, key: &str, to: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(key.to_owned(), to);
    }
}

fn append(value: &mut Value, key: &str, more: &str) {
    match value.get_mut(key) {
        Some(Value::String(text)) => text.push_str(more),
        _ => set(value, key, more.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::completion;
    use super::super::request::OUTPUT_TOOL;
    use super::*;
    use chatlas_core::content::{Citation, Replay, ServerTool, Text, Thinking};
    use chatlas_core::{FinishReason, ProviderErrorKind as Kind, Usage};
    use serde_json::json;

    const ME: &str = "anthropic";

    fn decoded(events: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
        let mut decoder = Decoder::new(ME);
        let mut all = Vec::new();
        for event in events {
            all.extend(decoder.event(&event.to_string())?);
        }
        assert!(decoder.is_over());
        Ok(all)
    }

    fn begin(usage: &Value) -> Value {
        json!({"type": "message_start", "message":
            {"id": "msg_1", "model": "claude-1", "content": [], "usage": usage}})
    }

    fn block(index: u64, block: &Value) -> Value {
        json!({"type": "content_block_start", "index": index, "content_block": block})
    }

    fn delta(index: u64, delta: &Value) -> Value {
        json!({"type": "content_block_delta", "index": index, "delta": delta})
    }

    fn stop(index: u64) -> Value {
        json!({"type": "content_block_stop", "index": index})
    }

    fn end(reason: &str, usage: &Value) -> [Value; 2] {
        [
            json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}),
            json!({"type": "message_stop"}),
        ]
    }

    fn done(events: Vec<CompletionEvent>) -> Completion {
        match events.into_iter().last() {
            Some(CompletionEvent::Done(completion)) => completion,
            other => panic!("{other:?}"),
        }
    }

    fn back(item: Value) -> Replay {
        Replay { provider: ME.to_owned(), item }
    }

    #[test]
    fn thoughts_searches_and_sources_come_out_and_go_back_as_they_came() {
        let call =
            json!({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}});
        let found = json!({"type": "web_search_tool_result", "tool_use_id": "s1",
            "content": [{"type": "web_search_result", "url": "https://a.example",
                "encrypted_content": "enc", "page_age": null}]});
        let note = json!({"type": "web_search_result_location", "url": "https://a.example",
            "title": "A", "cited_text": "it is so", "encrypted_index": "e", "file_id": null});
        let mut events = vec![
            begin(&Value::Null),
            json!({"type": "ping"}),
            block(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, &json!({"type": "thinking_delta", "thinking": "Hm"})),
            delta(0, &json!({"type": "thinking_delta", "thinking": "."})),
            delta(0, &json!({"type": "signature_delta", "signature": "sig"})),
            stop(0),
            block(1, &json!({"type": "redacted_thinking", "data": "xyz"})),
            stop(1),
            block(2, &call),
            delta(2, &json!({"type": "input_json_delta", "partial_json": "{\"query\":"})),
            delta(2, &json!({"type": "input_json_delta", "partial_json": " \"a\"}"})),
            stop(2),
            block(3, &found),
            stop(3),
            block(4, &json!({"type": "text", "text": "", "citations": []})),
            delta(4, &json!({"type": "text_delta", "text": "It is "})),
            delta(4, &json!({"type": "citations_delta", "citation": note})),
            delta(4, &json!({"type": "text_delta", "text": "so."})),
            stop(4),
        ];
        events.extend(end("end_turn", &json!({})));
        let events = decoded(&events).unwrap();
        let completion = done(events.clone());
        let mut searched = call.clone();
        searched["input"] = json!({"query": "a"});
        let mut told = found.clone();
        told["content"][0].as_object_mut().unwrap().remove("page_age");
        let mut kept = note.clone();
        kept.as_object_mut().unwrap().remove("file_id");
        let thought = json!({"type": "thinking", "thinking": "Hm.", "signature": "sig"});
        let search = Content::ServerTool(ServerTool {
            id: Some("s1".into()),
            name: "web_search".into(),
            replay: back(json!([searched, told])),
        });
        let source = Content::Citation(Citation {
            url: Some("https://a.example".into()),
            title: Some("A".into()),
            quote: Some("it is so".into()),
        });
        assert_eq!(
            completion.contents,
            [
                Content::Thinking(Thinking { text: "Hm.".into(), replay: Some(back(thought)) }),
                Content::Thinking(Thinking {
                    text: String::new(),
                    replay: Some(back(json!({"type": "redacted_thinking", "data": "xyz"}))),
                }),
                search.clone(),
                Content::Text(Text {
                    text: "It is so.".into(),
                    replay: Some(back(
                        json!({"type": "text", "text": "It is so.", "citations": [kept]}),
                    )),
                    logprobs: None,
                }),
                source.clone(),
            ]
        );
        let told: Vec<&CompletionEvent> =
            events.iter().filter(|e| !matches!(e, CompletionEvent::Usage(_))).collect();
        let text = |text: &str| CompletionEvent::Text(text.to_owned());
        let thought = |text: &str| CompletionEvent::Thinking(text.to_owned());
        assert_eq!(
            told,
            [
                &CompletionEvent::Started {
                    response_id: Some("msg_1".into()),
                    model: Some("claude-1".into()),
                },
                &thought("Hm"),
                &thought("."),
                &CompletionEvent::Content(search),
                &text("It is "),
                &CompletionEvent::Content(source),
                &text("so."),
                &CompletionEvent::Done(completion.clone()),
            ]
        );
    }

    #[test]
    fn of_the_tokens_the_last_count_holds_for_each_field_that_it_tells() {
        let mut events = vec![begin(&json!({"input_tokens": 2247, "output_tokens": 1,
            "cache_read_input_tokens": 7, "cache_creation_input_tokens": 0}))];
        events.extend(end(
            "end_turn",
            &json!({"input_tokens": 19_523, "output_tokens": 9, "cache_read_input_tokens": null,
                "cache_creation_input_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}}),
        ));
        let usage = Usage {
            input_tokens: Some(19_535),
            output_tokens: Some(9),
            cache_read_tokens: Some(7),
            cache_write_tokens: Some(5),
            reasoning_tokens: Some(3),
            ..Usage::default()
        };
        let events = decoded(&events).unwrap();
        assert!(events.contains(&CompletionEvent::Usage(usage)));
        assert_eq!(done(events).usage, usage);
    }

    #[test]
    fn calls_come_out_with_their_arguments_whatever_these_are() {
        let mut events = vec![begin(&Value::Null)];
        for (index, pieces) in
            [vec![], vec!["", "{\"a\"", ": 1}"], vec!["{\"a\": "]].into_iter().enumerate()
        {
            let index = index as u64;
            let id = format!("t{index}");
            let call = json!({"type": "tool_use", "id": id, "name": "look", "input": {}});
            events.push(block(index, &call));
            events.extend(pieces.iter().map(|piece| {
                delta(index, &json!({"type": "input_json_delta", "partial_json": piece}))
            }));
            events.push(stop(index));
        }
        events.extend(end("tool_use", &json!({})));
        let completion = done(decoded(&events).unwrap());
        let arguments: Vec<Value> =
            completion.tool_requests().map(|request| request.arguments.clone()).collect();
        assert_eq!(arguments, [json!({}), json!({"a": 1}), json!("{\"a\": ")]);
        assert_eq!(completion.finish_reason, Some(FinishReason::ToolCall));
        assert_eq!(completion.usage, Usage::default());
    }

    #[test]
    fn the_answer_of_an_older_model_is_text() {
        let call = |input: Value| {
            json!({"type": "tool_use", "id": "t", "name": OUTPUT_TOOL,
            "input": input})
        };
        let message = json!({"type": "message", "stop_reason": "tool_use",
            "content": [call(json!({"data": {"a": 1}})), call(json!({"b": 2}))]});
        let whole = completion(ME, &message).unwrap();
        assert_eq!(whole.text(), "{\"a\":1}{\"b\":2}");
        assert_eq!(whole.finish_reason, Some(FinishReason::Stop));
        let mut events = vec![begin(&Value::Null), block(0, &call(json!({})))];
        let piece = "{\"data\": {\"a\": 1}}";
        events.push(delta(0, &json!({"type": "input_json_delta", "partial_json": piece})));
        events.push(stop(0));
        events.extend(end("tool_use", &json!({})));
        let events = decoded(&events).unwrap();
        assert!(events.contains(&CompletionEvent::Text("{\"a\":1}".into())));
        assert_eq!(done(events).text(), "{\"a\":1}");
    }

    #[test]
    fn what_is_unknown_or_odd_spoils_nothing() {
        let mut events = vec![
            json!({"type": "novelty", "x": [1]}),
            json!([]),
            json!(3),
            begin(&Value::Null),
            block(0, &json!({"type": "novelty"})),
            delta(0, &json!({"type": "novelty_delta", "text": "?"})),
            block(1, &Value::Null),
            delta(1, &json!({"type": "text_delta", "text": "lost"})),
            delta(1, &json!({"type": "citations_delta", "citation": null})),
            delta(2, &json!({"type": "text_delta", "text": "ok"})),
            delta(3, &json!({"type": "signature_delta", "signature": 3})),
            delta(4, &json!({})),
            stop(9),
        ];
        events.extend(end("end_turn", &json!("none")));
        let told = done(decoded(&events).unwrap());
        assert_eq!(told.text(), "ok");
        assert_eq!(told.finish_reason, Some(FinishReason::Stop));
        let odd = json!({"content": [null, 3, {"type": "tool_use"}, {"type": "novelty"}]});
        assert_eq!(completion(ME, &odd).unwrap().contents.len(), 2);
    }

    #[test]
    fn blocks_of_the_vendors_own_come_out_and_go_back_whatever_they_are() {
        let kept = |name: &str, item: Value| {
            let replay = back(item);
            Content::ServerTool(ServerTool { id: None, name: name.to_owned(), replay })
        };
        let upload = json!({"type": "container_upload", "file_id": "f-1"});
        let novelty = json!({"type": "novelty", "text": "not the model's", "x": [1]});
        let mut events = vec![
            begin(&Value::Null),
            block(0, &json!({"type": "compaction", "content": "", "signature": "s"})),
            delta(
                0,
                &json!({"type": "compaction_delta", "content": "So ", "encrypted_content": null}),
            ),
            delta(
                0,
                &json!({"type": "compaction_delta", "content": "far.", "encrypted_content": "e"}),
            ),
            stop(0),
            block(1, &json!({"type": "compaction", "content": ""})),
            delta(1, &json!({"type": "compaction_delta", "content": null})),
            stop(1),
            block(2, &upload),
            stop(2),
            block(3, &novelty),
            stop(3),
        ];
        events.extend(end("end_turn", &json!({})));
        let all = [
            kept(
                "compaction",
                json!({"type": "compaction", "content": "So far.",
                "encrypted_content": "e", "signature": "s"}),
            ),
            kept("compaction", json!({"type": "compaction"})),
            kept("container_upload", upload),
            kept("novelty", novelty),
        ];
        let events = decoded(&events).unwrap();
        let told: Vec<&Content> = events
            .iter()
            .filter_map(|event| match event {
                CompletionEvent::Content(content) => Some(content),
                CompletionEvent::Text(text) => panic!("{text}"),
                _ => None,
            })
            .collect();
        assert_eq!(told, all.iter().collect::<Vec<_>>());
        assert_eq!(done(events).contents, all);
    }

    #[test]
    fn what_a_call_says_of_itself_is_kept_for_the_vendor() {
        let caller = json!({"type": "code_execution_20250825", "tool_id": "s1"});
        let call = json!({"type": "tool_use", "id": "t1", "name": "look", "input": {},
            "caller": caller, "toolset_name": null});
        let mut events = vec![begin(&Value::Null), block(0, &call), stop(0)];
        events.extend(end("tool_use", &json!({})));
        let reply = done(decoded(&events).unwrap());
        let request = reply.tool_requests().next().unwrap();
        let item = json!({"type": "tool_use", "caller": caller});
        assert_eq!(request.replay, Some(back(item)));
    }

    #[test]
    fn a_failure_is_typed() {
        let told = json!({"type": "error", "error":
            {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"});
        let error = Decoder::new(ME).value(&told).unwrap_err();
        assert_eq!((error.kind(), error.request_id()), (Kind::Overloaded, Some("req_1")));
        assert_eq!(completion(ME, &told).unwrap_err(), error);
        let text = json!({"type": "error", "error": "no room"});
        assert_eq!(Decoder::new(ME).value(&text).unwrap_err().message(), "no room");
        let bare = json!({"error": {"type": "rate_limit_error", "message": "slow down"}});
        assert_eq!(Decoder::new(ME).value(&bare).unwrap_err().kind(), Kind::RateLimit);
        for data in ["{\"type\": ", "", "<html>", "{\"type\": \"message_stop\"}"] {
            let error = Decoder::new(ME).event(data).unwrap_err();
            assert_eq!(error.kind(), Kind::MalformedReply, "{data}");
        }
        for message in [json!({}), json!({"hello": 1}), json!([]), json!("no")] {
            assert_eq!(completion(ME, &message).unwrap_err().kind(), Kind::MalformedReply);
        }
    }
}
