//! The bounds of every protocol: no server makes a call read without end or wait without end.
//!
//! `cargo test --test providers -- bounds --nocapture` prints the table.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use chatlas::prelude::*;
use chatlas::{ChatRequest, HttpOptions, ProviderError, ProviderErrorKind as Kind};
use hyper::body::{Body, Bytes, Frame};
use serde_json::json;

use crate::support::protocols::{PROTOCOLS, Protocol};
use crate::support::server::{Answer, Server};
use crate::support::stream::{provider_error, read_stream};
use crate::support::timeout::in_time;

const MIB: usize = 1 << 20;
/// The timeout of the calls that are expected to reach it.
const TIMEOUT: Duration = Duration::from_millis(200);

/// An operation of a provider.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Complete,
    Stream,
    Models,
    Count,
}

/// The body of a response: its beginning, then one piece for ever.
#[derive(Clone)]
struct Endless {
    begin: Bytes,
    piece: Bytes,
    /// The time between two pieces; a fast server has none.
    pause: Option<Duration>,
    sleep: Option<Arc<std::sync::Mutex<Pin<Box<tokio::time::Sleep>>>>>,
    read: Arc<AtomicUsize>,
}

impl Endless {
    fn new(begin: Vec<u8>, piece: Vec<u8>) -> Self {
        let (begin, piece) = (begin.into(), piece.into());
        Self { begin, piece, pause: None, sleep: None, read: Arc::default() }
    }

    /// One byte at a time.
    fn slow(begin: Vec<u8>) -> Self {
        let pause = Some(Duration::from_millis(20));
        Self { pause, ..Self::new(begin, b" ".to_vec()) }
    }
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut data = std::mem::take(&mut self.begin);
        if data.is_empty() {
            if let Some(pause) = self.pause {
                let new = || Arc::new(std::sync::Mutex::new(Box::pin(tokio::time::sleep(pause))));
                let sleep = Arc::clone(self.sleep.get_or_insert_with(new));
                std::task::ready!(sleep.lock().expect("no panic").as_mut().poll(task));
                self.sleep = None;
            }
            data = self.piece.clone();
        }
        self.read.fetch_add(data.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

/// Returns HTTP settings whose requests all get this response.
fn sending(status: u16, kind: &'static str, body: Endless) -> HttpOptions {
    HttpOptions::default().with_max_retries(0).with_sender(move |_| {
        let body = reqwest::Body::wrap(body.clone());
        let response = http::Response::builder().status(status).header("content-type", kind);
        let response = response.header("x-amzn-requestid", "reply-1").body(body);
        std::future::ready(Ok::<_, Infallible>(response.expect("a response").into()))
    })
}

/// Performs an operation that is expected to fail.
async fn fails(chat: &mut Chat, operation: Operation) -> ProviderError {
    let provider = Arc::clone(chat.provider());
    match operation {
        Operation::Complete => provider_error(chat.chat("hi").await.expect_err("an error")),
        Operation::Stream => read_stream(chat).await.1.expect_err("an error"),
        Operation::Models => provider.list_models().await.expect_err("an error"),
        Operation::Count => {
            let request = ChatRequest::new([Turn::user("hi")]);
            provider.count_tokens(request).await.expect_err("an error")
        }
    }
}

/// Returns whether the vendor cannot count tokens, so that there is no request.
fn is_unsupported(operation: Operation, error: &ProviderError) -> bool {
    matches!(operation, Operation::Count) && error.kind() == Kind::Unsupported
}

/// A case of the table.
struct Case {
    bound: &'static str,
    operation: Operation,
    status: u16,
    body: Endless,
    timeout: Option<Duration>,
    kind: Option<Kind>,
    /// The maximum number of bytes that are read.
    most: usize,
    /// Whether the error has the part of the reply that had arrived.
    is_partial: bool,
}

/// The beginning of an event that does not end. A frame of AWS begins with its length.
fn endless_event(protocol: &Protocol, length: u32) -> Vec<u8> {
    if protocol.stream_type.starts_with("text/event-stream") {
        b"data: ".to_vec()
    } else {
        u32::to_be_bytes(length).to_vec()
    }
}

/// An event of one mebibyte that has no meaning.
fn long_event(protocol: &Protocol) -> Vec<u8> {
    let long = " ".repeat(MIB);
    #[cfg(feature = "bedrock")]
    if !protocol.stream_type.starts_with("text/event-stream") {
        let headers = [(":message-type", "event"), (":event-type", "novelty")];
        return crate::support::frames::raw(&headers, &format!("{{}}{long}"));
    }
    let _ = protocol;
    format!(":{long}\n\n").into_bytes()
}

fn cases(protocol: &Protocol) -> Vec<Case> {
    use Operation::{Complete, Count, Models, Stream};
    let begin = (protocol.begin)();
    let fast = |begin: Vec<u8>| Endless::new(begin, vec![b' '; MIB]);
    let malformed = Case {
        bound: "",
        operation: Complete,
        status: 200,
        body: fast(b"{".to_vec()),
        timeout: None,
        kind: Some(Kind::MalformedReply),
        most: 33 * MIB,
        is_partial: false,
    };
    let case = |bound, operation, body| Case { bound, operation, body, ..Case::copy(&malformed) };
    let mut cases: Vec<Case> = [Complete, Models, Count]
        .map(|operation| case("bytes of a reply", operation, fast(b"{".to_vec())))
        .into();
    // AWS allows 16 MiB.
    let event = [begin.clone(), endless_event(protocol, 18 << 20)].concat();
    cases.push(Case { is_partial: true, ..case("bytes of an event", Stream, fast(event)) });
    let stream = Endless::new(begin.clone(), long_event(protocol));
    let most = 258 * MIB;
    cases.push(Case { is_partial: true, most, ..case("bytes of a stream", Stream, stream) });
    for operation in [Complete, Stream, Models, Count] {
        let refusal = case("bytes of a refusal", operation, fast(b"{".to_vec()));
        cases.push(Case { status: 500, kind: None, most: 2 * MIB, ..refusal });
        let begin = match operation {
            Stream => [begin.clone(), endless_event(protocol, 16 << 20)].concat(),
            _ => b"{".to_vec(),
        };
        let is_partial = matches!(operation, Stream);
        for (bound, status, is_partial) in
            [("time of a reply", 200, is_partial), ("time of a refusal", 500, false)]
        {
            let slow = case(bound, operation, Endless::slow(begin.clone()));
            let (kind, timeout) = (Some(Kind::Timeout), Some(TIMEOUT));
            cases.push(Case { status, kind, timeout, most: MIB, is_partial, ..slow });
        }
    }
    cases
}

impl Case {
    fn copy(other: &Self) -> Self {
        Self { body: other.body.clone(), ..*other }
    }
}

#[tokio::test]
async fn every_protocol_has_the_same_bounds() {
    println!("protocol | bound | operation | error | bytes read | time");
    for protocol in PROTOCOLS {
        for case in cases(protocol) {
            let Case { bound, operation, status, body, timeout, kind, most, is_partial } = case;
            let read = Arc::clone(&body.read);
            let is_event_stream = matches!(operation, Operation::Stream) && status == 200;
            let media = if is_event_stream { protocol.stream_type } else { "application/json" };
            let mut options = sending(status, media, body);
            if let Some(timeout) = timeout {
                options = options.with_timeout(timeout);
            }
            let mut chat = (protocol.chat)("http://bounds.example", options);
            let begin = Instant::now();
            let error = in_time(fails(&mut chat, operation)).await;
            let (took, read) = (begin.elapsed(), read.load(Ordering::Relaxed));
            let name = format!("{} | {bound} | {operation:?}", protocol.name);
            println!("{name} | {:?} | {read} | {took:.1?}", error.kind());
            if is_unsupported(operation, &error) {
                continue;
            }
            match kind {
                Some(kind) => assert_eq!(error.kind(), kind, "{name}: {error}"),
                None => assert_eq!(error.status(), Some(status), "{name}: {error}"),
            }
            assert!(read <= most, "{name}: {read} bytes");
            if let Some(timeout) = timeout {
                assert!(took >= timeout && took < 40 * timeout, "{name}: {took:?}");
                assert!(error.message().contains("200ms"), "{error}");
            }
            let text = error.partial().map(chatlas::AssistantTurn::text);
            assert_eq!(text.as_deref(), is_partial.then_some("Hel"), "{name}");
        }
    }
}

#[tokio::test]
async fn lists_of_models_have_at_most_100_pages() {
    for protocol in PROTOCOLS {
        // The number of the page, or two pages in turn.
        for pages in [usize::MAX, 2] {
            let requests = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&requests);
            let options = HttpOptions::default().with_sender(move |_| {
                let page = count.fetch_add(1, Ordering::SeqCst) % pages;
                let page = format!("page-{page}");
                // The next page as each vendor names it.
                let body = json!({"data": [{"id": "m"}], "has_more": true, "last_id": page,
                    "models": [{"name": "models/m"}], "nextPageToken": page, "modelSummaries": []});
                let response = http::Response::builder().header("content-type", "application/json");
                let response = response.body(body.to_string()).expect("a response");
                std::future::ready(Ok::<_, Infallible>(response.into()))
            });
            let chat = (protocol.chat)("http://bounds.example", options);
            let listed = in_time(chat.provider().list_models()).await;
            let requests = requests.load(Ordering::SeqCst);
            println!("{} | pages | {requests} requests | {:?}", protocol.name, listed.is_ok());
            match listed {
                // The vendor has no pages.
                Ok(_) => assert_eq!(requests, 1, "{}", protocol.name),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::MalformedReply, "{error}");
                    assert!(requests > 1 && requests <= pages.saturating_add(1).min(100));
                }
            }
        }
    }
}

#[tokio::test]
async fn connecting_and_reading_have_timeouts() {
    for protocol in PROTOCOLS {
        let begin = (protocol.begin)();
        let read = HttpOptions::default().with_max_retries(0).with_read_timeout(TIMEOUT);
        let connect = HttpOptions::default().with_max_retries(0).with_connect_timeout(TIMEOUT);
        let server = Server::start(vec![protocol.stream(begin).stalled()]);
        let json = Server::start(vec![Answer::new(200, "application/json", "{").stalled()]);
        let refusal = Server::start(vec![Answer::new(500, "application/json", "{").stalled()]);
        // The server accepts the connection and never begins TLS.
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let silent = format!("https://{}", silent.local_addr().expect("an address"));
        for (what, url, options, operation, kind) in [
            ("read", server.root(), &read, Operation::Stream, Kind::Timeout),
            ("read", json.root(), &read, Operation::Complete, Kind::Timeout),
            ("read", json.root(), &read, Operation::Models, Kind::Timeout),
            ("read", json.root(), &read, Operation::Count, Kind::Timeout),
            // The status is enough for an error.
            ("read", refusal.root(), &read, Operation::Complete, Kind::Overloaded),
            ("connect", &silent, &connect, Operation::Complete, Kind::Timeout),
        ] {
            let mut chat = (protocol.chat)(url, options.clone());
            let begin = Instant::now();
            let error = in_time(fails(&mut chat, operation)).await;
            let (name, took) = (protocol.name, begin.elapsed());
            println!("{name} | {what} timeout | {operation:?} | {:?} | {took:.1?}", error.kind());
            if is_unsupported(operation, &error) {
                continue;
            }
            assert_eq!(error.kind(), kind, "{name} {what} {operation:?}: {error}");
            assert!(took < 40 * TIMEOUT, "{took:?}");
        }
    }
}
