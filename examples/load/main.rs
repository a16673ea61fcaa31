//! Runs many concurrent conversations, with streaming and tools, against a scripted model in the same
//! process. Prints the memory of each conversation, the latencies, and the number of spans that did
//! not end.
//!
//!     cargo run --release --example load -- 10000
//!
//! The argument is the number of conversations. They run on two threads.

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
        println!(
            "round {number}: {conversations} concurrent conversations, all complete\n{figures}"
        );
        peaks.push(figures.resident_kib);
    }
    let first = peaks.first().copied().unwrap_or_default();
    let per_conversation =
        first.saturating_sub(before) * 1024 / u64::try_from(conversations).unwrap_or(1).max(1);
    println!(
        "memory per conversation: {per_conversation} bytes (before the first round: {before} KiB)"
    );
    println!("memory with all conversations running, by round: {peaks:?} KiB");
    println!("spans: {} ended, {} open", counts.ended(), counts.open());
}
