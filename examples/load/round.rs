//! A round of the load: conversations that are all under way at the same time.

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

/// Counts the spans that are open, and those that have ended.
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

/// A tool in which all conversations meet: none goes on before all are there.
struct Meet {
    definition: ToolDefinition,
    here: AtomicUsize,
    open: CancellationToken,
}

impl Tool for Meet {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, _: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        self.here.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            self.open.cancelled().await;
            Ok(json!("all are here").into())
        })
    }
}

/// Looks something up, in a moment.
#[tool]
async fn look_up(word: String) -> String {
    tokio::time::sleep(Duration::from_millis(5)).await;
    word
}

/// The model: the first conversation of a chat goes through `meet`, the second through `look_up`.
fn model() -> Script {
    let said = ["Let ", "me ", "see ", "what ", "there ", "is", ". "];
    Script::answering(move |request| {
        let asks = match request.turns.len() {
            1 => Some(Answer::calls("meet", json!({}))),
            5 => Some(Answer::calls("look_up", json!({"word": "rain"}))),
            _ => None,
        };
        asks.unwrap_or_else(|| Answer::streams(said)).every(Duration::from_millis(1))
    })
    .forgetful()
}

/// What a round took.
pub(crate) struct Figures {
    /// From the question to the first word of the answer, of each conversation, in order.
    pub(crate) first_words: Vec<Duration>,
    /// From the question to the end of the answer, of each conversation, in order.
    pub(crate) answers: Vec<Duration>,
    /// The memory of the process while all conversations were under way.
    pub(crate) resident_kib: u64,
    pub(crate) took: Duration,
}

/// Has that many conversations at once, of two streamed answers and two tool calls each.
pub(crate) async fn round(conversations: usize) -> Figures {
    let begin = Instant::now();
    let meet = Arc::new(Meet {
        definition: ToolDefinition::new("meet", "All meet.", json!({"type": "object"})),
        here: AtomicUsize::new(0),
        open: CancellationToken::new(),
    });
    let model = model();
    let running: Vec<_> = (0..conversations)
        .map(|_| {
            let mut tools = tools![look_up];
            let shared: Arc<dyn Tool> = meet.clone();
            tools.add(shared).expect("another name");
            let mut chat = Chat::new(model.clone()).with_tools(tools);
            tokio::spawn(async move {
                ask(&mut chat).await;
                ask(&mut chat).await
            })
        })
        .collect();
    while meet.here.load(Ordering::Relaxed) < conversations {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let resident_kib = resident_kib();
    meet.open.cancel();
    let (mut first_words, mut answers) = (Vec::new(), Vec::new());
    for conversation in running {
        let (first, whole) = conversation.await.expect("no conversation panics");
        first_words.push(first);
        answers.push(whole);
    }
    first_words.sort_unstable();
    answers.sort_unstable();
    Figures { first_words, answers, resident_kib, took: begin.elapsed() }
}

async fn ask(chat: &mut Chat) -> (Duration, Duration) {
    let begin = Instant::now();
    let mut first = None;
    let mut stream = chat.stream("Will it rain?");
    while let Some(event) = stream.next().await {
        match event.expect("no conversation fails") {
            StreamEvent::Text(_) => _ = first.get_or_insert_with(|| begin.elapsed()),
            StreamEvent::Done(reply) => {
                assert_eq!(reply.rounds, 2);
                return (first.expect("words before the end"), begin.elapsed());
            }
            _ => {}
        }
    }
    panic!("a stream ends with a reply or an error")
}

/// The memory of this process in KiB; 0 where the system does not tell.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |times: &[Duration], part: usize| {
            times.get((times.len() * part / 100).min(times.len() - 1)).copied().unwrap_or_default()
        };
        for (what, times) in [("first word", &self.first_words), ("answer", &self.answers)] {
            let [half, most, nearly_all] = [50, 95, 99].map(|part| at(times, part));
            writeln!(f, "  {what}: p50 {half:.1?}, p95 {most:.1?}, p99 {nearly_all:.1?}")?;
        }
        write!(
            f,
            "  memory with all under way: {} KiB; the round: {:.1?}",
            self.resident_kib, self.took
        )
    }
}
