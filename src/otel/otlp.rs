//! The OTLP exporter, over HTTP with protobuf. It reads the headers from the standard
//! environment itself. What it could not deliver is counted, so that the guard can tell.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::{SetupError, env};

/// An exporter with a client of its own.
///
/// The client is given, not left to the exporter's choice: where another crate of the build turns
/// on its asynchronous client, the SDK's export thread would panic for want of a runtime. It is
/// made on a plain thread, since a blocking client cannot be made inside a runtime.
pub(super) fn exporter(settings: env::Otlp, losses: Arc<Losses>) -> Result<Watched, SetupError> {
    let failed = |why: String| SetupError::Exporter { why };
    let host = settings.endpoint.host_str().unwrap_or_default().to_owned();
    let receiver = match settings.endpoint.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    let made = thread::spawn(move || {
        chatlas_providers::http::prepare_tls();
        let client = reqwest::blocking::Client::builder()
            .timeout(settings.timeout)
            // A token in the headers is for the host it was given for.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Otlp::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(settings.endpoint.as_str())
            .with_timeout(settings.timeout)
            .build()
            .map_err(|error| error.to_string())
    });
    match made.join() {
        Ok(Ok(exporter)) => Ok(Watched { exporter, receiver, losses }),
        Ok(Err(why)) => Err(failed(why)),
        Err(_) => Err(failed("its thread panicked".to_owned())),
    }
}

/// An exporter that counts what it loses: the SDK passes over that in silence.
#[derive(Debug)]
pub(super) struct Watched {
    exporter: Otlp,
    /// Its host and port.
    receiver: String,
    losses: Arc<Losses>,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        if let Err(error) = &result {
            let why = match error {
                OTelSdkError::InternalFailure(why) => why.clone(),
                other => other.to_string(),
            };
            self.losses.add(spans, format!("{}: {why}", self.receiver));
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The spans that did not arrive, and where the last of them did not, and why.
#[derive(Debug, Default)]
pub(super) struct Losses(Mutex<(usize, String)>);

impl Losses {
    fn add(&self, spans: usize, why: String) {
        let mut losses = self.lock();
        *losses = (losses.0.saturating_add(spans), why);
    }

    /// An error, where there were losses.
    pub(super) fn told(&self) -> Result<(), SetupError> {
        match &*self.lock() {
            (0, _) => Ok(()),
            (spans, why) => {
                let noun = if *spans == 1 { "span" } else { "spans" };
                Err(SetupError::Unsent {
                    why: format!("{spans} {noun} could not be sent to {why}"),
                })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, (usize, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
