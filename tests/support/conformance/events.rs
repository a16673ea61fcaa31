//! Events: severity, attributes, structured content, and the parent span.

use opentelemetry::logs::Severity;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;

use super::values::AttributeValue;
use super::{Conventions, Findings, release, text};

const DETAILS: &str = "gen_ai.client.inference.operation.details";
const EXCEPTION: &str = "gen_ai.client.operation.exception";

/// Content attributes. The capture mode decides separately whether spans and events have them.
const CONTENT: [&str; 4] = [
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.tool.definitions",
];

impl Conventions {
    /// Checks an event against its definition, and against its parent span among `spans`.
    pub fn check_event(&self, record: &SdkLogRecord, spans: &[SpanData], findings: &mut Findings) {
        let emitted = record.event_name().unwrap_or("without a name");
        let location = format!("event `{emitted}`");
        let name = release::event(emitted);
        if !self.model["events"][name].is_object() {
            findings.report(&location, "the conventions define no such name");
            return;
        }
        let severity = match name {
            DETAILS => Some(Severity::Debug),
            EXCEPTION => Some(Severity::Warn),
            _ => record.severity_number(),
        };
        if record.severity_number() != severity {
            findings.report(&location, format!("its severity is {:?}", record.severity_number()));
        }
        let known = self.attributes("events", name);
        let attributes: Vec<_> = record.attributes_iter().collect();
        let has = |key: &str| attributes.iter().any(|(known, _)| known.as_str() == key);
        for (key, level) in &known {
            if level == "required" && !has(key) {
                findings.report(&location, format!("`{key}` is required and missing"));
            }
        }
        let given = attributes.iter().map(|(key, value)| (key, AttributeValue::Structured(value)));
        self.check_values(&location, given, findings);
        for (key, _) in &attributes {
            let key = key.as_str();
            let variable = key.starts_with("gen_ai.prompt.variable.");
            if key.starts_with("gen_ai.") && !known.contains_key(key) && !variable {
                findings.report(&location, format!("`{key}` is not one of its attributes"));
            }
        }
        if name == EXCEPTION && !has("exception.type") && !has("exception.message") {
            findings.report(&location, "it has neither a type nor a message");
        }
        let id = record.trace_context().map(|context| context.span_id);
        let span = spans.iter().find(|span| Some(span.span_context.span_id()) == id);
        match span {
            None => findings.report(&location, "it has no parent span"),
            Some(span) if !is_of(span, operation(emitted)) => {
                findings.report(&location, format!("its parent span is `{}`", span.name));
            }
            Some(span) if name == DETAILS => {
                for attribute in &span.attributes {
                    let key = attribute.key.as_str();
                    if !has(key) && !CONTENT.contains(&key) {
                        findings
                            .report(&location, format!("its span has `{key}`, the event does not"));
                    }
                }
            }
            Some(_) => {}
        }
        findings.count_attributes("events", name, attributes.iter().map(|(key, _)| key.as_str()));
    }
}

/// Returns the operation whose span the event belongs to.
fn operation(event: &str) -> &'static str {
    if event == "gen_ai.execute_tool.exception" { "execute_tool" } else { "chat" }
}

fn is_of(span: &SpanData, operation: &str) -> bool {
    text(&span.attributes, "gen_ai.operation.name").as_deref() == Some(operation)
}
