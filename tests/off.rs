//! Counts of allocations. Without an SDK, telemetry makes a fixed small number of them, and a round of
//! a conversation copies neither the tools nor the text. Telemetry is on as soon as an SDK is installed.
//! Content capture allocates for the messages that are recorded, and not for those that are omitted.

#[path = "../benches/runs/mod.rs"]
mod runs;

use std::sync::Arc;

use chatlas::prelude::*;
use chatlas::telemetry::{Capture, EventSink, set_event_sink};
use chatlas::testing::Script;
use chatlas::{DynTool, ToolCall, ToolMode, Turn};
use opentelemetry::global;
use opentelemetry::trace::noop::NoopTracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use runs::{Bare, Canned, Quiet};
use serde_json::json;

/// The allocation with which a run, or a call outside a run, finds out that no SDK is installed.
const PROBE: u64 = 1;

/// Returns the number of allocations of a call, after the first call.
fn allocations<I, O>(input: impl Fn() -> I, mut call: impl FnMut(I) -> O) -> u64 {
    let mut counts = (0..40).map(|_| {
        let input = input();
        let mut output = None;
        let counted = allocation_counter::measure(|| output = Some(call(input)));
        drop(output);
        counted.count_total
    });
    counts.next();
    let second = counts.next().unwrap();
    assert!(counts.all(|count| count == second), "the number of allocations varies");
    second
}

/// One test for all steps, because the global providers cannot be uninstalled.
#[test]
fn allocations_are_bounded_and_telemetry_starts_with_a_provider() {
    a_round_copies_neither_tools_nor_text();
    without_an_sdk_a_run_or_call_makes_one_allocation();
    tracer_provider_is_used_from_the_next_call_on();
    meter_provider_is_used_while_the_program_holds_the_previous_one();
    capture_costs_nothing_for_omitted_turns();
    capture_of_a_sliding_window_renders_new_turns_only();
    capture_cache_is_released_with_the_turns();
}

/// Returns the bytes that three more rounds of a run allocate, with this number of tools and this
/// length of the prompt.
fn bytes_of_three_rounds(tools: usize, length: usize, streamed: bool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let set: ToolSet = (0..tools)
        .map(|number| {
            let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
            let description = "Returns the forecast of a city. ".repeat(10);
            let run = async |_: ToolCall| Ok::<_, ToolError>("rain");
            DynTool::new(format!("tool_{number}"), description, schema, run).unwrap()
        })
        .collect();
    let bytes = |rounds: usize| {
        let mut model = Script::new().without_recording();
        for _ in 0..rounds {
            model = model.calls("tool_0", json!({"city": "Oslo"}));
        }
        let mut chat = Chat::new(model.says("Take an umbrella."))
            .with_tools(set.clone())
            .with_tool_mode(ToolMode::Sequential);
        let prompt = "x".repeat(length);
        let counted = allocation_counter::measure(|| {
            runtime.block_on(async {
                if streamed {
                    let mut events = chat.stream(prompt);
                    while let Some(event) = events.next().await {
                        event.unwrap();
                    }
                } else {
                    chat.chat(prompt).await.unwrap();
                }
            });
        });
        counted.bytes_total
    };
    bytes(1);
    bytes(7) - bytes(4)
}

fn a_round_copies_neither_tools_nor_text() {
    for streamed in [false, true] {
        let small = bytes_of_three_rounds(1, 10, streamed);
        let large = bytes_of_three_rounds(100, 1_000_000, streamed);
        assert_eq!(small, large, "streamed: {streamed}");
    }
}

fn without_an_sdk_a_run_or_call_makes_one_allocation() {
    let chat = runs::chat();
    let run =
        |telemetry| allocations(runs::replies, |replies| runs::run(&chat, replies, telemetry));
    assert_eq!(run(true), run(false) + PROBE);
    let calls = |telemetry| {
        allocations(runs::answers::<11>, |replies| runs::run(&chat, replies, telemetry))
    };
    assert_eq!(calls(true), calls(false) + PROBE);
    let tools = |telemetry| {
        allocations(|| runs::tool_requests(11), |replies| runs::run(&chat, replies, telemetry))
    };
    assert_eq!(tools(true), tools(false) + PROBE);

    let model = Canned::new();
    let traced =
        allocations(ChatRequest::default, |request| runs::done(Provider::chat(&model, request)));
    let bare = allocations(ChatRequest::default, |request| runs::done(Bare::chat(&model, request)));
    assert_eq!(traced, bare + PROBE);
    assert_eq!(allocations(|| 3, |days| runs::done(runs::get_weather(days))), PROBE);
}

fn tracer_provider_is_used_from_the_next_call_on() {
    let chat = runs::chat();
    let model = Canned::new();
    let call = || {
        runs::done(runs::get_weather(3));
        runs::done(Provider::chat(&model, ChatRequest::default())).unwrap();
        runs::run(&chat, runs::replies(), true);
    };
    for calls_before in [0, 1, 20] {
        for _ in 0..calls_before {
            call();
        }
        // Holding the previous provider must not matter.
        let previous = global::tracer_provider();
        let exporter = InMemorySpanExporter::default();
        let installed = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        global::set_tracer_provider(installed.clone());
        call();
        let names: Vec<_> =
            exporter.get_finished_spans().unwrap().into_iter().map(|span| span.name).collect();
        assert_eq!(
            names,
            [
                "execute_tool get_weather",
                "chat gpt-4o",
                "chat gpt-4o",
                "execute_tool get_weather",
                "chat gpt-4o",
                "invoke_agent travel",
            ]
        );
        drop(previous);
        global::set_tracer_provider(NoopTracerProvider::new());
        call();
        assert_eq!(
            exporter.get_finished_spans().unwrap().len(),
            6,
            "the replaced provider receives no more spans"
        );
        drop(installed);
    }
}

fn meter_provider_is_used_while_the_program_holds_the_previous_one() {
    let model = Canned::new();
    let call = || runs::done(Provider::chat(&model, ChatRequest::default())).unwrap();
    call();
    let previous = global::meter_provider();
    let exporter = InMemoryMetricExporter::default();
    let installed = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter.clone()).build())
        .build();
    global::set_meter_provider(installed.clone());
    for _ in 0..65 {
        call();
    }
    installed.force_flush().unwrap();
    assert!(!exporter.get_finished_metrics().unwrap().is_empty());
    drop(previous);
    global::set_meter_provider(opentelemetry::metrics::noop::NoopMeterProvider::new());
}

/// Returns a chat with `turns` turns of 300 bytes, after its first prompt.
fn captured_chat(turns: usize, capture: Capture) -> Chat {
    let turns = (0..turns).map(|number| match number % 2 {
        0 => Turn::user("q".repeat(300)),
        _ => Turn::assistant("a".repeat(300)),
    });
    let mut chat = Chat::new(Quiet::new()).with_capture(capture).with_turns(turns);
    runs::done(chat.chat("And now?")).unwrap();
    chat
}

/// Installs an SDK, and a sink if events record content.
fn install_sdk(capture: Capture) {
    let sdk = SdkTracerProvider::builder().with_simple_exporter(runs::Discard).build();
    global::set_tracer_provider(sdk);
    let logger = SdkLoggerProvider::builder().with_simple_exporter(NoLogs).build();
    set_event_sink(capture.on_events().then(|| EventSink::new(&logger)));
}

fn bytes(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).bytes_total
}

fn capture_costs_nothing_for_omitted_turns() {
    for capture in [Capture::Spans, Capture::Events] {
        install_sdk(capture);
        let of_prompt = |turns, capture| {
            let mut chat = captured_chat(turns, capture);
            bytes(|| drop(runs::done(chat.chat("And now?")).unwrap()))
        };
        let of_capture = |turns| of_prompt(turns, capture) - of_prompt(turns, Capture::Nothing);
        let (some, many) = (of_capture(1_000), of_capture(20_000));
        assert!(many <= some + some / 50, "{capture:?}: {some} bytes, then {many}");
    }
}

fn capture_of_a_sliding_window_renders_new_turns_only() {
    for capture in [Capture::Spans, Capture::Events] {
        install_sdk(capture);
        let mut chat = captured_chat(150, capture);
        let growing = bytes(|| drop(runs::done(chat.chat("And now?")).unwrap()));
        let window = chat.turns()[2..].to_vec();
        let sliding = bytes(|| {
            chat.set_turns(window);
            drop(runs::done(chat.chat("And now?")).unwrap());
        });
        assert!(sliding <= growing + growing / 50, "{capture:?}: {growing}, then {sliding} bytes");
    }
}

fn capture_cache_is_released_with_the_turns() {
    install_sdk(Capture::Spans);
    let released = |capture, turns: &dyn Fn(&Chat) -> Vec<Arc<Turn>>| {
        let mut chat = captured_chat(150, capture);
        let turns = turns(&chat);
        -allocation_counter::measure(|| chat.set_turns(turns)).bytes_current
    };
    let none = |_: &Chat| Vec::new();
    let last = |chat: &Chat| chat.turns().last().cloned().into_iter().collect();
    for turns in [&none as &dyn Fn(&Chat) -> Vec<Arc<Turn>>, &last] {
        let cache = released(Capture::Spans, turns) - released(Capture::Nothing, turns);
        assert!(cache >= 150 * 300, "{cache} bytes");
    }
}

/// An exporter that discards all events.
#[derive(Debug)]
struct NoLogs;

impl LogExporter for NoLogs {
    async fn export(&self, _: LogBatch<'_>) -> OTelSdkResult {
        Ok(())
    }
}
