//! Parents of spans that a tool creates in another task, on the blocking pool or on another thread.
//! Each needs one line in the tool.

#![allow(clippy::unused_async)] // some tools have nothing to await

use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{ChatError, ToolContext, ToolMode};
use opentelemetry::trace::{FutureExt as _, Span as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};
use serde_json::json;

fn work(name: &'static str) {
    global::tracer("app").start(name).end();
}

/// Works in a spawned task.
#[tool]
async fn in_task() -> bool {
    let work = async { work("task") };
    tokio::spawn(work.with_current_context()).await.is_ok()
}

/// Works on the blocking pool.
#[tool]
async fn on_blocking_pool(context: &ToolContext) -> bool {
    let context = context.context().clone();
    let work = move || {
        let _here = context.attach();
        work("blocking");
    };
    tokio::task::spawn_blocking(work).await.is_ok()
}

/// Works on a new thread.
#[tool]
async fn on_thread(context: &ToolContext) -> bool {
    let context = context.context().clone();
    let thread = std::thread::spawn(move || {
        let _here = context.attach();
        work("thread");
    });
    thread.join().is_ok()
}

/// Works in place: on the blocking pool, because the tool is not async.
#[tool]
fn synchronous() -> bool {
    work("synchronous");
    true
}

/// Starts work that continues after it returns.
#[tool]
async fn continues_in_background() -> &'static str {
    let later = async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        work("later");
    };
    // The test waits for the task, not the tool.
    tokio::spawn(later.with_current_context());
    "soon"
}

const WORK: [(&str, &str); 4] = [
    ("in_task", "task"),
    ("on_blocking_pool", "blocking"),
    ("on_thread", "thread"),
    ("synchronous", "synchronous"),
];

#[tokio::test]
async fn spans_of_moved_work_are_children_of_the_tool() {
    for mode in [ToolMode::Concurrent, ToolMode::Sequential] {
        let trace = Recorder::new();
        let calls =
            WORK.iter().fold(Answer::new(), |answer, (tool, _)| answer.call(*tool, json!({})));
        let mut chat = Chat::new(Script::new().then(calls).says("done"))
            .with_tool_mode(mode)
            .with_tools(tools![in_task, on_blocking_pool, on_thread, synchronous]);
        chat.chat("go").await.unwrap();
        for (tool, work) in WORK {
            let above = trace.parent(&trace.span(work)).unwrap();
            assert_eq!(above.name(), format!("execute_tool {tool}"));
            assert_eq!(trace.parent(&above).unwrap().name(), "invoke_agent");
        }
        trace.assert_sound();
    }
}

#[tokio::test]
async fn work_that_outlives_its_tool_stays_in_the_trace_without_delaying_spans() {
    let trace = Recorder::new();
    let model = Script::new().calls("continues_in_background", json!({})).says("done");
    Chat::new(model).with_tools(tools![continues_in_background]).chat("go").await.unwrap();
    assert_eq!(trace.spans().len(), 4, "all have ended: {}", trace.tree());
    trace.wait_until_idle().await;
    while trace.spans().len() < 5 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let above = trace.parent(&trace.span("later")).unwrap();
    assert_eq!(above.name(), "execute_tool continues_in_background");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_that_moves_between_threads_keeps_its_parent_span() {
    let trace = Recorder::new();
    let above = Context::current_with_span(global::tracer("app").start("request"));
    let mut chat = Chat::new(Script::new().calls("in_task", json!({})).streams(["a", "b"]))
        .with_tools(tools![in_task]);
    let listening = async move {
        let mut stream = chat.stream("go");
        let mut events = 0;
        while let Some(event) = stream.next().await {
            event.unwrap();
            events += 1;
            tokio::task::yield_now().await;
        }
        events
    };
    let events = tokio::spawn(listening.with_context(above.clone())).await.unwrap();
    assert!(events >= 5, "{events}");
    above.span().end();
    trace.wait_until_idle().await;
    assert_eq!(
        trace.tree(),
        "\
request
  invoke_agent
    chat test-model
    execute_tool in_task
      task
    chat test-model
"
    );
    trace.assert_sound();
}

/// Runs another agent.
#[tool]
async fn ask_colleague(question: String) -> Result<String, ChatError> {
    let model = Script::new().calls("in_task", json!({})).says("Rain.");
    let mut colleague = Chat::new(model).with_name("meteorologist").with_tools(tools![in_task]);
    Ok(colleague.chat(question).await?.text())
}

#[tokio::test]
async fn agent_in_a_tool_is_a_child_of_the_tool_and_counts_only_its_own_calls() {
    let trace = Recorder::new();
    let model = Script::new().calls("ask_colleague", json!({"question": "Tokyo?"})).says("Rain.");
    Chat::new(model)
        .with_name("travel")
        .with_tools(tools![ask_colleague])
        .chat("Tokyo?")
        .await
        .unwrap();
    assert_eq!(
        trace.tree(),
        "\
invoke_agent travel
  chat test-model
  execute_tool ask_colleague
    invoke_agent meteorologist
      chat test-model
      execute_tool in_task
        task
      chat test-model
  chat test-model
"
    );
    // Each agent counts its own two model calls only.
    for agent in ["travel", "meteorologist"] {
        let span = trace.span(&format!("invoke_agent {agent}"));
        assert_eq!(span["gen_ai.usage.input_tokens"], 20, "{agent}");
        let calls = trace.metric("gen_ai.invoke_agent.tool_calls");
        assert_eq!(calls.filter("gen_ai.agent.name", agent).sum().to_string(), "1");
    }
    assert_eq!(trace.span("execute_tool in_task")["gen_ai.agent.name"], "meteorologist");
    trace.assert_sound();
}
