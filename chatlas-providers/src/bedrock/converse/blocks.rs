//! Turns as messages of the Converse API: content blocks that borrow from the history.

use std::borrow::Cow;
use std::collections::HashSet;

use chatlas_core::content::{Content, Media, MediaSource, Replay, ToolOutcome, ToolResult};
use chatlas_core::{ProviderError, ProviderErrorKind, Turn};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::anthropic::settings::Caching;
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
#[serde(rename_all = "camelCase")]
enum Block<'a> {
    Text(Cow<'a, str>),
    Image {
        format: &'static str,
        source: Source<'a>,
    },
    Document(Document<'a>),
    #[serde(rename_all = "camelCase")]
    ToolUse {
        tool_use_id: &'a str,
        name: &'a str,
        input: Arguments<'a>,
    },
    #[serde(rename_all = "camelCase")]
    ToolResult {
        tool_use_id: &'a str,
        content: Vec<Self>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    /// A block that the vendor sent and requires back.
    #[serde(untagged)]
    Item(&'a Map<String, Value>),
    #[serde(untagged)]
    CachePoint(Value),
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    name: String,
    source: Source<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    citations: Option<Value>,
}

/// Returns the mark at the end of the cached prefix.
pub(super) fn cache_point(caching: Caching) -> Option<Value> {
    match caching {
        Caching::Off => None,
        // Five minutes are the default of every model.
        Caching::FiveMinutes => Some(json!({"cachePoint": {"type": "default"}})),
        Caching::OneHour => Some(json!({"cachePoint": {"type": "default", "ttl": "1h"}})),
    }
}

/// The location of the bytes of an image or document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Source<'a> {
    Bytes(&'a str),
    S3Location { uri: &'a str },
}

/// Returns the messages of a conversation. Every document has a distinct name.
pub(super) fn messages<'a>(
    call: &Call<'a>,
    citations: bool,
    cache: Option<Value>,
) -> Result<Vec<Message<'a>>, ProviderError> {
    let mut messages: Vec<Message<'a>> = Vec::with_capacity(call.turns.len());
    for turn in call.turns {
        let (role, content) = match &**turn {
            Turn::User(turn) => ("user", of_user_turn(&turn.contents, citations)?),
            Turn::Assistant(turn) => ("assistant", of_model_turn(call, &turn.contents)),
            _ => continue,
        };
        if !content.is_empty() {
            messages.push(Message { role, content });
        }
    }
    let mut names = HashSet::new();
    let blocks = messages.iter_mut().flat_map(|message| &mut message.content);
    blocks.for_each(|block| rename_document(block, &mut names));
    if let Some(last) = messages.last_mut() {
        last.content.extend(cache.map(Block::CachePoint));
    }
    Ok(messages)
}

/// Renames the documents in a block whose names are in use: the API rejects duplicates.
fn rename_document(block: &mut Block<'_>, names: &mut HashSet<String>) {
    match block {
        Block::ToolResult { content, .. } => {
            for block in content {
                rename_document(block, names);
            }
        }
        Block::Document(Document { name, .. }) => {
            let first = name.clone();
            let mut number = 1;
            while !names.insert(name.to_lowercase()) {
                number += 1;
                *name = format!("{first} ({number})");
            }
        }
        _ => {}
    }
}

fn of_user_turn(contents: &[Content], citations: bool) -> Result<Vec<Block<'_>>, ProviderError> {
    // The API requires the results of its calls before anything else.
    let is_result = |content: &&Content| matches!(content, Content::ToolResult(_));
    let results = contents.iter().filter(is_result);
    let rest = contents.iter().filter(|content| !is_result(content));
    let mut blocks = blocks(results.chain(rest), contents.len(), citations)?;
    let has = |wanted: fn(&Block<'_>) -> bool| blocks.iter().any(wanted);
    if has(|block| matches!(block, Block::Document(_)))
        && !has(|block| matches!(block, Block::Text(_)))
    {
        // The API rejects a document without a text.
        blocks.push(Block::Text("The document is attached.".into()));
    }
    Ok(blocks)
}

/// Returns the blocks of contents; a placeholder if there are none.
fn blocks<'a>(
    contents: impl Iterator<Item = &'a Content>,
    capacity: usize,
    citations: bool,
) -> Result<Vec<Block<'a>>, ProviderError> {
    let mut blocks = Vec::with_capacity(capacity.max(1));
    for content in contents {
        blocks.extend(of_user(content, citations)?);
    }
    if blocks.is_empty() {
        blocks.push(Block::Text(NO_TEXT.into()));
    }
    Ok(blocks)
}

/// Returns a text as a block; the API rejects a blank one.
fn text<'a>(text: impl Into<Cow<'a, str>>) -> Option<Block<'a>> {
    let text = text.into();
    (!text.trim().is_empty()).then_some(Block::Text(text))
}

fn of_user(content: &Content, citations: bool) -> Result<Option<Block<'_>>, ProviderError> {
    Ok(match content {
        Content::Text(content) => text(&content.text),
        Content::Image(media) => {
            Some(Block::Image { format: image_format(media)?, source: source(media, "images")? })
        }
        Content::Document(media) => Some(Block::Document(Document {
            format: document_format(media)?,
            name: document_name(media.name.as_deref()),
            source: source(media, "documents")?,
            citations: citations.then(|| json!({"enabled": true})),
        })),
        Content::ToolResult(result) => Some(tool_result(result, citations)?),
        // All other contents are the model's.
        _ => None,
    })
}

/// Returns the blocks of a turn of the model. Thinking at the end is omitted: Claude rejects it there.
fn of_model_turn<'a>(call: &Call<'_>, contents: &'a [Content]) -> Vec<Block<'a>> {
    let mut blocks = Vec::with_capacity(contents.len());
    let mut end = 0;
    for content in contents {
        let Some(block) = of_model(call, content) else { continue };
        blocks.push(block);
        if !matches!(content, Content::Thinking(_)) {
            end = blocks.len();
        }
    }
    blocks.truncate(end);
    blocks
}

fn of_model<'a>(call: &Call<'_>, content: &'a Content) -> Option<Block<'a>> {
    match content {
        Content::Text(content) => text(&content.text),
        Content::Refusal(refusal) => text(&refusal.text),
        Content::ToolRequest(request) => Some(Block::ToolUse {
            tool_use_id: &request.id,
            name: &request.name,
            input: Arguments(&request.arguments),
        }),
        Content::Thinking(thinking) => item(call, thinking.replay.as_ref()?),
        Content::ServerTool(tool) => item(call, &tool.replay),
        _ => None,
    }
}

/// Returns whether a content of the model is a message by itself.
pub(in crate::bedrock) fn is_message(call: &Call<'_>, content: &Content) -> bool {
    !matches!(content, Content::Thinking(_)) && of_model(call, content).is_some()
}

/// Refuses an image or a document that the API does not accept.
pub(in crate::bedrock) fn check_media(content: &Content) -> Result<(), ProviderError> {
    of_user(content, false).map(|_| ())
}

/// Returns an item if it is a block of this API: the items of `InvokeModel` have a `type`.
fn item<'a>(call: &Call<'_>, replay: &'a Replay) -> Option<Block<'a>> {
    let item = replay.item.as_object().filter(|_| call.is_own(replay))?;
    (!item.contains_key("type")).then_some(Block::Item(item))
}

fn tool_result(result: &ToolResult, citations: bool) -> Result<Block<'_>, ProviderError> {
    let content = match &result.outcome {
        ToolOutcome::Contents(contents) => blocks(contents.iter(), contents.len(), citations)?,
        other => vec![text(other.to_model_text()).unwrap_or(Block::Text(NO_TEXT.into()))],
    };
    let status = result.outcome.is_error().then_some("error");
    Ok(Block::ToolResult { tool_use_id: &result.id, content, status })
}

/// Returns a name in the characters that the API accepts: letters, digits, single spaces, hyphens,
/// parentheses and square brackets.
fn document_name(name: Option<&str>) -> String {
    let accepted = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
    let spaced: String =
        name.unwrap_or_default().chars().map(|c| if accepted(c) { c } else { ' ' }).collect();
    let name = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() { "document".to_owned() } else { name }
}

fn source<'a>(media: &'a Media, what: &str) -> Result<Source<'a>, ProviderError> {
    match &media.source {
        MediaSource::Base64 { data, .. } => Ok(Source::Bytes(data)),
        MediaSource::Url { url } => match data_url::read(url) {
            Some((_, data)) => Ok(Source::Bytes(data)),
            None if url.starts_with("s3://") => Ok(Source::S3Location { uri: url }),
            None => Err(unsupported(&format!("fetches no {what} from the web"))),
        },
        _ => Err(unsupported(&format!("accepts no ids of {what}"))),
    }
}

fn unsupported(why: &str) -> ProviderError {
    invalid(&format!("{why}: pass the bytes, or an `s3://` URL"))
}

/// Returns the MIME type of a medium, otherwise the extension of its URL.
fn kind(media: &Media) -> &str {
    match &media.source {
        MediaSource::Base64 { mime_type, .. } => mime_type,
        MediaSource::Url { url } => match data_url::read(url) {
            Some((kind, _)) => kind,
            None => url.rsplit_once('.').map_or(url, |(_, extension)| extension),
        },
        _ => "",
    }
}

/// The formats of images, by how a MIME type or an extension ends.
const IMAGES: &[(&str, &str)] =
    &[("png", "png"), ("jpeg", "jpeg"), ("jpg", "jpeg"), ("gif", "gif"), ("webp", "webp")];
/// The formats of documents other than plain text.
#[rustfmt::skip]
const DOCUMENTS: &[(&str, &str)] = &[
    ("pdf", "pdf"), ("csv", "csv"), ("html", "html"), ("htm", "html"), ("markdown", "md"), ("md", "md"),
    ("wordprocessingml.document", "docx"), ("docx", "docx"), ("msword", "doc"), ("doc", "doc"),
    ("spreadsheetml.sheet", "xlsx"), ("xlsx", "xlsx"), ("vnd.ms-excel", "xls"), ("xls", "xls"),
];

fn find(formats: &[(&str, &'static str)], kind: &str) -> Option<&'static str> {
    formats.iter().find(|(ending, _)| kind.ends_with(ending)).map(|(_, format)| *format)
}

fn image_format(media: &Media) -> Result<&'static str, ProviderError> {
    let kind = kind(media).to_ascii_lowercase();
    let format = find(IMAGES, &kind);
    format.ok_or_else(|| unsupported_type("image", &kind, "png, jpeg, gif, webp"))
}

fn document_format(media: &Media) -> Result<&'static str, ProviderError> {
    let kind = kind(media).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/")
        || ["txt", "json", "xml", "yaml", "toml"].iter().any(|ending| kind.ends_with(ending));
    let format = find(DOCUMENTS, kind).or_else(|| is_text.then_some("txt"));
    let accepted = "pdf, csv, doc, docx, xls, xlsx, html, md and text";
    format.ok_or_else(|| unsupported_type("document", kind, accepted))
}

fn unsupported_type(what: &str, kind: &str, accepted: &str) -> ProviderError {
    invalid(&format!("takes no {what} of the type `{kind}`; it takes {accepted}"))
}

fn invalid(why: &str) -> ProviderError {
    let message = format!("Bedrock's Converse API {why}");
    ProviderError::new(ProviderErrorKind::InvalidRequest, message)
}
