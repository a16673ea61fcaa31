//! What telemetry costs where nothing is installed, counted in allocations, and that it is on as
//! soon as something is. These are the only tests of this process: what is installed is for all.

#[path = "../benches/runs/mod.rs"]
mod runs;

use std::sync::{Mutex, PoisonError};

use chatlas::ChatRequest;
use chatlas::prelude::*;
use opentelemetry::global;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use runs::{Bare, Canned};

/// The tests take turns: one installs a meter provider, and takes it away again.
static TURN: Mutex<()> = Mutex::new(());

/// How many allocations a call makes when it is not the first.
fn allocations<I, O>(input: impl Fn() -> I, mut call: impl FnMut(I) -> O) -> u64 {
    let mut counts = (0..40).map(|_| {
        let given = input();
        let mut output = None;
        let counted = allocation_counter::measure(|| output = Some(call(given)));
        drop(output);
        counted.count_total
    });
    counts.next();
    let second = counts.next().unwrap();
    assert!(counts.all(|count| count == second), "it is the same each time");
    second
}

#[test]
fn where_nothing_is_installed_a_run_of_four_spans_allocates_once_and_so_does_a_span_alone() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let chat = runs::chat();
    let run = |telemetry| allocations(runs::replies, |given| runs::run(&chat, given, telemetry));
    assert_eq!(run(true) - run(false), 1);
    let calls =
        |telemetry| allocations(runs::answers::<11>, |given| runs::run(&chat, given, telemetry));
    assert_eq!(calls(true) - calls(false), 1);
    let tools =
        |telemetry| allocations(|| runs::asking(11), |given| runs::run(&chat, given, telemetry));
    assert_eq!(tools(true) - tools(false), 1);

    let model = Canned::new();
    let traced =
        allocations(ChatRequest::default, |asked| runs::done(Provider::chat(&model, asked)));
    let bare = allocations(ChatRequest::default, |asked| runs::done(Bare::chat(&model, asked)));
    assert_eq!(traced - bare, 1);
    assert_eq!(allocations(|| 3, |days| runs::done(runs::get_weather(days))), 1);
}

#[test]
fn a_meter_provider_is_seen_though_the_program_still_holds_the_one_before_it() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let model = Canned::new();
    let ask = || runs::done(Provider::chat(&model, ChatRequest::default())).unwrap();
    ask();
    let before = global::meter_provider();
    let exporter = InMemoryMetricExporter::default();
    let installed = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter.clone()).build())
        .build();
    global::set_meter_provider(installed.clone());
    for _ in 0..17 {
        ask();
    }
    installed.force_flush().unwrap();
    assert!(!exporter.get_finished_metrics().unwrap().is_empty());
    drop(before);
    global::set_meter_provider(opentelemetry::metrics::noop::NoopMeterProvider::new());
}
