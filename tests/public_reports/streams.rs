//! Streams: where a reply ends, what repeats, and what servers send instead of events.

use std::time::{Duration, Instant};

use chatlas::{FinishReason, HttpOptions, ProviderError, ProviderErrorKind, Reply};
use serde_json::{Value, json};

use crate::support::protocols::{COMPLETIONS, GEMINI, MESSAGES, PROTOCOLS, Protocol, RESPONSES};
use crate::support::server::{Answer, Server};
use crate::support::stream::{events, read_stream};

/// Reads a stream. The total time is bounded by the test.
async fn read(protocol: &Protocol, answer: Answer) -> (String, Result<Reply, ProviderError>) {
    let server = Server::start(vec![answer]);
    let options = HttpOptions::default().with_max_retries(0);
    read_stream(&mut (protocol.chat)(server.root(), options)).await
}

/// Reads a stream that is complete: the streamed text is that of the reply.
async fn text(protocol: &Protocol, answer: Answer) -> String {
    let (text, reply) = read(protocol, answer).await;
    assert_eq!(reply.expect(protocol.name).text(), text, "{}", protocol.name);
    text
}

fn chunk(delta: &Value) -> Value {
    json!({"id": "r", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn counts() -> Value {
    json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
}

fn hello() -> Vec<Value> {
    vec![chunk(&json!({"content": "Hel"})), chunk(&json!({"content": "lo"}))]
}

fn done(chunks: &[Value]) -> Answer {
    Answer::events(events(chunks) + "data: [DONE]\n\n")
}

/// The streams of the protocols that send something after the model has finished, without that.
fn without_tail() -> Vec<(&'static Protocol, String)> {
    let started = json!({"type": "message_start", "message": {"id": "m", "content": []}});
    let begun = json!({"type": "content_block_start", "index": 0,
        "content_block": {"type": "text", "text": "Hello"}});
    let ended = json!({"type": "content_block_stop", "index": 0});
    let stopped = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 2}});
    let candidate = json!({"candidates": [{"content": {"parts": [{"text": "Hello"}]},
        "finishReason": "STOP"}]});
    vec![
        (&COMPLETIONS, events(&[hello(), vec![finish("stop"), counts()]].concat())),
        (&COMPLETIONS, events(&[hello(), vec![finish("stop")]].concat())),
        (&MESSAGES, events(&[started, begun, ended, stopped])),
        (&GEMINI, events(&[candidate])),
    ]
}

/// A reply whose model has finished ends soon, although the server keeps the connection open without
/// the end of the stream, with or without heartbeats.
/// Source: <https://github.com/maximhq/bifrost/issues/6784>
#[tokio::test]
async fn a_finished_reply_ends_without_the_end_of_the_stream() {
    let start = Instant::now();
    let streams = without_tail();
    let all = streams.iter().flat_map(|(protocol, body)| {
        [
            text(protocol, Answer::events(body.as_bytes()).stalled()),
            text(protocol, Answer::events(body.as_bytes()).beating(": alive\n\n")),
            text(
                protocol,
                Answer::events(body.as_bytes()).beating("data: {\"type\":\"ping\"}\n\n"),
            ),
        ]
    });
    for text in futures_util::future::join_all(all).await {
        assert_eq!(text, "Hello");
    }
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

/// A connection that is cut after the model has finished has lost nothing.
/// Source: <https://github.com/ayunis-core/ayunis-core/pull/885>
#[tokio::test]
async fn a_connection_cut_after_the_finish_reason_is_an_end() {
    for (protocol, body) in without_tail() {
        assert_eq!(text(protocol, Answer::events(body).truncated()).await, "Hello");
    }
    // Before the finish reason, it is a failure that keeps the text.
    let (text, reply) = read(&COMPLETIONS, Answer::events(events(&hello())).truncated()).await;
    assert_eq!(text, "Hello");
    assert_eq!(reply.expect_err("an error").kind(), ProviderErrorKind::TruncatedStream);
}

/// `[DONE]` ends a reply that has no finish reason anywhere.
/// Source: <https://docs.snowflake.com/en/user-guide/snowflake-cortex/open_ai_sdk>
#[tokio::test]
async fn done_ends_a_reply_without_a_finish_reason() {
    let (_, reply) = read(&COMPLETIONS, done(&[hello(), vec![counts()]].concat())).await;
    let reply = reply.expect("a reply");
    assert_eq!(reply.turn.finish_reason, Some(FinishReason::Stop));
    assert_eq!((reply.text().as_str(), reply.usage.output_tokens), ("Hello", Some(2)));
}

/// The complete message in the last chunk is not added to the text again, nor are its calls.
/// Source: <https://github.com/abundantbeing/hermes-browser-extension/issues/11>
#[tokio::test]
async fn a_complete_message_in_the_last_chunk_is_not_repeated() {
    let last = |content: &str| {
        json!({"choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": content}}]})
    };
    for chunks in [
        [hello(), vec![last("Hello")]].concat(),
        [hello(), vec![last("Hello\n")]].concat(),
        // It may contain more than the pieces, or everything.
        vec![chunk(&json!({"content": "Hel"})), last("Hello")],
        vec![last("Hello")],
        vec![last("Hel"), last("Hello")],
    ] {
        assert_eq!(text(&COMPLETIONS, done(&chunks)).await, "Hello", "{chunks:?}");
    }
}

/// A failure in the field `error` of an event stream is an error with its message.
/// Source: <https://github.com/coddy-project/coddy-agent/pull/106>
#[tokio::test]
async fn the_field_error_of_an_event_stream_is_an_error() {
    let failure = json!({"code": 400, "message": "the prompt exceeds the context size"});
    for protocol in PROTOCOLS.iter().filter(|protocol| protocol.stream_type.starts_with("text/")) {
        let body = format!("error: {failure}\n\ndata: [DONE]\n\n");
        let error = read(protocol, Answer::events(body)).await.1.expect_err(protocol.name);
        assert_eq!(error.message(), "the prompt exceeds the context size", "{}", protocol.name);
    }
    for body in [
        format!("event: error\ndata: {failure}\n\n"),
        "event: error\ndata: the prompt exceeds the context size\n\n".to_owned(),
        format!("{}error: {failure}\n\n", events(&hello())),
    ] {
        let error = read(&COMPLETIONS, Answer::events(body)).await.1.expect_err("an error");
        assert_eq!(error.message(), "the prompt exceeds the context size");
        assert_eq!(error.kind(), ProviderErrorKind::ContextTooLong);
    }
}

/// A finish reason that names a failure of the server is an error if nothing has arrived.
/// Source: <https://github.com/OleksandrChekhovskyi/hax/pull/15>
#[tokio::test]
async fn an_empty_reply_that_ended_in_a_failure_is_an_error() {
    let failed = |reason: &str, native: &str| {
        json!({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": reason,
            "native_finish_reason": native}]})
    };
    for last in [failed("stop", "network_error"), failed("network_error", ""), failed("error", "")]
    {
        let (_, reply) = read(&COMPLETIONS, done(&[last.clone(), counts()])).await;
        let error = reply.expect_err("an error");
        assert_eq!(error.kind(), ProviderErrorKind::Overloaded, "{last}");
        assert_eq!(error.partial().expect("counts").usage.input_tokens, Some(3));
        // What has arrived is kept.
        let (text, reply) = read(&COMPLETIONS, done(&[hello(), vec![last]].concat())).await;
        let reason = reply.expect("a reply").turn.finish_reason.clone();
        assert_eq!((text.as_str(), reason), ("Hello", Some(FinishReason::Error)));
    }
    let (_, reply) = read(&COMPLETIONS, done(&[failed("stop", "completed")])).await;
    assert_eq!(reply.expect("an empty reply").text(), "");
}

/// Events are read whatever the content type is, and so is a complete reply to a request for a stream.
/// Sources: <https://github.com/openclaw/openclaw/pull/97474>,
/// <https://github.com/tinyhumansai/tinyagents/pull/56>
#[tokio::test]
async fn a_body_is_read_by_its_content_whatever_its_type_is() {
    for protocol in PROTOCOLS.iter().filter(|protocol| protocol.stream_type.starts_with("text/")) {
        let body = [(protocol.begin)(), (protocol.middle)(), (protocol.end)()].concat();
        for kind in ["application/json", "", "text/plain", "application/octet-stream"] {
            assert_eq!(text(protocol, Answer::new(200, kind, body.clone())).await, "Hello");
            let complete = (protocol.complete)("Hello").to_string();
            assert_eq!(text(protocol, Answer::new(200, kind, complete)).await, "Hello");
            let server = Server::start(vec![Answer::new(200, kind, body.clone())]);
            let mut chat = (protocol.chat)(server.root(), HttpOptions::default());
            assert_eq!(chat.chat("hi").await.expect(protocol.name).text(), "Hello");
        }
    }
    let page = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>…</body></html>";
    let error =
        read(&COMPLETIONS, Answer::new(200, "text/html", page)).await.1.expect_err("a page");
    assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    assert!(error.message().contains("Sign in"), "{error}");
}

/// Text that arrived in pieces is kept although the last event of the Responses API lacks it.
/// Source: <https://github.com/vllm-project/vllm/pull/30223>
#[tokio::test]
async fn text_that_the_last_event_lacks_is_kept() {
    let piece = |text: &str| json!({"type": "response.output_text.delta", "output_index": 1, "delta": text});
    let all = json!({"type": "response.output_text.done", "output_index": 1, "text": "Hello"});
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": []});
    let empty = json!({"type": "message", "content": []});
    let end = |output: Value| {
        json!({"type": "response.completed",
            "response": {"id": "r", "status": "completed", "output": output}})
    };
    for output in [json!([]), json!(null), json!([thought]), json!([thought, empty])] {
        let pieces = [piece("Hel"), piece("lo"), all.clone(), end(output.clone())];
        for sent in [&pieces[..], &pieces[2..]] {
            assert_eq!(text(&RESPONSES, Answer::events(events(sent))).await, "Hello", "{output}");
        }
    }
}

/// Half a character is U+FFFD, and the halves in two events are one character, in every field and
/// protocol.
/// Source: <https://github.com/openai/openai-python/issues/2721>
#[tokio::test]
async fn halves_of_a_character_are_joined_or_replaced() {
    for protocol in PROTOCOLS {
        let piece = |text: &str| {
            let plain = String::from_utf8((protocol.text)("HALF")).ok()?;
            Some(plain.replace("HALF", text).into_bytes())
        };
        // Events of AWS have a checksum: their texts cannot be edited.
        let Some(pieces) = ["a\\ud83d", "\\ude00b", "\\ud83d", "c\\udc00", "\\ud83d\\ude00"]
            .map(piece)
            .into_iter()
            .collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        if protocol.stream_type != RESPONSES.stream_type {
            continue;
        }
        let body = [(protocol.begin)(), pieces.concat(), (protocol.middle)(), (protocol.end)()];
        let (text, reply) = read(protocol, Answer::events(body.concat())).await;
        assert_eq!(text, "Hela😀b\u{fffd}c\u{fffd}😀lo", "{}", protocol.name);
        assert!(reply.is_ok(), "{reply:?}");
        let complete = (protocol.complete)("HALF").to_string().replace("HALF", "a\\ud83db");
        let server = Server::start(vec![Answer::new(200, "application/json", complete)]);
        let mut chat = (protocol.chat)(server.root(), HttpOptions::default());
        assert_eq!(chat.chat("hi").await.expect(protocol.name).text(), "a\u{fffd}b");
    }
    let arguments = json!("{\"\\ud83d\":\"\\ud83d\"}");
    let body = json!({"choices": [{"message": {"tool_calls": [
        {"id": "a", "function": {"name": "f", "arguments": arguments}}]}}]});
    let server = Server::start(vec![Answer::json(200, &body)]);
    let mut chat = (COMPLETIONS.chat)(server.root(), HttpOptions::default()).with_max_rounds(1);
    let _ = chat.chat("hi").await;
    let kept = format!("{:?}", chat.turns());
    assert!(kept.contains("{\"\u{fffd}\": String(\"\u{fffd}\")}"), "{kept}");
}

/// Contents of unexpected types cause no panic, and their text is kept.
/// Source: <https://docs.mistral.ai/capabilities/reasoning>
#[tokio::test]
async fn contents_of_unexpected_types_are_read() {
    let odd = [
        chunk(&json!({"content": [{"type": "thinking", "thinking": ["a"]}]})),
        chunk(&json!({"content": [{"type": "thinking", "thinking": [{"x": "b"}]}, {"x": "b"}, 3]})),
        chunk(&json!({"content": ["Hel", {"type": "text", "text": "lo"}]})),
        chunk(&json!({"reasoning_details": [["a"], 7, {"index": 0}, {"index": 0, "text": ["c"]}]})),
        chunk(&json!({"role": "robot", "tool_calls": null, "refusal": 4, "images": [3]})),
        json!({"choices": null}),
        finish("stop"),
    ];
    assert_eq!(text(&COMPLETIONS, done(&odd)).await, "Hello");
    for field in ["reasoning", "reasoning_content", "thinking"] {
        for value in [json!("Hm."), json!({"text": "Hm."}), json!([{"text": "Hm."}])] {
            if field != "reasoning" && !value.is_string() {
                continue;
            }
            let chunks = [chunk(&json!({ field: value })), chunk(&json!({"content": "Hello"}))];
            let (_, reply) = read(&COMPLETIONS, done(&chunks)).await;
            let turn = reply.expect("a reply").turn;
            let thought = turn.contents.iter().find_map(|content| match content {
                chatlas::Content::Thinking(thinking) => Some(thinking.text.as_str()),
                _ => None,
            });
            assert_eq!(thought, Some("Hm."), "{field}");
        }
    }
}

/// Finish reasons are recognized in the spellings of all servers.
/// Source: <https://github.com/ollama/ollama/issues/4357>
#[tokio::test]
async fn finish_reasons_are_recognized_in_every_spelling() {
    for (reason, expected) in [
        ("end_turn", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("max_output_tokens", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("", FinishReason::Stop),
        ("novelty", FinishReason::Other("novelty".to_owned())),
    ] {
        let (_, reply) = read(&COMPLETIONS, done(&[hello(), vec![finish(reason)]].concat())).await;
        assert_eq!(reply.expect("a reply").turn.finish_reason, Some(expected));
    }
}
