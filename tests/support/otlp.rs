//! A receiver of OTLP over HTTP on loopback that decodes and stores the received requests.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde::de::DeserializeOwned;

/// One export request.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    /// The names are in lower case.
    pub headers: Vec<(String, String)>,
    /// The length of the body as sent, before decompression.
    pub bytes: usize,
    pub payload: Payload,
}

/// The decoded body.
#[derive(Clone, Debug)]
pub enum Payload {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
    Unknown,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns its spans.
    pub fn spans(&self) -> Vec<Span> {
        let Payload::Traces(request) = &self.payload else { return Vec::new() };
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.iter().cloned()).collect()
    }

    /// Returns the value of a resource attribute.
    pub fn resource(&self, key: &str) -> Option<String> {
        let resource = match &self.payload {
            Payload::Traces(request) => request.resource_spans.first()?.resource.clone()?,
            Payload::Metrics(request) => request.resource_metrics.first()?.resource.clone()?,
            Payload::Logs(request) => request.resource_logs.first()?.resource.clone()?,
            Payload::Unknown => return None,
        };
        attribute(&resource.attributes, key)
    }
}

/// Returns the value of an attribute as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?;
    Some(text(value))
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    }
}

#[derive(Default)]
struct Kept {
    received: Mutex<Vec<Received>>,
    more: Condvar,
}

/// The receiver, which runs until the end of the process.
pub struct Receiver {
    pub address: String,
    kept: Arc<Kept>,
}

impl Receiver {
    /// Starts a receiver that accepts every request.
    pub fn start() -> Self {
        Self::answering("200 OK", "application/x-protobuf", "")
    }

    /// Starts a receiver that sends this response to every request.
    pub fn answering(status: &'static str, kind: &'static str, body: &'static str) -> Self {
        Self::with(move |stream, kept| serve(stream, kept, |_| (status, kind, body)))
    }

    /// Starts a receiver that decides the status of each request. It keeps the accepted requests.
    pub fn deciding(
        decide: impl Fn(&Received) -> &'static str + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::with(move |stream, kept| {
            serve(stream, kept, |received| (decide(received), "application/x-protobuf", ""))
        })
    }

    /// Starts a receiver with TLS that accepts every request.
    pub fn over_tls(config: Arc<rustls::ServerConfig>) -> Self {
        Self::with(move |stream, kept| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config));
            let stream = rustls::StreamOwned::new(connection.expect("a configuration"), stream);
            serve(stream, kept, |_| ("200 OK", "application/x-protobuf", ""))
        })
    }

    fn with(
        work: impl Fn(TcpStream, &Kept) -> std::io::Result<()> + Clone + Send + 'static,
    ) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).expect("a free port"), work)
    }

    /// Starts a receiver on this listener that accepts every request.
    pub fn listening(listener: TcpListener) -> Self {
        Self::on(listener, |stream, kept| {
            serve(stream, kept, |_| ("200 OK", "application/x-protobuf", ""))
        })
    }

    fn on(
        listener: TcpListener,
        work: impl Fn(TcpStream, &Kept) -> std::io::Result<()> + Clone + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("an address").to_string();
        let kept = Arc::new(Kept::default());
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let Ok(connection) = connection else { return };
                let (kept, work) = (Arc::clone(&shared), work.clone());
                // A client that disconnects ends its connection only.
                std::thread::spawn(move || work(connection, &kept));
            }
        });
        Self { address, kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests received so far.
    pub fn received(&self) -> Vec<Received> {
        self.kept.received.lock().expect("the lock is not poisoned").clone()
    }

    /// Waits for a request to this path.
    pub fn wait_for(&self, path: &str) -> Received {
        let end = Instant::now() + Duration::from_secs(30);
        let mut received = self.kept.received.lock().expect("the lock is not poisoned");
        loop {
            if let Some(found) = received.iter().find(|request| request.path == path) {
                return found.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no request to {path}:  {:?}", paths(&received));
            received =
                self.kept.more.wait_timeout(received, left).expect("the lock is not poisoned").0;
        }
    }

    /// Returns the spans received so far.
    pub fn spans(&self) -> Vec<Span> {
        self.received().iter().flat_map(Received::spans).collect()
    }
}

fn paths(received: &[Received]) -> Vec<&str> {
    received.iter().map(|request| request.path.as_str()).collect()
}

fn serve<S: Read + Write>(
    stream: S,
    kept: &Kept,
    answer: impl Fn(&Received) -> (&'static str, &'static str, &'static str),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            line.clear();
            if stream.read_line(&mut line)? <= 2 {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let find = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone());
        let length = find("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut sent = vec![0; length];
        stream.read_exact(&mut sent)?;
        let bytes = sent.len();
        if find("content-encoding").as_deref() == Some("gzip") {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&*sent).read_to_end(&mut plain)?;
            sent = plain;
        }
        let json = find("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        let payload = payload(&path, &sent, json);
        let received = Received { path, headers, bytes, payload };
        let (status, kind, body) = answer(&received);
        if status.starts_with('2') {
            kept.received.lock().expect("the lock is not poisoned").push(received);
            kept.more.notify_all();
        }
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().flush()?;
    }
}

fn payload(path: &str, sent: &[u8], json: bool) -> Payload {
    fn read<M: Message + Default + DeserializeOwned>(sent: &[u8], json: bool) -> Option<M> {
        if json { serde_json::from_slice(sent).ok() } else { M::decode(sent).ok() }
    }
    let read = if path.ends_with("/traces") {
        read(sent, json).map(Payload::Traces)
    } else if path.ends_with("/metrics") {
        read(sent, json).map(Payload::Metrics)
    } else if path.ends_with("/logs") {
        read(sent, json).map(Payload::Logs)
    } else {
        None
    };
    read.unwrap_or(Payload::Unknown)
}
