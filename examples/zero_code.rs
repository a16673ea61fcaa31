//! A program without telemetry code. The feature `auto-init` configures its telemetry from
//! environment variables:
//!
//!     OTEL_TRACES_EXPORTER=console cargo run --example zero_code --features auto-init
//!
//! Set `OTEL_EXPORTER_OTLP_ENDPOINT` to export the telemetry over OTLP. The program calls OpenAI with
//! the key in `OPENAI_API_KEY`, or the server at `OPENAI_BASE_URL`.

use chatlas::prelude::*;

#[tokio::main]
async fn main() -> Result<(), ChatError> {
    let mut chat = Chat::new(chatlas::OpenAi::new("gpt-4o"));
    println!("{}", chat.chat("Hello world!").await?);
    Ok(())
}
