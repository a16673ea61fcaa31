//! Errors that AWS reports.

use chatlas_core::{ProviderError, ProviderErrorKind};
use serde_json::Value;

use crate::anthropic::error::{in_body, kind_of_message};
use crate::client::ReplyHead;
use crate::http::snippet;

/// Returns the error of a response with a failure status.
pub(super) fn of_status(head: &ReplyHead<'_>, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let in_body = || parsed.get("__type").and_then(Value::as_str);
    let code = head.header("x-amzn-errortype").or_else(in_body).and_then(name);
    let message = message(&parsed).map_or_else(|| snippet(body), str::to_owned);
    new(Some(head.status), code, without_request(&message))
}

/// Returns the error of an exception in a stream.
pub(super) fn exception(kind: &str, data: &[u8]) -> ProviderError {
    let text = String::from_utf8_lossy(data);
    let payload: Value = serde_json::from_str(&text).unwrap_or_default();
    let original = payload.get("originalMessage").and_then(Value::as_str);
    let message = original.or_else(|| message(&payload));
    let status = payload.get("originalStatusCode").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let message = message.map_or_else(|| snippet(&text), str::to_owned);
    new(status, name(kind), &message)
}

fn new(status: Option<u16>, code: Option<String>, message: &str) -> ProviderError {
    let error = ProviderError::new(kind(status, code.as_deref(), message), message);
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

fn message(body: &Value) -> Option<&str> {
    let message = ["message", "Message"].iter().find_map(|key| body.get(key)?.as_str());
    // Gateways report errors in another form.
    message.or_else(|| in_body(body).get("message")?.as_str())
}

/// Returns the name of an exception: `ThrottlingException` of
/// `com.amazon…#ThrottlingException:http://…`, and of `throttlingException` in a stream.
fn name(qualified: &str) -> Option<String> {
    let name = qualified.split(':').next()?.rsplit('#').next()?.trim();
    let mut letters = name.chars();
    let first = letters.next()?;
    Some(first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// Removes the request that AWS quotes in the message of an invalid signature.
fn without_request(message: &str) -> &str {
    message.find("The Canonical String").map_or(message, |end| &message[..end]).trim_end()
}

fn kind(status: Option<u16>, code: Option<&str>, message: &str) -> ProviderErrorKind {
    if let Some(kind) = kind_of_message(message) {
        return kind;
    }
    match code.unwrap_or_default() {
        "AccessDeniedException"
        | "ExpiredTokenException"
        | "IncompleteSignatureException"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException" => ProviderErrorKind::Authentication,
        "ThrottlingException" | "ServiceQuotaExceededException" => ProviderErrorKind::RateLimit,
        "ModelTimeoutException" => ProviderErrorKind::Timeout,
        "ResourceNotFoundException" => ProviderErrorKind::ModelNotFound,
        "ValidationException" if message.contains("model identifier") => {
            ProviderErrorKind::ModelNotFound
        }
        "ValidationException" => ProviderErrorKind::InvalidRequest,
        "InternalServerException"
        | "ModelErrorException"
        | "ModelNotReadyException"
        | "ModelStreamErrorException"
        | "ServiceUnavailableException" => ProviderErrorKind::Overloaded,
        _ => match status {
            Some(401 | 403) => ProviderErrorKind::Authentication,
            Some(404) => ProviderErrorKind::ModelNotFound,
            Some(408 | 504) => ProviderErrorKind::Timeout,
            Some(429) => ProviderErrorKind::RateLimit,
            Some(424 | 500..=599) => ProviderErrorKind::Overloaded,
            Some(400..=499) => ProviderErrorKind::InvalidRequest,
            _ => ProviderErrorKind::Other,
        },
    }
}
