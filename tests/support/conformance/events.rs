//! Events: severity, attributes, structured content, and the span that each stands in.

use opentelemetry::logs::Severity;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::trace::SpanData;

use super::values::Given;
use super::{Conventions, Findings, text};

const DETAILS: &str = "gen_ai.client.inference.operation.details";
const EXCEPTION: &str = "gen_ai.client.operation.exception";

/// Content is on spans as the capture mode says, and on events likewise.
const CONTENT: [&str; 4] = [
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.tool.definitions",
];

impl Conventions {
    /// Holds an event to its definition, and to the span among these that it belongs to.
    pub fn check_event(&self, record: &SdkLogRecord, spans: &[SpanData], findings: &mut Findings) {
        let name = record.event_name().unwrap_or("without a name");
        let place = format!("event `{name}`");
        if !self.model["events"][name].is_object() {
            findings.complain(&place, "the conventions have none of that name");
            return;
        }
        let severity = match name {
            DETAILS => Some(Severity::Debug),
            EXCEPTION => Some(Severity::Warn),
            _ => record.severity_number(),
        };
        if record.severity_number() != severity {
            findings.complain(&place, format!("its severity is {:?}", record.severity_number()));
        }
        let known = self.attributes("events", name);
        let attributes: Vec<_> = record.attributes_iter().collect();
        let has = |key: &str| attributes.iter().any(|(known, _)| known.as_str() == key);
        for (key, level) in &known {
            if level == "required" && !has(key) {
                findings.complain(&place, format!("`{key}` is required and missing"));
            }
        }
        let given = attributes.iter().map(|(key, value)| (key, Given::Structured(value)));
        self.check_values(&place, given, findings);
        for (key, _) in &attributes {
            let key = key.as_str();
            let variable = key.starts_with("gen_ai.prompt.variable.");
            if key.starts_with("gen_ai.") && !known.contains_key(key) && !variable {
                findings.complain(&place, format!("`{key}` is not of it"));
            }
        }
        if name == EXCEPTION && !has("exception.type") && !has("exception.message") {
            findings.complain(&place, "it says neither a type nor a message");
        }
        let id = record.trace_context().map(|context| context.span_id);
        let span = spans.iter().find(|span| Some(span.span_context.span_id()) == id);
        match span {
            None => findings.complain(&place, "it stands in no span"),
            // What a client does beside inference has no operation of the conventions.
            Some(span) if name == EXCEPTION && !is_of(span, None) && !is_of(span, Some("chat")) => {
                findings.complain(&place, format!("it stands in `{}`", span.name));
            }
            Some(span) if name != EXCEPTION && !is_of(span, Some("chat")) => {
                findings.complain(&place, format!("it stands in `{}`", span.name));
            }
            Some(span) if name == DETAILS => {
                for attribute in &span.attributes {
                    let key = attribute.key.as_str();
                    if !has(key) && !CONTENT.contains(&key) {
                        findings.complain(&place, format!("its span has `{key}`, and it has not"));
                    }
                }
            }
            Some(_) => {}
        }
        findings.saw("events", name, attributes.iter().map(|(key, _)| key.as_str()));
    }
}

fn is_of(span: &SpanData, operation: Option<&str>) -> bool {
    text(&span.attributes, "gen_ai.operation.name").as_deref() == operation
}
