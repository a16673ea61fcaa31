//! Replies of Anthropic, Gemini and Bedrock, as people recorded them.

use std::convert::Infallible;
use std::time::Duration;

use chatlas::HttpOptions;
use chatlas::prelude::*;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};

use crate::support::protocols::{GEMINI, MESSAGES, Protocol};
use crate::support::server::{Answer, Server};
use crate::support::stream::read_stream;

/// Returns the rain in a city.
#[tool]
fn rain(city: String) -> String {
    format!("rain in {city}")
}

/// Streams a reply that calls the tool, then one that does not. Returns the second request.
async fn second_request(protocol: &Protocol, reply: Vec<u8>) -> Value {
    let server = Server::start(vec![protocol.stream(reply), protocol.valid_stream()]);
    let mut chat = (protocol.chat)(server.root(), HttpOptions::default()).with_tools(tools![rain]);
    read_stream(&mut chat).await.1.expect("an answer");
    let sent = server.sent();
    assert_eq!(sent.len(), 2);
    sent[1].body.clone()
}

fn messages(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(|event| (MESSAGES.event)(&event.to_string())).collect()
}

fn call_of_messages(input: &Value, deltas: &[Value]) -> Vec<u8> {
    let message = json!({"id": "m", "content": [], "usage": {"input_tokens": 1}});
    let mut call = json!({"type": "tool_use", "id": "t-1", "name": "rain"});
    if !input.is_null() {
        call["input"] = input.clone();
    }
    let mut events = vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": call}),
    ];
    events.extend(
        deltas.iter().map(|d| json!({"type": "content_block_delta", "index": 0, "delta": d})),
    );
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": null}),
        json!({"type": "message_stop"}),
    ]);
    messages(&events)
}

/// A later report of token counts that is smaller does not replace the larger one.
/// <https://github.com/envoyproxy/ai-gateway/pull/1631>,
/// <https://github.com/sgl-project/sglang/issues/20678>
#[tokio::test]
async fn smaller_count_replaces_no_larger_one() {
    for (first, last) in [(40, 0), (0, 40), (40, 39)] {
        let begin = json!({"type": "message_start", "message":
            {"id": "m", "content": [], "usage": {"input_tokens": first, "output_tokens": 1}}});
        let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": last, "output_tokens": 6}});
        let body = messages(&[begin, end, json!({"type": "message_stop"})]);
        let server = Server::start(vec![MESSAGES.stream(body)]);
        let mut chat = (MESSAGES.chat)(server.root(), HttpOptions::default());
        let reply = read_stream(&mut chat).await.1.expect("an answer");
        let counts = (reply.usage.input_tokens, reply.usage.output_tokens);
        assert_eq!(counts, (Some(40), Some(6)));
    }
}

/// A text that comes inside a call is not sent back inside the call.
/// <https://github.com/sgl-project/sglang/pull/24294>
#[tokio::test]
async fn call_is_sent_back_without_the_text_inside_it() {
    for (text, blocks) in [("\n\n", 1), ("One moment.", 2)] {
        let deltas = [
            json!({"type": "input_json_delta", "partial_json": "{\"city\": \"Oslo\"}"}),
            json!({"type": "text_delta", "text": text}),
        ];
        let sent = second_request(&MESSAGES, call_of_messages(&json!({}), &deltas)).await;
        let content = sent["messages"][1]["content"].as_array().expect("blocks").clone();
        let call = json!({"type": "tool_use", "id": "t-1", "name": "rain",
            "input": {"city": "Oslo"}});
        assert!(content.contains(&call), "{content:?}");
        assert_eq!(content.len(), blocks, "{content:?}");
        assert_eq!(sent["messages"][2]["content"][0]["content"], "rain in Oslo");
    }
}

/// Arguments that come as the text of their JSON are sent back as an object.
/// <https://github.com/nielspeter/claude-code-proxy/pull/13>
#[tokio::test]
async fn arguments_in_a_string_are_sent_back_as_an_object() {
    let sent =
        second_request(&MESSAGES, call_of_messages(&json!("{\"city\": \"Oslo\"}"), &[])).await;
    assert_eq!(sent["messages"][1]["content"][0]["input"], json!({"city": "Oslo"}));
    assert_eq!(sent["messages"][2]["content"][0]["content"], "rain in Oslo");
}

/// A call that begins without arguments has those of its pieces.
/// <https://github.com/farion1231/cc-switch/pull/2557>
#[tokio::test]
async fn call_may_begin_without_arguments() {
    let piece = json!({"type": "input_json_delta", "partial_json": "{\"city\": \"Oslo\"}"});
    let sent = second_request(&MESSAGES, call_of_messages(&Value::Null, &[piece])).await;
    assert_eq!(sent["messages"][2]["content"][0]["content"], "rain in Oslo");
}

fn candidate(parts: &Value, reason: Option<&str>) -> Vec<u8> {
    let candidate = json!({"content": {"parts": parts}, "finishReason": reason});
    (GEMINI.event)(&json!({"candidates": [candidate]}).to_string())
}

/// A function call without a name continues the call before it.
/// <https://github.com/smallmain/vscode-unify-chat-provider/issues/48>
#[tokio::test]
async fn function_call_without_a_name_continues_the_call_before_it() {
    let name = json!([{"functionCall": {"name": "rain", "args": {}}}]);
    let args = json!([{"functionCall": {"args": {"city": "Oslo"}}}]);
    let body = [candidate(&name, None), candidate(&args, Some("STOP"))].concat();
    let sent = second_request(&GEMINI, body).await;
    let calls = sent["contents"][1]["parts"].as_array().expect("parts");
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["functionCall"]["args"], json!({"city": "Oslo"}));
    assert!(sent["contents"][2].to_string().contains("rain in Oslo"));
}

/// A finish reason in each chunk does not end the reply.
/// <https://github.com/songquanpeng/one-api/issues/1408>
#[tokio::test]
async fn finish_reason_in_each_chunk_does_not_end_the_reply() {
    let chunks = [json!([]), json!([{"text": "Hel"}]), json!([{"text": "lo"}])];
    let body: Vec<u8> = chunks.iter().flat_map(|parts| candidate(parts, Some("STOP"))).collect();
    let server = Server::start(vec![GEMINI.stream(body)]);
    let mut chat = (GEMINI.chat)(server.root(), HttpOptions::default());
    let (text, reply) = read_stream(&mut chat).await;
    assert_eq!((text.as_str(), reply.expect("an answer").text().as_str()), ("Hello", "Hello"));
}

/// A pause after a finish reason ends the reply, unless the server sends one with each chunk.
#[tokio::test(start_paused = true)]
async fn pause_after_repeated_finish_reasons_loses_no_text() {
    let chunks: Vec<Bytes> = ["He", "l", "lo"]
        .map(|text| candidate(&json!([{"text": text}]), Some("STOP")).into())
        .into();
    let options = HttpOptions::default().with_sender(move |_| {
        let pauses = stream::iter(chunks.clone()).enumerate().then(async |(number, chunk)| {
            tokio::time::sleep(Duration::from_secs(if number == 2 { 60 } else { 0 })).await;
            Ok::<_, Infallible>(Frame::data(chunk))
        });
        let body = reqwest::Body::wrap(StreamBody::new(Box::pin(pauses)));
        let response = http::Response::builder().header("content-type", GEMINI.stream_type);
        std::future::ready(response.body(body).map(reqwest::Response::from))
    });
    let mut chat = (GEMINI.chat)("http://pauses.example", options);
    let mut events = chat.stream("hi");
    let mut text = String::new();
    while let Some(event) = events.next().await {
        if let StreamEvent::Text(more) = event.expect("an answer") {
            text.push_str(&more);
        }
    }
    assert_eq!(text, "Hello");
}

/// An error that a compatible server sends in a list keeps its message.
/// <https://github.com/TokenRhythm/opensquilla/issues/225>
#[tokio::test]
async fn error_in_a_list_keeps_its_message() {
    for protocol in [MESSAGES, GEMINI] {
        let body = json!([(protocol.error_body)("the call has no signature")]);
        let server = Server::start(vec![Answer::json(400, &body)]);
        let mut chat = (protocol.chat)(server.root(), HttpOptions::default());
        let error = read_stream(&mut chat).await.1.expect_err("an error");
        assert_eq!(error.message(), "the call has no signature", "{}", protocol.name);
    }
}
