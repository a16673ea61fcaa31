//! What a program gets of a model that may fail: the text on the way, and the provider's error.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use chatlas::ProviderError;
use chatlas::prelude::*;

use super::timeout::in_time;

/// The whole stream: its text, and how it ended.
pub async fn listen(chat: &mut Chat) -> (String, Result<Reply, ProviderError>) {
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

pub fn provider_error(error: ChatError) -> ProviderError {
    match error {
        ChatError::Provider(error) => error,
        other => panic!("{other:?}"),
    }
}
