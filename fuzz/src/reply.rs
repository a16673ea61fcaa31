//! A server's reply, of any bytes.

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

/// Reads the bytes as a reply: the first says whether it is streamed, the others are its body.
#[allow(unreachable_pub)] // the fuzzer is another crate
pub fn reply(protocol: &Protocol, bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let streams = first % 2 == 0;
    let (kind, body) =
        (if streams { protocol.stream_type } else { "application/json" }, body.to_vec());
    let send = move |_| {
        let response = http::Response::builder().header("content-type", kind).body(body.clone());
        async move { Ok::<_, Infallible>(reqwest::Response::from(response.expect("a response"))) }
    };
    let options = HttpOptions::default().max_retries(0).send_with(send);
    let mut chat = (protocol.chat)("http://fuzz.example", options).with_max_rounds(2);
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let talking = tokio::time::timeout(Duration::from_secs(20), talk(&mut chat, streams));
            talking.await.expect("no hang");
        });
    });
    assert_in_order(chat.turns());
}

async fn talk(chat: &mut Chat, streams: bool) {
    let ended = if streams {
        let mut stream = chat.stream("hi");
        loop {
            match stream.next().await.expect("a stream ends with a reply or an error") {
                Ok(StreamEvent::Done(reply)) => break Ok(*reply),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        }
    } else {
        chat.chat("hi").await
    };
    match ended {
        Ok(reply) => assert!(!reply.turn.partial, "a reply is whole"),
        Err(ChatError::Provider(error)) => {
            assert!(error.kind() != ProviderErrorKind::Connection, "{error:?}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(super::protocols::KEY), "{shown}");
        }
        Err(_) => {}
    }
}
