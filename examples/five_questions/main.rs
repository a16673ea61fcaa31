//! Simulates a day of a hotel's concierge, and answers five questions from its telemetry.
//!
//!     cargo run --example five_questions            # runs the simulation and prints the answers
//!     cargo run --example five_questions FILE       # also keeps the telemetry in FILE
//!
//! The simulation has guests in two houses, two models and three tools. Some calls fail, and some
//! guests rate their answers. The telemetry is written to a file as OTLP JSON, in the format of the
//! OpenTelemetry Collector, and the questions are answered only from that file. The traffic is seeded:
//! only the durations differ between runs.

mod answers;
mod export;
mod traffic;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use chatlas::otel::Telemetry;

async fn run() -> Result<(), Box<dyn Error>> {
    let requested = std::env::args_os().nth(1).map(PathBuf::from);
    let name = format!("five-questions-{}.jsonl", std::process::id());
    let file = requested.clone().unwrap_or_else(|| std::env::temp_dir().join(name));

    if file.exists() {
        return Err(format!("{} exists; choose a file that does not", file.display()).into());
    }
    let telemetry = Telemetry::new().with_file(&file).install()?;
    let day = traffic::Day { seed: 7, conversations: 600 };
    let unanswered = day.run().await;
    telemetry.shutdown()?;

    let exported = export::Export::parse(&std::fs::read_to_string(&file)?)?;
    println!("{} conversations, {unanswered} of them without an answer.", day.conversations);
    println!(
        "{} spans and {} feedback events were exported.",
        exported.spans.len(),
        exported.feedback.len()
    );
    println!("Models and tools are {} times faster than real ones.\n", traffic::SPEED);
    println!("{}", answers::all(&exported, traffic::PRICES));
    match requested {
        Some(file) => println!("The telemetry is in {}.", file.display()),
        None => std::fs::remove_file(&file)?,
    }
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
