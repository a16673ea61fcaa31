//! What telemetry costs, beside what it is held to: `cargo bench -p chatlas --bench table`.
//!
//! The cases of a table take turns in one process, so that a busy machine slows all of them. Where the
//! stack and the heap are moves a figure by tens of nanoseconds, so rounds begin at other places on the
//! stack, and each table is measured in a number of processes. What counts is the median of their
//! medians; the fastest round of all is shown beside it. Allocations are counted exactly, apart.

#[path = "../runs/mod.rs"]
mod runs;

use std::hint::black_box;
use std::time::Instant;

use chatlas::ChatRequest;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use runs::{Bare, Quiet};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

const ROUNDS: usize = 301;

/// A case: some number of runs of it, which answers how long they took in nanoseconds.
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

/// A case that is run so often at a time, each with an input of its own, which is not part of it.
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

/// From how many places on the stack a case is run: together they span more than a page.
const DEPTHS: usize = 43;

/// Calls that so much deeper on the stack.
#[inline(never)]
fn deeper(depth: usize, time: &mut dyn FnMut() -> f64) -> f64 {
    let room = black_box([0_u8; 112]);
    let elapsed = if depth == 0 { time() } else { deeper(depth - 1, time) };
    black_box(&room);
    elapsed
}

/// Has the cases take turns.
fn measure(mut cases: Vec<Case<'_>>) -> Vec<Figure> {
    let mut times = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for round in 0..ROUNDS {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            times.push(deeper(round % DEPTHS, &mut *case.time));
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

/// A line that says what is held to what.
fn hold(what: &str, value: f64, bound: f64, unit: &str) {
    let verdict = if value <= bound { "holds" } else { "MISSED" };
    println!("  => {what}: {value:.2}{unit}, at most {bound}{unit}: {verdict}");
}

fn nothing_installed() -> Vec<Figure> {
    let chat = runs::chat();
    let model = Quiet::new();
    let request = ChatRequest::default;
    measure(vec![
        case("the work of the run alone", 512, runs::replies, |replies| {
            runs::run(&chat, replies, false)
        }),
        case("run of 4 spans", 512, runs::replies, |replies| runs::run(&chat, replies, true)),
        case("bare provider call", 512, request, |request| runs::done(Bare::chat(&model, request))),
        case("provider call: a `chat` span alone", 512, request, |request| {
            runs::done(Provider::chat(&model, request))
        }),
        case("bare function", 4096, || 3, |days| runs::done(runs::get_weather_bare(days))),
        case(
            "#[tool] function: an `execute_tool` span alone",
            4096,
            || 3,
            |days| runs::done(runs::get_weather(days)),
        ),
    ])
}

fn judge_nothing_installed(figures: &[Figure]) {
    let more = |a: usize, b: usize| figures[a].median - figures[b].median;
    hold("a run of 4 spans", more(1, 0), 60.0, " ns");
    let allocations = figures[1].allocations.saturating_sub(figures[0].allocations);
    hold(
        "a run of 4 spans",
        f64::from(u32::try_from(allocations).unwrap_or(u32::MAX)),
        1.0,
        " allocations",
    );
    hold("a `chat` span outside a run", more(3, 2), 20.0, " ns");
    hold("a tool span outside a run", more(5, 4), 20.0, " ns");
}

fn more_of_the_same() -> Vec<Figure> {
    let chat = runs::chat();
    measure(vec![
        case("1 model call alone", 256, runs::answers::<1>, |r| runs::run(&chat, r, false)),
        case("1 model call", 256, runs::answers::<1>, |r| runs::run(&chat, r, true)),
        case("11 model calls alone", 64, runs::answers::<11>, |r| runs::run(&chat, r, false)),
        case("11 model calls", 64, runs::answers::<11>, |r| runs::run(&chat, r, true)),
        case("1 tool call alone", 256, || runs::asking(1), |r| runs::run(&chat, r, false)),
        case("1 tool call", 256, || runs::asking(1), |r| runs::run(&chat, r, true)),
        case("11 tool calls alone", 256, || runs::asking(11), |r| runs::run(&chat, r, false)),
        case("11 tool calls", 256, || runs::asking(11), |r| runs::run(&chat, r, true)),
    ])
}

fn judge_more_of_the_same(figures: &[Figure]) {
    let cost = |of: usize| figures[of + 1].median - figures[of].median;
    hold("a `chat` span in a run", (cost(2) - cost(0)) / 10.0, 20.0, " ns");
    hold("a tool span in a run", (cost(6) - cost(4)) / 10.0, 20.0, " ns");
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
        case("the work of the run alone", 256, runs::replies, |replies| {
            runs::run(&chat, replies, false)
        }),
        case("run of 4 spans", 256, runs::replies, |replies| runs::run(&chat, replies, true)),
        case("the same by tracing-opentelemetry", 256, runs::replies, |replies| {
            tracing::dispatcher::with_default(&default, || runs::traced_run(replies))
        }),
        case(
            "the same, without code location, threads and idle times",
            256,
            runs::replies,
            |replies| tracing::dispatcher::with_default(&lean, || runs::traced_run(replies)),
        ),
    ])
}

fn judge_with_the_sdk(figures: &[Figure]) {
    let more = |of: usize| figures[of].median - figures[0].median;
    hold("share of tracing-opentelemetry's", more(1) / more(2), 0.5, "");
    println!("  => share of its lean form's: {:.2}", more(1) / more(3));
}

fn with_content() -> Vec<Figure> {
    global::set_tracer_provider(runs::batching());
    let calls = |capture| runs::long_chat(200, capture);
    let (off, on) = (calls(Capture::Nothing), calls(Capture::Spans));
    let (mut off, off_turns) = off;
    let (mut on, on_turns) = on;
    measure(vec![
        case("chat() after 200 exchanges", 16, || (), |()| runs::ask(&mut off, &off_turns)),
        case("the same with capture on", 16, || (), |()| runs::ask(&mut on, &on_turns)),
    ])
}

fn judge_with_content(figures: &[Figure]) {
    hold("capture, times", figures[1].median / figures[0].median, 3.0, "");
}

/// What the API itself takes to say which provider is installed: exact telemetry is not cheaper.
fn floor() -> Vec<Figure> {
    measure(vec![
        case("nothing", 4096, || (), |()| ()),
        case("`global::tracer_provider()`", 4096, || (), |()| global::tracer_provider()),
    ])
}

/// A table: what is measured for it, and what its figures are held to.
struct Table {
    title: &'static str,
    measure: fn() -> Vec<Figure>,
    judge: fn(&[Figure]),
}

const TABLES: [Table; 5] = [
    Table { title: "the OpenTelemetry API", measure: floor, judge: |_| () },
    Table {
        title: "nothing installed",
        measure: nothing_installed,
        judge: judge_nothing_installed,
    },
    Table {
        title: "nothing installed: runs with more of the same",
        measure: more_of_the_same,
        judge: judge_more_of_the_same,
    },
    Table {
        title: "SDK, batch processor, spans thrown away",
        measure: with_the_sdk,
        judge: judge_with_the_sdk,
    },
    Table {
        title: "a whole chat(): two model calls and a tool call",
        measure: with_content,
        judge: judge_with_content,
    },
];

/// How many processes measure each table.
const PROCESSES: usize = 9;

fn main() {
    // In such a process: the figures, a line each.
    let asked = std::env::args().skip(1).find_map(|argument| {
        argument.strip_prefix("--table=").and_then(|index| TABLES.get(index.parse::<usize>().ok()?))
    });
    if let Some(table) = asked {
        for Figure { name, median, fastest, allocations } in (table.measure)() {
            println!("{median}\t{fastest}\t{allocations}\t{name}");
        }
        return;
    }
    for (index, table) in TABLES.iter().enumerate() {
        let figures = by_processes(index);
        show(table.title, &figures);
        (table.judge)(&figures);
    }
}

/// The figures of that table, of all its processes.
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
