//! Turns as messages of the Messages API: content blocks that borrow from the history.

use std::borrow::Cow;
use std::ops::Not;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::content::{
    Content, Media, MediaSource, Replay, ServerTool, ToolOutcome, ToolResult,
};
use chatlas_core::{ProviderError, ProviderErrorKind, Turn};
use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Map, Value, json};

use crate::client::fields::Arguments;
use crate::client::{Call, NO_TEXT};
use crate::data_url;

/// A message of a request.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

/// A content block of a message.
#[derive(Serialize)]
struct Block<'a> {
    #[serde(flatten)]
    body: Body<'a>,
    /// Marks the end of the prefix that the vendor caches.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Value>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Body<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Value>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Arguments<'a>,
        /// The other fields that the vendor sent in the block.
        #[serde(flatten)]
        others: Others<'a>,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: Output<'a>,
        #[serde(skip_serializing_if = "Not::not")]
        is_error: bool,
    },
    /// A block that the vendor sent and requires back.
    #[serde(untagged)]
    Item(Cow<'a, Map<String, Value>>),
}

/// The content of a tool result.
#[derive(Serialize)]
#[serde(untagged)]
enum Output<'a> {
    Text(Cow<'a, str>),
    Blocks(Vec<Block<'a>>),
}

/// The fields of a call that are not part of every call. Some gateways put a text into a call, which the
/// API rejects.
struct Others<'a>(Option<&'a Map<String, Value>>);

impl Serialize for Others<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let others = self.0.into_iter().flatten();
        serializer.collect_map(
            others.filter(|(key, _)| {
                !matches!(key.as_str(), "type" | "id" | "name" | "input" | "text")
            }),
        )
    }
}

/// Returns the messages of a conversation in the form that the API accepts.
///
/// Calls of the vendor's own tools that have no result are omitted: their turn was cut off. They are
/// kept in the last message, where a paused turn continues with them, and beside a call of the
/// program's tools whose result is the last message, and continues the turn. The last text of the
/// model ends without white space.
pub(super) fn messages<'a>(call: &Call<'a>, cites: bool, cache: Option<Value>) -> Vec<Message<'a>> {
    let mut messages = Vec::with_capacity(call.turns.len());
    messages.extend(call.turns.iter().filter_map(|turn| message(call, cites, turn)));
    remove_unanswered_calls(&mut messages);
    if let Some(last) = messages.last_mut() {
        if last.role == "assistant"
            && let Some(block) = last.content.last_mut()
        {
            block.body.trim_end();
        }
        if let Some(block) = last.content.iter_mut().rev().find(|block| block.body.is_cacheable()) {
            block.cache_control = cache;
        }
    }
    messages
}

/// Returns a turn as a message, or `None` if nothing of it can be sent.
fn message<'a>(call: &Call<'a>, cites: bool, turn: &'a Turn) -> Option<Message<'a>> {
    let (role, content) = match turn {
        Turn::User(turn) => {
            // The API requires the results of its calls before anything else.
            let is_result = |content: &&Content| matches!(content, Content::ToolResult(_));
            let results = turn.contents.iter().filter(is_result);
            let rest = turn.contents.iter().filter(|content| !is_result(content));
            let mut blocks = Vec::with_capacity(turn.contents.len().max(1));
            blocks.extend(results.chain(rest).filter_map(|content| of_user(content, cites)));
            ("user", blocks)
        }
        Turn::Assistant(turn) => ("assistant", of_model_turn(call, &turn.contents)),
        _ => return None,
    };
    (!content.is_empty()).then_some(Message { role, content })
}

fn remove_unanswered_calls(messages: &mut Vec<Message<'_>>) {
    if !messages
        .iter()
        .any(|message| message.content.iter().any(|block| block.body.is_server_call()))
    {
        return;
    }
    let mut answered: Vec<String> = Vec::new();
    for (distance, message) in messages.iter_mut().rev().enumerate() {
        let content = &mut message.content;
        answered.extend(content.iter().filter_map(|block| block.body.answers()));
        let calls = || content.iter().any(|block| block.body.kind() == "tool_use");
        let is_continued = distance == 0 || distance == 1 && calls();
        if !is_continued {
            content.retain(|block| {
                let id = block.body.field("id").unwrap_or_default();
                !block.body.is_server_call() || answered.iter().any(|answered| answered == id)
            });
            while content.pop_if(|block| block.body.kind().ends_with("thinking")).is_some() {}
        }
    }
    // A message that is empty now is removed, and its neighbours become one.
    let mut remaining: Vec<Message<'_>> = Vec::with_capacity(messages.len());
    for message in messages.drain(..).filter(|message| !message.content.is_empty()) {
        match remaining.last_mut() {
            Some(last) if last.role == message.role => last.content.extend(message.content),
            _ => remaining.push(message),
        }
    }
    *messages = remaining;
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
    (!text.trim().is_empty()).then(|| Body::Text { text }.into())
}

fn of_user(content: &Content, cites: bool) -> Option<Block<'_>> {
    let body = match content {
        Content::Text(content) => return text(&content.text),
        Content::Image(media) => match source(media) {
            Some(source) => Body::Image { source },
            None => Body::Text { text: "[an image that cannot be sent]" },
        },
        Content::Document(media) => match plain_text(media).or_else(|| source(media)) {
            Some(source) => Body::Document {
                source,
                title: media.name.as_deref(),
                citations: cites.then(|| json!({"enabled": true})),
            },
            None => Body::Text { text: "[a document that cannot be sent]" },
        },
        Content::ToolResult(result) => Body::ToolResult {
            tool_use_id: &result.id,
            content: match &result.outcome {
                ToolOutcome::Contents(contents) => Output::Blocks(
                    contents.iter().filter_map(|content| of_user(content, cites)).collect(),
                ),
                // The API rejects an error without a message.
                ToolOutcome::Error(text) if text.trim().is_empty() => Output::Text(NO_TEXT.into()),
                ToolOutcome::Error(text) | ToolOutcome::Value(Value::String(text)) => {
                    Output::Text(text.into())
                }
                other => Output::Text(other.to_model_text().into()),
            },
            is_error: result.outcome.is_error(),
        },
        // All other contents are the model's.
        _ => return None,
    };
    Some(body.into())
}

/// Returns the blocks of a turn of the model. Thinking at the end is omitted: the API rejects it there.
fn of_model_turn<'a>(call: &Call<'_>, contents: &'a [Content]) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'a>> = Vec::with_capacity(contents.len());
    let mut end = 0;
    for content in contents {
        let before = blocks.len();
        match content {
            Content::ServerTool(tool) if call.is_own(&tool.replay) => {
                blocks.extend(items(tool).map(Block::from));
            }
            content => blocks.extend(of_model(call, content)),
        }
        if blocks.len() > before && !matches!(content, Content::Thinking(_)) {
            end = blocks.len();
        }
    }
    blocks.truncate(end);
    blocks
}

fn of_model<'a>(call: &Call<'_>, content: &'a Content) -> Option<Block<'a>> {
    let of = |replay: &'a Option<Replay>| item(call, replay.as_ref()?);
    match content {
        Content::Text(content) => {
            // The vendor's block has the sources. It is outdated if the text was changed since.
            let same = |item: &&Map<String, Value>| {
                item.get("text").is_some_and(|text| *text == content.text.as_str())
            };
            let plain = text(&content.text)?;
            Some(of(&content.replay).filter(same).map_or(plain, Block::from))
        }
        Content::Refusal(refusal) => text(&refusal.text),
        Content::ToolRequest(request) => Some(
            Body::ToolUse {
                id: &request.id,
                name: &request.name,
                input: Arguments(&request.arguments),
                others: Others(of(&request.replay)),
            }
            .into(),
        ),
        Content::Thinking(thinking) => {
            // Anthropic rejects thinking without its signature. Other servers with this API sign
            // nothing, and require it.
            let is_accepted = |item: &&Map<String, Value>| {
                !call.is_home
                    || ["signature", "data"]
                        .iter()
                        .any(|key| item.get(*key).is_some_and(|proof| *proof != ""))
            };
            of(&thinking.replay).filter(is_accepted).map(Block::from)
        }
        _ => None,
    }
}

impl<'a> From<Body<'a>> for Block<'a> {
    fn from(body: Body<'a>) -> Self {
        Self { body, cache_control: None }
    }
}

impl<'a> From<&'a Map<String, Value>> for Block<'a> {
    fn from(item: &'a Map<String, Value>) -> Self {
        Body::Item(Cow::Borrowed(item)).into()
    }
}

/// Returns an item if it is a block of this API. A vendor may have a second API, whose items have
/// no `type`.
fn item<'a>(call: &Call<'_>, replay: &'a Replay) -> Option<&'a Map<String, Value>> {
    if call.is_own(replay) { typed(&replay.item) } else { None }
}

/// Returns the blocks of a call of a tool that the vendor runs.
pub(crate) fn items(tool: &ServerTool) -> impl Iterator<Item = &Map<String, Value>> {
    let items = match &tool.replay.item {
        Value::Array(items) => items.as_slice(),
        item => std::slice::from_ref(item),
    };
    items.iter().filter_map(typed)
}

fn typed(item: &Value) -> Option<&Map<String, Value>> {
    item.as_object().filter(|item| item.get("type").is_some_and(Value::is_string))
}

impl Body<'_> {
    fn kind(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::Image { .. } => "image",
            Self::Document { .. } => "document",
            Self::ToolUse { .. } => "tool_use",
            Self::ToolResult { .. } => "tool_result",
            Self::Item(_) => self.field("type").unwrap_or_default(),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        match self {
            Self::Item(item) => item.get(name)?.as_str(),
            _ => None,
        }
    }

    /// Returns whether the block is a call of a tool that the vendor runs.
    fn is_server_call(&self) -> bool {
        self.kind().ends_with("_tool_use")
    }

    /// Returns the id of the call that the block is the result of.
    fn answers(&self) -> Option<String> {
        match self {
            Self::ToolResult { tool_use_id, .. } => Some((*tool_use_id).to_owned()),
            _ => self.field("tool_use_id").map(str::to_owned),
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
            Self::Text { text } => *text = text.trim_end(),
            Self::Item(item) if item.get("text").is_some_and(Value::is_string) => {
                if let Some(Value::String(text)) = item.to_mut().get_mut("text") {
                    text.truncate(text.trim_end().len());
                }
            }
            _ => {}
        }
    }
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

/// Refuses inline bytes of a type that the API does not accept.
pub(crate) fn check_media(content: &Content) -> Result<(), ProviderError> {
    let (media, what, accepted): (_, _, &[&str]) = match content {
        Content::Image(media) => {
            (media, "image", &["image/png", "image/jpeg", "image/gif", "image/webp"])
        }
        Content::Document(media) if plain_text(media).is_none() => {
            (media, "document", &["application/pdf", "text/plain"])
        }
        _ => return Ok(()),
    };
    let Some(Source::Base64 { media_type, .. }) = source(media) else { return Ok(()) };
    if accepted.contains(&media_type) {
        return Ok(());
    }
    let accepted = accepted.join(", ");
    let message =
        format!("Anthropic accepts no {what} of the type `{media_type}`; it accepts {accepted}");
    Err(ProviderError::new(ProviderErrorKind::Unsupported, message))
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

#[cfg(test)]
mod tests {
    use chatlas_core::ProviderErrorKind;
    use chatlas_core::content::{Content, Media};

    use super::check_media;

    #[test]
    fn inline_bytes_of_other_types_are_unsupported() {
        let image = |mime_type| Content::Image(Media::from_base64(mime_type, "YQ=="));
        let document = |mime_type| Content::Document(Media::from_base64(mime_type, "YQ=="));
        let accepted = [image("image/webp"), document("application/pdf"), document("text/csv")];
        for content in accepted {
            assert!(check_media(&content).is_ok(), "{content:?}");
        }
        for content in [image("image/heic"), document("audio/wav"), document("application/msword")]
        {
            let error = check_media(&content).expect_err("the type is unsupported");
            assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
        }
    }
}
