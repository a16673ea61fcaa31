//! A report of all traces: one HTML file that needs nothing else. The page (`page.html`,
//! `style.css`, `report.js`) is the same for every report; the spans stand in it as JSON, and are
//! drawn where it is opened.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::Context;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use serde_json::{Value, json};

use super::SetupError;
use super::facts::{Facts, Kind};
use super::file::private;
use super::json::{attributes, nanos};
use super::prices::Prices;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("report.js");

/// The most bytes of spans that a report holds; beyond it the oldest are left out.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How often the file is written while spans come in.
const REFRESH: Duration = Duration::from_secs(3);
/// How long nothing is written, in times of what the last writing took: a large report does not
/// keep the disk busy.
const REST: u32 = 20;

/// A span processor that keeps a report up to date.
#[derive(Debug)]
pub(super) struct Report {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    prices: Prices,
    spans: Mutex<Spans>,
    /// Whether there is more than the file tells. Writers take turns by the lock.
    fresh: AtomicBool,
    writing: Mutex<()>,
}

/// The spans, each as JSON that may stand in a page. A copy shares them.
#[derive(Clone, Debug, Default)]
struct Spans {
    service: String,
    kept: VecDeque<Arc<str>>,
    bytes: usize,
    left_out: u64,
}

impl Report {
    /// A report in that file. It is written once, to find out whether it can be.
    pub(super) fn create(path: &Path, prices: Prices) -> Result<Self, SetupError> {
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            prices,
            spans: Mutex::default(),
            fresh: AtomicBool::new(true),
            writing: Mutex::new(()),
        });
        shared.write().map_err(|error| SetupError::File {
            place: "Telemetry::html".to_owned(),
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        let weak = Arc::downgrade(&shared);
        let refreshing = thread::Builder::new().name("chatlas-otel-html".to_owned());
        // Without the thread it is written at the end all the same.
        let _ = refreshing.spawn(move || refresh(&weak));
        Ok(Self { shared })
    }

    fn write(&self) -> OTelSdkResult {
        let failed = |error: io::Error| {
            let path = self.shared.path.display();
            OTelSdkError::InternalFailure(format!("the report {path} cannot be written: {error}"))
        };
        self.shared.write().map_err(failed)
    }
}

/// Writes by and by, for as long as the report is there.
fn refresh(report: &Weak<Shared>) {
    let mut rest = REFRESH;
    loop {
        thread::sleep(rest);
        let Some(shared) = report.upgrade() else { return };
        let begin = Instant::now();
        // A disk that is full now may have room at the end, where a failure is told.
        let _ = shared.write();
        rest = begin.elapsed().saturating_mul(REST).max(REFRESH);
    }
}

impl SpanProcessor for Report {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let line = in_page(&line(&span, &self.shared.prices));
        self.shared.spans().push(line);
        self.shared.fresh.store(true, Ordering::Release);
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
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the file, if there is more than it tells. Who reads it meanwhile reads the old one.
    fn write(&self) -> io::Result<()> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.fresh.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        // A copy: who ends a span meanwhile does not wait for the disk.
        let spans = self.spans().clone();
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        let written = private()
            .write(true)
            .truncate(true)
            .open(&part)
            .and_then(|file| {
                // Somebody may have opened the report to others; where that cannot be kept, it is
                // for its owner.
                if let Ok(known) = fs::metadata(&self.path) {
                    let _ = file.set_permissions(known.permissions());
                }
                let mut file = BufWriter::new(file);
                page(&mut file, &spans, &self.prices)?;
                file.flush()
            })
            .and_then(|()| fs::rename(&part, &self.path));
        if written.is_err() {
            self.fresh.store(true, Ordering::Release);
        }
        written
    }
}

impl Spans {
    fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.kept.push_back(line.into());
        while self.bytes > MOST_BYTES
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.len();
            self.left_out += 1;
        }
    }
}

/// The whole file.
fn page(out: &mut impl Write, spans: &Spans, prices: &Prices) -> io::Result<()> {
    // What is put in is never searched for places again.
    for piece in PAGE.split_inclusive("-->") {
        let place = piece.rfind("<!--").map(|at| piece.split_at(at));
        match place {
            Some((before, "<!--style-->")) => write!(out, "{before}<style>{STYLE}</style>")?,
            Some((before, "<!--script-->")) => write!(out, "{before}<script>{SCRIPT}</script>")?,
            Some((before, "<!--data-->")) => {
                out.write_all(before.as_bytes())?;
                data(out, spans, prices)?;
            }
            _ => out.write_all(piece.as_bytes())?,
        }
    }
    Ok(())
}

/// What the script draws.
fn data(out: &mut impl Write, spans: &Spans, prices: &Prices) -> io::Result<()> {
    let head = json!({
        "service": spans.service,
        "written": millis(SystemTime::now()),
        "currency": prices.currency(),
        "leftOut": spans.left_out,
    });
    let head = in_page(&head);
    write!(out, r#"<script type="application/json" id="data">{{"head":{head},"spans":["#)?;
    for (number, line) in spans.kept.iter().enumerate() {
        write!(out, "{}{line}", if number == 0 { "\n" } else { ",\n" })?;
    }
    out.write_all(b"]}</script>")
}

/// JSON that ends no script and begins no comment, whatever is in it.
fn in_page(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn millis(time: SystemTime) -> u64 {
    nanos(time) / 1_000_000
}

/// A span as `report.js` reads it.
fn line(span: &SpanData, prices: &Prices) -> Value {
    let facts = Facts::of(span, prices);
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
    let begin = nanos(span.start_time);
    let events: Vec<Value> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "name": event.name,
                "at": nanos(event.timestamp).saturating_sub(begin) / 1_000,
                "attributes": attributes(&event.attributes),
            })
        })
        .collect();
    let mut line = json!({
        "trace": span.span_context.trace_id().to_string(),
        "id": facts.id.to_string(),
        "name": facts.name,
        "kind": kind,
        "start": begin / 1_000,
        "took": micros(facts.duration()),
        "attributes": attributes(&span.attributes),
    });
    let Some(fields) = line.as_object_mut() else { return line };
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
    line
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
    fn a_report_holds_all_spans_and_nothing_that_breaks_out() {
        let path = file("escaped");
        let report = Report::create(&path, Prices::default()).unwrap();
        let provider = SdkTracerProvider::builder().with_span_processor(report).build();
        let bad = "</script><!--style--><script>alert(1)</script>&<!--";
        let mut span = provider.tracer("test").start(bad);
        span.set_attribute(KeyValue::new("gen_ai.input.messages", bad));
        span.end();
        provider.force_flush().unwrap();
        let page = fs::read_to_string(&path).unwrap();
        assert!(!page.contains("alert(1)</script>"), "only escaped");
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
    fn a_report_that_cannot_be_written_is_told_at_the_start() {
        let error = Report::create(Path::new("/no/such/place.html"), Prices::default());
        assert!(error.unwrap_err().to_string().starts_with("Telemetry::html: /no/such/place"));
    }

    #[cfg(unix)]
    #[test]
    fn a_report_is_for_its_owner_unless_its_permissions_say_otherwise() {
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
    fn a_report_is_bounded_by_bytes() {
        let mut spans = Spans::default();
        for _ in 0..5 {
            spans.push("x".repeat(MOST_BYTES / 4));
        }
        assert_eq!((spans.kept.len(), spans.left_out), (4, 1));
        let mut written = Vec::new();
        page(&mut written, &spans, &Prices::default()).unwrap();
        assert!(String::from_utf8(written).unwrap().contains(r#""leftOut":1"#));
    }
}
