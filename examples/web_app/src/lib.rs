//! A web application with a chat, as one traced whole: the browser's request, the conversation, the
//! model's calls, the tools, the database.
//!
//! - `telemetry` sets everything up, and runs before anything else;
//! - `app` is the server: a page, a chat endpoint that streams, a feedback endpoint;
//! - `tools` is what the model may do, over the database;
//! - `model` chooses the model, and holds a small one for those who have no key.

pub mod app;
mod model;
pub mod telemetry;
mod tools;
