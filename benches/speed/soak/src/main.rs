//! Runs conversations over all protocols for a long time, with dropped streams, failing requests and
//! a telemetry receiver that refuses and hangs:
//!
//!     cargo run --release -p speed-soak -- --seconds 600
//!
//! Prints the memory, the threads and the file descriptors of this process, and the spans. Fails if
//! one of them grows, or if a span is neither received nor reported as lost. The servers are another
//! process.

mod conversations;
mod growth;
mod receiver;

use std::alloc::System;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use cap::Cap;
use chatlas::otel::{Otlp, Signal, Telemetry};
use conversations::Spans;
use growth::Samples;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// The argument of the process that runs the servers.
const SERVE: &str = "--serve";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [SERVE] => receiver::serve(),
        [] => soak(Duration::from_secs(600)),
        ["--seconds", seconds] => soak(Duration::from_secs(seconds.parse()?)),
        _ => Err("the only option is `--seconds N`".into()),
    }
}

/// The servers. They end with this value.
struct Servers {
    process: Child,
    models: String,
    receiver: String,
}

impl Servers {
    fn start() -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg(SERVE).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().ok_or("the servers have no output")?;
        let mut ports = String::new();
        BufReader::new(output).read_line(&mut ports)?;
        let (models, receiver) =
            ports.trim().split_once(' ').ok_or("the servers print two ports")?;
        let url = |port| format!("http://127.0.0.1:{port}");
        Ok(Self { models: url(models), receiver: url(receiver), process })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn soak(duration: Duration) -> Result<ExitCode, Box<dyn Error>> {
    let servers = Servers::start()?;
    let spans = Spans::default();
    let receiver = Otlp::new(&servers.receiver)
        .with_timeout(Duration::from_secs(2))
        .with_signals(&[Signal::Traces]);
    let telemetry =
        Telemetry::new().with_span_processor(spans.clone()).with_otlp(receiver).install()?;

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut samples = Samples::default();
    let counts = runtime.block_on(async {
        let workers = conversations::start(&servers.models, Instant::now() + duration);
        let end = Instant::now() + duration;
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(500)).await;
            samples.take(HEAP.allocated());
        }
        workers.finish().await
    });
    drop(runtime);
    println!("conversations: {counts}");
    let steady = samples.report();

    let lost = telemetry.shutdown().err().map_or(0, |lost| lost.spans);
    let received = receiver::received(&servers.receiver)?;
    let (started, ended) = spans.counts();
    println!(
        "spans: {started} started, {ended} ended, {received} received, {lost} reported as lost"
    );
    let complete = started == ended && ended == received + lost && received > 0;
    if !complete {
        println!("failed: a span is missing, or is counted twice");
    }
    Ok(if steady && complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
