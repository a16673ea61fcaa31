//! The HTTP span: one for each attempt, named after the method, following the stable
//! [HTTP conventions](https://opentelemetry.io/docs/specs/semconv/http/http-spans/).

use std::panic::{AssertUnwindSafe, catch_unwind};

use chatlas_core::telemetry::names::{self, ERROR_TYPE, SERVER_ADDRESS, SERVER_PORT};
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use reqwest::{Request, Response};

use super::failure::SendError;
use super::url::redacted;

/// The span of one attempt. It ends when the headers have been read, or when it is dropped. Samplers,
/// processors and exporters of the program may panic: there is no span then.
pub(super) struct AttemptSpan(Option<BoxedSpan>);

impl AttemptSpan {
    /// Starts the span of an attempt.
    pub(super) fn start(request: &Request, attempt: u32) -> Self {
        let scope = InstrumentationScope::builder(names::HTTP_SCOPE_NAME)
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url("https://opentelemetry.io/schemas/1.44.0")
            .build();
        let url = request.url();
        let mut attributes = Vec::with_capacity(8);
        attributes.push(KeyValue::new(names::http::REQUEST_METHOD, request.method().to_string()));
        attributes.push(KeyValue::new(names::http::URL_FULL, redacted(url)));
        attributes.extend(
            url.host_str()
                .map(|h| KeyValue::new(SERVER_ADDRESS, h.trim_matches(['[', ']']).to_owned())),
        );
        let port = url.port_or_known_default();
        attributes.extend(port.map(|port| KeyValue::new(SERVER_PORT, i64::from(port))));
        if attempt > 0 {
            attributes.push(KeyValue::new(names::http::REQUEST_RESEND_COUNT, i64::from(attempt)));
        }
        let builder = SpanBuilder::from_name(request.method().to_string())
            .with_kind(SpanKind::Client)
            .with_attributes(attributes);
        Self(shielded(|| global::tracer_with_scope(scope).build(builder)))
    }

    /// Returns that context with this span as the current one.
    pub(super) fn context_in(&self, context: &Context) -> Context {
        match &self.0 {
            Some(span) => context.with_remote_span_context(span.span_context().clone()),
            None => context.clone(),
        }
    }

    /// Records the result of the attempt and ends its span.
    pub(super) fn finish(mut self, result: &Result<Response, SendError>) {
        let Some(span) = &mut self.0 else { return };
        let failure = match result {
            Ok(response) => {
                let status = response.status();
                let code = i64::from(status.as_u16());
                span.set_attribute(KeyValue::new(names::http::RESPONSE_STATUS_CODE, code));
                (status.as_u16() >= 400).then(|| status.as_u16().to_string())
            }
            Err(error) => Some(error.error_type().to_owned()),
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
