//! A memory in this process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::operations::{MemoryRecord, MemoryStore, OperationError};

/// A memory in this process, which is lost at its end. For tests and small programs.
///
/// A search compares words: the score of a record is the share of the words of the query that occur
/// in it, ignoring case.
///
/// ```
/// use chatlas::stores::InMemoryStore;
/// use chatlas::{MemoryRecord, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), chatlas::OperationError> {
/// let memory = InMemoryStore::new();
/// memory.create(vec![MemoryRecord::new("Ada likes window seats.")]).await?;
/// let found = memory.search("window or aisle?", 3).await?;
/// assert_eq!(found[0].content, "Ada likes window seats.");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct InMemoryStore {
    records: Mutex<BTreeMap<String, MemoryRecord>>,
    next_id: AtomicU64,
}

impl InMemoryStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<String, MemoryRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds records. A record without an id gets one that is not in use.
    fn insert(
        &self,
        records: Vec<MemoryRecord>,
        replace: bool,
    ) -> Result<Vec<String>, OperationError> {
        let mut stored = self.records();
        if let Some(id) = records
            .iter()
            .filter_map(|record| record.id.as_ref())
            .find(|id| !replace && stored.contains_key(*id))
        {
            return Err(already_exists(id));
        }
        let mut ids = Vec::with_capacity(records.len());
        for mut record in records {
            let id = record.id.take().unwrap_or_else(|| self.new_id(&stored));
            record.score = None;
            stored.insert(id.clone(), record.with_id(id.clone()));
            ids.push(id);
        }
        Ok(ids)
    }

    fn new_id(&self, stored: &BTreeMap<String, MemoryRecord>) -> String {
        loop {
            let id = format!("m{}", self.next_id.fetch_add(1, Ordering::Relaxed) + 1);
            if !stored.contains_key(&id) {
                return id;
            }
        }
    }
}

#[chatlas_macros::memory(crate = crate, in_process)]
impl MemoryStore for InMemoryStore {
    async fn create_store(&self) -> Result<(), OperationError> {
        Ok(())
    }

    async fn delete_store(&self) -> Result<(), OperationError> {
        self.records().clear();
        Ok(())
    }

    async fn search(&self, query: &str, top_k: usize) -> Result<Vec<MemoryRecord>, OperationError> {
        let query = words(query);
        let mut found: Vec<(usize, MemoryRecord)> = self
            .records()
            .values()
            .filter_map(|record| {
                let content = words(&record.content);
                let hits = query.iter().filter(|word| content.contains(word)).count();
                (hits > 0).then(|| (hits, record.clone()))
            })
            .collect();
        // Stable, so that records of the same score are in the order of their ids.
        found.sort_by_key(|(hits, _)| std::cmp::Reverse(*hits));
        found.truncate(top_k);
        #[expect(clippy::cast_precision_loss, reason = "texts have fewer than 2^52 words")]
        let score = |hits: usize| hits as f64 / query.len() as f64;
        Ok(found.into_iter().map(|(hits, record)| record.with_score(score(hits))).collect())
    }

    async fn create(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        self.insert(records, false)
    }

    async fn update(&self, records: Vec<MemoryRecord>) -> Result<(), OperationError> {
        let mut stored = self.records();
        for record in &records {
            if !record.id.as_ref().is_some_and(|id| stored.contains_key(id)) {
                return Err(not_found(record));
            }
        }
        for mut record in records {
            record.score = None;
            stored.insert(record.id.clone().unwrap_or_default(), record);
        }
        Ok(())
    }

    async fn upsert(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        self.insert(records, true)
    }

    async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError> {
        self.records().retain(|id, _| !ids.contains(id));
        Ok(())
    }
}

/// Returns the error of a record whose id is in use.
pub(super) fn already_exists(id: &str) -> OperationError {
    OperationError::new("already_exists", format!("the record `{id}` exists; use `upsert`"))
}

/// Returns the error of a change of a record that does not exist.
pub(super) fn not_found(record: &MemoryRecord) -> OperationError {
    let message = match &record.id {
        Some(id) => format!("there is no record `{id}`; use `upsert`"),
        None => "the record to update has no id".to_owned(),
    };
    OperationError::new("not_found", message)
}

/// Returns the words of a text in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}
