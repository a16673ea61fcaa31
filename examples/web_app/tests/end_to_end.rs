//! The application as a browser uses it: one trace from the request to the database, who asked, what
//! they thought of the answer, and what happens when they go away. The page itself in a real browser.

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

/// The application on a free port, with its telemetry recorded.
async fn start() -> (Recorder, String) {
    let (recorder, url, _) = start_watched().await;
    (recorder, url)
}

/// The same, with a page beside it that uses the page of the application, and tells what it saw.
async fn start_watched() -> (Recorder, String, mpsc::Receiver<String>) {
    // For the client of these tests; chatlas brings its own where none is installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let recorder = Recorder::exclusive();
    telemetry::trace_the_application();
    global::set_text_map_propagator(opentelemetry_sdk::propagation::TraceContextPropagator::new());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (saw, seen) = mpsc::channel(8);
    let router = app::router(app::App::new().await.expect("the application"))
        .route("/watch", get(|| async { Html(include_str!("watch.html")) }))
        .route("/watched", post(async move |what: String| drop(saw.send(what).await)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (recorder, url, seen)
}

fn question(text: &str) -> Value {
    json!({"user": "ada", "session": "s-1", "text": text})
}

async fn ask(url: &str, text: &str, traceparent: Option<&str>) -> (u16, String) {
    let mut request = reqwest::Client::new().post(format!("{url}/chat")).json(&question(text));
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

/// The data of the events of that name.
fn events(body: &str, name: &str) -> Vec<Value> {
    let wanted = format!("event: {name}\ndata: ");
    let data = body.split("\n\n").filter_map(|block| block.strip_prefix(&wanted));
    data.map(|data| serde_json::from_str(data).expect("data is JSON")).collect()
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
async fn one_trace_leads_from_the_request_to_the_database() {
    let (recorder, url) = start().await;
    let (status, body) = ask(&url, "A room for 3, please.", None).await;
    let text: String = events(&body, "text").iter().filter_map(Value::as_str).collect();
    let expected = "The Family room would suit you: it costs 190 a night.";
    assert_eq!((status, text.as_str()), (200, expected));
    assert_eq!(events(&body, "tool"), [json!("find_rooms")]);
    recorder.settled().await;
    recorder.assert_sound();
    assert_eq!(recorder.tree(), TREE);
    let request = recorder.span("POST /chat");
    assert_eq!(request.kind(), SpanKind::Server);
    for span in recorder.spans_of("chat").iter().chain(&recorder.spans_of("execute_tool")) {
        assert_eq!(span["user.id"], "ada");
        assert_eq!(span["session.id"], "s-1");
    }
    assert_eq!(recorder.span("SELECT rooms")["db.system.name"], "sqlite");
}

#[tokio::test]
async fn a_trace_that_began_elsewhere_is_continued() {
    let (recorder, url) = start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    ask(&url, "A room for 2?", Some(parent)).await;
    recorder.settled().await;
    let request = recorder.span("POST /chat");
    assert_eq!(request.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(request.parent_id().to_string(), "b7ad6b7169203331");
    assert_eq!(recorder.spans_of("invoke_agent")[0].trace_id(), request.trace_id());
}

#[tokio::test]
async fn what_people_think_stands_beside_the_answer() {
    let (recorder, url) = start().await;
    let (_, body) = ask(&url, "A room for 1?", None).await;
    let reply = events(&body, "done").remove(0);
    let told = json!({"reply": reply, "good": true});
    let response = reqwest::Client::new().post(format!("{url}/feedback")).json(&told).send().await;
    assert_eq!(response.expect("an answer").status(), 204);
    recorder.settled().await;
    let verdict = recorder.event("gen_ai.evaluation.result");
    assert_eq!(verdict.attributes().get("gen_ai.evaluation.score.label"), Some(&json!("good")));
    let judged = recorder.spans_of("chat").into_iter().find(|span| span.id() == verdict.span_id());
    let judged = judged.expect("the call that gave the answer");
    assert_eq!(judged["gen_ai.response.finish_reasons"], json!(["stop"]));
}

#[tokio::test]
async fn a_browser_that_goes_away_ends_the_conversation_and_its_spans() {
    let (recorder, url) = start().await;
    let client = reqwest::Client::new();
    let mut response = client
        .post(format!("{url}/chat"))
        .json(&question("A room for 2?"))
        .send()
        .await
        .expect("an answer");
    response.chunk().await.expect("a first piece");
    drop(response);
    drop(client);
    tokio::time::timeout(Duration::from_secs(20), recorder.settled()).await.expect("all ended");
    recorder.assert_sound();
    assert_eq!(recorder.span("invoke_agent concierge")["chatlas.cancelled"], true);
}

#[tokio::test]
async fn a_question_that_is_none_is_refused() {
    let (_recorder, url) = start().await;
    for text in ["", "  ", &"x".repeat(4001)] {
        let (status, body) = ask(&url, text, None).await;
        assert_eq!((status, body.as_str()), (422, "a question has 1 to 4000 characters"));
    }
}

/// Needs Chromium; where there is none it is skipped, but for `CI=true`.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_shows_the_answer_and_takes_a_verdict_in_a_browser() {
    let (recorder, url, mut seen) = start_watched().await;
    let profile = std::env::temp_dir().join(format!("chatlas-web-app-{}", std::process::id()));
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
    browser.args(["--no-first-run", "--disable-background-networking", "--disable-sync"]);
    browser.args(["--disable-component-update"]).stdout(Stdio::null()).stderr(Stdio::null());
    browser.arg(format!("--user-data-dir={}", profile.display())).arg(format!("{url}/watch"));
    let mut browser = match browser.spawn() {
        Ok(browser) => browser,
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "chromium is needed: {error}");
            println!("skipped: there is no chromium ({error})");
            return;
        }
    };
    let saw = tokio::time::timeout(Duration::from_mins(2), seen.recv()).await;
    browser.kill().expect("it runs");
    browser.wait().expect("it ends");
    // Left behind where it cannot be removed: it is a folder for temporary files.
    let _ = std::fs::remove_dir_all(profile);

    let talk = saw.expect("the browser shows the page").expect("the page is watched");
    assert!(talk.contains("A room for 3, please"), "{talk}");
    assert!(talk.contains("The Family room would suit you: it costs 190 a night."), "{talk}");
    assert!(talk.contains("looked up: find_rooms"), "{talk}");
    assert!(talk.contains("<button aria-pressed=\"true\">Helpful"), "{talk}");
    assert!(talk.contains("<button aria-pressed=\"false\">Not helpful"), "{talk}");
    recorder.settled().await;
    assert!(recorder.tree().contains(TREE), "{}", recorder.tree());
    let verdict = recorder.event("gen_ai.evaluation.result");
    assert_eq!(verdict.attributes().get("gen_ai.evaluation.score.label"), Some(&json!("good")));
}
