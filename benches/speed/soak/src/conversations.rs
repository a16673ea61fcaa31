//! The conversations of the soak, and the count of their spans.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::{Anthropic, Gemini, HttpOptions, OpenAi, OpenAiCompletions};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::task::JoinSet;

/// Counts the spans that have started and ended.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    started: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

impl Spans {
    pub fn counts(&self) -> (u64, u64) {
        (self.started.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }
}

impl SpanProcessor for Spans {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {
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

/// How conversations ended.
#[derive(Default)]
pub struct Counts {
    answered: u64,
    failed: u64,
    dropped: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, failed, dropped } = self;
        write!(f, "{answered} answered, {failed} failed, {dropped} dropped")
    }
}

/// Conversations that run at the same time.
const WORKERS: usize = 16;
/// The pause of a worker between two conversations, so that the queue of spans is not always full.
const PAUSE: Duration = Duration::from_millis(20);

const SCENARIOS: [&str; 9] = [
    "tool",
    "tool",
    "text-200-20",
    "arguments-20000-50",
    "torn",
    "garbage",
    "status-400",
    "status-429",
    "status-503",
];

/// The running workers.
pub struct Workers(JoinSet<Counts>);

/// Starts the workers, which run until `end`.
pub fn start(models: &str, end: Instant) -> Workers {
    Workers((0..WORKERS).map(|_| work(models.to_owned(), end)).collect())
}

impl Workers {
    /// Waits for the last conversations.
    pub async fn finish(self) -> Counts {
        self.0.join_all().await.into_iter().fold(Counts::default(), |sum, each| Counts {
            answered: sum.answered + each.answered,
            failed: sum.failed + each.failed,
            dropped: sum.dropped + each.dropped,
        })
    }
}

async fn work(models: String, end: Instant) -> Counts {
    let mut counts = Counts::default();
    while Instant::now() < end {
        let outcome = match fastrand::u8(..4) {
            0 => dropped(&models).await,
            1 => streamed(&models, usize::MAX).await,
            2 => streamed(&models, fastrand::usize(..30)).await,
            _ => complete(&models).await,
        };
        match outcome {
            Outcome::Answered => counts.answered += 1,
            Outcome::Failed => counts.failed += 1,
            Outcome::Dropped => counts.dropped += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }
    counts
}

enum Outcome {
    Answered,
    Failed,
    Dropped,
}

/// Returns the weather of a city. One call in eight fails.
#[tool]
async fn get_weather(city: String) -> std::io::Result<String> {
    if fastrand::u8(..8) == 0 {
        return Err(std::io::Error::other("no forecast"));
    }
    let city: String = city.chars().take(20).collect();
    Ok(format!("{city}: 17 degrees"))
}

/// Returns a chat with a random protocol and scenario.
fn chat(models: &str) -> Chat {
    chat_with(models, SCENARIOS[fastrand::usize(..SCENARIOS.len())])
}

fn chat_with(models: &str, scenario: &str) -> Chat {
    let root = format!("{models}/{scenario}");
    let http = HttpOptions::default().with_max_retries(1);
    let key = "test";
    let chat = match fastrand::u8(..4) {
        0 => Chat::new(
            OpenAi::new("gpt-4o")
                .with_base_url(format!("{root}/v1"))
                .with_api_key(key)
                .with_http(http),
        ),
        1 => Chat::new(
            OpenAiCompletions::new("gpt-4o")
                .with_base_url(format!("{root}/v1"))
                .with_api_key(key)
                .with_http(http),
        ),
        2 => Chat::new(
            Anthropic::new("claude-sonnet-4-5")
                .with_base_url(root)
                .with_api_key(key)
                .with_http(http),
        ),
        _ => Chat::new(
            Gemini::new("gemini-2.5-flash")
                .with_base_url(format!("{root}/v1beta"))
                .with_api_key(key)
                .with_http(http),
        ),
    };
    let capture = if fastrand::bool() { Capture::Spans } else { Capture::Nothing };
    chat.with_tools(tools![get_weather]).with_capture(capture)
}

async fn complete(models: &str) -> Outcome {
    match chat(models).chat("Will it rain?").await {
        Ok(_) => Outcome::Answered,
        Err(_) => Outcome::Failed,
    }
}

/// Streams an answer, and drops the stream after that many events.
async fn streamed(models: &str, events: usize) -> Outcome {
    let mut chat = chat(models);
    let mut stream = chat.stream("Will it rain?");
    for _ in 0..events {
        match stream.next().await {
            Some(Ok(_)) => {}
            Some(Err(_)) => return Outcome::Failed,
            None => return Outcome::Answered,
        }
    }
    Outcome::Dropped
}

/// Drops the future of a conversation whose answer does not end.
async fn dropped(models: &str) -> Outcome {
    let mut chat = chat_with(models, "idle");
    let answer = async {
        let mut stream = chat.stream("Will it rain?");
        while stream.next().await.is_some() {}
    };
    match tokio::time::timeout(Duration::from_millis(fastrand::u64(1..30)), answer).await {
        Ok(()) => Outcome::Failed,
        Err(_) => Outcome::Dropped,
    }
}
