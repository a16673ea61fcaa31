//! What Anthropic says went wrong, as a typed error.

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::http::snippet;

/// An answer with an HTTP status of failure.
pub(super) fn explain(status: u16, headers: &HeaderMap, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let told = &parsed["error"];
    let code = code(told);
    let message = match told["message"].as_str().or_else(|| told.as_str()) {
        Some(message) => message.to_owned(),
        None => snippet(body),
    };
    let error = ProviderError::new(kind(Some(status), code, &message), message).with_status(status);
    let error = match code {
        Some(code) => error.with_code(code),
        None => error,
    };
    match request_id(headers).or_else(|| parsed["request_id"].as_str()) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// The id by which Anthropic knows the request.
pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    ["request-id", "x-request-id"].iter().find_map(|name| headers.get(*name)?.to_str().ok())
}

/// An error in a reply that began well: `{"type": "error", "error": {"type", "message"}}`.
pub(crate) fn reported(event: &Value) -> ProviderError {
    let told = &event["error"];
    let message = told["message"].as_str().or_else(|| told.as_str());
    let message = message.unwrap_or("the server reported an error without a word");
    let code = code(told);
    let error = ProviderError::new(kind(None, code, message), message);
    let error = match code {
        Some(code) => error.with_code(code),
        None => error,
    };
    match event["request_id"].as_str() {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// The error with the id of its request, where it has none.
pub(crate) fn with_id(error: ProviderError, id: Option<&str>) -> ProviderError {
    match id {
        Some(id) if error.request_id().is_none() => error.with_request_id(id),
        _ => error,
    }
}

fn code(told: &Value) -> Option<&str> {
    told["type"].as_str().filter(|code| !code.is_empty())
}

/// The kind of a failure, by the [types of errors](https://docs.claude.com/en/api/errors), by
/// what is known of the words where one type covers several, and by the status at last.
fn kind(status: Option<u16>, code: Option<&str>, message: &str) -> ProviderErrorKind {
    if let Some(kind) = kind_of_words(message) {
        return kind;
    }
    match code {
        Some("authentication_error" | "permission_error") => ProviderErrorKind::Authentication,
        Some("rate_limit_error" | "billing_error") => ProviderErrorKind::RateLimit,
        Some("overloaded_error" | "api_error") => ProviderErrorKind::Overloaded,
        Some("timeout_error") => ProviderErrorKind::Timeout,
        Some("invalid_request_error" | "request_too_large") => ProviderErrorKind::InvalidRequest,
        Some("not_found_error") if message.contains("model") => ProviderErrorKind::ModelNotFound,
        _ => match status {
            Some(401 | 403) => ProviderErrorKind::Authentication,
            Some(402 | 429) => ProviderErrorKind::RateLimit,
            Some(408 | 504) => ProviderErrorKind::Timeout,
            Some(400..=499) => ProviderErrorKind::InvalidRequest,
            Some(500..=599) => ProviderErrorKind::Overloaded,
            _ => ProviderErrorKind::Other,
        },
    }
}

/// What the type `invalid_request_error` does not tell apart. Bedrock says the same in the same
/// words.
pub(crate) fn kind_of_words(message: &str) -> Option<ProviderErrorKind> {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&["prompt is too long", "exceed context limit", "Input is too long"]) {
        Some(ProviderErrorKind::ContextTooLong)
    } else if says(&["blocked by content filtering policy"]) {
        Some(ProviderErrorKind::ContentFilter)
    } else if says(&["credit balance is too low"]) {
        Some(ProviderErrorKind::RateLimit)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(status: u16, code: &str, message: &str) -> ProviderError {
        let body = json!({"type": "error", "error": {"type": code, "message": message},
            "request_id": "req_1"});
        explain(status, &HeaderMap::new(), &body.to_string())
    }

    #[test]
    fn failures_have_kinds_that_a_program_can_match() {
        use ProviderErrorKind as Kind;
        for (status, code, message, kind) in [
            (401, "authentication_error", "invalid x-api-key", Kind::Authentication),
            (403, "permission_error", "no", Kind::Authentication),
            (404, "not_found_error", "model: claude-9", Kind::ModelNotFound),
            (404, "not_found_error", "Not found", Kind::InvalidRequest),
            (
                400,
                "invalid_request_error",
                "prompt is too long: 3 tokens > 2 maximum",
                Kind::ContextTooLong,
            ),
            (
                400,
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
                Kind::ContextTooLong,
            ),
            (
                400,
                "invalid_request_error",
                "Output blocked by content filtering policy",
                Kind::ContentFilter,
            ),
            (
                400,
                "invalid_request_error",
                "Your credit balance is too low to access the API.",
                Kind::RateLimit,
            ),
            (400, "invalid_request_error", "max_tokens: Field required", Kind::InvalidRequest),
            (413, "request_too_large", "too big", Kind::InvalidRequest),
            (429, "rate_limit_error", "slow down", Kind::RateLimit),
            (500, "api_error", "Internal server error", Kind::Overloaded),
            (504, "timeout_error", "slow", Kind::Timeout),
            (529, "overloaded_error", "Overloaded", Kind::Overloaded),
            (418, "novelty", "?", Kind::InvalidRequest),
        ] {
            let error = told(status, code, message);
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{message}");
            assert_eq!((error.code(), error.request_id()), (Some(code), Some("req_1")));
            let event = json!({"type": "error", "error": {"type": code, "message": message}});
            let error = reported(&event);
            if !matches!(code, "not_found_error" | "novelty") {
                assert_eq!(error.kind(), kind, "{message}");
            }
        }
    }

    #[test]
    fn a_body_in_no_known_form_is_quoted_in_part() {
        let error = explain(502, &HeaderMap::new(), &"<h1>Bad  gateway</h1>\n".repeat(100));
        assert!(error.message().starts_with("the server answered: <h1>Bad gateway</h1> <h1>"));
        assert!(error.message().len() < 400);
        assert_eq!(error.kind(), ProviderErrorKind::Overloaded);
        assert_eq!(explain(502, &HeaderMap::new(), "").message(), "the server gave no reason");
    }
}
