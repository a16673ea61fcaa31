//! The live page: who may read it, what it receives, and that it never holds up the program.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chatlas::otel::{Guard, Telemetry};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracer;
use reqwest::blocking::{Client, Response};

use crate::html_report::TURN;
use crate::support::browser::{browse, chromium};

/// A running page.
struct Page {
    telemetry: Guard,
    url: String,
    /// The SDK is global, so that pages are created one after the other.
    _turn: MutexGuard<'static, ()>,
}

impl Page {
    fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let telemetry = Telemetry::new()
            .with_service_name("travel")
            .with_live("127.0.0.1:0")
            .install()
            .unwrap();
        let url = telemetry.live_url().unwrap().to_owned();
        Self { telemetry, url, _turn: turn }
    }

    fn tracer(&self) -> SdkTracer {
        self.telemetry.tracer_provider().unwrap().tracer("test")
    }

    fn address(&self) -> SocketAddr {
        self.url.split('/').nth(2).unwrap().parse().unwrap()
    }

    fn events(&self) -> Events {
        Events::new(get(&format!("{}events", self.url), &[]))
    }
}

fn get(url: &str, headers: &[(&str, &str)]) -> Response {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    let request =
        headers.iter().fold(client.get(url), |request, (key, value)| request.header(*key, *value));
    request.send().unwrap()
}

fn status(url: &str, headers: &[(&str, &str)]) -> u16 {
    get(url, headers).status().as_u16()
}

/// A stream of server-sent events.
struct Events(BufReader<Response>);

impl Events {
    fn new(response: Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(BufReader::new(response))
    }

    /// Returns the next event with its data, or `None` at the end.
    fn next(&mut self) -> Option<(String, String)> {
        let (mut event, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut event),
                Some(("data", text)) => text.clone_into(&mut data),
                _ if line == "\n" && !event.is_empty() => return Some((event, data)),
                _ => {}
            }
        }
    }
}

#[test]
fn the_page_requires_the_token() {
    let page = Page::start();
    let root = format!("http://{}/", page.address());
    let (_, token) = page.url.trim_end_matches('/').rsplit_once('/').unwrap();
    assert_eq!(token.len(), 32);
    for path in [
        "",
        "events",
        "0123/",
        "0123/events",
        &format!("{}/", &token[..31]),
        &format!("{token}0/"),
        token,
    ] {
        assert_eq!(status(&format!("{root}{path}"), &[]), 404, "{path}");
    }
    let response = get(&page.url, &[]);
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let text = response.text().unwrap();
    assert!(text.contains("connect-src 'self'"), "{text}");
    assert_eq!(status(&format!("{}other", page.url), &[]), 404);
    assert!(!format!("{:?}", page.telemetry).contains(token), "Debug omits the token");
    let other = page.url.clone();
    drop(page);
    assert_ne!(Page::start().url.rsplit('/').nth(1), other.rsplit('/').nth(1), "it is random");
}

/// Other web sites reach the page through a name that resolves to the loopback interface, or from
/// their own pages.
#[test]
fn other_hosts_and_origins_are_refused() {
    let page = Page::start();
    let port = page.address().port();
    let own = format!("127.0.0.1:{port}");
    for (host, origin, expected) in [
        (own.as_str(), None, 200),
        (&format!("localhost:{port}"), None, 200),
        (own.as_str(), Some(format!("http://{own}")), 200),
        (&format!("evil.example:{port}"), None, 403),
        ("127.0.0.1", None, 403),
        ("127.0.0.1:1", None, 403),
        (&format!("127.0.0.1.evil.example:{port}"), None, 403),
        (&format!("localhost.evil.example:{port}"), None, 403),
        (own.as_str(), Some("http://evil.example".to_owned()), 403),
        (own.as_str(), Some("null".to_owned()), 403),
        (own.as_str(), Some(format!("https://{own}")), 403),
    ] {
        let mut headers = vec![("host", host)];
        headers.extend(origin.as_deref().map(|origin| ("origin", origin)));
        assert_eq!(status(&page.url, &headers), expected, "{headers:?}");
        assert_eq!(
            status(&format!("{}nothing", page.url), &headers),
            if expected == 200 { 404 } else { 403 }
        );
    }
    // Without a Host header, over HTTP/1.0, and with two of them.
    for head in [
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(page.address()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 403 ") || answer.contains(" 400 "), "{answer}");
    }
    assert_eq!(Client::new().post(&page.url).send().unwrap().status(), 405);
}

#[test]
fn spans_are_sent_when_they_start_and_when_they_end() {
    let page = Page::start();
    let tracer = page.tracer();
    tracer.start("before the page was opened").end();
    let mut events = page.events();
    let (event, data) = events.next().unwrap();
    assert_eq!(event, "span");
    assert!(
        data.contains("before the page was opened") && data.contains(r#""duration":"#),
        "{data}"
    );
    let mut span = tracer.start("chat gpt-4o\n\ndata: x");
    let (_, data) = events.next().unwrap();
    assert!(data.contains(r#""running":true"#) && !data.contains("duration"), "{data}");
    span.set_attribute(KeyValue::new("answer", "</script>"));
    span.end();
    let (_, data) = events.next().unwrap();
    assert!(data.contains(r#""duration":"#) && data.contains(r"\u003c/script\u003e"), "{data}");
    // A browser that connects again receives what it has missed.
    drop(tracer.start("last"));
    let again = get(&format!("{}events", page.url), &[("last-event-id", "4")]);
    let (_, data) = Events::new(again).next().unwrap();
    assert!(data.contains("last"), "{data}");
}

#[test]
fn shutdown_sends_the_last_spans_and_releases_the_port() {
    let page = Page::start();
    let (tracer, address) = (page.tracer(), page.address());
    let mut events = page.events();
    let reader =
        std::thread::spawn(move || std::iter::from_fn(|| events.next()).collect::<Vec<_>>());
    // The stream is open when it receives a span.
    drop(tracer.start("first"));
    drop(tracer.start("the last one"));
    let begin = Instant::now();
    page.telemetry.shutdown().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    TcpListener::bind(address).expect("the port is free");
    let received = reader.join().unwrap();
    assert_eq!(received.last().unwrap().0, "end", "{received:?}");
    assert!(received.iter().any(|(_, data)| data.contains("the last one")), "{received:?}");
}

#[test]
fn an_invalid_address_and_a_port_in_use_are_setup_errors() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let error =
        |address: &str| Telemetry::new().with_live(address).install().unwrap_err().to_string();
    let expected =
        "Telemetry::with_live must be a loopback address with a port, such as 127.0.0.1:4400";
    assert_eq!(error("0.0.0.0:4400"), expected);
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = used.local_addr().unwrap().to_string();
    let message = error(&address);
    assert!(
        message.starts_with(&format!("Telemetry::with_live: cannot listen on {address}: ")),
        "{message}"
    );
    assert!(message.ends_with("use another port, or port 0 for any free one"), "{message}");
}

#[test]
fn browsers_that_read_nothing_hold_up_neither_the_program_nor_others() {
    let page = Page::start();
    let tracer = page.tracer();
    let path = format!("/{}/events", page.url.rsplit('/').nth(1).unwrap());
    // Thirty streams that are never read, and twenty connections that send nothing.
    let hung: Vec<TcpStream> = (0..50)
        .map(|n| {
            let mut stream = TcpStream::connect(page.address()).unwrap();
            if n < 30 {
                write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", page.address()).unwrap();
            }
            stream
        })
        .collect();
    let text = "x".repeat(64 * 1024);
    let begin = Instant::now();
    // 90 MiB: the oldest are dropped.
    for n in 0..1_440 {
        let mut span = tracer.start(format!("span {n}"));
        span.set_attribute(KeyValue::new("text", text.clone()));
    }
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let mut events = page.events();
    let (event, dropped) = events.next().unwrap();
    assert_eq!(event, "dropped");
    let dropped: usize = dropped.parse().unwrap();
    assert!((400..1_000).contains(&dropped), "{dropped}");
    let mut seen = 0;
    while !events.next().unwrap().1.contains(r#""name":"span 1439""#) {
        seen += 1;
    }
    assert_eq!(seen + 1, 1_440 - dropped);
    drop(hung);
}

#[test]
fn a_browser_shows_the_spans_of_the_running_program() {
    if chromium().is_none() {
        return;
    }
    // Chromium prints the page when the stream has ended: after the shutdown. On a busy machine it
    // may start later than that.
    for wait in [4, 10, 30] {
        let page = Page::start();
        let tracer = page.tracer();
        let mut running = tracer.start("execute_tool slow");
        running.set_attribute(KeyValue::new("gen_ai.operation.name", "execute_tool"));
        tracer.start("finished <img src=x>").end();
        let url = page.url.clone();
        let browser = std::thread::spawn(move || browse(&url, &["--dump-dom"]));
        std::thread::sleep(Duration::from_secs(wait));
        tracer.start("started while the page is open").end();
        std::thread::sleep(Duration::from_millis(500));
        page.telemetry.shutdown().unwrap();
        drop(running);
        let shown = browser.join().unwrap();
        if !shown.contains("data-live=") {
            continue;
        }
        assert!(shown.contains("The program has ended"), "{shown}");
        assert!(shown.contains("started while the page is open"), "{shown}");
        assert!(shown.contains("execute_tool slow") && shown.contains("… running"), "{shown}");
        assert!(shown.contains("finished &lt;img src=x&gt;") && !shown.contains("<img"), "{shown}");
        return;
    }
    panic!("Chromium did not open the page");
}
