//! The cost of telemetry in time and allocations, case by case: `cargo bench -p chatlas --bench cost`.
//! For a comparison with the bounds, run `--bench table`.

#[path = "../runs/mod.rs"]
mod runs;

use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::{ChatRequest, Completion};
use divan::{AllocProfiler, Bencher, black_box};
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::trace::noop::NoopTracerProvider;
use runs::{Bare, Canned};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A run of four spans, without or with an SDK.
#[divan::bench(args = [false, true])]
fn run_of_4_spans(bencher: Bencher<'_, '_>, sdk: bool) {
    install(sdk);
    let chat = runs::chat();
    bencher.with_inputs(runs::replies).bench_values(|replies| runs::run(&chat, replies, true));
}

#[divan::bench]
fn run_without_telemetry(bencher: Bencher<'_, '_>) {
    let chat = runs::chat();
    bencher.with_inputs(runs::replies).bench_values(|replies| runs::run(&chat, replies, false));
}

#[divan::bench]
fn run_of_4_spans_by_tracing_opentelemetry(bencher: Bencher<'_, '_>) {
    let tracer = runs::batching().tracer("app");
    let layer = tracing_opentelemetry::layer().with_tracer(tracer);
    let dispatch = tracing::Dispatch::new(Registry::default().with(layer));
    bencher.with_inputs(runs::replies).bench_values(|replies: [Completion; 2]| {
        tracing::dispatcher::with_default(&dispatch, || runs::traced_run(replies))
    });
}

#[divan::bench(args = [false, true])]
fn provider_call(bencher: Bencher<'_, '_>, sdk: bool) {
    install(sdk);
    let model = Canned::new();
    bencher.bench(|| runs::done(Provider::chat(&model, black_box(ChatRequest::default()))));
}

#[divan::bench]
fn bare_provider_call(bencher: Bencher<'_, '_>) {
    let model = Canned::new();
    bencher.bench(|| runs::done(Bare::chat(&model, black_box(ChatRequest::default()))));
}

#[divan::bench(args = [false, true])]
fn tool_function(bencher: Bencher<'_, '_>, sdk: bool) {
    install(sdk);
    bencher.bench(|| runs::done(runs::get_weather(black_box(3))));
}

/// A complete `chat()` after 200 exchanges, without or with capture.
#[divan::bench(args = [false, true])]
fn chat_after_200_exchanges(bencher: Bencher<'_, '_>, capture: bool) {
    install(true);
    let capture = if capture { Capture::Spans } else { Capture::Nothing };
    let (mut chat, turns) = runs::long_chat(200, capture);
    bencher.bench_local(|| runs::send_prompt(&mut chat, &turns));
}

fn install(sdk: bool) {
    if sdk {
        global::set_tracer_provider(runs::batching());
    } else {
        global::set_tracer_provider(NoopTracerProvider::new());
    }
}
