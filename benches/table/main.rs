//! The cost of telemetry, compared with its bounds: `cargo bench -p chatlas --bench table`.
//!
//! The cases of a table take turns in one process, so that load on the machine affects all of them. The
//! addresses of the stack and the heap change a result by tens of nanoseconds, so each round starts at a
//! different stack depth, and each table is measured in several processes. The result is the median of
//! their medians; the fastest round is printed beside it. Allocations are counted separately and exactly.

#[path = "../runs/mod.rs"]
mod runs;

use std::hint::black_box;
use std::time::Instant;

use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::{ChatRequest, ToolSet};
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use runs::{Bare, Quiet};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

const ROUNDS: usize = 301;

/// A case to measure. `time` runs it many times and returns the nanoseconds per run.
struct Case<'a> {
    name: &'static str,
    time: Box<dyn FnMut() -> f64 + 'a>,
    allocations: u64,
}

struct Figure {
    name: String,
    median: f64,
    fastest: f64,
    allocations: u64,
}

/// Creates a case of which `times` runs are timed together. Creating their inputs is not measured.
fn case<'a, I, O>(
    name: &'static str,
    times: usize,
    input: impl Fn() -> I + 'a,
    mut run: impl FnMut(I) -> O + 'a,
) -> Case<'a> {
    run(input());
    let warm = input();
    let mut result = None;
    let counted = allocation_counter::measure(|| result = Some(run(warm)));
    drop(result);
    let time = move || {
        let inputs: Vec<I> = (0..times).map(|_| input()).collect();
        let begin = Instant::now();
        for input in inputs {
            black_box(run(black_box(input)));
        }
        let elapsed = begin.elapsed();
        elapsed.as_secs_f64() * 1e9 / f64::from(u32::try_from(times).unwrap_or(u32::MAX))
    };
    Case { name, time: Box::new(time), allocations: counted.count_total }
}

/// The number of stack depths at which a case is run: together they span more than a page.
const DEPTHS: usize = 43;

/// Calls `time` at that stack depth.
#[inline(never)]
fn at_depth(depth: usize, time: &mut dyn FnMut() -> f64) -> f64 {
    let room = black_box([0_u8; 112]);
    let elapsed = if depth == 0 { time() } else { at_depth(depth - 1, time) };
    black_box(&room);
    elapsed
}

/// Measures the cases in turns.
fn measure(mut cases: Vec<Case<'_>>) -> Vec<Figure> {
    let mut times = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for round in 0..ROUNDS {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            times.push(at_depth(round % DEPTHS, &mut *case.time));
        }
    }
    let figures = cases.iter().zip(times).map(|(case, mut times)| {
        times.sort_by(f64::total_cmp);
        let (median, fastest) = (times[times.len() / 2], times[0]);
        Figure { name: case.name.to_owned(), median, fastest, allocations: case.allocations }
    });
    figures.collect()
}

fn show(title: &str, figures: &[Figure]) {
    println!("\n{title:<58} {:>10} {:>10} {:>8}", "median ns", "fastest", "allocs");
    for Figure { name, median, fastest, allocations } in figures {
        println!("  {name:<56} {median:>10.1} {fastest:>10.1} {allocations:>8}");
    }
}

/// Prints whether a value is within its bound.
fn check(what: &str, value: f64, bound: f64, unit: &str) {
    let result = if value <= bound { "ok" } else { "EXCEEDED" };
    println!("  => {what}: {value:.2}{unit}, at most {bound}{unit}: {result}");
}

fn no_sdk() -> Vec<Figure> {
    let chat = runs::chat();
    let model = Quiet::new();
    let request = ChatRequest::default;
    measure(vec![
        case("run of 4 spans, without telemetry", 512, runs::replies, |replies| {
            runs::run(&chat, replies, false)
        }),
        case("run of 4 spans", 512, runs::replies, |replies| runs::run(&chat, replies, true)),
        case("provider call, without telemetry", 512, request, |request| {
            runs::done(Bare::chat(&model, request))
        }),
        case("provider call: one `chat` span", 512, request, |request| {
            runs::done(Provider::chat(&model, request))
        }),
        case(
            "#[tool] function, without telemetry",
            4096,
            || 3,
            |days| runs::done(runs::get_weather_bare(days)),
        ),
        case(
            "#[tool] function: one `execute_tool` span",
            4096,
            || 3,
            |days| runs::done(runs::get_weather(days)),
        ),
    ])
}

fn check_no_sdk(figures: &[Figure]) {
    let more = |a: usize, b: usize| figures[a].median - figures[b].median;
    check("a run of 4 spans", more(1, 0), 120.0, " ns");
    let allocations = figures[1].allocations.saturating_sub(figures[0].allocations);
    check(
        "a run of 4 spans",
        f64::from(u32::try_from(allocations).unwrap_or(u32::MAX)),
        2.0,
        " allocations",
    );
    check("a `chat` span outside a run", more(3, 2), 120.0, " ns");
    check("a tool span outside a run", more(5, 4), 120.0, " ns");
}

fn longer_runs() -> Vec<Figure> {
    let chat = runs::chat();
    measure(vec![
        case("1 model call, without telemetry", 256, runs::answers::<1>, |r| {
            runs::run(&chat, r, false)
        }),
        case("1 model call", 256, runs::answers::<1>, |r| runs::run(&chat, r, true)),
        case("11 model calls, without telemetry", 64, runs::answers::<11>, |r| {
            runs::run(&chat, r, false)
        }),
        case("11 model calls", 64, runs::answers::<11>, |r| runs::run(&chat, r, true)),
        case(
            "1 tool call, without telemetry",
            256,
            || runs::tool_requests(1),
            |r| runs::run(&chat, r, false),
        ),
        case("1 tool call", 256, || runs::tool_requests(1), |r| runs::run(&chat, r, true)),
        case(
            "11 tool calls, without telemetry",
            256,
            || runs::tool_requests(11),
            |r| runs::run(&chat, r, false),
        ),
        case("11 tool calls", 256, || runs::tool_requests(11), |r| runs::run(&chat, r, true)),
    ])
}

fn check_longer_runs(figures: &[Figure]) {
    let cost = |of: usize| figures[of + 1].median - figures[of].median;
    check("a `chat` span in a run", (cost(2) - cost(0)) / 10.0, 20.0, " ns");
    check("a tool span in a run", (cost(6) - cost(4)) / 10.0, 20.0, " ns");
}

fn with_the_sdk() -> Vec<Figure> {
    let provider = runs::batching();
    global::set_tracer_provider(provider.clone());
    let chat = runs::chat();
    let default = Registry::default()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("app")));
    let lean = Registry::default().with(
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("app"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false),
    );
    let default = tracing::Dispatch::new(default);
    let lean = tracing::Dispatch::new(lean);
    measure(vec![
        case("run of 4 spans, without telemetry", 256, runs::replies, |replies| {
            runs::run(&chat, replies, false)
        }),
        case("run of 4 spans", 256, runs::replies, |replies| runs::run(&chat, replies, true)),
        case("run of 4 spans by tracing-opentelemetry", 256, runs::replies, |replies| {
            tracing::dispatcher::with_default(&default, || runs::traced_run(replies))
        }),
        case(
            "same, without code location, threads and idle times",
            256,
            runs::replies,
            |replies| tracing::dispatcher::with_default(&lean, || runs::traced_run(replies)),
        ),
    ])
}

fn check_with_the_sdk(figures: &[Figure]) {
    let more = |of: usize| figures[of].median - figures[0].median;
    check("cost relative to tracing-opentelemetry", more(1) / more(2), 0.5, "");
    println!("  => cost relative to its lean configuration: {:.2}", more(1) / more(3));
}

fn with_content() -> Vec<Figure> {
    global::set_tracer_provider(runs::batching());
    let calls = |capture| runs::long_chat(200, capture);
    let (off, on) = (calls(Capture::Nothing), calls(Capture::Spans));
    let (mut off, off_turns) = off;
    let (mut on, on_turns) = on;
    measure(vec![
        case("chat() after 200 exchanges", 16, || (), |()| runs::send_prompt(&mut off, &off_turns)),
        case(
            "chat() after 200 exchanges, with capture",
            16,
            || (),
            |()| runs::send_prompt(&mut on, &on_turns),
        ),
    ])
}

fn check_with_content(figures: &[Figure]) {
    check("factor of capture", figures[1].median / figures[0].median, 3.0, "");
}

fn sizes() -> Vec<Figure> {
    global::set_tracer_provider(runs::batching());
    let mut large = runs::captured_chat(0);
    let mut long = runs::captured_chat(20_000);
    let mut window = runs::captured_chat(500);
    let prompt = || "p".repeat(64 * 1024);
    measure(vec![
        case("prompt of 64 KiB, with capture", 16, prompt, |prompt| {
            runs::send_large(&mut large, prompt);
        }),
        case("prompt after 20,000 turns, with capture", 1, || (), |()| runs::send_one(&mut long)),
        case(
            "prompt in a sliding window of 500 turns, with capture",
            4,
            || (),
            |()| runs::send_in_window(&mut window, 500),
        ),
        case(
            "set of 5,000 tools",
            1,
            || runs::many_tools(5_000),
            |tools| tools.into_iter().collect::<ToolSet>(),
        ),
    ])
}

fn check_sizes(figures: &[Figure]) {
    check("a prompt of 64 KiB with capture", figures[0].median / 1e3, 40.0, " µs");
    check("a prompt after 20,000 turns with capture", figures[1].median / 1e6, 0.8, " ms");
    check("a prompt in a sliding window of 500 turns", figures[2].median / 1e3, 150.0, " µs");
    check("a set of 5,000 tools", figures[3].median / 1e6, 5.0, " ms");
}

/// The cost of the API call that returns the global provider, which is the lower bound.
fn api_call() -> Vec<Figure> {
    measure(vec![
        case("nothing", 4096, || (), |()| ()),
        case("`global::tracer_provider()`", 4096, || (), |()| global::tracer_provider()),
    ])
}

/// A table: its measurement, and the check of its figures.
struct Table {
    title: &'static str,
    measure: fn() -> Vec<Figure>,
    check: fn(&[Figure]),
}

const TABLES: [Table; 6] = [
    Table { title: "the OpenTelemetry API", measure: api_call, check: |_| () },
    Table { title: "no SDK", measure: no_sdk, check: check_no_sdk },
    Table { title: "no SDK: longer runs", measure: longer_runs, check: check_longer_runs },
    Table {
        title: "SDK with the batch processor, spans discarded",
        measure: with_the_sdk,
        check: check_with_the_sdk,
    },
    Table {
        title: "chat(): two model calls and a tool call",
        measure: with_content,
        check: check_with_content,
    },
    Table { title: "sizes", measure: sizes, check: check_sizes },
];

/// The number of processes that measure each table.
const PROCESSES: usize = 9;

fn main() {
    // In a child process: prints one line per figure.
    let table = std::env::args().skip(1).find_map(|argument| {
        argument.strip_prefix("--table=").and_then(|index| TABLES.get(index.parse::<usize>().ok()?))
    });
    if let Some(table) = table {
        for Figure { name, median, fastest, allocations } in (table.measure)() {
            println!("{median}\t{fastest}\t{allocations}\t{name}");
        }
        return;
    }
    for (index, table) in TABLES.iter().enumerate() {
        let figures = by_processes(index);
        show(table.title, &figures);
        (table.check)(&figures);
    }
}

/// Measures a table in several processes and combines their figures.
fn by_processes(table: usize) -> Vec<Figure> {
    let program = std::env::current_exe().expect("the path of this program");
    let run = |_| -> Vec<Figure> {
        let output = std::process::Command::new(&program).arg(format!("--table={table}")).output();
        let output = output.expect("this program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| read(line).expect("a line of figures")).collect()
    };
    let runs: Vec<Vec<Figure>> = (0..PROCESSES).map(run).collect();
    let pooled = |case: usize| {
        let of_case = || runs.iter().map(|figures| &figures[case]);
        let mut medians: Vec<f64> = of_case().map(|figure| figure.median).collect();
        medians.sort_by(f64::total_cmp);
        Figure {
            name: runs[0][case].name.clone(),
            median: medians[medians.len() / 2],
            fastest: of_case().map(|figure| figure.fastest).fold(f64::INFINITY, f64::min),
            allocations: of_case().map(|figure| figure.allocations).max().unwrap_or_default(),
        }
    };
    (0..runs[0].len()).map(pooled).collect()
}

fn read(line: &str) -> Option<Figure> {
    let mut fields = line.split('\t');
    let (median, fastest) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let allocations = fields.next()?.parse().ok()?;
    Some(Figure { name: fields.next()?.to_owned(), median, fastest, allocations })
}
