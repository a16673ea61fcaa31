//! [`MemoryStore`]: what an agent remembers between conversations.

use std::sync::Arc;

use async_trait::async_trait;

use super::{MemoryRecord, OperationError};

/// A store of what an agent remembers.
///
/// Write `#[memory]` above the impl: it records a span for each call, such as `search_memory`, with
/// the number of records, and with capture on their content.
#[async_trait]
pub trait MemoryStore: Send + Sync + 'static {
    /// Creates the store, for example its tables.
    ///
    /// # Errors
    ///
    /// By default, `unsupported`.
    async fn create_store(&self) -> Result<(), OperationError> {
        Err(OperationError::unsupported("create_store"))
    }

    /// Deletes the store with all its records.
    ///
    /// # Errors
    ///
    /// By default, `unsupported`.
    async fn delete_store(&self) -> Result<(), OperationError> {
        Err(OperationError::unsupported("delete_store"))
    }

    /// Returns the records that match the query best, at most `top_k` of them.
    ///
    /// # Errors
    ///
    /// Any failure of the store.
    async fn search(&self, query: &str, top_k: usize) -> Result<Vec<MemoryRecord>, OperationError>;

    /// Adds records, and returns their ids. A record without an id gets one.
    ///
    /// # Errors
    ///
    /// Any failure of the store, such as an id that exists.
    async fn create(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError>;

    /// Replaces existing records, by their ids.
    ///
    /// # Errors
    ///
    /// By default, `unsupported`.
    async fn update(&self, records: Vec<MemoryRecord>) -> Result<(), OperationError> {
        let _ = records;
        Err(OperationError::unsupported("update"))
    }

    /// Adds records, or replaces those with the same ids. Returns the ids.
    ///
    /// # Errors
    ///
    /// By default, `unsupported`.
    async fn upsert(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        let _ = records;
        Err(OperationError::unsupported("upsert"))
    }

    /// Deletes records. An id that does not exist is ignored.
    ///
    /// # Errors
    ///
    /// Any failure of the store.
    async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError>;

    #[doc(hidden)]
    fn __write_the_attribute_memory_above_this_impl(&self);
}

/// A shared store is a store: every call is forwarded.
#[async_trait]
impl<M: MemoryStore + ?Sized> MemoryStore for Arc<M> {
    async fn create_store(&self) -> Result<(), OperationError> {
        (**self).create_store().await
    }

    async fn delete_store(&self) -> Result<(), OperationError> {
        (**self).delete_store().await
    }

    async fn search(&self, query: &str, top_k: usize) -> Result<Vec<MemoryRecord>, OperationError> {
        (**self).search(query, top_k).await
    }

    async fn create(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        (**self).create(records).await
    }

    async fn update(&self, records: Vec<MemoryRecord>) -> Result<(), OperationError> {
        (**self).update(records).await
    }

    async fn upsert(&self, records: Vec<MemoryRecord>) -> Result<Vec<String>, OperationError> {
        (**self).upsert(records).await
    }

    async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError> {
        (**self).delete(ids).await
    }

    fn __write_the_attribute_memory_above_this_impl(&self) {}
}
