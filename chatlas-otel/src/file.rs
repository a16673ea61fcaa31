//! Appends OTLP to a file as lines of JSON, in the format of the
//! [collector's file exporter](https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/).

use std::fs::{File, OpenOptions};
use std::future::{Future, ready};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use serde::Serialize;

use crate::error::SetupError;

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
    lines: Arc<Mutex<Lines<File>>>,
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
            Ok(file) => Ok(Self { path, lines: Arc::new(Mutex::new(Lines::new(file))) }),
            Err(error) => {
                Err(SetupError::File { setting: "Telemetry::with_file".to_owned(), path, error })
            }
        }
    }

    /// Returns the path, for messages.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn write(&self, batch: &impl Serialize) -> OTelSdkResult {
        let failed = |error: String| OTelSdkError::InternalFailure(error);
        let line = serde_json::to_vec(batch).map_err(|error| failed(error.to_string()))?;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.write(line).map_err(|error| failed(error.to_string()))
    }
}

/// An exporter that appends to an [`OtlpFile`].
#[derive(Debug)]
pub(crate) struct OtlpLines {
    file: OtlpFile,
    resource: ResourceAttributesWithSchema,
}

impl OtlpLines {
    pub(crate) fn new(file: OtlpFile) -> Self {
        Self { file, resource: ResourceAttributesWithSchema::default() }
    }
}

impl SpanExporter for OtlpLines {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        ready(self.file.write(&ExportTraceServiceRequest { resource_spans }))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

impl LogExporter for OtlpLines {
    fn export(&self, batch: LogBatch<'_>) -> impl Future<Output = OTelSdkResult> + Send {
        let resource_logs = group_logs_by_resource_and_scope(&batch, &self.resource);
        ready(self.file.write(&ExportLogsServiceRequest { resource_logs }))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

impl PushMetricExporter for OtlpLines {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        ready(self.file.write(&ExportMetricsServiceRequest::from(metrics)))
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
