//! Writes a report of all traces as one self-contained HTML file. The page (`page/`) is the same for
//! every report. It contains the spans as JSON, and draws them when it is opened.

pub(crate) mod page;
pub(crate) mod record;
pub(crate) mod spans;

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use self::page::Page;
use self::spans::Spans;
use crate::error::SetupError;
use crate::file::private_file_options;
use crate::guard::LocalFile;
use chatlas_core::cost::Prices;

/// The minimum time between two writes of the file.
const MIN_PAUSE: Duration = Duration::from_secs(3);
/// The time between two writes as a multiple of the duration of the last one, so that a large
/// report does not keep the disk busy.
const PAUSE_FACTOR: u32 = 20;
/// The number of pending spans at which the thread encodes them before the next write, and the
/// number at which the thread that ends a span does it, which bounds the memory.
const WAKE_AT: usize = 128;
const MAX_PENDING: usize = 1_024;

/// A span processor that keeps a report up to date.
#[derive(Debug)]
pub(crate) struct Report {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    prices: Prices,
    service: OnceLock<String>,
    spans: Mutex<Spans>,
    /// Spans that have ended and are not encoded yet.
    pending: Mutex<Vec<SpanData>>,
    /// Whether spans have ended since the last write.
    changed: AtomicBool,
    /// Held by the thread that writes the file.
    writing: Mutex<()>,
    /// The error of the last write.
    failure: Mutex<Option<String>>,
    /// Wakes the thread that rewrites the file, and ends it when it is dropped.
    alive: Mutex<Option<Sender<()>>>,
}

impl Report {
    /// Creates a report, and writes it once to report errors early.
    pub(crate) fn create(path: &Path, prices: Prices) -> Result<Self, SetupError> {
        let (alive, ended) = mpsc::channel();
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            prices,
            service: OnceLock::new(),
            spans: Mutex::default(),
            pending: Mutex::default(),
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
        lock(&self.pending).clear();
        *lock(&self.spans) = Spans::default();
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
fn rewrite_while_alive(report: &Weak<Shared>, wake: &Receiver<()>) {
    let mut next = Instant::now() + MIN_PAUSE;
    loop {
        let woken = wake.recv_timeout(next.saturating_duration_since(Instant::now()));
        let Some(shared) = report.upgrade() else { return };
        match woken {
            Ok(()) => shared.encode_pending(),
            Err(RecvTimeoutError::Timeout) => {
                let start = Instant::now();
                // A full disk may have room later. The write at shutdown reports its error.
                let _ = shared.write();
                next = Instant::now() + start.elapsed().saturating_mul(PAUSE_FACTOR).max(MIN_PAUSE);
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl SpanProcessor for Report {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.shared.keep(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.write()
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.write()
    }

    fn set_resource(&mut self, resource: &Resource) {
        let name = resource.get(&"service.name".into());
        let _ = self.shared.service.set(name.map(|name| name.to_string()).unwrap_or_default());
    }
}

impl Shared {
    /// Keeps a span for the thread that encodes it.
    fn keep(&self, span: SpanData) {
        let mut pending = lock(&self.pending);
        pending.push(span);
        let count = pending.len();
        drop(pending);
        self.changed.store(true, Ordering::Release);
        if count == WAKE_AT
            && let Some(alive) = &*lock(&self.alive)
        {
            let _ = alive.send(());
        } else if count >= MAX_PENDING {
            self.encode_pending();
        }
    }

    fn encode_pending(&self) {
        // Held until the spans are kept, so that they stay in the order in which they ended.
        let mut spans = lock(&self.spans);
        let pending = std::mem::take(&mut *lock(&self.pending));
        for span in pending {
            spans.push(record::ended(&span, &self.prices));
        }
    }

    /// Writes the file if spans have ended since the last write. The file is replaced at the end,
    /// so that readers never see an incomplete one.
    fn write(&self) -> io::Result<()> {
        let _guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.encode_pending();
        // A copy, so that nothing waits for the disk.
        let spans = lock(&self.spans).clone();
        let page = |file: fs::File| {
            let mut file = BufWriter::new(file);
            let service = self.service.get().map_or("", String::as_str);
            Page { service, prices: &self.prices, spans: &spans, live: false }.write(&mut file)?;
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

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use serde_json::Value;

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
    fn pending_spans_are_bounded_and_none_is_lost() {
        let path = file("pending");
        let report = Report::create(&path, Prices::default()).unwrap();
        let shared = Arc::clone(&report.shared);
        let provider = SdkTracerProvider::builder().with_span_processor(report).build();
        let tracer = provider.tracer("test");
        // The thread that encodes pending spans may not run in time.
        *lock(&shared.alive) = None;
        for number in 0..MAX_PENDING + 10 {
            tracer.start(format!("span {number}")).end();
            assert!(lock(&shared.pending).len() < MAX_PENDING);
        }
        provider.force_flush().unwrap();
        let names: Vec<String> = lock(&shared.spans)
            .after(0)
            .map(|(_, json)| serde_json::from_str::<Value>(json).unwrap()["name"].to_string())
            .collect();
        assert_eq!(names.len(), MAX_PENDING + 10);
        assert_eq!(names[0], r#""span 0""#);
        assert_eq!(names[MAX_PENDING + 9], format!("\"span {}\"", MAX_PENDING + 9));
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
}
