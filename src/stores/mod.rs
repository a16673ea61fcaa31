//! Stores for what agents remember, implementations of [`MemoryStore`](crate::MemoryStore), and for
//! conversations, implementations of [`SessionStore`](crate::SessionStore).
//!
//! | memories | conversations | kept |
//! |---|---|---|
//! | [`InMemoryStore`] | [`InMemorySessionStore`] | in this process |
//! | | [`FileSessionStore`] | in a folder |
//! | `SqliteStore` (feature `sqlite`) | `SqliteSessionStore` (feature `sqlite`) | in a SQLite file |

mod in_memory;
mod session_file;
mod session_in_memory;
#[cfg(feature = "sqlite")]
mod session_sqlite;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use in_memory::InMemoryStore;
pub use session_file::FileSessionStore;
pub use session_in_memory::InMemorySessionStore;
#[cfg(feature = "sqlite")]
pub use session_sqlite::SqliteSessionStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
