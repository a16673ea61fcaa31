//! The application as a browser uses it: one trace from the request to the database, the user, the
//! feedback on the answer, and a browser that disconnects. The last test uses a real browser.

use std::process::{Command, Stdio};
use std::time::Duration;

use axum::response::Html;
use axum::routing::{get, post};
use chatlas::testing::Recorder;
use chatlas_web_app::{app, telemetry};
use opentelemetry::global;
use opentelemetry::trace::SpanKind;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Starts the application on a free port, and records its telemetry.
async fn start() -> (Recorder, String) {
    let (recorder, url, _) = start_with_watcher().await;
    (recorder, url)
}

/// Starts the application with an additional page. That page operates the page of the application in
/// an iframe and reports its content.
async fn start_with_watcher() -> (Recorder, String, mpsc::Receiver<String>) {
    // For the HTTP client of these tests.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let recorder = Recorder::for_process();
    telemetry::install_tracing_layer();
    global::set_text_map_propagator(opentelemetry_sdk::propagation::TraceContextPropagator::new());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, reports) = mpsc::channel(8);
    let router = app::router(app::App::new().expect("the application"))
        .route("/watch", get(|| async { Html(include_str!("watch.html")) }))
        .route("/watched", post(async move |report: String| drop(sender.send(report).await)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (recorder, url, reports)
}

fn question(text: &str) -> Value {
    let message = json!({"id": "u1", "role": "user", "parts": [{"type": "text", "text": text}]});
    json!({"user": "ada", "id": "s-1", "messages": [message], "trigger": "submit-message"})
}

async fn ask(url: &str, text: &str, traceparent: Option<&str>) -> (u16, String) {
    let mut request = reqwest::Client::new().post(format!("{url}/chat")).json(&question(text));
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

/// Returns the chunks of that type.
fn chunks(body: &str, kind: &str) -> Vec<Value> {
    let data = body.split("\n\n").filter_map(|block| block.strip_prefix("data: "));
    let chunks = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    chunks.filter(|chunk| chunk["type"] == kind).collect()
}

const TREE: &str = "\
POST /chat
  invoke_agent concierge
    chat clerk-1
    execute_tool find_rooms
      SELECT rooms
    chat clerk-1
";

#[tokio::test]
async fn one_trace_contains_the_request_and_the_database_query() {
    let (recorder, url) = start().await;
    let (status, body) = ask(&url, "A room for 3, please.", None).await;
    let deltas = chunks(&body, "text-delta");
    let text: String = deltas.iter().filter_map(|chunk| chunk["delta"].as_str()).collect();
    let expected = "The Family room would suit you: it costs 190 a night.";
    assert_eq!((status, text.as_str()), (200, expected));
    assert_eq!(chunks(&body, "tool-input-available")[0]["toolName"], "find_rooms");
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    recorder.wait_until_idle().await;
    recorder.assert_sound();
    assert_eq!(recorder.tree(), TREE);
    let request = recorder.span("POST /chat");
    assert_eq!(request.kind(), SpanKind::Server);
    for span in recorder
        .spans_with_operation("chat")
        .iter()
        .chain(&recorder.spans_with_operation("execute_tool"))
    {
        assert_eq!(span["user.id"], "ada");
        assert_eq!(span["session.id"], "s-1");
    }
    assert_eq!(recorder.span("SELECT rooms")["db.system.name"], "sqlite");
}

#[tokio::test]
async fn trace_of_the_caller_is_continued() {
    let (recorder, url) = start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    ask(&url, "A room for 2?", Some(parent)).await;
    recorder.wait_until_idle().await;
    let request = recorder.span("POST /chat");
    assert_eq!(request.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(request.parent_id().to_string(), "b7ad6b7169203331");
    assert_eq!(recorder.spans_with_operation("invoke_agent")[0].trace_id(), request.trace_id());
}

#[tokio::test]
async fn feedback_is_recorded_in_the_trace_of_the_answer() {
    let (recorder, url) = start().await;
    let (_, body) = ask(&url, "A room for 1?", None).await;
    let reply = chunks(&body, "finish").remove(0)["messageMetadata"]["reply"].take();
    let feedback = json!({"reply": reply, "good": true});
    let response =
        reqwest::Client::new().post(format!("{url}/feedback")).json(&feedback).send().await;
    assert_eq!(response.expect("an answer").status(), 204);
    recorder.wait_until_idle().await;
    let evaluation = recorder.event("gen_ai.evaluation.result");
    assert_eq!(evaluation.attributes().get("gen_ai.evaluation.score.label"), Some(&json!("good")));
    let rated = recorder
        .spans_with_operation("chat")
        .into_iter()
        .find(|span| span.id() == evaluation.span_id());
    let rated = rated.expect("the call that gave the answer");
    assert_eq!(rated["gen_ai.response.finish_reasons"], json!(["stop"]));
}

#[tokio::test]
async fn disconnected_browser_ends_the_run_and_its_spans() {
    let (recorder, url) = start().await;
    let client = reqwest::Client::new();
    let mut response = client
        .post(format!("{url}/chat"))
        .json(&question("A room for 2?"))
        .send()
        .await
        .expect("an answer");
    response.chunk().await.expect("a first chunk");
    drop(response);
    drop(client);
    tokio::time::timeout(Duration::from_secs(20), recorder.wait_until_idle())
        .await
        .expect("all ended");
    recorder.assert_sound();
    assert_eq!(recorder.span("invoke_agent concierge")["chatlas.cancelled"], true);
}

#[tokio::test]
async fn messages_of_a_conversation_are_returned_after_a_reload() {
    let (_recorder, url) = start().await;
    ask(&url, "A room for 3, please.", None).await;
    let messages = reqwest::get(format!("{url}/chat/s-1")).await.expect("an answer");
    let messages: Value = messages.json().await.expect("JSON");
    assert_eq!(messages[0]["parts"][0]["text"], "A room for 3, please.");
    let answer = messages[1]["parts"].as_array().expect("parts");
    let call = answer.iter().find(|part| part["type"] == "dynamic-tool").expect("a call");
    assert_eq!((&call["state"], &call["input"]["guests"]), (&json!("output-available"), &json!(3)));
    assert_eq!(messages.as_array().map(Vec::len), Some(2));
    let unknown = reqwest::get(format!("{url}/chat/other")).await.expect("an answer");
    assert_eq!(unknown.text().await.expect("a body"), "[]");
}

#[tokio::test]
async fn empty_and_too_long_questions_are_rejected() {
    let (_recorder, url) = start().await;
    for text in ["", "  ", &"x".repeat(4001)] {
        let (status, body) = ask(&url, text, None).await;
        assert_eq!((status, body.as_str()), (422, "a question has 1 to 4000 characters"));
    }
}

/// Needs Chromium. Without it, the test is skipped, or fails if `CI=true`.
#[tokio::test(flavor = "multi_thread")]
async fn page_shows_the_answer_and_sends_feedback_in_a_browser() {
    let (recorder, url, mut reports) = start_with_watcher().await;
    let profile = std::env::temp_dir().join(format!("chatlas-web-app-{}", std::process::id()));
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
    browser.args(["--no-first-run", "--disable-background-networking", "--disable-sync"]);
    browser.args(["--disable-component-update"]).stdout(Stdio::null()).stderr(Stdio::null());
    browser.arg(format!("--user-data-dir={}", profile.display())).arg(format!("{url}/watch"));
    let mut browser = match browser.spawn() {
        Ok(browser) => browser,
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "Chromium is required: {error}");
            println!("skipped: Chromium cannot be started ({error})");
            return;
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(90), reports.recv()).await;
    browser.kill().expect("it runs");
    browser.wait().expect("it ends");
    // A profile that cannot be removed stays in the temporary folder.
    let _ = std::fs::remove_dir_all(profile);

    let report = report.expect("a report in time").expect("a report");
    let Some((talk, reloaded)) = report.split_once("\n=====\n") else { panic!("{report}") };
    let answer = "The Family room would suit you: it costs 190 a night.";
    assert!(reloaded.contains(answer) && reloaded.contains("find_rooms"), "{reloaded}");
    assert!(reloaded.ends_with("A room for <b>3</b>, please"), "the list of conversations");
    assert!(talk.contains("tokens"), "{talk}");
    assert!(talk.contains("A room for "), "{talk}");
    assert!(talk.contains(answer), "{talk}");
    assert!(talk.contains("find_rooms"), "{talk}");
    assert!(talk.contains("&lt;b&gt;3&lt;/b&gt;"), "HTML in a message is text: {talk}");
    assert!(talk.contains("<summary>"), "{talk}");
    assert!(talk.contains("aria-pressed=\"true\">Helpful"), "{talk}");
    assert!(talk.contains("aria-pressed=\"false\">Not helpful"), "{talk}");
    recorder.wait_until_idle().await;
    assert!(recorder.tree().contains(TREE), "{}", recorder.tree());
    let evaluation = recorder.event("gen_ai.evaluation.result");
    assert_eq!(evaluation.attributes().get("gen_ai.evaluation.score.label"), Some(&json!("good")));
}
