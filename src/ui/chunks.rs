//! Converts the events of an answer into chunks of the UI message stream.

use serde_json::{Value, json};

use crate::content::{Citation, Media, MediaSource, ToolOutcome};
use crate::tool::ToolOutput;
use crate::{Content, FinishReason, Reply, StreamEvent};

/// The state of the stream: which part of the message is open.
#[derive(Default)]
pub(super) struct Chunks {
    open: Option<Part>,
    /// Whether the step of a model call has begun and not ended.
    in_step: bool,
    /// The number of text and reasoning parts so far, for their ids.
    parts: usize,
    sources: usize,
    ended: bool,
}

/// A part that arrives in pieces.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Text,
    Reasoning,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Reasoning => "reasoning",
        }
    }
}

impl Chunks {
    /// Adds the chunks of an event.
    pub(super) fn push(&mut self, event: StreamEvent, out: &mut Vec<Value>) {
        match event {
            StreamEvent::Text(text) => self.piece(Part::Text, &text, out),
            StreamEvent::Thinking(text) => self.piece(Part::Reasoning, &text, out),
            StreamEvent::Content(content) => self.content(&content, out),
            StreamEvent::ToolRequest(request) => {
                self.begin_step(out);
                self.close(out);
                let id = &*request.id;
                out.push(json!({"type": "tool-input-start", "toolCallId": id, "toolName": request.name, "dynamic": true}));
                out.push(json!({
                    "type": "tool-input-available", "toolCallId": id, "toolName": request.name,
                    "input": request.arguments, "dynamic": true,
                }));
            }
            StreamEvent::ToolProgress { id, output, .. } => out.push(json!({
                "type": "tool-output-available", "toolCallId": &*id, "output": output_value(&output),
                "dynamic": true, "preliminary": true,
            })),
            StreamEvent::ToolResult(result) => {
                let id = &*result.id;
                out.push(match &result.outcome {
                    ToolOutcome::Error(message) => json!({
                        "type": "tool-output-error", "toolCallId": id, "errorText": message, "dynamic": true,
                    }),
                    outcome => json!({
                        "type": "tool-output-available", "toolCallId": id, "output": outcome_value(outcome),
                        "dynamic": true,
                    }),
                });
                // The next model call is a step of its own.
                self.end_step(out);
            }
            StreamEvent::Done(reply) => self.finish(&reply, out),
            _ => {}
        }
    }

    /// Returns whether the last chunk was added.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Ends the stream without another chunk.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// Adds the chunks of a failed answer.
    pub(super) fn fail(&mut self, message: &str, out: &mut Vec<Value>) {
        self.ended = true;
        self.close(out);
        out.push(json!({"type": "error", "errorText": message}));
    }

    fn piece(&mut self, part: Part, text: &str, out: &mut Vec<Value>) {
        self.begin_step(out);
        if self.open != Some(part) {
            self.close(out);
            self.parts += 1;
            self.open = Some(part);
            out.push(json!({"type": format!("{}-start", part.name()), "id": self.id()}));
        }
        out.push(json!({"type": format!("{}-delta", part.name()), "id": self.id(), "delta": text}));
    }

    fn id(&self) -> String {
        format!("p{}", self.parts)
    }

    fn close(&mut self, out: &mut Vec<Value>) {
        if let Some(part) = self.open.take() {
            out.push(json!({"type": format!("{}-end", part.name()), "id": self.id()}));
        }
    }

    fn begin_step(&mut self, out: &mut Vec<Value>) {
        if !self.in_step {
            self.in_step = true;
            out.push(json!({"type": "start-step"}));
        }
    }

    fn end_step(&mut self, out: &mut Vec<Value>) {
        self.close(out);
        if self.in_step {
            self.in_step = false;
            out.push(json!({"type": "finish-step"}));
        }
    }

    fn content(&mut self, content: &Content, out: &mut Vec<Value>) {
        match content {
            Content::Citation(Citation { url: Some(url), title, .. }) => {
                self.begin_step(out);
                self.close(out);
                self.sources += 1;
                let mut chunk = json!({
                    "type": "source-url", "sourceId": format!("s{}", self.sources), "url": url,
                });
                if let Some(title) = title {
                    chunk["title"] = json!(title);
                }
                out.push(chunk);
            }
            Content::Image(media) | Content::Document(media) => {
                if let Some((url, mime_type)) = address(media) {
                    self.begin_step(out);
                    self.close(out);
                    out.push(json!({"type": "file", "url": url, "mediaType": mime_type}));
                }
            }
            Content::Refusal(refusal) => self.piece(Part::Text, &refusal.text, out),
            _ => {}
        }
    }

    fn finish(&mut self, reply: &Reply, out: &mut Vec<Value>) {
        self.ended = true;
        self.end_step(out);
        let usage = &reply.usage;
        let metadata = json!({
            "model": reply.turn.model,
            "usage": {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens},
            "rounds": reply.rounds,
            "reply": reply.id,
        });
        let mut chunk = json!({"type": "finish", "messageMetadata": metadata});
        if let Some(reason) = &reply.turn.finish_reason {
            chunk["finishReason"] = json!(finish_reason(reason));
        }
        out.push(chunk);
    }
}

/// Returns the name of a finish reason in the protocol. The client rejects every other name.
fn finish_reason(reason: &FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content-filter",
        FinishReason::ToolCall => "tool-calls",
        FinishReason::Error => "error",
        _ => "other",
    }
}

/// Returns the URL of a medium that a browser can show, with its type.
pub(super) fn address(media: &Media) -> Option<(String, String)> {
    match &media.source {
        MediaSource::Url { url } => {
            let is_web = url.starts_with("https://") || url.starts_with("http://");
            is_web.then(|| (url.clone(), "application/octet-stream".to_owned()))
        }
        MediaSource::Base64 { mime_type, data } => {
            Some((format!("data:{mime_type};base64,{data}"), mime_type.clone()))
        }
        _ => None,
    }
}

fn output_value(output: &ToolOutput) -> Value {
    outcome_value(&ToolOutcome::from(output.clone()))
}

/// Returns the result of a tool as a page shows it.
pub(super) fn outcome_value(outcome: &ToolOutcome) -> Value {
    match outcome {
        ToolOutcome::Value(value) => value.clone(),
        other => Value::String(other.to_model_text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::content::{ToolRequest, ToolResult};

    fn types(events: impl IntoIterator<Item = StreamEvent>) -> Vec<String> {
        let (mut chunks, mut out) = (Chunks::default(), Vec::new());
        for event in events {
            chunks.push(event, &mut out);
        }
        out.iter().map(|chunk| chunk["type"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn each_part_is_opened_once_and_closed() {
        let text = |text: &str| StreamEvent::Text(text.to_owned());
        let events = [StreamEvent::Thinking("Hm".to_owned()), text("Os"), text("lo")];
        assert_eq!(
            types(events),
            [
                "start-step",
                "reasoning-start",
                "reasoning-delta",
                "reasoning-end",
                "text-start",
                "text-delta",
                "text-delta",
            ]
        );
    }

    #[test]
    fn each_model_call_is_a_step() {
        let request = ToolRequest::new("c1", "find", json!({"q": 1}));
        let result = ToolResult::new("c1", "find", ToolOutcome::Value(json!(2)));
        let events = [
            StreamEvent::ToolRequest(request),
            StreamEvent::ToolResult(result),
            StreamEvent::Text("2".to_owned()),
        ];
        assert_eq!(
            types(events),
            [
                "start-step",
                "tool-input-start",
                "tool-input-available",
                "tool-output-available",
                "finish-step",
                "start-step",
                "text-start",
                "text-delta",
            ]
        );
    }

    #[test]
    fn progress_and_errors_of_tools_keep_the_call_id() {
        let (mut chunks, mut out) = (Chunks::default(), Vec::new());
        chunks.push(StreamEvent::ToolRequest(ToolRequest::new("c1", "find", json!({}))), &mut out);
        let id = Arc::<str>::from("c1");
        let progress = StreamEvent::ToolProgress { id, output: ToolOutput::from("50 %") };
        chunks.push(progress, &mut out);
        let failed = ToolResult::new("c1", "find", ToolOutcome::Error("no index".to_owned()));
        chunks.push(StreamEvent::ToolResult(failed), &mut out);
        let ids: Vec<_> = out.iter().filter_map(|chunk| chunk["toolCallId"].as_str()).collect();
        assert_eq!(ids, ["c1"; 4]);
        assert_eq!(out[3]["preliminary"], true);
        assert_eq!(out[3]["output"], "50 %");
        assert_eq!(out[4]["errorText"], "no index");
    }
}
