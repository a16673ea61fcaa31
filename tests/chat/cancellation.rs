//! A conversation that is given up, by a token, a timeout, a drop, a panic or the end of the
//! runtime: it ends at once, in an orderly way, and the next one works.

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

/// A tool that never answers, and shows whether it was told to stop.
struct Waits {
    definition: ToolDefinition,
    seen: Arc<Mutex<Option<ToolContext>>>,
}

impl Tool for Waits {
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
async fn a_token_ends_a_stream_that_stalls() {
    let recorder = Recorder::new();
    let model = Script::new().then(Answer::says("Once upon").stalls()).says("a time");
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

    // The same token ends the next run before it begins; a new one lets it run.
    assert_eq!(chat.chat("go on").await, Err(ChatError::Cancelled));
    let mut chat = chat.with_cancellation(CancellationToken::new());
    assert_eq!(chat.chat("go on").await.unwrap().text(), "a time");
}

/// A tool that answers at once, and keeps its context.
struct Keeps(ToolDefinition, Arc<Mutex<Option<ToolContext>>>);

impl Tool for Keeps {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        *self.1.lock().unwrap() = Some(call.context);
        Box::pin(std::future::ready(Ok(json!(1).into())))
    }
}

#[tokio::test]
async fn nothing_comes_after_the_end_of_a_stream_whatever_a_tool_still_tells() {
    let seen: Arc<Mutex<Option<ToolContext>>> = Arc::default();
    let definition = ToolDefinition::new("keep", "Keeps.", json!({"type": "object"}));
    let mut tools = ToolSet::new();
    tools.add(Arc::new(Keeps(definition, Arc::clone(&seen)))).unwrap();
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
async fn a_token_ends_a_tool_that_hangs_and_the_tool_is_told() {
    let recorder = Recorder::new();
    let seen = Arc::default();
    let waits = Waits {
        definition: ToolDefinition::new("wait", "Waits.", json!({"type": "object"})),
        seen: Arc::clone(&seen),
    };
    let mut tools = ToolSet::new();
    tools.add(Arc::new(waits)).unwrap();
    let model = Script::new().calls("wait", json!({})).says("ok");
    let mut chat = Chat::new(model.clone()).with_tools(tools).with_cancellation(cancelled_soon());
    assert_eq!(in_time(chat.chat("go")).await, Err(ChatError::Cancelled));
    assert!(seen.lock().unwrap().as_ref().unwrap().cancellation().is_cancelled());
    recorder.assert_sound();

    // The request that was never answered is answered for it.
    let mut chat = chat.with_cancellation(CancellationToken::new());
    assert_eq!(in_time(chat.chat("and now?")).await.unwrap().text(), "ok");
    let asked = model.requests();
    let Turn::User(turn) = asked[1].turns.last().unwrap().as_ref() else { panic!("{asked:?}") };
    assert!(turn.tool_results().all(|result| result.outcome.is_error()));
    assert_eq!(turn.tool_results().count(), 1);
}

/// Works, and waits in between.
#[tool]
async fn works(times: u32) -> u32 {
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times
}

/// Works on a thread that may block.
#[tool]
fn works_blocking(times: u32) -> u32 {
    times
}

/// Fails after a while.
#[tool]
async fn fails() -> Result<u32, String> {
    tokio::task::yield_now().await;
    Err("no".to_owned())
}

/// A conversation of three rounds, with waits at every place where one can be.
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
        .then(first.after(wait).every(wait))
        .then(second.after(wait).every(wait))
        .then(Answer::streams(["That ", "is ", "it."]).after(wait).every(wait))
        .otherwise(|_| Answer::says("The next one works."));
    let chat = Chat::new(model.clone())
        .with_tools(tools![works, works_blocking, fails])
        .with_tool_mode(mode);
    (model, chat)
}

async fn talk(chat: &mut Chat, streams: bool) -> Result<Reply, ChatError> {
    if !streams {
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

/// What holds right after a conversation was given up: nothing is waited for.
async fn assert_over(trace: &Recorder, chat: &mut Chat, what: &str) {
    trace.assert_sound();
    for span in trace.spans() {
        let fails = span.name() == "execute_tool fails";
        assert!(!span.failed() || fails, "{what}: {} is no error", span.name());
    }
    assert_in_order(chat.turns());
    // Threads that block are nobody's to stop; all else is gone.
    tokio::task::spawn_blocking(|| {}).await.unwrap();
    tokio::task::yield_now().await;
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(alive, 0, "{what}: tasks are left running");
}

#[test]
fn dropped_at_any_poll_it_ends_at_once_and_the_next_one_works() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        for (mode, streams) in [ToolMode::Concurrent, ToolMode::Sequential]
            .into_iter()
            .flat_map(|mode| [(mode, false), (mode, true)])
        {
            for polls in 0.. {
                let trace = Recorder::new();
                let (model, mut chat) = three_rounds(mode);
                let mut talking = Box::pin(talk(&mut chat, streams));
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
                let what = format!("{mode:?}, streams: {streams}, dropped after {polls} polls");
                assert_over(&trace, &mut chat, &what).await;
                if polls == 0 {
                    assert!(trace.spans().is_empty(), "nothing begins before it is polled");
                }
                if ended.is_some() {
                    assert!(polls > 8, "{what}: it has waited at every place");
                    break;
                }
                let calls = model.asked();
                assert_eq!(trace.spans_of("chat").len(), calls, "{what}");
                assert!(chat.chat("and now?").await.is_ok(), "{what}: the next one works");
                assert_in_order(chat.turns());
                drop(trace);
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_it_ends_it_at_any_moment() {
    for streams in [false, true] {
        for millis in 0..40 {
            let trace = Recorder::new();
            let (_, mut chat) = three_rounds(ToolMode::Concurrent);
            let time = Duration::from_millis(millis);
            let ended = tokio::time::timeout(time, talk(&mut chat, streams)).await;
            assert_over(&trace, &mut chat, &format!("after {time:?}")).await;
            if ended.is_err() {
                let agents = trace.spans_of("invoke_agent");
                assert!(agents.iter().all(|span| span["chatlas.cancelled"] == true));
            }
            chat.chat("and now?").await.unwrap();
        }
    }
}

#[test]
fn the_end_of_the_runtime_ends_it() {
    for streams in [false, true] {
        for workers in [0, 2] {
            let trace = Recorder::exclusive();
            let mut builder = match workers {
                0 => tokio::runtime::Builder::new_current_thread(),
                _ => tokio::runtime::Builder::new_multi_thread(),
            };
            let runtime = builder.enable_time().build().unwrap();
            let seen: Arc<Mutex<Option<ToolContext>>> = Arc::default();
            let waits = Waits {
                definition: ToolDefinition::new("wait", "Waits.", json!({"type": "object"})),
                seen: Arc::clone(&seen),
            };
            runtime.block_on(async {
                let mut tools = tools![works];
                tools.add(Arc::new(waits)).unwrap();
                let asks =
                    Answer::new().call("wait", json!({})).call("works", json!({"times": 9999}));
                let mut chat = Chat::new(Script::new().then(asks)).with_tools(tools);
                tokio::spawn(async move { talk(&mut chat, streams).await });
                while seen.lock().unwrap().is_none() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            drop(runtime);
            trace.assert_sound();
            assert_eq!(trace.spans().len(), 4, "{}", trace.tree());
            assert!(!trace.spans().iter().any(RecordedSpan::failed));
            assert!(seen.lock().unwrap().as_ref().unwrap().cancellation().is_cancelled());
        }
    }
}

#[tokio::test]
async fn a_panic_of_the_consumer_gives_it_up_and_is_no_error_of_the_model_or_a_tool() {
    let trace = Recorder::new();
    let (_, mut chat) = three_rounds(ToolMode::Concurrent);
    let consumer = AssertUnwindSafe(async {
        let mut stream = chat.stream("go");
        while let Some(Ok(event)) = stream.next().await {
            assert!(!matches!(event, StreamEvent::ToolRequest(_)), "on purpose");
        }
    });
    consumer.catch_unwind().await.unwrap_err();
    assert_over(&trace, &mut chat, "a panic of the consumer").await;
    assert_eq!(trace.span("invoke_agent")["chatlas.cancelled"], true);
    chat.chat("and now?").await.unwrap();
}

/// A provider with a mistake in it.
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
        Ok(Completion { contents: vec![Content::text("better")], ..Completion::default() })
    }

    async fn chat_stream(&self, _: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let events = ["a", "b"].map(|text| Ok(chatlas::CompletionEvent::Text(text.to_owned())));
        let broken = futures_util::stream::poll_fn(|_| panic!("canary-of-a-panic"));
        Ok(CompletionStream::new(futures_util::stream::iter(events).chain(broken)))
    }
}

#[tokio::test]
async fn a_panic_of_the_provider_is_an_error_of_its_span_and_of_the_run() {
    for streams in [false, true] {
        let trace = Recorder::new();
        let mut chat =
            Chat::new(Broken(ProviderInfo::new("broken").with_model("m"), Mutex::new(0)));
        let talking = AssertUnwindSafe(talk(&mut chat, streams)).catch_unwind();
        in_time(talking).await.expect_err("the panic is the program's to see");
        trace.assert_sound();
        assert_eq!(trace.tree(), "invoke_agent\n  chat m\n");
        let spans = trace.spans();
        assert!(spans.iter().all(|span| span.failed() && span["error.type"] == "panic"));
        assert_eq!(spans.iter().map(|span| span.events().len()).sum::<usize>(), 1, "told once");
        assert!(!format!("{spans:?}").contains("canary"));
        assert_in_order(chat.turns());
        assert_eq!(chat.turns().len(), if streams { 2 } else { 0 });
        if !streams {
            assert_eq!(chat.chat("again").await.unwrap().text(), "better");
        }
    }
}
