//! A travel assistant that calls its model through the `async-openai` crate, and its trace.
//!
//!     OPENAI_API_KEY=… cargo run -p example-async-openai
//!
//! Set `OPENAI_BASE_URL` to use another server with the Chat Completions API, and `OPENAI_MODEL` to
//! use another model than `gpt-4o-mini`.

use std::error::Error;
use std::io::Write as _;

use async_openai::config::OpenAIConfig;
use chatlas::otel::Telemetry;
use chatlas::prelude::*;
use example_async_openai::AsyncOpenAi;

/// Get the current weather forecast for a city.
#[tool]
fn get_weather(
    /// The city, "Tokyo" for example.
    city: &str,
) -> String {
    format!("{city}: 14°C, light rain, breezy this weekend.")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // This build of async-openai requires the program to install a cryptography provider.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("a cryptography provider is already installed".into());
    }
    let telemetry = Telemetry::new().with_console().with_env().install()?;
    let model = std::env::var("OPENAI_MODEL").unwrap_or_else(|_| "gpt-4o-mini".to_owned());
    let mut chat = Chat::new(AsyncOpenAi::new(&model, OpenAIConfig::new()))
        .with_system_prompt("You are a concise travel assistant.")
        .with_tools(tools![get_weather]);
    let mut events = chat.stream("I'm headed to Tokyo this weekend: what should I pack?");
    let mut out = std::io::stdout();
    while let Some(event) = events.next().await {
        if let StreamEvent::Text(text) = event? {
            write!(out, "{text}")?;
            out.flush()?;
        }
    }
    drop(events);
    telemetry.shutdown()?;
    Ok(())
}
