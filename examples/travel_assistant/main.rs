//! A small travel assistant with one tool, and the trace of what it does.
//!
//!     cargo run --example travel_assistant
//!
//! With `OPENAI_API_KEY` it asks OpenAI, with `OPENAI_BASE_URL` any server that speaks the
//! Responses API, and with neither a small model server of its own. With
//! `OTEL_EXPORTER_OTLP_ENDPOINT` the trace goes there, too.

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
    // The work of the tool has a span of its own: it nests under `execute_tool`.
    let span = global::tracer("travel_assistant").start("fetch_forecast");
    async {
        tokio::time::sleep(Duration::from_millis(300)).await; // stands for a real look-up
        format!("{city}: 14°C, light rain, breezy this weekend.")
    }
    .with_context(Context::current_with_span(span))
    .await
}

async fn assist() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let mut model = OpenAi::new("gpt-4o").with_http_spans(true);
    let set = |name| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if !set("OPENAI_API_KEY") && !set("OPENAI_BASE_URL") {
        model = model.with_base_url(model_server::start().await?);
        writeln!(out, "(OPENAI_API_KEY is not set: the example's own model server answers)\n")?;
    }
    let mut chat = Chat::new(model)
        .with_system_prompt(
            "You are a concise travel assistant. \
             Always call get_weather before advising what to pack.",
        )
        .with_tools(tools![get_weather]);

    let mut answer = chat.stream("I'm headed to Tokyo this weekend: what should I pack?");
    while let Some(event) = answer.next().await {
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
    let sent = telemetry.shutdown();
    match (result, sent) {
        (Err(error), _) => fail(&*error),
        (Ok(()), Err(error)) => fail(&error),
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
