//! Conversations: the loop of model calls and tool calls, cancellation, structured output, hooks
//! and tools that fail.
//!
//! Every test of this binary records with a [`Recorder`](chatlas::testing::Recorder), because an
//! exclusive recorder also receives what tests without one produce.

#[path = "../support"]
mod support {
    pub mod history;
    pub mod timeout;
}

mod cancellation;
mod chat_loop;
mod context;
mod extract;
mod limits;
mod parallel;
mod sessions;
mod settings;
mod steps;
mod templates;
mod tool_faults;
mod tool_hooks;
