//! One round of the load test: many conversations that run at the same time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chatlas::prelude::*;
use chatlas::testing::{Answer, Script};
use chatlas::tool::BoxFuture;
use chatlas::{CancellationToken, ToolCall, ToolDefinition, ToolError, ToolOutput};
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use serde_json::json;

/// Counts the spans that have started and ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    started: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

impl Counts {
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn open(&self) -> u64 {
        self.started.load(Ordering::Relaxed) - self.ended()
    }
}

impl SpanProcessor for Counts {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    fn on_end(&self, _: SpanData) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// A tool that waits until all conversations have called it.
struct Meet {
    definition: ToolDefinition,
    arrived: AtomicUsize,
    /// Cancelled when all conversations have arrived.
    gate: CancellationToken,
}

impl Tool for Meet {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, _: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            self.gate.cancelled().await;
            Ok(json!("all have arrived").into())
        })
    }
}

/// Looks a word up.
#[tool]
async fn look_up(word: String) -> String {
    tokio::time::sleep(Duration::from_millis(5)).await;
    word
}

/// Returns the model. It calls `meet` for the first prompt of a chat and `look_up` for the second.
fn model() -> Script {
    let chunks = ["Let ", "me ", "see ", "what ", "there ", "is", ". "];
    Script::from_fn(move |request| {
        let call = match request.turns.len() {
            1 => Some(Answer::calls("meet", json!({}))),
            5 => Some(Answer::calls("look_up", json!({"word": "rain"}))),
            _ => None,
        };
        call.unwrap_or_else(|| Answer::streams(chunks)).with_chunk_delay(Duration::from_millis(1))
    })
    .without_recording()
}

/// The measurements of a round.
pub(crate) struct Figures {
    /// The time from the prompt to the first text of the answer, for each conversation, sorted.
    pub(crate) first_words: Vec<Duration>,
    /// The time from the prompt to the end of the answer, for each conversation, sorted.
    pub(crate) answers: Vec<Duration>,
    /// The memory of the process while all conversations were running.
    pub(crate) resident_kib: u64,
    /// The duration of the round.
    pub(crate) duration: Duration,
}

/// Runs that many concurrent conversations, each with two streamed answers and two tool calls.
pub(crate) async fn round(conversations: usize) -> Figures {
    let start = Instant::now();
    let meet = Arc::new(Meet {
        definition: ToolDefinition::new(
            "meet",
            "Waits until all conversations have called it.",
            json!({"type": "object"}),
        ),
        arrived: AtomicUsize::new(0),
        gate: CancellationToken::new(),
    });
    let model = model();
    let running: Vec<_> = (0..conversations)
        .map(|_| {
            let mut tools = tools![look_up];
            tools.add(Arc::clone(&meet)).expect("the tools have different names");
            let mut chat = Chat::new(model.clone()).with_tools(tools);
            tokio::spawn(async move {
                prompt(&mut chat).await;
                prompt(&mut chat).await
            })
        })
        .collect();
    while meet.arrived.load(Ordering::Relaxed) < conversations {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let resident_kib = resident_kib();
    meet.gate.cancel();
    let (mut first_words, mut answers) = (Vec::new(), Vec::new());
    for conversation in running {
        let (first, last) = conversation.await.expect("no conversation panics");
        first_words.push(first);
        answers.push(last);
    }
    first_words.sort_unstable();
    answers.sort_unstable();
    Figures { first_words, answers, resident_kib, duration: start.elapsed() }
}

/// Sends a prompt, and returns the time to the first text and to the end of the answer.
async fn prompt(chat: &mut Chat) -> (Duration, Duration) {
    let start = Instant::now();
    let mut first = None;
    let mut events = chat.stream("Will it rain?");
    while let Some(event) = events.next().await {
        match event.expect("no conversation fails") {
            StreamEvent::Text(_) => _ = first.get_or_insert_with(|| start.elapsed()),
            StreamEvent::Done(reply) => {
                assert_eq!(reply.rounds, 2);
                return (first.expect("text before the end"), start.elapsed());
            }
            _ => {}
        }
    }
    panic!("a stream ends with a reply or an error")
}

/// Returns the memory of this process in KiB, or 0 if the system does not report it.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percentile = |times: &[Duration], percent: usize| {
            times
                .get((times.len() * percent / 100).min(times.len() - 1))
                .copied()
                .unwrap_or_default()
        };
        for (name, times) in [("first text", &self.first_words), ("complete answer", &self.answers)]
        {
            let [p50, p95, p99] = [50, 95, 99].map(|percent| percentile(times, percent));
            writeln!(f, "  {name}: p50 {p50:.1?}, p95 {p95:.1?}, p99 {p99:.1?}")?;
        }
        write!(
            f,
            "  memory with all conversations running: {} KiB; duration of the round: {:.1?}",
            self.resident_kib, self.duration
        )
    }
}
