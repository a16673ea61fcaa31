//! The conversation as `contents`: the parts of the user, of the tools and of the model.

use chatlas_core::content::{Content, Replay, ToolOutcome, ToolRequest, ToolResult};
use chatlas_core::{ProviderError, Turn};
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::media::{Medium, is_server_tool};
use super::{call_id, model_name};
use crate::client::Call as Request;
use crate::client::fields::{Arguments, Fields, ModelText};

const SIGNATURE: &str = "thoughtSignature";

/// The signature of a call that another model made, or that has lost its own: Gemini 3 and later
/// [require one](https://ai.google.dev/gemini-api/docs/thought-signatures).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The turns of a request, in order.
pub(super) struct Contents<'a>(pub(super) &'a Request<'a>);

impl Serialize for Contents<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(request) = *self;
        let is_third = model_name::generation(request.model).is_some_and(|number| number >= 3);
        let mut contents = serializer.serialize_seq(None)?;
        let mut parts = Vec::new();
        for turn in request.turns {
            parts.clear();
            let role = match &**turn {
                Turn::User(turn) => {
                    user_parts(is_third, &turn.contents, &mut parts);
                    "user"
                }
                Turn::Assistant(turn) => {
                    model_parts(request, &turn.contents, &mut parts);
                    let mut calls =
                        parts.iter_mut().filter(|part| matches!(part.data, Data::Call(_)));
                    if let Some(call) = calls.next().filter(|_| is_third) {
                        call.signature.get_or_insert(NO_SIGNATURE);
                    }
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

/// Returns whether a content of the model is a message by itself.
pub(super) fn is_message(request: &Request<'_>, content: &Content) -> bool {
    let own = |replay: &Replay| replay.item.is_object() && request.is_own(replay);
    match content {
        Content::Text(text) => {
            !text.text.trim().is_empty() || text.replay.as_ref().is_some_and(own)
        }
        Content::Refusal(refusal) => !refusal.text.trim().is_empty(),
        Content::ServerTool(tool) => {
            own(&tool.replay) && tool.replay.item.as_object().is_some_and(is_server_tool)
        }
        Content::ToolRequest(_) | Content::Image(_) | Content::Document(_) => true,
        _ => false,
    }
}

/// Refuses an image or a document from an unsupported source.
pub(super) fn check_media(content: &Content) -> Result<(), ProviderError> {
    match content {
        Content::Image(media) | Content::Document(media) => Medium(media).check(),
        _ => Ok(()),
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

fn user_parts<'a>(inside: bool, contents: &'a [Content], parts: &mut Vec<Part<'a>>) {
    for content in contents {
        match content {
            // Google refuses a blank text.
            Content::Text(text) if text.text.trim().is_empty() => {}
            Content::Text(text) => parts.push(Data::Text(&text.text).into()),
            Content::Image(media) | Content::Document(media) => {
                parts.push(Data::Medium(Medium(media)).into());
            }
            Content::ToolResult(result) => {
                parts.push(Data::Result(result, inside).into());
                if !inside {
                    parts.extend(media_of(result).map(|medium| Data::Medium(medium).into()));
                }
            }
            _ => {}
        }
    }
}

/// The parts of a model's turn, with their signatures.
fn model_parts<'a>(request: &Request<'_>, contents: &'a [Content], parts: &mut Vec<Part<'a>>) {
    let own = |replay: &'a Replay| -> Option<&'a Map<String, Value>> {
        replay.item.as_object().filter(|_| request.is_own(replay))
    };
    let own_signature = |replay: Option<&'a Replay>| replay.and_then(own)?.get(SIGNATURE)?.as_str();
    // The signature of a part that follows it, such as an image.
    let mut pending = None;
    for content in contents {
        let mut part = Part::from(match content {
            Content::Text(text) => {
                let replay = text.replay.as_ref();
                if text.text.trim().is_empty() && replay.and_then(own).is_none() {
                    continue;
                }
                Data::Text(&text.text)
            }
            Content::Refusal(refusal) if refusal.text.trim().is_empty() => continue,
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
        fields.set("args", &Arguments(&self.0.arguments))?;
        fields.end()
    }
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
            // Google reads a `$ref` as a reference to a medium.
            ToolOutcome::Value(value) if has_reference(value) => {
                fields.set("result", &value.to_string())?;
            }
            ToolOutcome::Value(value) => fields.set("result", value)?,
            ToolOutcome::Error(message) => fields.set("error", message)?,
            contents => fields.set("result", &ModelText(contents))?,
        }
        fields.end()
    }
}

fn has_reference(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key("$ref") || fields.values().any(has_reference),
        Value::Array(list) => list.iter().any(has_reference),
        _ => false,
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
