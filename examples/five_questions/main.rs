//! A day of a hotel's concierge, simulated, and five questions that its telemetry answers.
//!
//!     cargo run --example five_questions            # the day, and the answers
//!     cargo run --example five_questions FILE       # the same, and the telemetry stays in FILE
//!
//! Guests of two houses ask, two models answer, three tools are called, some calls fail, some
//! guests say what they think. All of it is written to a file as OTLP JSON, as a collector would
//! write it; the answers are computed from that file and nothing else. The day is seeded, so it is
//! the same day every time, but for the times, which are those of the machine.

mod answers;
mod telemetry;
mod traffic;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use chatlas::otel::Telemetry;

async fn answer() -> Result<(), Box<dyn Error>> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let name = format!("five-questions-{}.jsonl", std::process::id());
    let file = given.clone().unwrap_or_else(|| std::env::temp_dir().join(name));

    if file.exists() {
        return Err(format!("{} exists; the answers would be of two days", file.display()).into());
    }
    let exported = Telemetry::new().with_file(&file).install()?;
    let day = traffic::Day { seed: 7, conversations: 600 };
    let failed = day.run().await;
    exported.shutdown()?;

    let told = std::fs::read_to_string(&file)?;
    let seen = telemetry::Telemetry::read(&told)?;
    println!("{} conversations, {failed} of them without an answer.", day.conversations);
    println!("{} spans and {} verdicts were exported.", seen.spans.len(), seen.verdicts.len());
    println!("Models and tools are {} times faster than in life.\n", traffic::PACE);
    println!("{}", answers::all(&seen, traffic::PRICES));
    match given {
        Some(file) => println!("The telemetry is in {}.", file.display()),
        None => std::fs::remove_file(&file)?,
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match answer().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
