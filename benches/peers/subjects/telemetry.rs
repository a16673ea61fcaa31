//! Sets up the OpenTelemetry SDK for the libraries that emit `tracing` spans.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub fn install() -> SdkTracerProvider {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .build()
        .expect("an exporter");
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    tracing_subscriber::registry()
        .with(filter.from_env_lossy())
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("peers")))
        .init();
    opentelemetry::global::set_tracer_provider(provider.clone());
    provider
}

/// Returns a setting of the comparison, from the environment.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
