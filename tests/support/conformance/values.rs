//! Attribute values of all signals: names, types, enum values, and the form of content.

use std::collections::HashSet;

use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, Key, KeyValue, Value as OtelValue};
use serde_json::{Value, json};

use super::{Conventions, Findings, json_of, list};

/// The part types that the library writes. The schema accepts any object as a part of a custom
/// type.
const PARTS: [&str; 9] = [
    "text",
    "reasoning",
    "tool_call",
    "tool_call_response",
    "server_tool_call",
    "server_tool_call_response",
    "blob",
    "uri",
    "file",
];
const REASONS: [&str; 6] = ["stop", "length", "content_filter", "tool_call", "compaction", "error"];

/// The value of an attribute of a span or an event.
pub(super) enum AttributeValue<'a> {
    Plain(&'a OtelValue),
    Structured(&'a AnyValue),
}

impl AttributeValue<'_> {
    fn is_a(&self, kind: &str) -> bool {
        let strings = |list: &[AnyValue]| list.iter().all(|v| matches!(v, AnyValue::String(_)));
        match self {
            // On spans, structured values are JSON strings.
            Self::Plain(value) => matches!(
                (kind, value),
                ("string" | "any", OtelValue::String(_))
                    | ("int", OtelValue::I64(_))
                    | ("double", OtelValue::F64(_))
                    | ("boolean", OtelValue::Bool(_))
                    | ("string[]", OtelValue::Array(Array::String(_)))
            ),
            Self::Structured(value) => match (kind, value) {
                ("string", AnyValue::String(_))
                | ("int", AnyValue::Int(_))
                | ("double", AnyValue::Double(_))
                | ("boolean", AnyValue::Boolean(_))
                | ("any", AnyValue::ListAny(_) | AnyValue::Map(_)) => true,
                ("string[]", AnyValue::ListAny(list)) => strings(list),
                _ => false,
            },
        }
    }

    fn json(&self) -> Result<Value, String> {
        match self {
            Self::Plain(value) => {
                serde_json::from_str(&value.as_str()).map_err(|error| error.to_string())
            }
            Self::Structured(value) => Ok(json_of(value)),
        }
    }

    /// Returns the items of a list of strings.
    fn texts(&self) -> Vec<Value> {
        match self {
            Self::Plain(OtelValue::Array(Array::String(list))) => {
                list.iter().map(|text| json!(text.as_str())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn text(&self) -> Value {
        match self {
            Self::Plain(value) => json!(value.as_str()),
            Self::Structured(value) => json_of(value),
        }
    }
}

/// Returns the attributes of a span or a metric.
pub(super) fn plain(attributes: &[KeyValue]) -> impl Iterator<Item = (&Key, AttributeValue<'_>)> {
    attributes.iter().map(|attribute| (&attribute.key, AttributeValue::Plain(&attribute.value)))
}

/// Content that is recorded even if it is empty.
const MAY_BE_EMPTY: [&str; 2] = ["gen_ai.tool.call.result", "gen_ai.retrieval.query.text"];

impl Conventions {
    /// Checks types, enum values, duplicates, names and the form of content.
    pub(super) fn check_values<'a>(
        &self,
        location: &str,
        attributes: impl Iterator<Item = (&'a Key, AttributeValue<'a>)>,
        findings: &mut Findings,
    ) {
        let mut seen = HashSet::new();
        for (key, value) in attributes {
            let key = key.as_str();
            if !seen.insert(key.to_owned()) {
                findings.report(location, format!("`{key}` is duplicated"));
            }
            let is_empty = |text: &Value| text.as_str() == Some("");
            let may_be_empty = MAY_BE_EMPTY.contains(&key);
            if !may_be_empty && (is_empty(&value.text()) || value.texts().iter().any(is_empty)) {
                findings.report(location, format!("`{key}` is empty"));
            }
            if self.deprecated.contains(key) {
                findings.report(location, format!("`{key}` is deprecated"));
            }
            let ours = ["gen_ai.", "openai.", "aws.bedrock."].iter().any(|p| key.starts_with(p));
            let Some(wanted) = self.types.get(key) else {
                if ours && !key.starts_with("gen_ai.prompt.variable.") {
                    findings.report(location, format!("the registry has no `{key}`"));
                }
                continue;
            };
            if !value.is_a(wanted) {
                findings.report(
                    location,
                    format!("`{key}` must be of type {wanted}, not {}", value.text()),
                );
            }
            self.check_enum_value(location, key, &value, findings);
            if let Some(schema) = self.schemas.get(key) {
                match value.json() {
                    Err(error) => {
                        findings.report(location, format!("`{key}` is not valid JSON: {error}"));
                    }
                    Ok(json) => {
                        for error in schema.iter_errors(&json) {
                            findings.report(
                                location,
                                format!("`{key}` does not match its schema: {error}"),
                            );
                        }
                        check_messages(location, key, &json, findings);
                    }
                }
            }
        }
    }

    fn check_enum_value(
        &self,
        location: &str,
        key: &str,
        value: &AttributeValue<'_>,
        findings: &mut Findings,
    ) {
        let text = value.text();
        // These may have vendor-specific values, which are lower-case words.
        let open = matches!(
            key,
            "gen_ai.provider.name" | "gen_ai.operation.name" | "openai.request.service_tier"
        );
        if let Some(words) = self.model["enums"][key].as_array()
            && !words.contains(&text)
        {
            let plain = |text: &str| {
                text.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            };
            if !open || !text.as_str().is_some_and(plain) {
                findings.report(location, format!("`{key}` must not be {text}"));
            }
        }
        if key == "error.type" && text.as_str().is_none_or(|t| t.is_empty() || t.len() > 100) {
            findings.report(location, format!("`{key}` is not a lower-case word: {text}"));
        }
    }
}

/// Checks what the schemas of messages do not specify.
fn check_messages(location: &str, key: &str, content: &Value, findings: &mut Findings) {
    if !key.ends_with("messages") {
        return;
    }
    let output = key == "gen_ai.output.messages";
    if list(content).is_empty() {
        findings.report(location, format!("`{key}` has no message"));
    }
    for message in list(content) {
        let role = message["role"].as_str().unwrap_or_default();
        let reason = message["finish_reason"].as_str();
        if output && (role != "assistant" || !reason.is_some_and(|word| REASONS.contains(&word))) {
            findings.report(location, format!("`{key}`: role {role}, finish_reason {reason:?}"));
        }
        if !["system", "user", "assistant", "tool"].contains(&role) {
            findings.report(location, format!("`{key}` has the role {role}"));
        }
        for part in list(&message["parts"]) {
            let kind = part["type"].as_str().unwrap_or_default();
            if !PARTS.contains(&kind) {
                findings.report(location, format!("`{key}` has a part of an unknown type: {part}"));
            }
            if (kind == "tool_call_response") != (role == "tool") {
                findings.report(
                    location,
                    format!("`{key}` has a {kind} in a message of the role {role}"),
                );
            }
            if kind == "tool_call" && !part["arguments"].is_object() {
                findings.report(location, format!("`{key}` has arguments that are not an object"));
            }
        }
    }
}
