//! Attributes that the user interfaces of some backends read instead of those of the conventions.

use chatlas_core::telemetry::names::{self, content, operation, tool};
use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::SpanData;
use serde_json::Value;

use crate::env::Env;
use crate::error::SetupError;
use crate::feedback::{is_feedback, summary};

/// The variable that selects compatibility attributes: a list of names separated by commas.
const VARIABLE: &str = "CHATLAS_OTEL_COMPATIBILITY";

/// Additional attributes on the exported spans, for a backend that does not read those of the GenAI
/// conventions everywhere. See [`Telemetry::with_compatibility`](crate::Telemetry::with_compatibility).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compatibility {
    /// [OpenInference](https://arize-ai.github.io/openinference/spec/semantic_conventions.html), for
    /// Phoenix and Arize: `openinference.span.kind`, and with content capture `input.value`,
    /// `input.mime_type`, `output.value` and `output.mime_type`.
    OpenInference,
    /// [Langfuse](https://langfuse.com/integrations/native/opentelemetry#property-mapping):
    /// `langfuse.observation.type`, and with content capture `langfuse.observation.input` and
    /// `langfuse.observation.output`.
    Langfuse,
}

/// The kinds of spans that the backends distinguish.
#[derive(Clone, Copy)]
enum Kind {
    Agent,
    ModelCall,
    Tool,
    Feedback,
}

/// The attributes of one backend.
struct Keys {
    kind: &'static str,
    /// The values of `kind`, in the order of [`Kind`].
    kinds: [&'static str; 4],
    input: &'static str,
    output: &'static str,
    /// The attributes of the MIME types, if there are any.
    mime_types: Option<[&'static str; 2]>,
}

const OPEN_INFERENCE: Keys = Keys {
    kind: "openinference.span.kind",
    kinds: ["AGENT", "LLM", "TOOL", "EVALUATOR"],
    input: "input.value",
    output: "output.value",
    mime_types: Some(["input.mime_type", "output.mime_type"]),
};

const LANGFUSE: Keys = Keys {
    kind: "langfuse.observation.type",
    kinds: ["agent", "generation", "tool", "evaluator"],
    input: "langfuse.observation.input",
    output: "langfuse.observation.output",
    mime_types: None,
};

impl Compatibility {
    /// Reads [`VARIABLE`].
    pub(crate) fn from_env(env: Env<'_>) -> Result<Vec<Self>, SetupError> {
        let list = env.text(VARIABLE).unwrap_or_default();
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(Self::parse).collect()
    }

    fn parse(name: &str) -> Result<Self, SetupError> {
        match name.to_ascii_lowercase().as_str() {
            "openinference" | "phoenix" => Ok(Self::OpenInference),
            "langfuse" => Ok(Self::Langfuse),
            _ => Err(SetupError::InvalidValue {
                setting: VARIABLE.to_owned(),
                expected: "a list of `openinference` and `langfuse`",
            }),
        }
    }

    fn keys(self) -> &'static Keys {
        match self {
            Self::OpenInference => &OPEN_INFERENCE,
            Self::Langfuse => &LANGFUSE,
        }
    }

    /// Adds the attributes to a span of chatlas. Keeps those that the program has set.
    pub(crate) fn add_attributes(self, span: &mut SpanData) {
        let Some(kind) = kind(span) else { return };
        let Keys { kind: kind_key, kinds, input, output, mime_types } = self.keys();
        let mut list = vec![KeyValue::new(*kind_key, kinds[kind as usize])];
        let [of_input, of_output] = previews(span, kind);
        for (index, key, preview) in [(0, input, of_input), (1, output, of_output)] {
            let Some(Preview { text, is_json }) = preview else { continue };
            list.push(KeyValue::new(*key, text));
            if let Some(key) = mime_types.as_ref().and_then(|keys| keys.get(index)) {
                let mime_type = if is_json { "application/json" } else { "text/plain" };
                list.push(KeyValue::new(*key, mime_type));
            }
        }
        list.retain(|new| span.attributes.iter().all(|existing| existing.key != new.key));
        span.attributes.extend(list);
    }
}

fn kind(span: &SpanData) -> Option<Kind> {
    if span.instrumentation_scope.name() != names::SCOPE_NAME {
        return None;
    }
    match attribute(span, names::OPERATION_NAME).as_deref() {
        Some(operation::INVOKE_AGENT) => Some(Kind::Agent),
        Some(operation::CHAT) => Some(Kind::ModelCall),
        Some(operation::EXECUTE_TOOL) => Some(Kind::Tool),
        _ => is_feedback(span).then_some(Kind::Feedback),
    }
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.as_str().into_owned())
}

/// The text that a list of traces shows.
struct Preview {
    text: String,
    is_json: bool,
}

/// Returns the input and the output of a span. Content is recorded only with capture on.
fn previews(span: &SpanData, kind: Kind) -> [Option<Preview>; 2] {
    let keys = match kind {
        Kind::Agent | Kind::ModelCall => [content::INPUT_MESSAGES, content::OUTPUT_MESSAGES],
        Kind::Tool => [tool::CALL_ARGUMENTS, tool::CALL_RESULT],
        Kind::Feedback => return [None, Some(Preview { text: summary(span), is_json: false })],
    };
    keys.map(|key| {
        let text = attribute(span, key)?;
        let json: Option<Value> = serde_json::from_str(&text).ok();
        Some(match json.as_ref().and_then(last_text) {
            Some(text) => Preview { text, is_json: false },
            None => Preview { text, is_json: json.is_some() },
        })
    })
}

/// Returns the text of the last message. Returns `None` if it has no text, or if it has tool calls or
/// their results, which are its main content.
fn last_text(messages: &Value) -> Option<String> {
    let parts = messages.as_array()?.last()?.get("parts")?.as_array()?;
    let text = |part: &Value| match part.get("type")?.as_str()? {
        "text" => Some(part.get("content")?.as_str()?.to_owned()),
        kind if kind.contains("tool_call") => None,
        _ => Some(String::new()),
    };
    let texts: Option<Vec<String>> = parts.iter().map(text).collect();
    Some(texts?.concat()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use chatlas_core::telemetry::names::event;
    use serde_json::json;

    use crate::env::tests::lookup;
    use crate::feedback::tests::finished;

    use super::*;

    fn messages(role: &str, parts: &Value) -> String {
        let first = json!({"role": "user", "parts": [{"type": "text", "content": "first"}]});
        json!([first, {"role": role, "parts": parts}]).to_string()
    }

    fn added(
        compatibility: Compatibility,
        name: &'static str,
        attributes: Vec<KeyValue>,
    ) -> Vec<(String, String)> {
        let mut span = finished(name, attributes);
        let before = span.attributes.len();
        compatibility.add_attributes(&mut span);
        let added = span.attributes.split_off(before).into_iter();
        added.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn captured_texts_are_previews() {
        let thinking = json!({"type": "reasoning", "content": "Hm."});
        let text = |text: &str| json!({"type": "text", "content": text});
        let span = vec![
            KeyValue::new(names::OPERATION_NAME, "invoke_agent"),
            KeyValue::new(
                content::INPUT_MESSAGES,
                messages("user", &json!([text("Where?"), {"type": "uri", "uri": "https://a"}])),
            ),
            KeyValue::new(
                content::OUTPUT_MESSAGES,
                messages("assistant", &json!([thinking, text("Os"), text("lo.")])),
            ),
        ];
        assert_eq!(
            added(Compatibility::OpenInference, "invoke_agent", span.clone()),
            pairs(&[
                ("openinference.span.kind", "AGENT"),
                ("input.value", "Where?"),
                ("input.mime_type", "text/plain"),
                ("output.value", "Oslo."),
                ("output.mime_type", "text/plain"),
            ])
        );
        assert_eq!(
            added(Compatibility::Langfuse, "invoke_agent", span),
            pairs(&[
                ("langfuse.observation.type", "agent"),
                ("langfuse.observation.input", "Where?"),
                ("langfuse.observation.output", "Oslo."),
            ])
        );
    }

    #[test]
    fn tool_calls_are_previewed_as_json() {
        let call = json!([{"type": "tool_call", "id": "1", "name": "look", "arguments": {}}]);
        let output = messages("assistant", &call);
        let attributes = vec![
            KeyValue::new(names::OPERATION_NAME, "chat"),
            KeyValue::new(content::OUTPUT_MESSAGES, output.clone()),
        ];
        assert_eq!(
            added(Compatibility::OpenInference, "chat m", attributes),
            pairs(&[
                ("openinference.span.kind", "LLM"),
                ("output.value", &output),
                ("output.mime_type", "application/json"),
            ])
        );
        let attributes = vec![
            KeyValue::new(names::OPERATION_NAME, "execute_tool"),
            KeyValue::new(tool::CALL_ARGUMENTS, r#"{"city":"Oslo"}"#),
            KeyValue::new(tool::CALL_RESULT, "light rain"),
        ];
        assert_eq!(
            added(Compatibility::OpenInference, "execute_tool look", attributes),
            pairs(&[
                ("openinference.span.kind", "TOOL"),
                ("input.value", r#"{"city":"Oslo"}"#),
                ("input.mime_type", "application/json"),
                ("output.value", "light rain"),
                ("output.mime_type", "text/plain"),
            ])
        );
    }

    #[test]
    fn feedback_is_an_evaluator() {
        let attributes = vec![
            KeyValue::new(event::EVALUATION_NAME, "thumbs"),
            KeyValue::new(event::EVALUATION_LABEL, "up"),
        ];
        assert_eq!(
            added(Compatibility::Langfuse, event::EVALUATION, attributes),
            pairs(&[
                ("langfuse.observation.type", "evaluator"),
                ("langfuse.observation.output", "thumbs: up"),
            ])
        );
    }

    #[test]
    fn nothing_is_added_without_capture_or_twice() {
        let call = || KeyValue::new(names::OPERATION_NAME, "chat");
        let only_kind = pairs(&[("openinference.span.kind", "LLM")]);
        assert_eq!(added(Compatibility::OpenInference, "chat", vec![call()]), only_kind);
        let own = KeyValue::new("openinference.span.kind", "CHAIN");
        assert!(added(Compatibility::OpenInference, "chat", vec![call(), own]).is_empty());
        assert!(added(Compatibility::OpenInference, "list_models", Vec::new()).is_empty());
    }

    #[test]
    fn variable_is_a_list_of_names() {
        let parse = |value: &str| {
            let values = [(VARIABLE, value)];
            let variables = lookup(&values);
            Compatibility::from_env(Env::new(&variables))
        };
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(
            parse("Phoenix, langfuse").unwrap(),
            [Compatibility::OpenInference, Compatibility::Langfuse]
        );
        let error = parse("phoenix,datadog").unwrap_err().to_string();
        assert!(error.starts_with(VARIABLE), "{error}");
    }
}
