//! Continues one conversation each time the program runs: `cargo run --example session -- FOLDER`.
//!
//! The model is scripted, so that the example needs no network: it replies with the number of prompts
//! in the conversation.

use std::error::Error;
use std::sync::Arc;

use chatlas::prelude::*;
use chatlas::stores::FileSessionStore;
use chatlas::testing::{Answer, Script};
use chatlas::{SessionStore, ToolSet};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: session FOLDER")?;
    let store = Arc::new(FileSessionStore::new(folder));
    let model = Script::from_fn(|request| {
        let prompts = request.turns.iter().filter(|turn| matches!(***turn, Turn::User(_)));
        Answer::says(format!("This is your prompt number {}.", prompts.count()))
    });
    let mut chat = match store.load("ada").await? {
        Some(session) => Chat::from_session(session, model, ToolSet::new())?,
        None => Chat::new(model).with_conversation_id("ada").with_title("Counting"),
    };
    chat.set_store(Some(store));
    println!("{}", chat.chat("Which prompt is this?").await?);
    // A failed save never loses the reply. It is reported separately.
    if let Some(error) = chat.save_error() {
        eprintln!("not saved: {error}");
    }
    Ok(())
}
