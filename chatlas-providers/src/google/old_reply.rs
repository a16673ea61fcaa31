//! A reply in the words of `generateContent`, whole or chunk by chunk. Lenient: what is unknown is
//! passed over.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use chatlas_core::content::{Content, Replay, ServerTool, Text, Thinking, ToolRequest};
use chatlas_core::turn::Alternative;
use chatlas_core::{Completion, CompletionEvent, FinishReason, ProviderError, ProviderErrorKind};
use serde_json::{Map, Value, json};

use super::{INVENTED_ID, error, old_media as media, sources, usage};
use crate::http::{Decode, malformed};

/// The chunks of a reply, one after the other. A reply that comes whole is one chunk.
pub(super) struct Decoder {
    provider: &'static str,
    candidates: BTreeMap<u64, Candidate>,
    usage: Map<String, Value>,
    response_id: Option<String>,
    model: Option<String>,
    /// The calls so far: each has an id of its own.
    calls: usize,
    started: bool,
    over: bool,
}

/// One of the replies among which a program may choose.
#[derive(Default)]
struct Candidate {
    contents: Vec<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
    /// What is told beside the content: where it comes from.
    beside: Map<String, Value>,
}

impl Decode for Decoder {
    fn is_over(&self) -> bool {
        self.over
    }

    fn event(&mut self, data: &str) -> Result<Vec<CompletionEvent>, ProviderError> {
        if data.trim() == "[DONE]" {
            return Ok(Vec::new());
        }
        let chunk: Value = serde_json::from_str(data)
            .map_err(|error| malformed(&format!("an event is no JSON ({error})")))?;
        self.chunk(&chunk)
    }

    /// The reply has no last event: it is whole when each of its candidates says why it ends.
    fn end(&mut self) -> Result<Vec<CompletionEvent>, ProviderError> {
        let unfinished = |candidate: &Candidate| candidate.finish_reason.is_none();
        if self.candidates.is_empty() || self.candidates.values().any(unfinished) {
            return Err(ProviderError::new(
                ProviderErrorKind::TruncatedStream,
                "the reply broke off before its end",
            ));
        }
        self.over = true;
        let completion = self.completion()?;
        let told = |content: &&Content| {
            matches!(content, Content::Citation(_)) || sources::is_told_beside(content)
        };
        let mut events: Vec<CompletionEvent> = completion
            .contents
            .iter()
            .filter(told)
            .cloned()
            .map(CompletionEvent::Content)
            .collect();
        events.push(CompletionEvent::Done(completion.into()));
        Ok(events)
    }
}

impl Decoder {
    pub(super) fn new(provider: &'static str) -> Self {
        Self {
            provider,
            candidates: BTreeMap::new(),
            usage: Map::new(),
            response_id: None,
            model: None,
            calls: 0,
            started: false,
            over: false,
        }
    }

    /// A reply that came as one piece: an object, or a list of chunks.
    pub(super) fn whole(mut self, reply: &Value) -> Result<Completion, ProviderError> {
        let chunks = match reply {
            Value::Array(chunks) => chunks.as_slice(),
            one => std::slice::from_ref(one),
        };
        for chunk in chunks {
            self.chunk(chunk)?;
        }
        if self.candidates.is_empty() {
            return Err(malformed("it has no `candidates`").with_partial(self.partial()));
        }
        self.completion()
    }

    fn chunk(&mut self, chunk: &Value) -> Result<Vec<CompletionEvent>, ProviderError> {
        if let Some(error) = error::reported(chunk) {
            return Err(error);
        }
        let mut events = Vec::new();
        let string = |key: &str| chunk[key].as_str().map(str::to_owned);
        self.response_id = string("responseId").or(self.response_id.take());
        self.model = string("modelVersion").or(self.model.take());
        if !self.started && (self.response_id.is_some() || self.model.is_some()) {
            self.started = true;
            events.push(CompletionEvent::Started {
                response_id: self.response_id.clone(),
                model: self.model.clone(),
            });
        }
        // Before the content: what has been read is paid for, whatever becomes of the rest.
        if let Some(usage) = chunk["usageMetadata"].as_object() {
            self.usage.extend(usage.clone());
            events.push(CompletionEvent::Usage(usage::usage(&self.usage)));
        }
        let feedback = &chunk["promptFeedback"];
        if let Some(reason) = feedback["blockReason"].as_str() {
            return Err(self.blocked(reason, feedback["blockReasonMessage"].as_str()));
        }
        for told in chunk["candidates"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let index = told["index"].as_u64().unwrap_or_default();
            let parts = told["content"]["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
            for part in parts {
                let event = self.part(index, part);
                // The conversation goes on with the first: the others come with the end.
                events.extend(event.filter(|_| index == 0));
            }
            let candidate = self.candidates.entry(index).or_default();
            // Some servers write in every chunk that there is none yet.
            let reason = told["finishReason"]
                .as_str()
                .filter(|reason| !matches!(*reason, "" | "FINISH_REASON_UNSPECIFIED"));
            candidate.finish_reason = reason.map(str::to_owned).or(candidate.finish_reason.take());
            candidate.finish_message = told["finishMessage"]
                .as_str()
                .map(str::to_owned)
                .or(candidate.finish_message.take());
            sources::note(&mut candidate.beside, told);
        }
        Ok(events)
    }

    /// Takes in a part. A part with a signature stays by itself: the signature holds for it alone.
    fn part(&mut self, index: u64, part: &Value) -> Option<CompletionEvent> {
        let signature = part["thoughtSignature"].as_str();
        let replay = |item: Value| Replay { provider: self.provider.to_owned(), item };
        let request = part["functionCall"].as_object().map(|call| {
            self.calls += 1;
            let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
            ToolRequest {
                id: id.map_or_else(|| self.invent_id(), str::to_owned),
                name: call.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                arguments: call
                    .get("args")
                    .filter(|args| !args.is_null())
                    .cloned()
                    .unwrap_or_else(|| json!({})),
                replay: signature.map(|s| replay(json!({"thoughtSignature": s}))),
            }
        });
        let contents = &mut self.candidates.entry(index).or_default().contents;
        let event = |content: &Content| Some(CompletionEvent::Content(content.clone()));
        if let Some(request) = request {
            contents.push(Content::ToolRequest(request));
            return event(contents.last()?);
        }
        if let Some(text) = part["text"].as_str() {
            let is_thought = part["thought"] == true;
            match (signature, contents.last_mut()) {
                // The end of a stream: the signature of what was said, and no more words.
                (Some(signature), _) if text.is_empty() && !is_thought => {
                    let item = json!({"text": "", "thoughtSignature": signature});
                    contents.push(opaque(replay(item)));
                }
                (None, _) if text.is_empty() => {}
                (Some(signature), _) if is_thought => {
                    let item = json!({"thought": true, "thoughtSignature": signature});
                    let replay = Some(replay(item));
                    contents.push(Content::Thinking(Thinking { text: text.to_owned(), replay }));
                }
                (None, Some(Content::Thinking(last))) if is_thought && last.replay.is_none() => {
                    last.text.push_str(text);
                }
                (None, _) if is_thought => {
                    contents
                        .push(Content::Thinking(Thinking { text: text.to_owned(), replay: None }));
                }
                (None, Some(Content::Text(last))) if last.replay.is_none() => {
                    last.text.push_str(text);
                }
                (signature, _) => {
                    let replay = signature.map(|s| replay(json!({"thoughtSignature": s})));
                    contents.push(Content::Text(Text {
                        text: text.to_owned(),
                        replay,
                        ..Text::default()
                    }));
                }
            }
            let more = (!text.is_empty()).then(|| text.to_owned())?;
            let event = if is_thought { CompletionEvent::Thinking } else { CompletionEvent::Text };
            return Some(event(more));
        }
        if let Some((name, id)) = media::server_tool(part) {
            let replay = replay(part.clone());
            contents.push(Content::ServerTool(ServerTool { id, name, replay }));
            return event(contents.last()?);
        }
        // Images that the model makes while it thinks are drafts.
        let made = media::content(part).filter(|_| part["thought"] != true);
        if let Some(signature) = signature {
            contents.push(opaque(replay(match made {
                // Of the part that follows.
                Some(_) => json!({"thoughtSignature": signature}),
                None => json!({"text": "", "thoughtSignature": signature}),
            })));
        }
        contents.push(made?);
        event(contents.last()?)
    }

    /// An id for a call to which the API gave none: the same however the reply is cut, and no
    /// other call's.
    fn invent_id(&self) -> String {
        let reply = self
            .response_id
            .clone()
            .unwrap_or_else(|| format!("{:016x}", RandomState::new().hash_one(self.calls)));
        format!("{INVENTED_ID}{reply}_{}", self.calls)
    }

    /// What there is of a reply that does not become one.
    fn partial(&self) -> Completion {
        Completion {
            usage: usage::usage(&self.usage),
            response_id: self.response_id.clone(),
            model: self.model.clone(),
            partial: true,
            ..Completion::default()
        }
    }

    fn blocked(&self, reason: &str, message: Option<&str>) -> ProviderError {
        let message = match message {
            Some(message) => format!("the prompt was blocked ({reason}): {message}"),
            None => format!("the prompt was blocked ({reason})"),
        };
        let partial =
            Completion { finish_reason: Some(FinishReason::ContentFilter), ..self.partial() };
        ProviderError::new(ProviderErrorKind::ContentFilter, message)
            .with_code(reason)
            .with_partial(partial)
    }

    fn completion(&mut self) -> Result<Completion, ProviderError> {
        let mut choices = std::mem::take(&mut self.candidates).into_values();
        let first = choices.next().unwrap_or_default();
        if let Some(reason) = first.finish_reason.as_deref().filter(|reason| is_failure(reason)) {
            let message = first.finish_message.as_deref().unwrap_or(
                "the model wrote a tool call that cannot be read; asking again may help",
            );
            let partial = Completion {
                contents: first.contents,
                finish_reason: Some(FinishReason::Error),
                ..self.partial()
            };
            return Err(ProviderError::new(ProviderErrorKind::MalformedReply, message)
                .with_code(reason)
                .with_partial(partial));
        }
        let first = self.alternative(first);
        Ok(Completion {
            contents: first.contents,
            finish_reason: first.finish_reason,
            alternatives: choices.map(|choice| self.alternative(choice)).collect(),
            partial: false,
            ..self.partial()
        })
    }

    fn alternative(&self, candidate: Candidate) -> Alternative {
        let mut contents = candidate.contents;
        let finish_reason = candidate.finish_reason.map(|reason| finish_reason(reason, &contents));
        contents.extend(sources::contents(self.provider, candidate.beside));
        Alternative { contents, finish_reason }
    }
}

/// A signature that belongs to no words.
fn opaque(replay: Replay) -> Content {
    Content::Thinking(Thinking { text: String::new(), replay: Some(replay) })
}

/// Whether the reply is none, because the model did not keep to the form of a tool call.
fn is_failure(reason: &str) -> bool {
    matches!(
        reason,
        "MALFORMED_FUNCTION_CALL"
            | "MALFORMED_RESPONSE"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE"
    )
}

fn finish_reason(reason: String, contents: &[Content]) -> FinishReason {
    match reason.as_str() {
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => FinishReason::ContentFilter,
        // Google has no reason of its own for a call.
        _ if contents.iter().any(|content| matches!(content, Content::ToolRequest(_))) => {
            FinishReason::ToolCall
        }
        "STOP" => FinishReason::Stop,
        _ => FinishReason::Other(reason),
    }
}

