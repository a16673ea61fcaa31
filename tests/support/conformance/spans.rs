//! Spans: name, kind, status, attributes with their requirement levels, and the parent.

use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

use super::values::plain;
use super::{Conventions, Findings, list, release, text};

/// Attributes that are recommended unconditionally, although a request may omit them.
const PARAMETERS: [&str; 6] = [
    "gen_ai.request.frequency_penalty",
    "gen_ai.request.max_tokens",
    "gen_ai.request.presence_penalty",
    "gen_ai.request.stop_sequences",
    "gen_ai.request.temperature",
    "gen_ai.request.top_p",
];

/// Token counts that are part of another count, and that total.
const PARTS: [(&str, &str); 3] = [
    ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.input_tokens"),
    ("gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.input_tokens"),
    ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.output_tokens"),
];

/// A span and how violations refer to it.
struct Seen<'a> {
    span: &'a SpanData,
    location: String,
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

/// Returns the type of a span from its operation and kind; `None` for other operations.
fn span_type(span: &SpanData) -> Option<&'static str> {
    match (text(&span.attributes, "gen_ai.operation.name")?.as_str(), &span.span_kind) {
        ("chat", _) => Some("gen_ai.client.inference"),
        ("invoke_agent", SpanKind::Internal) => Some("gen_ai.invoke_agent.internal"),
        ("invoke_agent", _) => Some("gen_ai.invoke_agent.client"),
        ("execute_tool", _) => Some("gen_ai.execute_tool.internal"),
        ("invoke_workflow", _) => Some("gen_ai.invoke_workflow.internal"),
        ("plan", _) => Some("gen_ai.plan.internal"),
        ("embeddings", _) => Some("gen_ai.embeddings.client"),
        ("retrieval", _) => Some("gen_ai.retrieval.client"),
        ("create_agent", _) => Some("gen_ai.create_agent.client"),
        (operation, _) if operation.contains("_memory") => Some("gen_ai.memory.client"),
        _ => None,
    }
}

impl Conventions {
    /// Checks a span against the definition of its type. `start` are the attributes at its start.
    pub fn check_span(&self, span: &SpanData, start: &[KeyValue], findings: &mut Findings) {
        let seen = Seen { span, location: format!("span `{}`", span.name) };
        let location = &seen.location;
        self.check_values(location, plain(&span.attributes), findings);
        check_status(&seen, findings);
        let scope = &span.instrumentation_scope;
        if scope.version().is_none() || scope.schema_url().is_none() {
            findings.report(location, "its scope has no version or no schema");
        }
        let Some(kind) = span_type(span) else {
            // The conventions' own checkers accept only the operations they define.
            if seen.has("gen_ai.operation.name") {
                findings.report(location, "its operation is not in the conventions");
            }
            return;
        };
        let defined = self.model["spans"][kind]["kind"].as_str().unwrap_or_default();
        let released = release::kind(kind).map(|kind| format!("{kind:?}").to_lowercase());
        let wanted = released.as_deref().unwrap_or(defined);
        // A memory in the process itself is internal.
        let may_be_internal =
            kind == "gen_ai.memory.client" && span.span_kind == SpanKind::Internal;
        if format!("{:?}", span.span_kind).to_lowercase() != wanted && !may_be_internal {
            findings.report(location, format!("its kind is not {wanted}"));
        }
        check_name(&seen, kind, findings);
        self.check_levels(&seen, kind, findings);
        for key in self.at_start.get(kind).into_iter().flatten() {
            let at_start = start.iter().any(|attribute| attribute.key.as_str() == key);
            if seen.has(key) && !at_start {
                findings.report(
                    location,
                    format!("`{key}` is not set at the start, where samplers need it"),
                );
            }
        }
        check_figures(&seen, findings);
        let keys = span.attributes.iter().map(|attribute| attribute.key.as_str());
        findings.count_attributes("spans", kind, keys);
    }

    fn check_levels(&self, seen: &Seen<'_>, kind: &str, findings: &mut Findings) {
        let location = &seen.location;
        let complete = !seen.failed() && !seen.has("chatlas.cancelled");
        let known = self.attributes("spans", kind);
        for (key, level) in &known {
            let optional = PARAMETERS.contains(&key.as_str());
            let optional = optional || (release::has_no_server(kind) && key == "server.address");
            let due = level == "required" || (level == "recommended" && complete && !optional);
            if due && !seen.has(key) {
                findings.report(location, format!("`{key}` is {level} and missing"));
            }
        }
        for attribute in &seen.span.attributes {
            let key = attribute.key.as_str();
            let stranger = key.starts_with("gen_ai.") && !known.contains_key(key);
            let variable = key.starts_with("gen_ai.prompt.variable.");
            if stranger && !variable && !release::EXTRA_ATTRIBUTES.contains(&(kind, key)) {
                findings.report(location, format!("`{key}` is not an attribute of {kind}"));
            }
        }
        // These conditions can be evaluated on the span itself.
        let both = |a: &str, b: &str| seen.has(a) == seen.has(b);
        if !both("server.address", "server.port") {
            findings.report(location, "`server.port` is required if `server.address` is set");
        }
        if kind == "gen_ai.client.inference" {
            let streams = seen.text("gen_ai.request.stream").as_deref() == Some("true");
            if seen.has("gen_ai.request.stream") && !streams {
                findings.report(location, "`gen_ai.request.stream` must be true or unset");
            }
            let first = seen.has("gen_ai.response.time_to_first_chunk");
            if (first && !streams) || (streams && complete && !first) {
                findings.report(location, "streams, and only streams, have `time_to_first_chunk`");
            }
        }
        if kind == "gen_ai.execute_tool.internal"
            && seen.has("gen_ai.tool.call.result")
            && seen.failed()
        {
            findings.report(location, "a failed call must not have a result");
        }
    }

    /// Checks parents: spans of model calls and tools are children of the agent's span.
    pub fn check_tree(spans: &[SpanData], findings: &mut Findings) {
        let parent = |span: &SpanData| {
            let id = span.parent_span_id;
            spans.iter().find(|other| id != SpanId::INVALID && other.span_context.span_id() == id)
        };
        for span in spans {
            let location = format!("span `{}`", span.name);
            if let Some(above) = parent(span) {
                if above.span_context.trace_id() != span.span_context.trace_id() {
                    findings.report(&location, "its parent is in another trace");
                }
                if above.start_time > span.start_time || above.end_time < span.end_time {
                    findings.report(&location, "its time is not within that of its parent");
                }
            }
            let below_agent = matches!(
                span_type(span),
                Some("gen_ai.client.inference" | "gen_ai.execute_tool.internal")
            );
            let agents = ["gen_ai.invoke_agent.internal", "gen_ai.plan.internal"];
            let agent = parent(span).and_then(span_type).is_some_and(|kind| agents.contains(&kind));
            if below_agent && !agent {
                findings.report(&location, "it is not a child of `invoke_agent` or `plan`");
            }
        }
    }
}

fn check_status(seen: &Seen<'_>, findings: &mut Findings) {
    let location = &seen.location;
    if seen.span.status == Status::Ok {
        findings.report(location, "a library leaves the status unset on success");
    }
    if seen.failed() != seen.has("error.type") {
        findings.report(location, "`error.type` and the status ERROR must be set together");
    }
    let exceptions = seen.span.events.iter().filter(|event| event.name == "exception").count();
    if exceptions > usize::from(seen.failed()) {
        findings.report(location, format!("{exceptions} exceptions"));
    }
}

fn check_name(seen: &Seen<'_>, kind: &str, findings: &mut Findings) {
    let operation = seen.text("gen_ai.operation.name").unwrap_or_default();
    let subject = match kind {
        "gen_ai.client.inference" | "gen_ai.embeddings.client" => "gen_ai.request.model",
        "gen_ai.execute_tool.internal" => "gen_ai.tool.name",
        _ => "gen_ai.agent.name",
    };
    let name = match seen.text(subject) {
        Some(subject) => format!("{operation} {subject}"),
        None => operation,
    };
    if seen.span.name != name {
        findings.report(&seen.location, format!("its name must be `{name}`"));
    }
}

/// Checks counts that must agree with each other.
fn check_figures(seen: &Seen<'_>, findings: &mut Findings) {
    let location = &seen.location;
    for (part, total) in PARTS {
        if let Some(part_of) = seen.number(part)
            && seen.number(total).is_none_or(|total| part_of > total)
        {
            findings.report(location, format!("`{part}` is greater than `{total}`"));
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
    if let (Some(messages), Some(_)) = (messages, reasons)
        && reasons != Some(list(&messages).len())
    {
        findings.report(location, "the numbers of finish reasons and messages differ");
    }
}
