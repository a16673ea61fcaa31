//! [`Session`]: a conversation as versioned JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SessionError;
use crate::provider::ModelParams;
use crate::turn::{Turn, Usage};

/// The version of the JSON that this release writes, and the newest one that it reads.
pub const SESSION_VERSION: u64 = 1;

/// A conversation as data: the turns, and the settings that they depend on.
///
/// [`Chat::session`](crate::Chat::session) creates it and [`Chat::from_session`](crate::Chat::from_session)
/// continues it, with any provider. The JSON contains the complete conversation, and the parameters
/// of the model with [`extra`](ModelParams::extra); it contains no credentials of the provider. Fields
/// that this release does not define are kept in [`other`](Self::other).
///
/// ```
/// # use chatlas_core::{Chat, Provider, SessionError, ToolSet, session::Session};
/// # fn example(chat: Chat, provider: impl Provider) -> Result<(), SessionError> {
/// let json = chat.session().to_json()?;
/// let chat = Chat::from_session(Session::from_json(&json)?, provider, ToolSet::new())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Session {
    /// The version of the format.
    version: Version,
    /// The id of the conversation, if the program set one. Stores require it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How many times the session was saved: 0 before the first time. Stores use it to detect that
    /// another writer has changed the session.
    pub revision: u64,
    /// The title, if the program set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The time of the first session of the conversation, in seconds since 1970-01-01 UTC.
    pub created: u64,
    /// The time of this session, in seconds since 1970-01-01 UTC.
    pub updated: u64,
    /// The `gen_ai.provider.name` of the provider.
    pub provider: String,
    /// The model, if the provider has a fixed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The names of the tools.
    pub tools: Vec<String>,
    /// The parameters of the model.
    pub params: ModelParams,
    /// The turns, oldest first.
    pub turns: Vec<Arc<Turn>>,
    /// The token counts of the replies in `turns`.
    pub usage: Usage,
    /// The token counts of replies that were removed, by undo, trim, compact or clear.
    pub removed_usage: Usage,
    /// Whether turns were trimmed, or replaced by a summary.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub compacted: bool,
    /// Fields that this release does not define, such as those of the program.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Session {
    /// Creates an empty session.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses a session.
    ///
    /// # Errors
    ///
    /// [`SessionError::NewerVersion`] if a newer release wrote it, [`SessionError::InvalidJson`] if
    /// the text is not a session.
    pub fn from_json(json: &str) -> Result<Self, SessionError> {
        #[derive(Deserialize)]
        struct Header {
            version: u64,
        }
        // The rest of a newer format may not parse, so the version is checked first.
        let header: Header = serde_json::from_str(json).map_err(|error| invalid(&error))?;
        if header.version > SESSION_VERSION {
            return Err(SessionError::NewerVersion { found: header.version });
        }
        serde_json::from_str(json).map_err(|error| invalid(&error))
    }

    /// Returns the session as JSON.
    ///
    /// # Errors
    ///
    /// [`SessionError::InvalidJson`] if [`other`](Self::other) or the turns cannot be serialized.
    pub fn to_json(&self) -> Result<String, SessionError> {
        serde_json::to_string(self).map_err(|error| invalid(&error))
    }
}

fn invalid(error: &serde_json::Error) -> SessionError {
    SessionError::InvalidJson { message: error.to_string() }
}

/// The version of a session that this release can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
struct Version;

impl TryFrom<u64> for Version {
    type Error = SessionError;

    fn try_from(found: u64) -> Result<Self, SessionError> {
        if found > SESSION_VERSION { Err(SessionError::NewerVersion { found }) } else { Ok(Self) }
    }
}

impl From<Version> for u64 {
    fn from(_: Version) -> Self {
        SESSION_VERSION
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn session() -> Session {
        Session {
            id: Some("c-1".to_owned()),
            turns: vec![Arc::new(Turn::user("Hi")), Arc::new(Turn::assistant("Hello"))],
            usage: Usage::new(3, 2),
            ..Session::default()
        }
    }

    #[test]
    fn session_round_trips_with_unknown_fields() {
        let mut session = session();
        session.other.insert("app.theme".to_owned(), json!({"dark": true}));
        let text = session.to_json().unwrap();
        assert!(text.starts_with(r#"{"version":1,"#), "{text}");
        assert_eq!(Session::from_json(&text).unwrap(), session);
    }

    #[test]
    fn newer_version_is_an_error_even_if_the_rest_is_unreadable() {
        let error = Session::from_json(r#"{"version": 2, "turns": "elsewhere"}"#).unwrap_err();
        assert!(matches!(error, SessionError::NewerVersion { found: 2 }), "{error:?}");
        let error = serde_json::from_str::<Session>(r#"{"version": 2}"#).unwrap_err();
        assert!(error.to_string().contains("update chatlas"), "{error}");
    }

    #[test]
    fn json_without_a_version_is_not_a_session() {
        for text in ["{}", "[]", "", r#"{"version": -1}"#] {
            let error = Session::from_json(text).unwrap_err();
            assert!(matches!(error, SessionError::InvalidJson { .. }), "{text}: {error:?}");
        }
    }
}
