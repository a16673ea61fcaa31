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

/// What has been told of a choice.
#[derive(Default)]
pub(super) struct Choice {
    thinking: String,
    details: Vec<Value>,
    text: String,
    logprobs: Vec<Value>,
    notes: Vec<Value>,
    refusal: String,
    sound: Sound,
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
        let delta = Some(&told["delta"]).filter(|delta| delta.is_object());
        let delta = delta.unwrap_or(&told["message"]);
        let (mut text, mut thinking) = content(&delta["content"]);
        for key in ["reasoning_content", "reasoning"] {
            if thinking.is_empty() {
                thinking.push_str(delta[key].as_str().unwrap_or_default());
            }
        }
        for detail in list(&delta["reasoning_details"]) {
            add_detail(&mut self.details, detail);
        }
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
        self.refusal.push_str(delta["refusal"].as_str().unwrap_or_default());
        self.notes.extend_from_slice(list(&delta["annotations"]));
        self.logprobs.extend_from_slice(list(&told["logprobs"]["content"]));
        for call in list(&delta["tool_calls"]) {
            self.add_call(call);
        }
        if self.finish.is_none() {
            self.finish = string(told, "finish_reason");
        }
        let some = |text: String| (!text.is_empty()).then_some(text);
        Said { text: some(text), thinking: some(thinking) }
    }

    /// Adds a piece of a tool call to the one it belongs to. Servers leave out the index, or give
    /// all calls the same one: then the id tells them apart, and without an id a name begins a new
    /// call.
    fn add_call(&mut self, told: &Value) {
        let index = told["index"].as_u64();
        let id = told["id"].as_str().unwrap_or_default();
        let name = told["function"]["name"].as_str().unwrap_or_default();
        let same_id = |call: &Call| id.is_empty() || call.id.is_empty() || call.id == id;
        let place = match index {
            Some(_) => self
                .calls
                .iter()
                .rposition(|call| call.index == index)
                .filter(|place| same_id(&self.calls[*place]) || name.is_empty()),
            None if !id.is_empty() => self.calls.iter().rposition(|call| call.id == id),
            None if name.is_empty() => self.calls.len().checked_sub(1),
            None => None,
        };
        let place = place.unwrap_or_else(|| {
            self.calls.push(Call { index, ..Call::default() });
            self.calls.len() - 1
        });
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
        if !self.thinking.is_empty() || !self.details.is_empty() {
            let text = self.thinking;
            let item = match reading.replays {
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
                "model_length" => FinishReason::Length,
                other => FinishReason::from(other.to_owned()),
            }
        });
        Alternative { contents, finish_reason }
    }
}

/// Whether a reply that ended so may lack something.
fn is_cut(reason: &str) -> bool {
    matches!(reason, "length" | "model_length" | "content_filter" | "error")
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
            arguments: arguments(&self.arguments),
            replay: None,
        }
    }
}

/// The arguments of a call. No text at all is how some servers write that there are none.
pub(crate) fn arguments(raw: &str) -> Value {
    if raw.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(raw).unwrap_or_else(|_| Value::String(raw.to_owned()))
}

/// Text and thoughts: a string, a list of parts (Mistral), or the JSON itself that was asked for
/// (Cloudflare).
fn content(told: &Value) -> (String, String) {
    let (mut text, mut thinking) = (String::new(), String::new());
    match told {
        Value::String(told) => text.push_str(told),
        Value::Array(parts) => {
            for part in parts {
                match part["type"].as_str() {
                    Some("thinking") => match &part["thinking"] {
                        Value::String(told) => thinking.push_str(told),
                        inner => thinking.push_str(&content(inner).0),
                    },
                    _ => text.push_str(part["text"].as_str().unwrap_or_default()),
                }
            }
        }
        Value::Object(_) => text = told.to_string(),
        _ => {}
    }
    (text, thinking)
}

/// Adds a piece of a reasoning detail to the one of its index: texts grow, the rest is replaced.
fn add_detail(details: &mut Vec<Value>, told: &Value) {
    let index = &told["index"];
    let known = details.iter_mut().find(|known| {
        !index.is_null() && known["index"] == *index && known["type"] == told["type"]
    });
    let (Some(known), Some(fields)) = (known, told.as_object()) else {
        details.push(told.clone());
        return;
    };
    for (key, value) in fields {
        match (&mut known[key.as_str()], value) {
            (_, Value::Null) => {}
            (Value::String(text), Value::String(more))
                if matches!(key.as_str(), "text" | "summary" | "data") =>
            {
                text.push_str(more);
            }
            (slot, value) => *slot = value.clone(),
        }
    }
}

/// A source with the words of the answer that it stands for.
fn citation(note: &Value, text: &str) -> Content {
    let index = |key: &str| note[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let quote = index("start_index").zip(index("end_index")).and_then(|(start, end)| {
        let words: String = text.chars().skip(start).take(end.checked_sub(start)?).collect();
        (!words.is_empty()).then_some(words)
    });
    Content::Citation(Citation { url: string(note, "url"), title: string(note, "title"), quote })
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text that says something.
pub(super) fn string(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
