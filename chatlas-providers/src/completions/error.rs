//! Reads the errors of OpenAI and of the vendors that speak its protocols. They are read as trees:
//! an error is rare, and servers report it in many forms.

use chatlas_core::{ProviderError, ProviderErrorKind};
use serde_json::Value;

use crate::http::{one_line, snippet};

/// The headers that may contain the id of a request.
pub(crate) const REQUEST_ID_HEADERS: [&str; 5] =
    ["x-request-id", "apim-request-id", "mistral-correlation-id", "request-id", "cf-ray"];

/// Reads the body of a response with a failure status.
pub(crate) fn read(status: u16, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let error = error_of(&parsed);
    // A code that repeats the status adds nothing.
    let code = code(error, &status.to_string());
    let message = message(error).unwrap_or_else(|| snippet(body));
    let kind = kind(status, error, &message);
    with_code(ProviderError::new(kind, message), code)
}

/// Reads an error inside a reply with a success status: `{"code", "message"}`, or that under
/// `error`.
pub(crate) fn reported(event: &Value) -> ProviderError {
    let error = error_of(event);
    let message = message(error)
        .unwrap_or_else(|| "the server reported an error without a message".to_owned());
    let code = code(error, "error");
    // A number is the status that the response would have had if it had failed earlier.
    let status = code.as_deref().and_then(|code| code.parse().ok());
    let kind = match kind_of_codes(error).unwrap_or_else(|| kind_of_message(&message)) {
        ProviderErrorKind::Other => status.map_or_else(|| kind_of_type(error), kind_of_status),
        kind => kind,
    };
    with_code(ProviderError::new(kind, message), code)
}

/// Returns the error that a chunk or a complete reply contains, if there is one.
pub(crate) fn in_reply(reply: &Value) -> Option<ProviderError> {
    let is_error = |error: &Value| match error {
        Value::String(message) => !message.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    };
    let choices = reply["choices"].as_array().into_iter().flatten();
    let found = [&reply["error"], &reply["x_groq"]["error"]]
        .into_iter()
        .chain(choices.map(|choice| &choice["error"]))
        .find(|error| is_error(error));
    let is_one = reply["object"] == "error"
        || (reply["choices"].is_null()
            && (reply["error_code"].is_string() || is_error(&reply["errors"][0])));
    found.or(is_one.then_some(reply)).map(reported)
}

/// Adds a hint on what to do to the message of an error.
pub(super) fn with_hint(error: ProviderError, hint: &str) -> ProviderError {
    let message = format!("{}; {hint}", error.message().trim_end_matches('.'));
    error.with_message(message)
}

fn with_code(error: ProviderError, code: Option<String>) -> ProviderError {
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// The error in a body: under `error` (OpenAI), in a list of `errors` (Cloudflare), or the body.
fn error_of(body: &Value) -> &Value {
    match (&body["error"], &body["errors"][0]) {
        (error, _) if error.is_object() || error.is_string() => error,
        (_, first) if !first.is_null() => first,
        _ => body,
    }
}

fn message(error: &Value) -> Option<String> {
    if let Some(message) = error.as_str().or_else(|| error["message"].as_str()) {
        // OpenRouter quotes the server behind it.
        return Some(match error["metadata"]["raw"].as_str().map(one_line) {
            Some(raw) if !raw.is_empty() => format!("{message}: {raw}"),
            _ => message.to_owned(),
        });
    }
    // FastAPI servers list the invalid fields of the request.
    let detail =
        [&error["detail"], &error["message"]["detail"]].into_iter().find(|d| !d.is_null())?;
    match detail {
        Value::String(message) => Some(message.clone()),
        Value::Array(list) => {
            let each = list.iter().filter_map(|item| {
                let path = item["loc"].as_array().into_iter().flatten();
                let path: Vec<&str> = path.filter_map(Value::as_str).collect();
                Some(format!("{}: {}", path.join("."), item["msg"].as_str()?))
            });
            Some(each.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
        }
        _ => None,
    }
}

/// The code, or the field that replaces it. One that equals `redundant` is ignored.
fn code(error: &Value, redundant: &str) -> Option<String> {
    let mut codes = ["code", "error_code", "type"].iter().filter_map(|key| match &error[*key] {
        Value::String(code) if !code.is_empty() => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    });
    codes.find(|code| code != redundant)
}

fn kind(status: u16, error: &Value, message: &str) -> ProviderErrorKind {
    if let Some(kind) = kind_of_codes(error) {
        return kind;
    }
    let by_status = kind_of_status(status);
    match kind_of_message(message) {
        ProviderErrorKind::Other => by_status,
        // The message decides only about a rejected request.
        kind if by_status == ProviderErrorKind::InvalidRequest => kind,
        _ => by_status,
    }
}

fn kind_of_status(status: u16) -> ProviderErrorKind {
    match status {
        401 | 403 => ProviderErrorKind::Authentication,
        408 | 504 => ProviderErrorKind::Timeout,
        // 402: the credit is used up.
        402 | 429 => ProviderErrorKind::RateLimit,
        400..=499 => ProviderErrorKind::InvalidRequest,
        500..=599 => ProviderErrorKind::Overloaded,
        _ => ProviderErrorKind::Other,
    }
}

/// The kind of the code, or of the type beside it.
fn kind_of_codes(error: &Value) -> Option<ProviderErrorKind> {
    // The reasons of OpenRouter's moderation.
    if error["metadata"]["reasons"].is_array() {
        return Some(ProviderErrorKind::ContentFilter);
    }
    let codes = ["code", "error_code", "type"].iter().filter_map(|key| error[*key].as_str());
    codes.map(kind_of_code).find(|kind| *kind != ProviderErrorKind::Other)
}

fn kind_of_code(code: &str) -> ProviderErrorKind {
    match code {
        "invalid_api_key" | "authentication_error" => ProviderErrorKind::Authentication,
        "model_not_found"
        | "invalid_model"
        | "DeploymentNotFound"
        | "model_not_supported"
        | "RESOURCE_DOES_NOT_EXIST" => ProviderErrorKind::ModelNotFound,
        "context_length_exceeded" | "exceed_context_size_error" => {
            ProviderErrorKind::ContextTooLong
        }
        "content_filter"
        | "content_policy_violation"
        | "image_content_policy_violation"
        | "invalid_prompt" => ProviderErrorKind::ContentFilter,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "insufficient_quota"
        | "REQUEST_LIMIT_EXCEEDED" => ProviderErrorKind::RateLimit,
        "server_error" | "overloaded_error" => ProviderErrorKind::Overloaded,
        _ => ProviderErrorKind::Other,
    }
}

/// The kind of the type, which is coarse: it decides only if there is no status.
fn kind_of_type(error: &Value) -> ProviderErrorKind {
    match error["type"].as_str() {
        Some("invalid_request_error" | "BadRequestError") => ProviderErrorKind::InvalidRequest,
        Some("api_error" | "internal_error" | "internal_server_error" | "InternalServerError") => {
            ProviderErrorKind::Overloaded
        }
        _ => ProviderErrorKind::Other,
    }
}

/// The kind of a message, for servers without codes.
fn kind_of_message(message: &str) -> ProviderErrorKind {
    let message = message.to_ascii_lowercase();
    let contains = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if contains(&["context length", "context window", "context size"]) {
        return ProviderErrorKind::ContextTooLong;
    }
    if message.contains("model") && contains(&["not found", "does not exist", "not exist"]) {
        return ProviderErrorKind::ModelNotFound;
    }
    ProviderErrorKind::Other
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(status: u16, code: &str) -> ProviderError {
        let body =
            json!({"error": {"message": "no", "type": "invalid_request_error", "code": code}});
        read(status, &body.to_string())
    }

    #[test]
    fn failures_are_classified_by_status_and_code() {
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
            let error = failure(status, code);
            assert_eq!((error.kind(), error.code()), (kind, Some(code)));
        }
    }

    #[test]
    fn the_error_of_each_server_is_read() {
        use ProviderErrorKind as Kind;
        for (status, body, kind, code, message) in [
            (
                422,
                json!({"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}),
                Kind::InvalidRequest,
                None,
                "body.messages: field required",
            ),
            (
                400,
                json!({"object": "error", "message": "Invalid model: x", "type": "invalid_model",
                    "code": "1500"}),
                Kind::ModelNotFound,
                Some("1500"),
                "Invalid model: x",
            ),
            (
                404,
                json!({"error": "model 'x' not found"}),
                Kind::ModelNotFound,
                None,
                "model 'x' not found",
            ),
            (
                400,
                json!({"errors": [{"message": "no such route", "code": 7000}], "success": false}),
                Kind::InvalidRequest,
                Some("7000"),
                "no such route",
            ),
            (
                404,
                json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no endpoint"}),
                Kind::ModelNotFound,
                Some("RESOURCE_DOES_NOT_EXIST"),
                "no endpoint",
            ),
            (
                402,
                json!({"error": {"message": "Insufficient Balance", "code": 402}}),
                Kind::RateLimit,
                None,
                "Insufficient Balance",
            ),
            (
                400,
                json!({"error": {"message": "This model's maximum context length is 64 tokens"}}),
                Kind::ContextTooLong,
                None,
                "This model's maximum context length is 64 tokens",
            ),
            (
                400,
                json!({"error": {"code": 400, "type": "exceed_context_size_error",
                    "message": "the request exceeds the available context size"}}),
                Kind::ContextTooLong,
                Some("exceed_context_size_error"),
                "the request exceeds the available context size",
            ),
            (
                429,
                json!({"error": {"message": "Provider returned error", "code": 429,
                    "metadata": {"raw": "slow\n\u{1b}[31m down", "provider_name": "acme"}}}),
                Kind::RateLimit,
                None,
                "Provider returned error: slow [31m down",
            ),
            (
                403,
                json!({"error": {"message": "flagged", "code": 403,
                    "metadata": {"reasons": ["violence"], "flagged_input": "…"}}}),
                Kind::ContentFilter,
                None,
                "flagged",
            ),
            (
                503,
                json!({"error": {"message": "the model was not found in time"}}),
                Kind::Overloaded,
                None,
                "the model was not found in time",
            ),
        ] {
            let error = read(status, &body.to_string());
            assert_eq!(
                (error.kind(), error.code(), error.message()),
                (kind, code, message),
                "{body}"
            );
        }
    }

    #[test]
    fn an_error_in_a_reply_is_found_in_every_form() {
        let body = json!({"message": "slow down", "code": 429});
        for reply in [
            json!({"error": body}),
            json!({"choices": [{"error": body, "finish_reason": "error"}]}),
            json!({"object": "error", "message": "slow down", "code": 429}),
            json!({"errors": [body], "success": false}),
            json!({"x_groq": {"error": body}}),
        ] {
            let error = in_reply(&reply).expect("an error");
            assert_eq!((error.kind(), error.code()), (ProviderErrorKind::RateLimit, Some("429")));
            assert_eq!(error.message(), "slow down");
        }
        for reply in [json!({"choices": [], "error": null}), json!({"choices": []}), json!(3)] {
            assert_eq!(in_reply(&reply), None);
        }
    }

    #[test]
    fn a_failure_without_a_status_is_classified_by_code_or_type() {
        use ProviderErrorKind as Kind;
        for (body, kind) in [
            (json!({"code": "invalid_prompt", "message": "no"}), Kind::ContentFilter),
            (json!({"type": "invalid_request_error", "message": "no"}), Kind::InvalidRequest),
            (json!({"type": "api_error", "message": "no"}), Kind::Overloaded),
            (json!({"code": "401", "type": "api_error"}), Kind::Authentication),
            (json!({"type": "novelty"}), Kind::Other),
        ] {
            assert_eq!(reported(&body).kind(), kind, "{body}");
        }
        let databricks = json!({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"});
        assert_eq!(in_reply(&databricks).map(|error| error.kind()), Some(Kind::RateLimit));
    }

    #[test]
    fn the_beginning_of_an_unknown_body_is_quoted() {
        let error = read(502, &"<h1>Bad  gateway</h1>\n".repeat(100));
        assert!(error.message().starts_with("the server answered: <h1>Bad gateway</h1> <h1>"));
        assert!(error.message().len() < 400);
        let error = read(502, "");
        assert_eq!(error.message(), "the server gave no reason");
    }
}
