//! What Google says went wrong, as a typed error: a
//! [`google.rpc.Status`](https://cloud.google.com/apis/design/errors).

use std::time::Duration;

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::http::snippet;

/// An answer with an HTTP status of failure.
pub(super) fn explain(status: u16, _: &HeaderMap, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    match told(&parsed) {
        Some(told) => typed(told, Some(status)),
        None => ProviderError::new(kind(status, "", "", ""), snippet(body)).with_status(status),
    }
}

/// The error that a reply holds in the place of what was asked for.
pub(super) fn reported(reply: &Value) -> Option<ProviderError> {
    told(reply).map(|told| typed(told, None))
}

/// `{"error": …}`, or that as the first of a list.
fn told(reply: &Value) -> Option<&Value> {
    let reply = reply.as_array().and_then(|list| list.first()).unwrap_or(reply);
    reply.get("error").filter(|error| error.is_object() || error.is_string())
}

fn typed(told: &Value, status: Option<u16>) -> ProviderError {
    let message = told["message"].as_str().or_else(|| told.as_str()).unwrap_or_default();
    let message =
        if message.is_empty() { "the server reported an error without a word" } else { message };
    let code = told["status"].as_str().unwrap_or_default();
    let number = told["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let reason = detail(told, "google.rpc.ErrorInfo", "reason").unwrap_or_default();
    let status = status.or(number.filter(|code| (400..600).contains(code)));
    let mut error =
        ProviderError::new(kind(status.unwrap_or_default(), code, reason, message), message);
    if let Some(status) = status {
        error = error.with_status(status);
    }
    if !code.is_empty() {
        error = error.with_code(code);
    }
    if let Some(id) = detail(told, "google.rpc.RequestInfo", "requestId") {
        error = error.with_request_id(id);
    }
    match detail(told, "google.rpc.RetryInfo", "retryDelay").and_then(duration) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// A field of that detail of the error.
fn detail<'a>(told: &'a Value, kind: &str, field: &str) -> Option<&'a str> {
    let details = told["details"].as_array()?;
    let is = |detail: &&Value| {
        detail["@type"].as_str().and_then(|name| name.rsplit('/').next()) == Some(kind)
    };
    details.iter().find(is)?[field].as_str()
}

/// `"3.5s"`.
fn duration(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

fn kind(status: u16, code: &str, reason: &str, message: &str) -> ProviderErrorKind {
    use ProviderErrorKind as Kind;
    if matches!(reason, "API_KEY_INVALID" | "API_KEY_EXPIRED") {
        return Kind::Authentication;
    }
    // Google has no code of its own for it.
    if code == "INVALID_ARGUMENT" && message.contains("maximum number of tokens") {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(status: u16, code: &str, message: &str, details: &Value) -> ProviderError {
        let body = json!({"error":
            {"code": status, "message": message, "status": code, "details": details}});
        let error = explain(status, &HeaderMap::new(), &body.to_string());
        // In a list, as a stream without events tells it, it is the same.
        assert_eq!(explain(status, &HeaderMap::new(), &json!([body]).to_string()), error);
        assert_eq!(reported(&body), Some(error.clone()));
        error
    }

    #[test]
    fn failures_have_kinds_that_a_program_can_match() {
        use ProviderErrorKind as Kind;
        for (status, code, kind) in [
            (400, "INVALID_ARGUMENT", Kind::InvalidRequest),
            (400, "FAILED_PRECONDITION", Kind::InvalidRequest),
            (401, "UNAUTHENTICATED", Kind::Authentication),
            (403, "PERMISSION_DENIED", Kind::Authentication),
            (404, "NOT_FOUND", Kind::ModelNotFound),
            (429, "RESOURCE_EXHAUSTED", Kind::RateLimit),
            (499, "CANCELLED", Kind::InvalidRequest),
            (500, "INTERNAL", Kind::Overloaded),
            (501, "UNIMPLEMENTED", Kind::Unsupported),
            (503, "UNAVAILABLE", Kind::Overloaded),
            (504, "DEADLINE_EXCEEDED", Kind::Timeout),
        ] {
            let error = told(status, code, "no", &json!([]));
            assert_eq!(
                (error.kind(), error.status(), error.code(), error.message()),
                (kind, Some(status), Some(code), "no")
            );
        }
        let long = "The input token count (9) exceeds the maximum number of tokens allowed (8).";
        let error = told(400, "INVALID_ARGUMENT", long, &json!(null));
        assert_eq!(error.kind(), Kind::ContextTooLong);
    }

    #[test]
    fn the_details_tell_of_a_bad_key_a_wait_and_the_request() {
        let of = |kind: &str, field: &str, value: &str| json!({"@type": format!("type.googleapis.com/google.rpc.{kind}"), field: value});
        let details = json!([
            null,
            of("ErrorInfo", "reason", "API_KEY_INVALID"),
            of("RetryInfo", "retryDelay", "3.5s"),
            of("RequestInfo", "requestId", "req-1"),
        ]);
        let error = told(400, "INVALID_ARGUMENT", "API key not valid.", &details);
        assert_eq!(error.kind(), ProviderErrorKind::Authentication);
        assert_eq!(error.retry_after(), Some(Duration::from_millis(3500)));
        assert_eq!(error.request_id(), Some("req-1"));
        for nonsense in ["soon", "-1s", "1", "", "nans", "1e300s"] {
            assert_eq!(duration(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn an_error_in_no_known_form_is_told_as_well_as_may_be() {
        let headers = HeaderMap::new();
        let error = explain(502, &headers, &"<h1>Bad  gateway</h1>\n".repeat(100));
        assert!(error.message().starts_with("the server answered: <h1>Bad gateway</h1> <h1>"));
        assert!(error.message().len() < 400);
        assert_eq!(explain(502, &headers, "").message(), "the server gave no reason");
        assert_eq!(explain(403, &headers, "").kind(), ProviderErrorKind::Authentication);
        assert_eq!(explain(400, &headers, "{\"error\":\"no\"}").message(), "no");
        let error = reported(&json!({"error": {}})).unwrap();
        assert_eq!(error.message(), "the server reported an error without a word");
        assert_eq!(reported(&json!({"candidates": []})), None);
        assert_eq!(reported(&json!([])), None);
    }
}
