//! Errors of the API, as a
//! [`google.rpc.Status`](https://cloud.google.com/apis/design/errors).

use std::time::Duration;

use chatlas_core::{ProviderError, ProviderErrorKind};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::failures;
use crate::client::json::{Count, List, Maybe, Text, value};
use crate::http::snippet;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure<'a> {
    code: Count,
    #[serde(borrow)]
    status: Text<'a>,
    message: Text<'a>,
    details: List<Detail<'a>>,
}

/// The fields of `ErrorInfo`, `RetryInfo` and `RequestInfo`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow, rename = "@type")]
    kind: Text<'a>,
    reason: Text<'a>,
    retry_delay: Text<'a>,
    request_id: Text<'a>,
}

impl<'a> Failure<'a> {
    /// Returns a field of the detail of that type.
    fn detail<'s>(
        &'s self,
        kind: &str,
        field: impl Fn(&'s Detail<'a>) -> &'s Text<'a>,
    ) -> Option<&'s str> {
        let is_wanted =
            |detail: &&Detail<'_>| detail.kind.as_str().rsplit('/').next() == Some(kind);
        field(self.details.0.iter().find(is_wanted)?).0.as_deref()
    }
}

/// Reads a response with a failure status.
pub(super) fn explain(status: u16, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    // A stream that is not an event stream is a list of chunks.
    let first = parsed.as_array().and_then(|list| list.first()).unwrap_or(&parsed);
    let error = first.get("error").and_then(|error| typed(error, Some(status)));
    error.unwrap_or_else(|| {
        ProviderError::new(kind(status, "", "", ""), snippet(body)).with_status(status)
    })
}

/// Reads the `error` of a reply.
pub(super) fn reported(error: &RawValue) -> Option<ProviderError> {
    typed(&value(Some(error)), None)
}

fn typed(error: &Value, status: Option<u16>) -> Option<ProviderError> {
    let read = if error.is_string() {
        Failure { message: Text::deserialize(error).ok()?, ..Failure::default() }
    } else {
        Maybe::<Failure<'_>>::deserialize(error).ok()?.0?
    };
    let message =
        read.message.non_empty().unwrap_or("the server reported an error without a message");
    let code = read.status.as_str();
    let number = read.code.0.and_then(|code| u16::try_from(code).ok());
    let status = status.or(number.filter(|code| (400..600).contains(code)));
    let reason = read.detail("google.rpc.ErrorInfo", |detail| &detail.reason).unwrap_or_default();
    let kind = kind(status.unwrap_or_default(), code, reason, message);
    let mut error = ProviderError::new(kind, message);
    if let Some(status) = status {
        error = error.with_status(status);
    }
    if !code.is_empty() {
        error = error.with_code(code);
    }
    if let Some(id) = read.detail("google.rpc.RequestInfo", |detail| &detail.request_id) {
        error = error.with_request_id(id);
    }
    let delay = read.detail("google.rpc.RetryInfo", |detail| &detail.retry_delay);
    if let Some(delay) = delay.and_then(duration) {
        error = error.with_retry_after(delay);
    }
    Some(error)
}

/// Parses a duration: `"3.5s"`.
fn duration(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

fn kind(status: u16, code: &str, reason: &str, message: &str) -> ProviderErrorKind {
    use ProviderErrorKind as Kind;
    if matches!(reason, "API_KEY_INVALID" | "API_KEY_EXPIRED") {
        return Kind::Authentication;
    }
    // Google has no code for this error, and some gateways send no code at all.
    if matches!(code, "" | "INVALID_ARGUMENT") && failures::is_too_long(message) {
        return Kind::ContextTooLong;
    }
    match code {
        "UNAUTHENTICATED" | "PERMISSION_DENIED" => Kind::Authentication,
        "NOT_FOUND" => Kind::ModelNotFound,
        "RESOURCE_EXHAUSTED" => Kind::RateLimit,
        "UNAVAILABLE" | "INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "ABORTED" => Kind::Overloaded,
        "UNIMPLEMENTED" => Kind::Unsupported,
        "DEADLINE_EXCEEDED" => Kind::Timeout,
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" | "ALREADY_EXISTS" => {
            Kind::InvalidRequest
        }
        _ => kind_of_status(status),
    }
}

fn kind_of_status(status: u16) -> ProviderErrorKind {
    use ProviderErrorKind as Kind;
    match status {
        401 | 403 => Kind::Authentication,
        404 => Kind::ModelNotFound,
        408 | 504 => Kind::Timeout,
        429 => Kind::RateLimit,
        400..=499 => Kind::InvalidRequest,
        500..=599 => Kind::Overloaded,
        _ => Kind::Other,
    }
}
