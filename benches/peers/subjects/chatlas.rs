//! The conversation through chatlas for Rust.

use std::error::Error;

use chatlas::prelude::*;
use chatlas::{OpenAi, OpenAiCompletions};
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};

fn said(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Get the current weather in a city.
#[tool]
async fn get_weather(city: String) -> Result<String, std::io::Error> {
    let span = global::tracer("station").start("fetch_forecast");
    async move {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        if said("PEERS_SCENARIO") == "tool_fails" {
            return Err(std::io::Error::other(said("PEERS_TOOL_ERROR")));
        }
        Ok(format!("{city}: {}", said("PEERS_RESULT")))
    }
    .with_context(Context::current_with_span(span))
    .await
}

fn chat() -> Chat {
    let (model, url) = (said("PEERS_MODEL"), said("OPENAI_BASE_URL"));
    let chat = if said("PEERS_API") == "responses" {
        Chat::new(OpenAi::new(model).base_url(url))
    } else {
        Chat::new(OpenAiCompletions::new(model).base_url(url))
    };
    chat.name("concierge")
        .system_prompt(said("PEERS_SYSTEM"))
        .temperature(0.5)
        .max_tokens(256)
        .tools(tools![get_weather])
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut chat = chat();
    let scenario = said("PEERS_SCENARIO");
    if !["streamed", "torn", "dropped"].contains(&scenario.as_str()) {
        println!("{}", chat.chat(said("PEERS_PROMPT")).await?);
        return Ok(());
    }
    let mut stream = chat.stream(said("PEERS_PROMPT"));
    while let Some(event) = stream.next().await {
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
