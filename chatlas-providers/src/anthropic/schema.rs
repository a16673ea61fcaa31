//! JSON schemas in the form to which Anthropic holds a model: a
//! [part of JSON schema](https://docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations).
//! The API refuses what it cannot enforce; the model is told of it in the description instead.

use serde_json::{Map, Value, json};

/// What is taken as it is.
const KEPT: [&str; 7] = ["type", "title", "description", "default", "enum", "const", "required"];
/// The forms of a text that are enforced.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The schema as it can be enforced, or `None` where it cannot: one that refers to itself, an object
/// of any fields, a value of any kind.
pub(crate) fn enforced(schema: &Value) -> Option<Value> {
    let mut written = Map::new();
    let mut told = Vec::new();
    for (key, value) in schema.as_object()? {
        let inner = match (key.as_str(), value) {
            ("properties", Value::Object(fields)) => {
                let fields =
                    fields.iter().map(|(name, field)| Some((name.clone(), enforced(field)?)));
                fields.collect::<Option<Map<_, _>>>()?.into()
            }
            ("items", _) => enforced(value)?,
            ("anyOf" | "oneOf" | "allOf", Value::Array(list)) => {
                list.iter().map(enforced).collect::<Option<Vec<_>>>()?.into()
            }
            ("additionalProperties", Value::Bool(false)) | ("$schema", _) => continue,
            ("additionalProperties" | "$ref", _) => return None,
            ("format", Value::String(format)) if FORMATS.contains(&format.as_str()) => {
                value.clone()
            }
            ("minItems", _) if *value == 0 || *value == 1 => value.clone(),
            (kept, _) if KEPT.contains(&kept) => value.clone(),
            _ => {
                told.push(format!("{key}: {value}"));
                continue;
            }
        };
        let key = if key == "oneOf" { "anyOf" } else { key };
        written.insert(key.to_owned(), inner);
    }
    if !["type", "enum", "const", "anyOf", "allOf"].iter().any(|key| written.contains_key(*key)) {
        return None;
    }
    if is_object(&written) {
        written.entry("properties").or_insert_with(|| Map::new().into());
        written.insert("additionalProperties".to_owned(), false.into());
    }
    if !told.is_empty() {
        told.sort();
        let before = written.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = format!("{before}\n\n{{{}}}", told.join(", "));
        written.insert("description".to_owned(), description.trim_start().into());
    }
    Some(written.into())
}

/// The schema of the tool by which a model answers. What refers to the whole refers to the answer in
/// it then, and what is defined is defined at the root.
pub(crate) fn wrapped(answer: &Value) -> Value {
    let mut answer = answer.clone();
    refer_within(&mut answer);
    let mut wrapped = json!({"type": "object"});
    for key in ["definitions", "$defs"] {
        if let Some(defined) = answer.as_object_mut().and_then(|answer| answer.remove(key)) {
            wrapped[key] = defined;
        }
    }
    wrapped["properties"] = json!({"data": answer});
    wrapped
}

fn refer_within(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(whole) = fields.get_mut("$ref").filter(|to| **to == "#") {
                *whole = "#/properties/data".into();
            }
            fields.values_mut().for_each(refer_within);
        }
        Value::Array(list) => list.iter_mut().for_each(refer_within),
        _ => {}
    }
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        kind => kind.is_some_and(|kind| kind == "object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_enforced_is_told_instead() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object", "title": "A", "required": ["age"],
            "properties": {
                "age": {"type": "integer", "description": "In years.", "minimum": 0, "maximum": 255},
                "id": {"type": ["string", "null"], "format": "uuid", "minLength": 3},
                "code": {"type": "string", "format": "regex"},
                "one": {"type": "array", "minItems": 1, "items": {"type": "number", "multipleOf": 2}},
                "two": {"type": "array", "minItems": 2, "items": {"enum": ["a", "b"]}},
                "either": {"oneOf": [{"type": "object"}, {"const": 1}]},
            },
        });
        let open = json!({"type": "object", "properties": {}, "additionalProperties": false});
        assert_eq!(
            enforced(&schema).unwrap(),
            json!({
                "type": "object", "title": "A", "required": ["age"], "additionalProperties": false,
                "properties": {
                    "age": {"type": "integer",
                        "description": "In years.\n\n{maximum: 255, minimum: 0}"},
                    "id": {"type": ["string", "null"], "format": "uuid",
                        "description": "{minLength: 3}"},
                    "code": {"type": "string", "description": "{format: \"regex\"}"},
                    "one": {"type": "array", "minItems": 1,
                        "items": {"type": "number", "description": "{multipleOf: 2}"}},
                    "two": {"type": "array", "description": "{minItems: 2}",
                        "items": {"enum": ["a", "b"]}},
                    "either": {"anyOf": [open, {"const": 1}]},
                },
            })
        );
    }

    #[test]
    fn what_is_closed_already_stays_as_it_is() {
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": "string", "description": "An a."}}});
        assert_eq!(enforced(&schema), Some(schema));
    }

    #[test]
    fn what_refers_to_the_answer_finds_it_within_the_tool() {
        let answer = json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#/definitions/b"}},
            "definitions": {"b": {"items": {"$ref": "#/definitions/b"}}}});
        let whole = json!({"$ref": "#/properties/data"});
        let other = json!({"$ref": "#/definitions/b"});
        assert_eq!(
            wrapped(&answer),
            json!({"type": "object", "definitions": {"b": {"items": other}},
                "properties": {"data": {"properties": {"a": whole, "b": other}}}})
        );
    }

    #[test]
    fn what_is_open_or_refers_to_itself_cannot_be_enforced() {
        for schema in [
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#"}}}),
            json!({"type": "array", "items": true}),
            json!({"description": "Anything."}),
            json!(true),
        ] {
            assert_eq!(enforced(&schema), None, "{schema}");
        }
    }
}
