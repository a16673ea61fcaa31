//! A program that says nothing of telemetry, and is traced all the same:
//!
//!     OTEL_TRACES_EXPORTER=console cargo run --example zero_code --features auto-init
//!
//! With `OTEL_EXPORTER_OTLP_ENDPOINT` it is exported. It asks OpenAI (`OPENAI_API_KEY`), or the
//! server at `OPENAI_BASE_URL`.

use chatlas::prelude::*;

#[tokio::main]
async fn main() -> Result<(), ChatError> {
    let mut chat = Chat::new(chatlas::OpenAi::new("gpt-4o"));
    println!("{}", chat.chat("Hello world!").await?);
    Ok(())
}
