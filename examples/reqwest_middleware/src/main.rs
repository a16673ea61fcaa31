//! A chat whose requests are sent through `reqwest-middleware`, with the spans of both.
//!
//!     OPENAI_API_KEY=… cargo run -p example-reqwest-middleware
//!
//! Set `OPENAI_BASE_URL` to use another server with the Responses API.

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
    // This build of reqwest requires the program to install a cryptography provider.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err("a cryptography provider is already installed".into());
    }
    // Both libraries use one SDK: chatlas as the global tracer provider, `tracing` through its layer.
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(opentelemetry_stdout::SpanExporter::default())
        .build();
    global::set_tracer_provider(provider.clone());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("http"));
    tracing_subscriber::registry().with(layer).try_init()?;

    let mut chat = Chat::new(OpenAi::new("gpt-4o-mini").with_http(http(client()?)));
    let reply = chat.chat("What is the capital of France?").await?;
    writeln!(std::io::stdout(), "{reply}")?;
    provider.shutdown()?;
    Ok(())
}
