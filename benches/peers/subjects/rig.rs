//! The conversation with an agent of the crate `rig`, set up like in its example
//! `agent_with_tools_otel`.

mod telemetry;

use futures::StreamExt as _;
use rig::agent::MultiTurnStreamItem;
use rig::agent::tool::{Tool, ToolContext};
use rig::prelude::*;
use rig::providers::openai::{OpenAIConfig, Route};
use rig::streaming::{Item, StreamEvent};
use telemetry::setting;

#[derive(serde::Deserialize)]
struct Arguments {
    city: String,
}

struct GetWeather;

impl Tool for GetWeather {
    const NAME: &'static str = "get_weather";
    type Error = std::io::Error;
    type Args = Arguments;
    type Output = String;

    fn description(&self) -> String {
        "Get the current weather in a city.".to_owned()
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!({
            "type": "object",
            "properties": { "city": { "type": "string" } },
            "required": ["city"],
        })
    }

    async fn call(&self, _: &mut ToolContext, arguments: Arguments) -> std::io::Result<String> {
        fetch_forecast(arguments.city).await
    }
}

#[tracing::instrument(skip_all)]
async fn fetch_forecast(city: String) -> std::io::Result<String> {
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    if setting("PEERS_SCENARIO") == "tool_fails" {
        return Err(std::io::Error::other(setting("PEERS_TOOL_ERROR")));
    }
    Ok(format!("{city}: {}", setting("PEERS_RESULT")))
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = OpenAIConfig::from_env()?;
    if setting("PEERS_API") != "responses" {
        config = config.with_route(Route::Chat);
    }
    let agent = AgentBuilder::new(config.client().completion(setting("PEERS_MODEL")))
        .name("concierge")
        .preamble(setting("PEERS_SYSTEM"))
        .temperature(0.5)
        .max_tokens(256)
        .default_max_turns(5)
        .record_content_telemetry(setting("PEERS_CAPTURE") == "on")
        .tool(GetWeather)
        .build();
    let scenario = setting("PEERS_SCENARIO");
    if !["streamed", "torn", "dropped"].contains(&scenario.as_str()) {
        println!("{}", agent.prompt(setting("PEERS_PROMPT")).await?.output());
        return Ok(());
    }
    let mut stream = agent.prompt(setting("PEERS_PROMPT")).stream();
    while let Some(item) = stream.next().await {
        if let MultiTurnStreamItem::StreamAssistantItem(Item::Event(StreamEvent::Text {
            text,
            ..
        })) = item?
        {
            print!("{text}");
            if scenario == "dropped" {
                break;
            }
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    let provider = telemetry::install();
    if let Err(error) = run().await {
        println!("failed: {error}");
    }
    // A dropped stream may end in another task.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    provider.shutdown().expect("spans are sent");
}
