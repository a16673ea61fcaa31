//! Why a receiver refused a request, or a part of it.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// A retry may succeed, at the earliest after the delay that the receiver requires.
    Transient { reason: String, after: Option<Duration> },
    /// The request is too large.
    TooLarge { reason: String },
    /// The request is too large, or a quota is exhausted.
    #[cfg_attr(not(feature = "otel-grpc"), allow(dead_code))]
    MaybeTooLarge { reason: String },
    /// A retry will not succeed.
    Permanent { reason: String },
}

/// Items that the receiver rejected although it accepted the request.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) count: u64,
    pub(super) reason: String,
}

impl Rejected {
    /// Returns `None` if no items were rejected.
    pub(super) fn new(count: i64, message: &str) -> Option<Self> {
        let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
        let message: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
        let message = if message.is_empty() { "no reason was given" } else { &message };
        Some(Self { count, reason: format!("the receiver rejected them: {message}") })
    }

    pub(super) fn from_response(response: ExportTraceServiceResponse) -> Option<Self> {
        let partial = response.partial_success?;
        Self::new(partial.rejected_spans, &partial.error_message)
    }
}
