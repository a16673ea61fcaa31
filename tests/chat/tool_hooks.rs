//! Hooks on tool calls: approval, results sent to the model, and the spans of hooks.

#![allow(clippy::unused_async)] // some tools have nothing to await

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::timeout::in_time;
use chatlas::chat::{FinishedCall, PendingCall};
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{Approval, Turn};
use opentelemetry::global;
use opentelemetry::trace::{Span as _, Tracer as _};
use serde_json::json;

/// Deletes a file.
#[tool]
async fn delete(path: String) -> String {
    format!("deleted {path}")
}

fn model() -> Script {
    let delete = Answer::new().call_with_id("c1", "delete", json!({"path": "a.txt"}));
    Script::new().then(delete).says("done")
}

fn outputs(chat: &Chat) -> Vec<String> {
    let Turn::User(turn) = chat.turns()[2].as_ref() else { panic!("{:?}", chat.turns()) };
    turn.tool_results().map(|result| result.outcome.to_model_text()).collect()
}

#[tokio::test]
async fn rejected_call_does_not_run_and_its_reason_is_sent_to_the_model() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    /// Deletes a file.
    #[tool]
    async fn delete(path: String) -> String {
        RUNS.fetch_add(1, Ordering::SeqCst);
        format!("deleted {path}")
    }
    let recorder = Recorder::new();
    let mut chat =
        Chat::new(model()).with_tools(tools![delete]).on_tool_request(|call| async move {
            assert_eq!(call.request.arguments["path"], "a.txt");
            assert_eq!(call.definition.description, "Deletes a file.");
            assert_eq!(call.context.call_id(), "c1");
            Approval::rejected("the user declined")
        });
    assert_eq!(in_time(chat.chat("tidy up")).await.unwrap().text(), "done");
    assert_eq!(RUNS.load(Ordering::SeqCst), 0);
    assert_eq!(outputs(&chat), ["The tool call was rejected: the user declined"]);
    let span = recorder.span("execute_tool delete");
    assert_eq!(span["error.type"], "tool_rejected");
    assert!(!format!("{span:?}").contains("the user declined"), "the reason is content");
    recorder.assert_sound();
}

#[tokio::test]
async fn approval_may_wait_and_spans_of_hooks_are_children_of_the_call() {
    let recorder = Recorder::new();
    let (approvals, mut pending) =
        tokio::sync::mpsc::channel::<tokio::sync::oneshot::Sender<bool>>(1);
    let person = tokio::spawn(async move {
        let answer = pending.recv().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        answer.send(true).unwrap();
    });
    let before = move |_: PendingCall| {
        let approvals = approvals.clone();
        async move {
            let _span = global::tracer("app").start("approval");
            let (answer, answered) = tokio::sync::oneshot::channel();
            approvals.send(answer).await.unwrap();
            if answered.await.unwrap() { Approval::Approved } else { Approval::rejected("no") }
        }
    };
    let after = |call: FinishedCall| async move {
        global::tracer("app").start("audit").end();
        assert_eq!(call.result.outcome.to_model_text(), "deleted a.txt");
    };
    let mut chat =
        Chat::new(model()).with_tools(tools![delete]).on_tool_request(before).on_tool_result(after);
    in_time(chat.chat("tidy up")).await.unwrap();
    person.await.unwrap();
    let expected = "\
invoke_agent
  chat test-model
  execute_tool delete
    approval
    audit
  chat test-model
";
    assert_eq!(recorder.tree(), expected);
    assert_eq!(outputs(&chat), ["deleted a.txt"]);
    recorder.assert_sound();
}

#[derive(Debug)]
struct Unreachable;

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer")
    }
}

async fn crash(_: PendingCall) -> Approval {
    panic!("on purpose")
}

#[tokio::test]
async fn failing_or_panicking_hook_fails_the_call_but_not_the_run() {
    type Set = fn(Chat) -> Chat;
    let cases: [(Set, &str, &str); 4] = [
        (
            |chat| chat.on_tool_request(|_| async { Err::<Approval, _>(Unreachable) }),
            "chat::tool_hooks::Unreachable",
            "no answer",
        ),
        (|chat| chat.on_tool_request(crash), "panic", "A check of the tool `delete` crashed."),
        (
            // The panic occurs before a future exists.
            |chat| {
                chat.on_tool_request(|call| {
                    assert!(call.request.name.is_empty(), "on purpose");
                    async {}
                })
            },
            "panic",
            "A check of the tool `delete` crashed.",
        ),
        (
            |chat| chat.on_tool_result(|_| async { Err::<(), _>(Unreachable) }),
            "chat::tool_hooks::Unreachable",
            "no answer",
        ),
    ];
    for (set, kind, message) in cases {
        let recorder = Recorder::new();
        let mut chat = set(Chat::new(model()).with_tools(tools![delete]));
        assert_eq!(in_time(chat.chat("tidy up")).await.unwrap().text(), "done");
        assert_eq!(outputs(&chat), [message]);
        let span = recorder.span("execute_tool delete");
        assert_eq!(span["error.type"], kind);
        recorder.assert_sound();
    }
}

#[tokio::test]
async fn all_hooks_must_approve_and_a_result_can_be_withheld() {
    let _recorder = Recorder::new();
    let called: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let note = |name: &'static str, approval: Approval| {
        let called = Arc::clone(&called);
        move |_: PendingCall| {
            called.lock().unwrap().push(name);
            std::future::ready(approval.clone())
        }
    };
    let mut chat = Chat::new(model())
        .with_tools(tools![delete])
        .on_tool_request(note("first", Approval::Approved))
        .on_tool_request(note("second", Approval::rejected("no")))
        .on_tool_request(note("third", Approval::Approved));
    in_time(chat.chat("tidy up")).await.unwrap();
    assert_eq!(*called.lock().unwrap(), ["first", "second"]);

    let mut chat = Chat::new(model())
        .with_tools(tools![delete])
        .on_tool_result(|_| async { Approval::rejected("it names a person") });
    in_time(chat.chat("tidy up")).await.unwrap();
    assert_eq!(outputs(&chat), ["The tool's result is withheld: it names a person"]);
}

#[tokio::test]
async fn result_hooks_receive_results_of_calls_that_never_ran() {
    let _recorder = Recorder::new();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let see = Arc::clone(&seen);
    let model = Script::new().calls("no_such", json!({})).says("ok");
    let mut chat = Chat::new(model).on_tool_request(crash).on_tool_result(move |call| {
        see.lock().unwrap().push(call.result.outcome.to_model_text());
        async {}
    });
    in_time(chat.chat("go")).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["There is no tool named `no_such`. The tools are: none."]);
}

#[tokio::test]
async fn pending_hook_is_dropped_with_the_run() {
    let recorder = Recorder::new();
    let mut chat = Chat::new(model())
        .with_tools(tools![delete])
        .on_tool_request(|_| std::future::pending::<Approval>());
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), chat.chat("go"));
    assert!(waiting.await.is_err());
    let span = recorder.span("execute_tool delete");
    assert_eq!(span["chatlas.cancelled"], true);
    recorder.assert_sound();
    // The next run works: the history has a result for the call.
    let mut chat = chat.with_cancellation(chatlas::CancellationToken::new());
    assert_eq!(in_time(chat.chat("well?")).await.unwrap().text(), "done");
}
