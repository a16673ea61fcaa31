//! The rare parts of a message: contents that are lists, reasoning details, images, citations. They
//! are read as trees, since vendors require some of them back verbatim.

use chatlas_core::content::{Citation, Content, Media};
use serde_json::Value;

use crate::data_url;

/// A content that is not a string: a list of parts (Mistral, Databricks), or the requested JSON
/// itself (Cloudflare).
#[derive(Default)]
pub(super) struct Parts {
    pub(super) text: String,
    pub(super) thinking: String,
    pub(super) thoughts: Vec<Value>,
    pub(super) refusal: String,
    pub(super) images: Vec<Media>,
}

impl Parts {
    pub(super) fn of(content: &Value) -> Self {
        let mut new = Self::default();
        match content {
            Value::Array(parts) => parts.iter().for_each(|part| new.add(part)),
            Value::Object(part) if part.get("type").is_some_and(Value::is_string) => {
                new.add(content);
            }
            Value::Object(_) => new.text = content.to_string(),
            _ => {}
        }
        new
    }

    fn add(&mut self, part: &Value) {
        match part["type"].as_str() {
            Some("thinking" | "reasoning") => {
                self.thinking.push_str(&words(part));
                self.thoughts.push(part.clone());
            }
            Some("image_url") => self.images.extend(image(part)),
            Some("refusal") => self.refusal.push_str(&words(&part["refusal"])),
            _ => self.text.push_str(&words(part)),
        }
    }
}

/// A text, the text of a part, or the texts of a list of parts.
pub(super) fn words(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(words).collect(),
        Value::Object(part) => {
            let fields = ["text", "thinking", "reasoning", "summary", "content", "value"];
            let texts = fields.iter().filter_map(|field| part.get(*field));
            texts.map(words).find(|text| !text.is_empty()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// An image that the model made.
pub(super) fn image(part: &Value) -> Option<Media> {
    let url = part["image_url"].as_str().or_else(|| part["image_url"]["url"].as_str())?;
    Some(match data_url::read(url) {
        Some((mime_type, data)) => Media::from_base64(mime_type, data),
        None => Media::from_url(url),
    })
}

/// Adds a piece of a reasoning detail to the one of its index.
pub(super) fn add_detail(details: &mut Vec<Value>, piece: Value) {
    let index = &piece["index"];
    let known = details.iter_mut().find(|known| {
        !index.is_null() && known["index"] == *index && known["type"] == piece["type"]
    });
    match known {
        Some(known) => grow(known, &piece),
        None => details.push(piece),
    }
}

/// Adds a piece of a thought to the last one of its kind. A signature ends a thought.
pub(super) fn add_thought(thoughts: &mut Vec<Value>, piece: Value) {
    let is_signed = |thought: &Value| {
        let mut within = std::iter::once(thought).chain(list(&thought["summary"]));
        within.any(|part| string(part, "signature").is_some())
    };
    match thoughts.last_mut() {
        Some(last) if last["type"] == piece["type"] && !is_signed(last) => grow(last, &piece),
        _ => thoughts.push(piece),
    }
}

/// Adds a piece to the value so far: texts are appended to, lists continue in their last part, other
/// fields are replaced.
fn grow(known: &mut Value, piece: &Value) {
    let (Some(known), Some(fields)) = (known.as_object_mut(), piece.as_object()) else { return };
    for (key, value) in fields {
        match (known.entry(key.as_str()).or_insert(Value::Null), value) {
            (_, Value::Null) => {}
            (Value::String(text), Value::String(more))
                if matches!(key.as_str(), "text" | "summary" | "data" | "thinking") =>
            {
                text.push_str(more);
            }
            (Value::Array(parts), Value::Array(more)) => {
                for part in more {
                    match parts.last_mut() {
                        Some(last) if is_continued(last, part) => grow(last, part),
                        _ => parts.push(part.clone()),
                    }
                }
            }
            (slot, value) if slot.is_null() || *value != "" => *slot = value.clone(),
            _ => {}
        }
    }
}

fn is_continued(part: &Value, next: &Value) -> bool {
    part.is_object() && next.is_object() && part.get("type") == next.get("type")
}

/// A source with the passage of the answer that it supports.
pub(crate) fn citation(note: &Value, text: &str) -> Content {
    let index = |key: &str| note[key].as_u64().and_then(|n| usize::try_from(n).ok());
    let mut citation = Citation::default();
    citation.url = string(note, "url");
    citation.title = string(note, "title");
    citation.quote = index("start_index").zip(index("end_index")).and_then(|(start, end)| {
        let words: String = text.chars().skip(start).take(end.checked_sub(start)?).collect();
        (!words.is_empty()).then_some(words)
    });
    Content::Citation(citation)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A string that is not empty.
fn string(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
