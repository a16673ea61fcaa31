//! [`SessionStore`]: loads and saves sessions.

use async_trait::async_trait;

use super::{Session, SessionError};

/// A store of conversations. `chatlas::stores` has implementations for memory, files and SQLite.
///
/// A store detects concurrent writers by the [revision](Session::revision) of a session: a save
/// succeeds only if the store has the revision that the session was loaded with.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Loads the session of that conversation. Returns `None` if the store does not contain it.
    ///
    /// # Errors
    ///
    /// Returns an error if the session cannot be read, or has a newer version.
    async fn load(&self, id: &str) -> Result<Option<Session>, SessionError>;

    /// Saves a session and returns its new revision, which the next save has to have.
    ///
    /// # Errors
    ///
    /// [`SessionError::Conflict`] if the store has another revision, [`SessionError::MissingId`] if
    /// the session has no id.
    async fn save(&self, session: Session) -> Result<u64, SessionError>;

    /// Lists the sessions, the latest change first.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read.
    async fn list(&self) -> Result<Vec<SessionSummary>, SessionError>;

    /// Deletes the session of that conversation. Returns whether the store contained it.
    ///
    /// # Errors
    ///
    /// Returns an error if the session cannot be deleted.
    async fn delete(&self, id: &str) -> Result<bool, SessionError>;
}

/// A session in a list of [`SessionStore::list`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSummary {
    /// The id of the conversation.
    pub id: String,
    /// The title, if the program set one.
    pub title: Option<String>,
    /// The time of the last change, in seconds since 1970-01-01 UTC.
    pub updated: u64,
    /// The revision.
    pub revision: u64,
}

impl SessionSummary {
    /// Creates the summary of the session with that id.
    pub fn new(id: impl Into<String>, updated: u64, revision: u64) -> Self {
        Self { id: id.into(), title: None, updated, revision }
    }

    /// Sets the title.
    #[must_use]
    pub fn with_title(mut self, title: Option<String>) -> Self {
        self.title = title;
        self
    }
}
