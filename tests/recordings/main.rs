//! Recorded traffic with the vendors, served over loopback HTTP and consumed through the public
//! API: the replies, the requests and the spans. Each trial is named after its recording.
//!
//! The recordings are not part of the repository. Their directory is `../shared` next to it, or
//! the one in `CHATLAS_SHARED`; without it, all trials are ignored, or fail if `CI=true`.

#[path = "../support"]
mod support {
    pub mod cassettes;
    pub mod completions;
    pub mod frames;
    pub mod google;
    pub mod messages;
    pub mod recorded_tools;
    pub mod request;
    pub mod responses;
    pub mod server;
    pub mod timeout;
    pub mod trials;
    pub mod wire;
}

mod anthropic;
mod azure;
mod bedrock;
mod completions;
mod google;
mod guide;
mod openai;

use std::process::ExitCode;

use support::trials::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::new();
    anthropic::add(&mut trials);
    azure::add(&mut trials);
    bedrock::add(&mut trials);
    completions::add(&mut trials);
    google::add(&mut trials);
    openai::add(&mut trials);
    guide::add(&mut trials);
    trials.run()
}
