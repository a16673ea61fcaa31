//! The random model and the random tools of the simulation.

#![allow(clippy::unused_async)] // some tools have nothing to await

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chatlas::content::{Thinking, ToolRequest};
use chatlas::prelude::*;
use chatlas::tool::BoxFuture;
use chatlas::{
    AssistantTurn, CancellationToken, ChatRequest, Completion, CompletionEvent, CompletionStream,
    FinishReason, ProviderError, ProviderErrorKind, ProviderInfo, ToolCall, ToolDefinition,
    ToolError, ToolOutput, Usage,
};
use fastrand::Rng;
use futures_util::stream;
use opentelemetry::global;
use opentelemetry::trace::Tracer as _;
use serde_json::{Value, json};

use super::history;
use super::sdk::worker;

/// Part of all texts of users, the model and tools.
pub(super) const PROMPT: &str = "canary-of-content";
/// Part of all error bodies of the server.
pub(super) const BODY: &str = "canary-of-an-error-body";

/// The payload of intended panics.
pub(super) struct OnPurpose;

/// Silences intended panics; others are still printed.
pub(super) fn silence_panics_on_purpose() {
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload().is::<OnPurpose>() {
            default_hook(panic);
        }
    }));
}

thread_local! {
    static TOKEN: RefCell<Option<CancellationToken>> = const { RefCell::new(None) };
}

/// Sets the token that a tool of this thread may cancel.
pub(super) fn set_token(token: &CancellationToken) {
    TOKEN.set(Some(token.clone()));
}

/// The next action of the model.
#[allow(clippy::large_enum_variant)] // the value is short-lived
enum Action {
    Answers(Completion),
    Fails(ProviderError),
    Panics,
    Stalls,
}

/// How a streamed reply ends.
#[derive(Clone, Copy)]
enum End {
    Complete,
    EndsEarly,
    Fails,
    Panics,
    Stalls,
}

#[derive(Clone)]
pub(super) struct Model(Arc<State>);

struct State {
    info: ProviderInfo,
    rng: Mutex<Rng>,
    calm: AtomicBool,
    calls: AtomicUsize,
    violations: Mutex<Vec<String>>,
}

impl Model {
    pub(super) fn new(rng: Rng) -> Self {
        let info = ProviderInfo::new("chaos").with_model("m").with_server("model.example", 443);
        Self(Arc::new(State {
            info,
            rng: Mutex::new(rng),
            calm: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
            violations: Mutex::default(),
        }))
    }

    /// Turns faults and tool calls off or on.
    pub(super) fn calm(&self, calm: bool) {
        self.0.calm.store(calm, Ordering::Relaxed);
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.0.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.0.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_calm(&self) -> bool {
        self.0.calm.load(Ordering::Relaxed)
    }

    /// Records a violation if a vendor would reject the turns.
    fn check_turns(&self, request: &ChatRequest) {
        let wrong = history::out_of_order(&request.turns).or_else(|| {
            (!matches!(request.turns.last().map(AsRef::as_ref), Some(Turn::User(_))))
                .then(|| "the last turn is not the user's".to_owned())
        });
        self.0.violations.lock().unwrap_or_else(PoisonError::into_inner).extend(wrong);
    }

    async fn waits(&self) {
        match self.draw(|rng| rng.u8(0..6)) {
            0 => tokio::task::yield_now().await,
            1 => {
                let _span = global::tracer("app").start("work");
                let time = self.draw(|rng| rng.u64(1..30));
                tokio::time::sleep(Duration::from_millis(time)).await;
            }
            _ => {}
        }
    }

    fn action(&self) -> Action {
        if self.is_calm() {
            return Action::Answers(self.answer(0));
        }
        match self.draw(|rng| rng.u8(0..20)) {
            0 => Action::Fails(failure()),
            1 => Action::Panics,
            2 => Action::Stalls,
            3..=10 => {
                let calls = self.draw(|rng| rng.usize(1..5));
                Action::Answers(self.answer(calls))
            }
            _ => Action::Answers(self.answer(0)),
        }
    }

    fn answer(&self, calls: usize) -> Completion {
        let text = self.draw(|rng| rng.bool() || calls == 0);
        let thinks = self.draw(|rng| rng.u8(0..4) == 0);
        let mut contents = Vec::new();
        if thinks {
            let text = format!("Hm, {PROMPT}.");
            contents.push(Content::Thinking(Thinking::new(text)));
        }
        contents.extend(text.then(|| Content::text(format!("It is {PROMPT}."))));
        contents.extend((0..calls).map(|_| Content::ToolRequest(self.tool_request())));
        let known = self.draw(|rng| rng.u8(0..8) > 0);
        AssistantTurn::new(contents)
            .with_usage(usage(if known { Some(3) } else { None }))
            .with_finish_reason(if calls > 0 { FinishReason::ToolCall } else { FinishReason::Stop })
            .with_response_id("resp")
            .with_model("m-1")
    }

    fn tool_request(&self) -> ToolRequest {
        let number = self.0.calls.fetch_add(1, Ordering::Relaxed);
        let (name, bad, twice, steps) = self.draw(|rng| {
            (rng.choice(TOOLS).expect("one"), rng.u8(0..10), rng.u8(0..12) == 0, rng.u64(0..4))
        });
        let arguments = match bad {
            0 => json!(format!("{{\"text\": {PROMPT}")),
            1 => json!({"text": 7, "steps": PROMPT}),
            2 => json!({}),
            3 => json!([PROMPT]),
            4 => json!({"text": PROMPT, "steps": steps, PROMPT: PROMPT}),
            _ => json!({"text": PROMPT, "steps": steps}),
        };
        let id = format!("call-{}", if twice { number.saturating_sub(1) } else { number });
        ToolRequest::new(id, (*name).to_owned(), arguments)
    }
}

fn usage(tokens: Option<u64>) -> Usage {
    tokens.map(|tokens| Usage::new(tokens, tokens)).unwrap_or_default()
}

fn failure() -> ProviderError {
    ProviderError::new(ProviderErrorKind::Overloaded, format!("sorry: {BODY}"))
        .with_status(503)
        .with_code(format!("a {BODY}"))
}

#[provider]
impl Provider for Model {
    fn info(&self) -> &ProviderInfo {
        &self.0.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        self.check_turns(&request);
        self.waits().await;
        match self.action() {
            Action::Answers(completion) => Ok(completion),
            Action::Fails(error) => Err(error),
            Action::Panics => panic_any(OnPurpose),
            Action::Stalls => {
                stalls().await;
                Err(failure())
            }
        }
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.check_turns(&request);
        self.waits().await;
        let completion = match self.action() {
            Action::Answers(completion) => completion,
            Action::Fails(error) => return Err(error),
            Action::Panics => panic_any(OnPurpose),
            Action::Stalls => {
                stalls().await;
                return Err(failure());
            }
        };
        let (end, after) = match (self.is_calm(), self.draw(|rng| (rng.u8(0..16), rng.usize(0..6))))
        {
            (false, (0, after)) => (End::EndsEarly, after),
            (false, (1, after)) => (End::Fails, after),
            (false, (2, after)) => (End::Panics, after),
            (false, (3, after)) => (End::Stalls, after),
            _ => (End::Complete, usize::MAX),
        };
        let events = CompletionStream::from_completion(completion).map(|event| event.map(Some));
        let tokens = stream::iter([Ok(Some(CompletionEvent::Usage(usage(Some(2)))))]);
        let last = stream::iter((!matches!(end, End::Complete)).then_some(Ok(None)));
        let events = tokens.chain(events).take(after).chain(last);
        let model = self.clone();
        // Each event may be delayed.
        Ok(CompletionStream::new(events.filter_map(move |event| {
            let model = model.clone();
            async move {
                model.waits().await;
                match (event, end) {
                    (Ok(Some(event)), _) => Some(Ok(event)),
                    (Err(error), _) => Some(Err(error)),
                    (_, End::Panics) => panic_any(OnPurpose),
                    (_, End::Complete | End::EndsEarly) => None,
                    (_, End::Stalls) => {
                        stalls().await;
                        Some(Err(failure()))
                    }
                    (_, End::Fails) => Some(Err(failure())),
                }
            }
        })))
    }
}

/// Waits longer than every timeout.
async fn stalls() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

const TOOLS: &[&str] = &[
    "work",
    "block",
    "crash",
    "crash_blocking",
    "fail",
    "hang",
    "leave",
    "tell",
    "swap",
    "cancel",
    "by_hand",
    "no_such_tool",
];

#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it failed on {PROMPT}")
    }
}

/// Works in its own span, step by step.
#[tool]
async fn work(text: String, steps: u64) -> String {
    for _ in 0..steps {
        let _span = global::tracer("app").start("work");
        tokio::time::sleep(Duration::from_millis(steps * 5)).await;
    }
    text
}

/// Works on a blocking thread.
#[tool]
fn block(text: String) -> Result<String, Failed> {
    let _span = global::tracer("app").start("blocking work");
    if text.len().is_multiple_of(2) { Ok(text) } else { Err(Failed) }
}

/// Panics after some steps.
#[tool]
async fn crash(steps: u64) -> String {
    let _span = global::tracer("app").start("work");
    tokio::time::sleep(Duration::from_millis(steps)).await;
    panic_any(OnPurpose)
}

/// Panics on a blocking thread.
#[tool]
fn crash_blocking() -> String {
    panic_any(OnPurpose)
}

/// Fails.
#[tool]
async fn fail(text: String) -> Result<String, Failed> {
    tokio::task::yield_now().await;
    drop(text);
    Err(Failed)
}

/// Starts background work that continues after it returns.
#[tool]
async fn leave(steps: u64) -> &'static str {
    use opentelemetry::trace::{FutureExt as _, TraceContextExt as _};
    let context = opentelemetry::Context::current();
    let span = global::tracer("app").start_with_context("detached work", &context);
    tokio::spawn(
        async move { tokio::time::sleep(Duration::from_millis(steps * 20)).await }
            .with_context(context.with_span(span)),
    );
    "left"
}

/// Installs another SDK during a run.
#[tool]
async fn swap(steps: u64) -> u64 {
    worker().install(usize::try_from(steps).unwrap_or_default());
    let _span = global::tracer("app").start("work");
    steps
}

/// Cancels the token of the run.
#[tool]
async fn cancel(steps: u64) -> u64 {
    if steps == 3 {
        TOKEN.with_borrow(|token| token.as_ref().expect("a token").cancel());
    }
    steps
}

/// A tool that never returns, with a timeout.
struct Hang(ToolDefinition);

impl Tool for Hang {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, _: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(std::future::pending())
    }
}

/// A tool that reports its progress.
struct Tell(ToolDefinition);

impl Tool for Tell {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            for step in 0..call.arguments["steps"].as_u64().unwrap_or_default() {
                call.context.progress(json!({ PROMPT: step }));
                tokio::task::yield_now().await;
            }
            Ok(json!(PROMPT).into())
        })
    }
}

/// A tool that implements the trait, and fails before it returns a future, or returns its arguments.
struct ByHand(ToolDefinition);

impl Tool for ByHand {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        if call.arguments["steps"] == 2 {
            panic_any(OnPurpose);
        }
        Box::pin(async move { Ok(call.arguments.into()) })
    }
}

pub(super) fn tools() -> ToolSet {
    let mut set = tools![work, block, crash, crash_blocking, fail, leave, swap, cancel];
    let define = |name: &'static str| {
        ToolDefinition::new(Cow::Borrowed(name), "A tool.", json!({"type": "object"}) as Value)
    };
    let hang = define("hang").with_timeout(Duration::from_millis(40));
    set.add(Arc::new(Hang(hang))).expect("another name");
    set.add(Arc::new(Tell(define("tell")))).expect("another name");
    set.add(Arc::new(ByHand(define("by_hand")))).expect("another name");
    set
}
