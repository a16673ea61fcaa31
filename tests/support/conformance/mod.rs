//! Checks telemetry against the official data of the conventions: `semconv/coverage-model.json`
//! (the attributes of each signal and their requirement levels), the registry (types, units,
//! attributes for samplers) and the JSON schemas of content. It does not depend on the library.
//!
//! `spans`, `metrics` and `events` check one kind of signal each, `values` checks attribute values, and
//! `release` has the differences to the release that the library follows.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

mod events;
mod metrics;
mod release;
mod spans;
mod values;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use opentelemetry::KeyValue;
use opentelemetry::logs::AnyValue;
use serde_json::{Value, json};

use super::cassettes::shared;

/// The official data of the conventions.
pub struct Conventions {
    model: Value,
    types: HashMap<String, String>,
    deprecated: HashSet<String>,
    /// The instrument, the unit and the value type of each metric.
    instruments: HashMap<String, (String, String, String)>,
    /// The attributes of each type of span that are set at its start, for samplers.
    at_start: HashMap<String, Vec<String>>,
    schemas: HashMap<&'static str, Validator>,
}

/// The violations found, and how often each attribute occurred.
#[derive(Default)]
pub struct Findings {
    pub violations: Vec<String>,
    seen: BTreeMap<String, (usize, BTreeMap<String, usize>)>,
}

impl Findings {
    /// Returns a table of the signals: their number, and the occurrences of each defined attribute.
    pub fn table(&self, conventions: &Conventions) -> String {
        let mut lines = Vec::new();
        for (location, (count, seen)) in &self.seen {
            let (section, name) = location.split_once(' ').unwrap_or(("", location));
            let known = conventions.attributes(section, name);
            let present = known.keys().filter(|key| seen.contains_key(*key)).count();
            lines
                .push(format!("{location}: {count} seen, {present} of {} attributes", known.len()));
            for (key, level) in known {
                let times = seen.get(&key).copied().unwrap_or(0);
                lines.push(format!("  {times:>5}  {key} ({level})"));
            }
        }
        lines.join("\n")
    }

    /// Returns the number of spans of this type.
    pub fn count(&self, kind: &str) -> usize {
        self.seen.get(&format!("spans {kind}")).map_or(0, |(count, _)| *count)
    }

    /// Returns the defined attributes that no signal had, except the excused ones.
    pub fn unseen(&self, conventions: &Conventions, excused: &[&str]) -> Vec<String> {
        let mut missing = Vec::new();
        for (location, (_, seen)) in &self.seen {
            let (section, name) = location.split_once(' ').unwrap_or(("", location));
            for key in conventions.attributes(section, name).into_keys() {
                if !seen.contains_key(&key) && !excused.contains(&key.as_str()) {
                    missing.push(format!("{location}: {key}"));
                }
            }
        }
        missing
    }

    fn report(&mut self, location: &str, what: impl AsRef<str>) {
        let violation = format!("{location}: {}", what.as_ref());
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }

    fn count_attributes<'a>(
        &mut self,
        section: &str,
        name: &str,
        keys: impl Iterator<Item = &'a str>,
    ) {
        let (count, seen) = self.seen.entry(format!("{section} {name}")).or_default();
        *count += 1;
        for key in keys {
            *seen.entry(key.to_owned()).or_default() += 1;
        }
    }
}

impl Conventions {
    /// Returns the data in the directory of shared data, which is loaded once per process.
    ///
    /// # Panics
    ///
    /// If the shared data is missing.
    pub fn get() -> &'static Self {
        static CONVENTIONS: LazyLock<Conventions> =
            LazyLock::new(|| Conventions::load(&shared().expect("shared data")));
        &CONVENTIONS
    }

    fn load(shared: &Path) -> Self {
        let folder = shared.join("semconv");
        let text = |path: &Path| fs::read_to_string(path).expect("a readable file");
        let yaml = |path: &str| -> Value {
            serde_yaml_ng::from_str(&text(&folder.join("registry").join(path))).expect("YAML")
        };
        let mut types = HashMap::new();
        let mut deprecated = HashSet::new();
        for path in ["gen-ai/registry.yaml", "openai/registry.yaml", "aws-bedrock/registry.yaml"] {
            for attribute in list(&yaml(path)["attributes"]) {
                let key = attribute["key"].as_str().expect("a key").to_owned();
                let kind = attribute["type"].as_str().unwrap_or("string").to_owned();
                if !attribute["deprecated"].is_null() {
                    deprecated.insert(key.clone());
                }
                types.insert(key, kind);
            }
        }
        for (key, kind) in [
            ("error.type", "string"),
            ("exception.type", "string"),
            ("exception.message", "string"),
            ("server.address", "string"),
            ("server.port", "int"),
        ] {
            types.insert(key.to_owned(), kind.to_owned());
        }
        let mut instruments = HashMap::new();
        for path in ["gen-ai/metrics.yaml", "gen-ai/token-metrics.yaml"] {
            for metric in list(&yaml(path)["metrics"]) {
                let of = |key: &str| metric[key].as_str().expect("a text").to_owned();
                let value = &metric["annotations"]["code_generation"]["metric_value_type"];
                let value = value.as_str().expect("a type").to_owned();
                instruments.insert(of("name"), (of("instrument"), of("unit"), value));
            }
        }
        let schemas = [
            ("gen_ai.input.messages", "gen-ai-input-messages.json"),
            ("gen_ai.output.messages", "gen-ai-output-messages.json"),
            ("gen_ai.system_instructions", "gen-ai-system-instructions.json"),
            ("gen_ai.tool.definitions", "gen-ai-tool-definitions.json"),
            ("gen_ai.tool.call.arguments", "gen-ai-tool-call-arguments.json"),
            ("gen_ai.retrieval.documents", "gen-ai-retrieval-documents.json"),
            ("gen_ai.memory.records", "gen-ai-memory-records.json"),
        ]
        .into_iter()
        .map(|(key, file)| {
            let mut schema: Value =
                serde_json::from_str(&text(&folder.join("registry/gen-ai").join(file)))
                    .expect("JSON");
            without_foreign_references(&mut schema);
            (key, jsonschema::validator_for(&schema).expect("a schema"))
        })
        .collect();
        let at_start = sampling_relevant(&yaml("gen-ai/spans.yaml"));
        let model = serde_json::from_str(&text(&folder.join("coverage-model.json"))).expect("JSON");
        Self { model, types, deprecated, instruments, at_start, schemas }
    }

    /// Returns the attributes of a span, metric or event with their requirement levels.
    fn attributes(&self, section: &str, name: &str) -> BTreeMap<String, String> {
        let list = self.model[section][name]["attributes"].as_object();
        let level = |level: &Value| level.as_str().unwrap_or_default().to_owned();
        list.into_iter().flatten().map(|(key, value)| (key.clone(), level(value))).collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Returns the attributes for samplers of each type of span, including those of its groups.
fn sampling_relevant(spans: &Value) -> HashMap<String, Vec<String>> {
    fn of(spans: &Value, attributes: &[Value], found: &mut Vec<String>) {
        for attribute in attributes {
            if let Some(group) = attribute["ref_group"].as_str() {
                let groups = list(&spans["attribute_groups"]);
                let group = groups.iter().find(|known| known["id"] == group);
                of(spans, group.map(|group| list(&group["attributes"])).unwrap_or_default(), found);
            }
            if attribute["sampling_relevant"] == true {
                found.extend(attribute["ref"].as_str().map(str::to_owned));
            }
        }
    }
    let types = list(&spans["spans"]).iter().filter_map(|span| {
        let mut found = Vec::new();
        of(spans, list(&span["attributes"]), &mut found);
        Some((span["type"].as_str()?.to_owned(), found))
    });
    types.collect()
}

/// Replaces references to the meta-schema, which are remote, by a schema for any object.
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

/// Returns the value of an attribute as text.
pub fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some(attribute.value.as_str().into_owned())
}

/// Returns a structured value as JSON.
pub fn json_of(value: &AnyValue) -> Value {
    match value {
        AnyValue::Int(number) => json!(number),
        AnyValue::Double(number) => json!(number),
        AnyValue::String(text) => json!(text.as_str()),
        AnyValue::Boolean(flag) => json!(flag),
        AnyValue::ListAny(list) => list.iter().map(json_of).collect(),
        AnyValue::Map(map) => Value::Object(
            map.iter().map(|(key, value)| (key.to_string(), json_of(value))).collect(),
        ),
        other => json!(format!("{other:?}")),
    }
}
