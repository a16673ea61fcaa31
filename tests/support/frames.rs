//! AWS event streams: encoded with AWS's own crate, and decoded independently of the library.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::server::Answer;

pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Returns a frame with these headers and this JSON payload.
pub fn frame(headers: &[(&'static str, &str)], payload: &Value) -> Vec<u8> {
    raw(headers, &payload.to_string())
}

/// Returns a frame with these headers and this payload, which need not be JSON.
pub fn raw(headers: &[(&'static str, &str)], payload: &str) -> Vec<u8> {
    let mut message = Message::new(payload.to_owned().into_bytes());
    for (name, value) in headers {
        let value = HeaderValue::String((*value).to_owned().into());
        message = message.add_header(Header::new(*name, value));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("a frame");
    bytes
}

/// Returns an event of the Converse API.
pub fn event(kind: &str, payload: &Value) -> Vec<u8> {
    frame(
        &[(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")],
        payload,
    )
}

/// Returns an event of the Messages API in a `chunk` frame.
pub fn chunk(payload: &Value) -> Vec<u8> {
    event("chunk", &json!({"bytes": STANDARD.encode(payload.to_string()), "p": "abc"}))
}

/// Returns an exception frame.
pub fn exception(kind: &str, payload: &Value) -> Vec<u8> {
    frame(
        &[
            (":exception-type", kind),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        payload,
    )
}

/// Returns a response that consists of these frames.
pub fn answer(frames: &[Vec<u8>]) -> Answer {
    Answer::new(200, CONTENT_TYPE, frames.concat())
}

/// Returns the payloads of all frames.
pub fn payloads(mut body: &[u8]) -> Vec<Value> {
    let length = |bytes: &[u8], at: usize| {
        let bytes: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
        u32::from_be_bytes(bytes) as usize
    };
    let mut found = Vec::new();
    while !body.is_empty() {
        let (total, headers) = (length(body, 0), length(body, 4));
        found.push(serde_json::from_slice(&body[12 + headers..total - 4]).expect("JSON"));
        body = &body[total..];
    }
    found
}

/// Returns the events of the Messages API in a recorded stream.
pub fn chunks(body: &[u8]) -> Vec<Value> {
    payloads(body)
        .iter()
        .map(|payload| {
            let bytes = STANDARD.decode(payload["bytes"].as_str().expect("bytes"));
            serde_json::from_slice(&bytes.expect("base64")).expect("an event is JSON")
        })
        .collect()
}
