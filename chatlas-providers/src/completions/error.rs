//! Reads the errors of OpenAI and of the vendors that speak its protocols. They are read as trees:
//! an error is rare, and servers report it in many forms.

use chatlas_core::{ProviderError, ProviderErrorKind};
use serde_json::Value;

use crate::client::{failures, json};
use crate::http::{one_line, snippet};

/// The headers that may contain the id of a request.
pub(crate) const REQUEST_ID_HEADERS: [&str; 5] =
    ["x-request-id", "apim-request-id", "mistral-correlation-id", "request-id", "cf-ray"];

/// The fields of a message, in the order of preference.
const MESSAGES: [&str; 10] = [
    "message",
    "Message",
    "detail",
    "error_message",
    "errorMessage",
    "error_msg",
    "status_msg",
    "msg",
    "faultstring",
    "error_description",
];
/// The fields of a code. The coarse `type` comes last.
const CODES: [&str; 5] = ["code", "error_code", "errorCode", "status_code", "type"];
/// The maximum number of errors inside each other that are read.
const MAX_DEPTH: u8 = 4;

/// Reads the body of a response with a failure status.
pub(crate) fn read(status: u16, body: &str) -> ProviderError {
    let parsed = json::tree(body.as_bytes());
    let found = Found::of(&parsed, MAX_DEPTH);
    // A code that repeats the status adds nothing.
    let code = found.code(&status.to_string());
    let message = found.message.clone().unwrap_or_else(|| snippet(body));
    let kind = found.kind(status, &message);
    with_code(ProviderError::new(kind, message), code)
}

/// Reads an error inside a reply with a success status: `{"code", "message"}`, or that under
/// `error`.
pub(crate) fn reported(event: &Value) -> ProviderError {
    let found = Found::of(event, MAX_DEPTH);
    let message = found
        .message
        .clone()
        .unwrap_or_else(|| "the server reported an error without a message".to_owned());
    let code = found.code("error");
    // A number is the status that the response would have had if it had failed earlier.
    let status = code.as_deref().and_then(|code| code.parse().ok());
    let kind = found.kind_without_status(&message).unwrap_or_else(|| {
        let by_type = || kind_of_type(found.error);
        status
            .map(kind_of_status)
            .filter(|kind| *kind != ProviderErrorKind::Other)
            .unwrap_or_else(by_type)
    });
    with_code(ProviderError::new(kind, message), code)
}

/// Reads an event that the server marks as an error: JSON, or text.
pub(crate) fn event(data: &[u8]) -> ProviderError {
    let text = || Value::String(String::from_utf8_lossy(data).into_owned());
    reported(&serde_json::from_slice(data).unwrap_or_else(|_| text()))
}

/// Returns the error that a chunk or a complete reply contains, if there is one.
pub(crate) fn in_reply(reply: &Value) -> Option<ProviderError> {
    let choices = list(reply.get("choices"));
    let found = [reply.get("error"), reply.get("x_groq").and_then(|groq| groq.get("error"))]
        .into_iter()
        .chain(choices.iter().map(|choice| choice.get("error")))
        .flatten()
        .find(|error| is_error(error));
    if let Some(error) = found {
        return Some(match error {
            // The code is beside the message.
            Value::String(_) => reported(reply),
            error => reported(error),
        });
    }
    let field = |name: &str| reply.get(name).unwrap_or(&Value::Null);
    let status = field("base_resp").get("status_code").and_then(Value::as_i64);
    let is_one = field("object") == "error"
        || (field("choices").is_null()
            && (field("error_code").is_string()
                || field("type") == "error"
                || is_error(field("errors"))
                || is_error(field("detail"))
                || (field("message").is_string() && is_failure_code(field("code")))
                || status.is_some_and(|status| status != 0)));
    is_one.then(|| reported(reply))
}

/// Returns the error of a body with a success status that is no reply: any message is one.
pub(crate) fn in_body(body: &Value) -> Option<ProviderError> {
    in_reply(body).or_else(|| {
        let found = Found::of(body, MAX_DEPTH);
        (found.message.is_some() && !body.is_string()).then(|| reported(body))
    })
}

fn is_error(error: &Value) -> bool {
    match error {
        Value::String(message) => !message.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(list) => list.iter().any(is_error),
        _ => false,
    }
}

fn is_failure_code(code: &Value) -> bool {
    match code {
        Value::Number(code) => !matches!(code.as_u64(), Some(0 | 200)),
        Value::String(code) => !matches!(code.as_str(), "" | "0" | "200" | "ok" | "success"),
        _ => false,
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
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

/// The parts of an error, wherever a server puts them.
struct Found<'a> {
    /// The innermost error.
    error: &'a Value,
    message: Option<String>,
    /// The codes, the innermost first.
    codes: Vec<String>,
    /// The field of the request that is wrong.
    param: Option<String>,
    is_moderated: bool,
}

impl<'a> Found<'a> {
    /// Finds the error in a body: under `error` (OpenAI), in a list (Google), under `errors`
    /// (Cloudflare), `base_resp`, `fault` (Apigee), or the body itself.
    fn of(body: &'a Value, depth: u8) -> Self {
        let inner = ["error", "errors", "base_resp", "fault", "response"]
            .iter()
            .find_map(|name| body.get(name).filter(|inner| is_error(inner)))
            .or_else(|| body.as_array().and_then(|list| list.iter().find(|item| is_error(item))));
        if let Some(inner) = inner.filter(|_| depth > 0) {
            let mut found = Self::of(inner, depth - 1);
            if found.message.is_none() {
                found.message = message(body, depth);
            }
            // A code beside the text of the error.
            if !inner.is_array() {
                found.codes.extend(codes(body));
            }
            return found;
        }
        // Some gateways write the error that they received as the message.
        let text = body.as_str().or_else(|| body.get("message")?.as_str());
        let nested = text.filter(|_| depth > 0).and_then(nested).map(|nested| {
            let found = Found::of(&nested, depth - 1);
            (found.message, found.codes)
        });
        let (nested_message, nested_codes) = nested.unwrap_or_default();
        let mut found = Self {
            error: body,
            message: nested_message.or_else(|| message(body, depth)),
            codes: nested_codes,
            param: body.get("param").and_then(Value::as_str).map(str::to_owned),
            is_moderated: body.get("metadata").is_some_and(|data| data.get("reasons").is_some()),
        };
        found.codes.extend(codes(body));
        found
    }

    /// The code, or the field that replaces it. One that equals `redundant` is ignored.
    fn code(&self, redundant: &str) -> Option<String> {
        self.codes.iter().find(|code| *code != redundant).cloned()
    }

    fn kind(&self, status: u16, message: &str) -> ProviderErrorKind {
        let by_status = kind_of_status(status);
        if by_status == ProviderErrorKind::RateLimit {
            return self.kind_of_codes().unwrap_or(by_status);
        }
        // The message of an authentication error names keys and models in many ways.
        let is_rejected = by_status == ProviderErrorKind::InvalidRequest;
        match self.kind_without_status(message) {
            Some(kind) if is_rejected || kind == ProviderErrorKind::ContextTooLong => kind,
            Some(ProviderErrorKind::RateLimit) if status == 403 => ProviderErrorKind::RateLimit,
            _ => match self.kind_of_codes() {
                Some(kind) => kind,
                None if status == 413 => ProviderErrorKind::ContextTooLong,
                None => by_status,
            },
        }
    }

    /// The kind by the codes and the message alone.
    fn kind_without_status(&self, message: &str) -> Option<ProviderErrorKind> {
        let by_code = self.kind_of_codes();
        let by_message = failures::kind_of_message(message);
        match by_code {
            // A coarse code: the message is more precise.
            None | Some(ProviderErrorKind::Overloaded)
                if by_message == Some(ProviderErrorKind::ContextTooLong) =>
            {
                by_message
            }
            None => by_message,
            by_code => by_code,
        }
    }

    /// The kind of the code, or of the type beside it.
    fn kind_of_codes(&self) -> Option<ProviderErrorKind> {
        // The reasons of OpenRouter's moderation.
        if self.is_moderated {
            return Some(ProviderErrorKind::ContentFilter);
        }
        let is_text = |param: &str| {
            !["name", "id", "user", "metadata"].iter().any(|word| param.ends_with(word))
        };
        if self.codes.iter().any(|code| code == "string_above_max_length") {
            let is_text = self.param.as_deref().is_none_or(is_text);
            return is_text.then_some(ProviderErrorKind::ContextTooLong);
        }
        self.codes.iter().find_map(|code| failures::kind_of_code(code))
    }
}

/// Returns the JSON that a message consists of, or ends with.
fn nested(message: &str) -> Option<Value> {
    let start = message.find(['{', '['])?;
    let json: Value = serde_json::from_str(message.get(start..)?.trim()).ok()?;
    (json.is_object() || json.is_array()).then_some(json)
}

fn message(error: &Value, depth: u8) -> Option<String> {
    let fields = MESSAGES.iter().filter_map(|name| error.get(*name));
    let texts = std::iter::once(error).filter(|error| error.is_string()).chain(fields);
    let message = texts.map(|text| text_of(text, depth)).find(|text| !text.is_empty())?;
    // OpenRouter quotes the server behind it.
    let raw = error.get("metadata").and_then(|data| data.get("raw")).and_then(Value::as_str);
    let raw = raw.map(|raw| match nested(raw).filter(|_| depth > 0) {
        Some(json) => Found::of(&json, depth - 1).message.unwrap_or_else(|| raw.to_owned()),
        None => raw.to_owned(),
    });
    Some(match raw.map(|raw| one_line(&raw)) {
        Some(raw) if !raw.is_empty() => format!("{message}: {raw}"),
        _ => message,
    })
}

/// Returns a message, or the invalid fields of the request, which some servers list.
fn text_of(message: &Value, depth: u8) -> String {
    match message {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let each = list.iter().filter_map(|item| {
                let loc = item.get("loc").and_then(Value::as_array).into_iter().flatten();
                let path: Vec<&str> = loc.filter_map(Value::as_str).collect();
                let text = item.get("msg").and_then(Value::as_str).or(item.as_str())?;
                Some(if path.is_empty() {
                    text.to_owned()
                } else {
                    format!("{}: {text}", path.join("."))
                })
            });
            each.collect::<Vec<_>>().join("; ")
        }
        Value::Object(_) if depth > 0 => Found::of(message, depth - 1).message.unwrap_or_default(),
        _ => String::new(),
    }
}

fn codes(error: &Value) -> impl Iterator<Item = String> {
    CODES.iter().filter_map(|key| match error.get(*key)? {
        Value::String(code) if !code.is_empty() => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    })
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

/// The kind of the type, which is coarse: it decides only if there is no status.
fn kind_of_type(error: &Value) -> ProviderErrorKind {
    match error.get("type").and_then(Value::as_str) {
        Some("invalid_request_error" | "BadRequestError") => ProviderErrorKind::InvalidRequest,
        Some("api_error" | "internal_error" | "internal_server_error" | "InternalServerError") => {
            ProviderErrorKind::Overloaded
        }
        _ => ProviderErrorKind::Other,
    }
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
            (413, "too_large", Kind::ContextTooLong),
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
