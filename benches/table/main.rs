//! What telemetry costs, beside what it is held to: `cargo bench -p chatlas --bench table`.
//!
//! All cases of a table run in one process and take turns, so that a busy machine slows all of them.
//! The medians of the rounds are shown, and the fastest, which counts: what other programs on the
//! machine do is in the median. Allocations are counted exactly, apart. Where the stack and the heap
//! are moves a figure by tens of nanoseconds, so rounds begin at other places on the stack, and every
//! part runs in a number of processes, whose median is held to the bound.

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
    name: &'static str,
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
        Figure { name: case.name, median, fastest, allocations: case.allocations }
    });
    figures.collect()
}

fn show(title: &str, figures: &[Figure]) {
    println!("\n{title:<58} {:>10} {:>10} {:>8}", "median ns", "fastest", "allocs");
    for Figure { name, median, fastest, allocations } in figures {
        println!("  {name:<56} {median:>10.1} {fastest:>10.1} {allocations:>8}");
    }
}

/// Marks the lines of a process that the one that started it reads.
const HELD: &str = "=>";

/// Says what is held to what.
fn hold(what: &str, value: f64, bound: f64, unit: &str) {
    println!("{HELD}\t{what}\t{value}\t{bound}\t{unit}");
}

/// Says what is worth knowing and held to nothing.
fn tell(what: &str, value: f64, unit: &str) {
    hold(what, value, f64::INFINITY, unit);
}

fn nothing_installed() {
    let chat = runs::chat();
    let model = Quiet::new();
    let request = ChatRequest::default;
    let figures = measure(vec![
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
    ]);
    show("nothing installed", &figures);
    let more = |a: usize, b: usize| figures[a].fastest - figures[b].fastest;
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

    let figures = measure(vec![
        case("1 model call alone", 256, runs::answers::<1>, |r| runs::run(&chat, r, false)),
        case("1 model call", 256, runs::answers::<1>, |r| runs::run(&chat, r, true)),
        case("11 model calls alone", 64, runs::answers::<11>, |r| runs::run(&chat, r, false)),
        case("11 model calls", 64, runs::answers::<11>, |r| runs::run(&chat, r, true)),
        case("1 tool call alone", 256, || runs::asking(1), |r| runs::run(&chat, r, false)),
        case("1 tool call", 256, || runs::asking(1), |r| runs::run(&chat, r, true)),
        case("11 tool calls alone", 256, || runs::asking(11), |r| runs::run(&chat, r, false)),
        case("11 tool calls", 256, || runs::asking(11), |r| runs::run(&chat, r, true)),
    ]);
    show("nothing installed: runs with more of the same", &figures);
    let cost = |of: usize| figures[of + 1].fastest - figures[of].fastest;
    hold("a `chat` span in a run", (cost(2) - cost(0)) / 10.0, 20.0, " ns");
    hold("a tool span in a run", (cost(6) - cost(4)) / 10.0, 20.0, " ns");
}

fn with_the_sdk() {
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
    let figures = measure(vec![
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
    ]);
    show("SDK, batch processor, spans thrown away", &figures);
    let more = |of: usize| figures[of].fastest - figures[0].fastest;
    hold("share of tracing-opentelemetry's", more(1) / more(2), 0.5, "");
    tell("share of its lean form's", more(1) / more(3), "");
}

fn with_content() {
    global::set_tracer_provider(runs::batching());
    let calls = |capture| runs::long_chat(200, capture);
    let (off, on) = (calls(Capture::Nothing), calls(Capture::Spans));
    let (mut off, off_turns) = off;
    let (mut on, on_turns) = on;
    let figures = measure(vec![
        case("chat() after 200 exchanges", 16, || (), |()| runs::ask(&mut off, &off_turns)),
        case("the same with capture on", 16, || (), |()| runs::ask(&mut on, &on_turns)),
    ]);
    show("a whole chat(): two model calls and a tool call", &figures);
    hold("capture, times", figures[1].fastest / figures[0].fastest, 3.0, "");
}

/// What the API itself takes to say which provider is installed: exact telemetry is not cheaper.
fn floor() {
    let figures = measure(vec![
        case("nothing", 4096, || (), |()| ()),
        case("`global::tracer_provider()`", 4096, || (), |()| global::tracer_provider()),
    ]);
    show("the OpenTelemetry API", &figures);
    tell("the API's own look at its provider", figures[1].fastest - figures[0].fastest, " ns");
}

const PARTS: [(&str, fn()); 4] = [
    ("floor", floor),
    ("nothing_installed", nothing_installed),
    ("with_the_sdk", with_the_sdk),
    ("with_content", with_content),
];

/// How many processes each part has.
const PROCESSES: usize = 15;

fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| {
        PARTS.into_iter().find(|(name, _)| argument.strip_prefix("--part=") == Some(name))
    });
    match asked {
        Some((_, part)) => part(),
        None => PARTS.iter().for_each(|(name, _)| several(name)),
    }
}

/// Runs a part in processes of their own: the tables of the first, and the medians of all.
fn several(part: &str) {
    let program = std::env::current_exe().expect("the path of this program");
    let run = || {
        let output = std::process::Command::new(&program).arg(format!("--part={part}")).output();
        let output = output.expect("this program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let outputs: Vec<String> = (0..PROCESSES).map(|_| run()).collect();
    let held = |output: &str| -> Vec<Held> { output.lines().filter_map(Held::read).collect() };
    for line in outputs[0].lines().filter(|line| !line.starts_with(HELD)) {
        println!("{line}");
    }
    println!("\n{:<60} {:>9} {:>9} {:>9} {:>7}", "", "median", "least", "most", "bound");
    let all: Vec<Vec<Held>> = outputs.iter().map(|output| held(output)).collect();
    for (index, first) in all[0].iter().enumerate() {
        let mut values: Vec<f64> = all.iter().map(|held| held[index].value).collect();
        values.sort_by(f64::total_cmp);
        let (median, bound) = (values[values.len() / 2], first.bound);
        let verdict = match median <= bound {
            _ if bound.is_infinite() => "",
            true => "holds",
            false => "MISSED",
        };
        let bound = if bound.is_infinite() { String::new() } else { bound.to_string() };
        let what = format!("{HELD} {}{}", first.what, first.unit);
        let (least, most) = (values[0], values[values.len() - 1]);
        println!("{what:<60} {median:>9.2} {least:>9.2} {most:>9.2} {bound:>7} {verdict}");
    }
}

/// What a process said with [`hold`].
struct Held {
    what: String,
    value: f64,
    bound: f64,
    unit: String,
}

impl Held {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix(HELD)?.trim_start_matches('\t').split('\t');
        let mut text = || fields.next().map(str::to_owned);
        let (what, value, bound) = (text()?, text()?, text()?);
        let unit = text()?;
        Some(Self { what, value: value.parse().ok()?, bound: bound.parse().ok()?, unit })
    }
}
