//! Appends OTLP to a file as lines of JSON, in the format of the
//! [collector's file exporter](https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/).

use std::fs::{File, OpenOptions};
use std::future::{Future, ready};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use crate::error::SetupError;
use crate::export::to_json;
use crate::guard::LocalFile;
use crate::lines::Encoder;
use crate::losses::Account;

/// Returns options that create a file which only its owner can read, because it may contain
/// conversations. On systems other than Unix, the default permissions apply.
pub(crate) fn private_file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A file that the exporters of all signals share.
#[derive(Clone, Debug)]
pub(crate) struct OtlpFile {
    path: PathBuf,
    /// `None` after shutdown.
    lines: Arc<Mutex<Option<Lines<File>>>>,
}

/// A writer of lines.
#[derive(Debug)]
struct Lines<W> {
    writer: W,
    /// Whether the last line may be incomplete, for example because the disk was full.
    incomplete: bool,
}

impl<W: Write> Lines<W> {
    fn new(writer: W) -> Self {
        Self { writer, incomplete: false }
    }

    /// Writes a line at once, because other programs may append to the same file.
    fn write(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        if self.incomplete {
            // Ends the incomplete line, so that this one can be parsed.
            line.insert(0, b'\n');
        }
        self.incomplete = true;
        self.writer.write_all(&line)?;
        self.incomplete = false;
        Ok(())
    }
}

impl OtlpFile {
    /// Opens a file for appending.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, SetupError> {
        let path = path.as_ref().to_path_buf();
        match private_file_options().append(true).open(&path) {
            Ok(file) => Ok(Self { path, lines: Arc::new(Mutex::new(Some(Lines::new(file)))) }),
            Err(error) => {
                Err(SetupError::File { setting: "Telemetry::with_file".to_owned(), path, error })
            }
        }
    }

    /// Returns the path, for messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn write(&self, line: serde_json::Result<Vec<u8>>) -> Result<(), String> {
        let line = line.map_err(|error| error.to_string())?;
        match &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(lines) => lines.write(line).map_err(|error| error.to_string()),
            None => Err("the file is closed".to_owned()),
        }
    }
}

impl LocalFile for OtlpFile {
    fn close(&self) {
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn failure(&self) -> Option<String> {
        // The losses contain it.
        None
    }
}

/// A processor that appends spans and events to an [`OtlpFile`]. Each is written when it ends: a
/// queue would lose the last ones of a program that is killed, and those beyond its size.
#[derive(Debug)]
pub(crate) struct OtlpLines {
    file: OtlpFile,
    encoder: Encoder,
    account: Arc<Account>,
}

impl OtlpLines {
    pub(crate) fn new(file: OtlpFile, account: Arc<Account>) -> Self {
        let encoder = Encoder::new(&Resource::builder_empty().build());
        Self { file, encoder, account }
    }
}

impl SpanProcessor for OtlpLines {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            let written = self.file.write(self.encoder.span(&span));
            self.account.count_written(written);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.encoder = Encoder::new(resource);
    }
}

impl LogProcessor for OtlpLines {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        let written = self.file.write(self.encoder.record(record, scope));
        self.account.count_written(written);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.encoder = Encoder::new(resource);
    }
}

impl PushMetricExporter for OtlpFile {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        let written = self.write(to_json(&mut ExportMetricsServiceRequest::from(metrics)));
        ready(written.map_err(OTelSdkError::InternalFailure))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with a limited number of free bytes.
    struct Disk {
        written: Vec<u8>,
        free: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.free);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.free -= count;
            self.written.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[cfg(unix)]
    #[test]
    fn new_files_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;

        let path = std::env::temp_dir().join(format!("chatlas-{}.jsonl", std::process::id()));
        OtlpFile::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn incomplete_lines_do_not_corrupt_later_ones() {
        let mut lines = Lines::new(Disk { written: Vec::new(), free: 10 });
        lines.write(b"first".to_vec()).unwrap();
        lines.write(b"second".to_vec()).unwrap_err();
        lines.writer.free = 100;
        lines.write(b"third".to_vec()).unwrap();
        lines.write(b"fourth".to_vec()).unwrap();
        let text = String::from_utf8(lines.writer.written).unwrap();
        assert_eq!(text, "first\nseco\nthird\nfourth\n");
    }
}
