//! The example `load` with 1000 concurrent conversations: all complete, no span stays open, and a
//! further round needs no more memory.

#[path = "../examples/load/round.rs"]
mod round;

use opentelemetry::global;
use opentelemetry_sdk::trace::SdkTracerProvider;
use round::{Counts, round};

const CONVERSATIONS: usize = 1000;

#[test]
fn concurrent_conversations_complete_without_leaks() {
    let counts = Counts::default();
    global::set_tracer_provider(
        SdkTracerProvider::builder().with_span_processor(counts.clone()).build(),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let figures: Vec<_> = (0..3).map(|_| runtime.block_on(round(CONVERSATIONS))).collect();
    for figures in &figures {
        println!("{figures}");
        assert_eq!(figures.answers.len(), CONVERSATIONS);
        assert_eq!(figures.first_words.len(), CONVERSATIONS);
    }
    // Each conversation: two runs of two model calls and a tool call.
    assert_eq!(counts.ended(), 3 * CONVERSATIONS as u64 * 2 * 4);
    assert_eq!(counts.open(), 0);
    // The runtime removes finished tasks with a delay.
    for _ in 0..1000 {
        if runtime.metrics().num_alive_tasks() == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    // The allocator may keep a little more after each round; a leak would be a multiple of that.
    let [first, _, third] = [0, 1, 2].map(|number| figures[number].resident_kib);
    assert!(third < first + first / 2 + 4096, "{first} KiB at first, {third} KiB at last");
}
