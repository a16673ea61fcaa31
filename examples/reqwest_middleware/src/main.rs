//! A question to a model, asked by a client of `reqwest-middleware`, and the spans of both.
//!
//!     OPENAI_API_KEY=… cargo run -p example-reqwest-middleware
//!
//! `OPENAI_BASE_URL` names another server that speaks the Responses API.

use std::error::Error;
use std::io::Write as _;

use chatlas::OpenAi;
use chatlas::prelude::*;
use example_reqwest_middleware::{client, http};
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // This build of reqwest leaves the choice of a cryptography provider to the program.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("another cryptography provider is installed already".into());
    }
    // One SDK for both: chatlas finds it as the global one, `tracing` by its layer.
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(opentelemetry_stdout::SpanExporter::default())
        .build();
    global::set_tracer_provider(provider.clone());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("http"));
    tracing_subscriber::registry().with(layer).try_init()?;

    let mut chat = Chat::new(OpenAi::new("gpt-4o-mini").with_http(http(client()?)));
    let answer = chat.chat("What is the capital of France?").await?;
    writeln!(std::io::stdout(), "{answer}")?;
    provider.shutdown()?;
    Ok(())
}
