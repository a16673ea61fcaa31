//! The OTLP exporters: HTTP with protobuf or JSON, and gRPC where the build has it. They read the
//! headers from the standard environment themselves. What they could not deliver is counted, so
//! that the guard can tell.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use opentelemetry::logs::Severity;
use opentelemetry_otlp::{
    LogExporter as OtlpLogs, MetricExporter as OtlpMetrics, SpanExporter as OtlpSpans,
    WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::SetupError;
use super::env::{Otlp, Protocol};

/// What gRPC runs on: a thread of its own, since the SDK exports from threads without a runtime.
#[derive(Debug, Default)]
pub(super) struct Wire {
    #[cfg(feature = "otel-grpc")]
    runtime: Option<tokio::runtime::Runtime>,
}

// Over HTTP alone there is nothing to keep.
#[cfg_attr(not(feature = "otel-grpc"), allow(clippy::unused_self))]
impl Wire {
    /// An exporter of spans.
    pub(super) fn spans(
        &mut self,
        settings: Otlp,
        losses: Arc<Losses>,
    ) -> Result<Watched<OtlpSpans>, SetupError> {
        #[cfg(feature = "otel-grpc")]
        if settings.protocol == Protocol::Grpc {
            return self.grpc(&settings, losses, |settings| {
                grpc(OtlpSpans::builder().with_tonic(), settings).build().map_err(why)
            });
        }
        http(settings, losses, |client, settings| {
            over_http(OtlpSpans::builder().with_http(), client, settings).build().map_err(why)
        })
    }

    /// An exporter of metrics.
    pub(super) fn metrics(
        &mut self,
        settings: Otlp,
        losses: Arc<Losses>,
    ) -> Result<Watched<OtlpMetrics>, SetupError> {
        #[cfg(feature = "otel-grpc")]
        if settings.protocol == Protocol::Grpc {
            return self.grpc(&settings, losses, |settings| {
                grpc(OtlpMetrics::builder().with_tonic(), settings).build().map_err(why)
            });
        }
        http(settings, losses, |client, settings| {
            over_http(OtlpMetrics::builder().with_http(), client, settings).build().map_err(why)
        })
    }

    /// An exporter of events.
    pub(super) fn logs(
        &mut self,
        settings: Otlp,
        losses: Arc<Losses>,
    ) -> Result<Watched<OtlpLogs>, SetupError> {
        #[cfg(feature = "otel-grpc")]
        if settings.protocol == Protocol::Grpc {
            return self.grpc(&settings, losses, |settings| {
                grpc(OtlpLogs::builder().with_tonic(), settings).build().map_err(why)
            });
        }
        http(settings, losses, |client, settings| {
            over_http(OtlpLogs::builder().with_http(), client, settings).build().map_err(why)
        })
    }

    #[cfg(feature = "otel-grpc")]
    fn grpc<E>(
        &mut self,
        settings: &Otlp,
        losses: Arc<Losses>,
        build: impl FnOnce(&Otlp) -> Result<E, String>,
    ) -> Result<Watched<E>, SetupError> {
        let failed = |why: String| SetupError::Exporter { why };
        if self.runtime.is_none() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("chatlas-otel")
                .enable_all()
                .build();
            self.runtime = Some(runtime.map_err(|error| failed(error.to_string()))?);
        }
        let _inside = self.runtime.as_ref().map(tokio::runtime::Runtime::enter);
        chatlas_providers::http::prepare_tls();
        let receiver = receiver(settings);
        let exporter = build(settings).map_err(failed)?;
        Ok(Watched { exporter, receiver, losses })
    }
}

#[cfg(feature = "otel-grpc")]
impl Drop for Wire {
    fn drop(&mut self) {
        // It may be dropped inside a runtime of the program's, where nothing may block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn why(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(feature = "otel-grpc")]
fn grpc<B>(builder: B, settings: &Otlp) -> B
where
    B: WithExportConfig + opentelemetry_otlp::WithTonicConfig,
{
    let builder = builder.with_endpoint(settings.endpoint.as_str()).with_timeout(settings.timeout);
    if settings.endpoint.scheme() == "https" {
        let tls = opentelemetry_otlp::tonic_types::transport::ClientTlsConfig::new();
        return builder.with_tls_config(tls.with_enabled_roots());
    }
    builder
}

fn over_http<B>(builder: B, client: reqwest::blocking::Client, settings: &Otlp) -> B
where
    B: WithExportConfig + WithHttpConfig,
{
    let protocol = match settings.protocol {
        Protocol::HttpJson => opentelemetry_otlp::Protocol::HttpJson,
        Protocol::HttpProtobuf | Protocol::Grpc => opentelemetry_otlp::Protocol::HttpBinary,
    };
    builder
        .with_http_client(client)
        .with_protocol(protocol)
        .with_endpoint(settings.endpoint.as_str())
        .with_timeout(settings.timeout)
}

/// An exporter with a client of its own.
///
/// The client is given, not left to the exporter's choice: where another crate of the build turns
/// on its asynchronous client, the SDK's export thread would panic for want of a runtime. It is
/// made on a plain thread, since a blocking client cannot be made inside a runtime.
fn http<E: Send + 'static>(
    settings: Otlp,
    losses: Arc<Losses>,
    build: fn(reqwest::blocking::Client, &Otlp) -> Result<E, String>,
) -> Result<Watched<E>, SetupError> {
    let failed = |why: String| SetupError::Exporter { why };
    let receiver = receiver(&settings);
    let made = thread::spawn(move || {
        chatlas_providers::http::prepare_tls();
        let client = reqwest::blocking::Client::builder()
            .timeout(settings.timeout)
            // A token in the headers is for the host it was given for.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(why)?;
        build(client, &settings)
    });
    match made.join() {
        Ok(Ok(exporter)) => Ok(Watched { exporter, receiver, losses }),
        Ok(Err(why)) => Err(failed(why)),
        Err(_) => Err(failed("its thread panicked".to_owned())),
    }
}

/// Host and port.
fn receiver(settings: &Otlp) -> String {
    let host = settings.endpoint.host_str().unwrap_or_default();
    match settings.endpoint.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// An exporter that counts what it loses: the SDK passes over that in silence.
#[derive(Debug)]
pub(super) struct Watched<E> {
    exporter: E,
    receiver: String,
    losses: Arc<Losses>,
}

impl<E> Watched<E> {
    fn watch(&self, lost: Lost, result: OTelSdkResult) -> OTelSdkResult {
        if let Err(error) = &result {
            let why = match error {
                OTelSdkError::InternalFailure(why) => why.clone(),
                other => other.to_string(),
            };
            self.losses.add(lost, format!("{}: {why}", self.receiver));
        }
        result
    }
}

impl SpanExporter for Watched<OtlpSpans> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.watch(Lost::Spans(spans), self.exporter.export(batch).await)
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

impl PushMetricExporter for Watched<OtlpMetrics> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.watch(Lost::Metrics, self.exporter.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

impl LogExporter for Watched<OtlpLogs> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let events = batch.iter().count();
        self.watch(Lost::Events(events), self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.exporter.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// What one export lost.
#[derive(Clone, Copy)]
enum Lost {
    Spans(usize),
    /// A reading of all metrics: the next one has their sums again.
    Metrics,
    Events(usize),
}

/// What did not arrive, and where the last of it did not, and why.
#[derive(Debug, Default)]
pub(super) struct Losses(Mutex<Sum>);

#[derive(Debug, Default)]
struct Sum {
    spans: usize,
    readings: usize,
    events: usize,
    why: String,
}

impl Losses {
    fn add(&self, lost: Lost, why: String) {
        let mut sum = self.lock();
        match lost {
            Lost::Spans(spans) => sum.spans = sum.spans.saturating_add(spans),
            Lost::Metrics => sum.readings = sum.readings.saturating_add(1),
            Lost::Events(events) => sum.events = sum.events.saturating_add(events),
        }
        sum.why = why;
    }

    /// An error, where there were losses.
    pub(super) fn told(&self) -> Result<(), SetupError> {
        let sum = self.lock();
        let lost: Vec<String> =
            [(sum.spans, "span"), (sum.readings, "metric reading"), (sum.events, "event")]
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, noun)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }))
                .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let why = format!("{} could not be sent to {}", lost.join(", "), sum.why);
        Err(SetupError::Unsent { why })
    }

    fn lock(&self) -> MutexGuard<'_, Sum> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
