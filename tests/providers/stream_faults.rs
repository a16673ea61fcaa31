//! Replies that go wrong on the way, in every protocol, streamed and whole: each a typed error in
//! bounded time, with what had arrived kept; never a good answer.

use std::time::Duration;

use crate::support::listening::listen;
use crate::support::protocols::{PROTOCOLS, Protocol};
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{HttpOptions, ProviderError, ProviderErrorKind as Kind};

fn chat(protocol: &Protocol, server: &Server) -> Chat {
    // Servers that stall are waited for, all others answer at once.
    let patience = Duration::from_millis(if server.stalls() { 300 } else { 20_000 });
    (protocol.chat)(server.root(), HttpOptions::default().with_read_timeout(patience).with_max_retries(0))
}

/// Holds a streamed reply that breaks off behind `Hel` (and more) to what it has to be.
async fn breaks_off(protocol: &Protocol, answer: Answer, kinds: &[Kind]) -> ProviderError {
    let name = protocol.name;
    let trace = Recorder::new();
    let server = Server::start(vec![answer, protocol.good_stream()]);
    let mut chat = chat(protocol, &server);
    let (text, result) = listen(&mut chat).await;
    let error = result.expect_err("it is no good answer");
    assert!(kinds.contains(&error.kind()), "{name}: {error:?}");
    assert!(text.starts_with("Hel"), "{name}: {text:?}");

    // What had arrived is in the error, and a partial turn of the history.
    let partial = error.partial().expect("what had arrived");
    assert_eq!((partial.text(), partial.partial), (text.clone(), true), "{name}");
    let Turn::Assistant(turn) = chat.turns()[1].as_ref() else { panic!("{:?}", chat.turns()) };
    assert_eq!((turn.text(), turn.partial), (text, true), "{name}");

    // Both spans say what it was, and the call what it had cost by then.
    trace.assert_sound();
    assert_eq!(
        trace.tree(),
        format!("invoke_agent\n  chat {}\n", crate::support::protocols::MODEL)
    );
    for span in trace.spans() {
        assert!(span.failed(), "{name}: {span:?}");
        assert_eq!(span["error.type"], *error.error_type(), "{name}");
    }
    let call = &trace.spans_of("chat")[0];
    assert_eq!(call["gen_ai.response.id"], "reply-1", "{name}");
    let tokens = protocol.tokens_at_first;
    assert_eq!(call["gen_ai.usage.input_tokens"].as_u64(), tokens, "{name}");
    assert_eq!(partial.usage.input_tokens, tokens, "{name}");

    // And the conversation goes on.
    let reply = listen(&mut chat).await.1.expect("the next one works");
    assert_eq!(reply.text(), "Hello", "{name}");
    error
}

#[tokio::test]
async fn a_good_stream_is_a_good_answer() {
    for protocol in PROTOCOLS {
        let _trace = Recorder::new();
        let server = Server::start(vec![protocol.good_stream()]);
        let (text, reply) = listen(&mut chat(protocol, &server)).await;
        assert_eq!((text.as_str(), reply.expect("an answer").text().as_str()), ("Hello", "Hello"));
    }
}

#[tokio::test]
async fn a_stream_without_its_last_event_is_truncated() {
    for protocol in PROTOCOLS {
        let body = [(protocol.begin)(), (protocol.almost)()].concat();
        breaks_off(protocol, protocol.stream(body), &[Kind::TruncatedStream]).await;
    }
}

#[tokio::test]
async fn a_stream_cut_anywhere_is_never_a_good_answer() {
    for protocol in PROTOCOLS {
        let _trace = Recorder::new();
        let (begin, almost, end) = ((protocol.begin)(), (protocol.almost)(), (protocol.end)());
        let whole = [begin, almost, end].concat();
        // The last byte of all may be a line break that nobody misses.
        for cut in (0..whole.len() - 2).step_by(7) {
            let server = Server::start(vec![protocol.stream(&whole[..cut])]);
            let (text, result) = listen(&mut chat(protocol, &server)).await;
            let error = result.expect_err("it is no good answer");
            let kinds = [Kind::TruncatedStream, Kind::MalformedReply];
            assert!(kinds.contains(&error.kind()), "{} cut at {cut}: {error:?}", protocol.name);
            assert!("Hello".starts_with(&text), "{} cut at {cut}: {text:?}", protocol.name);
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_truncated_stream() {
    for protocol in PROTOCOLS {
        let mut body = (protocol.begin)();
        body.extend(&(protocol.almost)()[..5]);
        let answer = protocol.stream(body).truncated();
        breaks_off(protocol, answer, &[Kind::TruncatedStream]).await;
    }
}

#[tokio::test]
async fn a_stream_that_stalls_times_out() {
    for protocol in PROTOCOLS {
        let answer = protocol.stream((protocol.begin)()).stalled();
        breaks_off(protocol, answer, &[Kind::Timeout]).await;
    }
}

#[tokio::test]
async fn an_event_that_is_no_json_is_malformed() {
    for protocol in PROTOCOLS {
        for payload in ["{\"type\": ", "<html>", "\u{1}"] {
            let (event, end) = ((protocol.event)(payload), (protocol.end)());
            let body = [(protocol.begin)(), event, (protocol.almost)(), end].concat();
            breaks_off(protocol, protocol.stream(body), &[Kind::MalformedReply]).await;
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_malformed() {
    for protocol in PROTOCOLS {
        let noise: Vec<u8> = b"data: \xff\xfe\x00\xc3\x28\n\n".repeat(40);
        let body = [(protocol.begin)(), noise, (protocol.end)()].concat();
        breaks_off(protocol, protocol.stream(body), &[Kind::MalformedReply]).await;
    }
}

#[tokio::test]
async fn a_failure_within_the_stream_is_the_vendors_error() {
    for protocol in PROTOCOLS {
        let body = [(protocol.begin)(), (protocol.failure)("sorry"), (protocol.end)()].concat();
        let kinds = [Kind::Overloaded, Kind::Other];
        let error = breaks_off(protocol, protocol.stream(body), &kinds).await;
        assert_eq!(error.message(), "sorry", "{}", protocol.name);
    }
}

#[tokio::test]
async fn an_event_of_50_megabytes_is_refused_before_all_of_it_is_kept() {
    for protocol in PROTOCOLS {
        let huge = (protocol.text)(&"x".repeat(50 << 20));
        let body = [(protocol.begin)(), huge, (protocol.end)()].concat();
        breaks_off(protocol, protocol.stream(body), &[Kind::MalformedReply]).await;
    }
}

#[tokio::test]
async fn a_failure_that_tells_what_it_has_cost_is_recorded_with_it() {
    let response = serde_json::json!({"id": "reply-9", "model": "model-9", "status": "failed",
        "error": {"code": "server_error", "message": "sorry"},
        "usage": {"input_tokens": 7, "output_tokens": 1}});
    let event = serde_json::json!({"type": "response.failed", "response": response});
    let protocol = &PROTOCOLS[0];
    for (answer, streams) in [
        (protocol.stream((protocol.event)(&event.to_string())), true),
        (Answer::json(200, &response), false),
    ] {
        let trace = Recorder::new();
        let server = Server::start(vec![answer]);
        let mut chat = chat(protocol, &server);
        if streams {
            listen(&mut chat).await.1.expect_err("it failed");
        } else {
            in_time(chat.chat("hi")).await.expect_err("it failed");
        }
        let call = &trace.spans_of("chat")[0];
        assert_eq!(call["gen_ai.usage.input_tokens"], 7);
        assert_eq!(call["gen_ai.response.id"], "reply-9");
        assert_eq!(trace.span("invoke_agent")["gen_ai.usage.input_tokens"], 7);
    }
}

/// Answers to a request for a whole reply, or for a stream, that are neither.
fn no_replies() -> Vec<(&'static str, Answer, &'static [Kind])> {
    let json = "application/json";
    vec![
        ("a web page", Answer::new(200, "text/html", "<h1>Sign in</h1>"), &[Kind::MalformedReply]),
        ("a page as JSON", Answer::new(200, json, "<h1>Sign in</h1>"), &[Kind::MalformedReply]),
        ("garbage", Answer::new(200, json, "{\"id\": \"x\", \"ou"), &[Kind::MalformedReply]),
        ("nothing", Answer::new(200, json, ""), &[Kind::MalformedReply]),
        ("another object", Answer::new(200, json, "{\"hello\": 1}"), &[Kind::MalformedReply]),
        ("no object", Answer::new(200, json, "[1, 2]"), &[Kind::MalformedReply]),
        ("null", Answer::new(200, json, "null"), &[Kind::MalformedReply]),
        ("a broken body", Answer::new(200, json, "{\"id\":").truncated(), &[Kind::TruncatedStream]),
        ("a stalled body", Answer::new(200, json, "{\"id\":").stalled(), &[Kind::Timeout]),
        (
            "50 megabytes",
            Answer::new(200, json, format!("\"{}\"", "x".repeat(50 << 20))),
            &[Kind::MalformedReply],
        ),
    ]
}

#[tokio::test]
async fn what_is_no_reply_is_no_answer_streamed_or_whole() {
    for protocol in PROTOCOLS {
        for (what, answer, kinds) in no_replies() {
            for streams in [false, true] {
                let trace = Recorder::new();
                let server = Server::start(vec![answer.clone()]);
                let mut chat = chat(protocol, &server);
                let error = if streams {
                    listen(&mut chat).await.1.expect_err(what)
                } else {
                    match in_time(chat.chat("hi")).await.expect_err(what) {
                        ChatError::Provider(error) => error,
                        other => panic!("{other:?}"),
                    }
                };
                let told = format!("{}, {what}, streams: {streams}: {error:?}", protocol.name);
                assert!(kinds.contains(&error.kind()), "{told}");
                assert!(error.to_string().len() < 500, "{told}");
                assert!(chat.turns().is_empty(), "{told}: the prompt is the caller's again");
                trace.assert_sound();
                assert_eq!(trace.spans().len(), 2, "{told}");
                assert!(trace.spans().iter().all(chatlas::testing::RecordedSpan::failed), "{told}");
            }
        }
    }
}
