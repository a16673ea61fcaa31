//! A server that nobody of this project wrote, and which breaks what it serves on demand and
//! grades its client: set `CHATLAS_LIVE_LLMOCK` to its address (`http://127.0.0.1:4020`). It has to
//! pace its streams (`--stream-chunk-delay-ms 60`): otherwise it cannot see who stops reading.

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
    /// What it answers on its own pages.
    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let place = self.url.trim_start_matches("http://");
        let mut connection = TcpStream::connect(place).expect("it is there");
        let request = format!(
            "{method} /_llmock/{path} HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 2"), "{path}: {answer}");
        serde_json::from_str(body).unwrap_or_default()
    }

    fn post(&self, path: &str, body: &Value) {
        self.ask("POST", path, &body.to_string());
    }

    fn next(&self, behaviors: &Value) {
        self.post("scenario", &json!({ "behaviors": behaviors }));
    }

    fn verdict(&self) -> Value {
        self.ask("GET", "verdict", "")
    }

    /// The address of its server for that protocol; `None` where it has none.
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

/// Something that was never asked before: the server takes the same question for a retry.
fn question() -> String {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    format!("Question {number}: how is the weather in Tokyo?")
}

async fn talk(chat: &mut Chat, prompt: &str, streams: bool) -> Result<Reply, ProviderError> {
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
async fn a_server_that_grades_its_clients_has_nothing_to_complain_of() {
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
    // Early, so that the server sees that nobody reads on.
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
                    // A call of a tool may be too short a stream to break.
                    chat = chat.with_tools(tools![get_weather]);
                }
                let prompt = question();
                let ended = talk(&mut chat, &prompt, streams).await;
                let told = format!("{}, {what}, streams: {streams}: {ended:?}", protocol.name);
                match &ended {
                    Ok(reply) => assert!(kinds.is_empty() && !reply.text().is_empty(), "{told}"),
                    Err(error) => assert!(kinds.contains(&error.kind()), "{told}"),
                }
                trace.assert_sound();
                assert_in_order(chat.turns());
                if breaks {
                    // Words were handed on before it broke: to ask again is the program's to do,
                    // when the server has seen that nobody reads on.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    chat.set_turns(Vec::<Turn>::new());
                    assert!(talk(&mut chat, &prompt, streams).await.is_ok(), "{told}: again");
                }
                assert!(talk(&mut chat, &question(), streams).await.is_ok(), "{told}: the next");
            }
        }
    }
    let verdict = llmock.verdict();
    println!("{verdict:#}");
    let findings = verdict["findings"].as_array().map_or(0, Vec::len);
    assert_eq!(findings, 0, "{verdict:#}");
}
