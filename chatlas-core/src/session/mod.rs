//! Stored conversations: [`Session`] is a conversation as JSON, [`SessionStore`] loads and saves it,
//! and [`ExportOptions`] selects what an export to Markdown or HTML contains.
//!
//! `record` is the data, `error` and `store` are what stores implement, and `export` with `html` and
//! `markdown` writes documents. [`Chat`](crate::Chat) has the methods that use them.

mod error;
mod export;
mod html;
mod markdown;
mod record;
mod store;

pub use error::SessionError;
pub use export::ExportOptions;
pub use record::{SESSION_VERSION, Session};
pub use store::{SessionStore, SessionSummary};
