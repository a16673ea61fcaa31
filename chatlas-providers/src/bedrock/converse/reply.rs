//! A reply in the words of the Converse API, whole or event by event. Lenient: what is unknown is
//! passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::content::{Citation, Content, Replay, ServerTool, Thinking, ToolRequest};
use chatlas_core::{Completion, CompletionEvent, FinishReason, ProviderError, Usage};
use serde_json::{Value, json};

use crate::anthropic::request::OUTPUT_TOOL;
use crate::bedrock::PROVIDER;
use crate::bedrock::frames::{Decode, truncated};
use crate::http::malformed;

/// What the API tells beside the reply, or not at all.
#[derive(Clone, Debug)]
pub(in crate::bedrock) struct Known {
    /// The id of the request stands for that of the response: the API has none.
    pub(in crate::bedrock) id: Option<String>,
    /// The model that was asked for: the API does not say which one answered.
    pub(in crate::bedrock) model: Arc<str>,
}

/// The events of a stream, one after the other.
pub(in crate::bedrock) struct Decoder {
    known: Known,
    blocks: BTreeMap<u64, Block>,
    /// Why the model stopped, once it has.
    stopped: Option<String>,
    usage: Usage,
    over: bool,
}

/// A content block that arrives in pieces.
#[derive(Default)]
struct Block {
    text: String,
    citations: Vec<Value>,
    call: Option<Value>,
    input: String,
    /// What a tool of AWS's own gave.
    result: Option<Value>,
    image: Option<Value>,
    thought: Option<String>,
    signature: String,
    redacted: Vec<u8>,
}

impl Decoder {
    pub(in crate::bedrock) fn new(known: Known) -> Self {
        Self { known, blocks: BTreeMap::new(), stopped: None, usage: Usage::default(), over: false }
    }

    fn delta(&mut self, payload: &Value) -> Vec<CompletionEvent> {
        let delta = &payload["delta"];
        let block = self.blocks.entry(index(payload)).or_default();
        let mut events = Vec::new();
        if let Some(text) = delta["text"].as_str() {
            block.text.push_str(text);
            events.push(CompletionEvent::Text(text.to_owned()));
        }
        if let Some(input) = delta["toolUse"]["input"].as_str() {
            block.input.push_str(input);
        }
        if let Some(parts) = delta["toolResult"].as_array()
            && let Some(content) =
                block.result.as_mut().and_then(|told| told["content"].as_array_mut())
        {
            content.extend(parts.iter().cloned());
        }
        if let (Some(image), true) = (&mut block.image, delta["image"]["source"].is_object()) {
            image["source"] = delta["image"]["source"].clone();
        }
        let reasoning = &delta["reasoningContent"];
        if let Some(text) = reasoning["text"].as_str() {
            block.thought.get_or_insert_default().push_str(text);
            events.push(CompletionEvent::Thinking(text.to_owned()));
        }
        if let Some(signature) = reasoning["signature"].as_str() {
            block.signature.push_str(signature);
        }
        if let Some(bytes) = reasoning["redactedContent"].as_str() {
            block.redacted.extend(STANDARD.decode(bytes).unwrap_or_default());
        }
        if delta["citation"].is_object() {
            block.citations.push(delta["citation"].clone());
            events.push(CompletionEvent::Content(Content::Citation(citation(&delta["citation"]))));
        }
        events
    }

    /// What is whole now, and has not been told piece by piece.
    fn block_stop(&self, payload: &Value) -> Vec<CompletionEvent> {
        let whole = self.blocks.get(&index(payload)).map(Block::whole).unwrap_or_default();
        let event = |content| match content {
            Content::Text(text) => CompletionEvent::Text(text.text),
            other => CompletionEvent::Content(other),
        };
        whole.iter().flat_map(contents).map(event).collect()
    }

    fn done(&mut self) -> CompletionEvent {
        self.over = true;
        let blocks: Vec<Value> =
            std::mem::take(&mut self.blocks).into_values().flat_map(Block::values).collect();
        let reason = self.stopped.take();
        CompletionEvent::Done(complete(&self.known, &blocks, reason.as_deref(), self.usage).into())
    }
}

impl Decode for Decoder {
    fn event(
        &mut self,
        kind: &str,
        payload: &Value,
    ) -> Result<Vec<CompletionEvent>, ProviderError> {
        Ok(match kind {
            "messageStart" => vec![CompletionEvent::Started {
                response_id: self.known.id.clone(),
                model: Some(self.known.model.to_string()),
            }],
            "contentBlockStart" => {
                let block = self.blocks.entry(index(payload)).or_default();
                let start =
                    |key: &str| Some(payload["start"][key].clone()).filter(Value::is_object);
                block.call = start("toolUse");
                block.result = start("toolResult").map(|mut result| {
                    result["content"] = json!([]);
                    result
                });
                block.image = start("image");
                Vec::new()
            }
            "contentBlockDelta" => self.delta(payload),
            "contentBlockStop" => self.block_stop(payload),
            "messageStop" => {
                self.stopped = Some(payload["stopReason"].as_str().unwrap_or_default().to_owned());
                Vec::new()
            }
            "metadata" => {
                self.usage = usage(&payload["usage"]);
                let told = CompletionEvent::Usage(self.usage);
                // It comes last; before the end it is the count so far.
                if self.stopped.is_some() { vec![told, self.done()] } else { vec![told] }
            }
            _ => Vec::new(),
        })
    }

    fn is_over(&self) -> bool {
        self.over
    }

    /// A reply that has stopped is whole, even where its tokens were not told after it.
    fn end(&mut self) -> Result<Vec<CompletionEvent>, ProviderError> {
        if self.stopped.is_some() { Ok(vec![self.done()]) } else { Err(truncated()) }
    }
}

impl Block {
    fn call(&self) -> Option<Value> {
        let mut call = self.call.clone()?;
        let input = if self.input.trim().is_empty() {
            call.get("input").cloned().unwrap_or_else(|| json!({}))
        } else {
            let as_written = || Value::String(self.input.clone());
            serde_json::from_str(&self.input).unwrap_or_else(|_| as_written())
        };
        call.as_object_mut()?.insert("input".to_owned(), input);
        Some(call)
    }

    /// The block as one of a whole reply.
    fn values(self) -> Vec<Value> {
        let mut values = Vec::new();
        if let Some(text) = &self.thought {
            let mut told = json!({"text": text});
            if !self.signature.is_empty() {
                told["signature"] = self.signature.as_str().into();
            }
            values.push(json!({"reasoningContent": {"reasoningText": told}}));
        }
        if !self.redacted.is_empty() {
            let bytes = STANDARD.encode(&self.redacted);
            values.push(json!({"reasoningContent": {"redactedContent": bytes}}));
        }
        if !self.citations.is_empty() {
            values.push(json!({"citationsContent":
                {"content": [{"text": self.text}], "citations": self.citations}}));
        } else if !self.text.is_empty() {
            values.push(json!({"text": self.text}));
        }
        values.extend(self.whole());
        values
    }

    /// What of it comes as one, though it may arrive in pieces.
    fn whole(&self) -> Vec<Value> {
        let call = self.call().map(|call| json!({"toolUse": call}));
        let result = self.result.as_ref().map(|result| json!({"toolResult": result}));
        let image = self.image.as_ref().map(|image| json!({"image": image}));
        [call, result, image].into_iter().flatten().collect()
    }
}

/// A whole response.
pub(in crate::bedrock) fn completion(
    known: &Known,
    response: &Value,
) -> Result<Completion, ProviderError> {
    let Some(blocks) = response["output"]["message"]["content"].as_array() else {
        return Err(malformed("it has no `output.message.content`"));
    };
    let reason = response["stopReason"].as_str();
    Ok(complete(known, blocks, reason, usage(&response["usage"])))
}

fn complete(known: &Known, blocks: &[Value], reason: Option<&str>, usage: Usage) -> Completion {
    let contents: Vec<Content> = blocks.iter().flat_map(contents).collect();
    Completion {
        usage,
        finish_reason: Some(finish_reason(reason, &contents)),
        response_id: known.id.clone(),
        model: Some(known.model.to_string()),
        contents,
        ..Completion::default()
    }
}

fn finish_reason(told: Option<&str>, contents: &[Content]) -> FinishReason {
    let asks = contents.iter().any(|content| matches!(content, Content::ToolRequest(_)));
    match told.unwrap_or_default() {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "content_filtered" | "guardrail_intervened" => FinishReason::ContentFilter,
        // The tool may be the one for the output.
        "tool_use" | "" => {
            if asks {
                FinishReason::ToolCall
            } else {
                FinishReason::Stop
            }
        }
        other => FinishReason::Other(other.to_owned()),
    }
}

/// The tokens as
/// [AWS counts them](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html):
/// its `inputTokens` are those that no cache had to do with.
fn usage(told: &Value) -> Usage {
    let count = |key: &str| told[key].as_u64();
    let (read, write) = (count("cacheReadInputTokens"), count("cacheWriteInputTokens"));
    let all = [count("inputTokens"), read, write];
    Usage {
        input_tokens: all.iter().flatten().copied().reduce(u64::saturating_add),
        output_tokens: count("outputTokens"),
        cache_read_tokens: read,
        cache_write_tokens: write,
        ..Usage::default()
    }
}

/// What a block says.
fn contents(block: &Value) -> Vec<Content> {
    let Some((kind, told)) = block.as_object().and_then(|block| block.iter().next()) else {
        return Vec::new();
    };
    let string = |value: &Value| value.as_str().map(str::to_owned);
    let replay = || Replay { provider: PROVIDER.to_owned(), item: block.clone() };
    match kind.as_str() {
        "text" => {
            let text = told.as_str().filter(|text| !text.is_empty());
            text.map(Content::text).into_iter().collect()
        }
        // A tool that AWS runs itself has had its answer, too.
        "toolUse" if told["type"] == "server_tool_use" => vec![Content::ServerTool(ServerTool {
            id: string(&told["toolUseId"]),
            name: string(&told["name"]).unwrap_or_default(),
            replay: replay(),
        })],
        "toolUse" => vec![requested(told)],
        "citationsContent" => {
            let texts = told["content"].as_array().into_iter().flatten();
            let text: String = texts.filter_map(|part| part["text"].as_str()).collect();
            let notes = told["citations"].as_array().into_iter().flatten();
            let notes = notes.map(|note| Content::Citation(citation(note)));
            let text = (!text.is_empty()).then(|| Content::text(text));
            text.into_iter().chain(notes).collect()
        }
        "reasoningContent" => {
            let text = string(&told["reasoningText"]["text"]);
            let signed = string(&told["reasoningText"]["signature"]).is_some_and(|s| !s.is_empty());
            let redacted = told["redactedContent"].is_string();
            if text.is_none() && !redacted {
                return Vec::new();
            }
            // Models that do not sign their thoughts do not want them back.
            let replay = (signed || redacted).then(replay);
            vec![Content::Thinking(Thinking { text: text.unwrap_or_default(), replay })]
        }
        "image" => {
            let format = told["format"].as_str().unwrap_or("png");
            let bytes = told["source"]["bytes"].as_str();
            let image = |data| Content::image_base64(format!("image/{format}"), data);
            bytes.map(image).into_iter().collect()
        }
        // What is to come goes back as it came.
        kind if told.is_object() => vec![Content::ServerTool(ServerTool {
            id: string(&told["toolUseId"]),
            name: string(&told["type"]).unwrap_or_else(|| kind.to_owned()),
            replay: replay(),
        })],
        _ => Vec::new(),
    }
}

/// A call; one of the tool for the output is the answer itself.
fn requested(call: &Value) -> Content {
    let string = |key: &str| call[key].as_str().unwrap_or_default().to_owned();
    let name = string("name");
    if name == OUTPUT_TOOL {
        let answer = call["input"].get("data").unwrap_or(&call["input"]);
        return Content::text(match answer {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
    }
    let arguments = call["input"].clone();
    Content::ToolRequest(ToolRequest { id: string("toolUseId"), name, arguments, replay: None })
}

fn citation(note: &Value) -> Citation {
    let string = |value: &Value| value.as_str().map(str::to_owned);
    let quoted = note["sourceContent"].as_array().into_iter().flatten();
    let quote: String = quoted.filter_map(|part| part["text"].as_str()).collect();
    Citation {
        url: string(&note["location"]["web"]["url"]),
        title: string(&note["title"]),
        quote: (!quote.is_empty()).then_some(quote),
    }
}

fn index(payload: &Value) -> u64 {
    payload["contentBlockIndex"].as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known { id: Some("r-1".into()), model: "a.model".into() }
    }

    fn decoded(events: &[(&str, Value)]) -> (Vec<CompletionEvent>, Decoder) {
        let mut decoder = Decoder::new(known());
        let mut all = Vec::new();
        for (kind, payload) in events {
            all.extend(decoder.event(kind, payload).unwrap());
        }
        (all, decoder)
    }

    fn delta(index: u64, delta: &Value) -> (&'static str, Value) {
        ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}))
    }

    fn stop(index: u64) -> (&'static str, Value) {
        ("contentBlockStop", json!({"contentBlockIndex": index}))
    }

    #[test]
    fn a_stream_is_the_same_as_the_whole_reply() {
        let bytes = STANDARD.encode("secret");
        let note = json!({"title": "A", "location": {"web": {"url": "https://a.example"}},
            "sourceContent": [{"text": "it is "}, {"text": "so"}]});
        let (events, decoder) = decoded(&[
            ("messageStart", json!({"role": "assistant"})),
            delta(0, &json!({"reasoningContent": {"text": "Hm"}})),
            delta(0, &json!({"reasoningContent": {"text": "."}})),
            delta(0, &json!({"reasoningContent": {"signature": "sig"}})),
            stop(0),
            delta(1, &json!({"reasoningContent": {"redactedContent": bytes}})),
            stop(1),
            delta(2, &json!({"text": "It is "})),
            delta(2, &json!({"text": "so."})),
            delta(2, &json!({"novelty": 1})),
            stop(2),
            delta(3, &json!({"text": "Or not."})),
            delta(3, &json!({"citation": note})),
            stop(3),
            (
                "contentBlockStart",
                json!({"contentBlockIndex": 4,
                    "start": {"toolUse": {"toolUseId": "t1", "name": "look"}}}),
            ),
            delta(4, &json!({"toolUse": {"input": "{\"a\""}})),
            delta(4, &json!({"toolUse": {"input": ": 1}"}})),
            stop(4),
            ("novelty", json!({})),
            ("messageStop", json!({"stopReason": "tool_use"})),
            (
                "metadata",
                json!({"usage": {"inputTokens": 3, "outputTokens": 5, "totalTokens": 20,
                    "cacheReadInputTokens": 10, "cacheWriteInputTokens": 2},
                    "metrics": {"latencyMs": 1}}),
            ),
        ]);
        assert!(decoder.is_over());
        let thought = json!({"reasoningText": {"text": "Hm.", "signature": "sig"}});
        let whole = json!({
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": thought},
                {"reasoningContent": {"redactedContent": bytes}},
                {"text": "It is so."},
                {"citationsContent": {"content": [{"text": "Or not."}], "citations": [note]}},
                {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"a": 1}}},
            ]}},
            "stopReason": "tool_use",
            "usage": {"inputTokens": 3, "outputTokens": 5, "cacheReadInputTokens": 10,
                "cacheWriteInputTokens": 2},
        });
        let whole = completion(&known(), &whole).unwrap();
        assert_eq!(events.last(), Some(&CompletionEvent::Done(whole.clone())));
        assert_eq!(whole.text(), "It is so.Or not.");
        assert_eq!(whole.usage.input_tokens, Some(15));
        assert_eq!(whole.finish_reason, Some(FinishReason::ToolCall));
        assert_eq!(whole.response_id.as_deref(), Some("r-1"));
        assert_eq!(whole.model.as_deref(), Some("a.model"));
        let request = whole.tool_requests().next().unwrap().clone();
        assert!(events.contains(&CompletionEvent::Content(Content::ToolRequest(request))));
        let text = |text: &str| CompletionEvent::Text(text.to_owned());
        for event in [text("It is "), text("so."), CompletionEvent::Thinking("Hm".into())] {
            assert!(events.contains(&event), "{event:?}");
        }
        let Content::Thinking(thinking) = &whole.contents[0] else { panic!() };
        let item = json!({"reasoningContent": thought});
        assert_eq!(thinking.replay, Some(Replay { provider: PROVIDER.to_owned(), item }));
        let cited = Citation {
            url: Some("https://a.example".into()),
            title: Some("A".into()),
            quote: Some("it is so".into()),
        };
        assert!(whole.contents.contains(&Content::Citation(cited)));
    }

    #[test]
    fn what_aws_runs_itself_is_no_call_of_the_programs() {
        let call = json!({"toolUseId": "t1", "name": "nova_grounding", "type": "server_tool_use"});
        let result =
            json!({"toolUseId": "t1", "type": "nova_grounding_result", "status": "success"});
        let start = |index: u64, start: Value| {
            ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
        };
        let (events, _) = decoded(&[
            start(0, json!({"toolUse": call})),
            delta(0, &json!({"toolUse": {"input": "{\"q\": 1}"}})),
            stop(0),
            start(1, json!({"toolResult": result})),
            delta(1, &json!({"toolResult": [{"text": "a"}]})),
            delta(1, &json!({"toolResult": [{"json": {}}]})),
            stop(1),
            start(2, json!({"image": {"format": "png"}})),
            delta(2, &json!({"image": {"source": {"bytes": "aGk="}}})),
            stop(2),
            delta(3, &json!({"reasoningContent": {"text": "unsigned"}})),
            stop(3),
            ("messageStop", json!({"stopReason": "end_turn"})),
            ("metadata", json!({"usage": {"inputTokens": 1, "outputTokens": 1}})),
        ]);
        let (mut called, mut gave) = (call, result);
        called["input"] = json!({"q": 1});
        gave["content"] = json!([{"text": "a"}, {"json": {}}]);
        let image = json!({"image": {"format": "png", "source": {"bytes": "aGk="}}});
        let whole = json!({"output": {"message": {"content": [
            {"toolUse": called}, {"toolResult": gave}, image,
            {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
        ]}}, "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1}});
        let whole = completion(&known(), &whole).unwrap();
        assert_eq!(events.last(), Some(&CompletionEvent::Done(whole.clone())));
        let tool = |name: &str, item: Value| {
            let replay = Replay { provider: PROVIDER.to_owned(), item };
            Content::ServerTool(ServerTool { id: Some("t1".into()), name: name.into(), replay })
        };
        let expected = [
            tool("nova_grounding", json!({"toolUse": called})),
            tool("nova_grounding_result", json!({"toolResult": gave})),
            Content::image_base64("image/png", "aGk="),
        ];
        assert_eq!(whole.contents[..3], expected);
        assert_eq!(
            whole.contents[3],
            Content::Thinking(Thinking { text: "unsigned".into(), replay: None })
        );
        assert_eq!(whole.finish_reason, Some(FinishReason::Stop));
        for content in expected {
            assert!(events.contains(&CompletionEvent::Content(content)));
        }
    }

    #[test]
    fn an_end_without_a_count_is_an_end_and_one_without_a_stop_is_none() {
        let (_, mut decoder) = decoded(&[
            delta(0, &json!({"text": "Hi"})),
            ("messageStop", json!({"stopReason": "end_turn"})),
        ]);
        let events = decoder.end().unwrap();
        let [CompletionEvent::Done(done)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((done.text().as_str(), done.usage), ("Hi", Usage::default()));
        assert!(decoder.is_over());
        let (_, mut decoder) = decoded(&[delta(0, &json!({"text": "Hi"}))]);
        let kind = decoder.end().unwrap_err().kind();
        assert_eq!(kind, chatlas_core::ProviderErrorKind::TruncatedStream);
    }

    #[test]
    fn a_reply_that_stopped_says_why() {
        for (reason, expected) in [
            ("end_turn", FinishReason::Stop),
            ("stop_sequence", FinishReason::Stop),
            ("max_tokens", FinishReason::Length),
            ("model_context_window_exceeded", FinishReason::Length),
            ("guardrail_intervened", FinishReason::ContentFilter),
            ("content_filtered", FinishReason::ContentFilter),
            ("malformed_tool_use", FinishReason::Other("malformed_tool_use".to_owned())),
        ] {
            let told = json!({"output": {"message": {"content": []}}, "stopReason": reason});
            assert_eq!(completion(&known(), &told).unwrap().finish_reason, Some(expected));
        }
    }

    #[test]
    fn odd_blocks_spoil_nothing_and_an_answer_by_the_tool_is_text() {
        let told = json!({"output": {"message": {"content": [
            null, 3, {}, {"text": ""}, {"image": {}}, {"reasoningContent": {}},
            {"toolUse": {"toolUseId": "t", "name": OUTPUT_TOOL, "input": {"data": {"a": 1}}}},
        ]}}, "stopReason": "tool_use"});
        let reply = completion(&known(), &told).unwrap();
        assert_eq!(reply.contents, [Content::text("{\"a\":1}")]);
        assert_eq!(reply.finish_reason, Some(FinishReason::Stop));
        for told in [json!({}), json!([]), json!({"output": {}})] {
            let kind = completion(&known(), &told).unwrap_err().kind();
            assert_eq!(kind, chatlas_core::ProviderErrorKind::MalformedReply);
        }
    }
}
