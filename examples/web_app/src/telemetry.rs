//! The telemetry of the application. It is set up before anything else runs.

use chatlas::otel::{Guard, SetupError, Telemetry};
use opentelemetry::global;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Sets up OpenTelemetry from environment variables. If they configure no exporter, each trace is drawn
/// in the terminal.
///
/// # Errors
///
/// Returns [`SetupError`] if a variable is invalid.
pub fn init() -> Result<Guard, SetupError> {
    let has_exporter = std::env::vars_os().any(|(name, _)| {
        let name = name.to_string_lossy();
        name == "LOGFIRE_TOKEN" || name.starts_with("OTEL_") && name.contains("EXPORTER")
    });
    let telemetry = Telemetry::new().with_env();
    let guard = if has_exporter { telemetry } else { telemetry.with_console() }.install()?;
    install_tracing_layer();
    Ok(guard)
}

/// Exports the spans of `tracing`, which the web server and the database queries use, in the same trace
/// as those of chatlas.
pub fn install_tracing_layer() {
    let spans = tracing_opentelemetry::layer()
        .with_tracer(global::tracer("web_app"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    // Tests call this more than once: only the first subscriber is installed.
    let _ = tracing_subscriber::registry().with(LevelFilter::INFO).with(spans).try_init();
}

/// Returns the span of a request. Its parent is the span in the request's `traceparent` header, if the
/// browser or a proxy sent one.
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
    // Fails only for a span that has already started, which this one has not.
    let _ = span.set_parent(chatlas::otel::context_from_headers(request.headers()));
    span
}
