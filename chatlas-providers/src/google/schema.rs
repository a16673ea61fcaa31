//! JSON schemas in the form that Google accepts.
//!
//! Google has two fields for a schema: one for its own subset of `OpenAPI`
//! ([`Schema`](https://ai.google.dev/api/caching#Schema)), which every model and gateway supports,
//! and a newer one for JSON schema. A schema is sent in the subset if that can express it.

use serde_json::{Map, Value, json};

/// The keywords that the subset has under the same name.
const KEPT: [&str; 14] = [
    "title",
    "description",
    "pattern",
    "nullable",
    "default",
    "example",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

/// Returns the schema in Google's own subset, or `None` if the subset cannot express all of it. With
/// `ordered`, the model writes the properties in the order in which they are required.
pub(super) fn subset(schema: &Value, ordered: bool) -> Option<Value> {
    let schema = schema.as_object()?;
    let optional = optional(schema);
    let mut written = Map::new();
    for (key, value) in optional.as_ref().unwrap_or(schema) {
        match (key.as_str(), value) {
            ("type", Value::String(name)) => {
                written.insert("type".to_owned(), type_name(name)?.into());
            }
            // `["string", "null"]`: a nullable type.
            ("type", Value::Array(names)) => {
                let is_null = |name: &Value| name == "null";
                let mut rest = names.iter().filter(|name| !is_null(name));
                let (Some(name), None) = (rest.next(), rest.next()) else { return None };
                written.insert("type".to_owned(), type_name(name.as_str()?)?.into());
                if names.iter().any(is_null) {
                    written.insert("nullable".to_owned(), true.into());
                }
            }
            ("properties", Value::Object(properties)) => {
                let inner: Option<Map<String, Value>> = properties
                    .iter()
                    .map(|(name, schema)| Some((name.clone(), subset(schema, ordered)?)))
                    .collect();
                written.insert("properties".to_owned(), inner?.into());
            }
            ("items", Value::Object(_)) => {
                written.insert("items".to_owned(), subset(value, ordered)?);
            }
            ("anyOf", Value::Array(list)) => {
                let inner: Option<Vec<Value>> =
                    list.iter().map(|schema| subset(schema, ordered)).collect();
                written.insert("anyOf".to_owned(), inner?.into());
            }
            ("enum", Value::Array(values)) if values.iter().all(Value::is_string) => {
                written.insert("enum".to_owned(), value.clone());
            }
            ("format", Value::String(format)) => match format.as_str() {
                "enum" | "date-time" | "int32" | "int64" | "float" | "double" => {
                    written.insert("format".to_owned(), value.clone());
                }
                // Google refuses another format of a string. That of a number repeats its bounds.
                _ if schema
                    .get("type")
                    .is_some_and(|kind| kind == "integer" || kind == "number") => {}
                _ => return None,
            },
            ("required", Value::Array(_)) => {
                written.insert("required".to_owned(), value.clone());
            }
            // All objects of the subset are closed, and it has no `$schema`.
            ("additionalProperties", Value::Bool(false)) | ("$schema", _) => {}
            (kept, _) if KEPT.contains(&kept) => {
                written.insert(key.clone(), value.clone());
            }
            _ => return None,
        }
    }
    if !is_accepted(&written) {
        return None;
    }
    if ordered && let Some(order) = order(&written) {
        written.insert("propertyOrdering".to_owned(), order);
    }
    Some(Value::Object(written))
}

/// Returns a choice between one schema and `null` as that schema, nullable: the subset accepts no
/// other field, such as a description, beside a choice.
fn optional(schema: &Map<String, Value>) -> Option<Map<String, Value>> {
    let choices = schema.get("anyOf")?.as_array()?;
    let is_null = |choice: &&Value| choice.get("type").is_some_and(|kind| kind == "null");
    let mut rest = choices.iter().filter(|choice| !is_null(choice));
    let (Some(Value::Object(one)), None) = (rest.next(), rest.next()) else { return None };
    let mut merged = one.clone();
    merged.extend(
        schema.iter().filter(|(key, _)| *key != "anyOf").map(|(k, v)| (k.clone(), v.clone())),
    );
    if choices.iter().any(|choice| is_null(&choice)) {
        merged.insert("nullable".to_owned(), true.into());
    }
    Some(merged)
}

/// Returns whether Google accepts a schema: it requires a type, the properties of an object, the
/// items of a list, and no field beside a choice.
fn is_accepted(written: &Map<String, Value>) -> bool {
    let any = |key: &str| written.get(key).is_some_and(|value| *value != json!({}));
    match written.get("type").and_then(Value::as_str) {
        _ if written.contains_key("anyOf") => written.len() == 1,
        Some("OBJECT") => any("properties"),
        Some("ARRAY") => any("items"),
        Some("STRING") => true,
        kind => kind.is_some() && !written.contains_key("enum"),
    }
}

fn type_name(name: &str) -> Option<String> {
    let known = ["string", "number", "integer", "boolean", "array", "object", "null"];
    known.contains(&name).then(|| name.to_ascii_uppercase())
}

/// Returns whether a schema is that of an object without properties.
pub(super) fn is_empty_object(schema: &Value) -> bool {
    let additional = schema.get("additionalProperties");
    let is_closed = matches!(additional, None | Some(Value::Null | Value::Bool(false)));
    let properties = schema.get("properties").and_then(Value::as_object);
    is_closed && properties.is_none_or(Map::is_empty)
}

/// Returns the order of the properties if all of them are required.
fn order(schema: &Map<String, Value>) -> Option<Value> {
    let properties = schema.get("properties")?.as_object()?;
    let required = schema.get("required")?.as_array()?;
    let all = required.len() == properties.len()
        && required.iter().all(|name| name.as_str().is_some_and(|n| properties.contains_key(n)));
    all.then(|| json!(required))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_written_in_the_subset() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object", "title": "A", "additionalProperties": false, "required": ["b", "a"],
            "properties": {
                "a": {"type": ["string", "null"], "description": "An a."},
                "b": {"type": "array", "items": {"type": "integer", "format": "int32", "minimum": 0}},
            },
        });
        let written = json!({
            "type": "OBJECT", "title": "A", "required": ["b", "a"],
            "properties": {
                "a": {"type": "STRING", "nullable": true, "description": "An a."},
                "b": {"type": "ARRAY",
                    "items": {"type": "INTEGER", "format": "int32", "minimum": 0}},
            },
        });
        assert_eq!(subset(&schema, false), Some(written.clone()));
        let mut ordered = written;
        ordered["propertyOrdering"] = json!(["b", "a"]);
        assert_eq!(subset(&schema, true), Some(ordered));
        let choice = json!({"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]});
        let written = json!({"type": "STRING", "enum": ["x"], "nullable": true});
        assert_eq!(subset(&choice, true), Some(written.clone()));
        let mut described = choice;
        described["description"] = "A choice.".into();
        assert_eq!(subset(&described, true).unwrap()["description"], "A choice.");
        let choice = json!({"anyOf": [{"type": "string"}, {"type": "integer"}]});
        let written = json!({"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]});
        assert_eq!(subset(&choice, true), Some(written));
        let number = json!({"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255});
        let written = json!({"type": "INTEGER", "minimum": 0, "maximum": 255});
        assert_eq!(subset(&number, true), Some(written));
    }

    #[test]
    fn a_schema_that_the_subset_cannot_express_is_not_written() {
        for schema in [
            json!({"$ref": "#/$defs/a"}),
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"type": "object", "properties": {"a": {"const": 1}}}),
            json!({"enum": [1, 2]}),
            json!({"oneOf": [{"type": "string"}]}),
            json!({"type": ["string", "integer"]}),
            json!({"type": "array", "items": {"$ref": "#/$defs/a"}}),
            json!({"type": "unknown"}),
            json!({"type": "string", "format": "uuid"}),
            json!({"description": "Anything."}),
            json!({"enum": ["a"]}),
            json!({"type": "object", "properties": {}}),
            json!({"type": "array"}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "Either."}),
            json!(true),
        ] {
            assert_eq!(subset(&schema, false), None, "{schema}");
        }
    }
}
