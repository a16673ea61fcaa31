//! JSON schemas in the subset that Anthropic
//! [enforces](https://docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations).
//! The API rejects other keywords, so they are moved to the description, where the model reads them.

use chatlas_core::ToolDefinition;
use chatlas_core::schema::describe;
use serde_json::{Map, Value, json};

/// The keywords that are sent unchanged.
const UNCHANGED: [&str; 7] =
    ["type", "title", "description", "default", "enum", "const", "required"];
/// The values of `format` that are enforced.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Returns the schema in a form that is enforced. `None` if there is none: for a schema that refers
/// to itself, an object with arbitrary fields, a value of any type.
pub(crate) fn enforced(schema: &Value) -> Option<Value> {
    let mut written = Map::new();
    let mut described = Vec::new();
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
            (key, _) if UNCHANGED.contains(&key) => value.clone(),
            _ => {
                described.push(format!("{key}: {value}"));
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
    describe(&mut written, described);
    Some(written.into())
}

/// Returns the schema of a tool's arguments, and whether the tool is strict: it is if the definition
/// is, and if the schema has a form that is enforced. A schema that refers to itself has none.
pub(crate) fn of_tool(tool: &ToolDefinition) -> (Value, bool) {
    let enforced = if tool.strict == Some(true) { enforced(&tool.parameters) } else { None };
    let is_strict = enforced.is_some();
    (enforced.unwrap_or_else(|| Value::clone(&tool.parameters)), is_strict)
}

/// Returns the schema of the tool that returns an answer: an object with the answer in `data`.
/// References to the root refer to the answer, and definitions stay at the root.
pub(crate) fn wrapped(answer: &Value) -> Value {
    let mut answer = answer.clone();
    rewrite_references(&mut answer);
    let mut wrapped = json!({"type": "object"});
    for key in ["definitions", "$defs"] {
        if let Some(defined) = answer.as_object_mut().and_then(|answer| answer.remove(key)) {
            wrapped[key] = defined;
        }
    }
    wrapped["properties"] = json!({"data": answer});
    wrapped
}

fn rewrite_references(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(root) = fields.get_mut("$ref").filter(|to| **to == "#") {
                *root = "#/properties/data".into();
            }
            fields.values_mut().for_each(rewrite_references);
        }
        Value::Array(list) => list.iter_mut().for_each(rewrite_references),
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
    fn keywords_that_are_not_enforced_move_to_the_description() {
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
    fn a_closed_schema_is_unchanged() {
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": "string", "description": "An a."}}});
        assert_eq!(enforced(&schema), Some(schema));
    }

    #[test]
    fn references_to_the_root_are_rewritten_in_the_tool() {
        let answer = json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#/definitions/b"}},
            "definitions": {"b": {"items": {"$ref": "#/definitions/b"}}}});
        let root = json!({"$ref": "#/properties/data"});
        let other = json!({"$ref": "#/definitions/b"});
        assert_eq!(
            wrapped(&answer),
            json!({"type": "object", "definitions": {"b": {"items": other}},
                "properties": {"data": {"properties": {"a": root, "b": other}}}})
        );
    }

    #[test]
    fn open_and_recursive_schemas_are_not_enforced() {
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
