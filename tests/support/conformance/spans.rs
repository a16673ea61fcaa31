//! Spans: name, kind, status, attributes and how much each is wanted, and their place in the tree.

use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::values::plain;
use super::{Conventions, Findings, list, text};

/// Attributes that the library puts on a span although the conventions have them on others only.
const BEYOND: [(&str, &str); 1] = [("gen_ai.invoke_agent.internal", "gen_ai.provider.name")];

/// What is recommended without a condition, although a request may leave it out.
const PARAMETERS: [&str; 6] = [
    "gen_ai.request.frequency_penalty",
    "gen_ai.request.max_tokens",
    "gen_ai.request.presence_penalty",
    "gen_ai.request.stop_sequences",
    "gen_ai.request.temperature",
    "gen_ai.request.top_p",
];

/// Parts of token counts, and the whole that each is of.
const PARTS: [(&str, &str); 3] = [
    ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.input_tokens"),
    ("gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.input_tokens"),
    ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.output_tokens"),
];

/// What there is about a span, for checks.
struct Seen<'a> {
    span: &'a SpanData,
    place: String,
}

impl Seen<'_> {
    fn has(&self, key: &str) -> bool {
        self.span.attributes.iter().any(|attribute| attribute.key.as_str() == key)
    }

    fn text(&self, key: &str) -> Option<String> {
        text(&self.span.attributes, key)
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.text(key)?.parse().ok()
    }

    fn failed(&self) -> bool {
        matches!(self.span.status, Status::Error { .. })
    }
}

/// The type of a span by its operation and kind; `None` for operations of our own.
fn span_type(span: &SpanData) -> Option<&'static str> {
    match (text(&span.attributes, "gen_ai.operation.name")?.as_str(), &span.span_kind) {
        ("chat", _) => Some("gen_ai.client.inference"),
        ("invoke_agent", SpanKind::Internal) => Some("gen_ai.invoke_agent.internal"),
        ("invoke_agent", _) => Some("gen_ai.invoke_agent.client"),
        ("execute_tool", _) => Some("gen_ai.execute_tool.internal"),
        _ => None,
    }
}

impl Conventions {
    /// Holds a span of the library to all that is known of its type; `start` is what it had when
    /// samplers saw it.
    pub fn check_span(&self, span: &SpanData, start: &[KeyValue], findings: &mut Findings) {
        let seen = Seen { span, place: format!("span `{}`", span.name) };
        let place = &seen.place;
        self.check_values(place, plain(&span.attributes), findings);
        check_status(&seen, findings);
        let scope = &span.instrumentation_scope;
        if scope.version().is_none() || scope.schema_url().is_none() {
            findings.complain(place, "its scope has no version or no schema");
        }
        let Some(kind) = span_type(span) else {
            // The conventions' own checkers take no word but theirs.
            if seen.has("gen_ai.operation.name") {
                findings.complain(place, "its operation is none of the conventions'");
            }
            return;
        };
        let wanted = self.model["spans"][kind]["kind"].as_str().unwrap_or_default();
        if format!("{:?}", span.span_kind).to_lowercase() != wanted {
            findings.complain(place, format!("its kind is not {wanted}"));
        }
        check_name(&seen, kind, findings);
        self.check_levels(&seen, kind, findings);
        for key in self.at_start.get(kind).into_iter().flatten() {
            let at_start = start.iter().any(|attribute| attribute.key.as_str() == key);
            if seen.has(key) && !at_start {
                findings.complain(place, format!("samplers do not see `{key}`"));
            }
        }
        check_figures(&seen, findings);
        let keys = span.attributes.iter().map(|attribute| attribute.key.as_str());
        findings.saw("spans", kind, keys);
    }

    fn check_levels(&self, seen: &Seen<'_>, kind: &str, findings: &mut Findings) {
        let place = &seen.place;
        let complete = !seen.failed() && !seen.has("chatlas.cancelled");
        let known = self.attributes("spans", kind);
        for (key, level) in &known {
            let optional = PARAMETERS.contains(&key.as_str());
            let due = level == "required" || (level == "recommended" && complete && !optional);
            if due && !seen.has(key) {
                findings.complain(place, format!("`{key}` is {level} and missing"));
            }
        }
        for attribute in &seen.span.attributes {
            let key = attribute.key.as_str();
            let stranger = key.starts_with("gen_ai.") && !known.contains_key(key);
            let variable = key.starts_with("gen_ai.prompt.variable.");
            if stranger && !variable && !BEYOND.contains(&(kind, key)) {
                findings.complain(place, format!("`{key}` is not of {kind}"));
            }
        }
        // Conditions that can be read off the span itself.
        let both = |a: &str, b: &str| seen.has(a) == seen.has(b);
        if !both("server.address", "server.port") {
            findings.complain(place, "`server.port` is due where `server.address` is set");
        }
        if kind == "gen_ai.client.inference" {
            let streams = seen.text("gen_ai.request.stream").as_deref() == Some("true");
            if seen.has("gen_ai.request.stream") && !streams {
                findings.complain(place, "`gen_ai.request.stream` is true or not set");
            }
            let first = seen.has("gen_ai.response.time_to_first_chunk");
            if (first && !streams) || (streams && complete && !first) {
                findings.complain(place, "`time_to_first_chunk` is of streams, and of all of them");
            }
        }
        if kind == "gen_ai.execute_tool.internal"
            && seen.has("gen_ai.tool.call.result")
            && seen.failed()
        {
            findings.complain(place, "a failed call has no result");
        }
    }

    /// Holds spans to their places: those of calls and tools stand below that of the agent.
    pub fn check_tree(spans: &[SpanData], findings: &mut Findings) {
        let parent = |span: &SpanData| {
            let id = span.parent_span_id;
            spans.iter().find(|other| id != SpanId::INVALID && other.span_context.span_id() == id)
        };
        for span in spans {
            let place = format!("span `{}`", span.name);
            if let Some(above) = parent(span) {
                if above.span_context.trace_id() != span.span_context.trace_id() {
                    findings.complain(&place, "it is of another trace than its parent");
                }
                if above.start_time > span.start_time || above.end_time < span.end_time {
                    findings.complain(&place, "its parent does not last as long as it does");
                }
            }
            let below_agent = matches!(
                span_type(span),
                Some("gen_ai.client.inference" | "gen_ai.execute_tool.internal")
            );
            let agent = parent(span).and_then(span_type) == Some("gen_ai.invoke_agent.internal");
            if below_agent && !agent {
                findings.complain(&place, "it does not stand below `invoke_agent`");
            }
        }
    }
}

fn check_status(seen: &Seen<'_>, findings: &mut Findings) {
    let place = &seen.place;
    if seen.span.status == Status::Ok {
        findings.complain(place, "a library leaves the status unset on success");
    }
    if seen.failed() != seen.has("error.type") {
        findings.complain(place, "`error.type` and the status ERROR belong together");
    }
    let exceptions = seen.span.events.iter().filter(|event| event.name == "exception").count();
    if exceptions > usize::from(seen.failed()) {
        findings.complain(place, format!("{exceptions} exceptions"));
    }
}

fn check_name(seen: &Seen<'_>, kind: &str, findings: &mut Findings) {
    let operation = seen.text("gen_ai.operation.name").unwrap_or_default();
    let subject = match kind {
        "gen_ai.client.inference" => "gen_ai.request.model",
        "gen_ai.execute_tool.internal" => "gen_ai.tool.name",
        _ => "gen_ai.agent.name",
    };
    let name = match seen.text(subject) {
        Some(subject) => format!("{operation} {subject}"),
        None => operation,
    };
    if seen.span.name != name {
        findings.complain(&seen.place, format!("its name is to be `{name}`"));
    }
}

/// Figures that have to agree with each other.
fn check_figures(seen: &Seen<'_>, findings: &mut Findings) {
    let place = &seen.place;
    for (part, whole) in PARTS {
        if let Some(part_of) = seen.number(part)
            && seen.number(whole).is_none_or(|whole| part_of > whole)
        {
            findings.complain(place, format!("`{part}` is more than `{whole}`"));
        }
    }
    let reasons = seen.span.attributes.iter().find_map(|attribute| {
        match (&attribute.value, attribute.key.as_str()) {
            (Value::Array(Array::String(list)), "gen_ai.response.finish_reasons") => {
                Some(list.len())
            }
            _ => None,
        }
    });
    let output = seen.text("gen_ai.output.messages");
    let messages = output.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    if let Some(messages) = messages
        && reasons != Some(list(&messages).len())
    {
        findings.complain(place, "there is not one finish reason for each message");
    }
}
