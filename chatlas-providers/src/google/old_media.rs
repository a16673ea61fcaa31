//! Images, documents and the parts of the tools that Google runs, as parts of a content.

use chatlas_core::ProviderError;
use chatlas_core::content::{Content, Media, MediaSource};
use serde_json::{Value, json};

use super::old_request::invalid;
use crate::data_url;

/// Where the File API keeps files: the address of one is its id behind this.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";

/// What the names of files tell of them.
const KINDS: [(&str, &str); 19] = [
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mp3", "audio/mp3"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
];

/// An image or a document as a part.
pub(super) fn part(media: &Media) -> Result<Value, ProviderError> {
    Ok(match &media.source {
        MediaSource::Base64 { mime_type, data } => inline(mime_type, data),
        MediaSource::Url { url } => match data_url::read(url) {
            Some((mime_type, data)) => inline(mime_type, data),
            None => file(url, kind_of(url)),
        },
        MediaSource::File { id, mime_type } => {
            let kind = mime_type.as_deref().or_else(|| kind_of(id));
            if id.starts_with("files/") {
                file(&format!("{FILES}{id}"), kind)
            } else {
                file(id, kind)
            }
        }
        _ => return Err(invalid("Google takes no image or document from there".to_owned())),
    })
}

fn inline(mime_type: &str, data: &str) -> Value {
    json!({"inlineData": {"mimeType": mime_type, "data": data}})
}

fn file(uri: &str, mime_type: Option<&str>) -> Value {
    match mime_type {
        Some(mime_type) => json!({"fileData": {"fileUri": uri, "mimeType": mime_type}}),
        None => json!({"fileData": {"fileUri": uri}}),
    }
}

/// The MIME type by the end of the name, where that is a known one.
fn kind_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    KINDS.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind)
}

/// What the model made: the bytes, or an address.
pub(super) fn content(part: &Value) -> Option<Content> {
    let (source, mime_type) = match (&part["inlineData"], &part["fileData"]) {
        (inline, _) if inline.is_object() => {
            let mime_type = inline["mimeType"].as_str().unwrap_or("application/octet-stream");
            let data = inline["data"].as_str()?.to_owned();
            (MediaSource::Base64 { mime_type: mime_type.to_owned(), data }, mime_type)
        }
        (_, file) if file.is_object() => {
            let mime_type = file["mimeType"].as_str();
            let id = file["fileUri"].as_str()?.to_owned();
            let source = MediaSource::File { id, mime_type: mime_type.map(str::to_owned) };
            (source, mime_type.unwrap_or_default())
        }
        _ => return None,
    };
    let media = Media { source, name: None };
    let is_image = mime_type.starts_with("image/");
    Some(if is_image { Content::Image(media) } else { Content::Document(media) })
}

/// The parts in which Google tells of tools that it runs itself: the field, the tool, the field
/// that names the tool more exactly.
const SERVER_TOOLS: [(&str, &str); 4] = [
    ("executableCode", "code_execution"),
    ("codeExecutionResult", "code_execution"),
    ("toolCall", "server_tool"),
    ("toolResponse", "server_tool"),
];

/// Whether that is a part which Google wants back as it came.
pub(super) fn is_server_tool(part: &Value) -> bool {
    SERVER_TOOLS.iter().any(|(field, _)| part[*field].is_object())
}

/// The tool that a part tells of, with the id of the call.
pub(super) fn server_tool(part: &Value) -> Option<(String, Option<String>)> {
    let (field, name) = SERVER_TOOLS.iter().find(|(field, _)| part[*field].is_object())?;
    let told = &part[*field];
    let name = match told["toolType"].as_str() {
        Some("GOOGLE_SEARCH_WEB" | "GOOGLE_SEARCH") => "web_search".to_owned(),
        Some("URL_CONTEXT") => "web_fetch".to_owned(),
        Some(other) => other.to_ascii_lowercase(),
        None => (*name).to_owned(),
    };
    Some((name, told["id"].as_str().map(str::to_owned)))
}

