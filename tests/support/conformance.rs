//! Telemetry held against the official data of the GenAI conventions: `semconv/coverage-model.json`
//! (which attribute belongs where, and how much it is wanted), the registry (types) and the JSON
//! schemas of content. It knows nothing of the library.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use opentelemetry::logs::{AnyValue, Severity};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value as OtelValue};
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData};
use opentelemetry_sdk::trace::SpanData;
use serde_json::{Value, json};

/// Attributes that the library puts on a span although the conventions have them on others only.
const BEYOND: [(&str, &str); 1] = [("gen_ai.invoke_agent.internal", "gen_ai.provider.name")];

/// What the conventions' own policy wants on every span of a type that ended well: what is
/// recommended without a condition, but for what a request may leave out.
fn is_optional(key: &str) -> bool {
    const PARAMETERS: [&str; 6] = [
        "gen_ai.request.frequency_penalty",
        "gen_ai.request.max_tokens",
        "gen_ai.request.presence_penalty",
        "gen_ai.request.stop_sequences",
        "gen_ai.request.temperature",
        "gen_ai.request.top_p",
    ];
    PARAMETERS.contains(&key)
}

/// The official data.
pub struct Conventions {
    model: Value,
    types: HashMap<String, String>,
    /// Instrument and unit of each metric.
    instruments: HashMap<String, (String, String)>,
    schemas: HashMap<&'static str, Validator>,
}

/// What was found wrong, and how often each attribute was seen.
#[derive(Default)]
pub struct Findings {
    pub violations: Vec<String>,
    spans: BTreeMap<String, (usize, BTreeMap<String, usize>)>,
}

impl Findings {
    /// How many spans of each type there were, and which of the attributes they could have.
    pub fn table(&self, conventions: &Conventions) -> String {
        let mut lines = Vec::new();
        for (kind, (count, seen)) in &self.spans {
            let known = conventions.attributes("spans", kind);
            let present = known.keys().filter(|key| seen.contains_key(*key)).count();
            lines.push(format!("{kind}: {count} spans, {present} of {} attributes", known.len()));
            for (key, level) in known {
                let times = seen.get(&key).copied().unwrap_or(0);
                lines.push(format!("  {times:>5}  {key} ({level})"));
            }
        }
        lines.join("\n")
    }

    fn complain(&mut self, place: &str, what: impl AsRef<str>) {
        self.violations.push(format!("{place}: {}", what.as_ref()));
    }
}

impl Conventions {
    /// Those in the folder of shared data.
    pub fn load(shared: &Path) -> Self {
        let folder = shared.join("semconv");
        let text = |path: &Path| fs::read_to_string(path).expect("a readable file");
        let yaml = |path: &str| -> Value {
            serde_yaml_ng::from_str(&text(&folder.join("registry").join(path))).expect("YAML")
        };
        let mut types = HashMap::new();
        for path in ["gen-ai/registry.yaml", "openai/registry.yaml", "aws-bedrock/registry.yaml"] {
            for attribute in yaml(path)["attributes"].as_array().expect("attributes") {
                let key = attribute["key"].as_str().expect("a key").to_owned();
                let kind = attribute["type"].as_str().unwrap_or("string").to_owned();
                types.insert(key, kind);
            }
        }
        let mut instruments = HashMap::new();
        for path in ["gen-ai/metrics.yaml", "gen-ai/token-metrics.yaml"] {
            for metric in yaml(path)["metrics"].as_array().expect("metrics") {
                let of = |key: &str| metric[key].as_str().expect("a text").to_owned();
                instruments.insert(of("name"), (of("instrument"), of("unit")));
            }
        }
        let schemas = [
            ("gen_ai.input.messages", "gen-ai-input-messages.json"),
            ("gen_ai.output.messages", "gen-ai-output-messages.json"),
            ("gen_ai.system_instructions", "gen-ai-system-instructions.json"),
            ("gen_ai.tool.definitions", "gen-ai-tool-definitions.json"),
        ]
        .into_iter()
        .map(|(key, file)| {
            let mut schema: Value =
                serde_json::from_str(&text(&folder.join("registry/gen-ai").join(file))).expect("JSON");
            without_foreign_references(&mut schema);
            (key, jsonschema::validator_for(&schema).expect("a schema"))
        })
        .collect();
        let model = serde_json::from_str(&text(&folder.join("coverage-model.json"))).expect("JSON");
        Self { model, types, instruments, schemas }
    }

    /// The attributes of a span, metric or event, and how much each is wanted.
    fn attributes(&self, section: &str, name: &str) -> BTreeMap<String, String> {
        let list = self.model[section][name]["attributes"].as_object();
        let level = |level: &Value| level.as_str().unwrap_or_default().to_owned();
        list.into_iter().flatten().map(|(key, value)| (key.clone(), level(value))).collect()
    }

    /// The type of a span by its operation and kind; `None` for operations of our own.
    fn span_type(&self, span: &SpanData) -> Option<&'static str> {
        match (text(&span.attributes, "gen_ai.operation.name")?.as_str(), &span.span_kind) {
            ("chat", _) => Some("gen_ai.client.inference"),
            ("invoke_agent", SpanKind::Internal) => Some("gen_ai.invoke_agent.internal"),
            ("invoke_agent", _) => Some("gen_ai.invoke_agent.client"),
            ("execute_tool", _) => Some("gen_ai.execute_tool.internal"),
            _ => None,
        }
    }

    /// Holds a span of the library to all that is known of its type.
    pub fn check_span(&self, span: &SpanData, findings: &mut Findings) {
        let place = format!("span `{}`", span.name);
        self.check_values(&place, &span.attributes, findings);
        let has = |key: &str| span.attributes.iter().any(|kv| kv.key.as_str() == key);
        let failed = matches!(span.status, Status::Error { .. });
        if span.status == Status::Ok {
            findings.complain(&place, "a library leaves the status unset on success");
        }
        if failed != has("error.type") {
            findings.complain(&place, "`error.type` and the status ERROR belong together");
        }
        let Some(kind) = self.span_type(span) else { return };
        let wanted = if kind == "gen_ai.client.inference" { "client" } else { "internal" };
        if format!("{:?}", span.span_kind).to_lowercase() != wanted {
            findings.complain(&place, format!("its kind is not {wanted}"));
        }
        let operation = text(&span.attributes, "gen_ai.operation.name").unwrap_or_default();
        let subject = match kind {
            "gen_ai.client.inference" => "gen_ai.request.model",
            "gen_ai.execute_tool.internal" => "gen_ai.tool.name",
            _ => "gen_ai.agent.name",
        };
        let name = match text(&span.attributes, subject) {
            Some(subject) => format!("{operation} {subject}"),
            None => operation,
        };
        if span.name != name {
            findings.complain(&place, format!("its name is to be `{name}`"));
        }
        let complete = !failed && !has("chatlas.cancelled");
        let known = self.attributes("spans", kind);
        for (key, level) in &known {
            let due = level == "required" || (level == "recommended" && complete);
            if due && !is_optional(key) && !has(key) {
                findings.complain(&place, format!("`{key}` is {level} and missing"));
            }
        }
        for attribute in &span.attributes {
            let key = attribute.key.as_str();
            let stranger = key.starts_with("gen_ai.") && !known.contains_key(key);
            if stranger && !BEYOND.contains(&(kind, key)) {
                findings.complain(&place, format!("`{key}` is not of {kind}"));
            }
        }
        let (count, seen) = findings.spans.entry(kind.to_owned()).or_default();
        *count += 1;
        for attribute in &span.attributes {
            *seen.entry(attribute.key.to_string()).or_default() += 1;
        }
    }

    /// Types, enumerations, doubles, unknown names, content schemas.
    fn check_values(&self, place: &str, attributes: &[KeyValue], findings: &mut Findings) {
        let mut seen = HashSet::new();
        for KeyValue { key, value, .. } in attributes {
            let key = key.as_str();
            if !seen.insert(key) {
                findings.complain(place, format!("`{key}` stands there twice"));
            }
            let ours = ["gen_ai.", "openai.", "aws.bedrock."].iter().any(|p| key.starts_with(p));
            let Some(wanted) = self.types.get(key) else {
                if ours && !key.starts_with("gen_ai.prompt.variable.") {
                    findings.complain(place, format!("the registry has no `{key}`"));
                }
                continue;
            };
            let right = match (wanted.as_str(), value) {
                ("string", OtelValue::String(_))
                | ("int", OtelValue::I64(_))
                | ("double", OtelValue::F64(_))
                | ("boolean", OtelValue::Bool(_))
                | ("string[]", OtelValue::Array(Array::String(_)))
                // On spans, structured values are JSON texts.
                | ("any", OtelValue::String(_)) => true,
                _ => false,
            };
            if !right {
                findings.complain(place, format!("`{key}` is a {wanted}, not {value:?}"));
            }
            let custom = matches!(key, "gen_ai.provider.name" | "gen_ai.operation.name");
            if let Some(list) = self.model["enums"][key].as_array()
                && !custom
                && key != "openai.request.service_tier"
                && !list.contains(&json!(value.as_str()))
            {
                findings.complain(place, format!("`{key}` cannot be {value:?}"));
            }
            if let Some(schema) = self.schemas.get(key) {
                match serde_json::from_str::<Value>(&value.as_str()) {
                    Err(error) => findings.complain(place, format!("`{key}` is no JSON: {error}")),
                    Ok(json) => self.check_content(place, key, schema, &json, findings),
                }
            }
        }
    }

    fn check_content(
        &self,
        place: &str,
        key: &str,
        schema: &Validator,
        content: &Value,
        findings: &mut Findings,
    ) {
        for error in schema.iter_errors(content) {
            findings.complain(place, format!("`{key}` breaks its schema: {error}"));
        }
        // The schema lets any object pass as a part of a kind of its own: not so the library.
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
        if key.ends_with("messages") {
            let parts = content.as_array().into_iter().flatten().flat_map(|message| {
                message["parts"].as_array().map(Vec::as_slice).unwrap_or_default()
            });
            for part in parts {
                if !PARTS.iter().any(|kind| part["type"] == *kind) {
                    findings.complain(place, format!("`{key}` has a part of no kind: {part}"));
                }
            }
        }
    }

    /// Holds a metric to its definition.
    pub fn check_metric(&self, metric: &Metric, findings: &mut Findings) {
        let place = format!("metric `{}`", metric.name());
        let Some((instrument, unit)) = self.instruments.get(metric.name()) else {
            findings.complain(&place, "the conventions have none of that name");
            return;
        };
        if metric.unit() != unit {
            findings.complain(&place, format!("its unit is {unit}, not {}", metric.unit()));
        }
        let (kind, points) = points(metric);
        if kind != instrument {
            findings.complain(&place, format!("it is a {instrument}, not a {kind}"));
        }
        let known = self.attributes("metrics", metric.name());
        for attributes in points {
            self.check_values(&place, &attributes, findings);
            for (key, level) in &known {
                if level == "required" && !attributes.iter().any(|kv| kv.key.as_str() == key) {
                    findings.complain(&place, format!("`{key}` is required and missing"));
                }
            }
            for KeyValue { key, .. } in &attributes {
                let vendor = key.as_str().starts_with("openai.response.");
                if !known.contains_key(key.as_str()) && !vendor {
                    findings.complain(&place, format!("`{key}` is not of it"));
                }
            }
        }
    }

    /// Holds an event to its definition.
    pub fn check_event(&self, record: &SdkLogRecord, findings: &mut Findings) {
        let name = record.event_name().unwrap_or("without a name");
        let place = format!("event `{name}`");
        if !self.model["events"][name].is_object() {
            findings.complain(&place, "the conventions have none of that name");
            return;
        }
        let severity = match name {
            "gen_ai.client.inference.operation.details" => Some(Severity::Debug),
            "gen_ai.client.operation.exception" => Some(Severity::Warn),
            _ => record.severity_number(),
        };
        if record.severity_number() != severity {
            findings.complain(&place, format!("its severity is {:?}", record.severity_number()));
        }
        if record.trace_context().is_none() {
            findings.complain(&place, "it stands in no span");
        }
        let known = self.attributes("events", name);
        let attributes: Vec<_> = record.attributes_iter().collect();
        for (key, level) in &known {
            let due = level == "required";
            if due && !attributes.iter().any(|(known, _)| known.as_str() == key) {
                findings.complain(&place, format!("`{key}` is required and missing"));
            }
        }
        for (key, value) in attributes {
            let key = key.as_str();
            if key.starts_with("gen_ai.") && !known.contains_key(key) {
                findings.complain(&place, format!("`{key}` is not of it"));
            }
            if let Some(schema) = self.schemas.get(key) {
                if matches!(value, AnyValue::String(_)) {
                    findings.complain(&place, format!("`{key}` is a text, not structured"));
                }
                self.check_content(&place, key, schema, &json_of(value), findings);
            }
        }
    }
}

/// The definitions refer to the meta-schema by address: any object will do instead.
fn without_foreign_references(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let foreign = |reference: &Value| {
                reference.as_str().is_some_and(|reference| reference.starts_with("http"))
            };
            if map.get("$ref").is_some_and(foreign) {
                map.clear();
                map.insert("type".into(), "object".into());
            }
            map.values_mut().for_each(without_foreign_references);
        }
        Value::Array(list) => list.iter_mut().for_each(without_foreign_references),
        _ => {}
    }
}

/// The attribute of that key, as text.
pub fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some(attribute.value.as_str().into_owned())
}

/// The instrument of a metric, and the attributes of each of its points.
pub fn points(metric: &Metric) -> (&'static str, Vec<Vec<KeyValue>>) {
    fn of<T>(data: &MetricData<T>) -> (&'static str, Vec<Vec<KeyValue>>) {
        match data {
            MetricData::Histogram(histogram) => {
                let points = histogram.data_points();
                ("histogram", points.map(|point| point.attributes().cloned().collect()).collect())
            }
            MetricData::Sum(sum) => {
                let points = sum.data_points();
                ("counter", points.map(|point| point.attributes().cloned().collect()).collect())
            }
            _ => ("other", Vec::new()),
        }
    }
    match metric.data() {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
    }
}

/// A structured value as JSON.
pub fn json_of(value: &AnyValue) -> Value {
    match value {
        AnyValue::Int(number) => json!(number),
        AnyValue::Double(number) => json!(number),
        AnyValue::String(text) => json!(text.as_str()),
        AnyValue::Boolean(flag) => json!(flag),
        AnyValue::ListAny(list) => list.iter().map(json_of).collect(),
        AnyValue::Map(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.to_string(), json_of(value))).collect())
        }
        other => json!(format!("{other:?}")),
    }
}
