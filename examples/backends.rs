//! Sends one trace to a backend that is configured in code. The API keys are read from the environment
//! variables that each vendor documents.
//!
//!     HONEYCOMB_API_KEY=… cargo run --example backends -- honeycomb
//!     cargo run --example backends -- collector http://collector:4318
//!
//! The optional second argument replaces the default endpoint. To configure the same backends with
//! the standard environment variables and without this code, see `docs/backends.md`.

#[path = "travel_assistant/model_server.rs"]
mod model_server;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chatlas::otel::sdk::metrics::Temporality;
use chatlas::otel::{Otlp, Signal, Telemetry};
use chatlas::prelude::*;

const BACKENDS: &str = "collector, jaeger, logfire, datadog, honeycomb, traceloop, phoenix, mlflow, \
                        langfuse";

/// Returns the exporter settings of a backend.
fn exporter(name: &str, endpoint: Option<&str>) -> Result<Otlp, Box<dyn Error>> {
    let at = |default| Otlp::new(endpoint.unwrap_or(default));
    let traces = [Signal::Traces];
    Ok(match name {
        "collector" => at("http://localhost:4318").with_gzip(true),
        "jaeger" => at("http://localhost:4318").with_signals(&traces),
        "logfire" => at("https://logfire-us.pydantic.dev")
            .with_header("authorization", key("LOGFIRE_TOKEN")?)
            .with_temporality(Temporality::Delta),
        "datadog" => at("https://otlp.datadoghq.com")
            .with_header("dd-api-key", key("DD_API_KEY")?)
            .with_header("dd-otlp-source", "llmobs")
            .with_signals(&traces),
        "honeycomb" => at("https://api.honeycomb.io")
            .with_header("x-honeycomb-team", key("HONEYCOMB_API_KEY")?)
            .with_header("x-honeycomb-dataset", "travel"),
        "traceloop" => at("https://api.traceloop.com")
            .with_header("authorization", format!("Bearer {}", key("TRACELOOP_API_KEY")?))
            .with_signals(&[Signal::Traces, Signal::Metrics]),
        "phoenix" => match key("PHOENIX_API_KEY") {
            Ok(key) => at("https://app.phoenix.arize.com")
                .with_header("authorization", format!("Bearer {key}"))
                .with_signals(&traces),
            Err(_) => at("http://localhost:6006").with_signals(&traces),
        },
        "mlflow" => at("http://localhost:5000")
            .with_header("x-mlflow-experiment-id", key("MLFLOW_EXPERIMENT_ID")?)
            .with_signals(&traces),
        "langfuse" => {
            let keys = [key("LANGFUSE_PUBLIC_KEY")?, key("LANGFUSE_SECRET_KEY")?].join(":");
            at("https://cloud.langfuse.com/api/public/otel")
                .with_header("authorization", format!("Basic {}", BASE64_STANDARD.encode(keys)))
                .with_header("x-langfuse-ingestion-version", "4")
                .with_signals(&traces)
        }
        _ => return Err(format!("unknown backend `{name}`: choose one of {BACKENDS}").into()),
    })
}

fn key(variable: &str) -> Result<String, Box<dyn Error>> {
    std::env::var(variable).map_err(|_| format!("{variable} is not set").into())
}

/// Get the current weather forecast for a city.
#[tool]
fn get_weather(city: String) -> String {
    city + ": 14°C, light rain, breezy this weekend."
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or(format!("missing backend: choose one of {BACKENDS}"))?;
    let exporter = exporter(&name, arguments.next().as_deref())?;
    let telemetry = Telemetry::new().with_service_name("travel").with_otlp(exporter).install()?;

    let model = chatlas::OpenAi::new("gpt-4o").with_base_url(model_server::start().await?);
    let mut chat = Chat::new(model.with_http_spans(true)).with_tools(tools![get_weather]);
    let reply = chat.chat("I'm headed to Tokyo this weekend: what should I pack?").await?;

    telemetry.shutdown()?;
    writeln!(std::io::stdout(), "{reply}\n(the trace was sent to {name})")?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
