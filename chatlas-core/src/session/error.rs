//! The errors of sessions and their stores.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a session could not be loaded, saved, restored or exported.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The conversation has no id, so that a store cannot save it.
    MissingId,
    /// The store does not support the id.
    InvalidId {
        /// The id.
        id: String,
        /// Why the id is unsupported.
        reason: &'static str,
    },
    /// Another writer has saved or deleted the session since it was loaded. Nothing was written.
    Conflict {
        /// The id of the conversation.
        id: String,
        /// The revision that the session was loaded with. 0 for a session that was never saved.
        expected: u64,
        /// The revision in the store. 0 for a session that the store does not contain.
        found: u64,
    },
    /// A newer release wrote the session.
    NewerVersion {
        /// The version of the session.
        found: u64,
    },
    /// The session uses tools that the program did not supply.
    MissingTools {
        /// The names of the tools.
        names: Vec<String>,
    },
    /// The JSON is not a session.
    InvalidJson {
        /// The message of the JSON parser.
        message: String,
    },
    /// The file name of an export has an unsupported extension.
    UnsupportedFormat {
        /// The file name.
        path: String,
    },
    /// The store failed.
    Store(Arc<dyn Error + Send + Sync>),
}

impl SessionError {
    /// Creates an error from the error of a store's library.
    pub fn from_error(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingId => f.write_str(
                "the conversation has no id: set one with `Chat::with_conversation_id` before saving",
            ),
            Self::InvalidId { id, reason } => {
                write!(f, "the conversation id {id:?} is unsupported: {reason}")
            }
            Self::Conflict { id, expected, found } => write!(
                f,
                "the session {id:?} has revision {found} in the store, expected {expected}: \
                 another writer changed it; load it again, or save a fork"
            ),
            Self::NewerVersion { found } => write!(
                f,
                "the session has version {found}, but this release supports at most version {}: \
                 update chatlas",
                super::SESSION_VERSION
            ),
            Self::MissingTools { names } => write!(
                f,
                "the session uses tools that are missing: {}; add them, or remove their names from \
                 `Session::tools`",
                names.join(", ")
            ),
            Self::InvalidJson { message } => write!(f, "invalid session JSON: {message}"),
            Self::UnsupportedFormat { path } => {
                write!(f, "cannot export to {path:?}: use the extension `.md` or `.html`")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Error for SessionError {
    /// Returns the source of the store's error, whose own message is that of this error.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            _ => None,
        }
    }
}
