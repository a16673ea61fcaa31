//! chatlas in a web application that is instrumented with `tracing`: axum, tower-http's
//! `TraceLayer`, `#[instrument]`, and the layer of tracing-opentelemetry. Spans of both kinds are
//! parents of each other; the tests also show which code loses the parent, and how to keep it.

// Some tools have nothing to await, or do not consume their arguments.
#![allow(clippy::unused_async, clippy::needless_pass_by_value)]

#[path = "support/timeout.rs"]
mod timeout;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use http_body_util::BodyExt as _;
use opentelemetry::trace::{
    FutureExt as _, SpanId, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, global};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use serde_json::json;
use timeout::in_time;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;
use tower_http::trace::TraceLayer;
use tracing::{Instrument as _, instrument};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Registry};

/// Get the current weather forecast for a city.
#[tool]
#[instrument]
async fn get_weather(city: String) -> String {
    tracing::info!("called");
    tokio::task::yield_now().await;
    fetch_forecast();
    format!("{city}: rain")
}

/// Returns the forecast from a blocking archive.
#[tool]
#[instrument]
fn get_archive(city: &str) -> String {
    fetch_forecast();
    format!("{city}: rain")
}

#[instrument]
fn fetch_forecast() {
    // A database driver that is instrumented with the OpenTelemetry API.
    let _query = global::tracer("db").start("SELECT forecast");
}

fn model(tool: &str) -> Script {
    Script::new().calls(tool, json!({"city": "Tokyo"})).streams(["Take ", "an umbrella."])
}

fn agent(model: Script) -> Chat {
    Chat::new(model).with_tools(tools![get_weather, get_archive, spawns, awaits_span])
}

async fn go(model: Script) {
    agent(model).chat("go").await.expect("an answer");
}

/// Sets the subscriber of the process once, as an application does. Its layer and the global
/// provider are those of the recorders.
fn subscribe() {
    static ONCE: LazyLock<()> = LazyLock::new(|| {
        let provider = Recorder::tracer_provider();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("app"));
        let subscriber = Registry::default().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("the only one");
    });
    LazyLock::force(&ONCE);
}

/// Sets a subscriber with another layer for this thread only.
fn subscribe_here<L>(layer: L) -> tracing::subscriber::DefaultGuard
where
    L: tracing_subscriber::Layer<Registry> + Send + Sync,
{
    tracing::subscriber::set_default(Registry::default().with(layer))
}

#[instrument]
async fn ask(tool: &str) -> String {
    agent(model(tool)).chat("Tokyo?").await.expect("an answer").text()
}

/// Returns before the reply starts: a spawned task runs the chat.
#[instrument]
async fn stream() -> Sse<impl futures_util::Stream<Item = Result<Event, Infallible>>> {
    let (send, receive) = tokio::sync::mpsc::channel(8);
    let run = async move {
        let mut chat = agent(model("get_weather"));
        let mut events = chat.stream("Tokyo?");
        while let Some(event) = events.next().await {
            if let Ok(StreamEvent::Text(text)) = event
                && send.send(Ok(Event::default().data(text))).await.is_err()
            {
                return; // the client has disconnected
            }
        }
    };
    // This line keeps the context of the handler in the spawned task.
    tokio::spawn(run.with_current_context());
    Sse::new(futures_util::stream::unfold(receive, |mut receive| async move {
        Some((receive.recv().await?, receive))
    }))
}

fn app() -> Router {
    Router::new()
        .route("/ask", get(|| ask("get_weather")))
        .route("/archive", get(|| ask("get_archive")))
        .route("/stream", get(stream))
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request<_>| {
            tracing::info_span!("request", otel.name = format!("GET {}", request.uri().path()))
        }))
}

async fn request(path: &str) -> String {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = app().oneshot(request).await.expect("an answer");
    assert!(response.status().is_success());
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

#[tokio::test]
async fn spans_of_the_web_application_and_the_agent_are_one_chain() {
    subscribe();
    let trace = Recorder::new();
    assert_eq!(in_time(request("/ask")).await, "Take an umbrella.");
    trace.wait_until_idle().await;
    trace.assert_sound();
    assert_eq!(
        trace.tree(),
        "\
GET /ask
  ask
    invoke_agent
      chat test-model
      execute_tool get_weather
        get_weather
          fetch_forecast
            SELECT forecast
      chat test-model
"
    );
}

#[tokio::test]
async fn synchronous_tool_on_a_blocking_thread_is_in_the_chain() {
    subscribe();
    let trace = Recorder::new();
    in_time(request("/archive")).await;
    trace.wait_until_idle().await;
    trace.assert_sound();
    assert!(trace.tree().contains(
        "
      execute_tool get_archive
        get_archive
          fetch_forecast
            SELECT forecast
"
    ));
}

async fn get_over_tcp(address: SocketAddr, path: &str) -> String {
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The server runs on worker threads without the context of the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reply_streamed_after_the_handler_returned_keeps_its_parent() {
    subscribe();
    let trace = Recorder::for_process();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving =
        axum::serve(listener, app()).with_graceful_shutdown(async { drop(stopped.await) });
    let server = tokio::spawn(serving.into_future());
    let body = in_time(get_over_tcp(address, "/stream")).await;
    assert!(body.ends_with("data: Take \n\ndata: an umbrella.\n\n"), "{body}");
    stop.send(()).unwrap();
    in_time(server).await.unwrap().unwrap();
    in_time(trace.wait_until_idle()).await;
    trace.assert_sound();
    assert_eq!(
        trace.tree(),
        "\
GET /stream
  stream
    invoke_agent
      chat test-model
      execute_tool get_weather
        get_weather
          fetch_forecast
            SELECT forecast
      chat test-model
"
    );
    let (handler, agent) = (trace.span("stream"), trace.span("invoke_agent"));
    assert!(handler.data().end_time < agent.data().end_time, "the handler ended before");
}

#[tokio::test]
async fn parent_of_a_stream_is_current_at_its_creation() {
    subscribe();
    let trace = Recorder::new();
    let mut chat = agent(model("get_weather"));
    let stream = tracing::info_span!("created here").in_scope(|| chat.stream("Tokyo?"));
    in_time(stream.count().instrument(tracing::info_span!("consumed there"))).await;
    assert_eq!(trace.parent(&trace.span("invoke_agent")).unwrap().name(), "created here");
    assert_eq!(trace.children(&trace.span("consumed there")).len(), 0);
}

#[tokio::test]
async fn span_around_the_future_is_not_current_at_the_call() {
    subscribe();
    let trace = Recorder::new();
    let mut chat = Chat::new(Script::new().says("ok").says("ok"));
    let outer = || tracing::info_span!("outer");
    chat.chat("go").instrument(outer()).await.unwrap();
    // An async block runs when it is polled: inside the span.
    async { chat.chat("go").await }.instrument(outer()).await.unwrap();
    assert_eq!(
        trace.tree(),
        "\
outer
invoke_agent
  chat test-model
outer
  invoke_agent
    chat test-model
"
    );
}

async fn indexed() {
    fetch_forecast();
}

/// Spawns work in tasks.
#[tool]
async fn spawns(how: String) -> String {
    let work = async {
        tokio::task::yield_now().await;
        indexed().await;
    };
    match how.as_str() {
        "bare" => tokio::spawn(work),
        "context" => tokio::spawn(work.with_current_context()),
        "tracing" => tokio::spawn(work.in_current_span()),
        "context, tracing" => tokio::spawn(work.with_current_context().in_current_span()),
        "tracing, context" => tokio::spawn(work.in_current_span().with_current_context()),
        "blocking" => {
            let here = Context::current();
            tokio::task::spawn_blocking(move || {
                let _here = here.attach();
                fetch_forecast();
            })
        }
        _ => unreachable!(),
    }
    .await
    .expect("the task is well");
    how
}

/// Returns the parent of a span in a task that a tool spawns, below a span of the application.
async fn parent_of_spawned(how: &str) -> String {
    subscribe();
    let trace = Recorder::for_process();
    let model = Script::new().calls("spawns", json!({"how": how})).says("ok");
    let mut chat = agent(model);
    in_time(async { chat.chat("go").await }.instrument(tracing::info_span!("outer")))
        .await
        .unwrap();
    let work = trace.span("fetch_forecast");
    let parent = trace.parent(&work).map_or("none".to_owned(), |parent| parent.name().to_owned());
    assert_eq!(work.parent_id() == SpanId::INVALID, parent == "none");
    parent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawned_work_is_a_child_of_the_tool_only_with_its_context() {
    let tool = "execute_tool spawns";
    assert_eq!(parent_of_spawned("context").await, tool);
    assert_eq!(parent_of_spawned("blocking").await, tool);
    // tracing activates its own span again, over that of the tool.
    assert_eq!(parent_of_spawned("bare").await, "none");
    assert_eq!(parent_of_spawned("tracing").await, "outer");
    // With both, the one that is written first is entered last, and determines the parent.
    assert_eq!(parent_of_spawned("context, tracing").await, tool);
    assert_eq!(parent_of_spawned("tracing, context").await, "outer");
}

static MADE_BEFORE: LazyLock<std::sync::Mutex<Option<tracing::Span>>> =
    LazyLock::new(std::sync::Mutex::default);

/// Works in a span that was created before the run.
#[tool]
async fn awaits_span() -> String {
    let span = MADE_BEFORE.lock().unwrap().take().unwrap();
    async { fetch_forecast() }.instrument(span).await;
    tracing::info_span!(parent: None, "root").in_scope(fetch_forecast);
    "ok".to_owned()
}

#[tokio::test]
async fn tracing_span_keeps_its_original_parent() {
    subscribe();
    let trace = Recorder::for_process();
    let outer = tracing::info_span!("outer");
    let before = tracing::info_span!(parent: &outer, "made before");
    *MADE_BEFORE.lock().unwrap() = Some(before);
    let model = Script::new().calls("awaits_span", json!({})).says("ok");
    in_time(go(model).instrument(outer)).await;
    assert_eq!(
        trace.tree(),
        "\
outer
  made before
    fetch_forecast
      SELECT forecast
  invoke_agent
    chat test-model
    execute_tool awaits_span
    chat test-model
root
  fetch_forecast
    SELECT forecast
"
    );
}

#[tokio::test]
async fn tracing_event_in_a_tool_is_on_the_tracing_span() {
    subscribe();
    let trace = Recorder::new();
    in_time(agent(model("get_weather")).chat("go")).await.unwrap();
    let has_event = |name: &str| trace.span(name).events().iter().any(|(name, _)| name == "called");
    assert!(has_event("get_weather"));
    assert!(!has_event("execute_tool get_weather"));
}

#[tokio::test]
async fn without_a_global_provider_only_tracing_spans_are_recorded() {
    subscribe();
    let trace = Recorder::for_process();
    global::set_tracer_provider(opentelemetry::trace::noop::NoopTracerProvider::new());
    in_time(request("/ask")).await;
    trace.wait_until_idle().await;
    assert_eq!(
        trace.tree(),
        "\
GET /ask
  ask
    get_weather
      fetch_forecast
"
    );
}

#[tokio::test]
async fn two_providers_export_parts_of_one_chain() {
    let trace = Recorder::for_process();
    let exporter = InMemorySpanExporter::default();
    let other = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(other.tracer("app"));
    let _here = subscribe_here(layer);
    let outer = tracing::info_span!("outer");
    in_time(go(model("get_weather")).instrument(outer)).await;
    let theirs = exporter.get_finished_spans().unwrap();
    let find = |name: &str| theirs.iter().find(|span| span.name == name).unwrap();
    assert_eq!(trace.span("invoke_agent").parent_id(), find("outer").span_context.span_id());
    let body = find("get_weather").parent_span_id;
    assert_eq!(body, trace.span("execute_tool get_weather").id());
}

#[tokio::test]
async fn filtered_spans_are_skipped_as_parents() {
    let trace = Recorder::new();
    let layer =
        tracing_opentelemetry::layer().with_tracer(Recorder::tracer_provider().tracer("app"));
    let _here = subscribe_here(layer.with_filter(EnvFilter::new("interop=warn")));
    let outer = tracing::warn_span!("outer");
    in_time(go(model("get_weather")).instrument(outer)).await;
    trace.assert_sound();
    assert_eq!(
        trace.parent(&trace.span("SELECT forecast")).unwrap().name(),
        "execute_tool get_weather"
    );
}

/// The behaviour of tracing-opentelemetry before 0.32, which a setting restores.
#[tokio::test]
async fn without_context_activation_spans_do_not_nest() {
    let trace = Recorder::new();
    let layer =
        tracing_opentelemetry::layer().with_tracer(Recorder::tracer_provider().tracer("app"));
    let _here = subscribe_here(layer.with_context_activation(false));
    let outer = tracing::info_span!("outer");
    in_time(go(model("get_weather")).instrument(outer)).await;
    assert_eq!(trace.span("invoke_agent").parent_id(), SpanId::INVALID);
    assert_eq!(trace.parent(&trace.span("get_weather")).unwrap().name(), "outer");
}

#[tokio::test]
async fn no_span_of_the_library_is_current_between_events() {
    subscribe();
    let trace = Recorder::new();
    let slow = Answer::streams(["a", "b"]).with_chunk_delay(Duration::from_millis(1));
    let mut chat = Chat::new(Script::new().then(slow));
    let mut stream = chat.stream("go");
    while in_time(stream.next()).await.is_some() {
        assert!(!Context::current().span().span_context().is_valid());
        tracing::info_span!("mine").in_scope(|| ());
    }
    let spans = trace.spans();
    let mine: Vec<_> = spans.iter().filter(|span| span.name() == "mine").collect();
    assert!(mine.len() >= 3);
    assert!(mine.iter().all(|span| span.parent_id() == SpanId::INVALID));
}
