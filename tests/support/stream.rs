//! Reads a streamed reply that may fail: the text before the failure, and the provider's error.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::ProviderError;
use chatlas::prelude::*;

use super::timeout::in_time;

/// Reads a stream to its end. Returns the streamed text, and the reply or the error at the end.
pub async fn read_stream(chat: &mut Chat) -> (String, Result<Reply, ProviderError>) {
    let mut stream = chat.stream("hi");
    let mut text = String::new();
    loop {
        match in_time(stream.next()).await.expect("an end") {
            Ok(StreamEvent::Text(more)) => text.push_str(&more),
            Ok(StreamEvent::Done(reply)) => return (text, Ok(*reply)),
            Ok(_) => {}
            Err(error) => return (text, Err(provider_error(error))),
        }
    }
}

/// Returns the body of a stream with these events.
pub fn events(events: &[serde_json::Value]) -> String {
    let events: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    events.concat()
}

/// Returns the provider's error in `error`.
pub fn provider_error(error: ChatError) -> ProviderError {
    match error {
        ChatError::Provider(error) => error,
        other => panic!("{other:?}"),
    }
}
