//! Cancellation by a token, a timeout, a drop, a panic or the end of the runtime: the run ends
//! immediately, its spans end, and the next run works.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::support::history::assert_in_order;
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::{Answer, RecordedSpan, Recorder, Script};
use chatlas::tool::BoxFuture;
use chatlas::{
    CancellationToken, ChatError, ChatRequest, Completion, CompletionStream, Provider,
    ProviderError, ProviderInfo, Tool, ToolCall, ToolContext, ToolDefinition, ToolError, ToolMode,
    ToolOutput, ToolSet, Turn,
};
use futures_util::FutureExt as _;
use opentelemetry::trace::Status;
use serde_json::json;

/// A tool that never returns, and stores its context, which shows whether it was cancelled.
struct NeverReturns {
    definition: ToolDefinition,
    seen: Arc<Mutex<Option<ToolContext>>>,
}

impl Tool for NeverReturns {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        *self.seen.lock().unwrap() = Some(call.context);
        Box::pin(std::future::pending())
    }
}

fn cancelled_soon() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        cancel.cancel();
    });
    token
}

#[tokio::test]
async fn token_cancels_a_stalled_stream() {
    let recorder = Recorder::new();
    let model = Script::new().then(Answer::says("Once upon").then_stalls()).says("a time");
    let mut chat = Chat::new(model).with_cancellation(cancelled_soon());
    let begin = Instant::now();
    let events: Vec<_> = in_time(chat.stream("tell").collect::<Vec<_>>()).await;
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(events.last(), Some(&Err(ChatError::Cancelled)));
    let Turn::Assistant(turn) = chat.turns()[1].as_ref() else { panic!("{:?}", chat.turns()) };
    assert_eq!((turn.text().as_str(), turn.partial), ("Once upon", true));
    let spans = recorder.spans();
    recorder.assert_sound();
    assert_eq!(spans.len(), 2);
    for span in &spans {
        assert_eq!(span.status(), Status::Unset, "{}", span.name());
        assert_eq!(span["chatlas.cancelled"], true, "{}", span.name());
    }

    // A cancelled token also prevents the next run; a new one allows it.
    assert_eq!(chat.chat("go on").await, Err(ChatError::Cancelled));
    let mut chat = chat.with_cancellation(CancellationToken::new());
    assert_eq!(chat.chat("go on").await.unwrap().text(), "a time");
}

/// A tool that returns immediately and stores its context.
struct StoresContext(ToolDefinition, Arc<Mutex<Option<ToolContext>>>);

impl Tool for StoresContext {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        *self.1.lock().unwrap() = Some(call.context);
        Box::pin(std::future::ready(Ok(json!(1).into())))
    }
}

#[tokio::test]
async fn ended_stream_yields_no_late_tool_progress() {
    let _recorder = Recorder::new();
    let seen: Arc<Mutex<Option<ToolContext>>> = Arc::default();
    let definition = ToolDefinition::new("keep", "StoresContext.", json!({"type": "object"}));
    let mut tools = ToolSet::new();
    tools.add(Arc::new(StoresContext(definition, Arc::clone(&seen)))).unwrap();
    let model = Script::new().calls("keep", json!({})).says("ok");
    let mut chat = Chat::new(model).with_tools(tools);
    let mut events = chat.stream("go");
    loop {
        match in_time(events.next()).await {
            Some(Ok(StreamEvent::Done(_))) => break,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    seen.lock().unwrap().as_ref().unwrap().progress(json!("late"));
    assert_eq!(in_time(events.next()).await, None);
}

#[tokio::test]
async fn token_cancels_a_hanging_tool_and_its_context() {
    let recorder = Recorder::new();
    let seen = Arc::default();
    let waits = NeverReturns {
        definition: ToolDefinition::new("wait", "NeverReturns.", json!({"type": "object"})),
        seen: Arc::clone(&seen),
    };
    let mut tools = ToolSet::new();
    tools.add(Arc::new(waits)).unwrap();
    let model = Script::new().calls("wait", json!({})).says("ok");
    let mut chat = Chat::new(model.clone()).with_tools(tools).with_cancellation(cancelled_soon());
    assert_eq!(in_time(chat.chat("go")).await, Err(ChatError::Cancelled));
    assert!(seen.lock().unwrap().as_ref().unwrap().cancellation().is_cancelled());
    recorder.assert_sound();

    // The history has a result for the call that never returned.
    let mut chat = chat.with_cancellation(CancellationToken::new());
    assert_eq!(in_time(chat.chat("and now?")).await.unwrap().text(), "ok");
    let requests = model.requests();
    let Turn::User(turn) = requests[1].turns.last().unwrap().as_ref() else {
        panic!("{requests:?}")
    };
    assert!(turn.tool_results().all(|result| result.outcome.is_error()));
    assert_eq!(turn.tool_results().count(), 1);
}

/// Works, with pauses.
#[tool]
async fn works(times: u32) -> u32 {
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times
}

/// Works on a blocking thread.
#[tool]
fn works_blocking(times: u32) -> u32 {
    times
}

/// Fails after a pause.
#[tool]
async fn fails() -> Result<u32, String> {
    tokio::task::yield_now().await;
    Err("no".to_owned())
}

/// Returns a chat with three rounds that waits wherever it can.
fn three_rounds(mode: ToolMode) -> (Script, Chat) {
    let wait = Duration::from_millis(1);
    let first = Answer::new()
        .text("Let me ")
        .text("see.")
        .call("works", json!({"times": 3}))
        .call("works_blocking", json!({"times": 1}))
        .call("fails", json!({}));
    let second = Answer::calls("works", json!({"times": 1}));
    let model = Script::new()
        .then(first.with_delay(wait).with_chunk_delay(wait))
        .then(second.with_delay(wait).with_chunk_delay(wait))
        .then(Answer::streams(["That ", "is ", "it."]).with_delay(wait).with_chunk_delay(wait))
        .otherwise(|_| Answer::says("The next one works."));
    let chat = Chat::new(model.clone())
        .with_tools(tools![works, works_blocking, fails])
        .with_tool_mode(mode);
    (model, chat)
}

async fn run(chat: &mut Chat, streamed: bool) -> Result<Reply, ChatError> {
    if !streamed {
        return chat.chat("go").await;
    }
    let mut stream = chat.stream("go");
    loop {
        match stream.next().await.expect("an end") {
            Ok(StreamEvent::Done(reply)) => return Ok(*reply),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Asserts, immediately after a cancellation, that spans have ended and no task is left.
async fn assert_cancelled(trace: &Recorder, chat: &mut Chat, what: &str) {
    trace.assert_sound();
    for span in trace.spans() {
        let fails = span.name() == "execute_tool fails";
        assert!(!span.is_error() || fails, "{what}: {} is not an error", span.name());
    }
    assert_in_order(chat.turns());
    // Blocking threads cannot be stopped; no other task is left.
    tokio::task::spawn_blocking(|| {}).await.unwrap();
    tokio::task::yield_now().await;
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(alive, 0, "{what}: tasks are left running");
}

#[test]
fn run_dropped_at_any_poll_ends_its_spans_and_the_next_run_works() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        for (mode, streamed) in [ToolMode::Concurrent, ToolMode::Sequential]
            .into_iter()
            .flat_map(|mode| [(mode, false), (mode, true)])
        {
            for polls in 0.. {
                let trace = Recorder::new();
                let (model, mut chat) = three_rounds(mode);
                let mut talking = Box::pin(run(&mut chat, streamed));
                let mut left = polls;
                let ended = std::future::poll_fn(|task| {
                    if left == 0 {
                        return Poll::Ready(None);
                    }
                    left -= 1;
                    let polled = talking.as_mut().poll(task).map(Some);
                    if left == 0 && polled.is_pending() { Poll::Ready(None) } else { polled }
                })
                .await;
                drop(talking);
                let what = format!("{mode:?}, streamed: {streamed}, dropped after {polls} polls");
                assert_cancelled(&trace, &mut chat, &what).await;
                if polls == 0 {
                    assert!(trace.spans().is_empty(), "nothing starts before the first poll");
                }
                if ended.is_some() {
                    assert!(polls > 8, "{what}: it waits several times");
                    break;
                }
                let calls = model.request_count();
                assert_eq!(trace.spans_with_operation("chat").len(), calls, "{what}");
                assert!(chat.chat("and now?").await.is_ok(), "{what}: the next run works");
                assert_in_order(chat.turns());
                drop(trace);
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn outer_timeout_cancels_a_run_at_any_time() {
    for streamed in [false, true] {
        for millis in 0..40 {
            let trace = Recorder::new();
            let (_, mut chat) = three_rounds(ToolMode::Concurrent);
            let time = Duration::from_millis(millis);
            let ended = tokio::time::timeout(time, run(&mut chat, streamed)).await;
            assert_cancelled(&trace, &mut chat, &format!("after {time:?}")).await;
            if ended.is_err() {
                let agents = trace.spans_with_operation("invoke_agent");
                assert!(agents.iter().all(|span| span["chatlas.cancelled"] == true));
            }
            chat.chat("and now?").await.unwrap();
        }
    }
}

#[test]
fn runtime_shutdown_cancels_a_run() {
    for streamed in [false, true] {
        for workers in [0, 2] {
            let trace = Recorder::for_process();
            let mut builder = match workers {
                0 => tokio::runtime::Builder::new_current_thread(),
                _ => tokio::runtime::Builder::new_multi_thread(),
            };
            let runtime = builder.enable_time().build().unwrap();
            let seen: Arc<Mutex<Option<ToolContext>>> = Arc::default();
            let waits = NeverReturns {
                definition: ToolDefinition::new("wait", "NeverReturns.", json!({"type": "object"})),
                seen: Arc::clone(&seen),
            };
            runtime.block_on(async {
                let mut tools = tools![works];
                tools.add(Arc::new(waits)).unwrap();
                let calls =
                    Answer::new().call("wait", json!({})).call("works", json!({"times": 9999}));
                let mut chat = Chat::new(Script::new().then(calls)).with_tools(tools);
                tokio::spawn(async move { run(&mut chat, streamed).await });
                while seen.lock().unwrap().is_none() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            drop(runtime);
            trace.assert_sound();
            assert_eq!(trace.spans().len(), 4, "{}", trace.tree());
            assert!(!trace.spans().iter().any(RecordedSpan::is_error));
            assert!(seen.lock().unwrap().as_ref().unwrap().cancellation().is_cancelled());
        }
    }
}

#[tokio::test]
async fn panic_of_the_consumer_cancels_the_run_without_an_error() {
    let trace = Recorder::new();
    let (_, mut chat) = three_rounds(ToolMode::Concurrent);
    let consumer = AssertUnwindSafe(async {
        let mut stream = chat.stream("go");
        while let Some(Ok(event)) = stream.next().await {
            assert!(!matches!(event, StreamEvent::ToolRequest(_)), "on purpose");
        }
    });
    consumer.catch_unwind().await.unwrap_err();
    assert_cancelled(&trace, &mut chat, "a panic of the consumer").await;
    assert_eq!(trace.span("invoke_agent")["chatlas.cancelled"], true);
    chat.chat("and now?").await.unwrap();
}

/// A provider with a bug.
struct Broken(ProviderInfo, Mutex<u32>);

#[provider]
impl Provider for Broken {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        tokio::task::yield_now().await;
        let mut calls = self.1.lock().unwrap();
        *calls += 1;
        if *calls == 1 {
            drop(calls);
            panic!("canary-of-a-panic");
        }
        Ok(Completion::new(vec![Content::text("better")]))
    }

    async fn chat_stream(&self, _: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let events = ["a", "b"].map(|text| Ok(chatlas::CompletionEvent::Text(text.to_owned())));
        let broken = futures_util::stream::poll_fn(|_| panic!("canary-of-a-panic"));
        Ok(CompletionStream::new(futures_util::stream::iter(events).chain(broken)))
    }
}

#[tokio::test]
async fn panic_of_the_provider_is_recorded_on_its_span_and_the_run() {
    for streamed in [false, true] {
        let trace = Recorder::new();
        let mut chat =
            Chat::new(Broken(ProviderInfo::new("broken").with_model("m"), Mutex::new(0)));
        let run = AssertUnwindSafe(run(&mut chat, streamed)).catch_unwind();
        in_time(run).await.expect_err("the panic is propagated");
        trace.assert_sound();
        assert_eq!(trace.tree(), "invoke_agent\n  chat m\n");
        let spans = trace.spans();
        assert!(spans.iter().all(|span| span.is_error() && span["error.type"] == "panic"));
        assert_eq!(spans.iter().map(|span| span.events().len()).sum::<usize>(), 1, "recorded once");
        assert!(!format!("{spans:?}").contains("canary"));
        assert_in_order(chat.turns());
        assert_eq!(chat.turns().len(), if streamed { 2 } else { 0 });
        if !streamed {
            assert_eq!(chat.chat("again").await.unwrap().text(), "better");
        }
    }
}
