//! The telemetry of the application, in one place. It is set up before anything else runs.

use chatlas::otel::{Guard, SetupError, Telemetry};
use opentelemetry::global;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Sets it up as the environment says; where that names no exporter, each trace is drawn in the
/// terminal.
///
/// # Errors
///
/// [`SetupError`] where the environment says something that cannot be done.
pub fn init() -> Result<Guard, SetupError> {
    let told = std::env::vars_os().any(|(name, _)| {
        let name = name.to_string_lossy();
        name == "LOGFIRE_TOKEN" || name.starts_with("OTEL_") && name.contains("EXPORTER")
    });
    let telemetry = Telemetry::new().with_env();
    let guard = if told { telemetry } else { telemetry.with_console() }.install()?;
    trace_the_application();
    Ok(guard)
}

/// Has the spans of `tracing` (those of the web server and of the database) exported with those of
/// chatlas, in one tree.
pub fn trace_the_application() {
    let spans = tracing_opentelemetry::layer()
        .with_tracer(global::tracer("web_app"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    // A second subscriber, in tests, changes nothing.
    let _ = tracing_subscriber::registry().with(LevelFilter::INFO).with(spans).try_init();
}

/// The span of a request, below that of the browser or the proxy, where one sent its `traceparent`.
pub fn request_span<B>(request: &axum::http::Request<B>) -> Span {
    let method = request.method();
    let path = request.uri().path();
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {path}"),
        otel.kind = "server",
        http.request.method = %method,
        url.path = path,
    );
    // Refused only for a span that has begun, which this one has not.
    let _ = span.set_parent(chatlas::otel::context_from_headers(request.headers()));
    span
}
