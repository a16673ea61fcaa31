//! Writes a report of all traces as one self-contained HTML file. The page (`page.html`,
//! `style.css`, `report.js`) is the same for every report. It contains the spans as JSON, and
//! draws them when it is opened.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use serde_json::{Value, json};

use crate::error::SetupError;
use crate::facts::{Facts, Kind};
use crate::file::private_file_options;
use crate::guard::LocalFile;
use crate::json::{attributes, nanos};
use crate::prices::Prices;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("report.js");

/// The maximum number of bytes of spans in a report. Beyond it, the oldest spans are dropped.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The minimum time between two writes of the file.
const MIN_PAUSE: Duration = Duration::from_secs(3);
/// The time between two writes as a multiple of the duration of the last one, so that a large
/// report does not keep the disk busy.
const PAUSE_FACTOR: u32 = 20;

/// A span processor that keeps a report up to date.
#[derive(Debug)]
pub(crate) struct Report {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    prices: Prices,
    spans: Mutex<Spans>,
    /// Whether spans have ended since the last write.
    changed: AtomicBool,
    /// Held by the thread that writes the file.
    writing: Mutex<()>,
    /// The error of the last write.
    failure: Mutex<Option<String>>,
    /// Ends the thread that rewrites the file when it is dropped.
    alive: Mutex<Option<Sender<()>>>,
}

/// The spans, each as JSON that is escaped for HTML. Clones share the text of the spans.
#[derive(Clone, Debug, Default)]
struct Spans {
    service: String,
    kept: VecDeque<Arc<str>>,
    bytes: usize,
    dropped: u64,
}

impl Report {
    /// Creates a report, and writes it once to report errors early.
    pub(crate) fn create(path: &Path, prices: Prices) -> Result<Self, SetupError> {
        let (alive, ended) = mpsc::channel();
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            prices,
            spans: Mutex::default(),
            changed: AtomicBool::new(true),
            writing: Mutex::new(()),
            failure: Mutex::default(),
            alive: Mutex::new(Some(alive)),
        });
        shared.write().map_err(|error| SetupError::File {
            setting: "Telemetry::with_html".to_owned(),
            path: path.to_owned(),
            error,
        })?;
        let weak = Arc::downgrade(&shared);
        let thread = thread::Builder::new().name("chatlas-otel-html".to_owned());
        // Without the thread, the report is only written at shutdown.
        let _ = thread.spawn(move || rewrite_while_alive(&weak, &ended));
        Ok(Self { shared })
    }

    /// Returns the file, for the guard.
    pub(crate) fn file(&self) -> Arc<dyn LocalFile> {
        Arc::clone(&self.shared) as _
    }

    fn write(&self) -> OTelSdkResult {
        let written = self.shared.write().map_err(|error| {
            format!("cannot write the report {}: {error}", self.shared.path.display())
        });
        *lock(&self.shared.failure) = written.clone().err();
        written.map_err(OTelSdkError::InternalFailure)
    }
}

impl LocalFile for Shared {
    fn close(&self) {
        *self.spans() = Spans::default();
        *lock(&self.alive) = None;
    }

    fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rewrites the file at intervals until the report is closed or dropped.
fn rewrite_while_alive(report: &Weak<Shared>, ended: &Receiver<()>) {
    let mut pause = MIN_PAUSE;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let Some(shared) = report.upgrade() else { return };
        let start = Instant::now();
        // A full disk may have room later. The write at shutdown reports its error.
        let _ = shared.write();
        pause = start.elapsed().saturating_mul(PAUSE_FACTOR).max(MIN_PAUSE);
    }
}

impl SpanProcessor for Report {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let json = escape(&span_json(&span, &self.shared.prices));
        self.shared.spans().push(json);
        self.shared.changed.store(true, Ordering::Release);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.write()
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.write()
    }

    fn set_resource(&mut self, resource: &Resource) {
        let name = resource.get(&"service.name".into());
        self.shared.spans().service = name.map(|name| name.to_string()).unwrap_or_default();
    }
}

impl Shared {
    fn spans(&self) -> MutexGuard<'_, Spans> {
        lock(&self.spans)
    }

    /// Writes the file if spans have ended since the last write. The file is replaced at the end,
    /// so that readers never see an incomplete one.
    fn write(&self) -> io::Result<()> {
        let _guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        // A copy, so that threads that end spans do not wait for the disk.
        let spans = self.spans().clone();
        let page = |file: fs::File| {
            let mut file = BufWriter::new(file);
            write_page(&mut file, &spans, &self.prices)?;
            file.flush()
        };
        let path = self.target();
        let written = if fs::metadata(&path).is_ok_and(|existing| !existing.is_file()) {
            // A device or a pipe cannot be replaced.
            private_file_options().write(true).open(&path).and_then(page)
        } else {
            replace(&path, page)
        };
        if written.is_err() {
            self.changed.store(true, Ordering::Release);
        }
        written
    }

    /// Returns the file. A symbolic link stays a link: its target is replaced.
    fn target(&self) -> PathBuf {
        let missing = |_| {
            let target = fs::read_link(&self.path).unwrap_or_default();
            let directory = self.path.parent().unwrap_or(Path::new(""));
            if target.as_os_str().is_empty() { self.path.clone() } else { directory.join(target) }
        };
        fs::canonicalize(&self.path).unwrap_or_else(missing)
    }
}

/// Replaces a file at once, or leaves it unchanged.
fn replace(path: &Path, write: impl FnOnce(fs::File) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = path.to_owned().into_os_string();
    temporary.push(".part");
    let replaced = private_file_options()
        .write(true)
        .truncate(true)
        .open(&temporary)
        .and_then(|file| {
            // Keeps the permissions of an existing report. If that fails, only its owner can read
            // the new one.
            if let Ok(existing) = fs::metadata(path) {
                let _ = file.set_permissions(existing.permissions());
            }
            write(file)
        })
        .and_then(|()| fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    replaced
}

impl Spans {
    fn push(&mut self, json: String) {
        self.bytes += json.len();
        self.kept.push_back(json.into());
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
    }
}

/// Writes the file.
fn write_page(out: &mut impl Write, spans: &Spans, prices: &Prices) -> io::Result<()> {
    // Inserted text is not searched for placeholders.
    for piece in PAGE.split_inclusive("-->") {
        let placeholder = piece.rfind("<!--").map(|index| piece.split_at(index));
        match placeholder {
            Some((before, "<!--style-->")) => write!(out, "{before}<style>{STYLE}</style>")?,
            Some((before, "<!--script-->")) => write!(out, "{before}<script>{SCRIPT}</script>")?,
            Some((before, "<!--data-->")) => {
                out.write_all(before.as_bytes())?;
                write_data(out, spans, prices)?;
            }
            _ => out.write_all(piece.as_bytes())?,
        }
    }
    Ok(())
}

/// Writes the data of the script.
fn write_data(out: &mut impl Write, spans: &Spans, prices: &Prices) -> io::Result<()> {
    let head = json!({
        "service": spans.service,
        "written": millis(SystemTime::now()),
        "currency": prices.currency(),
        "dropped": spans.dropped,
    });
    let head = escape(&head);
    write!(out, r#"<script type="application/json" id="data">{{"head":{head},"spans":["#)?;
    for (index, json) in spans.kept.iter().enumerate() {
        write!(out, "{}{json}", if index == 0 { "\n" } else { ",\n" })?;
    }
    out.write_all(b"]}</script>")
}

/// Escapes JSON so that its strings cannot end the script element or start a comment.
fn escape(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn millis(time: SystemTime) -> u64 {
    nanos(time) / 1_000_000
}

/// Returns a span in the format of `report.js`.
fn span_json(span: &SpanData, prices: &Prices) -> Value {
    let facts = Facts::from_span(span, prices);
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
    let kind = match facts.kind {
        Kind::Agent => "agent",
        Kind::ModelCall => "chat",
        Kind::ToolCall => "tool",
        Kind::Http => "http",
        Kind::Other => "other",
    };
    let description = match &span.status {
        Status::Error { description } if !description.is_empty() => Some(description),
        _ => None,
    };
    let start = nanos(span.start_time);
    let events: Vec<Value> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "name": event.name,
                "at": nanos(event.timestamp).saturating_sub(start) / 1_000,
                "attributes": attributes(&event.attributes),
            })
        })
        .collect();
    let mut json = json!({
        "trace": span.span_context.trace_id().to_string(),
        "id": facts.id.to_string(),
        "name": facts.name,
        "kind": kind,
        "start": start / 1_000,
        "duration": micros(facts.duration()),
        "attributes": attributes(&span.attributes),
    });
    let Some(fields) = json.as_object_mut() else { return json };
    let mut put = |key: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (key.to_owned(), value)));
    };
    put("parent", (!root).then(|| facts.parent.to_string().into()));
    put("model", facts.model.map(Value::from));
    put("tool", facts.tool.map(Value::from));
    put("input", facts.tokens.input.map(Value::from));
    put("output", facts.tokens.output.map(Value::from));
    put("cached", facts.tokens.cached.map(Value::from));
    put("firstChunk", facts.time_to_first_chunk.map(|time| micros(time).into()));
    put("cost", facts.cost.map(Value::from));
    put("error", facts.error.map(Value::from));
    put("description", description.map(|text| text.as_ref().into()));
    put("events", (!events.is_empty()).then(|| events.into()));
    json
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("chatlas-{}-{name}.html", std::process::id()))
    }

    #[test]
    fn attribute_values_cannot_end_the_script_element() {
        let path = file("escaped");
        let report = Report::create(&path, Prices::default()).unwrap();
        let provider = SdkTracerProvider::builder().with_span_processor(report).build();
        let bad = "</script><!--style--><script>alert(1)</script>&<!--";
        let mut span = provider.tracer("test").start(bad);
        span.set_attribute(KeyValue::new("gen_ai.input.messages", bad));
        span.end();
        provider.force_flush().unwrap();
        let page = fs::read_to_string(&path).unwrap();
        assert!(!page.contains("alert(1)</script>"), "the value is escaped");
        assert_eq!(page.matches("<style>").count(), 1);
        assert_eq!(page.matches("</script>").count(), 2, "the data and the script");
        let data = page.split(r#"id="data">"#).nth(1).unwrap().split("</script>").next().unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["spans"][0]["name"], bad);
        assert_eq!(data["spans"][0]["attributes"]["gen_ai.input.messages"], bad);
        provider.shutdown().unwrap();
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn unwritable_report_is_a_setup_error() {
        let error = Report::create(Path::new("/no/such/place.html"), Prices::default());
        assert!(error.unwrap_err().to_string().starts_with("Telemetry::with_html: /no/such/place"));
    }

    #[cfg(unix)]
    #[test]
    fn a_new_report_is_private_and_existing_permissions_are_kept() {
        use std::os::unix::fs::PermissionsExt as _;

        let path = file("private");
        let report = Report::create(&path, Prices::default()).unwrap();
        let provider = SdkTracerProvider::builder().with_span_processor(report).build();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        provider.tracer("test").start("first").end();
        provider.force_flush().unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        provider.tracer("test").start("second").end();
        provider.shutdown().unwrap();
        assert_eq!(mode(), 0o644);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_report_drops_the_oldest_spans_beyond_its_size() {
        let mut spans = Spans::default();
        for _ in 0..5 {
            spans.push("x".repeat(MAX_BYTES / 4));
        }
        assert_eq!((spans.kept.len(), spans.dropped), (4, 1));
        let mut written = Vec::new();
        write_page(&mut written, &spans, &Prices::default()).unwrap();
        assert!(String::from_utf8(written).unwrap().contains(r#""dropped":1"#));
    }
}
