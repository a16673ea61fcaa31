//! A provider that sends its requests through a client of `reqwest-middleware`. Its middleware is
//! `reqwest-tracing`, which adds a span for each request.
//!
//! These are spans of `tracing`. The layer of `tracing-opentelemetry` uses the current OpenTelemetry
//! context as their parent. A request is sent inside the `chat` span, so they are its children. Keep
//! the provider's own HTTP spans off: otherwise each request has two spans.

use std::time::Duration;

use chatlas::HttpOptions;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_tracing::{SpanBackendWithUrl, TracingMiddleware};

/// Creates the HTTP client. It sets its own timeouts and redirect policy, because those of
/// [`HttpOptions`] apply only to the client that chatlas creates.
///
/// # Errors
///
/// Returns an error if TLS cannot be set up.
pub fn client() -> Result<ClientWithMiddleware, reqwest::Error> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(90))
        // Do not send the API key to another host.
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    Ok(ClientBuilder::new(client).with(TracingMiddleware::<SpanBackendWithUrl>::new()).build())
}

/// Returns HTTP options that send all requests through that client.
pub fn http(client: ClientWithMiddleware) -> HttpOptions {
    HttpOptions::default().with_sender(move |request| {
        let client = client.clone();
        async move { client.execute(request).await }
    })
}
