//! Thirty thousand random runs, a hundred thousand in the gate: whatever the model, the tools and the
//! program do, the spans are sound and the next run works.
//!
//! Each run draws random replies of the model (text, tool calls, errors, panics, stalls), random
//! behaviour of the tools, and how the program cancels (not at all, at any poll, after any event, by
//! a timeout, by a token), and checks the recorded spans, the outcome and the history.
//!
//! `CHAOS_SEED` and `CHAOS_RUNS` set the first seed and the number of conversations. A failure prints
//! the values that reproduce it.

mod check;
#[path = "../support/history.rs"]
mod history;
mod sdk;
mod world;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::{CancellationToken, ToolMode};
use fastrand::Rng;
use futures_util::FutureExt as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};

use check::{Expected, Outcome};
use sdk::{INSTALLED_KINDS, Log, Worker};
use world::{Model, OnPurpose, PROMPT, tools};

/// The number of conversations, of about three runs each, unless `CHAOS_RUNS` is set.
const CONVERSATIONS: u64 = 10_000;
const SEED: u64 = 0x0c4a_05ee_d000;
const WORKERS: u64 = 2;

/// How the program cancels a run.
#[derive(Clone, Copy, Debug)]
enum Cancellation {
    Never,
    AtPoll(usize),
    AfterEvents(usize),
    InTime(Duration),
    ByToken(Duration),
}

impl Cancellation {
    fn draw(rng: &mut Rng) -> Self {
        let soon = |rng: &mut Rng| Duration::from_millis(rng.u64(0..60));
        match rng.u8(0..10) {
            0 | 1 => Self::AtPoll(rng.usize(0..24)),
            2 => Self::AfterEvents(rng.usize(0..12)),
            3 => Self::InTime(soon(rng)),
            4 => Self::ByToken(soon(rng)),
            _ => Self::Never,
        }
    }
}

/// Polls a future at most `times` times, then drops it.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = times;
    std::future::poll_fn(|task| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(task).map(Some);
        if left == 0 && polled.is_pending() {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}

/// Runs the chat once and returns the outcome.
async fn run(
    chat: &mut Chat,
    streams: bool,
    cancellation: Cancellation,
    parent: &Context,
) -> Outcome {
    let run = async {
        if !streams {
            let future = {
                let _guard = parent.clone().attach();
                chat.chat(PROMPT)
            };
            return Some(future.await);
        }
        let mut stream = {
            let _guard = parent.clone().attach();
            chat.stream(PROMPT)
        };
        assert!(!format!("{stream:?}").contains(PROMPT));
        let mut seen = 0;
        loop {
            if matches!(cancellation, Cancellation::AfterEvents(most) if seen >= most) {
                return None;
            }
            seen += 1;
            match stream.next().await {
                Some(Ok(StreamEvent::Done(reply))) => return Some(Ok(*reply)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some(Err(error)),
                None => panic!("a stream ends with a reply or an error"),
            }
        }
    };
    let run = AssertUnwindSafe(run).catch_unwind();
    let ended = match cancellation {
        Cancellation::AtPoll(times) => polled(times, run).await,
        Cancellation::InTime(time) => tokio::time::timeout(time, run).await.ok(),
        _ => tokio::time::timeout(Duration::from_secs(3600), run).await.map(Some).expect("no hang"),
    };
    match ended {
        None | Some(Ok(None)) => Outcome::GivenUp,
        Some(Ok(Some(Ok(reply)))) => Outcome::Replied(Box::new(reply)),
        Some(Ok(Some(Err(error)))) => Outcome::Failed(error),
        Some(Err(panic)) if panic.is::<OnPurpose>() => Outcome::Panicked,
        Some(Err(panic)) => std::panic::resume_unwind(panic),
    }
}

/// The counts of all outcomes.
#[derive(Debug, Default)]
struct Tally {
    runs: u64,
    replied: u64,
    failed: u64,
    panicked: u64,
    given_up: u64,
    spans: usize,
    events: usize,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome, log: &Log) {
        self.runs += 1;
        self.spans += log.ended.len();
        self.events += log.events.len();
        *match outcome {
            Outcome::Replied(_) => &mut self.replied,
            Outcome::Failed(ChatError::Cancelled) | Outcome::GivenUp => &mut self.given_up,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Panicked => &mut self.panicked,
        } += 1;
    }

    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.replied += other.replied;
        self.failed += other.failed;
        self.panicked += other.panicked;
        self.given_up += other.given_up;
        self.spans += other.spans;
        self.events += other.events;
    }
}

/// Runs one conversation: some random runs, then one without faults.
async fn conversation(worker: &Arc<Worker>, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::with_seed(seed);
    let captures = [Capture::Nothing, Capture::Spans, Capture::Events, Capture::SpansAndEvents];
    let capture = captures[rng.usize(0..8).min(6) / 2 % 4];
    let redacts = rng.bool();
    let model = Model::new(rng.fork());
    let mut chat = Chat::new(model.clone())
        .with_system_prompt(format!("Be {PROMPT}."))
        .with_tools(tools())
        .with_max_rounds(rng.usize(1..6))
        .with_capture(capture)
        .with_capture_limit(if rng.bool() { 512 } else { 1 << 16 });
    if rng.bool() {
        chat = chat.with_tool_mode(ToolMode::Sequential);
    }
    if rng.bool() {
        chat = chat.with_name("agent").with_conversation_id("c-1").with_attribute("user.id", "u-1");
    }
    if redacts {
        chat = chat.with_redaction(|content| {
            // Keys of objects may contain content, too.
            let text = content.value().to_string();
            let text = text.replace(PROMPT, "…").replace(world::BODY, "…");
            *content.value_mut() = serde_json::from_str(&text).expect("valid JSON");
        });
    }
    let wild = rng.u64(1..4);
    for number in 0..=wild {
        let calm = number == wild;
        model.calm(calm);
        let installed = rng.usize(0..INSTALLED_KINDS);
        worker.begin(installed);
        let token = CancellationToken::new();
        world::set_token(&token);
        chat = chat.with_cancellation(token.clone());
        let cancellation = if calm { Cancellation::Never } else { Cancellation::draw(&mut rng) };
        let canceller = match cancellation {
            Cancellation::ByToken(after) => Some(tokio::spawn(async move {
                tokio::time::sleep(after).await;
                token.cancel();
            })),
            _ => None,
        };
        let parent = if rng.bool() {
            Context::new().with_span(global::tracer("app").start("request"))
        } else {
            Context::new()
        };
        let streams = rng.bool();
        let outcome = run(&mut chat, streams, cancellation, &parent).await;

        // Immediately, without waiting.
        let open = worker.open_spans_of_the_library();
        assert!(open.is_empty(), "spans are still open: {open:?}");
        let parent_id = Some(parent.span().span_context().clone()).filter(SpanContext::is_valid);
        parent.span().end();
        if let Some(canceller) = canceller {
            canceller.abort();
        }
        // Blocking threads and tasks that the tools left behind.
        tokio::task::spawn_blocking(|| {}).await.expect("it ends");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert_eq!(alive, 0, "tasks are still running");

        if calm {
            assert!(matches!(outcome, Outcome::Replied(_)), "the next chat works: {outcome:?}");
        }
        let log = worker.take();
        tally.count(&outcome, &log);
        check::run(
            &log,
            &Expected {
                outcome: &outcome,
                parent: parent_id,
                capture,
                redacts,
                unpolled: matches!(cancellation, Cancellation::AtPoll(0))
                    || (streams && matches!(cancellation, Cancellation::AfterEvents(0))),
            },
        );
        history::assert_in_order(chat.turns());
        if let Outcome::Failed(error) = &outcome {
            let shown = format!("{chat:?} {error} {error:?}");
            assert!(!shown.contains(PROMPT), "{shown}");
        }
    }
    assert!(model.violations().is_empty(), "{:?}", model.violations());
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).expect("a number"),
        None => text.parse().expect("a number"),
    })
}

#[test]
fn spans_are_sound_and_the_next_run_works_after_random_faults() {
    let seed = number("CHAOS_SEED").unwrap_or(SEED);
    let conversations = number("CHAOS_RUNS").unwrap_or(CONVERSATIONS);
    sdk::install();
    world::silence_panics_on_purpose();
    let begin = Instant::now();
    let threads: Vec<_> = (0..WORKERS)
        .map(|index| {
            std::thread::spawn(move || {
                let worker = Worker::start();
                let runtime = worker.runtime();
                let mut tally = Tally::default();
                for number in (index..conversations).step_by(usize::try_from(WORKERS).unwrap()) {
                    let seed = seed.wrapping_add(number);
                    let done = std::panic::catch_unwind(AssertUnwindSafe(|| {
                        runtime.block_on(conversation(&worker, seed, &mut tally));
                    }));
                    assert!(done.is_ok(), "to reproduce: CHAOS_SEED={seed:#x} CHAOS_RUNS=1");
                }
                tally
            })
        })
        .collect();
    let mut tally = Tally::default();
    for thread in threads {
        tally.add(&thread.join().expect("a conversation failed: see its seed above"));
    }
    sdk::check_metrics();
    println!(
        "chaos: {conversations} conversations from seed {seed:#x} in {:?}: {tally:?}",
        begin.elapsed()
    );
}
