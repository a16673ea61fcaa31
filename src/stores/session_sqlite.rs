//! A store of conversations in a SQLite file.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::session_in_memory::next_revision;
use super::sqlite::BUSY_TIMEOUT;
use crate::__private::{async_trait, blocking};
use crate::session::{Session, SessionError, SessionStore, SessionSummary};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS session (
        id TEXT NOT NULL PRIMARY KEY,
        revision INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        title TEXT,
        json TEXT NOT NULL
    );
";

/// A store of conversations in a SQLite file. Several processes may use the same file, and a
/// [`SqliteStore`](super::SqliteStore) may use it, too.
///
/// Calls run on tokio's blocking pool. Cheap to clone; clones share one connection.
#[derive(Clone)]
pub struct SqliteSessionStore {
    connection: Arc<Mutex<Connection>>,
}

impl SqliteSessionStore {
    /// Opens the file, and creates it with its table if it does not exist. Blocks the thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened, or is not a SQLite file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SessionError> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // Readers do not wait for a writer.
            connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open().map_err(failure)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` in a transaction on the blocking pool.
    async fn run<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, SessionError> + Send + 'static,
    ) -> Result<T, SessionError> {
        let connection = Arc::clone(&self.connection);
        blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(behavior).map_err(failure)?;
            let value = work(&transaction)?;
            transaction.commit().map_err(failure)?;
            Ok(value)
        })
        .await
    }
}

impl fmt::Debug for SqliteSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSessionStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for SqliteSessionStore {
    async fn load(&self, id: &str) -> Result<Option<Session>, SessionError> {
        let id = id.to_owned();
        self.run(TransactionBehavior::Deferred, move |database| {
            let select = "SELECT json FROM session WHERE id = ?1";
            let json: Option<String> =
                database.query_row(select, [id], |row| row.get(0)).optional().map_err(failure)?;
            json.map(|json| Session::from_json(&json)).transpose()
        })
        .await
    }

    async fn save(&self, mut session: Session) -> Result<u64, SessionError> {
        let id = session.id.clone().ok_or(SessionError::MissingId)?;
        self.run(TransactionBehavior::Immediate, move |database| {
            let select = "SELECT revision FROM session WHERE id = ?1";
            let found: Option<i64> =
                database.query_row(select, [&id], |row| row.get(0)).optional().map_err(failure)?;
            let found = found.map_or(0, i64::cast_unsigned);
            session.revision = next_revision(&session, &id, found)?;
            let upsert = "INSERT INTO session (id, revision, updated, title, json) \
                          VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET \
                          revision = excluded.revision, updated = excluded.updated, \
                          title = excluded.title, json = excluded.json";
            let json = session.to_json()?;
            let revision = session.revision.cast_signed();
            let row = params![id, revision, session.updated.cast_signed(), session.title, json];
            database.execute(upsert, row).map_err(failure)?;
            Ok(session.revision)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<SessionSummary>, SessionError> {
        self.run(TransactionBehavior::Deferred, |database| {
            let select =
                "SELECT id, updated, revision, title FROM session ORDER BY updated DESC, id";
            let mut statement = database.prepare(select).map_err(failure)?;
            let rows = statement.query_map([], |row| {
                let updated = row.get::<_, i64>(1)?.cast_unsigned();
                let revision = row.get::<_, i64>(2)?.cast_unsigned();
                let summary = SessionSummary::new(row.get::<_, String>(0)?, updated, revision);
                Ok(summary.with_title(row.get(3)?))
            });
            rows.and_then(Iterator::collect).map_err(failure)
        })
        .await
    }

    async fn delete(&self, id: &str) -> Result<bool, SessionError> {
        let id = id.to_owned();
        self.run(TransactionBehavior::Immediate, move |database| {
            let deleted = database.execute("DELETE FROM session WHERE id = ?1", [id]);
            deleted.map(|rows| rows > 0).map_err(failure)
        })
        .await
    }
}

fn failure(error: rusqlite::Error) -> SessionError {
    SessionError::from_error(error)
}
