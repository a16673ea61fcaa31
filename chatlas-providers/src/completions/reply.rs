//! A reply in the words of Chat Completions, whole or chunk by chunk. Lenient: servers of many
//! makers speak it, and what is unknown is passed over.

use chatlas_core::content::{Citation, Content};
use chatlas_core::{Completion, CompletionEvent, ProviderError, ProviderErrorKind, Usage};
use opentelemetry::KeyValue;
use serde_json::Value;

use super::choice::{Choice, Said, list, string};
use super::quirks::Replays;
use super::{error, usage};
use crate::http::{Decode, malformed};

/// How a reply is to be read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) vendor: &'static str,
    pub(super) is_openai: bool,
    pub(super) replays: Replays,
    /// The MIME type of the sound that was asked for.
    pub(super) sound: Option<String>,
}

impl Reading {
    /// A whole reply.
    pub(super) fn completion(&self, told: &Value) -> Result<Completion, ProviderError> {
        let mut reply = Reply::default();
        reply.add(told)?;
        if reply.choices.is_empty() {
            return Err(malformed("it has no `choices`"));
        }
        for choice in &mut reply.choices {
            // It is whole, whatever else a server leaves out.
            choice.finish.get_or_insert_with(|| "stop".to_owned());
        }
        Ok(reply.completion(self))
    }
}

/// The chunks of a stream, one after the other.
pub(super) struct Decoder {
    reading: Reading,
    reply: Reply,
    started: bool,
    /// Whether the tool calls have been handed on.
    asked: bool,
    over: bool,
}

impl Decoder {
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading, reply: Reply::default(), started: false, asked: false, over: false }
    }

    /// The end of the stream, which is that of the reply if the model had come to one.
    fn last(&mut self) -> Result<Vec<CompletionEvent>, ProviderError> {
        let choices = &self.reply.choices;
        if choices.first().is_none_or(|choice| choice.finish.is_none())
            || choices.iter().any(Choice::is_broken_off)
        {
            return Err(ProviderError::new(
                ProviderErrorKind::TruncatedStream,
                "the reply broke off before its end: no reason to finish was told",
            ));
        }
        self.over = true;
        let completion = std::mem::take(&mut self.reply).completion(&self.reading);
        let rest = completion.contents.iter().filter(|content| {
            let told = matches!(content, Content::ToolRequest(_)) && self.asked;
            !told && !matches!(content, Content::Text(_) | Content::Thinking(_))
        });
        let mut events: Vec<_> = rest.cloned().map(CompletionEvent::Content).collect();
        events.push(CompletionEvent::Done(completion.into()));
        Ok(events)
    }
}

impl Decode for Decoder {
    fn is_over(&self) -> bool {
        self.over
    }

    fn event(&mut self, data: &str) -> Result<Vec<CompletionEvent>, ProviderError> {
        let data = data.trim();
        if data == "[DONE]" {
            return self.last();
        }
        let chunk: Value = serde_json::from_str(data)
            .map_err(|error| malformed(&format!("an event is no JSON ({error})")))?;
        let told = self.reply.usage;
        let said = self.reply.add(&chunk)?;
        let mut events = Vec::new();
        if !self.started && (self.reply.id.is_some() || self.reply.model.is_some()) {
            self.started = true;
            events.push(CompletionEvent::Started {
                response_id: self.reply.id.clone(),
                model: self.reply.model.clone(),
            });
        }
        events.extend(said.thinking.map(CompletionEvent::Thinking));
        events.extend(said.text.map(CompletionEvent::Text));
        if !self.asked
            && let Some(choice) = self.reply.choices.first_mut()
            && choice.finish.is_some()
        {
            let asked = choice.asked();
            self.asked = !asked.is_empty();
            events.extend(asked.into_iter().map(CompletionEvent::Content));
        }
        if self.reply.usage != told {
            events.push(CompletionEvent::Usage(self.reply.usage));
        }
        Ok(events)
    }

    fn end(&mut self) -> Result<Vec<CompletionEvent>, ProviderError> {
        self.last()
    }
}

/// What has been told so far.
#[derive(Default)]
struct Reply {
    id: Option<String>,
    model: Option<String>,
    service_tier: Option<String>,
    fingerprint: Option<String>,
    usage: Usage,
    choices: Vec<Choice>,
    /// Sources of the whole reply, as Perplexity names them: with titles, or addresses alone.
    search_results: Vec<Value>,
    citations: Vec<Value>,
}

impl Reply {
    /// Adds a chunk, or a whole reply.
    fn add(&mut self, chunk: &Value) -> Result<Said, ProviderError> {
        if let Some(error) = error::in_reply(chunk) {
            return Err(error);
        }
        let keep = |known: &mut Option<String>, key: &str| {
            if known.is_none() {
                *known = string(chunk, key);
            }
        };
        keep(&mut self.id, "id");
        keep(&mut self.model, "model");
        keep(&mut self.service_tier, "service_tier");
        keep(&mut self.fingerprint, "system_fingerprint");
        // Groq has told them in a place of its own.
        for told in [&chunk["x_groq"]["usage"], &chunk["usage"]] {
            usage::update(&mut self.usage, usage::usage(told));
        }
        for (list, key) in
            [(&mut self.search_results, "search_results"), (&mut self.citations, "citations")]
        {
            // Each chunk tells all of them.
            if let Some(told) = chunk[key].as_array().filter(|told| !told.is_empty()) {
                list.clone_from(told);
            }
        }
        let mut said = Said::default();
        for (place, told) in list(&chunk["choices"]).iter().enumerate() {
            let index = told["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let index = index.unwrap_or(place);
            if index >= MOST_CHOICES {
                return Err(malformed("it has more choices than can have been asked for"));
            }
            if self.choices.len() <= index {
                self.choices.resize_with(index + 1, Choice::default);
            }
            let new = self.choices[index].add(told);
            if index == 0 {
                said = new;
            }
        }
        Ok(said)
    }

    fn completion(self, reading: &Reading) -> Completion {
        let mut attributes = Vec::new();
        if reading.is_openai {
            let mut told = |key: &'static str, value: Option<String>| {
                attributes.extend(value.map(|value| KeyValue::new(key, value)));
            };
            told("openai.response.service_tier", self.service_tier);
            told("openai.response.system_fingerprint", self.fingerprint);
        }
        let mut sources: Vec<Content> = self.search_results.iter().map(source).collect();
        if sources.is_empty() {
            sources = self.citations.iter().map(source).collect();
        }
        let mut choices = self.choices.into_iter().map(|choice| choice.finished(reading));
        let first = choices.next().unwrap_or_default();
        let mut contents = first.contents;
        // After the text that they stand for, before what is asked.
        let place = contents.iter().position(|c| matches!(c, Content::ToolRequest(_)));
        let place = place.unwrap_or(contents.len());
        contents.splice(place..place, sources);
        Completion {
            contents,
            usage: self.usage,
            finish_reason: first.finish_reason,
            response_id: self.id,
            model: self.model,
            alternatives: choices.collect(),
            attributes,
            ..Completion::default()
        }
    }
}

/// OpenAI gives no more, and no other server is known to.
const MOST_CHOICES: usize = 128;

/// A source of the reply: its address, or what is known of it.
fn source(told: &Value) -> Content {
    let url = told.as_str().map(str::to_owned).or_else(|| string(told, "url"));
    Content::Citation(Citation { url, title: string(told, "title"), quote: None })
}

#[cfg(test)]
mod tests;
