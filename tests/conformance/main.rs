//! Telemetry compared with the official data of the semantic conventions (`semconv/` of the shared
//! data): of every recording, of a scripted conversation that uses every feature, and of rare
//! cases.
//!
//! The data is not part of the repository; without it, all trials are ignored, or fail if
//! `CI=true`.

#[path = "../support"]
mod support {
    pub mod cassettes;
    pub mod conformance;
    pub mod server;
    pub mod signals;
    pub mod timeout;
    pub mod trials;
}

mod edges;
mod operations;
mod recordings;
mod scripted;

use std::process::ExitCode;

use support::trials::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::new();
    edges::add(&mut trials);
    operations::add(&mut trials);
    recordings::add(&mut trials);
    scripted::add(&mut trials);
    trials.run()
}
