//! Tools of every kind in a chat: their spans, the results for the model, the events for the
//! consumer.

use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use chatlas_core::content::{ToolOutcome, ToolRequest};
use chatlas_core::tool::DynTool;
use chatlas_core::{
    Chat, ChatRequest, Completion, Content, Provider, ProviderError, StreamEvent, ToolContext,
    ToolError, ToolOutput, ToolSet, Turn,
};
use chatlas_macros::{provider, tool, toolbox, tools};
use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream;
use opentelemetry::trace::{FutureExt as _, Span as _, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::{Value, json};

/// The exporter of all tests in this file. Each test uses its own tools.
static SPANS: LazyLock<InMemorySpanExporter> = LazyLock::new(|| {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    global::set_tracer_provider(provider);
    exporter
});

fn spans(tool: &str) -> Vec<SpanData> {
    let name = format!("execute_tool {tool}");
    let mut spans = SPANS.get_finished_spans().expect("finished spans");
    spans.retain(|span| span.name == name);
    spans
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.to_string())
}

/// A provider that requests one tool call, and then returns an empty reply.
struct OneCall(Mutex<VecDeque<Completion>>);

impl OneCall {
    fn for_tool(name: &str, arguments: Value) -> Self {
        LazyLock::force(&SPANS);
        let request = Content::ToolRequest(ToolRequest::new("call-1", name, arguments));
        Self(Mutex::new([Completion::new([request]), Completion::default()].into()))
    }
}

#[provider(name = "one-call")]
impl Provider for OneCall {
    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(self.0.lock().expect("not poisoned").pop_front().unwrap_or_default())
    }
}

/// Runs one tool call in a chat, and returns the result that is sent to the model.
async fn tool_result(tools: ToolSet, name: &str, arguments: Value) -> ToolOutcome {
    let mut chat =
        Chat::new(OneCall::for_tool(name, arguments)).with_name("tester").with_tools(tools);
    chat.chat("go").await.expect("a reply");
    let Some(Turn::User(turn)) = chat.turns().get(2).map(|turn| &**turn) else {
        panic!("no results: {chat:?}")
    };
    turn.tool_results().next().expect("a result").outcome.clone()
}

/// Takes its time.
#[tool(timeout = "20ms")]
async fn slow() -> u8 {
    std::future::pending().await
}

/// Takes its time on a thread, until it is cancelled.
#[tool(timeout = "20ms")]
fn slow_thread(context: ToolContext) -> &'static str {
    while !context.cancellation().is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    "stopped"
}

#[tokio::test]
async fn timeout_ends_the_span_and_is_sent_to_the_model() {
    for name in ["slow", "slow_thread"] {
        let result = tool_result(tools![slow, slow_thread], name, json!({})).await;
        let message = "The tool did not finish within 20ms.".to_owned();
        assert_eq!(result, ToolOutcome::Error(message));
        let [span] = spans(name).try_into().expect("one span");
        assert_eq!(attribute(&span, "error.type").as_deref(), Some("timeout"));
        assert!(matches!(span.status, Status::Error { .. }));
    }
}

/// Crashes.
#[tool]
async fn crash() -> u8 {
    std::future::ready(()).await;
    panic!("on purpose")
}

/// Crashes on a thread.
#[tool]
fn crash_thread() -> u8 {
    panic!("on purpose")
}

/// Crashes after an item.
#[tool]
fn crash_stream() -> impl Stream<Item = u8> {
    stream::iter([1]).chain(stream::once(async { panic!("on purpose") }))
}

#[tokio::test]
async fn panic_ends_the_span_and_is_sent_to_the_model() {
    for name in ["crash", "crash_thread", "crash_stream"] {
        let result = tool_result(tools![crash, crash_thread, crash_stream], name, json!({})).await;
        assert_eq!(result, ToolOutcome::Error(format!("The tool `{name}` crashed.")));
        let [span] = spans(name).try_into().expect("one span");
        assert_eq!(attribute(&span, "error.type").as_deref(), Some("panic"));
    }
}

/// Crashes when the program calls it.
#[tool]
fn falls(deep: bool) -> u8 {
    assert!(!deep, "on purpose");
    1
}

/// Crashes after a while when the program calls it.
#[tool]
async fn falls_later() -> u8 {
    tokio::task::yield_now().await;
    panic!("on purpose")
}

/// Crashes at its first item.
#[tool]
fn falls_apart() -> impl Stream<Item = u8> {
    stream::once(async { panic!("on purpose") })
}

#[tokio::test]
async fn panic_in_a_direct_call_is_recorded_on_its_span() {
    LazyLock::force(&SPANS);
    assert_eq!(falls(false), 1);
    assert!(std::panic::catch_unwind(|| falls(true)).is_err());
    assert!(tokio::spawn(falls_later()).await.is_err());
    assert!(tokio::spawn(falls_apart().count()).await.is_err());
    let kinds = |name: &str| -> Vec<Option<String>> {
        spans(name).iter().map(|span| attribute(span, "error.type")).collect()
    };
    let panicked = || Some("panic".to_owned());
    assert_eq!(kinds("falls"), [None, panicked()]);
    assert_eq!(kinds("falls_later"), [panicked()]);
    assert_eq!(kinds("falls_apart"), [panicked()]);
    assert!(!Context::current().span().span_context().is_valid(), "no span is still current");
}

/// Counts.
#[tool]
fn picky(from: u8) -> u8 {
    from
}

#[tokio::test]
async fn invalid_arguments_end_the_span_and_are_sent_to_the_model() {
    let result = tool_result(tools![picky], "picky", json!({"form": 3})).await;
    let message = "unknown argument `form`: this tool takes `from`".to_owned();
    assert_eq!(result, ToolOutcome::Error(message));
    let [span] = spans("picky").try_into().expect("one span");
    assert_eq!(attribute(&span, "error.type").as_deref(), Some("invalid_arguments"));
}

/// Marks its span, and returns the caller.
#[tool]
async fn mark(context: &ToolContext, #[state] mark: &String) -> String {
    context.set_attribute("mark", mark.clone());
    tokio::task::yield_now().await;
    format!("{} for {:?}", context.call_id(), context.agent_name())
}

#[tokio::test]
async fn tool_sets_attributes_of_its_span() {
    let tools = tools![with "chat".to_owned() => mark];
    let result = tool_result(tools, "mark", json!({})).await;
    assert_eq!(result, ToolOutcome::Value(json!("call-1 for Some(\"tester\")")));
    let outer = global::tracer("test").start("outer");
    let context = Context::current_with_span(outer);
    let direct = async { mark(&ToolContext::new("direct"), &"direct".to_owned()).await };
    direct.with_context(context).await;
    let marks: Vec<_> = spans("mark").iter().map(|span| attribute(span, "mark")).collect();
    assert_eq!(marks, [Some("chat".to_owned()), Some("direct".to_owned())]);
}

struct Desk;

#[toolbox]
impl Desk {
    /// Knocks.
    #[tool]
    async fn knock(&self, context: &ToolContext, times: u8) -> Result<u8, String> {
        context.set_attribute("times", i64::from(times));
        std::future::ready(()).await;
        if times > 0 { Ok(times) } else { Err("who is there?".to_owned()) }
    }

    /// Rings.
    #[tool]
    fn ring(&self) -> usize {
        1 + size_of_val(self)
    }
}

#[tokio::test]
async fn method_has_one_span_per_call() {
    let result = tool_result(tools![..Desk], "knock", json!({"times": 2})).await;
    assert_eq!(result, ToolOutcome::Value(json!(2)));
    assert_eq!(Desk.knock(&ToolContext::new("direct"), 0).await, Err("who is there?".to_owned()));
    let [chat, direct] = spans("knock").try_into().expect("two spans");
    assert_eq!(attribute(&chat, "times").as_deref(), Some("2"));
    assert_eq!(attribute(&chat, "error.type"), None);
    assert_eq!(attribute(&direct, "times").as_deref(), Some("0"));
    assert!(attribute(&direct, "error.type").is_some());
    assert_eq!(Desk.ring(), 1);
    assert_eq!(tool_result(tools![..Desk], "ring", json!({})).await, ToolOutcome::Value(json!(1)));
    assert_eq!(spans("ring").len(), 2);
}

/// Writes a text.
#[tool]
fn write(words: &[String]) -> impl Stream<Item = String> {
    stream::iter(words.to_vec())
}

#[tokio::test]
async fn each_item_of_a_stream_is_a_progress_event() {
    let provider = OneCall::for_tool("write", json!({"words": ["a", "b", "c"]}));
    let mut chat = Chat::new(provider).with_tools(tools![write]);
    let mut events = chat.stream("go");
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        match event.expect("no error") {
            StreamEvent::ToolProgress { id, output: ToolOutput::Value(value), .. } => {
                assert_eq!(&*id, "call-1");
                seen.push(value);
            }
            StreamEvent::ToolResult(result) => {
                assert_eq!(result.outcome, ToolOutcome::Value(json!("abc")));
                seen.push(json!("result"));
            }
            _ => {}
        }
    }
    assert_eq!(seen, [json!("a"), json!("b"), json!("c"), json!("result")]);
    let [span] = spans("write").try_into().expect("one span");
    assert!(attribute(&span, "error.type").is_none());
}

/// Makes a span for each item.
#[tool]
fn traced() -> impl Stream<Item = Result<u8, String>> {
    stream::iter([Ok(1), Err("two".to_owned())]).inspect(|_| {
        global::tracer("test").start("item").end();
    })
}

/// Never ends.
#[tool]
async fn endless() -> impl Stream<Item = u8> {
    std::future::ready(()).await;
    stream::repeat(1)
}

/// Returns an error instead of a stream.
#[tool]
fn unopened() -> Result<impl Stream<Item = u8>, String> {
    if false { Ok(stream::empty()) } else { Err("closed".to_owned()) }
}

#[tokio::test]
async fn span_of_a_direct_call_ends_with_its_stream() {
    LazyLock::force(&SPANS);
    let mut items = traced();
    assert_eq!(items.next().await, Some(Ok(1)));
    assert!(!Context::current().span().span_context().is_valid(), "the consumer is outside");
    assert!(spans("traced").is_empty(), "the stream has not ended");
    assert!(items.next().await.is_some_and(|item| item.is_err()));
    assert_eq!(items.next().await, None);
    let [span] = spans("traced").try_into().expect("one span");
    assert!(attribute(&span, "error.type").is_some());
    let id = span.span_context.span_id();
    let all = SPANS.get_finished_spans().expect("finished spans");
    assert_eq!(
        all.iter().filter(|span| span.name == "item" && span.parent_span_id == id).count(),
        2
    );

    let mut items = Box::pin(endless().await);
    assert_eq!(items.next().await, Some(1));
    drop(items);
    let [span] = spans("endless").try_into().expect("one span");
    assert_eq!(attribute(&span, "chatlas.cancelled").as_deref(), Some("true"));
    assert!(matches!(span.status, Status::Unset));

    assert!(unopened().is_err());
    let [span] = spans("unopened").try_into().expect("one span");
    assert!(attribute(&span, "error.type").is_some());
}

#[tokio::test]
async fn run_time_tool_has_the_same_span() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let run = async |call: chatlas_core::ToolCall| {
        call.context.set_attribute("seen", true);
        match call.arguments["city"].as_str() {
            Some(city) => Ok(city.to_owned()),
            None => Err(ToolError::new("no_city", "which city?")),
        }
    };
    let tool = DynTool::new("dynamic", "Get the weather.", schema, run).expect("a name");
    let mut tools = ToolSet::new();
    tools.add(tool.with_timeout(Duration::from_secs(30))).expect("one name");
    let result = tool_result(tools.clone(), "dynamic", json!({"city": "Oslo"})).await;
    assert_eq!(result, ToolOutcome::Value(json!("Oslo")));
    let result = tool_result(tools, "dynamic", json!({})).await;
    assert_eq!(result, ToolOutcome::Error("which city?".to_owned()));
    let [good, bad] = spans("dynamic").try_into().expect("two spans");
    assert_eq!(attribute(&good, "gen_ai.tool.description").as_deref(), Some("Get the weather."));
    assert_eq!(attribute(&good, "seen").as_deref(), Some("true"));
    assert_eq!(attribute(&bad, "error.type").as_deref(), Some("no_city"));
}
