//! Turns as messages of the Messages API: content blocks that borrow from the history.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::Turn;
use chatlas_core::content::{
    Content, Media, MediaSource, Replay, ToolOutcome, ToolRequest, ToolResult,
};
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq as _, Serializer};
use serde_json::{Map, Value, json};

use super::settings::CacheControl;
use crate::data_url;

/// The text that is sent where the API requires one and the conversation has none.
pub(crate) const NO_TEXT: &str = "[empty string]";

/// A message of a request.
pub(super) struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
    /// The block that ends the prefix which the vendor caches, with its mark.
    cache: Option<(usize, CacheControl)>,
}

/// A content block of a message.
enum Block<'a> {
    Text(&'a str),
    /// A block that the vendor sent and requires back. `text` replaces its text if set.
    Item {
        item: &'a Map<String, Value>,
        text: Option<&'a str>,
    },
    Image(&'a Media),
    Document(&'a Media, bool),
    /// A call, with the other fields that the vendor sent in its block.
    ToolUse(&'a ToolRequest, Option<&'a Map<String, Value>>),
    ToolResult(&'a ToolResult, bool),
}

/// Returns the messages of a conversation in the form that the API accepts.
///
/// Calls of the vendor's own tools that have no result are omitted: their turn was cut off. They are
/// kept in the last message, where a paused turn continues with them, and beside a call of the
/// program's tools, whose result continues the turn. The last text of the model ends without white
/// space.
pub(super) fn messages<'a>(
    provider: &str,
    cites: bool,
    cache: Option<CacheControl>,
    turns: impl ExactSizeIterator<Item = &'a Turn>,
) -> Vec<Message<'a>> {
    let mut messages = Vec::with_capacity(turns.len());
    messages.extend(turns.filter_map(|turn| message(provider, cites, turn)));
    remove_unanswered_calls(&mut messages);
    if let Some(last) = messages.last_mut() {
        if last.role == "assistant"
            && let Some(block) = last.content.last_mut()
        {
            block.trim_end();
        }
        last.cache = last.content.iter().rposition(Block::is_cacheable).zip(cache);
    }
    messages
}

/// Returns a turn as a message, or `None` if nothing of it can be sent.
fn message<'a>(provider: &str, cites: bool, turn: &'a Turn) -> Option<Message<'a>> {
    let (role, content) = match turn {
        Turn::User(turn) => {
            // The API requires the results of its calls before anything else.
            let is_result = |content: &&Content| matches!(content, Content::ToolResult(_));
            let results = turn.contents.iter().filter(is_result);
            let rest = turn.contents.iter().filter(|content| !is_result(content));
            let mut blocks = Vec::with_capacity(turn.contents.len().max(1));
            blocks.extend(results.chain(rest).filter_map(|content| of_user(content, cites)));
            if blocks.is_empty() {
                blocks.push(Block::Text(NO_TEXT));
            }
            ("user", blocks)
        }
        Turn::Assistant(turn) => {
            let mut blocks = Vec::with_capacity(turn.contents.len());
            turn.contents.iter().for_each(|content| of_model(provider, content, &mut blocks));
            ("assistant", blocks)
        }
        _ => return None,
    };
    (!content.is_empty()).then_some(Message { role, content, cache: None })
}

fn remove_unanswered_calls(messages: &mut Vec<Message<'_>>) {
    if !messages.iter().any(|message| message.content.iter().any(Block::is_server_call)) {
        return;
    }
    let mut answered: Vec<Cow<'_, str>> = Vec::new();
    let mut is_last = true;
    for message in messages.iter_mut().rev() {
        let content = &mut message.content;
        answered.extend(content.iter().filter_map(Block::answers));
        if !is_last && !content.iter().any(|block| block.kind() == "tool_use") {
            content.retain(|block| {
                let id = block.field("id").unwrap_or_default();
                !block.is_server_call() || answered.iter().any(|answered| answered == id)
            });
        }
        is_last = false;
    }
    messages.retain(|message| !message.content.is_empty());
}

/// Returns whether a content refers to an uploaded file.
pub(super) fn has_file(contents: &[Content]) -> bool {
    contents.iter().any(|content| match content {
        Content::Image(media) | Content::Document(media) => {
            matches!(media.source, MediaSource::File { .. })
        }
        Content::ToolResult(ToolResult { outcome: ToolOutcome::Contents(contents), .. }) => {
            has_file(contents)
        }
        _ => false,
    })
}

/// Returns a text as a block; the API rejects a blank one.
fn text(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text(text))
}

fn of_user(content: &Content, cites: bool) -> Option<Block<'_>> {
    match content {
        Content::Text(content) => text(&content.text),
        Content::Image(media) => Some(Block::Image(media)),
        Content::Document(media) => Some(Block::Document(media, cites)),
        Content::ToolResult(result) => Some(Block::ToolResult(result, cites)),
        // All other contents are the model's.
        _ => None,
    }
}

fn of_model<'a>(provider: &str, content: &'a Content, blocks: &mut Vec<Block<'a>>) {
    let of = |replay: &'a Option<Replay>| item(provider, replay.as_ref()?);
    match content {
        Content::Text(content) => {
            // The vendor's block has the sources. It is outdated if the text was changed since.
            let same = |item: &&Map<String, Value>| {
                item.get("text").is_some_and(|text| *text == content.text.as_str())
            };
            blocks.extend(text(&content.text).map(
                |plain| match of(&content.replay).filter(same) {
                    Some(item) => Block::Item { item, text: None },
                    None => plain,
                },
            ));
        }
        Content::Refusal(refusal) => blocks.extend(text(&refusal.text)),
        Content::ToolRequest(request) => {
            blocks.push(Block::ToolUse(request, of(&request.replay)));
        }
        // The API rejects thinking without its signature.
        Content::Thinking(thinking) => {
            blocks.extend(of(&thinking.replay).map(|item| Block::Item { item, text: None }));
        }
        Content::ServerTool(tool) if tool.replay.provider == provider => {
            let items = match &tool.replay.item {
                Value::Array(items) => items.as_slice(),
                item => std::slice::from_ref(item),
            };
            let items = items.iter().filter_map(typed);
            blocks.extend(items.map(|item| Block::Item { item, text: None }));
        }
        _ => {}
    }
}

/// Returns an item if it is a block of this API. A vendor may have a second API, whose items have
/// no `type`.
fn item<'a>(provider: &str, replay: &'a Replay) -> Option<&'a Map<String, Value>> {
    if replay.provider == provider { typed(&replay.item) } else { None }
}

fn typed(item: &Value) -> Option<&Map<String, Value>> {
    item.as_object().filter(|item| item.get("type").is_some_and(Value::is_string))
}

impl<'a> Block<'a> {
    fn kind(&self) -> &'a str {
        match self {
            Self::Text(_) => "text",
            Self::Item { .. } => self.field("type").unwrap_or_default(),
            Self::Image(_) => "image",
            Self::Document(..) => "document",
            Self::ToolUse(_, item) => {
                let kind = item.and_then(|item| item.get("type")?.as_str());
                kind.unwrap_or("tool_use")
            }
            Self::ToolResult(..) => "tool_result",
        }
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        match self {
            Self::Item { item, .. } => item.get(name)?.as_str(),
            _ => None,
        }
    }

    /// Returns whether the block is a call of a tool that the vendor runs.
    fn is_server_call(&self) -> bool {
        self.kind().ends_with("_tool_use")
    }

    /// Returns the id of the call that the block is the result of.
    fn answers(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::ToolResult(result, _) => Some(call_id(&result.id)),
            _ => self.field("tool_use_id").map(Cow::Borrowed),
        }
    }

    /// Returns whether the API accepts a cache mark on the block: not on thinking, nor on a block of
    /// an unsupported type.
    fn is_cacheable(&self) -> bool {
        let kind = self.kind();
        matches!(kind, "text" | "image" | "document")
            || kind.ends_with("_use")
            || kind.ends_with("_result")
    }

    fn trim_end(&mut self) {
        match self {
            Self::Text(text) => *text = text.trim_end(),
            Self::Item { item, text } => {
                *text = item.get("text").and_then(Value::as_str).map(str::trim_end);
            }
            _ => {}
        }
    }
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("role", self.role)?;
        map.serialize_entry("content", &Blocks(self))?;
        map.end()
    }
}

/// The blocks of a message, with the cache mark on one of them.
struct Blocks<'a>(&'a Message<'a>);

impl Serialize for Blocks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let marked = |(index, block)| {
            let cache = self.0.cache.filter(|(marked, _)| *marked == index);
            Marked { block, cache: cache.map(|(_, cache)| cache) }
        };
        serializer.collect_seq(self.0.content.iter().enumerate().map(marked))
    }
}

/// A block, with the cache mark if it has one.
struct Marked<'a> {
    block: &'a Block<'a>,
    cache: Option<CacheControl>,
}

impl Serialize for Marked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.block {
            Block::Text(text) => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", text)?;
            }
            Block::Item { item, text } => {
                for (key, value) in *item {
                    match (key.as_str(), text) {
                        ("text", Some(text)) => map.serialize_entry("text", text)?,
                        ("cache_control", _) if self.cache.is_some() => {}
                        _ => map.serialize_entry(key, value)?,
                    }
                }
            }
            Block::Image(media) => match source(media) {
                Some(source) => {
                    map.serialize_entry("type", "image")?;
                    map.serialize_entry("source", &source)?;
                }
                None => unsupported(&mut map, "[an image that cannot be sent]")?,
            },
            Block::Document(media, cites) => match plain_text(media).or_else(|| source(media)) {
                Some(source) => {
                    map.serialize_entry("type", "document")?;
                    map.serialize_entry("source", &source)?;
                    if let Some(name) = &media.name {
                        map.serialize_entry("title", name)?;
                    }
                    if *cites {
                        map.serialize_entry("citations", &json!({"enabled": true}))?;
                    }
                }
                None => unsupported(&mut map, "[a document that cannot be sent]")?,
            },
            Block::ToolUse(request, item) => {
                match item {
                    Some(item) => {
                        for (key, value) in *item {
                            let replaced = matches!(key.as_str(), "id" | "name" | "input");
                            if !replaced && (key != "cache_control" || self.cache.is_none()) {
                                map.serialize_entry(key, value)?;
                            }
                        }
                    }
                    None => map.serialize_entry("type", "tool_use")?,
                }
                map.serialize_entry("id", &call_id(&request.id))?;
                map.serialize_entry("name", &request.name)?;
                map.serialize_entry("input", &Input(&request.arguments))?;
            }
            Block::ToolResult(result, cites) => {
                map.serialize_entry("type", "tool_result")?;
                map.serialize_entry("tool_use_id", &call_id(&result.id))?;
                match &result.outcome {
                    ToolOutcome::Contents(contents) => {
                        map.serialize_entry("content", &Parts(contents, *cites))?;
                    }
                    // The API rejects an error without a message.
                    ToolOutcome::Error(message) if message.trim().is_empty() => {
                        map.serialize_entry("content", NO_TEXT)?;
                    }
                    ToolOutcome::Error(text) | ToolOutcome::Value(Value::String(text)) => {
                        map.serialize_entry("content", text)?;
                    }
                    other => map.serialize_entry("content", &other.to_model_text())?,
                }
                if result.outcome.is_error() {
                    map.serialize_entry("is_error", &true)?;
                }
            }
        }
        if let Some(cache) = self.cache {
            map.serialize_entry("cache_control", &cache)?;
        }
        map.end()
    }
}

/// Writes a text that replaces a medium which the API has no form for.
fn unsupported<M: SerializeMap>(map: &mut M, text: &str) -> Result<(), M::Error> {
    map.serialize_entry("type", "text")?;
    map.serialize_entry("text", text)
}

/// The contents of a tool result.
struct Parts<'a>(&'a [Content], bool);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for block in self.0.iter().filter_map(|content| of_user(content, self.1)) {
            list.serialize_element(&Marked { block: &block, cache: None })?;
        }
        list.end()
    }
}

/// The arguments of a call as an object, the only form that the API accepts: other arguments are
/// wrapped.
pub(crate) struct Input<'a>(pub(crate) &'a Value);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self.0 {
            Value::Object(arguments) => return arguments.serialize(serializer),
            _ => serializer.serialize_map(None)?,
        };
        match self.0 {
            Value::Null => {}
            Value::String(raw) => map.serialize_entry("INVALID_JSON", raw)?,
            other => map.serialize_entry("INVALID_JSON", &other.to_string())?,
        }
        map.end()
    }
}

/// Returns the id of a call in the characters that the API accepts. Another vendor's id may have
/// others.
pub(crate) fn call_id(id: &str) -> Cow<'_, str> {
    let accepted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.chars().all(accepted) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().map(|c| if accepted(c) { c } else { '_' }).collect())
}

/// The location of the bytes of an image or document.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Url { url: &'a str },
    Base64 { media_type: &'a str, data: &'a str },
    File { file_id: &'a str },
    Text { media_type: &'static str, data: String },
}

fn source(media: &Media) -> Option<Source<'_>> {
    Some(match &media.source {
        MediaSource::Url { url } => match data_url::read(url) {
            Some((media_type, data)) => Source::Base64 { media_type, data },
            None => Source::Url { url },
        },
        MediaSource::Base64 { mime_type, data } => Source::Base64 { media_type: mime_type, data },
        MediaSource::File { id, .. } => Source::File { file_id: id },
        _ => return None,
    })
}

/// Returns the source of a document that is text. The API accepts no other bytes than PDFs.
fn plain_text(media: &Media) -> Option<Source<'_>> {
    let (kind, data) = match &media.source {
        MediaSource::Base64 { mime_type, data } => (mime_type.as_str(), data.as_str()),
        MediaSource::Url { url } => data_url::read(url)?,
        _ => return None,
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/")
        || ["json", "xml", "yaml", "toml", "csv", "javascript"].iter().any(|k| kind.ends_with(k));
    if !is_text {
        return None;
    }
    let data = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
    Some(Source::Text { media_type: "text/plain", data })
}
