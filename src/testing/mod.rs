//! Tools for tests without a network: a scripted model and a recorder of OpenTelemetry telemetry.
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
//! let mut chat = Chat::new(model.clone()).with_tools(tools![get_weather]);
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
//! # Which telemetry belongs to a recorder
//!
//! OpenTelemetry's providers are global, and the tests of a process run concurrently. A [`Recorder`]
//! therefore sets a value in the OpenTelemetry context of its thread. It records the telemetry that
//! starts in that context or under a span that it has recorded. This includes
//!
//! - everything in a test on a current-thread runtime (`#[tokio::test]`), with the tasks it spawns;
//! - the test's own future on a multi-thread runtime, with its model calls and tools;
//! - work that is moved to other threads with its context, which a connected trace needs anyway:
//!   `tokio::spawn(work.with_current_context())`.
//!
//! If work cannot be given the context (a server on worker threads, the runtime of another library),
//! use [`Recorder::for_process`]. It records everything that happens in the process, and no other
//! recorder exists at the same time.

mod answer;
mod attributes;
mod checks;
mod events;
mod metrics;
mod recorder;
mod routing;
mod script;
mod spans;

pub use answer::Answer;
pub use attributes::Attributes;
pub use events::RecordedEvent;
pub use metrics::{Measurement, Metric, MetricKind};
pub use recorder::Recorder;
pub use script::Script;
pub use spans::RecordedSpan;
