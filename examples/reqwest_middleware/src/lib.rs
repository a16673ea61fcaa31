//! A provider's HTTP, done by a client of `reqwest-middleware`: with whatever a program puts in
//! its chain, here the spans of `reqwest-tracing`.
//!
//! Those are spans of `tracing`. The layer of `tracing-opentelemetry` takes the current
//! OpenTelemetry context as their parent, and a request is sent inside the `chat` span: so they
//! nest below it. The provider's own HTTP spans stay off, or there would be two of each.

use std::time::Duration;

use chatlas::HttpOptions;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_tracing::{SpanBackendWithUrl, TracingMiddleware};

/// The client of the program. Timeouts and redirects are its own: those of [`HttpOptions`] are for
/// the client that the library makes.
///
/// # Errors
///
/// Where there is no TLS to be had.
pub fn client() -> Result<ClientWithMiddleware, reqwest::Error> {
    let client = reqwest::Client::builder()
        .with_connect_timeout(Duration::from_secs(10))
        .with_read_timeout(Duration::from_mins(2))
        // A key is for the host it was given for.
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    Ok(ClientBuilder::new(client).with(TracingMiddleware::<SpanBackendWithUrl>::new()).build())
}

/// The options of a provider that is to send by that client.
pub fn http(client: ClientWithMiddleware) -> HttpOptions {
    HttpOptions::default().with_sender(move |request| {
        let client = client.clone();
        async move { client.execute(request).await }
    })
}
