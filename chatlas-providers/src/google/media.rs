//! Images, documents and the tools that Google runs, as parts of a content.

use chatlas_core::content::{Media, MediaSource};
use chatlas_core::{ProviderError, ProviderErrorKind};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::client::fields::Fields;
use crate::data_url;

const UNSUPPORTED: &str = "Google accepts no image or document from this source";
/// The URL of the File API: the address of a file is its id behind this.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";

/// The MIME types by the extension of a file name.
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
pub(super) struct Medium<'a>(pub(super) &'a Media);

impl Serialize for Medium<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::new(serializer, None)?;
        self.write(&mut fields)?;
        fields.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InlineData<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileData<'a> {
    file_uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
}

impl Medium<'_> {
    /// Refuses an unsupported source, and inline bytes of an unsupported type.
    pub(super) fn check(&self) -> Result<(), ProviderError> {
        match self.0.source {
            MediaSource::Base64 { ref mime_type, .. } => check_type(mime_type),
            MediaSource::Url { ref url } => {
                data_url::read(url).map_or(Ok(()), |(mime_type, _)| check_type(mime_type))
            }
            MediaSource::File { .. } => Ok(()),
            _ => Err(ProviderError::new(ProviderErrorKind::InvalidRequest, UNSUPPORTED)),
        }
    }

    /// Writes the field of the part.
    pub(super) fn write<M: SerializeMap>(
        &self,
        fields: &mut Fields<'_, M>,
    ) -> Result<(), M::Error> {
        let file = |file_uri, mime_type| FileData { file_uri, mime_type };
        match &self.0.source {
            MediaSource::Base64 { mime_type, data } => {
                fields.set("inlineData", &InlineData { mime_type, data })
            }
            MediaSource::Url { url } => match data_url::read(url) {
                Some((mime_type, data)) => {
                    fields.set("inlineData", &InlineData { mime_type, data })
                }
                None => fields.set("fileData", &file(url, mime_type_of(url))),
            },
            MediaSource::File { id, mime_type } => {
                let mime_type = mime_type.as_deref().or_else(|| mime_type_of(id));
                if id.starts_with("files/") {
                    let uri = format!("{FILES}{id}");
                    fields.set("fileData", &file(&uri, mime_type))
                } else {
                    fields.set("fileData", &file(id, mime_type))
                }
            }
            _ => Err(M::Error::custom(UNSUPPORTED)),
        }
    }
}

/// Refuses office documents: the API accepts PDFs, text, images, audio and video.
fn check_type(mime_type: &str) -> Result<(), ProviderError> {
    let is_office = mime_type == "application/msword" || mime_type.starts_with("application/vnd.");
    if !is_office {
        return Ok(());
    }
    let message = format!("Google accepts no document of the type `{mime_type}`: send it as PDF");
    Err(ProviderError::new(ProviderErrorKind::Unsupported, message))
}

/// Returns the MIME type of a file by its extension, if it is a known one.
fn mime_type_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    let known = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map(|(_, mime_type)| *mime_type)
}

/// The fields of a part that records a call of a tool which Google runs, or its result; with the
/// name of the tool, if the field does not contain it.
const SERVER_TOOLS: [(&str, &str); 4] = [
    ("executableCode", "code_execution"),
    ("codeExecutionResult", "code_execution"),
    ("toolCall", "server_tool"),
    ("toolResponse", "server_tool"),
];

/// Returns whether a part records a tool that Google runs: such a part is sent back verbatim.
pub(super) fn is_server_tool(part: &Map<String, Value>) -> bool {
    SERVER_TOOLS.iter().any(|(field, _)| part.get(*field).is_some_and(Value::is_object))
}

/// Returns the name of the tool that a part records, and the id of the call.
pub(super) fn server_tool(part: &Map<String, Value>) -> Option<(String, Option<String>)> {
    let (record, name) = SERVER_TOOLS
        .iter()
        .find_map(|(field, name)| Some((part.get(*field)?.as_object()?, *name)))?;
    let string = |key: &str| record.get(key).and_then(Value::as_str);
    let name = match string("toolType") {
        Some("GOOGLE_SEARCH_WEB" | "GOOGLE_SEARCH") => "web_search".to_owned(),
        Some("URL_CONTEXT") => "web_fetch".to_owned(),
        Some(other) => other.to_ascii_lowercase(),
        None => name.to_owned(),
    };
    Some((name, string("id").map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use chatlas_core::ProviderErrorKind;
    use chatlas_core::content::Media;

    use super::Medium;

    #[test]
    fn inline_office_documents_are_unsupported() {
        let accepted = ["application/pdf", "text/csv", "audio/wav", "video/mp4", "image/heic"];
        for mime_type in accepted {
            assert!(Medium(&Media::from_base64(mime_type, "AA==")).check().is_ok(), "{mime_type}");
        }
        for mime_type in ["application/msword", "application/vnd.ms-excel"] {
            let url = format!("data:{mime_type};base64,AA==");
            for media in [Media::from_base64(mime_type, "AA=="), Media::from_url(url)] {
                let error = Medium(&media).check().expect_err(mime_type);
                assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
            }
        }
    }
}
