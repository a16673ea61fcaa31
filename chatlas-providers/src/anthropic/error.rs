//! Errors that Anthropic reports.

use chatlas_core::{ProviderError, ProviderErrorKind};
use serde_json::Value;

use crate::client::{ReplyHead, failures};
use crate::http::snippet;

/// The headers that may contain Anthropic's id of the request.
pub(super) const REQUEST_ID_HEADERS: &[&str] = &["request-id", "x-request-id"];

/// Returns the error of a response with a failure status.
pub(super) fn of_status(head: &ReplyHead<'_>, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let in_head = REQUEST_ID_HEADERS.iter().find_map(|name| head.header(name));
    let id = in_head.or_else(|| parsed.get("request_id").and_then(Value::as_str));
    new(Some(head.status), in_body(&parsed), id, || snippet(body))
}

/// Returns the error in a body. Gateways send it in a list, under another name, or without one.
pub(crate) fn in_body(body: &Value) -> &Value {
    let body = first(body);
    let named = ["error", "errors"].iter().find_map(|name| body.get(name));
    named.filter(|error| !error.is_null()).map_or(body, first)
}

/// Returns the first element of a list, and any other value itself.
fn first(value: &Value) -> &Value {
    value.as_array().and_then(|list| list.first()).unwrap_or(value)
}

/// Returns the error that a reply with a success status contains:
/// `{"type": "error", "error": {"type", "message"}}`.
pub(super) fn in_reply(error: &Value, request_id: Option<&str>) -> ProviderError {
    new(None, error, request_id, || "the server reported an error without a message".to_owned())
}

/// Returns an error from an `error` field: an object, or a string.
fn new(
    status: Option<u16>,
    error: &Value,
    request_id: Option<&str>,
    message: impl FnOnce() -> String,
) -> ProviderError {
    let field = |name: &str| error.get(name)?.as_str().filter(|text| !text.is_empty());
    let code = field("type").filter(|code| *code != "error");
    let text = field("message").or_else(|| field("detail")).or_else(|| error.as_str());
    let message = text.map_or_else(message, str::to_owned);
    let mut error = ProviderError::new(kind(status, code, &message), message);
    if let Some(code) = code {
        error = error.with_code(code);
    }
    match request_id {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// Returns the kind of an error: by its message where one code covers several kinds, by its code
/// (see [the list of codes](https://docs.claude.com/en/api/errors)), and by the status.
fn kind(status: Option<u16>, code: Option<&str>, message: &str) -> ProviderErrorKind {
    if let Some(kind) = kind_of_message(message) {
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

/// Returns the kind of an error whose code is `invalid_request_error` for several kinds. Bedrock
/// uses the same messages.
pub(crate) fn kind_of_message(message: &str) -> Option<ProviderErrorKind> {
    failures::kind_of_message(message).filter(|kind| match kind {
        ProviderErrorKind::ContextTooLong | ProviderErrorKind::ContentFilter => true,
        ProviderErrorKind::RateLimit => message.contains("credit balance is too low"),
        _ => false,
    })
}
