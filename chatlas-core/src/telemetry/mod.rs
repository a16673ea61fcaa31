//! The telemetry of a conversation: spans, metrics and events by the GenAI conventions.
//!
//! There is one file for each operation; it records the span, the metrics and the events of that
//! operation: `agent` (a run of a chat), `inference` (a model call), `tool` (a tool call) and
//! `operation` (other calls of a provider, of which `embeddings` is one). `traced`, `forwarded` and `function` wrap the code that
//! the macros annotate, and `agent_run` counts the calls that it makes.
//!
//! They share `run` (the tracer, instruments and settings of one run), `installed` (which parts of
//! an SDK are installed), `scope` (a span that is current while its work is polled), `attributes`,
//! `names`, `failure`, `shield`, `metrics` and `events`. Content is controlled by `capture` and
//! `settings`, rendered by `messages`, `message_cache`, `tool_content`, `writer` and `json`, and truncated by `cut`.
//! `feedback` records feedback on replies.
//!
//! Telemetry only reads data. It never changes the outcome of a call.

pub(crate) mod agent;
pub(crate) mod agent_function;
mod agent_run;
mod attributes;
mod capture;
mod cut;
pub(crate) mod embeddings;
pub(crate) mod evaluation;
mod events;
pub(crate) mod facts;
mod failure;
mod feedback;
pub(crate) mod forwarded;
pub(crate) mod function;
pub(crate) mod hosted;
mod inference;
mod installed;
mod json;
pub(crate) mod mcp;
pub(crate) mod memory;
mod message_cache;
mod messages;
mod metrics;
pub mod names;
pub(crate) mod operation;
pub(crate) mod retrieval;
mod run;
mod scope;
pub(crate) mod settings;
mod shield;
pub(crate) mod shown;
pub(crate) mod tool;
mod tool_content;
pub(crate) mod traced;
mod writer;

pub(crate) use attributes::coerced;
pub use capture::{
    CAPTURE_VARIABLE, Capture, CapturedContent, ContentKind, DEFAULT_CAPTURE_LIMIT, RedactionHook,
    set_default_capture, set_default_redaction,
};
pub(crate) use cut::MIN_LIMIT as MIN_CAPTURE_LIMIT;
pub use cut::shortened_json;
pub use events::{EventSink, SEMCONV_OPT_IN, SEMCONV_OPT_IN_VARIABLE, set_event_sink};
pub use facts::FieldValue;
pub use feedback::{FeedbackValue, ReplyId};
pub use installed::has_tracer_provider;
pub(crate) use message_cache::MessageCache;
pub(crate) use run::Run;
pub(crate) use scope::{carries, in_context};
