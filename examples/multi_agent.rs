//! A supervisor with two agents as tools. Prints its answer and the trace, with the tokens of each
//! model call under the agent that made it.
//!
//!     cargo run --example multi_agent
//!
//! It calls OpenAI if `OPENAI_API_KEY` is set. Otherwise, the models are scripted.

use std::error::Error;
use std::sync::Arc;

use chatlas::otel::Telemetry;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Script};
use chatlas::{OpenAi, agent};
use serde_json::json;

type Model = Arc<dyn Provider>;

/// Writes two sentences from notes.
#[agent(tool)]
async fn writer(#[state] model: &Model, notes: String) -> Result<String, ProviderError> {
    let prompt = Turn::user(format!("Write two sentences from these notes: {notes}"));
    let draft = model.chat(ChatRequest::new([prompt])).await?.text();
    let prompt = Turn::user(format!("Shorten this text: {draft}"));
    Ok(model.chat(ChatRequest::new([prompt])).await?.text())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::new().with_console().with_env().install()?;
    let researcher = Chat::new(model(research_script()))
        .with_system_prompt("Answer with facts only, as short notes.")
        .into_tool("research", "Researches a question and returns notes.")?;
    let mut supervisor = Chat::new(model(supervisor_script()))
        .with_name("supervisor")
        .with_system_prompt("First call `research`, then pass its notes to `writer`.")
        .with_tools(tools![with model(writer_script()) => writer, dyn researcher]?);
    let reply = supervisor.chat("Why is the sky blue?").await?;
    println!("{reply}");
    telemetry.shutdown()?;
    Ok(())
}

/// Returns the model of OpenAI if there is a key, or else the scripted one.
fn model(script: Script) -> Model {
    let has_key = std::env::var("OPENAI_API_KEY").is_ok_and(|key| !key.is_empty());
    if has_key { Arc::new(OpenAi::new("gpt-4o-mini")) } else { Arc::new(script) }
}

fn supervisor_script() -> Script {
    let research = json!({"prompt": "Why is the sky blue?"});
    let write = json!({"notes": "Rayleigh scattering; blue light scatters most."});
    Script::new()
        .then(Answer::calls("research", research).with_tokens(90, 12))
        .then(Answer::calls("writer", write).with_tokens(130, 20))
        .then(Answer::says("Air scatters blue light most.").with_tokens(170, 8))
}

fn research_script() -> Script {
    let notes = "Rayleigh scattering; blue light scatters most.";
    Script::new().then(Answer::says(notes).with_tokens(40, 15))
}

fn writer_script() -> Script {
    let draft = "Air scatters sunlight. Blue light is scattered most.";
    Script::new()
        .then(Answer::says(draft).with_tokens(30, 16))
        .then(Answer::says("Air scatters blue light most.").with_tokens(25, 8))
}
