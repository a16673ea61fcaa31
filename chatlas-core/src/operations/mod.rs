//! Operations around a conversation: retrieval, memory, evaluation, and agents that a vendor hosts.
//!
//! Each has a trait or a type here, and an attribute that records its telemetry: `#[retriever]`,
//! `#[memory]`, `#[evaluator]` and `#[hosted_agent]`. The spans, metrics and events follow the GenAI
//! conventions; see [`telemetry::names`](crate::telemetry::names).

mod document;
mod error;
mod evaluation;
mod hosted;
mod judge;
mod memory;
mod retriever;

pub(crate) use document::to_json;
pub use document::{Document, Documents, MemoryRecord, RetrievedDocument};
pub use error::OperationError;
pub use evaluation::{Judged, Score, ToScore};
pub use hosted::{AgentInfo, HostedAgent, NewAgent};
pub use judge::ModelJudge;
pub use memory::MemoryStore;
pub use retriever::Retriever;
