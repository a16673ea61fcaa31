//! Exported telemetry, read back: OTLP JSON, one export a line, as a collector's file exporter
//! writes it. It knows nothing of the traffic.

use std::collections::HashMap;

use serde_json::Value;

/// What was exported, as far as the questions need it.
#[derive(Default)]
pub(crate) struct Telemetry {
    pub(crate) spans: Vec<Span>,
    pub(crate) verdicts: Vec<Verdict>,
}

/// A span.
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    /// Milliseconds from its start to its end.
    pub(crate) millis: f64,
    attributes: HashMap<String, Value>,
}

/// What somebody thought of an answer.
pub(crate) struct Verdict {
    pub(crate) trace: String,
    pub(crate) score: f64,
}

impl Telemetry {
    /// Reads a file.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut seen = Self::default();
        for (number, line) in text.lines().enumerate() {
            let export: Value = serde_json::from_str(line)
                .map_err(|error| format!("line {} is no JSON: {error}", number + 1))?;
            for span in within(&export, ["resourceSpans", "scopeSpans", "spans"]) {
                seen.spans.push(Span::read(span));
            }
            for record in within(&export, ["resourceLogs", "scopeLogs", "logRecords"]) {
                seen.verdicts.extend(Verdict::read(record));
            }
        }
        Ok(seen)
    }

    /// The spans of an operation: `chat`, `execute_tool`, `invoke_agent`.
    pub(crate) fn operation(&self, name: &'static str) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |span| span.text("gen_ai.operation.name") == Some(name))
    }

    /// What runs wait for: calls of models and of tools.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Span> {
        self.operation("chat").chain(self.operation("execute_tool"))
    }
}

impl Span {
    fn read(span: &Value) -> Self {
        let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
        let nanos = |key: &str| text(key).parse::<f64>().unwrap_or_default();
        Self {
            trace: text("traceId"),
            id: text("spanId"),
            parent: text("parentSpanId"),
            name: text("name"),
            millis: (nanos("endTimeUnixNano") - nanos("startTimeUnixNano")) / 1e6,
            attributes: attributes(span),
        }
    }

    /// An attribute that is a text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.attributes.get(key)?.as_str()
    }

    /// An attribute that is a number.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.attributes.get(key)?.as_f64()
    }
}

impl Verdict {
    fn read(record: &Value) -> Option<Self> {
        if record["eventName"] != "gen_ai.evaluation.result" {
            return None;
        }
        let score = attributes(record).get("gen_ai.evaluation.score.value")?.as_f64()?;
        Some(Self { trace: record["traceId"].as_str()?.to_owned(), score })
    }
}

/// All that stands at the end of three lists, one within the other.
fn within<'a>(export: &'a Value, path: [&str; 3]) -> Vec<&'a Value> {
    path.iter().fold(vec![export], |values, key| {
        values.into_iter().flat_map(|value| value[*key].as_array().into_iter().flatten()).collect()
    })
}

/// The attributes; OTLP writes whole numbers as texts.
fn attributes(of: &Value) -> HashMap<String, Value> {
    let list = of["attributes"].as_array().into_iter().flatten();
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
