//! A travel assistant with one tool. Prints its answer and its trace.
//!
//!     cargo run --example travel_assistant
//!
//! It calls OpenAI if `OPENAI_API_KEY` is set, or the server at `OPENAI_BASE_URL`, which needs the
//! Responses API. If neither is set, it starts a small model server on this machine. If
//! `OTEL_EXPORTER_OTLP_ENDPOINT` is set, the telemetry is also exported over OTLP.

mod model_server;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use chatlas::prelude::*;
use chatlas::{OpenAi, otel::Telemetry};
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};

/// Get the current weather forecast for a city.
#[tool]
async fn get_weather(
    /// The city, "Tokyo" for example.
    city: String,
) -> String {
    // The span of the tool's work is a child of `execute_tool`.
    let span = global::tracer("travel_assistant").start("fetch_forecast");
    async {
        tokio::time::sleep(Duration::from_millis(300)).await; // in place of a real request
        format!("{city}: 14°C, light rain, breezy this weekend.")
    }
    .with_context(Context::current_with_span(span))
    .await
}

async fn assist() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let mut model = OpenAi::new("gpt-4o").with_http_spans(true);
    let is_set = |name| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if !is_set("OPENAI_API_KEY") && !is_set("OPENAI_BASE_URL") {
        model = model.with_base_url(model_server::start().await?);
        writeln!(out, "(OPENAI_API_KEY is not set: using the example's local model server)\n")?;
    }
    let mut chat = Chat::new(model)
        .with_system_prompt(
            "You are a concise travel assistant. \
             Always call get_weather before advising what to pack.",
        )
        .with_tools(tools![get_weather]);

    let mut events = chat.stream("I'm headed to Tokyo this weekend: what should I pack?");
    while let Some(event) = events.next().await {
        if let StreamEvent::Text(text) = event? {
            write!(out, "{text}")?;
            out.flush()?;
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let telemetry = match Telemetry::new().with_console().with_env().install() {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(&error),
    };
    let result = assist().await;
    let exported = telemetry.shutdown();
    match (result, exported) {
        (Err(error), _) => fail(&*error),
        (Ok(()), Err(error)) => fail(&error),
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
