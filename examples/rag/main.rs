//! Retrieval from SQLite by embeddings, as a tool of a chat, with an evaluation of the answer. Prints
//! the answer, the score and the trace.
//!
//!     cargo run -p chatlas-rag --example rag
//!
//! The embeddings come from the server at `EMBED_URL`, which needs the embeddings API of OpenAI, or
//! else from a small model in this program. The chat model is scripted: it searches, and then quotes
//! the first passage that it received.

mod embedder;
mod index;

use std::error::Error;
use std::sync::Arc;

use chatlas::operations::{Judged, Score};
use chatlas::otel::Telemetry;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Script};
use chatlas::{OpenAiCompletions, Retriever as _, evaluator, workflow};
use serde_json::json;

use embedder::WordCounts;
use index::Index;

const PASSAGES: [(&str, &str); 4] = [
    ("baggage", "Each passenger may check two bags of at most 23 kg."),
    ("boarding", "Boarding ends 15 minutes before departure at the gate."),
    ("pets", "Small pets may travel in the cabin in a closed carrier."),
    ("refunds", "Refunds of cancelled flights arrive within seven days."),
];

/// Measures which share of the words of the answer is in the documents.
#[evaluator(name = "groundedness", labels("grounded", "invented"))]
fn groundedness(judged: &Judged) -> Score {
    let source: String =
        judged.documents.iter().map(|document| document.content.as_str()).collect();
    let words: Vec<&str> = judged.output.split_whitespace().collect();
    let found = words.iter().filter(|word| source.contains(**word)).count();
    #[expect(clippy::cast_precision_loss, reason = "answers have few words")]
    let share = found as f64 / words.len().max(1) as f64;
    Score::from(share).with_label(if share >= 0.8 { "grounded" } else { "invented" })
}

/// Indexes the handbook, answers a question of a passenger from it, and evaluates the answer.
#[workflow(name = "help_desk")]
async fn help(question: &str) -> Result<(String, Score), Box<dyn Error>> {
    let index = Index::new(embedder(), &PASSAGES).await?;
    let search = index.into_tool("search_handbook", "Searches the handbook.", 2)?;
    let mut chat = Chat::new(model())
        .with_name("clerk")
        .with_system_prompt("Search the handbook, and answer from the passages alone.")
        .with_tools(tools![dyn search]?);
    let reply = chat.chat(question).await?;
    let documents = PASSAGES.map(|(_, text)| text.into());
    let judged = Judged::from_reply(question, &reply).with_documents(documents);
    Ok((reply.text(), groundedness(&judged)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::new().with_console().with_env().install()?;
    let (answer, score) = help("How many bags may I check?").await?;
    let (value, label) = (score.value.unwrap_or_default(), score.label.unwrap_or_default());
    println!("{answer}\ngroundedness: {value} ({label})");
    telemetry.shutdown()?;
    Ok(())
}

fn embedder() -> Arc<dyn Provider> {
    match std::env::var("EMBED_URL") {
        Ok(url) if !url.is_empty() => {
            Arc::new(OpenAiCompletions::new("all-minilm-l6-v2").with_base_url(url))
        }
        _ => Arc::new(WordCounts::new()),
    }
}

fn model() -> Script {
    let query = json!({"query": "How many bags may a passenger check?"});
    Script::new().then(Answer::calls("search_handbook", query).with_tokens(80, 14)).otherwise(
        |request| {
            let received = request.turns.last().map(|turn| format!("{turn:?}")).unwrap_or_default();
            let quoted = PASSAGES.iter().find(|(_, text)| received.contains(text));
            let text = quoted.map_or("The handbook does not answer this.", |(_, text)| text);
            Answer::says(text).with_tokens(150, 16)
        },
    )
}
