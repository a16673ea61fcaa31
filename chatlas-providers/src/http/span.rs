//! The HTTP span: one for each attempt, named by the method, by the stable
//! [HTTP conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/).

use std::panic::{AssertUnwindSafe, catch_unwind};

use chatlas_core::telemetry::names::{ERROR_TYPE, SERVER_ADDRESS, SERVER_PORT};
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use reqwest::{Request, Response, Url};

use super::client::Trouble;

/// Query parameters whose values are secrets: those the conventions name, and vendors' API keys.
const SECRET_PARAMETERS: [&str; 18] = [
    "awsaccesskeyid",
    "signature",
    "sig",
    "x-goog-signature",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "key",
    "api_key",
    "apikey",
    "api-key",
    "token",
    "access_token",
    "subscription-key",
    "client_secret",
    "secret",
    "password",
    "code",
];

/// The span of one attempt. It ends when the headers are read, or when it is dropped. What belongs
/// to the program (samplers, processors, exporters) may panic: then there is none.
pub(super) struct AttemptSpan(Option<BoxedSpan>);

impl AttemptSpan {
    pub(super) fn start(request: &Request, attempt: u32) -> Self {
        let scope = InstrumentationScope::builder("chatlas.http")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
            .build();
        let url = request.url();
        let mut attributes = Vec::with_capacity(8);
        attributes.push(KeyValue::new("http.request.method", request.method().to_string()));
        attributes.push(KeyValue::new("url.full", redact(url)));
        attributes.extend(
            url.host_str()
                .map(|h| KeyValue::new(SERVER_ADDRESS, h.trim_matches(['[', ']']).to_owned())),
        );
        let port = url.port_or_known_default();
        attributes.extend(port.map(|port| KeyValue::new(SERVER_PORT, i64::from(port))));
        if attempt > 0 {
            attributes.push(KeyValue::new("http.request.resend_count", i64::from(attempt)));
        }
        let builder = SpanBuilder::from_name(request.method().to_string())
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        Self(shielded(|| global::tracer_with_scope(scope).build(builder)))
    }

    /// That context, with this span as the one that is current.
    pub(super) fn below(&self, context: &Context) -> Context {
        match &self.0 {
            Some(span) => context.with_remote_span_context(span.span_context().clone()),
            None => context.clone(),
        }
    }

    pub(super) fn finish(mut self, result: &Result<Response, Trouble>) {
        let Some(span) = &mut self.0 else { return };
        let failure = match result {
            Ok(response) => {
                let status = response.status();
                let code = i64::from(status.as_u16());
                span.set_attribute(KeyValue::new("http.response.status_code", code));
                (status.as_u16() >= 400).then(|| status.as_u16().to_string())
            }
            Err(trouble) => Some(trouble.error_type().to_owned()),
        };
        if let Some(kind) = failure {
            span.set_attribute(KeyValue::new(ERROR_TYPE, kind));
            span.set_status(Status::error(""));
        }
    }
}

impl Drop for AttemptSpan {
    fn drop(&mut self) {
        if let Some(mut span) = self.0.take() {
            shielded(|| span.end());
        }
    }
}

fn shielded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

/// Whether a query parameter of that name holds a secret.
pub(crate) fn is_secret_parameter(name: &str) -> bool {
    SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
}

/// A URL without its secrets: user, password, and the values of secret parameters.
fn redact(url: &Url) -> String {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        // Only a URL that cannot have a host refuses, and that has no user either.
        let _ = url.set_username("REDACTED");
        let _ = url.set_password(Some("REDACTED"));
    }
    if url.query_pairs().any(|(name, _)| is_secret_parameter(&name)) {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let shown =
                    if is_secret_parameter(&name) { "REDACTED".into() } else { value.into_owned() };
                (name.into_owned(), shown)
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("https://a.example/v1?x=1", "https://a.example/v1?x=1"),
            ("https://u:p@a.example/", "https://REDACTED:REDACTED@a.example/"),
            ("https://a.example/?KEY=abc&x=1", "https://a.example/?KEY=REDACTED&x=1"),
            ("https://a.example/?X-Amz-Signature=s", "https://a.example/?X-Amz-Signature=REDACTED"),
            ("https://a.example/?api_key=s#f", "https://a.example/?api_key=REDACTED#f"),
        ] {
            assert_eq!(redact(&Url::parse(url).unwrap()), shown);
        }
    }
}
