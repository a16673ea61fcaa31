//! A store of conversations in this process.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::__private::async_trait;
use crate::session::{Session, SessionError, SessionStore, SessionSummary};

/// A store of conversations in this process, which are lost at its end. For tests.
///
/// ```
/// use chatlas::stores::InMemorySessionStore;
/// use chatlas::{Session, SessionStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), chatlas::SessionError> {
/// let store = InMemorySessionStore::new();
/// let mut session = Session::new();
/// session.id = Some("c-1".to_owned());
/// assert_eq!(store.save(session).await?, 1);
/// assert!(store.load("c-1").await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct InMemorySessionStore {
    sessions: Mutex<BTreeMap<String, Session>>,
}

impl InMemorySessionStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for InMemorySessionStore {
    async fn load(&self, id: &str) -> Result<Option<Session>, SessionError> {
        Ok(self.sessions().get(id).cloned())
    }

    async fn save(&self, mut session: Session) -> Result<u64, SessionError> {
        let id = session.id.clone().ok_or(SessionError::MissingId)?;
        let mut sessions = self.sessions();
        let found = sessions.get(&id).map_or(0, |session| session.revision);
        session.revision = next_revision(&session, &id, found)?;
        let revision = session.revision;
        sessions.insert(id, session);
        Ok(revision)
    }

    async fn list(&self) -> Result<Vec<SessionSummary>, SessionError> {
        let mut list: Vec<_> =
            self.sessions().iter().map(|(id, session)| summary(id, session)).collect();
        list.sort_by_key(|summary| Reverse(summary.updated));
        Ok(list)
    }

    async fn delete(&self, id: &str) -> Result<bool, SessionError> {
        Ok(self.sessions().remove(id).is_some())
    }
}

/// Returns the revision after a save, or a conflict if the store has found another one than that of
/// the session.
pub(super) fn next_revision(session: &Session, id: &str, found: u64) -> Result<u64, SessionError> {
    let expected = session.revision;
    if expected == found {
        Ok(found + 1)
    } else {
        Err(SessionError::Conflict { id: id.to_owned(), expected, found })
    }
}

pub(super) fn summary(id: &str, session: &Session) -> SessionSummary {
    SessionSummary::new(id, session.updated, session.revision).with_title(session.title.clone())
}
