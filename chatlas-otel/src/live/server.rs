//! The HTTP server of the live page: one thread with its own runtime, on the loopback interface.
//!
//! The path contains a random token, so that other users of the machine cannot read the page. `Host`
//! and `Origin` are checked, so that a web site cannot reach it through a name that resolves to the
//! loopback interface ([DNS rebinding](https://en.wikipedia.org/wiki/DNS_rebinding)).

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::SETTING;
use super::store::{Position, Store};
use crate::error::SetupError;

/// The maximum number of open connections. Others wait.
const MAX_CONNECTIONS: usize = 64;
/// A connection that has not read anything for this long is closed.
const STALLED: Duration = Duration::from_secs(30);
/// The time after which a comment is sent on a quiet connection, so that a closed tab is noticed.
const PING: Duration = Duration::from_secs(10);
/// The maximum time in which open pages receive the last spans at shutdown.
const LAST_SPANS: Duration = Duration::from_millis(500);

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    /// Dropped to stop the server.
    stop: oneshot::Sender<()>,
    /// Closed when the thread has ended.
    ended: std::sync::mpsc::Receiver<Infallible>,
}

/// What all connections share.
struct Site {
    store: Arc<Store>,
    token: String,
    port: u16,
    /// Whether the server is about to end.
    ending: watch::Sender<bool>,
}

impl Server {
    /// Binds the address, and returns the server and the URL of the page.
    pub(super) fn start(
        address: SocketAddr,
        store: Arc<Store>,
    ) -> Result<(Self, String), SetupError> {
        let failed = |error| SetupError::Listen { setting: SETTING.to_owned(), address, error };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener).map_err(failed)?
        };
        let token = token().map_err(failed)?;
        let url = format!("http://{address}/{token}/");
        let site = Site { store, token, port: address.port(), ending: watch::Sender::new(false) };
        let (stop, stopped) = oneshot::channel();
        let (running, ended) = std::sync::mpsc::channel();
        thread::Builder::new()
            .name("chatlas-otel-live".to_owned())
            .spawn(move || {
                let _running = running;
                run(&runtime, listener, &Arc::new(site), stopped);
                // Closes all sockets before the end is reported.
                drop(runtime);
            })
            .map_err(failed)?;
        Ok((Self { stop, ended }, url))
    }

    /// Stops the server, and waits until its port is free.
    pub(super) fn stop(self, timeout: Duration) {
        drop(self.stop);
        let _ = self.ended.recv_timeout(timeout);
    }
}

/// Returns 128 random bits as hexadecimal digits.
fn token() -> io::Result<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// Compares in a time that does not depend on the content, so that a token cannot be guessed byte by
/// byte.
fn is_equal(a: &str, b: &str) -> bool {
    let difference = a.bytes().zip(b.bytes()).fold(0, |bits, (a, b)| bits | (a ^ b));
    a.len() == b.len() && difference == 0
}

/// Accepts connections until the server is stopped.
fn run(runtime: &Runtime, listener: TcpListener, site: &Arc<Site>, stopped: oneshot::Receiver<()>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let accepting = runtime.spawn(accept(listener, Arc::clone(site), Arc::clone(&connections)));
    runtime.block_on(async {
        // The sender is dropped.
        let _ = stopped.await;
        accepting.abort();
        site.ending.send_replace(true);
        let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
        let _ = timeout(LAST_SPANS, connections.acquire_many(all)).await;
    });
}

async fn accept(listener: TcpListener, site: Arc<Site>, connections: Arc<Semaphore>) {
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // For example too many open files. Others may be closed soon.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            serve(TokioIo::new(stream), site).await;
            drop(permit);
        });
    }
}

/// Serves the request of a connection. Ends when the client stops reading.
async fn serve(stream: TokioIo<tokio::net::TcpStream>, site: Arc<Site>) {
    let progress = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&progress);
    let respond = service_fn(move |request| {
        let response = site.respond(&request, &counter);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    // One request per connection, so that a connection ends with its response.
    let connection = http1::Builder::new().keep_alive(false).serve_connection(stream, respond);
    let stalled = async {
        let mut seen = None;
        loop {
            sleep(STALLED).await;
            let count = progress.load(Ordering::Relaxed);
            if seen.replace(count) == Some(count) {
                return;
            }
        }
    };
    race(connection, stalled).await;
}

/// Waits until one of two futures is ready.
async fn race(a: impl Future, b: impl Future) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|cx| match a.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => b.as_mut().poll(cx).map(drop),
    })
    .await;
}

impl Site {
    fn respond(
        self: &Arc<Self>,
        request: &Request<Incoming>,
        progress: &Arc<AtomicU64>,
    ) -> Response<Content> {
        let refuse = |status| response(status, "text/plain", Source::Complete(None), progress);
        if !self.is_local(request) {
            return refuse(StatusCode::FORBIDDEN);
        }
        let path = request.uri().path().strip_prefix('/').and_then(|path| path.split_once('/'));
        let Some((_, file)) = path.filter(|(token, _)| is_equal(token, &self.token)) else {
            return refuse(StatusCode::NOT_FOUND);
        };
        match file {
            _ if request.method() != Method::GET => refuse(StatusCode::METHOD_NOT_ALLOWED),
            "" => {
                let page = Some(self.store.page().into());
                response(
                    StatusCode::OK,
                    "text/html; charset=utf-8",
                    Source::Complete(page),
                    progress,
                )
            }
            "events" => {
                let last = request.headers().get("last-event-id");
                let last = last.and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
                let (sender, events) = mpsc::channel(1);
                tokio::spawn(send_events(Arc::clone(self), Position::after(last), sender));
                response(StatusCode::OK, "text/event-stream", Source::Events(events), progress)
            }
            _ => refuse(StatusCode::NOT_FOUND),
        }
    }

    /// Returns whether a request was sent to a name of the loopback interface, by its own page or by
    /// no page.
    fn is_local(&self, request: &Request<Incoming>) -> bool {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next())
        else {
            return false;
        };
        let port = format!(":{}", self.port);
        // Browsers omit the default port.
        let name = host.strip_suffix(&port).or((self.port == 80).then_some(host));
        let is_loopback = name.is_some_and(|name| {
            let ip = name.trim_start_matches('[').trim_end_matches(']');
            name == "localhost" || ip.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        });
        let origin = request.headers().get(header::ORIGIN);
        let own = origin.is_none_or(|origin| origin == format!("http://{host}").as_str());
        is_loopback && own
    }
}

/// Sends the spans to a connection until it or the server ends.
async fn send_events(site: Arc<Site>, mut position: Position, sender: mpsc::Sender<Bytes>) {
    let mut changes = site.store.changes();
    let mut ending = site.ending.subscribe();
    loop {
        let is_ending = *ending.borrow_and_update();
        changes.mark_unchanged();
        let mut events = site.store.events_after(&mut position);
        if events.is_empty() {
            if is_ending {
                let _ = sender.send("event: end\ndata:\n\n".into()).await;
                return;
            }
            if timeout(PING, race(changes.changed(), ending.changed())).await.is_ok() {
                continue;
            }
            events.push_str(":\n\n");
        }
        // Waits until the browser has read the previous events.
        if sender.send(events.into()).await.is_err() {
            return;
        }
    }
}

fn response(
    status: StatusCode,
    kind: &'static str,
    source: Source,
    progress: &Arc<AtomicU64>,
) -> Response<Content> {
    let mut response = Response::new(Content { source, progress: Arc::clone(progress) });
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The body of a response.
struct Content {
    source: Source,
    /// Counts the chunks that the connection has taken.
    progress: Arc<AtomicU64>,
}

enum Source {
    Complete(Option<Bytes>),
    Events(mpsc::Receiver<Bytes>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = match &mut self.source {
            Source::Complete(bytes) => bytes.take(),
            Source::Events(events) => ready!(events.poll_recv(cx)),
        };
        self.progress.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}
