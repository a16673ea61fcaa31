//! The contents of a message: text, thinking, tool requests and results, media, citations.
//!
//! Contents are plain data that round-trip through JSON, so a conversation can be stored and
//! continued later.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod load;
mod media_type;

pub use load::{MediaError, MediaLoader};

/// The maximum number of levels of arrays and objects in the arguments or the result of a tool call.
/// `serde_json` reads 127, of which a stored conversation needs some for its turns and contents.
pub(crate) const MAX_NESTING: usize = 100;

/// Returns whether a value has more than that many levels of arrays and objects.
pub(crate) fn is_nested_deeper(value: &Value, levels: usize) -> bool {
    let Some(left) = levels.checked_sub(1) else {
        return value.is_array() || value.is_object();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_nested_deeper(item, left)),
        Value::Object(fields) => fields.values().any(|field| is_nested_deeper(field, left)),
        _ => false,
    }
}

/// A part of a message.
///
/// A prompt may have several:
///
/// ```
/// # use chatlas_core::{Chat, ChatError, Content};
/// # async fn example(mut chat: Chat, png: String) -> Result<(), ChatError> {
/// let photo = Content::image_base64("image/png", png);
/// let reply = chat.chat([Content::text("Which city is this?"), photo]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Text of the user or the model.
    Text(Text),
    /// The model's thinking before its answer, if the vendor returns it.
    Thinking(Thinking),
    /// A tool call that the model requests.
    ToolRequest(ToolRequest),
    /// The result of a tool call.
    ToolResult(ToolResult),
    /// The model's refusal to answer.
    Refusal(Refusal),
    /// An image.
    Image(Media),
    /// A document, such as a PDF.
    Document(Media),
    /// A source that the model cites.
    Citation(Citation),
    /// A call of a tool that the vendor ran on its own servers, such as a web search.
    ServerTool(ServerTool),
}

impl Content {
    /// Reads a file of at most 15 MB and creates an image or a document from it. The media type is
    /// that of the content, then that of the extension. See [`MediaLoader::load_path`] for the
    /// supported types; [`MediaLoader`] sets another size limit.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Content};
    /// # async fn example(mut chat: Chat) -> Result<(), Box<dyn std::error::Error>> {
    /// let photo = Content::from_path("photo.jpg").await?;
    /// let reply = chat.chat([Content::text("Which city is this?"), photo]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, is empty or too large, or if no vendor accepts its type.
    #[doc(alias = "content_image_file")]
    #[doc(alias = "content_pdf_file")]
    #[doc(alias = "content_document_file")]
    pub async fn from_path(path: impl Into<PathBuf>) -> Result<Self, MediaError> {
        MediaLoader::new().load_path(path).await
    }

    /// Creates an image or a document from the bytes of a file of at most 15 MB. The file name is
    /// sent to the model. See [`MediaLoader::load_bytes`] for the supported types.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are empty or too many, or if no vendor accepts their type.
    pub fn from_bytes(
        bytes: impl AsRef<[u8]>,
        name: impl Into<String>,
    ) -> Result<Self, MediaError> {
        MediaLoader::new().load_bytes(bytes, name)
    }

    /// Creates an image or a document from a URL that the vendor can reach, or from a `data:` URL of
    /// at most 15 MB. The extension of the URL decides whether it is an image. See
    /// [`MediaLoader::load_url`].
    ///
    /// # Errors
    ///
    /// Fails if a `data:` URL has no valid base64, no bytes, or too many.
    #[doc(alias = "content_image_url")]
    #[doc(alias = "content_pdf_url")]
    #[doc(alias = "content_document_url")]
    pub fn from_url(url: impl Into<String>) -> Result<Self, MediaError> {
        MediaLoader::new().load_url(url)
    }

    /// Creates a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text::new(text))
    }

    /// Creates an image from a URL that the vendor can reach.
    pub fn image_url(url: impl Into<String>) -> Self {
        Self::Image(Media::from_url(url))
    }

    /// Creates an image from its bytes, encoded as base64.
    pub fn image_base64(mime_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self::Image(Media::from_base64(mime_type, data))
    }

    /// Creates a document from a URL that the vendor can reach.
    pub fn document_url(url: impl Into<String>) -> Self {
        Self::Document(Media::from_url(url))
    }

    /// Creates a document from its bytes, encoded as base64. The file name is sent to the model.
    pub fn document_base64(
        name: impl Into<String>,
        mime_type: impl Into<String>,
        data: impl Into<String>,
    ) -> Self {
        Self::Document(Media::from_base64(mime_type, data).with_name(name))
    }
}

/// An opaque item that one vendor requires back verbatim when the conversation continues, such as an
/// encrypted reasoning item or a signature. It is never sent to another vendor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Replay {
    /// The `gen_ai.provider.name` of the vendor.
    pub provider: String,
    /// The item.
    pub item: Value,
}

impl Replay {
    /// Creates an item of that vendor.
    pub fn new(provider: impl Into<String>, item: impl Into<Value>) -> Self {
        Self { provider: provider.into(), item: item.into() }
    }
}

/// Text of the user or the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Text {
    /// The text.
    pub text: String,
    /// The item that the vendor requires back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The log probabilities of the tokens, in the vendor's form, if they were requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
}

impl Text {
    /// Creates a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Sets the item that the vendor requires back with the text.
    #[must_use]
    pub fn with_replay(mut self, replay: Replay) -> Self {
        self.replay = Some(replay);
        self
    }
}

/// The model's thinking before its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Thinking {
    /// The thinking or its summary; empty if the vendor returns neither.
    pub text: String,
    /// The item that the vendor requires back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

impl Thinking {
    /// Creates a thinking content.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), replay: None }
    }

    /// Sets the item that the vendor requires back with the thinking.
    #[must_use]
    pub fn with_replay(mut self, replay: Replay) -> Self {
        self.replay = Some(replay);
        self
    }
}

/// A tool call that the model requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolRequest {
    /// The vendor's id of the call. The result carries the same id.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments: a JSON object. If the model wrote invalid JSON, or JSON of more than 100 levels,
    /// which a stored conversation could not be read back with, the string that it wrote.
    pub arguments: Value,
    /// The item that the vendor requires back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

impl ToolRequest {
    /// Creates a request for a tool call.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: Value) -> Self {
        Self { id: id.into(), name: name.into(), arguments, replay: None }
    }

    /// Sets the item that the vendor requires back with the request.
    #[must_use]
    pub fn with_replay(mut self, replay: Replay) -> Self {
        self.replay = Some(replay);
        self
    }
}

impl fmt::Display for ToolRequest {
    /// Writes the call as `name(arguments)`, with the arguments as JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.arguments)
    }
}

impl fmt::Display for ToolResult {
    /// Writes the result as it is sent to the model: `name: text`, or `name failed: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.outcome.is_error() { " failed" } else { "" };
        write!(f, "{}{verb}: {}", self.name, self.outcome.to_model_text())
    }
}

/// The result of a tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolResult {
    /// The id of the request.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The outcome of the call.
    pub outcome: ToolOutcome,
}

impl ToolResult {
    /// Creates the result of the call with that id.
    pub fn new(id: impl Into<String>, name: impl Into<String>, outcome: ToolOutcome) -> Self {
        Self { id: id.into(), name: name.into(), outcome }
    }

    /// Creates the result of a call that did not run to its end, or whose result is missing. Vendors
    /// require a result for each call.
    pub fn interrupted(call: &ToolRequest) -> Self {
        const MESSAGE: &str = "The conversation was interrupted before this tool call finished.";
        Self::new(&*call.id, &*call.name, ToolOutcome::Error(MESSAGE.to_owned()))
    }
}

/// The outcome of a tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolOutcome {
    /// A value. A string is sent to the model verbatim, any other value as JSON. A [`Chat`](crate::Chat)
    /// stores a value of more than 100 levels as the string of its JSON.
    Value(Value),
    /// Text, images and documents, in that order.
    Contents(Vec<Content>),
    /// The error message that is sent to the model.
    Error(String),
}

impl ToolOutcome {
    /// Returns the text that is sent to the model. For [`Contents`](Self::Contents), it is the text
    /// without images and documents.
    pub fn to_model_text(&self) -> String {
        match self {
            Self::Value(Value::String(text)) => text.clone(),
            Self::Value(value) => value.to_string(),
            Self::Contents(contents) => {
                let texts = contents.iter().filter_map(|content| match content {
                    Content::Text(text) => Some(text.text.as_str()),
                    _ => None,
                });
                texts.collect::<Vec<_>>().join("\n")
            }
            Self::Error(message) => message.clone(),
        }
    }

    /// Returns whether the call failed.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

/// The model's refusal to answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refusal {
    /// The text of the refusal.
    pub text: String,
}

impl Refusal {
    /// Creates a refusal.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

/// An image or a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Media {
    /// The location of its bytes.
    pub source: MediaSource,
    /// The file name, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Media {
    /// Creates a medium from its source.
    pub fn new(source: MediaSource) -> Self {
        Self { source, name: None }
    }

    /// Creates a medium from a URL that the vendor can reach.
    pub fn from_url(url: impl Into<String>) -> Self {
        Self::new(MediaSource::Url { url: url.into() })
    }

    /// Creates a medium from its bytes, encoded as base64.
    pub fn from_base64(mime_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self::new(MediaSource::Base64 { mime_type: mime_type.into(), data: data.into() })
    }

    /// Sets the file name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// The location of the bytes of an image or a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaSource {
    /// A URL.
    Url {
        /// The URL.
        url: String,
    },
    /// Inline bytes, encoded as base64.
    Base64 {
        /// The MIME type, such as `image/png`.
        mime_type: String,
        /// The bytes, encoded as base64.
        data: String,
    },
    /// A file that was uploaded to the vendor.
    File {
        /// The vendor's id of the file.
        id: String,
        /// The MIME type, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
    },
}

/// Returns the MIME type and the base64 of a `data:` URL, and `None` for another URL.
pub(crate) fn data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

/// A source that the model cites.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Citation {
    /// The URL of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The title of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The cited passage of the source, or the passage of the answer that the source supports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
}

impl Citation {
    /// Creates a citation of the source at a URL.
    pub fn from_url(url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..Self::default() }
    }

    /// Sets the title of the source.
    #[must_use]
    pub fn with_title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the cited passage.
    #[must_use]
    pub fn with_quote(mut self, quote: impl Into<String>) -> Self {
        self.quote = Some(quote.into());
        self
    }
}

/// A call of a tool that the vendor ran on its own servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerTool {
    /// The vendor's id of the call, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name of the tool, such as `web_search`.
    pub name: String,
    /// The call and its result, as the vendor requires them back.
    pub replay: Replay,
}

impl ServerTool {
    /// Creates a call of the tool with that name.
    pub fn new(name: impl Into<String>, replay: Replay) -> Self {
        Self { id: None, name: name.into(), replay }
    }

    /// Sets the vendor's id of the call.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}
