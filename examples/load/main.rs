//! Many conversations at once, streamed and with tools, against the scripted model within the
//! process: how much memory each takes, how long its answers take, and whether anything is left
//! behind.
//!
//! `cargo run --release --example load -- 10000`: the number of conversations, on two threads.

mod round;

use opentelemetry::global;
use opentelemetry_sdk::trace::SdkTracerProvider;
use round::{Counts, resident_kib, round};

fn main() {
    let conversations =
        std::env::args().nth(1).map_or(10_000_usize, |text| text.parse().expect("a number"));
    let counts = Counts::default();
    global::set_tracer_provider(
        SdkTracerProvider::builder().with_span_processor(counts.clone()).build(),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let before = resident_kib();
    let mut peaks = Vec::new();
    for number in 1..=3 {
        let figures = runtime.block_on(round(conversations));
        println!("round {number}: {conversations} conversations at once, all complete\n{figures}");
        peaks.push(figures.resident_kib);
    }
    let first = peaks.first().copied().unwrap_or_default();
    let each =
        first.saturating_sub(before) * 1024 / u64::try_from(conversations).unwrap_or(1).max(1);
    println!("memory of a conversation: {each} bytes (before all: {before} KiB)");
    println!("memory with all under way, round by round: {peaks:?} KiB");
    println!("spans: {} ended, {} open", counts.ended(), counts.open());
}
