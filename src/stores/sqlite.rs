//! A memory in a SQLite file.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, ffi, params};

use super::in_memory::{already_exists, not_found, words};
use crate::__private::blocking;
use crate::operations::{MemoryRecord, MemoryStore, OperationError};

/// The tables, and the triggers that keep the index of the words up to date.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS memory (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        content TEXT NOT NULL,
        metadata TEXT NOT NULL
    );
    CREATE VIRTUAL TABLE IF NOT EXISTS memory_words
        USING fts5(content, content = 'memory', content_rowid = 'number');
    CREATE TRIGGER IF NOT EXISTS memory_inserted AFTER INSERT ON memory BEGIN
        INSERT INTO memory_words(rowid, content) VALUES (new.number, new.content);
    END;
    CREATE TRIGGER IF NOT EXISTS memory_deleted AFTER DELETE ON memory BEGIN
        INSERT INTO memory_words(memory_words, rowid, content)
            VALUES ('delete', old.number, old.content);
    END;
    CREATE TRIGGER IF NOT EXISTS memory_updated AFTER UPDATE ON memory BEGIN
        INSERT INTO memory_words(memory_words, rowid, content)
            VALUES ('delete', old.number, old.content);
        INSERT INTO memory_words(rowid, content) VALUES (new.number, new.content);
    END;
    PRAGMA user_version = 1;
";

/// How long a call waits for another process that writes to the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A memory in a SQLite file, with a full-text search. Several processes may use the same file.
///
/// A search returns the records that contain at least one word of the query, best first by BM25.
/// Calls run on tokio's blocking pool. Cheap to clone; clones share one connection.
///
/// ```
/// use chatlas::stores::SqliteStore;
/// use chatlas::{MemoryRecord, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), chatlas::OperationError> {
/// # let folder = std::env::temp_dir().join(format!("chatlas-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("memory.sqlite");
/// let memory = SqliteStore::open(&path)?;
/// memory.create(vec![MemoryRecord::new("Ada likes window seats.")]).await?;
/// let found = memory.search("window or aisle?", 3).await?;
/// assert_eq!(found[0].content, "Ada likes window seats.");
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
}

impl SqliteStore {
    /// Opens the file, and creates it with its tables if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened, or is not a SQLite file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OperationError> {
        Self::new(Connection::open(path).map_err(failure)?)
    }

    /// Opens a database in memory, which is lost with the last clone of the store.
    ///
    /// # Errors
    ///
    /// Returns an error if SQLite cannot be initialized.
    pub fn open_in_memory() -> Result<Self, OperationError> {
        Self::new(Connection::open_in_memory().map_err(failure)?)
    }

    fn new(connection: Connection) -> Result<Self, OperationError> {
        let prepare = |connection: &Connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // Readers do not wait for a writer. A database in memory has no such mode.
            connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            connection.execute_batch(SCHEMA)
        };
        prepare(&connection).map_err(failure)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` in a transaction on the blocking pool.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Result<T, OperationError> {
        let connection = Arc::clone(&self.connection);
        blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failure)?;
            let value = work(&transaction)?;
            transaction.commit().map_err(failure)?;
            Ok(value)
        })
        .await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

#[chatlas_macros::memory(crate = crate, in_process)]
impl MemoryStore for SqliteStore {
    async fn create_store(&self) -> Result<(), OperationError> {
        self.run(|database| database.execute_batch(SCHEMA).map_err(failure)).await
    }

    async fn delete_store(&self) -> Result<(), OperationError> {
        let drop = "DROP TABLE IF EXISTS memory_words; DROP TABLE IF EXISTS memory;";
        self.run(|database| database.execute_batch(drop).map_err(failure)).await
    }

    async fn search(&self, query: &str, top_k: usize) -> Result<Vec<MemoryRecord>, OperationError> {
        // Quoted, so that no word is an operator of the query language.
        let words: Vec<String> = words(query).iter().map(|word| format!("\"{word}\"")).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        self.run(move |database| find(database, &words.join(" OR "), top_k).map_err(failure)).await
    }

    async fn create(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        self.run(move |database| {
            let insert = "INSERT INTO memory (id, content, metadata) \
                          VALUES (coalesce(?1, lower(hex(randomblob(8)))), ?2, ?3) RETURNING id";
            records.iter().map(|record| write(database, insert, record)).collect()
        })
        .await
    }

    async fn update(&self, records: Vec<MemoryRecord>) -> Result<(), OperationError> {
        self.run(move |database| {
            let update = "UPDATE memory SET content = ?2, metadata = ?3 WHERE id = ?1 RETURNING id";
            records.iter().try_for_each(|record| write(database, update, record).map(drop))
        })
        .await
    }

    async fn upsert(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        self.run(move |database| {
            let upsert = "INSERT INTO memory (id, content, metadata) \
                          VALUES (coalesce(?1, lower(hex(randomblob(8)))), ?2, ?3) \
                          ON CONFLICT (id) DO UPDATE \
                          SET content = excluded.content, metadata = excluded.metadata RETURNING id";
            records.iter().map(|record| write(database, upsert, record)).collect()
        })
        .await
    }

    async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError> {
        self.run(move |database| {
            ids.iter().try_for_each(|id| {
                database
                    .execute("DELETE FROM memory WHERE id = ?1", [id])
                    .map(drop)
                    .map_err(failure)
            })
        })
        .await
    }
}

/// Returns the records that match a query of the full-text index.
fn find(
    database: &Transaction<'_>,
    query: &str,
    top_k: usize,
) -> rusqlite::Result<Vec<MemoryRecord>> {
    let mut statement = database.prepare(
        "SELECT memory.id, memory.content, memory.metadata, bm25(memory_words) AS rank \
         FROM memory_words JOIN memory ON memory.number = memory_words.rowid \
         WHERE memory_words MATCH ?1 ORDER BY rank, memory.number LIMIT ?2",
    )?;
    let limit = i64::try_from(top_k).unwrap_or(i64::MAX);
    let records = statement.query_map(params![query, limit], |row| {
        let metadata: String = row.get(2)?;
        // A smaller BM25 is better, and a greater score.
        let mut record = MemoryRecord::new(row.get::<_, String>(1)?)
            .with_id(row.get::<_, String>(0)?)
            .with_score(-row.get::<_, f64>(3)?);
        record.metadata = serde_json::from_str(&metadata).unwrap_or_default();
        Ok(record)
    })?;
    records.collect()
}

/// Runs a statement that writes a record and returns its id.
fn write(
    database: &Transaction<'_>,
    statement: &str,
    record: &MemoryRecord,
) -> Result<String, OperationError> {
    let metadata = serde_json::to_string(&record.metadata).map_err(OperationError::from_error)?;
    let mut statement = database.prepare(statement).map_err(failure)?;
    let id = statement
        .query_row(params![record.id, record.content, metadata], |row| row.get(0))
        .optional()
        .map_err(|error| match error.sqlite_extended_error_code() {
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE) => {
                already_exists(record.id.as_deref().unwrap_or_default())
            }
            _ => failure(error),
        })?;
    id.ok_or_else(|| not_found(record))
}

/// Returns the error of a failed call of SQLite, with its code as `error.type`.
fn failure(error: rusqlite::Error) -> OperationError {
    match error.sqlite_error_code() {
        Some(code) => OperationError::new(format!("{code:?}"), error.to_string()),
        None => OperationError::from_error(error),
    }
}
