//! Keys, control characters and retries: what a server may quote, and what it may request.

use std::time::{Duration, Instant};

use chatlas::prelude::*;
use chatlas::{HttpOptions, OpenAiCompletions, ProviderError, ProviderErrorKind as Kind};
use serde_json::json;

use crate::support::protocols::PROTOCOLS;
use crate::support::server::{Answer, Server};
use crate::support::stream::{provider_error, read_stream};
use crate::support::timeout::in_time;

/// A key with characters that every encoding escapes.
const KEY: &str = "sk-live_ab/c+9f8e&7d6c==";

async fn fails(chat: &mut Chat, streams: bool) -> ProviderError {
    if streams {
        read_stream(chat).await.1.expect_err("an error")
    } else {
        provider_error(in_time(chat.chat("hi")).await.expect_err("an error"))
    }
}

/// A key that a server echoes is hidden in every encoding, as a value and as the name of a field, in a
/// failure and in an error of status 200, streamed or not.
#[tokio::test]
async fn echoed_key_is_hidden_in_every_encoding() {
    let encoded = [
        KEY.to_owned(),
        KEY.replace('/', "%2F").replace('+', "%2b").replace('&', "%26").replace('=', "%3D"),
        KEY.replace('/', "\\/"),
        KEY.replace('+', "\\u002b"),
        KEY.replace('&', "&amp;").replace('+', "&#43;").replace('=', "&#x3D;"),
        // The key alone, and after the name of a user.
        "c2stbGl2ZV9hYi9jKzlmOGUmN2Q2Yz09".to_owned(),
        "dTpzay1saXZlX2FiL2MrOWY4ZSY3ZDZjPT0=".to_owned(),
    ];
    for quoted in encoded {
        let message = format!("the key {quoted} is wrong");
        let error = json!({"error": {"message": message, quoted.as_str(): quoted}});
        let event = format!("data: {error}\n\n");
        for (answer, streams) in [
            (Answer::json(401, &error), false),
            (Answer::json(401, &json!([{ quoted.as_str(): message }])), true),
            (Answer::new(401, "text/html", format!("<p>{message}</p>")), false),
            // JSON that the server escapes by itself.
            (Answer::new(401, "text/plain", format!("{{\"message\": \"{message}\"")), false),
            (Answer::json(200, &error), false),
            (Answer::events(event), true),
        ] {
            let server = Server::start(vec![answer]);
            let model = OpenAiCompletions::new("m").with_api_key(KEY).with_base_url(server.url());
            let error = fails(&mut Chat::new(model), streams).await;
            for text in [error.to_string(), format!("{error:?}")] {
                for part in [quoted.as_str(), KEY, "live_ab", "9f8e", "7d6c", "bGl2ZV", "saXZlX2Fi"]
                {
                    assert!(!text.contains(part), "{part} in {text}");
                }
            }
        }
    }
}

/// A key with a character inside that is not shown does not become visible as the key.
#[tokio::test]
async fn key_with_an_invisible_character_inside_is_not_put_together() {
    for separator in ["\u{202e}", "\u{1b}", "\0", "\n"] {
        let quoted = KEY.replace("ab", &format!("a{separator}b"));
        for answer in [
            Answer::new(400, "text/plain", format!("bad key {quoted}")),
            Answer::json(400, &json!({"error": {"message": format!("bad key {quoted}")}})),
        ] {
            let server = Server::start(vec![answer]);
            let model = OpenAiCompletions::new("m").with_api_key(KEY).with_base_url(server.url());
            let error = fails(&mut Chat::new(model), false).await;
            assert!(!error.to_string().contains(KEY), "{error}");
        }
    }
}

/// The message of a server cannot forge a line of a log, control a terminal or change the direction of
/// writing.
#[tokio::test]
async fn message_of_a_server_is_one_line_without_control_characters() {
    let message =
        "no\r\nERROR forged \u{1b}[31mred\u{1b}[0m \u{202e}txet\u{2066}\u{200f}\u{7}\u{85}.";
    for protocol in PROTOCOLS {
        let failure = (protocol.failure_event)(message);
        for (answer, streams) in [
            (Answer::json(400, &(protocol.error_body)(message)), false),
            (protocol.stream([(protocol.begin)(), failure].concat()), true),
        ] {
            let server = Server::start(vec![answer]);
            let mut chat = (protocol.chat)(server.root(), HttpOptions::default());
            let error = fails(&mut chat, streams).await;
            let shown = error.to_string();
            let visible = "no ERROR forged \u{fffd}[31mred\u{fffd}[0m \u{fffd}txet\u{fffd}";
            assert!(shown.starts_with(visible), "{shown:?}");
            let is_harmful = |c: char| c.is_control() || ('\u{2000}'..'\u{2070}').contains(&c);
            assert!(!shown.contains(is_harmful), "{shown:?}");
            assert!(!format!("{error:?}").contains(is_harmful), "{error:?}");
        }
    }
}

/// The header `x-should-retry` decides whether a failure is retried, against the status code.
/// <https://github.com/productdevbook/misina/issues/61>
#[tokio::test]
async fn server_decides_whether_a_failure_is_retried() {
    for protocol in PROTOCOLS {
        for (status, decision, requests) in
            [(503, "false", 1), (429, "false", 1), (400, "true", 2), (503, "true", 2)]
        {
            let failure = Answer::json(status, &(protocol.error_body)("no"))
                .header("x-should-retry", decision)
                .header("retry-after-ms", "1");
            let complete = Answer::json(200, &(protocol.complete)("ok"));
            let server = Server::start(vec![failure, complete]);
            let mut chat = (protocol.chat)(server.root(), HttpOptions::default());
            let reply = in_time(chat.chat("hi")).await;
            assert_eq!(server.sent().len(), requests, "{} {status} {decision}", protocol.name);
            assert_eq!(reply.is_ok(), requests == 2);
        }
    }
}

/// The error of a connection that closed before the response differs from that of a refused one: the
/// server may have processed the request.
#[tokio::test]
async fn closed_connection_is_not_reported_as_a_refused_one() {
    let server = Server::start(vec![Answer::disconnect()]);
    // No other test can be given this port.
    for (url, closed) in [(server.root(), true), ("http://127.0.0.1:1", false)] {
        let options = HttpOptions::default().with_max_retries(0);
        let error = fails(&mut (PROTOCOLS[0].chat)(url, options), false).await;
        assert_eq!(error.kind(), Kind::Connection);
        assert_eq!(error.message().contains("may have processed the request"), closed, "{error}");
    }
}

/// A wait that the timeout does not leave time for is not begun: the failure of the server is the error.
#[tokio::test]
async fn timeout_does_not_hide_a_failure_behind_a_wait() {
    let failure = Answer::json(429, &json!({"error": {"message": "slow down"}}));
    let server = Server::start(vec![failure.header("retry-after", "30")]);
    let options = HttpOptions::default().with_timeout(Duration::from_secs(10));
    let begin = Instant::now();
    let error = fails(&mut (PROTOCOLS[0].chat)(server.root(), options), false).await;
    assert_eq!((error.kind(), error.status()), (Kind::RateLimit, Some(429)));
    assert!(begin.elapsed() < Duration::from_secs(5));
}
