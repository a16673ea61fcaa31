//! Exporters over gRPC: their runtime, TLS and metadata.

use std::sync::Arc;

use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{Compression, WithExportConfig, WithTonicConfig};
use reqwest::header::HeaderMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::error::SetupError;
use crate::losses::{Account, CountedExporter};
use crate::otlp::Target;

/// A runtime with a thread of its own, because the SDK exports from threads without a runtime.
#[derive(Debug, Default)]
pub(super) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// Builds an exporter inside the runtime.
    pub(super) fn build<E>(
        &mut self,
        account: &Arc<Account>,
        build: impl FnOnce() -> Result<E, SetupError>,
    ) -> Result<CountedExporter<E>, SetupError> {
        if self.0.is_none() {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("chatlas-otel")
                .enable_all()
                .build();
            self.0 = Some(runtime.map_err(SetupError::exporter)?);
        }
        let _guard = self.0.as_ref().map(tokio::runtime::Runtime::enter);
        Ok(CountedExporter::new(build()?, account))
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // The guard may be dropped inside a runtime of the program, where blocking would panic.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Applies a target to the builder of an exporter.
// Without TLS, no file has to be read.
#[cfg_attr(not(feature = "_tls"), allow(clippy::unnecessary_wraps))]
pub(super) fn configure<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    target: &Target,
) -> Result<B, SetupError> {
    let mut builder = builder.with_endpoint(target.endpoint.as_str()).with_timeout(target.timeout);
    if target.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    #[cfg(feature = "_tls")]
    if target.endpoint.scheme() == "https" {
        builder = builder.with_tls_config(tls_config(target)?);
    }
    Ok(builder.with_interceptor(TargetMetadata::new(&target.headers)))
}

#[cfg(feature = "_tls")]
fn tls_config(
    target: &Target,
) -> Result<opentelemetry_otlp::tonic_types::transport::ClientTlsConfig, SetupError> {
    use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};

    let files = &target.tls;
    let mut config = ClientTlsConfig::new();
    config = match &files.trusted {
        Some(file) => config.ca_certificate(Certificate::from_pem(file.read()?)),
        None => config.with_enabled_roots(),
    };
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        config = config.identity(Identity::from_pem(certificate.read()?, key.read()?));
    }
    Ok(config)
}

/// Sends the headers of the target, and removes those that the exporter has read from the
/// environment: they may belong to another receiver.
#[derive(Clone)]
struct TargetMetadata(MetadataMap);

impl TargetMetadata {
    fn new(headers: &HeaderMap) -> Self {
        Self(MetadataMap::from_headers(headers.clone()))
    }
}

impl Interceptor for TargetMetadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        *request.metadata_mut() = self.0.clone();
        Ok(request)
    }
}
