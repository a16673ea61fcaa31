//! Prints the telemetry of one conversation as lines of JSON: its spans, metrics and events. The reply
//! is streamed, a tool is called, feedback is given, and content capture is on. The example uses no
//! network.
//!
//! ```text
//! cargo run --example telemetry_dump | jq .
//! ```
//!
//! If `OTEL_EXPORTER_OTLP_ENDPOINT` is set, the telemetry is also exported over OTLP.

use chatlas::Content;
use chatlas::otel::Telemetry;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, Script};
use opentelemetry::global;
use opentelemetry::trace::{Span as _, Tracer as _};
use serde_json::json;

/// Get the current weather forecast for a city.
#[tool]
#[allow(clippy::unused_async)] // a real tool would send a request
async fn get_weather(
    /// The city, "Tokyo" for example.
    city: String,
) -> serde_json::Value {
    // The span of the tool's work is a child of `execute_tool`.
    let mut query = global::tracer("weather").start("fetch_forecast");
    query.end();
    json!({"city": city, "sky": "light rain", "celsius": 14})
}

/// Returns a scripted model, so that the output is the same on every run.
fn model() -> Script {
    Script::new()
        .then(
            Answer::new()
                .thinking("They want ")
                .thinking("the weather.")
                .call("get_weather", json!({"city": "Tokyo"})),
        )
        .streams(["Take ", "an ", "umbrella."])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::new().with_json().with_env().install()?;
    let reply = converse().await?;
    reply.feedback("helpfulness", (0.8, "good"), "The answer was short.");
    telemetry.shutdown()?;
    Ok(())
}

async fn converse() -> Result<Reply, Box<dyn std::error::Error>> {
    let mut chat = Chat::new(model())
        .with_name("travel_assistant")
        .with_description("Advises travellers what to pack.")
        .with_conversation_id("conversation-1")
        .with_session_id("session-1")
        .with_attribute("user.id", "user-1")
        .with_system_prompt("You are a concise travel assistant.")
        .with_tools(tools![get_weather])
        .with_temperature(0.2)
        .with_capture(Capture::SpansAndEvents);
    let image = Content::image_url("https://example.com/tokyo.png");
    let mut events = chat.stream([Content::text("What should I pack for Tokyo?"), image]);
    while let Some(event) = events.next().await {
        if let StreamEvent::Done(reply) = event? {
            return Ok(*reply);
        }
    }
    Err("the stream ended without a reply".into())
}
