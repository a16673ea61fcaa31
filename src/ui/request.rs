//! The body that `useChat` sends.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::content::MediaLoader;
use crate::{Content, Prompt};

/// The body that `useChat` sends: the conversation as the page shows it.
///
/// A server that keeps the [`Chat`](crate::Chat) of each conversation needs only the id and the last
/// message. Do not use the other messages as the history: a visitor can change them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UiRequest {
    /// The id of the conversation.
    pub id: String,
    /// The messages, oldest first.
    #[serde(default)]
    pub messages: Vec<UiMessage>,
    /// Why the page sends the request: `submit-message` or `regenerate-message`.
    #[serde(default)]
    pub trigger: String,
}

/// A message of the page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UiMessage {
    /// The id of the message.
    #[serde(default)]
    pub id: String,
    /// `user`, `assistant` or `system`.
    #[serde(default)]
    pub role: String,
    /// The parts: objects with a `type`.
    #[serde(default)]
    pub parts: Vec<Value>,
}

impl UiRequest {
    /// Returns whether the page requests another answer to the last prompt. See
    /// [`Chat::regenerate`](crate::Chat::regenerate).
    pub fn regenerates(&self) -> bool {
        self.trigger == "regenerate-message"
    }

    /// Returns the contents of the last message of the user: its text, and its files of the `data:` URLs
    /// that the page sends. Other files are ignored, because a visitor could name any address.
    pub fn prompt(&self) -> Prompt {
        let last = self.messages.iter().rev().find(|message| message.role == "user");
        let parts = last.map(|message| message.parts.as_slice()).unwrap_or_default();
        Prompt::new(parts.iter().filter_map(content).collect::<Vec<_>>())
    }
}

/// Returns the content of a part.
fn content(part: &Value) -> Option<Content> {
    match part["type"].as_str()? {
        "text" => Some(Content::text(part["text"].as_str()?)),
        "file" => {
            let url = part["url"].as_str().filter(|url| url.starts_with("data:"))?;
            MediaLoader::new().load_url(url).ok()
        }
        _ => None,
    }
}
