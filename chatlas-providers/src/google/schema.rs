//! JSON schemas in the form that Google takes.
//!
//! Google has two fields for a schema: one for its own subset of `OpenAPI`
//! ([`Schema`](https://ai.google.dev/api/caching#Schema)), which every model and gateway knows, and
//! a younger one for JSON schema as it is. What the subset can say in full is said in it.

use serde_json::{Map, Value, json};

/// What the subset takes as it is.
const KEPT: [&str; 14] = [
    "title",
    "description",
    "format",
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

/// The schema in Google's own subset, or `None` where that cannot say all of it. `ordered` tells
/// the model to write the properties in the order in which they are required.
pub(super) fn subset(schema: &Value, ordered: bool) -> Option<Value> {
    let mut written = Map::new();
    for (key, value) in schema.as_object()? {
        match (key.as_str(), value) {
            ("type", Value::String(name)) => {
                written.insert("type".to_owned(), type_name(name)?.into());
            }
            // `["string", "null"]`: a type, or nothing.
            ("type", Value::Array(names)) => {
                let nothing = |name: &Value| name == "null";
                let mut rest = names.iter().filter(|name| !nothing(name));
                let (Some(name), None) = (rest.next(), rest.next()) else { return None };
                written.insert("type".to_owned(), type_name(name.as_str()?)?.into());
                if names.iter().any(nothing) {
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
            ("required", Value::Array(_)) => {
                written.insert("required".to_owned(), value.clone());
            }
            // The subset knows no other objects than closed ones, and needs no name of a dialect.
            ("additionalProperties", Value::Bool(false)) | ("$schema", _) => {}
            (kept, _) if KEPT.contains(&kept) => {
                written.insert(key.clone(), value.clone());
            }
            _ => return None,
        }
    }
    if ordered && let Some(order) = order(&written) {
        written.insert("propertyOrdering".to_owned(), order);
    }
    Some(Value::Object(written))
}

fn type_name(name: &str) -> Option<String> {
    let known = ["string", "number", "integer", "boolean", "array", "object", "null"];
    known.contains(&name).then(|| name.to_ascii_uppercase())
}

/// The order of the properties, where all of them are required.
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
    fn what_the_subset_can_say_is_said_in_it() {
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
        let written = json!({"anyOf": [{"type": "STRING", "enum": ["x"]}, {"type": "NULL"}]});
        assert_eq!(subset(&choice, true), Some(written));
    }

    #[test]
    fn what_it_cannot_say_is_left_to_json_schema() {
        for schema in [
            json!({"$ref": "#/$defs/a"}),
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"type": "object", "properties": {"a": {"const": 1}}}),
            json!({"enum": [1, 2]}),
            json!({"oneOf": [{"type": "string"}]}),
            json!({"type": ["string", "integer"]}),
            json!({"type": "array", "items": {"$ref": "#/$defs/a"}}),
            json!({"type": "unheard of"}),
            json!(true),
        ] {
            assert_eq!(subset(&schema, false), None, "{schema}");
        }
    }
}
