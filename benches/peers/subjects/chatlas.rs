//! The conversation with chatlas for Rust.

use std::error::Error;

use chatlas::prelude::*;
use chatlas::{OpenAi, OpenAiCompletions};
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};

/// Returns a setting of the comparison.
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Get the current weather in a city.
#[tool]
async fn get_weather(city: String) -> Result<String, std::io::Error> {
    let span = global::tracer("station").start("fetch_forecast");
    async move {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        if setting("PEERS_SCENARIO") == "tool_fails" {
            return Err(std::io::Error::other(setting("PEERS_TOOL_ERROR")));
        }
        Ok(format!("{city}: {}", setting("PEERS_RESULT")))
    }
    .with_context(Context::current_with_span(span))
    .await
}

fn chat() -> Chat {
    let (model, url) = (setting("PEERS_MODEL"), setting("OPENAI_BASE_URL"));
    let chat = if setting("PEERS_API") == "responses" {
        Chat::new(OpenAi::new(model).with_base_url(url))
    } else {
        Chat::new(OpenAiCompletions::new(model).with_base_url(url))
    };
    chat.with_name("concierge")
        .with_system_prompt(setting("PEERS_SYSTEM"))
        .with_temperature(0.5)
        .with_max_tokens(256)
        .with_tools(tools![get_weather])
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut chat = chat();
    let scenario = setting("PEERS_SCENARIO");
    if !["streamed", "torn", "dropped"].contains(&scenario.as_str()) {
        println!("{}", chat.chat(setting("PEERS_PROMPT")).await?);
        return Ok(());
    }
    let mut events = chat.stream(setting("PEERS_PROMPT"));
    while let Some(event) = events.next().await {
        if let StreamEvent::Text(text) = event? {
            print!("{text}");
            if scenario == "dropped" {
                break;
            }
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = chatlas::otel::init()?;
    if let Err(error) = run().await {
        println!("failed: {error}");
    }
    telemetry.shutdown()?;
    Ok(())
}
