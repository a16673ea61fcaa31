//! Interrupted and malformed replies, streamed and complete, in every protocol: a typed error in
//! bounded time that keeps the received text, never a successful reply.

use std::time::Duration;

use crate::support::protocols::{PROTOCOLS, Protocol};
use crate::support::server::{Answer, Server};
use crate::support::stream::read_stream;
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{FinishReason, HttpOptions, ProviderError, ProviderErrorKind as Kind};

fn chat(protocol: &Protocol, server: &Server) -> Chat {
    // Only servers that stall reach the read timeout.
    let timeout = Duration::from_millis(if server.stalls() { 300 } else { 20_000 });
    (protocol.chat)(
        server.root(),
        HttpOptions::default().with_read_timeout(timeout).with_max_retries(0),
    )
}

/// Asserts that a streamed reply that fails after `Hel` (or more) is an error that keeps the text.
async fn assert_interrupted(protocol: &Protocol, answer: Answer, kinds: &[Kind]) -> ProviderError {
    let name = protocol.name;
    let trace = Recorder::new();
    let server = Server::start(vec![answer, protocol.valid_stream()]);
    let mut chat = chat(protocol, &server);
    let (text, result) = read_stream(&mut chat).await;
    let error = result.expect_err("the stream fails");
    assert!(kinds.contains(&error.kind()), "{name}: {error:?}");
    assert!(text.starts_with("Hel"), "{name}: {text:?}");

    // The received text is in the error, and in a partial turn of the history.
    let partial = error.partial().expect("the received part");
    assert_eq!((partial.text(), partial.partial), (text.clone(), true), "{name}");
    let Turn::Assistant(turn) = chat.turns()[1].as_ref() else { panic!("{:?}", chat.turns()) };
    assert_eq!((turn.text(), turn.partial), (text, true), "{name}");

    // Both spans have the error type, and the model call has the usage reported until then.
    trace.assert_sound();
    assert_eq!(
        trace.tree(),
        format!("invoke_agent\n  chat {}\n", crate::support::protocols::MODEL)
    );
    for span in trace.spans() {
        assert!(span.is_error(), "{name}: {span:?}");
        assert_eq!(span["error.type"], *error.error_type(), "{name}");
    }
    let call = &trace.spans_with_operation("chat")[0];
    assert_eq!(call["gen_ai.response.id"], "reply-1", "{name}");
    let tokens = protocol.first_input_tokens;
    assert_eq!(call["gen_ai.usage.input_tokens"].as_u64(), tokens, "{name}");
    assert_eq!(partial.usage.input_tokens, tokens, "{name}");

    // The next run works.
    let reply = read_stream(&mut chat).await.1.expect("the next run works");
    assert_eq!(reply.text(), "Hello", "{name}");
    error
}

#[tokio::test]
async fn valid_stream_is_a_reply() {
    for protocol in PROTOCOLS {
        let _trace = Recorder::new();
        let server = Server::start(vec![protocol.valid_stream()]);
        let (text, reply) = read_stream(&mut chat(protocol, &server)).await;
        assert_eq!((text.as_str(), reply.expect("an answer").text().as_str()), ("Hello", "Hello"));
    }
}

#[tokio::test]
async fn stream_without_its_last_event_is_truncated() {
    for protocol in PROTOCOLS {
        let body = [(protocol.begin)(), (protocol.middle)()].concat();
        assert_interrupted(protocol, protocol.stream(body), &[Kind::TruncatedStream]).await;
    }
}

#[tokio::test]
async fn stream_truncated_anywhere_is_an_error_unless_it_has_stopped() {
    for protocol in PROTOCOLS {
        let _trace = Recorder::new();
        let (begin, middle, end) = ((protocol.begin)(), (protocol.middle)(), (protocol.end)());
        let stopped_at = begin.len() + middle.len();
        let body = [begin, middle, end].concat();
        // The last bytes may be a line break that is not needed.
        let cuts: Vec<usize> = (0..body.len() - 2).step_by(7).collect();
        let answers = cuts.iter().map(|cut| protocol.stream(&body[..*cut])).collect();
        let server = Server::start(answers);
        // One chat for all of them: building an HTTP client takes most of the time.
        let mut chat = chat(protocol, &server);
        for cut in cuts {
            chat.set_turns(Vec::<Turn>::new());
            let (text, result) = read_stream(&mut chat).await;
            let error = match result {
                // Only events that some gateways omit are missing.
                Ok(reply) => {
                    assert!(cut > stopped_at, "{} cut at {cut}", protocol.name);
                    assert_eq!(reply.text(), "Hello", "{} cut at {cut}", protocol.name);
                    assert_eq!(reply.turn.finish_reason, Some(FinishReason::Stop));
                    continue;
                }
                Err(error) => error,
            };
            let kinds = [Kind::TruncatedStream, Kind::MalformedReply];
            assert!(kinds.contains(&error.kind()), "{} cut at {cut}: {error:?}", protocol.name);
            assert!("Hello".starts_with(&text), "{} cut at {cut}: {text:?}", protocol.name);
        }
        assert!(server.sent().len() > 20, "{}", protocol.name);
    }
}

#[tokio::test]
async fn closed_connection_is_a_truncated_stream() {
    for protocol in PROTOCOLS {
        let mut body = (protocol.begin)();
        body.extend(&(protocol.middle)()[..5]);
        let answer = protocol.stream(body).truncated();
        assert_interrupted(protocol, answer, &[Kind::TruncatedStream]).await;
    }
}

#[tokio::test]
async fn stalled_stream_times_out() {
    for protocol in PROTOCOLS {
        let answer = protocol.stream((protocol.begin)()).stalled();
        assert_interrupted(protocol, answer, &[Kind::Timeout]).await;
    }
}

#[tokio::test]
async fn event_with_invalid_json_is_malformed() {
    for protocol in PROTOCOLS {
        for payload in ["{\"type\": ", "<html>", "\u{1}"] {
            let (event, end) = ((protocol.event)(payload), (protocol.end)());
            let body = [(protocol.begin)(), event, (protocol.middle)(), end].concat();
            assert_interrupted(protocol, protocol.stream(body), &[Kind::MalformedReply]).await;
        }
    }
}

#[tokio::test]
async fn invalid_utf8_is_malformed() {
    for protocol in PROTOCOLS {
        let noise: Vec<u8> = b"data: \xff\xfe\x00\xc3\x28\n\n".repeat(40);
        let body = [(protocol.begin)(), noise, (protocol.end)()].concat();
        assert_interrupted(protocol, protocol.stream(body), &[Kind::MalformedReply]).await;
    }
}

#[tokio::test]
async fn error_event_is_a_typed_error() {
    for protocol in PROTOCOLS {
        let body =
            [(protocol.begin)(), (protocol.failure_event)("sorry"), (protocol.end)()].concat();
        let kinds = [Kind::Overloaded, Kind::Other];
        let error = assert_interrupted(protocol, protocol.stream(body), &kinds).await;
        assert_eq!(error.message(), "sorry", "{}", protocol.name);
    }
}

#[tokio::test]
async fn event_of_50_megabytes_is_rejected_before_it_is_buffered() {
    for protocol in PROTOCOLS {
        let huge = (protocol.text)(&"x".repeat(50 << 20));
        let body = [(protocol.begin)(), huge, (protocol.end)()].concat();
        assert_interrupted(protocol, protocol.stream(body), &[Kind::MalformedReply]).await;
    }
}

#[tokio::test]
async fn usage_of_a_failed_reply_is_recorded() {
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
            read_stream(&mut chat).await.1.expect_err("it failed");
        } else {
            in_time(chat.chat("hi")).await.expect_err("it failed");
        }
        let call = &trace.spans_with_operation("chat")[0];
        assert_eq!(call["gen_ai.usage.input_tokens"], 7);
        assert_eq!(call["gen_ai.response.id"], "reply-9");
        assert_eq!(trace.span("invoke_agent")["gen_ai.usage.input_tokens"], 7);
    }
}

/// Returns responses that are neither a complete reply nor a stream.
fn invalid_responses() -> Vec<(&'static str, Answer, &'static [Kind])> {
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
async fn invalid_responses_are_errors_streamed_or_complete() {
    for protocol in PROTOCOLS {
        for (what, answer, kinds) in invalid_responses() {
            for streams in [false, true] {
                let trace = Recorder::new();
                let server = Server::start(vec![answer.clone()]);
                let mut chat = chat(protocol, &server);
                let error = if streams {
                    read_stream(&mut chat).await.1.expect_err(what)
                } else {
                    match in_time(chat.chat("hi")).await.expect_err(what) {
                        ChatError::Provider(error) => error,
                        other => panic!("{other:?}"),
                    }
                };
                let context = format!("{}, {what}, streams: {streams}: {error:?}", protocol.name);
                assert!(kinds.contains(&error.kind()), "{context}");
                assert!(error.to_string().len() < 500, "{context}");
                assert!(chat.turns().is_empty(), "{context}: the prompt is not kept");
                trace.assert_sound();
                assert_eq!(trace.spans().len(), 2, "{context}");
                assert!(
                    trace.spans().iter().all(chatlas::testing::RecordedSpan::is_error),
                    "{context}"
                );
            }
        }
    }
}
