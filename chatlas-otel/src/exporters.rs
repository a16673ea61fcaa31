//! The OTLP exporters: HTTP with protobuf or JSON, and gRPC where the build has it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::logs::Severity;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    Compression, LogExporter as OtlpLogs, MetricExporter as OtlpMetrics, SpanExporter as OtlpSpans,
    WithExportConfig, WithHttpConfig,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message as _;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, USER_AGENT};

use super::SetupError;
use super::losses::Account;
use super::otlp::{Protocol, Target};

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
        target: Target,
        account: &Arc<Account>,
    ) -> Result<Watched<OtlpSpans>, SetupError> {
        let account = Arc::clone(account);
        #[cfg(feature = "otel-grpc")]
        if target.protocol == Protocol::Grpc {
            return self.grpc(&target, account, |target| {
                OtlpSpans::builder().with_tonic().over_grpc(target)?.build().map_err(failed)
            });
        }
        http(target, account, |client, target| {
            OtlpSpans::builder().with_http().over_http(client, target).build().map_err(failed)
        })
    }

    /// An exporter of metrics.
    pub(super) fn metrics(
        &mut self,
        target: Target,
        account: &Arc<Account>,
    ) -> Result<Watched<OtlpMetrics>, SetupError> {
        let account = Arc::clone(account);
        #[cfg(feature = "otel-grpc")]
        if target.protocol == Protocol::Grpc {
            return self.grpc(&target, account, |target| {
                OtlpMetrics::builder()
                    .with_temporality(target.temporality)
                    .with_tonic()
                    .over_grpc(target)?
                    .build()
                    .map_err(failed)
            });
        }
        http(target, account, |client, target| {
            OtlpMetrics::builder()
                .with_temporality(target.temporality)
                .with_http()
                .over_http(client, target)
                .build()
                .map_err(failed)
        })
    }

    /// An exporter of events.
    pub(super) fn logs(
        &mut self,
        target: Target,
        account: &Arc<Account>,
    ) -> Result<Watched<OtlpLogs>, SetupError> {
        let account = Arc::clone(account);
        #[cfg(feature = "otel-grpc")]
        if target.protocol == Protocol::Grpc {
            return self.grpc(&target, account, |target| {
                OtlpLogs::builder().with_tonic().over_grpc(target)?.build().map_err(failed)
            });
        }
        http(target, account, |client, target| {
            OtlpLogs::builder().with_http().over_http(client, target).build().map_err(failed)
        })
    }

    #[cfg(feature = "otel-grpc")]
    fn grpc<E>(
        &mut self,
        target: &Target,
        account: Arc<Account>,
        build: impl FnOnce(&Target) -> Result<E, SetupError>,
    ) -> Result<Watched<E>, SetupError> {
        if self.runtime.is_none() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("chatlas-otel")
                .enable_all()
                .build();
            self.runtime = Some(runtime.map_err(failed)?);
        }
        let _inside = self.runtime.as_ref().map(tokio::runtime::Runtime::enter);
        prepare_tls();
        let exporter = build(target)?;
        Ok(Watched { exporter, account })
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

/// Makes sure that rustls has a cryptography provider, where this build has TLS: ring, unless the
/// program has chosen another.
fn prepare_tls() {
    #[cfg(feature = "rustls-ring")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster: then there is one, and that is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

fn failed(error: impl std::fmt::Display) -> SetupError {
    SetupError::Exporter { why: error.to_string() }
}

/// The builders of the exporters, as far as they are alike.
trait OverHttp: WithExportConfig + WithHttpConfig + Sized {
    fn over_http(self, client: Client, target: &Target) -> Self {
        let protocol = match target.protocol {
            Protocol::HttpJson => opentelemetry_otlp::Protocol::HttpJson,
            Protocol::HttpProtobuf | Protocol::Grpc => opentelemetry_otlp::Protocol::HttpBinary,
        };
        let builder = self
            .with_http_client(client)
            .with_protocol(protocol)
            .with_endpoint(target.endpoint.as_str())
            .with_timeout(target.timeout);
        if target.gzip { builder.with_compression(Compression::Gzip) } else { builder }
    }
}

impl<B: WithExportConfig + WithHttpConfig> OverHttp for B {}

#[cfg(feature = "otel-grpc")]
trait OverGrpc: WithExportConfig + opentelemetry_otlp::WithTonicConfig + Sized {
    fn over_grpc(self, target: &Target) -> Result<Self, SetupError> {
        let mut builder = self.with_endpoint(target.endpoint.as_str()).with_timeout(target.timeout);
        if target.gzip {
            builder = builder.with_compression(Compression::Gzip);
        }
        if target.endpoint.scheme() == "https" {
            builder = builder.with_tls_config(grpc::tls(target)?);
        }
        Ok(builder.with_interceptor(grpc::OwnHeaders::new(&target.headers)))
    }
}

#[cfg(feature = "otel-grpc")]
impl<B: WithExportConfig + opentelemetry_otlp::WithTonicConfig> OverGrpc for B {}

#[cfg(feature = "otel-grpc")]
mod grpc {
    use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
    use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
    use reqwest::header::HeaderMap;
    use tonic::service::Interceptor;
    use tonic::{Request, Status};

    use super::{SetupError, Target};

    /// What is trusted, and who we are.
    pub(super) fn tls(target: &Target) -> Result<ClientTlsConfig, SetupError> {
        let files = &target.tls;
        let mut tls = ClientTlsConfig::new();
        tls = match &files.trusted {
            Some(file) => tls.ca_certificate(Certificate::from_pem(file.read()?)),
            None => tls.with_enabled_roots(),
        };
        if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
            tls = tls.identity(Identity::from_pem(certificate.read()?, key.read()?));
        }
        Ok(tls)
    }

    /// Sends these headers, and none that the exporter has read from the environment: it does not
    /// know for whom they are.
    #[derive(Clone)]
    pub(super) struct OwnHeaders(MetadataMap);

    impl OwnHeaders {
        pub(super) fn new(headers: &HeaderMap) -> Self {
            Self(MetadataMap::from_headers(headers.clone()))
        }
    }

    impl Interceptor for OwnHeaders {
        fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
            *request.metadata_mut() = self.0.clone();
            Ok(request)
        }
    }
}

/// An exporter with a client of its own.
///
/// The client is given, not left to the exporter's choice: where another crate of the build turns
/// on its asynchronous client, the SDK's export thread would panic for want of a runtime. It is
/// made on a plain thread, since a blocking client cannot be made inside a runtime.
fn http<E: Send + 'static>(
    target: Target,
    account: Arc<Account>,
    build: fn(Client, &Target) -> Result<E, SetupError>,
) -> Result<Watched<E>, SetupError> {
    let of_client = Arc::clone(&account);
    let made = thread::spawn(move || build(Client::new(&target, of_client)?, &target));
    match made.join() {
        Ok(exporter) => Ok(Watched { exporter: exporter?, account }),
        Err(_) => Err(failed("its thread panicked")),
    }
}

/// Sends what an exporter has made: with the headers of its target alone, since the exporter adds
/// those of the environment, whoever they are for.
#[derive(Debug)]
struct Client {
    blocking: reqwest::blocking::Client,
    headers: HeaderMap,
    account: Arc<Account>,
}

impl Client {
    fn new(target: &Target, account: Arc<Account>) -> Result<Self, SetupError> {
        prepare_tls();
        let client = reqwest::blocking::Client::builder()
            .timeout(target.timeout)
            // A token in the headers is for the host it was given for.
            .redirect(reqwest::redirect::Policy::none());
        let client = tls(client, target)?.build().map_err(|error| failed(error.without_url()))?;
        Ok(Self { blocking: client, headers: target.headers.clone(), account })
    }
}

#[cfg(feature = "rustls-ring")]
fn tls(
    mut builder: reqwest::blocking::ClientBuilder,
    target: &Target,
) -> Result<reqwest::blocking::ClientBuilder, SetupError> {
    use reqwest::{Certificate, Identity};

    let files = &target.tls;
    if let Some(file) = &files.trusted {
        let trusted = Certificate::from_pem_bundle(&file.read()?).unwrap_or_default();
        if trusted.is_empty() {
            return Err(file.wrong("no PEM certificate is in it"));
        }
        builder = builder.tls_certs_only(trusted);
    }
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        let pem = [certificate.read()?, b"\n".to_vec(), key.read()?].concat();
        let identity = Identity::from_pem(&pem)
            .map_err(|_| certificate.wrong("it and its key are no PEM certificate and key"))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

// Without TLS there are no files either.
#[cfg(not(feature = "rustls-ring"))]
#[allow(clippy::unnecessary_wraps)]
fn tls(
    builder: reqwest::blocking::ClientBuilder,
    _: &Target,
) -> Result<reqwest::blocking::ClientBuilder, SetupError> {
    Ok(builder)
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut headers = HeaderMap::new();
        for name in [CONTENT_TYPE, CONTENT_ENCODING, USER_AGENT] {
            if let Some(value) = request.headers_mut().remove(&name) {
                headers.insert(name, value);
            }
        }
        headers.extend(self.headers.clone());
        *request.headers_mut() = headers;
        let response = match self.blocking.send_bytes(request).await {
            Ok(response) => response,
            Err(error) => {
                self.account.unreached(cause(&*error));
                return Err(error);
            }
        };
        if response.status().is_success()
            && let Some((count, why)) = refused(response.headers(), response.body())
        {
            self.account.refused(count, &why);
        }
        Ok(response)
    }
}

/// The first cause of an error: that the connection was refused, or the certificate unknown. What
/// stands above it names the address, which may hold a secret.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let first = std::iter::successors(error.source(), |cause| cause.source()).last();
    first.map_or_else(|| "no answer came".to_owned(), ToString::to_string)
}

/// How much a receiver that took an export refused of it, and why. For all signals the answer has
/// the same form in protobuf.
fn refused(headers: &HeaderMap, body: &[u8]) -> Option<(u64, String)> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"));
    let (count, why) = if is_json {
        let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
        let part = &answer["partialSuccess"];
        // The protobuf mapping writes 64-bit numbers as texts.
        let number = |value: &serde_json::Value| {
            value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        };
        let count = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"]
            .into_iter()
            .find_map(|name| number(&part[name]))?;
        (count, part["errorMessage"].as_str().unwrap_or_default().to_owned())
    } else {
        let part = ExportTraceServiceResponse::decode(body).ok()?.partial_success?;
        (part.rejected_spans, part.error_message)
    };
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    let why: String = why.chars().filter(|c| !c.is_control()).take(200).collect();
    Some((count, if why.is_empty() { "it does not say why".to_owned() } else { why }))
}

/// An exporter that keeps account: the SDK passes over failures in silence.
#[derive(Debug)]
pub(super) struct Watched<E> {
    exporter: E,
    account: Arc<Account>,
}

impl<E> Watched<E> {
    pub(super) fn new(exporter: E, account: &Arc<Account>) -> Self {
        Self { exporter, account: Arc::clone(account) }
    }

    fn watch(&self, count: usize, result: OTelSdkResult) -> OTelSdkResult {
        let account = match &result {
            Ok(()) => Ok(()),
            Err(OTelSdkError::InternalFailure(why)) => Err(why.clone()),
            Err(other) => Err(other.to_string()),
        };
        self.account.exported(count, account);
        result
    }
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.watch(count, self.exporter.export(batch).await)
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

impl<E: PushMetricExporter> PushMetricExporter for Watched<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.watch(1, self.exporter.export(metrics).await)
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

impl<E: LogExporter> LogExporter for Watched<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        self.watch(count, self.exporter.export(batch).await)
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

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    #[test]
    fn what_a_receiver_refuses_is_read_from_its_answer() {
        let part =
            ExportTracePartialSuccess { rejected_spans: 3, error_message: "too\nold".to_owned() };
        let answer = ExportTraceServiceResponse { partial_success: Some(part) };
        let none = HeaderMap::new();
        let expected = Some((3, "tooold".to_owned()));
        assert_eq!(refused(&none, &answer.encode_to_vec()), expected);
        assert_eq!(refused(&none, b""), None);
        assert_eq!(refused(&none, b"<html>"), None);
        let mut json = HeaderMap::new();
        json.insert(CONTENT_TYPE, "application/json; charset=utf-8".parse().unwrap());
        let said = br#"{"partialSuccess": {"rejectedLogRecords": "2"}}"#;
        assert_eq!(refused(&json, said), Some((2, "it does not say why".to_owned())));
        assert_eq!(refused(&json, br#"{"partialSuccess": {"rejectedSpans": 0}}"#), None);
        assert_eq!(refused(&json, b"{}"), None);
    }
}
