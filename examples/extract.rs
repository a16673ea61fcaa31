//! Shows a value while the model writes it: `cargo run --example extract`.
//!
//! The model is scripted, so that the example needs no network. Its first answer lacks a field: the
//! model is informed, and answers again.

use std::error::Error;

use chatlas::chat::ExtractEvent;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Script};
use schemars::JsonSchema;
use serde::Deserialize;

/// A recipe.
#[derive(Deserialize, JsonSchema)]
struct Recipe {
    title: String,
    /// In minutes.
    time: u32,
    steps: Vec<String>,
}

/// A recipe that is still arriving.
#[derive(Deserialize)]
struct PartialRecipe {
    title: Option<String>,
    steps: Option<Vec<String>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let complete = r#"{"title": "Bread", "time": 90, "steps": ["Knead.", "Wait.", "Bake."]}"#;
    let model = Script::new()
        .says(r#"{"title": "Bread", "steps": []}"#)
        .then(Answer::says(complete).with_chunk_size(12));
    let mut chat = Chat::new(model).with_extract_retries(1);
    let mut events = chat.stream_extract::<Recipe>("Bread").with_partial::<PartialRecipe>();
    while let Some(event) = events.next().await {
        match event? {
            ExtractEvent::Partial(PartialRecipe { title, steps }) => {
                println!("{}: {:?}", title.unwrap_or_default(), steps.unwrap_or_default());
            }
            ExtractEvent::Other(StreamEvent::OutputRejected(_)) => println!("once more"),
            ExtractEvent::Done(recipe) => {
                let Recipe { title, time, steps } = recipe.value;
                println!("{title}, {time} minutes, {} steps", steps.len());
            }
            _ => {}
        }
    }
    Ok(())
}
