//! What went wrong, in the words of OpenAI and of those who speak its protocols, as a typed error.

use chatlas_core::{ProviderError, ProviderErrorKind};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::http::{one_line, snippet};

/// Where servers put the id of a request.
const REQUEST_IDS: [&str; 5] =
    ["x-request-id", "apim-request-id", "mistral-correlation-id", "request-id", "cf-ray"];

/// An answer with an HTTP status of failure.
pub(crate) fn explain(status: u16, headers: &HeaderMap, body: &str) -> ProviderError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let told = told(&parsed);
    // A number that is the status again tells nothing.
    let code = code(told, &status.to_string());
    let message = match message(told) {
        Some(message) => without_keys(&message),
        None => snippet(&without_keys(body)),
    };
    let kind = kind(status, told, &message);
    let error = with_code(ProviderError::new(kind, message), code).with_status(status);
    let id = REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    match id {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

/// An error in a reply that began well: `{"code", "message"}`, or that under `error`.
pub(crate) fn reported(event: &Value) -> ProviderError {
    let told = told(event);
    let message = match message(told) {
        Some(message) => without_keys(&message),
        None => "the server reported an error without a word".to_owned(),
    };
    let code = code(told, "error");
    // A number is the status that it would have had, had it been known before.
    let status = code.as_deref().and_then(|code| code.parse().ok());
    let kind = match kind_of_codes(told).unwrap_or_else(|| kind_of_message(&message)) {
        ProviderErrorKind::Other => status.map_or_else(|| kind_of_type(told), kind_of_status),
        kind => kind,
    };
    with_code(ProviderError::new(kind, message), code)
}

/// The error that a chunk or a whole reply of Chat Completions is, if it is one.
pub(crate) fn in_reply(told: &Value) -> Option<ProviderError> {
    let is_told = |error: &Value| match error {
        Value::String(message) => !message.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    };
    let of_choice = told["choices"].as_array().into_iter().flatten();
    let found = [&told["error"], &told["x_groq"]["error"]]
        .into_iter()
        .chain(of_choice.map(|choice| &choice["error"]))
        .find(|error| is_told(error));
    let alone = told["object"] == "error"
        || (told["choices"].is_null()
            && (told["error_code"].is_string() || is_told(&told["errors"][0])));
    found.or(alone.then_some(told)).map(reported)
}

/// The error, with advice on what to do.
pub(crate) fn advised(error: &ProviderError, advice: &str) -> ProviderError {
    let message = format!("{}; {advice}", error.message().trim_end_matches('.'));
    error.clone().with_message(message)
}

fn with_code(error: ProviderError, code: Option<String>) -> ProviderError {
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// Where the error stands: under `error` (OpenAI), in a list of `errors` (Cloudflare), or alone.
fn told(body: &Value) -> &Value {
    match (&body["error"], &body["errors"][0]) {
        (error, _) if error.is_object() || error.is_string() => error,
        (_, first) if !first.is_null() => first,
        _ => body,
    }
}

fn message(told: &Value) -> Option<String> {
    if let Some(message) = told.as_str().or_else(|| told["message"].as_str()) {
        // OpenRouter tells what the server behind it said.
        return Some(match told["metadata"]["raw"].as_str().map(one_line) {
            Some(raw) if !raw.is_empty() => format!("{message}: {raw}"),
            _ => message.to_owned(),
        });
    }
    // FastAPI servers list what they found wrong in the request.
    let detail =
        [&told["detail"], &told["message"]["detail"]].into_iter().find(|d| !d.is_null())?;
    match detail {
        Value::String(message) => Some(message.clone()),
        Value::Array(list) => {
            let each = list.iter().filter_map(|item| {
                let place = item["loc"].as_array().into_iter().flatten();
                let place: Vec<&str> = place.filter_map(Value::as_str).collect();
                Some(format!("{}: {}", place.join("."), item["msg"].as_str()?))
            });
            Some(each.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
        }
        _ => None,
    }
}

/// The code, or what stands for one; not what says nothing.
fn code(told: &Value, nothing: &str) -> Option<String> {
    let mut codes = ["code", "error_code", "type"].iter().filter_map(|key| match &told[*key] {
        Value::String(code) if !code.is_empty() => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    });
    codes.find(|code| code != nothing)
}

fn kind(status: u16, told: &Value, message: &str) -> ProviderErrorKind {
    if let Some(kind) = kind_of_codes(told) {
        return kind;
    }
    let by_status = kind_of_status(status);
    match kind_of_message(message) {
        ProviderErrorKind::Other => by_status,
        // What the words seem to say holds of a refused request alone.
        kind if by_status == ProviderErrorKind::InvalidRequest => kind,
        _ => by_status,
    }
}

fn kind_of_status(status: u16) -> ProviderErrorKind {
    match status {
        401 | 403 => ProviderErrorKind::Authentication,
        408 | 504 => ProviderErrorKind::Timeout,
        // 402: what was paid for is used up.
        402 | 429 => ProviderErrorKind::RateLimit,
        400..=499 => ProviderErrorKind::InvalidRequest,
        500..=599 => ProviderErrorKind::Overloaded,
        _ => ProviderErrorKind::Other,
    }
}

/// What the code means, or the type beside it.
fn kind_of_codes(told: &Value) -> Option<ProviderErrorKind> {
    // OpenRouter tells what its moderation objects to.
    if told["metadata"]["reasons"].is_array() {
        return Some(ProviderErrorKind::ContentFilter);
    }
    let codes = ["code", "error_code", "type"].iter().filter_map(|key| told[*key].as_str());
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

/// What the type tells where no status does: it is a coarse word.
fn kind_of_type(told: &Value) -> ProviderErrorKind {
    match told["type"].as_str() {
        Some("invalid_request_error" | "BadRequestError") => ProviderErrorKind::InvalidRequest,
        Some("api_error" | "internal_error" | "internal_server_error" | "InternalServerError") => {
            ProviderErrorKind::Overloaded
        }
        _ => ProviderErrorKind::Other,
    }
}

/// What servers without codes of their own say in words.
fn kind_of_message(message: &str) -> ProviderErrorKind {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if says(&["context length", "context window", "context size"]) {
        return ProviderErrorKind::ContextTooLong;
    }
    if message.contains("model") && says(&["not found", "does not exist", "not exist"]) {
        return ProviderErrorKind::ModelNotFound;
    }
    ProviderErrorKind::Other
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
    fn each_servers_way_to_say_it_is_understood() {
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
            let error = explain(status, &HeaderMap::new(), &body.to_string());
            assert_eq!(
                (error.kind(), error.code(), error.message()),
                (kind, code, message),
                "{body}"
            );
        }
    }

    #[test]
    fn an_error_in_a_reply_is_found_wherever_it_stands() {
        let told = json!({"message": "slow down", "code": 429});
        for reply in [
            json!({"error": told}),
            json!({"choices": [{"error": told, "finish_reason": "error"}]}),
            json!({"object": "error", "message": "slow down", "code": 429}),
            json!({"errors": [told], "success": false}),
            json!({"x_groq": {"error": told}}),
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
    fn a_failure_without_a_status_is_known_by_its_code_or_type() {
        use ProviderErrorKind as Kind;
        for (told, kind) in [
            (json!({"code": "invalid_prompt", "message": "no"}), Kind::ContentFilter),
            (json!({"type": "invalid_request_error", "message": "no"}), Kind::InvalidRequest),
            (json!({"type": "api_error", "message": "no"}), Kind::Overloaded),
            (json!({"code": "401", "type": "api_error"}), Kind::Authentication),
            (json!({"type": "novelty"}), Kind::Other),
        ] {
            assert_eq!(reported(&told).kind(), kind, "{told}");
        }
        let databricks = json!({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"});
        assert_eq!(in_reply(&databricks).map(|error| error.kind()), Some(Kind::RateLimit));
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
