//! The OpenAI provider against a small server that keeps its connections open: what is shown of
//! secrets, which errors come out, how many connections are made.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, Provider as _, ProviderError, ProviderErrorKind, Turn,
};
use chatlas_providers::http::HttpOptions;
use chatlas_providers::openai::OpenAi;
use futures_util::StreamExt as _;
use serde_json::json;

/// A key in no known form, so that only knowing it can hide it.
const CANARY: &str = "canary-0123456789abcdef";

struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

/// Gives that answer to every request. The end of the body leaves that much later than the rest.
fn serve(status: u16, kind: &str, body: &str, end_after: Duration) -> Server {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let connections = Arc::new(AtomicUsize::new(0));
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let answer = format!("{head}{:x}\r\n{body}\r\n", body.len());
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            // A client that went away is no failure of the server's.
            std::thread::spawn(move || answer_all(connection, &answer, end_after).is_ok());
        }
    });
    Server { url, connections }
}

fn answer_all(connection: TcpStream, answer: &str, end_after: Duration) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        reader.read_exact(&mut vec![0; length])?;
        reader.get_mut().write_all(answer.as_bytes())?;
        std::thread::sleep(end_after);
        reader.get_mut().write_all(b"0\r\n\r\n")?;
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .expect("a runtime")
        .block_on(async { tokio::time::timeout(Duration::from_secs(10), future).await })
        .expect("in time")
}

fn model(server: &Server) -> OpenAi {
    OpenAi::new("gpt-4o").with_base_url(&server.url).with_api_key(CANARY)
}

fn hi() -> ChatRequest {
    ChatRequest::new([Turn::user("hi")])
}

async fn stream(model: &OpenAi) -> Result<Completion, ProviderError> {
    let mut events = model.chat_stream(hi()).await?;
    while let Some(event) = events.next().await {
        if let CompletionEvent::Done(completion) = event? {
            // As the loop does: what comes after the last event is not waited for.
            return Ok((*completion).clone());
        }
    }
    panic!("no last event");
}

fn completed() -> String {
    let response = json!({
        "id": "resp_1", "status": "completed", "model": "gpt-4o",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
    });
    format!("data: {}\n\n", json!({"type": "response.completed", "response": response}))
}

#[test]
fn streamed_reply_returns_its_connection_to_the_pool() {
    for end_after in [0, 3] {
        let end_after = Duration::from_millis(end_after);
        let server = serve(200, "text/event-stream", &completed(), end_after);
        let model = model(&server);
        run(async {
            for _ in 0..4 {
                assert_eq!(stream(&model).await.expect("an answer").text(), "Hello");
            }
        });
        assert_eq!(server.connections.load(Ordering::SeqCst), 1, "{end_after:?}");
    }
}

#[test]
fn unfinished_body_does_not_delay_the_reply() {
    let server = serve(200, "text/event-stream", &completed(), Duration::from_secs(60));
    let model = model(&server);
    assert_eq!(run(stream(&model)).expect("an answer").text(), "Hello");
}

#[test]
fn error_event_without_a_type_is_read_and_redacted() {
    let body = json!({"error": {"code": "invalid_api_key", "message": format!("bad {CANARY}!")}});
    let server = serve(200, "text/event-stream", &format!("data: {body}\n\n"), Duration::ZERO);
    let error = run(stream(&model(&server))).expect_err("an error");
    assert_eq!(error.kind(), ProviderErrorKind::Authentication);
    assert_eq!(error.message(), "bad [redacted]!");
    assert!(!format!("{error} {error:?}").contains(CANARY));
}

#[test]
fn failed_response_is_redacted() {
    let body = json!({"status": "failed", "error": {"code": "x", "message": CANARY}});
    let server = serve(200, "application/json", &body.to_string(), Duration::ZERO);
    let error = run(model(&server).chat(hi())).expect_err("an error");
    assert_eq!(error.message(), "[redacted]");
}

#[test]
fn key_in_a_custom_header_is_redacted() {
    let body = json!({"error": {"message": format!("the header {CANARY} is wrong")}});
    let server = serve(401, "application/json", &body.to_string(), Duration::ZERO);
    let options =
        HttpOptions::default().with_header("api-key", CANARY).with_header("x-team", "error");
    let model = OpenAi::new("gpt-4o").with_base_url(&server.url).with_http(options);
    let error = run(model.chat(hi())).expect_err("an error");
    assert_eq!(error.message(), "the header [redacted] is wrong");
}

#[test]
fn short_key_does_not_break_error_codes() {
    let body = json!({"error": {"message": "no model", "code": "model_not_found"}});
    let server = serve(404, "application/json", &body.to_string(), Duration::ZERO);
    let error = run(model(&server).with_api_key("error").chat(hi())).expect_err("an error");
    assert_eq!(error.kind(), ProviderErrorKind::ModelNotFound);
}

#[test]
fn secrets_in_the_url_are_redacted() {
    let model = OpenAi::new("gpt-4o")
        .with_base_url(format!("http://user:{CANARY}@127.0.0.1:9/?key={CANARY}"));
    assert!(!format!("{model:?}").contains(CANARY));
    let options = HttpOptions::default().with_max_retries(0);
    let error = run(model.with_http(options).chat(hi())).expect_err("there is no server");
    assert_eq!(error.kind(), ProviderErrorKind::Connection);
    assert!(error.message().starts_with("cannot reach 127.0.0.1:9: "), "{error}");
    assert!(!format!("{error} {error:?}").contains(CANARY));
}

#[test]
fn missing_key_is_named_in_the_error() {
    for url in ["https://api.openai.com/v1", "https://api.openai.com", "https://API.openai.com/v1/"]
    {
        for key in ["", " \n"] {
            let error = run(OpenAi::new("gpt-4o").with_base_url(url).with_api_key(key).chat(hi()));
            let error = error.expect_err("no key");
            assert_eq!(error.kind(), ProviderErrorKind::Authentication, "{url}");
            assert!(error.message().contains("OPENAI_API_KEY"), "{error}");
            assert!(error.message().contains(".with_api_key("), "{error}");
        }
    }
}

#[test]
fn long_error_body_is_read_up_to_a_limit() {
    let server = serve(400, "text/plain", &"no ".repeat(4_000_000), Duration::from_secs(60));
    let error = run(model(&server).chat(hi())).expect_err("an error");
    assert_eq!(error.status(), Some(400));
    assert!(error.message().len() < 400);
}
