//! Fuzzes the reply of a server.

use std::convert::Infallible;
use std::time::Duration;

use chatlas::prelude::*;
use chatlas::{HttpOptions, ProviderErrorKind};
use tokio::runtime::{Builder, Runtime};

use super::history::assert_in_order;
use super::protocols::Protocol;

thread_local! {
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// Reads the bytes as a reply. The first byte selects streaming, the others are the body.
#[allow(unreachable_pub)] // the fuzzer is another crate
pub fn reply(protocol: &Protocol, bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let is_streamed = first % 2 == 0;
    let (kind, body) =
        (if is_streamed { protocol.stream_type } else { "application/json" }, body.to_vec());
    let send = move |_| {
        let response = http::Response::builder().header("content-type", kind).body(body.clone());
        async move { Ok::<_, Infallible>(reqwest::Response::from(response.expect("a response"))) }
    };
    let options = HttpOptions::default().with_max_retries(0).with_sender(send);
    let mut chat = (protocol.chat)("http://fuzz.example", options).with_max_rounds(2);
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let run =
                tokio::time::timeout(Duration::from_secs(20), run_chat(&mut chat, is_streamed));
            run.await.expect("no hang");
        });
    });
    assert_in_order(chat.turns());
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
        Err(ChatError::Provider(error)) => {
            assert!(error.kind() != ProviderErrorKind::Connection, "{error:?}");
            let message = format!("{error} {error:?}");
            assert!(!message.contains(super::protocols::KEY), "{message}");
        }
        Err(_) => {}
    }
}
