//! The conversation as `contents`: the parts of the user, of the tools and of the model.

use std::sync::Arc;

use chatlas_core::Turn;
use chatlas_core::content::{Content, Replay, ToolOutcome, ToolRequest, ToolResult};
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::media::{Medium, is_server_tool};
use super::{call_id, model_name};
use crate::client::fields::{Fields, ModelText};

/// The text of a user's turn without any: the API requires one.
const NO_TEXT: &str = "[empty string]";
const SIGNATURE: &str = "thoughtSignature";

/// The turns in order.
pub(super) struct Contents<'a> {
    /// The vendor whose items are sent back.
    pub(super) vendor: &'a str,
    pub(super) model: &'a str,
    pub(super) turns: &'a [Arc<Turn>],
}

impl Serialize for Contents<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut contents = serializer.serialize_seq(None)?;
        let mut parts = Vec::new();
        for turn in self.turns {
            parts.clear();
            let role = match &**turn {
                Turn::User(turn) => {
                    user_parts(self.model, &turn.contents, &mut parts);
                    "user"
                }
                Turn::Assistant(turn) => {
                    model_parts(self.vendor, &turn.contents, &mut parts);
                    "model"
                }
                _ => continue,
            };
            // Google refuses a content without parts.
            if !parts.is_empty() {
                contents.serialize_element(&Message { role, parts: &parts })?;
            }
        }
        contents.end()
    }
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    parts: &'a [Part<'a>],
}

/// A part, with the signature that the model gave it.
struct Part<'a> {
    data: Data<'a>,
    signature: Option<&'a str>,
}

enum Data<'a> {
    Text(&'a str),
    /// A part that came with its signature, with its text.
    Thought(&'a Map<String, Value>, &'a str),
    /// A part that is sent back verbatim.
    Verbatim(&'a Map<String, Value>),
    Medium(Medium<'a>),
    Call(&'a ToolRequest),
    /// The result of a tool. The media are a part of it from Gemini 3 on.
    Result(&'a ToolResult, bool),
}

impl<'a> From<Data<'a>> for Part<'a> {
    fn from(data: Data<'a>) -> Self {
        Self { data, signature: None }
    }
}

fn user_parts<'a>(model: &str, contents: &'a [Content], parts: &mut Vec<Part<'a>>) {
    for content in contents {
        match content {
            // Google refuses a blank text.
            Content::Text(text) if text.text.trim().is_empty() => {}
            Content::Text(text) => parts.push(Data::Text(&text.text).into()),
            Content::Image(media) | Content::Document(media) => {
                parts.push(Data::Medium(Medium(media)).into());
            }
            Content::ToolResult(result) => {
                let inside = model_name::generation(model).is_some_and(|number| number >= 3);
                parts.push(Data::Result(result, inside).into());
                if !inside {
                    parts.extend(media_of(result).map(|medium| Data::Medium(medium).into()));
                }
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        parts.push(Data::Text(NO_TEXT).into());
    }
}

/// The parts of a model's turn, with their signatures.
fn model_parts<'a>(vendor: &str, contents: &'a [Content], parts: &mut Vec<Part<'a>>) {
    let own = |replay: &'a Replay| -> Option<&'a Map<String, Value>> {
        (replay.provider == vendor).then(|| replay.item.as_object()).flatten()
    };
    let own_signature = |replay: Option<&'a Replay>| replay.and_then(own)?.get(SIGNATURE)?.as_str();
    // The signature of a part that follows it, such as an image.
    let mut pending = None;
    for content in contents {
        let mut part = Part::from(match content {
            Content::Text(text) => {
                let replay = text.replay.as_ref();
                if text.text.is_empty() && replay.and_then(own).is_none() {
                    continue;
                }
                Data::Text(&text.text)
            }
            Content::Refusal(refusal) if refusal.text.is_empty() => continue,
            Content::Refusal(refusal) => Data::Text(&refusal.text),
            Content::Thinking(thinking) => match thinking.replay.as_ref().and_then(own) {
                Some(item) if item.get("thought") == Some(&Value::Bool(true)) => {
                    Data::Thought(item, &thinking.text)
                }
                Some(item) if item.contains_key("text") => Data::Verbatim(item),
                Some(item) => {
                    pending = item.get(SIGNATURE).and_then(Value::as_str);
                    continue;
                }
                None => continue,
            },
            Content::ToolRequest(request) => Data::Call(request),
            Content::Image(media) | Content::Document(media) => Data::Medium(Medium(media)),
            Content::ServerTool(tool) => match own(&tool.replay) {
                Some(item) if is_server_tool(item) => Data::Verbatim(item),
                _ => continue,
            },
            _ => continue,
        });
        part.signature = pending.take().or_else(|| match content {
            Content::Text(text) => own_signature(text.replay.as_ref()),
            Content::ToolRequest(request) => own_signature(request.replay.as_ref()),
            _ => None,
        });
        parts.push(part);
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, None)?;
        let is_signed = self.signature.is_some();
        match &self.data {
            Data::Text(text) => fields.set("text", *text)?,
            Data::Thought(item, text) => {
                fields.set("text", *text)?;
                fields.set_all(item, if is_signed { &["text", SIGNATURE] } else { &["text"] })?;
            }
            Data::Verbatim(item) => {
                fields.set_all(item, if is_signed { &[SIGNATURE] } else { &[] })?;
            }
            Data::Medium(medium) => medium.write(&mut fields)?,
            Data::Call(request) => fields.set("functionCall", &Call(request))?,
            Data::Result(result, inside) => {
                fields.set("functionResponse", &Response { result, inside: *inside })?;
            }
        }
        fields.set_some(SIGNATURE, &self.signature)?;
        fields.end()
    }
}

struct Call<'a>(&'a ToolRequest);

impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, None)?;
        fields.set_some("id", &call_id::own(&self.0.id))?;
        fields.set("name", &self.0.name)?;
        match &self.0.arguments {
            Value::Null => fields.set("args", &Map::new())?,
            object @ Value::Object(_) => fields.set("args", object)?,
            // The arguments of another vendor's model; Google accepts objects only.
            other => fields.set("args", &Arguments { arguments: other })?,
        }
        fields.end()
    }
}

#[derive(Serialize)]
struct Arguments<'a> {
    arguments: &'a Value,
}

struct Response<'a> {
    result: &'a ToolResult,
    /// Whether images and documents are a part of the response.
    inside: bool,
}

impl Serialize for Response<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, None)?;
        fields.set_some("id", &call_id::own(&self.result.id))?;
        fields.set("name", &self.result.name)?;
        fields.set("response", &Outcome(&self.result.outcome))?;
        let media: Vec<Medium<'_>> = media_of(self.result).filter(|_| self.inside).collect();
        fields.set_some("parts", &(!media.is_empty()).then_some(media))?;
        fields.end()
    }
}

struct Outcome<'a>(&'a ToolOutcome);

impl Serialize for Outcome<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, None)?;
        match self.0 {
            ToolOutcome::Value(value) => fields.set("result", value)?,
            ToolOutcome::Error(message) => fields.set("error", message)?,
            contents => fields.set("result", &ModelText(contents))?,
        }
        fields.end()
    }
}

fn media_of(result: &ToolResult) -> impl Iterator<Item = Medium<'_>> {
    let contents = match &result.outcome {
        ToolOutcome::Contents(contents) => contents.as_slice(),
        _ => &[],
    };
    contents.iter().filter_map(|content| match content {
        Content::Image(media) | Content::Document(media) => Some(Medium(media)),
        _ => None,
    })
}
