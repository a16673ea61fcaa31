//! A choice of a reply: its text, its thoughts, the tool calls it asks for, piece by piece.

use std::hash::{BuildHasher as _, RandomState};

use chatlas_core::FinishReason;
use chatlas_core::content::{
    Citation, Content, Media, MediaSource, Refusal, Replay, Text, Thinking, ToolRequest,
};
use chatlas_core::turn::Alternative;
use serde_json::{Map, Value, json};

use super::quirks::Replays;
use super::reply::Reading;
use crate::data_url;

/// What has been told of a choice.
#[derive(Default)]
pub(super) struct Choice {
    thinking: String,
    details: Vec<Value>,
    /// Thoughts that came as parts of the content.
    thoughts: Vec<Value>,
    text: String,
    logprobs: Vec<Value>,
    notes: Vec<Value>,
    refusal: String,
    sound: Sound,
    images: Vec<Media>,
    calls: Vec<Call>,
    pub(super) finish: Option<String>,
}

/// What a chunk adds to a choice.
#[derive(Default)]
pub(super) struct Said {
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
}

#[derive(Default)]
struct Sound {
    id: Option<String>,
    data: String,
    transcript: String,
}

impl Choice {
    /// Adds what a chunk tells, or a whole reply.
    pub(super) fn add(&mut self, told: &Value) -> Said {
        // Perplexity sends both: what is new, and all so far.
        let is_piece = told["delta"].is_object();
        let delta = if is_piece { &told["delta"] } else { &told["message"] };
        let Parts { mut text, mut thinking, thoughts, refusal, images } =
            Parts::of(&delta["content"]);
        for key in ["reasoning_content", "reasoning"] {
            if thinking.is_empty() {
                thinking.push_str(delta[key].as_str().unwrap_or_default());
            }
        }
        for detail in list(&delta["reasoning_details"]) {
            add_detail(&mut self.details, detail);
        }
        for thought in thoughts {
            add_thought(&mut self.thoughts, thought);
        }
        self.images.extend(images);
        self.images.extend(list(&delta["images"]).iter().filter_map(image));
        let sound = &delta["audio"];
        if sound.is_object() {
            self.sound.id = self.sound.id.take().or_else(|| string(sound, "id"));
            self.sound.data.push_str(sound["data"].as_str().unwrap_or_default());
            let transcript = sound["transcript"].as_str().unwrap_or_default();
            self.sound.transcript.push_str(transcript);
            if text.is_empty() {
                transcript.clone_into(&mut text);
            } else {
                self.text.push_str(&text);
            }
        } else {
            self.text.push_str(&text);
        }
        self.thinking.push_str(&thinking);
        self.refusal.push_str(&refusal);
        self.refusal.push_str(delta["refusal"].as_str().unwrap_or_default());
        self.notes.extend_from_slice(list(&delta["annotations"]));
        self.logprobs.extend_from_slice(list(&told["logprobs"]["content"]));
        for call in list(&delta["tool_calls"]) {
            let known = is_piece.then(|| self.place_of(call)).flatten();
            self.add_call(call, known);
        }
        // What tool calls were, when a reply had one at most.
        if delta["function_call"].is_object() {
            let call = json!({"function": delta["function_call"]});
            self.add_call(&call, self.place_of(&call));
        }
        if self.finish.is_none() {
            self.finish = string(told, "finish_reason");
        }
        let some = |text: String| (!text.is_empty()).then_some(text);
        Said { text: some(text), thinking: some(thinking) }
    }

    /// The place of the tool call that a piece belongs to, unless it begins a new one. Servers leave
    /// out the index, or give all calls the same one: then the id tells them apart, and without an
    /// id a name begins a new call.
    fn place_of(&self, told: &Value) -> Option<usize> {
        let index = told["index"].as_u64();
        let id = told["id"].as_str().unwrap_or_default();
        let name = told["function"]["name"].as_str().unwrap_or_default();
        let same_id = |call: &Call| id.is_empty() || call.id.is_empty() || call.id == id;
        match index {
            Some(_) => self
                .calls
                .iter()
                .rposition(|call| call.index == index)
                .filter(|place| same_id(&self.calls[*place]) || name.is_empty()),
            None if !id.is_empty() => self.calls.iter().rposition(|call| call.id == id),
            None if name.is_empty() => self.calls.len().checked_sub(1),
            None => None,
        }
    }

    /// Adds a piece of a tool call to the one at that place, or a new call.
    fn add_call(&mut self, told: &Value, place: Option<usize>) {
        let place = place.unwrap_or_else(|| {
            self.calls.push(Call { index: told["index"].as_u64(), ..Call::default() });
            self.calls.len() - 1
        });
        let id = told["id"].as_str().unwrap_or_default();
        let name = told["function"]["name"].as_str().unwrap_or_default();
        let call = &mut self.calls[place];
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        // Some repeat the name with each piece.
        if call.name != name {
            call.name.push_str(name);
        }
        match &told["function"]["arguments"] {
            Value::String(more) => call.arguments.push_str(more),
            whole @ Value::Object(_) => call.arguments = whole.to_string(),
            _ => {}
        }
    }

    /// Whether it said something and not that it had come to its end.
    pub(super) fn is_broken_off(&self) -> bool {
        let words = [&self.text, &self.thinking, &self.refusal, &self.sound.data];
        self.finish.is_none()
            && (words.iter().any(|words| !words.is_empty()) || !self.calls.is_empty())
    }

    /// The tool calls, once all of them are whole.
    pub(super) fn asked(&mut self) -> Vec<Content> {
        self.calls.iter_mut().for_each(Call::name_itself);
        self.calls.iter().map(Call::request).map(Content::ToolRequest).collect()
    }

    /// The choice as it is in the end.
    pub(super) fn finished(mut self, reading: &Reading) -> Alternative {
        let replay = |item: Value| Replay { provider: reading.vendor.to_owned(), item };
        let asked = self.asked();
        let asks = !asked.is_empty();
        let mut contents = Vec::new();
        if !self.thinking.is_empty() || !self.details.is_empty() || !self.thoughts.is_empty() {
            let text = self.thinking;
            let item = match reading.replays {
                _ if !self.thoughts.is_empty() => Some(json!({"content": self.thoughts})),
                Replays::Nothing => None,
                Replays::ReasoningContent => Some(json!({"reasoning_content": text})),
                Replays::ReasoningDetails if self.details.is_empty() => None,
                Replays::ReasoningDetails => Some(json!({"reasoning_details": self.details})),
            };
            contents.push(Content::Thinking(Thinking { text, replay: item.map(replay) }));
        }
        if !self.text.is_empty() {
            let logprobs = Some(self.logprobs).filter(|list| !list.is_empty()).map(Value::Array);
            let text = Text { text: self.text.clone(), replay: None, logprobs };
            contents.push(Content::Text(text));
        }
        if !self.sound.transcript.is_empty() || !self.sound.data.is_empty() {
            let item = self.sound.id.map(|id| json!({"audio": {"id": id}}));
            let (text, replay) = (self.sound.transcript, item.map(replay));
            contents.push(Content::Text(Text { text, replay, logprobs: None }));
        }
        if !self.sound.data.is_empty() {
            let mime_type = reading.sound.clone().unwrap_or_else(|| "audio/wav".to_owned());
            let source = MediaSource::Base64 { mime_type, data: self.sound.data };
            contents.push(Content::Document(Media { source, name: None }));
        }
        contents.extend(self.images.into_iter().map(Content::Image));
        let cited = self.notes.iter().filter(|note| note["url_citation"].is_object());
        contents.extend(cited.map(|note| citation(&note["url_citation"], &self.text)));
        let refused = !self.refusal.is_empty();
        if refused {
            contents.push(Content::Refusal(Refusal { text: self.refusal }));
        }
        contents.extend(asked);
        let finish_reason = self.finish.as_deref().map(|reason| {
            // Some say `stop` with tool calls, too.
            match reason {
                _ if asks && !is_cut(reason) => FinishReason::ToolCall,
                "stop" if refused => FinishReason::ContentFilter,
                "tool_calls" | "function_call" => FinishReason::ToolCall,
                "model_length" | "max_tokens" => FinishReason::Length,
                "eos" | "eos_token" | "end_turn" | "stop_sequence" => FinishReason::Stop,
                other => FinishReason::from(other.to_owned()),
            }
        });
        Alternative { contents, finish_reason }
    }
}

/// Whether a reply that ended so may lack something.
fn is_cut(reason: &str) -> bool {
    matches!(
        reason,
        "length"
            | "model_length"
            | "max_tokens"
            | "content_filter"
            | "insufficient_system_resource"
            | "error"
    )
}

/// A tool call, as far as it has come.
#[derive(Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Call {
    /// Makes up an id where the server gave none: the result has to name one.
    fn name_itself(&mut self) {
        if self.id.is_empty() {
            self.id = format!("call_{:016x}", RandomState::new().hash_one(&self.name));
        }
    }

    fn request(&self) -> ToolRequest {
        ToolRequest {
            id: self.id.clone(),
            name: self.name.clone(),
            arguments: arguments(&Value::from(self.arguments.as_str())),
            replay: None,
        }
    }
}

/// The arguments of a call: a text of JSON, or what it should say. No text at all, or `null`, is how
/// some servers write that there are none.
pub(crate) fn arguments(told: &Value) -> Value {
    let read = match told {
        Value::String(raw) if raw.trim().is_empty() => Value::Null,
        Value::String(raw) => serde_json::from_str(raw).unwrap_or_else(|_| told.clone()),
        other => other.clone(),
    };
    if read.is_null() { Value::Object(Map::new()) } else { read }
}

/// What a content says: a string, a list of parts (Mistral, Databricks), or the JSON itself that was
/// asked for (Cloudflare).
#[derive(Default)]
struct Parts {
    text: String,
    thinking: String,
    thoughts: Vec<Value>,
    refusal: String,
    images: Vec<Media>,
}

impl Parts {
    fn of(told: &Value) -> Self {
        let mut new = Self::default();
        match told {
            Value::String(text) => text.clone_into(&mut new.text),
            Value::Array(parts) => parts.iter().for_each(|part| new.add(part)),
            Value::Object(_) => new.text = told.to_string(),
            _ => {}
        }
        new
    }

    fn add(&mut self, part: &Value) {
        match part["type"].as_str() {
            Some("thinking" | "reasoning") => {
                self.thinking.push_str(&words(&part["thinking"]));
                self.thinking.push_str(&words(&part["summary"]));
                self.thoughts.push(part.clone());
            }
            Some("image_url") => self.images.extend(image(part)),
            Some("refusal") => self.refusal.push_str(&words(&part["refusal"])),
            _ => self.text.push_str(&words(&part["text"])),
        }
    }
}

/// A text, or the texts of a list of parts.
fn words(told: &Value) -> String {
    match told {
        Value::String(text) => text.clone(),
        parts => list(parts).iter().filter_map(|part| part["text"].as_str()).collect(),
    }
}

/// An image that the model made.
fn image(told: &Value) -> Option<Media> {
    let url = told["image_url"].as_str().or_else(|| told["image_url"]["url"].as_str())?;
    let source = match data_url::read(url) {
        Some((mime_type, data)) => {
            MediaSource::Base64 { mime_type: mime_type.to_owned(), data: data.to_owned() }
        }
        None => MediaSource::Url { url: url.to_owned() },
    };
    Some(Media { source, name: None })
}

/// Adds a piece of a reasoning detail to the one of its index.
fn add_detail(details: &mut Vec<Value>, told: &Value) {
    let index = &told["index"];
    let known = details.iter_mut().find(|known| {
        !index.is_null() && known["index"] == *index && known["type"] == told["type"]
    });
    match known {
        Some(known) => grow(known, told),
        None => details.push(told.clone()),
    }
}

/// Adds a piece of a thought to the last one of its kind. A signature ends a thought.
fn add_thought(thoughts: &mut Vec<Value>, told: Value) {
    let is_signed = |thought: &Value| {
        let mut within = std::iter::once(thought).chain(list(&thought["summary"]));
        within.any(|part| string(part, "signature").is_some())
    };
    match thoughts.last_mut() {
        Some(last) if last["type"] == told["type"] && !is_signed(last) => grow(last, &told),
        _ => thoughts.push(told),
    }
}

/// Adds a piece to what is known: texts grow, lists go on in their last part, the rest is replaced.
fn grow(known: &mut Value, told: &Value) {
    let Some(fields) = told.as_object() else { return };
    for (key, value) in fields {
        match (&mut known[key.as_str()], value) {
            (_, Value::Null) => {}
            (Value::String(text), Value::String(more))
                if matches!(key.as_str(), "text" | "summary" | "data" | "thinking") =>
            {
                text.push_str(more);
            }
            (Value::Array(parts), Value::Array(more)) => {
                for part in more {
                    match parts.last_mut() {
                        Some(last) if last["type"] == part["type"] => grow(last, part),
                        _ => parts.push(part.clone()),
                    }
                }
            }
            (slot, value) if slot.is_null() || *value != "" => *slot = value.clone(),
            _ => {}
        }
    }
}

/// A source with the words of the answer that it stands for.
pub(crate) fn citation(note: &Value, text: &str) -> Content {
    let index = |key: &str| note[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let quote = index("start_index").zip(index("end_index")).and_then(|(start, end)| {
        let words: String = text.chars().skip(start).take(end.checked_sub(start)?).collect();
        (!words.is_empty()).then_some(words)
    });
    Content::Citation(Citation { url: string(note, "url"), title: string(note, "title"), quote })
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text that says something.
pub(crate) fn string(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
