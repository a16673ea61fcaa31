//! What AWS says went wrong, as a typed error.

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::anthropic::error::kind_of_words;
use crate::http::snippet;

/// An answer with an HTTP status of failure.
pub(super) fn explain(status: u16, headers: &HeaderMap, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let header = headers.get("x-amzn-errortype").and_then(|kind| kind.to_str().ok());
    let code = header.or_else(|| parsed["__type"].as_str()).and_then(name);
    let message = message(&parsed).map_or_else(|| snippet(body), str::to_owned);
    let message = unsigned(&message);
    let error = ProviderError::new(kind(Some(status), code.as_deref(), message), message)
        .with_status(status);
    let error = match code {
        Some(code) => error.with_code(code),
        None => error,
    };
    match request_id(headers) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// The id by which AWS, or the gateway before it, knows the request.
pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    ["x-amzn-requestid", "x-request-id"].iter().find_map(|name| headers.get(*name)?.to_str().ok())
}

/// An exception within a stream.
pub(super) fn exception(kind_told: &str, payload: &Value) -> ProviderError {
    let code = name(kind_told);
    let told = payload["originalMessage"].as_str().or_else(|| message(payload));
    let message = told.unwrap_or("the server reported an error without a word");
    let status = payload["originalStatusCode"].as_u64().and_then(|code| u16::try_from(code).ok());
    let error = ProviderError::new(kind(status, code.as_deref(), message), message);
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

fn message(told: &Value) -> Option<&str> {
    ["message", "Message"].iter().find_map(|key| told[*key].as_str())
}

/// The name of an exception: `ThrottlingException` of `com.amazon…#ThrottlingException:http://…`
/// and of `throttlingException`, as streams have it.
fn name(told: &str) -> Option<String> {
    let name = told.split(':').next()?.rsplit('#').next()?.trim();
    let mut letters = name.chars();
    let first = letters.next()?;
    Some(first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// What AWS says of a signature goes on with the whole request, as it should have been signed.
fn unsigned(message: &str) -> &str {
    message.find("The Canonical String").map_or(message, |end| &message[..end]).trim_end()
}

fn kind(status: Option<u16>, code: Option<&str>, message: &str) -> ProviderErrorKind {
    if let Some(kind) = kind_of_words(message) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    #[test]
    fn failures_have_kinds_that_a_program_can_match() {
        use ProviderErrorKind as Kind;
        for (status, code, message, kind) in [
            (403, "AccessDeniedException", "no access", Kind::Authentication),
            (403, "ExpiredTokenException", "expired", Kind::Authentication),
            (403, "UnrecognizedClientException", "who?", Kind::Authentication),
            (429, "ThrottlingException", "slow down", Kind::RateLimit),
            (400, "ServiceQuotaExceededException", "too much", Kind::RateLimit),
            (429, "ModelNotReadyException", "not ready", Kind::Overloaded),
            (408, "ModelTimeoutException", "slow", Kind::Timeout),
            (404, "ResourceNotFoundException", "no model", Kind::ModelNotFound),
            (
                400,
                "ValidationException",
                "The provided model identifier is invalid.",
                Kind::ModelNotFound,
            ),
            (
                400,
                "ValidationException",
                "Input is too long for requested model.",
                Kind::ContextTooLong,
            ),
            (400, "ValidationException", "messages: field required", Kind::InvalidRequest),
            (500, "InternalServerException", "boom", Kind::Overloaded),
            (424, "ModelErrorException", "boom", Kind::Overloaded),
            (503, "ServiceUnavailableException", "busy", Kind::Overloaded),
            (424, "NoveltyException", "?", Kind::Overloaded),
            (418, "NoveltyException", "?", Kind::InvalidRequest),
        ] {
            let mut headers = HeaderMap::new();
            let told = format!("{code}:http://internal.amazon.com/coral/x/");
            headers.insert("x-amzn-errortype", HeaderValue::try_from(told).unwrap());
            headers.insert("x-amzn-requestid", HeaderValue::from_static("r-1"));
            let error = explain(status, &headers, &json!({"message": message}).to_string());
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{message}");
            assert_eq!((error.code(), error.request_id()), (Some(code), Some("r-1")));
            let in_stream = code[..1].to_ascii_lowercase() + &code[1..];
            let payload = json!({"originalMessage": message, "originalStatusCode": status});
            let error = exception(&in_stream, &payload);
            assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{message}");
        }
        let body = json!({"__type": "com.amazon.coral#AccessDeniedException", "Message": "no"});
        let error = explain(403, &HeaderMap::new(), &body.to_string());
        assert_eq!((error.code(), error.message()), (Some("AccessDeniedException"), "no"));
    }

    #[test]
    fn the_request_that_was_signed_wrongly_is_not_shown() {
        let told = "The request signature we calculated does not match. Check your key.\n\nThe \
            Canonical String for this request should have been\n'POST\nx-amz-security-token:abc'";
        let error = explain(403, &HeaderMap::new(), &json!({"message": told}).to_string());
        let shown = "The request signature we calculated does not match. Check your key.";
        assert_eq!(error.message(), shown);
        assert!(explain(502, &HeaderMap::new(), "<h1>no</h1>").message().contains("<h1>no</h1>"));
    }
}
