//! Tools that go wrong, and models that ask for them wrongly: the model is told, the loop goes on,
//! the spans say what happened, and the other tools of the reply are untouched.

#![allow(clippy::unused_async)] // some tools have nothing to wait for

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::timeout::in_time;
use chatlas::content::ToolOutcome;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::tool::BoxFuture;
use chatlas::{ToolCall, ToolDefinition, ToolError, ToolMode, ToolOutput};
use serde_json::{Value, json};

#[derive(Debug)]
struct OutOfPaper;

impl std::fmt::Display for OutOfPaper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the printer is out of paper")
    }
}

/// Works.
#[tool]
async fn works(number: i64) -> i64 {
    tokio::task::yield_now().await;
    number + 1
}

/// Works on a thread that may block.
#[tool]
fn works_blocking(number: i64) -> i64 {
    number + 1
}

/// Fails.
#[tool]
async fn fails() -> Result<String, OutOfPaper> {
    Err(OutOfPaper)
}

/// Fails on a thread that may block.
#[tool]
fn fails_blocking() -> Result<String, OutOfPaper> {
    Err(OutOfPaper)
}

/// Panics.
#[tool]
async fn panics() -> String {
    tokio::task::yield_now().await;
    panic!("canary-of-a-panic")
}

/// Panics on a thread that may block.
#[tool]
fn panics_blocking() -> String {
    panic!("canary-of-a-panic")
}

/// Has a value that JSON cannot have.
#[tool]
async fn cannot_be_told() -> HashMap<(u8, u8), u8> {
    HashMap::from([((1, 2), 3)])
}

/// Says a lot.
#[tool]
async fn talks() -> String {
    "x".repeat(10 << 20)
}

/// A tool that never answers, with a bound on its time.
struct Hangs(ToolDefinition);

impl Tool for Hangs {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, _: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(std::future::pending())
    }
}

/// A tool that panics before it has given a future.
struct PanicsAtOnce(ToolDefinition);

impl Tool for PanicsAtOnce {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, _: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        panic!("canary-of-a-panic")
    }
}

fn tools() -> ToolSet {
    let mut tools = tools![
        works,
        works_blocking,
        fails,
        fails_blocking,
        panics,
        panics_blocking,
        cannot_be_told,
        talks,
    ];
    let define = |name| ToolDefinition::new(name, "A tool.", json!({"type": "object"}));
    let hangs = Hangs(define("hangs").with_timeout(Duration::from_millis(30)));
    tools.add(Arc::new(hangs)).unwrap();
    tools.add(Arc::new(PanicsAtOnce(define("panics_at_once")))).unwrap();
    tools
}

/// How a call ends: with a value, or an `error.type` and a word that the model is told.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Well(fn(&Value) -> bool),
    Badly(&'static str, &'static str),
}

fn calls() -> Vec<(&'static str, Value, Ends)> {
    const INVALID: &str = "invalid_arguments";
    vec![
        ("works", json!({"number": 1}), Ends::Well(|value| *value == 2)),
        ("works_blocking", json!({"number": 1}), Ends::Well(|value| *value == 2)),
        ("talks", json!({}), Ends::Well(|value| value.as_str().is_some_and(|s| s.len() > 9 << 20))),
        ("fails", json!({}), Ends::Badly("chat::tool_faults::OutOfPaper", "out of paper")),
        ("fails_blocking", json!({}), Ends::Badly("chat::tool_faults::OutOfPaper", "out of paper")),
        ("panics", json!({}), Ends::Badly("panic", "`panics` crashed")),
        ("panics_blocking", json!({}), Ends::Badly("panic", "`panics_blocking` crashed")),
        ("panics_at_once", json!({}), Ends::Badly("panic", "`panics_at_once` crashed")),
        ("hangs", json!({}), Ends::Badly("timeout", "30ms")),
        ("cannot_be_told", json!({}), Ends::Badly("unserializable_result", "")),
        ("works", json!("{\"number\": 1"), Ends::Badly(INVALID, "")),
        ("works", json!({"number": "one"}), Ends::Badly(INVALID, "number")),
        ("works", json!({"number": 1.5}), Ends::Badly(INVALID, "number")),
        ("works", json!({"number": null}), Ends::Badly(INVALID, "number")),
        ("works", json!({}), Ends::Badly(INVALID, "number")),
        ("works", json!({"number": 1, "more": true}), Ends::Badly(INVALID, "more")),
        ("works", json!([1]), Ends::Badly(INVALID, "")),
        ("works", Value::Null, Ends::Badly(INVALID, "")),
        ("is_not_there", json!({}), Ends::Badly("unknown_tool", "works, works_blocking")),
        ("", json!({}), Ends::Badly("unknown_tool", "no tool named")),
        ("works\n\u{0}", json!({}), Ends::Badly("unknown_tool", "no tool named")),
    ]
}

#[tokio::test]
async fn each_fault_is_told_to_the_model_and_by_its_span_and_hurts_no_other_tool() {
    for mode in [ToolMode::Concurrent, ToolMode::Sequential] {
        for streams in [false, true] {
            let trace = Recorder::new();
            let calls = calls();
            let asks = calls.iter().enumerate().fold(
                Answer::new(),
                |answer, (number, (tool, arguments, _))| {
                    answer.call_of_id(format!("c-{number}"), *tool, arguments.clone())
                },
            );
            let model = Script::new().then(asks).says("done");
            let mut chat = Chat::new(model.clone()).with_tools(tools()).with_tool_mode(mode);
            if streams {
                let events: Vec<_> = in_time(chat.stream("go").collect::<Vec<_>>()).await;
                assert!(
                    matches!(events.last(), Some(Ok(StreamEvent::Done(_)))),
                    "the loop goes on"
                );
            } else {
                assert_eq!(in_time(chat.chat("go")).await.unwrap().text(), "done");
            }
            let requests = model.requests();
            let Turn::User(told) = requests[1].turns.last().unwrap().as_ref() else { panic!() };
            let told: Vec<_> = told.tool_results().collect();
            assert_eq!(told.len(), calls.len());
            trace.assert_sound();
            let spans = trace.spans_of("execute_tool");
            for (number, (tool, _, ends)) in calls.iter().enumerate() {
                let id = format!("c-{number}");
                let span = spans.iter().find(|span| span["gen_ai.tool.call.id"] == *id).unwrap();
                assert_eq!(told[number].id, id, "in the order asked");
                match (&told[number].outcome, ends) {
                    (ToolOutcome::Value(value), Ends::Well(right)) => {
                        assert!(right(value), "{tool}");
                        assert!(!span.failed(), "{tool}");
                    }
                    (ToolOutcome::Error(message), Ends::Badly(kind, word)) => {
                        assert!(message.contains(word), "{tool}: {message}");
                        assert!(!message.contains("canary"), "{tool}: {message}");
                        assert_eq!(span["error.type"], *kind, "{tool}");
                        assert_eq!(span.events().len(), 1, "{tool}");
                    }
                    other => panic!("{tool}: {other:?}"),
                }
            }
            assert!(!trace.span("invoke_agent").failed(), "tools that fail do not fail the run");
        }
    }
}

#[tokio::test]
async fn two_calls_of_one_id_are_two_calls_with_two_answers() {
    let trace = Recorder::new();
    let asks = Answer::new().call_of_id("same", "works", json!({"number": 1})).call_of_id(
        "same",
        "works",
        json!({"number": 10}),
    );
    let model = Script::new().then(asks).says("done");
    let mut chat = Chat::new(model.clone()).with_tools(tools());
    in_time(chat.chat("go")).await.unwrap();
    let requests = model.requests();
    let Turn::User(told) = requests[1].turns.last().unwrap().as_ref() else { panic!() };
    let values: Vec<_> = told.tool_results().map(|result| result.outcome.clone()).collect();
    assert_eq!(values, [ToolOutcome::Value(json!(2)), ToolOutcome::Value(json!(11))]);
    assert_eq!(trace.spans_of("execute_tool").len(), 2);
    trace.assert_sound();
}

#[tokio::test]
async fn a_hundred_calls_in_one_reply_are_all_answered_in_order() {
    for mode in [ToolMode::Concurrent, ToolMode::Sequential] {
        let trace = Recorder::new();
        let asks = (0..100).fold(Answer::new(), |answer, number| {
            let tool = if number % 2 == 0 { "works" } else { "works_blocking" };
            answer.call(tool, json!({ "number": number }))
        });
        let model = Script::new().then(asks).says("done");
        let mut chat = Chat::new(model.clone()).with_tools(tools()).with_tool_mode(mode);
        in_time(chat.chat("go")).await.unwrap();
        let requests = model.requests();
        let Turn::User(told) = requests[1].turns.last().unwrap().as_ref() else { panic!() };
        let values: Vec<_> = told.tool_results().map(|result| &result.outcome).collect();
        let wanted: Vec<_> = (1..=100).map(|n| ToolOutcome::Value(json!(n))).collect();
        assert_eq!(values, wanted.iter().collect::<Vec<_>>());
        assert_eq!(trace.spans_of("execute_tool").len(), 100);
        trace.assert_sound();
    }
}

static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// Blocks its thread for a moment.
#[tool]
fn blocks() -> usize {
    std::thread::sleep(Duration::from_millis(150));
    BEGUN.fetch_add(1, Ordering::SeqCst)
}

#[test]
fn a_blocking_tool_that_still_waits_for_a_thread_never_begins_once_it_is_given_up() {
    let _trace = Recorder::exclusive();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let asks = (0..5).fold(Answer::new(), |answer, _| answer.call("blocks", json!({})));
        let mut chat = Chat::new(Script::new().then(asks).says("ok")).with_tools(tools![blocks]);
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, chat.chat("go")).await.is_err());
        // Behind all that was queued before.
        tokio::task::spawn_blocking(|| {}).await.unwrap();
        assert_eq!(BEGUN.load(Ordering::SeqCst), 1, "the one that was running, and no other");
        assert_eq!(in_time(chat.chat("and now?")).await.unwrap().text(), "ok");
    });
}

#[test]
fn a_tool_with_a_timeout_needs_a_runtime_and_says_so() {
    let _trace = Recorder::exclusive();
    let asks = Answer::new().call("hangs", json!({})).call("works", json!({"number": 1}));
    let model = Script::new().then(asks).says("ok");
    let mut chat = Chat::new(model.clone()).with_tools(tools());
    assert_eq!(without_runtime(chat.chat("go")).unwrap().text(), "ok");
    let requests = model.requests();
    let Turn::User(told) = requests[1].turns.last().unwrap().as_ref() else { panic!() };
    let told: Vec<_> = told.tool_results().map(|result| result.outcome.to_model_text()).collect();
    assert_eq!(told[1], "2");
    assert!(told[0].contains("tokio runtime with a timer"), "{told:?}");
}

/// Drives a future without any runtime.
fn without_runtime<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut task) {
            return output;
        }
    }
}
