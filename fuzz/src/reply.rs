//! Fuzzes the response of a server to each operation.

use std::convert::Infallible;
use std::time::Duration;

use chatlas::prelude::*;
use chatlas::{ChatRequest, HttpOptions, ProviderError, ProviderErrorKind};
use tokio::runtime::{Builder, Runtime};

use super::history::assert_in_order;
use super::protocols::Protocol;

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// The operations, selected by the first byte modulo their number.
#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Stream,
    Complete,
    Models,
    Count,
    /// A complete reply with a failure status.
    Refusal,
    /// A streamed reply with a failure status.
    StreamRefusal,
}

const OPERATIONS: [Operation; 6] = [
    Operation::Stream,
    Operation::Complete,
    Operation::Models,
    Operation::Count,
    Operation::Refusal,
    Operation::StreamRefusal,
];

/// Reads the bytes as a response. The first byte selects the operation, the others are the body.
#[allow(unreachable_pub)] // the fuzzer is another crate
pub fn reply(protocol: &Protocol, bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let operation = OPERATIONS[usize::from(*first) % OPERATIONS.len()];
    let (status, kind) = match operation {
        Operation::Stream => (200, protocol.stream_type),
        Operation::Refusal | Operation::StreamRefusal => (400, "application/json"),
        _ => (200, "application/json"),
    };
    let body = body.to_vec();
    let send = move |_| {
        let response = http::Response::builder().status(status).header("content-type", kind);
        let response = response.body(body.clone());
        async move { Ok::<_, Infallible>(reqwest::Response::from(response.expect("a response"))) }
    };
    let options = HttpOptions::default().with_max_retries(0).with_sender(send);
    let mut chat = (protocol.chat)("http://fuzz.example", options).with_max_rounds(2);
    let run = async {
        match operation {
            Operation::Stream | Operation::StreamRefusal => run_chat(&mut chat, true).await,
            Operation::Complete | Operation::Refusal => run_chat(&mut chat, false).await,
            Operation::Models => chat.provider().list_models().await.map_or_else(check, drop),
            Operation::Count => {
                let request = ChatRequest::new([Turn::user("hi")]);
                chat.provider().count_tokens(request).await.map_or_else(check, drop);
            }
        }
    };
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(20), run).await.expect("no hang");
        });
    });
    assert_in_order(chat.turns());
}

/// Checks the error of a response.
#[allow(clippy::needless_pass_by_value)] // it is called with the error of a result
fn check(error: ProviderError) {
    assert!(error.kind() != ProviderErrorKind::Connection, "{error:?}");
    let message = error.to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
    let message = format!("{message} {error:?}");
    assert!(!message.contains(super::protocols::KEY), "{message}");
}

async fn run_chat(chat: &mut Chat, is_streamed: bool) {
    let result = if is_streamed {
        let mut events = chat.stream("hi");
        loop {
            match events.next().await.expect("a stream ends with a reply or an error") {
                Ok(StreamEvent::Done(reply)) => break Ok(*reply),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        }
    } else {
        chat.chat("hi").await
    };
    match result {
        Ok(reply) => assert!(!reply.turn.partial, "a reply without an error is complete"),
        Err(ChatError::Provider(error)) => check(error),
        Err(_) => {}
    }
}
