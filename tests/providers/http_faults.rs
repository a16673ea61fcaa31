//! Failure statuses, unreachable servers and redirects, in every protocol: typed errors, bounded and
//! recorded retries, tools that run once, and redacted secrets.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::support::protocols::{KEY, PROTOCOLS, Protocol};
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::{RecordedSpan, Recorder};
use chatlas::{HttpOptions, ProviderError, ProviderErrorKind as Kind};
use serde_json::json;

const HEADER: &str = "canary-header-7a8b";
const PASSWORD: &str = "canary-password-9c0d";
const BODY: &str = "canary-body-4e5f";
const PROMPT: &str = "canary-prompt-6a7b";

fn options() -> HttpOptions {
    HttpOptions::default().with_spans(true).with_header("x-team", HEADER)
}

async fn fails(chat: &mut Chat, streams: bool) -> ProviderError {
    let error = if streams {
        let mut stream = chat.stream(PROMPT);
        loop {
            match in_time(stream.next()).await.expect("an end") {
                Ok(StreamEvent::Done(reply)) => panic!("{reply:?}"),
                Ok(_) => {}
                Err(error) => break error,
            }
        }
    } else {
        in_time(chat.chat(PROMPT)).await.expect_err("an error")
    };
    match error {
        ChatError::Provider(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Returns the `http.request.resend_count` of each recorded attempt.
fn resends(trace: &Recorder) -> Vec<u64> {
    let attempts = trace.spans().into_iter().filter(|span| span.name() == "POST");
    attempts.map(|span| span["http.request.resend_count"].as_u64().unwrap_or_default()).collect()
}

fn failure(protocol: &Protocol, status: u16) -> Answer {
    // A short delay, because retries honour it.
    Answer::json(status, &(protocol.error_body)(BODY)).header("retry-after-ms", "1")
}

#[tokio::test]
async fn failure_statuses_are_typed_and_transient_ones_retried() {
    const AGAIN: [u64; 3] = [0, 1, 2];
    const ONCE: [u64; 1] = [0];
    for protocol in PROTOCOLS {
        for (status, kinds, attempts) in [
            (400, &[Kind::InvalidRequest][..], &ONCE[..]),
            (401, &[Kind::Authentication], &ONCE),
            (403, &[Kind::Authentication], &ONCE),
            (404, &[Kind::InvalidRequest, Kind::ModelNotFound], &ONCE),
            (408, &[Kind::Timeout], &AGAIN),
            (413, &[Kind::InvalidRequest, Kind::ContextTooLong], &ONCE),
            (429, &[Kind::RateLimit], &AGAIN),
            (500, &[Kind::Overloaded], &AGAIN),
            (502, &[Kind::Overloaded], &AGAIN),
            (503, &[Kind::Overloaded], &AGAIN),
            (529, &[Kind::Overloaded], &AGAIN),
        ] {
            for streams in [false, true] {
                let trace = Recorder::new();
                let server = Server::start(vec![failure(protocol, status)]);
                let mut chat = (protocol.chat)(server.root(), options());
                let error = fails(&mut chat, streams).await;
                let context = format!("{} {status}: {error:?}", protocol.name);
                assert!(kinds.contains(&error.kind()), "{context}");
                assert_eq!(error.status(), Some(status), "{context}");
                assert!(error.message().contains(BODY), "{context}");
                assert_eq!(server.sent().len(), attempts.len(), "{context}");
                assert!(chat.turns().is_empty(), "{context}");
                trace.assert_sound();
                assert_eq!(resends(&trace), attempts, "{context}");
                let failed = trace.spans();
                assert_eq!(failed.len(), attempts.len() + 2, "{context}");
                assert!(failed.iter().all(RecordedSpan::is_error), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn retry_after_is_honoured() {
    for protocol in PROTOCOLS {
        let second = Duration::from_secs(1);
        // The first case takes a second, and a date has a resolution of one second.
        let date = httpdate::fmt_http_date(SystemTime::now() + 4 * second);
        for (value, least, most) in [("1", second, 3 * second), (&date, second, 4 * second)] {
            let slow_down =
                Answer::json(429, &(protocol.error_body)("slow down")).header("retry-after", value);
            let complete = Answer::json(200, &(protocol.complete)("ok"));
            let server = Server::start(vec![slow_down, complete]);
            let trace = Recorder::new();
            let begin = Instant::now();
            let mut chat = (protocol.chat)(server.root(), options());
            assert_eq!(in_time(chat.chat("hi")).await.expect("an answer").text(), "ok");
            let took = begin.elapsed();
            assert!(took >= least && took < most + 4 * second, "{value}: {took:?}");
            assert_eq!(resends(&trace), [0, 1]);
            assert!(!trace.spans_with_operation("chat")[0].is_error(), "the model call succeeded");
        }
        let for_hours =
            Answer::json(429, &(protocol.error_body)("tomorrow")).header("retry-after", "7200");
        let server = Server::start(vec![for_hours]);
        let error = fails(&mut (protocol.chat)(server.root(), options()), false).await;
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7200)), "left to the program");
        assert_eq!(server.sent().len(), 1);
    }
}

#[tokio::test]
async fn unreachable_server_is_an_error_with_its_address() {
    // No other test can be given this port.
    let free = "127.0.0.1:1";
    let plain = Server::start(vec![Answer::json(200, &json!({}))]);
    let tls = plain.root().replace("http://", "https://");
    for protocol in PROTOCOLS {
        for (url, location) in [
            (format!("http://{free}"), free.to_owned()),
            (tls.clone(), tls.replace("https://", "")),
            ("http://no-such-host.invalid".to_owned(), "no-such-host.invalid".to_owned()),
        ] {
            let trace = Recorder::new();
            let mut chat = (protocol.chat)(&url, options().with_max_retries(1));
            let error = fails(&mut chat, true).await;
            assert_eq!(error.kind(), Kind::Connection, "{url}: {error:?}");
            assert!(error.message().contains(&location), "{url}: {error}");
            assert_eq!(resends(&trace), [0, 1], "{url}");
            trace.assert_sound();
            assert_eq!(trace.spans_with_operation("chat")[0]["error.type"], "connection");
        }
    }
}

#[tokio::test]
async fn connection_closed_without_a_response_is_retried() {
    for protocol in PROTOCOLS {
        let complete = Answer::json(200, &(protocol.complete)("ok"));
        let server = Server::start(vec![Answer::disconnect(), complete]);
        let trace = Recorder::new();
        let mut chat = (protocol.chat)(server.root(), options());
        assert_eq!(in_time(chat.chat("hi")).await.expect("an answer").text(), "ok");
        assert_eq!(resends(&trace), [0, 1]);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for protocol in PROTOCOLS {
        for status in [301, 302, 307, 308] {
            let away = Answer::new(status, "text/plain", "").header("location", "/again");
            let server = Server::start(vec![away]);
            let mut chat = (protocol.chat)(server.root(), options());
            let error = fails(&mut chat, false).await;
            assert_eq!((error.kind(), error.status()), (Kind::InvalidRequest, Some(status)));
            assert!(error.message().contains("redirect"), "{error}");
            assert_eq!(server.sent().len(), 1);
        }
    }
}

static COUNTED: AtomicUsize = AtomicUsize::new(0);

/// Counts its calls.
#[tool]
async fn count() -> usize {
    tokio::task::yield_now().await;
    COUNTED.fetch_add(1, Ordering::SeqCst) + 1
}

#[tokio::test]
async fn retries_and_failures_never_run_a_tool_twice() {
    for protocol in PROTOCOLS {
        let _trace = Recorder::new();
        COUNTED.store(0, Ordering::SeqCst);
        let calls = Answer::json(200, &(protocol.tool_call)("count"));
        let answer = Answer::json(200, &(protocol.complete)("counted"));
        // The model call after the tool call is retried ...
        let server = Server::start(vec![calls.clone(), failure(protocol, 503), answer.clone()]);
        let mut chat = (protocol.chat)(server.root(), options()).with_tools(tools![count]);
        assert_eq!(in_time(chat.chat("count")).await.expect("an answer").text(), "counted");
        assert_eq!(COUNTED.load(Ordering::SeqCst), 1, "{}", protocol.name);
        // ... or fails, and the next run continues after the tool's result.
        let server = Server::start(vec![calls, failure(protocol, 400), answer]);
        let mut chat = (protocol.chat)(server.root(), options()).with_tools(tools![count]);
        in_time(chat.chat("count")).await.expect_err("refused");
        assert_eq!(in_time(chat.chat("and?")).await.expect("an answer").text(), "counted");
        assert_eq!(COUNTED.load(Ordering::SeqCst), 2, "{}", protocol.name);
        let Turn::User(turn) = chat.turns()[2].as_ref() else { panic!("{:?}", chat.turns()) };
        let results: Vec<_> = turn.tool_results().collect();
        assert_eq!((results.len(), results[0].outcome.is_error()), (1, false));
    }
}

/// Stores the log records of this process, on all levels.
struct Log;

static LOGGED: Mutex<String> = Mutex::new(String::new());

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut all = LOGGED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = writeln!(all, "{} {}", record.target(), record.args());
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn secrets_are_redacted_in_errors_debug_spans_metrics_and_logs() {
    let _ = log::set_logger(&Log);
    log::set_max_level(log::LevelFilter::Trace);
    let secrets = [KEY, HEADER, PASSWORD];
    for protocol in PROTOCOLS {
        let quotes = format!("{KEY} and {HEADER} are wrong: {BODY} of {PROMPT}");
        let malformed = format!("{{\"a\": \"{KEY}\"");
        let failure = [(protocol.begin)(), (protocol.failure_event)(&quotes)].concat();
        for (answer, streams) in [
            (Answer::json(401, &(protocol.error_body)(&quotes)), false),
            (Answer::json(401, &(protocol.error_body)(&quotes)), true),
            (Answer::new(500, "text/html", quotes.clone()).header("retry-after-ms", "1"), true),
            (Answer::new(200, "application/json", malformed.clone()), false),
            (protocol.stream([(protocol.begin)(), (protocol.event)(&malformed)].concat()), true),
            (protocol.stream(failure), true),
            (Answer::new(200, &format!("text/{KEY}"), "?"), true),
            (Answer::disconnect(), false),
        ] {
            let trace = Recorder::new();
            let server = Server::start(vec![answer]);
            let url = server.root().replace("//", &format!("//user:{PASSWORD}@"));
            let mut chat = (protocol.chat)(&url, options().with_max_retries(1));
            let error = fails(&mut chat, streams).await;
            let debug = format!("{chat:?}");
            let spans = format!("{:?} {:?}", trace.spans(), trace.events());
            let metrics = format!("{:?}", trace.metrics());
            for secret in secrets {
                for (location, text) in [
                    ("the error", &error.to_string()),
                    ("its Debug", &format!("{error:?}")),
                    ("the Debug of the chat", &debug),
                    ("the spans", &spans),
                    ("the metrics", &metrics),
                ] {
                    assert!(!text.contains(secret), "{}: {location}: {text}", protocol.name);
                }
            }
            // The error of the program quotes the server's message; telemetry does not.
            for text in [BODY, PROMPT] {
                assert!(!spans.contains(text) && !metrics.contains(text), "{spans}");
            }
        }
        // No other test can be given this port.
        let free = "127.0.0.1:1";
        let url = format!("http://user:{PASSWORD}@{free}");
        let error = fails(&mut (protocol.chat)(&url, options().with_max_retries(0)), false).await;
        assert!(!format!("{error} {error:?}").contains(PASSWORD), "{error:?}");
    }
    let logged = LOGGED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    assert!(!logged.is_empty(), "the HTTP client logs");
    for secret in [KEY, HEADER, PASSWORD, PROMPT] {
        let line = logged.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "a secret is logged");
    }
}
