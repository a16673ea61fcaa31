//! Stores for what agents remember: implementations of [`MemoryStore`](crate::MemoryStore).
//!
//! | store | records are kept |
//! |---|---|
//! | [`InMemoryStore`] | in this process |
//! | `SqliteStore` (feature `sqlite`) | in a SQLite file |

mod in_memory;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use in_memory::InMemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
