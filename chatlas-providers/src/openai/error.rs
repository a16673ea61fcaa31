//! What OpenAI says went wrong, as a typed error.

use chatlas_core::{Completion, ProviderError, ProviderErrorKind, Usage};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::reply::{string, usage};

/// How much of a body that is no JSON is shown.
const LONGEST_SNIPPET: usize = 300;

/// An answer with an HTTP status of failure.
pub(super) fn explain(status: u16, headers: &HeaderMap, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let told = &parsed["error"];
    let code = code(told);
    let message = match told["message"].as_str().or_else(|| told.as_str()) {
        Some(message) => without_keys(message),
        None => snippet(body),
    };
    let error = ProviderError::new(kind(status, code), message).with_status(status);
    let error = match code {
        Some(code) => error.with_code(code),
        None => error,
    };
    match headers.get("x-request-id").and_then(|id| id.to_str().ok()) {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// A response whose status is `failed`.
pub(super) fn failed(response: &Value) -> ProviderError {
    let usage = usage(&response["usage"]);
    let error = reported(&response["error"]);
    if usage == Usage::default() {
        return error;
    }
    // It has failed, and is paid for.
    error.with_partial(Completion {
        usage,
        response_id: string(response, "id"),
        model: string(response, "model"),
        partial: true,
        ..Completion::default()
    })
}

/// An error in a reply that began well: `{"code", "message"}`, or that under `error`.
pub(super) fn reported(event: &Value) -> ProviderError {
    let told = if event["error"].is_object() { &event["error"] } else { event };
    let message = told["message"].as_str().unwrap_or("the server reported an error without a word");
    let code = code(told).filter(|code| *code != "error");
    let error = ProviderError::new(kind_of_code(code), without_keys(message));
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

fn code(told: &Value) -> Option<&str> {
    told["code"].as_str().or_else(|| told["type"].as_str()).filter(|code| !code.is_empty())
}

fn kind(status: u16, code: Option<&str>) -> ProviderErrorKind {
    let by_code = kind_of_code(code);
    if by_code != ProviderErrorKind::Other {
        return by_code;
    }
    match status {
        401 | 403 => ProviderErrorKind::Authentication,
        408 | 504 => ProviderErrorKind::Timeout,
        429 => ProviderErrorKind::RateLimit,
        400..=499 => ProviderErrorKind::InvalidRequest,
        500..=599 => ProviderErrorKind::Overloaded,
        _ => ProviderErrorKind::Other,
    }
}

fn kind_of_code(code: Option<&str>) -> ProviderErrorKind {
    match code {
        Some("invalid_api_key" | "authentication_error") => ProviderErrorKind::Authentication,
        Some("model_not_found") => ProviderErrorKind::ModelNotFound,
        Some("context_length_exceeded") => ProviderErrorKind::ContextTooLong,
        Some("content_filter" | "content_policy_violation") => ProviderErrorKind::ContentFilter,
        Some("rate_limit_exceeded" | "insufficient_quota") => ProviderErrorKind::RateLimit,
        Some("server_error" | "overloaded_error") => ProviderErrorKind::Overloaded,
        _ => ProviderErrorKind::Other,
    }
}

/// OpenAI quotes the key it was given; masked or not, no error shows it.
fn without_keys(message: &str) -> String {
    let in_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.' | '…');
    let mut shown = String::with_capacity(message.len());
    for piece in message.split_inclusive(|c| !in_key(c)) {
        // The full stop after a key is none of it.
        let word = piece.trim_end_matches(|c| !in_key(c) || c == '.');
        let secret = (word.starts_with("sk-") && word.len() > 3) || word.contains("***");
        shown.push_str(if secret { "[redacted]" } else { word });
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

/// The beginning of a body that says nothing in the vendor's form.
fn snippet(body: &str) -> String {
    let text = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return "the server gave no reason".to_owned();
    }
    let shown: String = without_keys(&text).chars().take(LONGEST_SNIPPET).collect();
    format!("the server answered: {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(status: u16, code: &str) -> ProviderError {
        let body =
            json!({"error": {"message": "no", "type": "invalid_request_error", "code": code}});
        explain(status, &HeaderMap::new(), &body.to_string())
    }

    #[test]
    fn failures_have_kinds_that_a_program_can_match() {
        use ProviderErrorKind as Kind;
        for (status, code, kind) in [
            (401, "invalid_api_key", Kind::Authentication),
            (403, "forbidden", Kind::Authentication),
            (404, "model_not_found", Kind::ModelNotFound),
            (400, "context_length_exceeded", Kind::ContextTooLong),
            (400, "invalid_value", Kind::InvalidRequest),
            (413, "too_large", Kind::InvalidRequest),
            (408, "slow", Kind::Timeout),
            (429, "rate_limit_exceeded", Kind::RateLimit),
            (429, "insufficient_quota", Kind::RateLimit),
            (500, "server_error", Kind::Overloaded),
            (529, "any", Kind::Overloaded),
        ] {
            let error = told(status, code);
            assert_eq!(
                (error.kind(), error.status(), error.code()),
                (kind, Some(status), Some(code))
            );
        }
    }

    #[test]
    fn a_key_that_the_server_quotes_is_not_shown() {
        for (told, shown) in [
            ("Incorrect API key provided: sk-proj-****abcd. See", "… [redacted]. See"),
            ("Incorrect API key provided: abcd****wxyz.", "… [redacted]."),
            ("key='sk-a_b-C1', (sk-2)\nsk-3", "key='[redacted]', ([redacted])\n[redacted]"),
            (
                "no task-1 or risk-2: keys begin with sk-.",
                "no task-1 or risk-2: keys begin with sk-.",
            ),
            ("**no** … möglich", "**no** … möglich"),
        ] {
            let body = json!({"error": {"message": told}}).to_string();
            let error = explain(401, &HeaderMap::new(), &body);
            let shown = shown.replacen("… [", "Incorrect API key provided: [", 1);
            assert_eq!(error.message(), shown);
        }
    }

    #[test]
    fn a_body_in_no_known_form_is_quoted_in_part() {
        let error = explain(502, &HeaderMap::new(), &"<h1>Bad  gateway</h1>\n".repeat(100));
        assert!(error.message().starts_with("the server answered: <h1>Bad gateway</h1> <h1>"));
        assert!(error.message().len() < 400);
        let error = explain(502, &HeaderMap::new(), "");
        assert_eq!(error.message(), "the server gave no reason");
    }
}
