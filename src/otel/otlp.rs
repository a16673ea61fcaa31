//! The OTLP exporter, over HTTP with protobuf. It reads endpoint, headers and timeout from the
//! standard environment itself.

use std::thread;

use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};

use super::SetupError;

/// An exporter with a client of its own.
///
/// The client is given, not left to the exporter's choice: where another crate of the build turns
/// on its asynchronous client, the SDK's export thread would panic for want of a runtime. It is
/// made on a plain thread, since a blocking client cannot be made inside a runtime.
pub(super) fn exporter() -> Result<SpanExporter, SetupError> {
    let failed = |why: String| SetupError::new(format!("the OTLP exporter cannot be made: {why}"));
    let made = thread::spawn(|| {
        chatlas_providers::http::prepare_tls();
        let client = reqwest::blocking::Client::builder().build().map_err(|e| e.to_string())?;
        let builder = SpanExporter::builder().with_http().with_http_client(client);
        builder.build().map_err(|error| error.to_string())
    });
    match made.join() {
        Ok(exporter) => exporter.map_err(failed),
        Err(_) => Err(failed("its thread panicked".to_owned())),
    }
}
