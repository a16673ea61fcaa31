//! Telemetry of a conversation: spans, attributes, captured content, events and metrics, and the
//! recorder of `chatlas::testing` that all these tests use.
//!
//! Every test of this binary records with a [`Recorder`](chatlas::testing::Recorder), because an
//! exclusive recorder also receives what tests without one produce.

#[path = "../support"]
mod support {
    pub mod history;
    pub mod server;
    pub mod timeout;
    pub mod vendor_replies;
}

mod attributes;
mod capture_variable;
mod content;
mod costs;
mod events;
mod faults;
mod metrics;
mod recorder;
mod shipped_wrappers;
mod spans;
mod weaknesses;
mod wrappers;
