//! Failing tools and invalid tool calls: the error is sent to the model and recorded on the span,
//! the loop continues, and the other calls of the reply are unaffected.

#![allow(clippy::unused_async)] // some tools have nothing to await

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

/// Works on a blocking thread.
#[tool]
fn works_blocking(number: i64) -> i64 {
    number + 1
}

/// Fails.
#[tool]
async fn fails() -> Result<String, OutOfPaper> {
    Err(OutOfPaper)
}

/// Fails on a blocking thread.
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

/// Panics on a blocking thread.
#[tool]
fn panics_blocking() -> String {
    panic!("canary-of-a-panic")
}

/// Returns a value that cannot be serialised to JSON.
#[tool]
async fn returns_unserialisable() -> HashMap<(u8, u8), u8> {
    HashMap::from([((1, 2), 3)])
}

/// Returns a long text.
#[tool]
async fn talks() -> String {
    "x".repeat(10 << 20)
}

/// A tool that never returns, with a timeout.
struct Hangs(ToolDefinition);

impl Tool for Hangs {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn call(&self, _: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(std::future::pending())
    }
}

/// A tool that panics before it returns a future.
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
        returns_unserialisable,
        talks,
    ];
    let define = |name| ToolDefinition::new(name, "A tool.", json!({"type": "object"}));
    let hangs = Hangs(define("hangs").with_timeout(Duration::from_millis(30)));
    tools.add(Arc::new(hangs)).unwrap();
    tools.add(Arc::new(PanicsAtOnce(define("panics_at_once")))).unwrap();
    tools
}

/// How a call ends: with a value, or with an `error.type` and a text sent to the model.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Well(fn(&Value) -> bool),
    Fails(&'static str, &'static str),
}

fn calls() -> Vec<(&'static str, Value, Outcome)> {
    const INVALID: &str = "invalid_arguments";
    vec![
        ("works", json!({"number": 1}), Outcome::Well(|value| *value == 2)),
        ("works_blocking", json!({"number": 1}), Outcome::Well(|value| *value == 2)),
        (
            "talks",
            json!({}),
            Outcome::Well(|value| value.as_str().is_some_and(|s| s.len() > 9 << 20)),
        ),
        ("fails", json!({}), Outcome::Fails("chat::tool_faults::OutOfPaper", "out of paper")),
        (
            "fails_blocking",
            json!({}),
            Outcome::Fails("chat::tool_faults::OutOfPaper", "out of paper"),
        ),
        ("panics", json!({}), Outcome::Fails("panic", "`panics` crashed")),
        ("panics_blocking", json!({}), Outcome::Fails("panic", "`panics_blocking` crashed")),
        ("panics_at_once", json!({}), Outcome::Fails("panic", "`panics_at_once` crashed")),
        ("hangs", json!({}), Outcome::Fails("timeout", "30ms")),
        ("returns_unserialisable", json!({}), Outcome::Fails("unserializable_result", "")),
        ("works", json!("{\"number\": 1"), Outcome::Fails(INVALID, "")),
        ("works", json!({"number": "one"}), Outcome::Fails(INVALID, "number")),
        ("works", json!({"number": 1.5}), Outcome::Fails(INVALID, "number")),
        ("works", json!({"number": null}), Outcome::Fails(INVALID, "number")),
        ("works", json!({}), Outcome::Fails(INVALID, "number")),
        ("works", json!({"number": 1, "more": true}), Outcome::Fails(INVALID, "more")),
        ("works", json!([1]), Outcome::Fails(INVALID, "")),
        ("works", Value::Null, Outcome::Fails(INVALID, "")),
        ("is_not_there", json!({}), Outcome::Fails("unknown_tool", "works, works_blocking")),
        ("works\n\u{0}", json!({}), Outcome::Fails("unknown_tool", "no tool named")),
    ]
}

#[tokio::test]
async fn each_fault_is_sent_to_the_model_and_recorded_without_affecting_other_tools() {
    for mode in [ToolMode::Concurrent, ToolMode::Sequential] {
        for streams in [false, true] {
            let trace = Recorder::new();
            let cases = calls();
            let calls = cases.iter().enumerate().fold(
                Answer::new(),
                |answer, (number, (tool, arguments, _))| {
                    answer.call_with_id(format!("c-{number}"), *tool, arguments.clone())
                },
            );
            let model = Script::new().then(calls).says("done");
            let mut chat = Chat::new(model.clone()).with_tools(tools()).with_tool_mode(mode);
            if streams {
                let events: Vec<_> = in_time(chat.stream("go").collect::<Vec<_>>()).await;
                assert!(
                    matches!(events.last(), Some(Ok(StreamEvent::Done(_)))),
                    "the loop continues"
                );
            } else {
                assert_eq!(in_time(chat.chat("go")).await.unwrap().text(), "done");
            }
            let requests = model.requests();
            let Turn::User(turn) = requests[1].turns.last().unwrap().as_ref() else { panic!() };
            let results: Vec<_> = turn.tool_results().collect();
            assert_eq!(results.len(), cases.len());
            trace.assert_sound();
            let spans = trace.spans_with_operation("execute_tool");
            for (number, (tool, _, ends)) in cases.iter().enumerate() {
                let id = format!("c-{number}");
                let span = spans.iter().find(|span| span["gen_ai.tool.call.id"] == *id).unwrap();
                assert_eq!(results[number].id, id, "in call order");
                match (&results[number].outcome, ends) {
                    (ToolOutcome::Value(value), Outcome::Well(right)) => {
                        assert!(right(value), "{tool}");
                        assert!(!span.is_error(), "{tool}");
                    }
                    (ToolOutcome::Error(message), Outcome::Fails(kind, word)) => {
                        assert!(message.contains(word), "{tool}: {message}");
                        assert!(!message.contains("canary"), "{tool}: {message}");
                        assert_eq!(span["error.type"], *kind, "{tool}");
                        assert_eq!(span.events().len(), 1, "{tool}");
                    }
                    other => panic!("{tool}: {other:?}"),
                }
            }
            assert!(!trace.span("invoke_agent").is_error(), "tools that fail do not fail the run");
        }
    }
}

#[tokio::test]
async fn calls_with_the_same_id_have_separate_spans_and_results() {
    let trace = Recorder::new();
    let calls = Answer::new().call_with_id("same", "works", json!({"number": 1})).call_with_id(
        "same",
        "works",
        json!({"number": 10}),
    );
    let model = Script::new().then(calls).says("done");
    let mut chat = Chat::new(model.clone()).with_tools(tools());
    in_time(chat.chat("go")).await.unwrap();
    let requests = model.requests();
    let Turn::User(turn) = requests[1].turns.last().unwrap().as_ref() else { panic!() };
    let values: Vec<_> = turn.tool_results().map(|result| result.outcome.clone()).collect();
    assert_eq!(values, [ToolOutcome::Value(json!(2)), ToolOutcome::Value(json!(11))]);
    assert_eq!(trace.spans_with_operation("execute_tool").len(), 2);
    trace.assert_sound();
}

#[tokio::test]
async fn hundred_calls_in_one_reply_have_results_and_spans_in_order() {
    for mode in [ToolMode::Concurrent, ToolMode::Sequential] {
        let trace = Recorder::new();
        let calls = (0..100).fold(Answer::new(), |answer, number| {
            let tool = if number % 2 == 0 { "works" } else { "works_blocking" };
            answer.call(tool, json!({ "number": number }))
        });
        let model = Script::new().then(calls).says("done");
        let mut chat = Chat::new(model.clone()).with_tools(tools()).with_tool_mode(mode);
        in_time(chat.chat("go")).await.unwrap();
        let requests = model.requests();
        let Turn::User(turn) = requests[1].turns.last().unwrap().as_ref() else { panic!() };
        let values: Vec<_> = turn.tool_results().map(|result| &result.outcome).collect();
        let wanted: Vec<_> = (1..=100).map(|n| ToolOutcome::Value(json!(n))).collect();
        assert_eq!(values, wanted.iter().collect::<Vec<_>>());
        assert_eq!(trace.spans_with_operation("execute_tool").len(), 100);
        trace.assert_sound();
    }
}

static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// Blocks its thread for 150 ms.
#[tool]
fn blocks() -> usize {
    std::thread::sleep(Duration::from_millis(150));
    BEGUN.fetch_add(1, Ordering::SeqCst)
}

#[test]
fn queued_blocking_tool_never_starts_after_cancellation() {
    let _trace = Recorder::for_process();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let calls = (0..5).fold(Answer::new(), |answer, _| answer.call("blocks", json!({})));
        let mut chat = Chat::new(Script::new().then(calls).says("ok")).with_tools(tools![blocks]);
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, chat.chat("go")).await.is_err());
        // This task runs after the tasks that were queued before.
        tokio::task::spawn_blocking(|| {}).await.unwrap();
        assert_eq!(BEGUN.load(Ordering::SeqCst), 1, "only the running one");
        assert_eq!(in_time(chat.chat("and now?")).await.unwrap().text(), "ok");
    });
}

#[test]
fn tool_timeout_without_a_runtime_is_an_error_that_names_the_requirement() {
    let _trace = Recorder::for_process();
    let calls = Answer::new().call("hangs", json!({})).call("works", json!({"number": 1}));
    let model = Script::new().then(calls).says("ok");
    let mut chat = Chat::new(model.clone()).with_tools(tools());
    assert_eq!(without_runtime(chat.chat("go")).unwrap().text(), "ok");
    let requests = model.requests();
    let Turn::User(turn) = requests[1].turns.last().unwrap().as_ref() else { panic!() };
    let results: Vec<_> =
        turn.tool_results().map(|result| result.outcome.to_model_text()).collect();
    assert_eq!(results[1], "2");
    assert!(results[0].contains("tokio runtime with a timer"), "{results:?}");
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
