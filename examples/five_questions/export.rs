//! Parses exported telemetry: OTLP JSON with one export request per line, the format of the
//! OpenTelemetry Collector's file exporter.

use std::collections::HashMap;

use serde_json::Value;

/// The part of the exported telemetry that the questions need.
#[derive(Default)]
pub(crate) struct Export {
    pub(crate) spans: Vec<Span>,
    pub(crate) feedback: Vec<Feedback>,
}

/// A span.
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) id: String,
    pub(crate) parent_id: String,
    pub(crate) name: String,
    /// The duration in milliseconds.
    pub(crate) millis: f64,
    attributes: HashMap<String, Value>,
}

/// A guest's rating of an answer.
pub(crate) struct Feedback {
    pub(crate) trace_id: String,
    pub(crate) score: f64,
}

impl Export {
    /// Parses the content of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parsed = Self::default();
        for (number, line) in text.lines().enumerate() {
            let export: Value = serde_json::from_str(line)
                .map_err(|error| format!("line {} is not valid JSON: {error}", number + 1))?;
            for span in nested(&export, ["resourceSpans", "scopeSpans", "spans"]) {
                parsed.spans.push(Span::parse(span));
            }
            for record in nested(&export, ["resourceLogs", "scopeLogs", "logRecords"]) {
                parsed.feedback.extend(Feedback::parse(record));
            }
        }
        Ok(parsed)
    }

    /// Returns the spans of an operation: `chat`, `execute_tool` or `invoke_agent`.
    pub(crate) fn operation(&self, name: &'static str) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |span| span.text("gen_ai.operation.name") == Some(name))
    }

    /// Returns the spans of the model calls and the tool calls.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Span> {
        self.operation("chat").chain(self.operation("execute_tool"))
    }
}

impl Span {
    fn parse(span: &Value) -> Self {
        let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
        let nanos = |key: &str| text(key).parse::<f64>().unwrap_or_default();
        Self {
            trace_id: text("traceId"),
            id: text("spanId"),
            parent_id: text("parentSpanId"),
            name: text("name"),
            millis: (nanos("endTimeUnixNano") - nanos("startTimeUnixNano")) / 1e6,
            attributes: attributes(span),
        }
    }

    /// Returns the value of a string attribute.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.attributes.get(key)?.as_str()
    }

    /// Returns the value of a numeric attribute.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.attributes.get(key)?.as_f64()
    }
}

impl Feedback {
    fn parse(record: &Value) -> Option<Self> {
        if record["eventName"] != "gen_ai.evaluation.result" {
            return None;
        }
        let score = attributes(record).get("gen_ai.evaluation.score.value")?.as_f64()?;
        Some(Self { trace_id: record["traceId"].as_str()?.to_owned(), score })
    }
}

/// Returns the elements of a list that is nested in two other lists.
fn nested<'a>(export: &'a Value, path: [&str; 3]) -> Vec<&'a Value> {
    path.iter().fold(vec![export], |values, key| {
        values.into_iter().flat_map(|value| value[*key].as_array().into_iter().flatten()).collect()
    })
}

/// Returns the attributes of a span or log record. OTLP JSON encodes integers as strings.
fn attributes(record: &Value) -> HashMap<String, Value> {
    let list = record["attributes"].as_array().into_iter().flatten();
    list.filter_map(|attribute| {
        let key = attribute["key"].as_str()?.to_owned();
        let (kind, value) = attribute["value"].as_object()?.iter().next()?;
        let value = match (kind.as_str(), value.as_str()) {
            ("intValue", Some(digits)) => digits.parse::<i64>().ok()?.into(),
            _ => value.clone(),
        };
        Some((key, value))
    })
    .collect()
}
