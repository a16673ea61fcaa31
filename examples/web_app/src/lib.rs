//! A web application with a chat. One trace contains the browser's request, the conversation, the
//! model calls, the tools, and the database queries.
//!
//! - `telemetry` sets up OpenTelemetry before anything else runs.
//! - `app` is the server: a page, a streaming chat endpoint, and a feedback endpoint.
//! - `tools` has the tools of the model, which query the database.
//! - `model` selects the model, and contains a scripted one that needs no API key.

pub mod app;
mod model;
pub mod telemetry;
mod tools;
