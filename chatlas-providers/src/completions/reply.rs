//! Reads a reply of Chat Completions, complete or chunk by chunk. Unknown fields are ignored, since
//! servers of many vendors send them.

use chatlas_core::content::{Citation, Content, Media, Refusal, Replay};
use chatlas_core::telemetry::names;
use chatlas_core::{FinishReason, ProviderError, ProviderErrorKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error;
use super::finish::{finish_reason, is_failure};
use super::parts::{Parts, add_detail, add_thought, citation, image, words};
use super::quirks::ThinkingReplay;
use super::request::EXTRA_CONTENT;
use super::wire::{Audio, Choice, Chunk, Delta, Function, ToolCall, has_elements};
use crate::client::json::{self, Maybe, Mixed, Raw};
use crate::client::{self, CallPiece, ChoiceMut, Frame, Reply, TokenCounts};
use crate::http::one_line;

/// The blocks of a choice, in the order of the final turn.
mod order {
    pub(super) const THINKING: u64 = 0;
    pub(super) const TEXT: u64 = 1;
    pub(super) const TRANSCRIPT: u64 = 2;
    pub(super) const AUDIO: u64 = 3;
    pub(super) const IMAGE: u64 = 4;
    pub(super) const CITATION: u64 = 5;
    pub(super) const REFUSAL: u64 = 6;
    pub(super) const SOURCE: u64 = 7;
    pub(super) const CALL: u64 = 8;
}

/// The decoder of a reply.
#[derive(Debug)]
pub struct Decoder {
    vendor: &'static str,
    is_openai: bool,
    thinking_replay: ThinkingReplay,
    /// The MIME type of the audio that was requested.
    audio_type: Option<String>,
    service_tier: Option<String>,
    fingerprint: Option<String>,
    choices: Vec<State>,
    tokens: TokenCounts,
    /// The sources of the complete reply, with titles or as URLs alone (Perplexity).
    search_results: Option<Box<RawValue>>,
    citations: Option<Box<RawValue>>,
}

/// The parts of a choice that its blocks are made of at the end.
#[derive(Debug, Default)]
struct State {
    finish: Option<String>,
    native_finish: Option<String>,
    refusal: String,
    rare: Box<Rare>,
}

#[derive(Debug, Default)]
struct Rare {
    details: Vec<Value>,
    /// Thinking that came as parts of the content.
    thoughts: Vec<Value>,
    logprobs: Vec<Value>,
    annotations: Vec<Value>,
    images: Vec<Media>,
    audio_id: Option<String>,
    audio: String,
}

impl Decoder {
    pub(super) fn new(
        vendor: &'static str,
        is_openai: bool,
        thinking_replay: ThinkingReplay,
        audio_type: Option<String>,
    ) -> Self {
        Self {
            vendor,
            is_openai,
            thinking_replay,
            audio_type,
            service_tier: None,
            fingerprint: None,
            choices: Vec::new(),
            tokens: TokenCounts::default(),
            search_results: None,
            citations: None,
        }
    }

    /// Adds a chunk, or a complete reply.
    fn add(&mut self, data: &[u8], reply: &mut Reply) -> Result<(), ProviderError> {
        let mut repaired = String::new();
        let read: Maybe<Chunk<'_>> = json::read(data, &mut repaired)?;
        let Some(chunk) = read.0 else { return Ok(()) };
        let is_counted = chunk.add_tokens(&mut self.tokens);
        reply.set_id(chunk.id.as_str());
        reply.set_model(chunk.model.as_str());
        if reply.is_identified() {
            reply.start();
        }
        if chunk.may_be_error()
            && let Some(error) = error::in_reply(&json::tree(data))
        {
            reply.set_usage(self.tokens.usage());
            return Err(error);
        }
        if self.is_openai {
            let (tier, print) = (&chunk.service_tier, &chunk.system_fingerprint);
            self.service_tier = self.service_tier.take().or_else(|| tier.to_owned());
            self.fingerprint = self.fingerprint.take().or_else(|| print.to_owned());
        }
        for (kept, list) in [
            (&mut self.search_results, chunk.search_results),
            (&mut self.citations, chunk.citations),
        ] {
            if has_elements(list) {
                *kept = list.map(ToOwned::to_owned);
            }
        }
        for (position, choice) in chunk.choices.iter().flat_map(|list| &list.0).enumerate() {
            let index = choice.index.0.map(|index| usize::try_from(index).unwrap_or(usize::MAX));
            let index = index.unwrap_or(position);
            let mut target = reply.choice(index)?;
            if self.choices.len() <= index {
                self.choices.resize_with(index + 1, State::default);
            }
            if let Some(state) = self.choices.get_mut(index) {
                state.add(self.vendor, choice, &mut target);
            }
        }
        if self.choices.first().is_some_and(|first| first.finish.is_some()) {
            reply.first().end_calls();
        }
        if is_counted {
            reply.set_usage(self.tokens.usage());
        }
        Ok(())
    }

    /// Makes the last blocks of the reply and ends it.
    fn finish(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        for (key, value) in [
            (names::openai::RESPONSE_SERVICE_TIER, self.service_tier.take()),
            (names::openai::RESPONSE_SYSTEM_FINGERPRINT, self.fingerprint.take()),
        ] {
            if let Some(value) = value {
                reply.set_attribute(key, value);
            }
        }
        let choices = std::mem::take(&mut self.choices);
        if let Some(reason) = choices.first().and_then(State::failure)
            && reply.first().to_contents().is_empty()
        {
            let message = format!("the server ended the reply with `{}`", one_line(reason));
            return Err(
                ProviderError::new(ProviderErrorKind::Overloaded, message).with_code(reason)
            );
        }
        let mut states = choices.into_iter();
        reply.for_each_choice(|mut choice| {
            let state = states.next().unwrap_or_default();
            self.finish_choice(state, &mut choice);
        });
        let mut sources: Vec<Value> = parse_list(self.search_results.as_deref());
        if sources.is_empty() {
            sources = parse_list(self.citations.as_deref());
        }
        for source in &sources {
            reply.first().late_content(order::SOURCE, source_citation(source));
        }
        reply.end();
        Ok(())
    }

    /// Ends a reply whose end is certain, whatever else the server leaves out.
    fn finish_complete(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        for state in &mut self.choices {
            state.finish.get_or_insert_with(|| "stop".to_owned());
        }
        self.finish(reply)
    }

    fn finish_choice(&self, state: State, choice: &mut ChoiceMut<'_>) {
        let is_failed = state.failure().is_some();
        let State { finish, refusal, rare, .. } = state;
        let Rare { details, thoughts, logprobs, annotations, images, audio_id, audio } = *rare;
        let replay = |item: Value| Replay::new(self.vendor, item);
        if choice.thinking_so_far(order::THINKING).is_empty() {
            let detailed: String = details.iter().map(words).collect();
            choice.thinking(order::THINKING, &detailed);
        }
        let thinking = choice.thinking_so_far(order::THINKING);
        if !thinking.is_empty() || !details.is_empty() || !thoughts.is_empty() {
            let item = match self.thinking_replay {
                _ if !thoughts.is_empty() => Some(json!({"content": thoughts})),
                ThinkingReplay::ReasoningContent => Some(json!({"reasoning_content": thinking})),
                ThinkingReplay::ReasoningDetails if !details.is_empty() => {
                    Some(json!({"reasoning_details": details}))
                }
                ThinkingReplay::None | ThinkingReplay::ReasoningDetails => None,
            };
            choice.thinking_mut(order::THINKING).replay = item.map(replay);
        }
        let text = choice.text_so_far(order::TEXT);
        let cited = annotations.iter().filter(|note| note["url_citation"].is_object());
        let cited: Vec<Content> = cited.map(|note| citation(&note["url_citation"], text)).collect();
        if !text.is_empty() && !logprobs.is_empty() {
            choice.text_mut(order::TEXT).logprobs = Some(logprobs.into());
        }
        let has_transcript = !choice.text_so_far(order::TRANSCRIPT).is_empty();
        if let Some(id) = audio_id
            && (has_transcript || !audio.is_empty())
        {
            let item = json!({"audio": {"id": id}});
            choice.text_mut(order::TRANSCRIPT).replay = Some(replay(item));
        }
        if !audio.is_empty() {
            let mime_type = self.audio_type.as_deref().unwrap_or("audio/wav");
            let media = Media::from_base64(mime_type, audio);
            choice.late_content(order::AUDIO, Content::Document(media));
        }
        for image in images {
            choice.late_content(order::IMAGE, Content::Image(image));
        }
        for citation in cited {
            choice.late_content(order::CITATION, citation);
        }
        let is_refused = !refusal.is_empty();
        if is_refused {
            choice.late_content(order::REFUSAL, Content::Refusal(Refusal::new(refusal)));
        }
        if let Some(reason) = finish {
            choice.set_finish(match finish_reason(reason, choice.has_calls(), is_refused) {
                FinishReason::Stop | FinishReason::Other(_) if is_failed => FinishReason::Error,
                reason => reason,
            });
        }
    }
}

impl client::Decoder for Decoder {
    fn complete(&mut self, body: &[u8], reply: &mut Reply) -> Result<(), ProviderError> {
        self.add(body, reply)?;
        if reply.choice_count() == 0 {
            let error = error::in_body(&json::tree(body));
            return Err(error.unwrap_or_else(|| json::unexpected("an object with `choices`", body)));
        }
        self.finish_complete(reply)
    }

    fn event(&mut self, frame: Frame<'_>, reply: &mut Reply) -> Result<(), ProviderError> {
        if frame.is_exception {
            return Err(error::event(frame.data));
        }
        if frame.data.trim_ascii() != b"[DONE]" {
            return self.add(frame.data, reply);
        }
        if self.choices.is_empty() { self.end(reply) } else { self.finish_complete(reply) }
    }

    fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finish.is_some())
    }

    /// The end of the body is that of the reply if the model has finished.
    fn end(&mut self, reply: &mut Reply) -> Result<(), ProviderError> {
        let mut is_cut = self.choices.first().is_none_or(|first| first.finish.is_none());
        let mut states = self.choices.iter();
        reply.for_each_choice(|choice| {
            is_cut |= states.next().is_some_and(|state| {
                state.finish.is_none()
                    && !(choice.is_empty()
                        && state.refusal.is_empty()
                        && state.rare.audio.is_empty())
            });
        });
        if is_cut {
            return Err(ProviderError::new(
                ProviderErrorKind::TruncatedStream,
                "the reply broke off before its end: it has no finish reason",
            ));
        }
        self.finish(reply)
    }
}

impl State {
    fn add(&mut self, vendor: &str, piece: &Choice<'_>, choice: &mut ChoiceMut<'_>) {
        let is_message = piece.delta.0.is_none();
        // The last chunk of some servers repeats the complete message.
        let is_repeated = is_message && !choice.is_empty();
        let empty = Delta::default();
        let delta = piece.delta.0.as_ref().or(piece.message.0.as_deref()).unwrap_or(&empty);
        let parts = match &delta.content {
            Mixed::Other(content) => Parts::of(content),
            Mixed::Text(_) | Mixed::None => Parts::default(),
        };
        let texts = [&*parts.text, delta.content.as_str(), piece.text.as_str()];
        let mut text = first_non_empty(texts);
        let reasoning = match &delta.reasoning {
            Mixed::Other(reasoning) => words(reasoning),
            Mixed::Text(_) | Mixed::None => String::new(),
        };
        let thoughts = [
            &*parts.thinking,
            delta.reasoning_content.as_str(),
            delta.reasoning.as_str(),
            delta.thinking.as_str(),
            &*reasoning,
        ];
        let mut thinking = first_non_empty(thoughts);
        let details = if has_elements(delta.reasoning_details) {
            parse_list(delta.reasoning_details)
        } else {
            Vec::new()
        };
        if is_repeated {
            text = missing(choice.text_so_far(order::TEXT), text);
            thinking = missing(choice.thinking_so_far(order::THINKING), thinking);
        }
        choice.thinking(order::THINKING, thinking);
        choice.text(order::TEXT, text);
        if !is_repeated || self.refusal.is_empty() {
            self.refusal.push_str(&parts.refusal);
            self.refusal.push_str(delta.refusal.as_str());
        }
        if !is_repeated || self.rare.is_empty() {
            let logprobs = piece.logprobs.0.as_ref().and_then(|logprobs| logprobs.content);
            self.add_rare(parts, details, delta, logprobs);
            if let Some(audio) = &delta.audio.0 {
                self.add_audio(audio, choice);
            }
        }
        if !is_repeated || !choice.has_calls() {
            add_calls(vendor, &delta.tool_calls.0, is_message, choice);
            if let Some(function) = &delta.function_call.0 {
                add_call(vendor, &ToolCall::new(Function::clone(function)), false, choice);
            }
        }
        for (kept, reason) in [
            (&mut self.finish, &piece.finish_reason),
            (&mut self.native_finish, &piece.native_finish_reason),
        ] {
            if kept.is_none() {
                *kept = reason.to_owned();
            }
        }
    }

    /// Returns the finish reason if it names a failure of the server.
    fn failure(&self) -> Option<&str> {
        let reasons = [&self.finish, &self.native_finish].into_iter().flatten();
        reasons.map(String::as_str).find(|reason| is_failure(reason))
    }

    fn add_rare(
        &mut self,
        parts: Parts,
        details: Vec<Value>,
        delta: &Delta<'_>,
        logprobs: Raw<'_>,
    ) {
        let rare = &mut self.rare;
        rare.images.extend(parts.images);
        for thought in parts.thoughts {
            add_thought(&mut rare.thoughts, thought);
        }
        for detail in details {
            add_detail(&mut rare.details, detail);
        }
        if has_elements(delta.images) {
            rare.images.extend(parse_list(delta.images).iter().filter_map(image));
        }
        if has_elements(delta.annotations) {
            rare.annotations.extend(parse_list(delta.annotations));
        }
        if has_elements(logprobs) {
            rare.logprobs.extend(parse_list(logprobs));
        }
    }

    fn add_audio(&mut self, audio: &Audio<'_>, choice: &mut ChoiceMut<'_>) {
        let rare = &mut self.rare;
        rare.audio_id = rare.audio_id.take().or_else(|| audio.id.to_owned());
        rare.audio.push_str(audio.data.as_str());
        choice.text(order::TRANSCRIPT, audio.transcript.as_str());
    }
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.details.is_empty()
            && self.thoughts.is_empty()
            && self.logprobs.is_empty()
            && self.annotations.is_empty()
            && self.images.is_empty()
            && self.audio.is_empty()
    }
}

fn add_calls(vendor: &str, calls: &[ToolCall<'_>], is_complete: bool, choice: &mut ChoiceMut<'_>) {
    for (position, call) in calls.iter().enumerate() {
        // Two names in one list are two calls, even if they share the index.
        let is_other = calls.iter().take(position).any(|other| {
            other.index == call.index && !call.name().is_empty() && other.name() != call.name()
        });
        add_call(vendor, call, is_complete || is_other, choice);
    }
}

fn add_call(vendor: &str, call: &ToolCall<'_>, is_complete: bool, choice: &mut ChoiceMut<'_>) {
    let json;
    let (arguments, has_all_arguments) = match call.arguments() {
        Mixed::Text(text) => (&**text, false),
        Mixed::Other(value) => {
            json = value.to_string();
            (json.as_str(), true)
        }
        Mixed::None => ("", false),
    };
    let extra = call.extra_content.map(|_| json::value(call.extra_content));
    let replay = extra.filter(|extra| !extra.is_null());
    let replay = replay.map(|extra| Replay::new(vendor, json!({(EXTRA_CONTENT): extra})));
    choice.call(
        order::CALL,
        CallPiece {
            replay: replay.as_ref(),
            index: call.index.0,
            id: call.id.0.as_str(),
            name: call.name(),
            arguments,
            has_all_arguments,
            is_complete,
        },
    );
}

fn first_non_empty<const N: usize>(texts: [&str; N]) -> &str {
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// Returns the part of a complete text that has not arrived. A text that does not begin with what
/// has arrived is a piece.
fn missing<'t>(arrived: &str, text: &'t str) -> &'t str {
    if text.trim() == arrived.trim() {
        return "";
    }
    text.strip_prefix(arrived).unwrap_or(text)
}

fn parse_list(list: Raw<'_>) -> Vec<Value> {
    json::parse(list).unwrap_or_default()
}

/// A source of the reply: its URL, or the fields that are known.
fn source_citation(source: &Value) -> Content {
    let string = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut citation = Citation::default();
    citation.url = source.as_str().map(str::to_owned).or_else(|| string("url"));
    citation.title = string("title");
    for text in [&mut citation.url, &mut citation.title] {
        *text = text.take().filter(|text| !text.is_empty());
    }
    Content::Citation(citation)
}
