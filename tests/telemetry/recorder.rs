//! `chatlas::testing`: how a program tests its own telemetry, and the guarantees of the scripted
//! model and the recorder.

// Some tools have nothing to await; the compared sums are exact.
#![allow(clippy::unused_async, clippy::float_cmp)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, MetricKind, Recorder, Script};
use chatlas::{
    ChatError, ChatRequest, Completion, Content, FinishReason, ProviderError, ProviderErrorKind,
    ProviderInfo,
};
use opentelemetry::logs::Severity;
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue, global};
use serde_json::json;

/// The program under test: an agent with a tool that creates its own span.
mod shop {
    use super::*;

    /// Finds an order.
    #[tool]
    pub(super) async fn find_order(
        /// Its number.
        number: u32,
    ) -> Result<String, String> {
        let mut query = global::tracer("shop").start("query orders");
        query.set_attribute(KeyValue::new("db.system.name", "postgresql"));
        if number == 0 {
            Err("there is no order 0".to_owned())
        } else {
            Ok("on its way".to_owned())
        }
    }

    pub(super) async fn answer(model: Script, question: &str) -> Result<Reply, ChatError> {
        let chat = Chat::new(model).with_name("support").with_tools(tools![find_order]);
        chat.with_attribute("user.id", "u-17").chat(question).await
    }
}

#[tokio::test]
async fn program_can_test_its_telemetry_without_a_network() {
    let trace = Recorder::new();
    let model = Script::new()
        .then(Answer::calls("find_order", json!({"number": 7})).with_tokens(40, 9))
        .then(Answer::says("It is on its way.").with_tokens(60, 6));
    let reply = shop::answer(model.clone(), "Where is my order 7?").await.unwrap();
    assert_eq!(reply.text(), "It is on its way.");

    // The trace, as a snapshot.
    trace.assert_sound();
    assert_eq!(
        trace.tree_with(["user.id", "gen_ai.usage.input_tokens", "db.system.name"]),
        "\
invoke_agent support user.id=\"u-17\" gen_ai.usage.input_tokens=100
  chat test-model user.id=\"u-17\" gen_ai.usage.input_tokens=40
  execute_tool find_order user.id=\"u-17\"
    query orders db.system.name=\"postgresql\"
  chat test-model user.id=\"u-17\" gen_ai.usage.input_tokens=60
"
    );
    // The attributes of a span.
    let tool = trace.span("execute_tool find_order");
    assert_eq!(tool.kind(), SpanKind::Internal);
    assert_eq!(tool["gen_ai.tool.call.id"], "call-1");
    assert!(tool["gen_ai.tool.call.arguments"].is_null(), "capture is off");
    assert_eq!(trace.parent(&trace.span("query orders")).unwrap().id(), tool.id());
    assert_eq!(trace.spans_with_operation("chat").len(), 2);
    // The metrics of dashboards.
    let tokens = trace.metric("gen_ai.client.inference.usage.input_tokens");
    assert_eq!((tokens.kind(), tokens.unit()), (MetricKind::Counter, "{token}"));
    assert_eq!(tokens.filter("gen_ai.request.model", "test-model").sum(), 100.0);
    assert_eq!(trace.metric("gen_ai.execute_tool.duration").filter("error.type", ()).count(), 1);
    // The requests to the model.
    let requests = model.requests();
    assert_eq!(requests[0].turns[0].text(), "Where is my order 7?");
    assert_eq!(requests[1].turns.len(), 3);
}

#[tokio::test]
async fn failure_is_recorded_on_its_span_and_metric() {
    let trace = Recorder::new();
    let model =
        Script::new().calls("find_order", json!({"number": 0})).says("There is no order 0.");
    shop::answer(model, "Where is my order 0?").await.unwrap();
    trace.assert_sound();
    assert_eq!(
        trace.tree_with(["error.type"]),
        "\
invoke_agent support
  chat test-model
  execute_tool find_order ERROR error.type=\"alloc::string::String\"
    query orders
  chat test-model
"
    );
    let tools = trace.metric("gen_ai.execute_tool.duration");
    assert_eq!(tools.filter("error.type", "alloc::string::String").count(), 1);
}

#[tokio::test]
async fn events_are_structured_and_have_their_span() {
    let trace = Recorder::new();
    let mut chat = Chat::new(Script::new().says("Hello.")).with_capture(Capture::SpansAndEvents);
    let reply = chat.chat("Hi!").await.unwrap();
    assert!(reply.feedback("helpfulness", 0.8, None));
    let call = trace.span("chat test-model");
    let details = trace.event("gen_ai.client.inference.operation.details");
    assert_eq!((details.trace_id(), details.span_id()), (call.trace_id(), call.id()));
    assert_eq!(details["gen_ai.input.messages"][0]["parts"][0]["content"], "Hi!");
    assert_eq!(call.json("gen_ai.output.messages")[0]["parts"][0]["content"], "Hello.");
    let verdict = trace.event("gen_ai.evaluation.result");
    assert_eq!(verdict.severity(), Some(Severity::Info));
    assert_eq!(verdict.span_id(), call.id());
    assert_eq!(verdict["gen_ai.evaluation.score.value"], 0.8);
    trace.assert_sound();
}

/// Runs many tests concurrently, each on its own thread and runtime, like the test harness.
fn concurrently(runtime: fn() -> tokio::runtime::Runtime) {
    let tests: Vec<_> = (0..8)
        .map(|number| {
            std::thread::spawn(move || {
                runtime().block_on(async move {
                    let trace = Recorder::new();
                    let name = format!("agent-{number}");
                    for _ in 0..20 {
                        let model =
                            Script::new().calls("find_order", json!({"number": 1})).says("ok");
                        let mut chat =
                            Chat::new(model).with_name(&*name).with_tools(tools![shop::find_order]);
                        let work = async move { chat.chat("go").await.map(|_| ()) };
                        tokio::spawn(work.with_current_context()).await.unwrap().unwrap();
                    }
                    trace.assert_sound();
                    assert_eq!(trace.spans().len(), 100);
                    assert_eq!(trace.spans_with_operation("invoke_agent").len(), 20);
                    for agent in trace.spans_with_operation("invoke_agent") {
                        assert_eq!(agent["gen_ai.agent.name"], *name);
                        assert_eq!(agent.parent_id(), opentelemetry::trace::SpanId::INVALID);
                    }
                    let durations = trace.metric("gen_ai.invoke_agent.duration");
                    assert_eq!(durations.filter("gen_ai.agent.name", &*name).count(), 20);
                    assert_eq!(durations.count(), 20);
                    assert_eq!(trace.events().len(), 40);
                });
            })
        })
        .collect();
    for test in tests {
        test.join().unwrap();
    }
}

#[test]
fn tests_record_concurrently_on_current_thread_runtimes() {
    concurrently(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
}

#[test]
fn tests_record_concurrently_on_multi_thread_runtimes() {
    concurrently(|| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().unwrap()
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn exclusive_recorder_records_other_threads() {
    let trace = Recorder::for_process();
    let mut chat = Chat::new(Script::new().says("ok"));
    tokio::spawn(async move { chat.chat("go").await.map(|_| ()) }).await.unwrap().unwrap();
    assert_eq!(trace.tree(), "invoke_agent\n  chat test-model\n");
    assert_eq!(trace.metric("gen_ai.invoke_agent.duration").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn spans_started_outside_the_context_are_not_recorded_and_reported() {
    let trace = Recorder::new();
    let mut chat = Chat::new(Script::new().says("ok"));
    tokio::spawn(async move { chat.chat("go").await.map(|_| ()) }).await.unwrap().unwrap();
    assert!(trace.spans().is_empty());
    let message = *catch_unwind(AssertUnwindSafe(|| trace.span("invoke_agent")))
        .unwrap_err()
        .downcast::<String>()
        .unwrap();
    assert!(message.contains("started outside the context of any recorder"), "{message}");
}

#[tokio::test]
async fn recorder_installs_its_providers_again() {
    {
        let _alone = Recorder::for_process();
        global::set_tracer_provider(opentelemetry::trace::noop::NoopTracerProvider::new());
        chatlas::telemetry::set_event_sink(None);
    }
    let trace = Recorder::for_process();
    Chat::new(Script::new().says("ok")).chat("go").await.unwrap();
    assert_eq!(trace.spans().len(), 2);
    assert_eq!(trace.events().len(), 1);
}

#[tokio::test]
async fn settled_waits_until_all_spans_have_ended() {
    let trace = Recorder::new();
    tokio::spawn(async {
        let slow = Answer::says("ok").with_delay(Duration::from_millis(30));
        Chat::new(Script::new().then(slow)).chat("go").await.map(|_| ())
    });
    tokio::task::yield_now().await;
    assert!(trace.spans().is_empty());
    trace.wait_until_idle().await;
    assert_eq!(trace.spans().len(), 2);
}

#[tokio::test]
async fn assert_sound_reports_every_fault() {
    let trace = Recorder::new();
    let tracer = global::tracer("chatlas");
    let mut span = tracer.start("odd");
    span.set_attribute(KeyValue::new("twice", 1));
    span.set_attribute(KeyValue::new("twice", 2));
    span.set_status(Status::error("no"));
    span.end();
    let _open = tracer.start("open");
    let message = *catch_unwind(AssertUnwindSafe(|| trace.assert_sound()))
        .unwrap_err()
        .downcast::<String>()
        .unwrap();
    for fault in [
        "`open` has not ended",
        "`odd` has the attribute `twice` more than once",
        "`odd` is an error without `error.type`",
        "\nin\nodd\n",
    ] {
        assert!(message.contains(fault), "{message}");
    }
}

/// Forwards to another provider without being marked as transparent.
struct Wrapper(Script);

#[provider]
impl Provider for Wrapper {
    fn info(&self) -> &ProviderInfo {
        Provider::info(&self.0)
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        Provider::chat(&self.0, request).await
    }
}

#[tokio::test]
async fn nested_chat_spans_are_not_sound() {
    let trace = Recorder::new();
    Chat::new(Wrapper(Script::new().says("Hi."))).chat("Hi?").await.unwrap();
    let calls = trace.spans_with_operation("chat");
    let tokens = "gen_ai.usage.output_tokens";
    assert_eq!(trace.span("invoke_agent")[tokens], calls[0][tokens], "the total counts one call");
    let panic = catch_unwind(AssertUnwindSafe(|| trace.assert_sound())).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.contains("`chat test-model` is a child of `chat test-model`"), "{message}");
    assert!(message.contains("#[provider(transparent)]"), "{message}");
}

#[tokio::test]
async fn run_with_more_tokens_than_its_calls_is_not_sound() {
    let trace = Recorder::new();
    let tracer = global::tracer("chatlas");
    let start = |name: &'static str, kind, attributes: &[KeyValue], parent: &Context| {
        let builder = tracer.span_builder(name).with_kind(kind);
        let builder = builder.with_attributes(attributes.to_vec());
        parent.with_span(tracer.build_with_context(builder, parent))
    };
    let operation = |name: &'static str| KeyValue::new("gen_ai.operation.name", name);
    let tokens = |count: i64| KeyValue::new("gen_ai.usage.input_tokens", count);
    let run = [operation("invoke_agent"), tokens(9)];
    let run = start("run", SpanKind::Internal, &run, &Context::current());
    let cached = [operation("chat"), tokens(4), KeyValue::new("chatlas.answered_by_wrapper", true)];
    let calls = [
        start("cached", SpanKind::Internal, &cached, &run),
        start("called", SpanKind::Client, &[operation("chat"), tokens(4)], &run),
    ];
    for call in &calls {
        call.span().end();
    }
    run.span().end();
    let panic = catch_unwind(AssertUnwindSafe(|| trace.assert_sound())).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    for fault in [
        "`run` has `gen_ai.usage.input_tokens` = 9, but its model calls have 8 in total",
        "`cached` has usage, but no model was called",
    ] {
        assert!(message.contains(fault), "{message}");
    }
    assert!(!message.contains("the kind"), "{message}");
}

#[tokio::test]
async fn scripted_answer_is_equal_complete_and_streamed() {
    let _trace = Recorder::new();
    let model = || {
        Script::new()
            .then(
                Answer::says("Let me see.")
                    .call("find_order", json!({"number": 1}))
                    .call_with_id("mine", "find_order", json!({"number": 2}))
                    .call("find_order", json!({"number": 3})),
            )
            .then(
                Answer::streams(["On ", "its way."])
                    .thinking("Hm.")
                    .with_tokens(1, 2)
                    .with_finish_reason(FinishReason::Length)
                    .with_response_id("r")
                    .with_model("m"),
            )
    };
    let mut complete = Chat::new(model()).with_tools(tools![shop::find_order]);
    let reply = complete.chat("go").await.unwrap();
    let mut streamed = Chat::new(model()).with_tools(tools![shop::find_order]);
    let events: Vec<_> = streamed.stream("go").collect().await;
    assert_eq!(complete.turns(), streamed.turns());
    let texts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Ok(StreamEvent::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["Let me see.", "On ", "its way."]);
    let chatlas::Turn::Assistant(first) = &*complete.turns()[1] else { panic!() };
    let ids: Vec<_> = first.tool_requests().map(|request| request.id.as_str()).collect();
    assert_eq!(ids, ["call-1", "mine", "call-2"]);
    assert_eq!(first.finish_reason, Some(FinishReason::ToolCall));
    assert_eq!(first.response_id.as_deref(), Some("resp-1"));
    assert_eq!(first.usage, Usage::new(10, 5));
    assert_eq!(reply.turn.response_id.as_deref(), Some("r"));
    assert_eq!(reply.turn.finish_reason, Some(FinishReason::Length));
    assert_eq!(reply.usage, Usage::new(11, 7));
}

#[tokio::test(start_paused = true)]
async fn scripted_delays_follow_a_paused_clock() {
    let _trace = Recorder::new();
    let slow = Answer::says("0123456789")
        .with_delay(Duration::from_secs(60))
        .with_chunk_size(3)
        .with_chunk_delay(Duration::from_secs(10));
    let begin = tokio::time::Instant::now();
    let mut chat = Chat::new(Script::new().then(slow.clone()).then(slow));
    let pieces = chat.stream("go").filter(|event| {
        let text = matches!(event, Ok(StreamEvent::Text(_)));
        async move { text }
    });
    assert_eq!(pieces.count().await, 4);
    assert_eq!(begin.elapsed().as_secs(), 90);
    chat.chat("go").await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 150);
}

#[tokio::test(start_paused = true)]
async fn scripted_faults_occur_as_specified() {
    let _trace = Recorder::new();
    let lost = ProviderError::new(ProviderErrorKind::Connection, "lost");
    let limit = ProviderError::new(ProviderErrorKind::RateLimit, "slow down").with_status(429);
    let kind = |error: ChatError| match error {
        ChatError::Provider(error) => error.kind(),
        other => panic!("{other}"),
    };
    let model = Script::new()
        .fails(limit.clone())
        .then(Answer::says("Once").then_fails(lost.clone()))
        .then(Answer::says("Once").without_done())
        .then(Answer::says("Once").then_stalls())
        .fails(limit)
        .then(Answer::says("Once").then_fails(lost))
        .then(Answer::says("Once").without_done())
        .then(Answer::says("Once").then_stalls());
    let expected = [
        ProviderErrorKind::RateLimit,
        ProviderErrorKind::Connection,
        ProviderErrorKind::TruncatedStream,
    ];
    let minute = Duration::from_secs(60);
    let mut chat = Chat::new(model.clone());
    for expected in expected {
        assert_eq!(kind(chat.chat("go").await.unwrap_err()), expected);
    }
    assert!(tokio::time::timeout(minute, chat.chat("go")).await.is_err());
    for expected in expected {
        let events: Vec<_> = chat.stream("go").collect().await;
        assert_eq!(kind(events.into_iter().next_back().unwrap().unwrap_err()), expected);
    }
    let mut stalled = chat.stream("go");
    assert_eq!(stalled.next().await.unwrap().unwrap(), StreamEvent::Text("Once".into()));
    assert!(tokio::time::timeout(minute, stalled.next()).await.is_err());
    assert_eq!((model.request_count(), model.remaining()), (8, 0));
}

#[tokio::test]
async fn scripted_answers_can_be_computed() {
    let _trace = Recorder::new();
    let model = Script::from_fn(|request| {
        let last = request.turns.last().unwrap();
        match last.contents() {
            [Content::ToolResult(_), ..] => Answer::says("done"),
            _ => Answer::calls("find_order", json!({"number": last.text().len()})),
        }
    });
    let model = model.without_recording();
    for _ in 0..100 {
        let mut chat = Chat::new(model.clone()).with_tools(tools![shop::find_order]);
        assert_eq!(chat.chat("x").await.unwrap().text(), "done");
    }
    assert_eq!((model.request_count(), model.requests().len()), (200, 0));
}
