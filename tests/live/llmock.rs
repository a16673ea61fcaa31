//! A mock server of another project that injects faults on demand and grades its clients. Set
//! `CHATLAS_LIVE_LLMOCK` to its address (`http://127.0.0.1:4020`). It must delay its chunks
//! (`--stream-chunk-delay-ms 60`): otherwise it does not notice clients that stop reading.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::history::assert_in_order;
use crate::support::protocols::{PROTOCOLS, Protocol};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{HttpOptions, ProviderError, ProviderErrorKind as Kind};
use serde_json::{Value, json};

/// Get the current weather of a city.
#[tool]
async fn get_weather(city: String) -> String {
    tokio::task::yield_now().await;
    format!("{city}: 14°C, light rain")
}

/// The faulty server.
struct Llmock {
    url: String,
}

impl Llmock {
    /// Sends a request to the server's control API and returns the response.
    fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let address = self.url.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).expect("a running server");
        let request = format!(
            "{method} /_llmock/{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("a response");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 2"), "{path}: {answer}");
        serde_json::from_str(body).unwrap_or_default()
    }

    fn post(&self, path: &str, body: &Value) {
        self.control("POST", path, &body.to_string());
    }

    fn next(&self, behaviors: &Value) {
        self.post("scenario", &json!({ "behaviors": behaviors }));
    }

    fn verdict(&self) -> Value {
        self.control("GET", "verdict", "")
    }

    /// Returns the address of its endpoint for a protocol; `None` if it does not support it.
    fn root(&self, protocol: &Protocol) -> Option<String> {
        let path = match protocol.target {
            "responses" | "completions" => "",
            "messages" => "/anthropic",
            "gemini" => "/gemini",
            _ => return None,
        };
        Some(format!("{}{path}", self.url))
    }
}

/// Returns a new prompt: the server would count a repeated one as a retry.
fn question() -> String {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    format!("Question {number}: how is the weather in Tokyo?")
}

async fn run(chat: &mut Chat, prompt: &str, streams: bool) -> Result<Reply, ProviderError> {
    let ended = if streams {
        let mut stream = chat.stream(prompt);
        loop {
            match in_time(stream.next()).await.expect("an end") {
                Ok(StreamEvent::Done(reply)) => break Ok(*reply),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        }
    } else {
        in_time(chat.chat(prompt)).await
    };
    ended.map_err(|error| match error {
        ChatError::Provider(error) => error,
        other => panic!("{other:?}"),
    })
}

#[tokio::test]
async fn grading_server_reports_no_violations() {
    let Ok(url) = std::env::var("CHATLAS_LIVE_LLMOCK") else {
        println!("skipped: set CHATLAS_LIVE_LLMOCK to the address of an llmock server");
        return;
    };
    let llmock = Llmock { url };
    llmock.post("reset", &json!({}));
    let fault = |kind: &str| json!([{"type": "stream_fault", "kind": kind, "after_chunks": 2}]);
    let fails =
        |status: u16, times: u32| json!([{"type": "fail", "status": status, "times": times}]);
    let limited = json!([{"type": "fail", "status": 429, "retry_after": 1, "times": 2}]);
    let unknown = json!([{"type": "tool_fault", "kind": "unknown_tool"}]);
    let malformed = json!([{"type": "tool_fault", "kind": "malformed_arguments"}]);
    // Early, so that the server notices the closed connection.
    let broken = json!([{"type": "stream_fault", "kind": "malformed", "after_chunks": 1}]);
    let ends = [Kind::TruncatedStream, Kind::MalformedReply];
    for protocol in PROTOCOLS {
        let Some(root) = llmock.root(protocol) else { continue };
        for (what, behaviors, kinds) in [
            ("nothing", json!([]), &[][..]),
            ("too many requests", limited.clone(), &[]),
            ("503 twice", fails(503, 2), &[]),
            ("500 once", fails(500, 1), &[]),
            ("529 once", fails(529, 1), &[]),
            ("an unknown tool", unknown.clone(), &[]),
            ("broken arguments", malformed.clone(), &[]),
            ("400", fails(400, 1), &[Kind::InvalidRequest]),
            ("401", fails(401, 1), &[Kind::Authentication]),
            ("403", fails(403, 1), &[Kind::Authentication]),
            ("404", fails(404, 1), &[Kind::ModelNotFound, Kind::InvalidRequest]),
            ("disconnect", fault("disconnect"), &[Kind::TruncatedStream]),
            ("truncate", fault("truncate"), &ends),
            ("malformed", broken.clone(), &[Kind::MalformedReply]),
            (
                "stall",
                json!([{"type": "stream_fault", "kind": "stall", "after_chunks": 2, "stall_seconds": 5.0}]),
                &[Kind::Timeout],
            ),
        ] {
            for streams in [true, false] {
                if !streams && behaviors[0]["type"] == "stream_fault" {
                    continue;
                }
                let trace = Recorder::new();
                if behaviors.as_array().is_some_and(|list| !list.is_empty()) {
                    llmock.next(&behaviors);
                }
                let options = HttpOptions::default().with_read_timeout(Duration::from_secs(1));
                let breaks = behaviors[0]["type"] == "stream_fault";
                let mut chat = (protocol.chat)(&root, options);
                if !breaks {
                    // The stream of a tool call may be too short to interrupt.
                    chat = chat.with_tools(tools![get_weather]);
                }
                let prompt = question();
                let ended = run(&mut chat, &prompt, streams).await;
                let context = format!("{}, {what}, streams: {streams}: {ended:?}", protocol.name);
                match &ended {
                    Ok(reply) => assert!(kinds.is_empty() && !reply.text().is_empty(), "{context}"),
                    Err(error) => assert!(kinds.contains(&error.kind()), "{context}"),
                }
                trace.assert_sound();
                assert_in_order(chat.turns());
                if breaks {
                    // Text was received before the failure, so the retry is left to the program, after the
                    // server has noticed the closed connection.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    chat.set_turns(Vec::<Turn>::new());
                    assert!(run(&mut chat, &prompt, streams).await.is_ok(), "{context}: again");
                }
                assert!(run(&mut chat, &question(), streams).await.is_ok(), "{context}: the next");
            }
        }
    }
    let verdict = llmock.verdict();
    println!("{verdict:#}");
    let findings = verdict["findings"].as_array().map_or(0, Vec::len);
    assert_eq!(findings, 0, "{verdict:#}");
}
