//! `chatlas::testing`: a model that follows a script, and a recorder of all telemetry, so that a
//! program can hold its own to account without a network.
//!
//! ```
//! use chatlas::prelude::*;
//! use chatlas::testing::{Recorder, Script};
//! use serde_json::json;
//!
//! /// Get the current weather forecast for a city.
//! #[tool]
//! async fn get_weather(city: String) -> String {
//!     format!("{city}: light rain")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let trace = Recorder::new();
//! let model = Script::new()
//!     .calls("get_weather", json!({"city": "Tokyo"}))
//!     .says("Take an umbrella.");
//! let mut chat = Chat::new(model.clone()).tools(tools![get_weather]);
//! let reply = chat.chat("Tokyo: what should I pack?").await.unwrap();
//!
//! assert_eq!(reply.text(), "Take an umbrella.");
//! assert_eq!(model.requests().len(), 2);
//! trace.assert_sound();
//! assert_eq!(
//!     trace.tree(),
//!     "\
//! invoke_agent
//!   chat test-model
//!   execute_tool get_weather
//!   chat test-model
//! "
//! );
//! assert_eq!(trace.span("invoke_agent")["gen_ai.usage.output_tokens"], 10);
//! assert_eq!(trace.metric("gen_ai.execute_tool.duration").count(), 1);
//! # }
//! ```
//!
//! # Whose telemetry is it?
//!
//! OpenTelemetry's providers are global, and tests of one process run at the same time. So a
//! [`Recorder`] marks the context of the thread that it is made on, and gets what starts in that
//! context or below a span of its own. That holds for
//!
//! - all of a test on a current-thread runtime (`#[tokio::test]`), its spawned tasks included;
//! - the test's own future on a multi-thread runtime, and the tools and model calls in it;
//! - work that is sent elsewhere with its context, as it has to be for a connected trace anyway:
//!   `tokio::spawn(work.with_current_context())`.
//!
//! Where work cannot be given its context (a server on worker threads, a runtime of another
//! library's), [`Recorder::exclusive`] takes all that happens in the process, and no other
//! recorder exists meanwhile.

mod attributes;
mod events;
mod install;
mod metrics;
mod recorder;
mod script;
mod sound;
mod spans;

pub use attributes::Attributes;
pub use events::RecordedEvent;
pub use metrics::{Measurement, Metric, MetricKind};
pub use recorder::Recorder;
pub use script::{Answer, Script, usage};
pub use spans::RecordedSpan;
