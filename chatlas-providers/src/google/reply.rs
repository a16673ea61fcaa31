//! Reads a reply of `generateContent`, complete or chunk by chunk.

use std::collections::BTreeMap;

use chatlas_core::content::{
    Content, Media, MediaSource, Replay, ServerTool, Text, Thinking, ToolRequest,
};
use chatlas_core::turn::Modalities;
use chatlas_core::{FinishReason, ProviderError, ProviderErrorKind};
use serde_json::{Value, json};

use super::media::server_tool;
use super::sources::Sources;
use super::wire::{Call, Candidate, Chunk, Part};
use super::{call_id, error};
use crate::client::json::{List, Maybe, read};
use crate::client::{self, ChoiceMut, Frame, Reply, TokenCounts};
use crate::http::malformed;

/// Reads one reply.
pub struct Decoder {
    vendor: &'static str,
    /// By index.
    candidates: BTreeMap<usize, Progress>,
    tokens: TokenCounts,
    cached_by_modality: Modalities,
    /// The number of calls so far.
    calls: usize,
}

impl client::Decoder for Decoder {
    fn complete(&mut self, body: &[u8], reply: &mut Reply) -> Result<(), ProviderError> {
        self.chunks(body, reply)?;
        if self.candidates.is_empty() {
            return Err(malformed("it has no `candidates`").with_partial(reply.to_partial()));
        }
        self.finish(reply)
    }

    fn event(&mut self, frame: Frame<'_>, reply: &mut Reply) -> Result<(), ProviderError> {
        if frame.data.trim_ascii() == b"[DONE]" { Ok(()) } else { self.chunks(frame.data, reply) }
    }

    /// Some servers send a finish reason with each chunk: then it announces nothing.
    fn is_finished(&self) -> bool {
        self.has_finish_reasons() && !self.candidates.values().any(|c| c.repeats_finish_reason)
    }

    /// The protocol has no last event: a reply is complete if each of its candidates has a finish
    /// reason.
    fn end(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        if !self.has_finish_reasons() {
            return Err(client::truncated());
        }
        self.finish(reply)?;
        reply.end();
        Ok(())
    }
}

impl Decoder {
    fn has_finish_reasons(&self) -> bool {
        let has_reason = |candidate: &Progress| candidate.finish_reason.is_some();
        !self.candidates.is_empty() && self.candidates.values().all(has_reason)
    }

    pub(super) fn new(vendor: &'static str) -> Self {
        Self {
            vendor,
            candidates: BTreeMap::new(),
            tokens: TokenCounts::default(),
            cached_by_modality: Modalities::default(),
            calls: 0,
        }
    }

    /// Reads a chunk, or a list of chunks.
    fn chunks(&mut self, data: &[u8], reply: &mut Reply) -> Result<(), ProviderError> {
        let mut repaired = String::new();
        if data.trim_ascii_start().first() == Some(&b'[') {
            let chunks: List<Chunk<'_>> = read(data, &mut repaired)?;
            return chunks.0.into_iter().try_for_each(|chunk| self.chunk(chunk, reply));
        }
        let chunk: Maybe<Chunk<'_>> = read(data, &mut repaired)?;
        chunk.0.map_or(Ok(()), |chunk| self.chunk(chunk, reply))
    }

    fn chunk(&mut self, chunk: Chunk<'_>, reply: &mut Reply) -> Result<(), ProviderError> {
        reply.set_id(chunk.response_id.as_str());
        reply.set_model(chunk.model_version.as_str());
        if reply.is_identified() {
            reply.start();
        }
        // Before the contents and the error: the tokens are billed even if the reply fails.
        if let Some(counts) = &chunk.usage_metadata.0 {
            self.tokens.merge(counts.tokens());
            self.cached_by_modality =
                counts.cached_by_modality().unwrap_or(self.cached_by_modality);
            let mut usage = self.tokens.usage();
            usage.cache_read_by_modality = self.cached_by_modality;
            reply.set_usage(usage);
        }
        if let Some(error) = chunk.error.and_then(error::reported) {
            let has_counts = self.tokens != TokenCounts::default();
            return Err(if has_counts { error.with_partial(reply.to_partial()) } else { error });
        }
        if let Some(feedback) = &chunk.prompt_feedback.0
            && let Some(reason) = feedback.block_reason.non_empty()
            && !reason.ends_with("_UNSPECIFIED")
        {
            return Err(blocked(reason, feedback.block_reason_message.0.as_deref(), reply));
        }
        chunk.candidates.0.into_iter().try_for_each(|candidate| self.candidate(candidate, reply))
    }

    fn candidate(&mut self, read: Candidate<'_>, reply: &mut Reply) -> Result<(), ProviderError> {
        let index = usize::try_from(read.index.0.unwrap_or_default()).unwrap_or(usize::MAX);
        let progress = self.candidates.entry(index).or_default();
        progress.update(&read);
        for part in read.content.0.map(|content| content.parts.0).unwrap_or_default() {
            let call = part.function_call.0.as_ref();
            let call = call.filter(|call| call.name.non_empty().is_some()).map(|call| {
                self.calls += 1;
                let id = call.id.to_owned();
                id.unwrap_or_else(|| call_id::invent(reply.id(), self.calls))
            });
            progress.add(part, call, self.vendor, &mut reply.choice(index)?);
        }
        // A candidate without parts is a choice as well.
        reply.choice(index).map(drop)
    }

    /// Completes the choices of a reply that has ended.
    fn finish(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        let mut candidates = std::mem::take(&mut self.candidates);
        for (index, progress) in &mut candidates {
            progress.end_call(&mut reply.choice(*index)?);
        }
        if let Some((index, first)) = candidates.first_key_value()
            && let Some(reason) = first.finish_reason.as_deref().filter(|reason| is_failure(reason))
        {
            let mut partial = reply.to_partial();
            partial.contents = reply.choice(*index)?.to_contents();
            partial.finish_reason = Some(FinishReason::Error);
            let message = first.finish_message.as_deref().unwrap_or(
                "the model wrote a tool call that cannot be read; another attempt may succeed",
            );
            let error = ProviderError::new(ProviderErrorKind::MalformedReply, message);
            return Err(error.with_code(reason).with_partial(partial));
        }
        for (index, progress) in candidates {
            let mut choice = reply.choice(index)?;
            if let Some(reason) = progress.finish_reason {
                choice.set_finish(finish_reason(reason, choice.has_calls()));
            }
            for content in progress.sources.into_contents(self.vendor) {
                choice.late_content(progress.order + 1, content);
            }
        }
        Ok(())
    }
}

/// The state of a candidate, apart from its contents.
#[derive(Default)]
struct Progress {
    /// The order of the current block.
    order: u64,
    /// The kind of text that the current block may continue with. A block with a signature is
    /// complete: the signature is valid for its text alone.
    open: Option<TextKind>,
    /// The last call with its order, while the next part may continue its arguments.
    call: Option<(u64, ToolRequest)>,
    finish_reason: Option<String>,
    repeats_finish_reason: bool,
    finish_message: Option<String>,
    sources: Sources,
}

#[derive(Clone, Copy, PartialEq)]
enum TextKind {
    Answer,
    Thought,
}

impl Progress {
    fn update(&mut self, read: &Candidate<'_>) {
        self.sources.update(read);
        // Some servers send an empty reason with each chunk.
        let reason = read.finish_reason.as_str().to_ascii_uppercase();
        let reason = reason.strip_prefix("FINISH_REASON_").unwrap_or(&reason);
        if !matches!(reason, "" | "UNSPECIFIED") {
            self.repeats_finish_reason |= self.finish_reason.is_some();
            self.finish_reason = Some(reason.to_owned());
        }
        if let Some(message) = &read.finish_message.0 {
            self.finish_message = Some(message.to_string());
        }
    }

    /// Adds a part to a choice. `call` is the id of the call, if the part begins one.
    fn add(
        &mut self,
        mut part: Part<'_>,
        call: Option<String>,
        vendor: &str,
        choice: &mut ChoiceMut<'_>,
    ) {
        let is_thought = part.thought.0 == Some(true);
        let signature = part.signature.0.as_deref();
        let replay = |mut item: Value| {
            let signature = signature?;
            item.as_object_mut()?.insert("thoughtSignature".to_owned(), signature.into());
            Some(Replay::new(vendor, item))
        };
        if let Some(piece) = part.function_call.0.take() {
            let Call { name, args, .. } = *piece;
            match call {
                Some(id) => {
                    self.end_call(choice);
                    let mut request = ToolRequest::new(id, name.as_str(), arguments(args));
                    request.replay = replay(json!({}));
                    self.call = Some((self.next_order(), request));
                }
                None => self.continue_call(args, replay(json!({}))),
            }
            return;
        }
        if part.text.0.as_deref() == Some("") && signature.is_none() {
            return;
        }
        self.end_call(choice);
        if let Some(text) = &part.text.0 {
            match (signature, is_thought) {
                (None, true) => choice.thinking(self.order_of(TextKind::Thought, text), text),
                (None, false) => choice.text(self.order_of(TextKind::Answer, text), text),
                (Some(_), true) => {
                    let mut thinking = Thinking::new(text.as_ref());
                    thinking.replay = replay(json!({"thought": true}));
                    choice.content(self.next_order(), Content::Thinking(thinking));
                }
                // The end of a stream: the signature of the text before.
                (Some(_), false) if text.is_empty() => {
                    self.add_signature(replay(json!({"text": ""})), choice);
                }
                (Some(_), false) => {
                    let mut text = Text::new(text.as_ref());
                    text.replay = replay(json!({}));
                    choice.content(self.next_order(), Content::Text(text));
                }
            }
        } else if let Some((name, id)) = server_tool(&part.rest) {
            let mut item = part.rest;
            item.extend(signature.map(|text| ("thoughtSignature".to_owned(), text.into())));
            item.extend(part.thought.0.map(|thought| ("thought".to_owned(), thought.into())));
            let mut tool = ServerTool::new(name, Replay::new(vendor, item));
            tool.id = id;
            choice.content(self.next_order(), Content::ServerTool(tool));
        } else {
            // An image that the model makes while it thinks is a draft.
            let medium = if is_thought { None } else { medium(&part) };
            // The signature of a medium is a content before it.
            let item = if medium.is_some() { json!({}) } else { json!({"text": ""}) };
            self.add_signature(replay(item), choice);
            if let Some(medium) = medium {
                choice.content(self.next_order(), medium);
            }
        }
    }

    /// Adds a piece of a call, which has no name, to the call before it. Without one, there is
    /// nothing that the program could run.
    fn continue_call(&mut self, args: Value, replay: Option<Replay>) {
        let Some((_, call)) = &mut self.call else { return };
        match (&mut call.arguments, arguments(args)) {
            (Value::Object(arguments), Value::Object(more)) => arguments.extend(more),
            (arguments, more) => *arguments = more,
        }
        call.replay = call.replay.take().or(replay);
    }

    /// Adds the last call to the choice. Nothing can continue it any more.
    fn end_call(&mut self, choice: &mut ChoiceMut<'_>) {
        if let Some((order, call)) = self.call.take() {
            choice.content(order, Content::ToolRequest(call));
        }
    }

    /// Adds a signature that belongs to no text.
    fn add_signature(&mut self, replay: Option<Replay>, choice: &mut ChoiceMut<'_>) {
        if let Some(replay) = replay {
            let thinking = Thinking::default().with_replay(replay);
            choice.late_content(self.next_order(), Content::Thinking(thinking));
        }
    }

    /// Returns the order of a new block.
    fn next_order(&mut self) -> u64 {
        self.open = None;
        self.order += 1;
        self.order
    }

    /// Returns the order of the block that the text continues or begins.
    fn order_of(&mut self, kind: TextKind, text: &str) -> u64 {
        if self.open != Some(kind) && !text.is_empty() {
            self.next_order();
            self.open = Some(kind);
        }
        self.order
    }
}

/// Returns the arguments of a call. Some gateways send the text of their JSON.
fn arguments(args: Value) -> Value {
    match args {
        Value::Null => json!({}),
        Value::String(text) => client::json::arguments(&text),
        args => args,
    }
}

/// Returns an image or a document that the model made.
fn medium(part: &Part<'_>) -> Option<Content> {
    let (source, mime_type) = if let Some(inline) = &part.inline_data.0 {
        let mime_type = inline.mime_type.0.as_deref().unwrap_or("application/octet-stream");
        let data = inline.data.0.as_deref()?.to_owned();
        (MediaSource::Base64 { mime_type: mime_type.to_owned(), data }, mime_type)
    } else {
        let file = part.file_data.0.as_ref()?;
        let mime_type = file.mime_type.0.as_deref();
        let id = file.file_uri.0.as_deref()?.to_owned();
        let source = MediaSource::File { id, mime_type: mime_type.map(str::to_owned) };
        (source, mime_type.unwrap_or_default())
    };
    let media = Media::new(source);
    let is_image = mime_type.starts_with("image/");
    Some(if is_image { Content::Image(media) } else { Content::Document(media) })
}

/// Returns the error of a prompt that a filter blocked.
fn blocked(reason: &str, message: Option<&str>, reply: &Reply) -> ProviderError {
    let message = match message {
        Some(message) => format!("the prompt was blocked ({reason}): {message}"),
        None => format!("the prompt was blocked ({reason})"),
    };
    let mut partial = reply.to_partial();
    partial.finish_reason = Some(FinishReason::ContentFilter);
    ProviderError::new(ProviderErrorKind::ContentFilter, message)
        .with_code(reason)
        .with_partial(partial)
}

/// Returns whether the reply is unusable, because the model wrote an invalid tool call.
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

fn finish_reason(reason: String, has_calls: bool) -> FinishReason {
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
        // Google has no reason for tool calls.
        _ if has_calls => FinishReason::ToolCall,
        "STOP" => FinishReason::Stop,
        _ => FinishReason::Other(reason),
    }
}
