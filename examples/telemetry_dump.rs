//! All that one conversation tells, as lines of JSON: a streamed reply, a tool that is called, and
//! capture on. Spans, metrics and events stand on standard output; nothing leaves this program.
//!
//! ```text
//! cargo run --example telemetry_dump | jq .
//! ```

use chatlas::Content;
use chatlas::otel;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, Script};
use opentelemetry::global;
use opentelemetry::trace::{Span as _, Tracer as _};
use serde_json::json;

/// Get the current weather forecast for a city.
#[tool]
#[allow(clippy::unused_async)] // a real one would ask a server
async fn get_weather(
    /// The city, "Tokyo" for example.
    city: String,
) -> serde_json::Value {
    // The tool's own work is seen below the call.
    let mut query = global::tracer("weather").start("fetch_forecast");
    query.end();
    json!({"city": city, "sky": "light rain", "celsius": 14})
}

/// The model of this example: no network, and the same words each time.
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
    let telemetry = otel::json()?;
    let reply = converse().await?;
    reply.feedback("helpfulness", (0.8, "good"), "It was short.");
    telemetry.shutdown()?;
    Ok(())
}

async fn converse() -> Result<Reply, Box<dyn std::error::Error>> {
    let mut chat = Chat::new(model())
        .with_name("travel_assistant")
        .with_description("Says what to pack.")
        .with_conversation_id("conversation-1")
        .with_session_id("session-1")
        .with_attribute("user.id", "user-1")
        .with_system_prompt("You are a concise travel assistant.")
        .with_tools(tools![get_weather])
        .with_temperature(0.2)
        .with_capture(Capture::SpansAndEvents);
    let map = Content::image_url("https://example.com/tokyo.png");
    let mut stream = chat.stream([Content::text("What should I pack for Tokyo?"), map]);
    while let Some(event) = stream.next().await {
        if let StreamEvent::Done(reply) = event? {
            return Ok(*reply);
        }
    }
    Err("the stream had no end".into())
}
