//! Calls outside of the tokio runtime that the HTTP client needs.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use chatlas::prelude::*;
use chatlas::{HttpOptions, ProviderErrorKind};

use super::support::protocols::PROTOCOLS;
use super::support::server::Server;
use super::support::stream::provider_error;

/// Polls a future that has nothing to wait for.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

async fn assert_all_fail(mut chat: Chat, protocol: &str) {
    let mut errors = vec![
        provider_error(chat.chat("hi").await.unwrap_err()),
        provider_error(chat.extract::<u8>("hi").await.unwrap_err()),
        chat.provider().list_models().await.unwrap_err(),
    ];
    let streamed = chat.stream("hi").next().await.unwrap();
    errors.push(provider_error(streamed.unwrap_err()));
    for error in errors {
        if error.kind() != ProviderErrorKind::Unsupported {
            assert_eq!(error.kind(), ProviderErrorKind::NoRuntime, "{protocol}: {error}");
            assert!(error.message().contains("tokio runtime"), "{error}");
        }
    }
    assert!(chat.turns().is_empty());
}

/// Without a tokio runtime, or without its timer or I/O, a call fails with a typed error.
#[test]
fn a_call_without_a_complete_runtime_is_an_error() {
    for protocol in PROTOCOLS {
        let server = Server::start(vec![protocol.valid_stream()]);
        let chat = || (protocol.chat)(server.root(), HttpOptions::default());
        now(assert_all_fail(chat(), protocol.name));
        let build = tokio::runtime::Builder::new_current_thread;
        for runtime in [build().build(), build().enable_io().build(), build().enable_time().build()]
        {
            runtime.unwrap().block_on(assert_all_fail(chat(), protocol.name));
        }
        assert!(server.sent().iter().all(|sent| sent.head.is_empty()), "no request was sent");
    }
}

/// A function that sends requests needs no tokio runtime, unless a timeout of the operation is set.
#[test]
fn a_function_that_sends_requests_needs_a_runtime_for_a_timeout_only() {
    for protocol in PROTOCOLS {
        let body = (protocol.error_body)("sorry").to_string();
        let options = HttpOptions::default().with_sender(move |_| {
            let response = http::Response::builder().status(400).body(body.clone());
            std::future::ready(response.map(reqwest::Response::from))
        });
        let timed = options.clone().with_timeout(std::time::Duration::from_secs(9));
        let fails = |options| {
            let mut chat = (protocol.chat)("http://runtime.example", options);
            provider_error(now(chat.chat("hi")).unwrap_err())
        };
        assert_eq!(fails(options).message(), "sorry", "{}", protocol.name);
        assert_eq!(fails(timed).kind(), ProviderErrorKind::NoRuntime, "{}", protocol.name);
    }
}
