//! What a message is made of: text, thinking, tool requests and results, media, citations.
//!
//! Contents are plain data. They serialize to JSON and come back equal, so a conversation can be
//! stored and continued later.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One piece of a message.
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
    /// Text, as a person or the model wrote it.
    Text(Text),
    /// What the model thought before it answered, as far as the vendor shows it.
    Thinking(Thinking),
    /// The model asks for a tool to be called.
    ToolRequest(ToolRequest),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// The model declined to answer, in its own words.
    Refusal(Refusal),
    /// An image.
    Image(Media),
    /// A document, a PDF for example.
    Document(Media),
    /// A source the model names for what it wrote.
    Citation(Citation),
    /// A call of a tool that the vendor ran on its own servers (a web search for example).
    ServerTool(ServerTool),
}

impl Content {
    /// A text content.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), ..Text::default() })
    }

    /// An image at an address that the vendor can reach.
    pub fn image_url(url: impl Into<String>) -> Self {
        Self::Image(Media { source: MediaSource::Url { url: url.into() }, name: None })
    }

    /// An image given by its bytes, encoded as base64.
    pub fn image_base64(mime_type: impl Into<String>, data: impl Into<String>) -> Self {
        let source = MediaSource::Base64 { mime_type: mime_type.into(), data: data.into() };
        Self::Image(Media { source, name: None })
    }

    /// A document at an address that the vendor can reach.
    pub fn document_url(url: impl Into<String>) -> Self {
        Self::Document(Media { source: MediaSource::Url { url: url.into() }, name: None })
    }

    /// A document given by its bytes, encoded as base64, with the file name the model is told.
    pub fn document_base64(
        name: impl Into<String>,
        mime_type: impl Into<String>,
        data: impl Into<String>,
    ) -> Self {
        let source = MediaSource::Base64 { mime_type: mime_type.into(), data: data.into() };
        Self::Document(Media { source, name: Some(name.into()) })
    }
}

/// Something opaque that one vendor wants back, exactly as it came, when the conversation goes on:
/// an encrypted reasoning item, a signature. Other vendors never see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The `gen_ai.provider.name` of the vendor it belongs to.
    pub provider: String,
    /// The item itself.
    pub item: Value,
}

/// Text, as a person or the model wrote it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// The text.
    pub text: String,
    /// What the vendor wants back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// How likely the model held each token, in the vendor's form, where it was asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
}

/// What the model thought before it answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Thinking {
    /// The thought or its summary; empty where the vendor shows none.
    pub text: String,
    /// What the vendor wants back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// The model asks for a tool to be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolRequest {
    /// The vendor's id of this call; the result carries the same one.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// The arguments: a JSON object. Where the model wrote something that is no JSON, the string
    /// it wrote, so that nothing is lost and the model can be told.
    pub arguments: Value,
    /// What the vendor wants back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The id of the request that this answers.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// What came of the call.
    pub outcome: ToolOutcome,
}

/// What came of a tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// The tool's value: a string is handed to the model as it is, anything else as JSON.
    Value(Value),
    /// Text, images and documents, in that order.
    Contents(Vec<Content>),
    /// The tool failed: this is what the model is told.
    Error(String),
}

impl ToolOutcome {
    /// What the model reads. Of [`Contents`](Self::Contents) it is the text alone.
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

    /// Whether the call failed.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

/// The model declined to answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The model's words.
    pub text: String,
}

/// An image or a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// Where its bytes are.
    pub source: MediaSource,
    /// A file name, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Where the bytes of an image or a document are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaSource {
    /// At an address.
    Url {
        /// The address.
        url: String,
    },
    /// Here, as base64.
    Base64 {
        /// The MIME type, `image/png` for example.
        mime_type: String,
        /// The bytes, as base64.
        data: String,
    },
    /// At the vendor, uploaded before.
    File {
        /// The vendor's id of the file.
        id: String,
        /// The MIME type, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
    },
}

/// A source the model names for what it wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Citation {
    /// The address of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The words of the source that are cited, or those of the answer that it supports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
}

/// A call of a tool that the vendor ran on its own servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerTool {
    /// The vendor's id of the call, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool, `web_search` for example.
    pub name: String,
    /// What the vendor wants back: the call and its result as they came.
    pub replay: Replay,
}
