//! JSON schemas: of Rust types, as every vendor takes them; and the strict form.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, ReplaceUnevaluatedProperties};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The formats of texts that [vendors enforce to the
/// letter](https://platform.openai.com/docs/guides/structured-outputs#supported-schemas).
const FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// What makes schemas, subschemas inlined.
pub(crate) fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.transforms = vec![
        Box::new(ReplaceUnevaluatedProperties::default()),
        Box::new(RecursiveTransform(portable)),
    ];
    settings.into_generator()
}

/// The schema of a type within that of something greater.
pub(crate) fn of_part<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let mut schema = generator.subschema_for::<T>();
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    schema.to_value()
}

/// What one vendor or another refuses, said in another way.
fn portable(schema: &mut Schema) {
    let Some(map) = schema.as_object_mut() else { return };
    // `uint8` and the like: Rust's own, no vendor needs them, some refuse them.
    if has_type(map, "integer") || has_type(map, "number") {
        map.remove("format");
    }
    // A tuple. Not all know `prefixItems`; those that do make nothing of the other.
    if let (Some(Value::Array(parts)), None) = (map.get("prefixItems"), map.get("items")) {
        let mut kinds: Vec<Value> = Vec::new();
        for part in parts {
            if !kinds.contains(part) {
                kinds.push(part.clone());
            }
        }
        let items = match kinds.len() {
            1 => kinds.swap_remove(0),
            _ => json!({"anyOf": kinds}),
        };
        map.insert("items".into(), items);
    }
}

/// Puts a schema into the form that [vendors enforce to the
/// letter](https://platform.openai.com/docs/guides/structured-outputs#supported-schemas). Whether
/// that was possible; if not, the schema is in no state to be used.
pub(crate) fn make_strict(schema: &mut Value) -> bool {
    // `true`: any value will do.
    let Value::Object(map) = schema else { return false };
    if ["allOf", "prefixItems", "patternProperties", "not"].iter().any(|key| map.contains_key(*key))
    {
        return false;
    }
    // A reference stands alone.
    if map.contains_key("$ref") {
        map.retain(|key, _| key == "$ref" || key == "definitions");
    }
    map.remove("default");
    if has_other_format(map) {
        map.remove("format");
    }
    if let Some(choices) = map.remove("oneOf") {
        map.insert("anyOf".into(), choices);
    }
    if map.contains_key("type") {
        if has_type(map, "array") && !map.get("items").is_some_and(Value::is_object) {
            return false;
        }
        if has_type(map, "object") && !make_strict_object(map) {
            return false;
        }
    } else if !["anyOf", "enum", "const", "$ref"].iter().any(|key| map.contains_key(*key)) {
        return false;
    }
    map.iter_mut().all(|(key, value)| match (key.as_str(), value) {
        ("items", value) => make_strict(value),
        ("anyOf", Value::Array(list)) => list.iter_mut().all(make_strict),
        ("properties" | "definitions", Value::Object(map)) => map.values_mut().all(make_strict),
        _ => true,
    })
}

fn make_strict_object(map: &mut Map<String, Value>) -> bool {
    if map.get("additionalProperties").is_some_and(|more| *more != false) {
        return false;
    }
    let properties = map.entry("properties").or_insert_with(|| json!({}));
    let names: Vec<Value> =
        properties.as_object().into_iter().flat_map(Map::keys).map(|key| json!(key)).collect();
    map.insert("required".into(), names.into());
    map.insert("additionalProperties".into(), false.into());
    true
}

/// Whether a schema is in the form that [vendors enforce to the
/// letter](https://platform.openai.com/docs/guides/structured-outputs#supported-schemas): every object
/// is closed, and every property required.
///
/// ```
/// use serde_json::json;
///
/// let mut place = json!({
///     "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
/// });
/// assert!(!chatlas_core::schema::is_strict(&place));
/// place["additionalProperties"] = false.into();
/// assert!(chatlas_core::schema::is_strict(&place));
/// ```
pub fn is_strict(schema: &Value) -> bool {
    let Some(object) = schema.as_object() else { return true };
    if let Some(properties) = object.get("properties").and_then(Value::as_object) {
        let required = object.get("required").and_then(Value::as_array);
        let Some(required) = required else { return false };
        let closed = object.get("additionalProperties") == Some(&Value::Bool(false));
        let all = properties.keys().all(|name| required.iter().any(|r| r == name.as_str()));
        if !closed || !all || !properties.values().all(is_strict) {
            return false;
        }
    } else if object.get("type").is_some_and(|kind| kind == "object") {
        return false;
    }
    if ["oneOf", "allOf", "prefixItems"].iter().any(|key| object.contains_key(*key)) {
        return false;
    }
    if has_other_format(object) {
        return false;
    }
    // A reference stands alone.
    if object.contains_key("$ref") && object.len() > 1 {
        return false;
    }
    let within =
        ["items", "anyOf", "definitions", "$defs"].iter().filter_map(|key| object.get(*key));
    within.into_iter().all(|inner| match inner {
        Value::Array(list) => list.iter().all(is_strict),
        Value::Object(map) if !map.contains_key("type") && !map.contains_key("anyOf") => {
            map.values().all(is_strict)
        }
        one => is_strict(one),
    })
}

fn has_other_format(map: &Map<String, Value>) -> bool {
    map.get("format").is_some_and(|format| !FORMATS.iter().any(|known| format == known))
}

fn has_type(map: &Map<String, Value>, name: &str) -> bool {
    match map.get("type") {
        Some(Value::String(kind)) => kind == name,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(mut schema: Value) -> Option<Value> {
        make_strict(&mut schema).then_some(schema)
    }

    #[test]
    fn a_tuple_says_what_its_items_are_for_vendors_that_know_no_tuples() {
        let pair = of_part::<(f64, f64)>(&mut generator());
        assert_eq!(pair["items"], json!({"type": "number"}));
        let mixed = of_part::<Vec<(String, u8)>>(&mut generator());
        let any = json!([{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 255}]);
        assert_eq!(mixed["items"]["items"]["anyOf"], any, "{mixed}");
        assert_eq!(mixed["items"]["prefixItems"], any);
    }

    #[test]
    fn formats_of_rust_alone_are_left_out() {
        let numbers = of_part::<(Option<u16>, Vec<f32>, i64)>(&mut generator());
        assert!(!numbers.to_string().contains("format"), "{numbers}");
    }

    #[test]
    fn strictly_a_reference_stands_alone_and_formats_are_known_ones() {
        let node = json!({"$ref": "#/definitions/Node", "description": "The left one."});
        assert_eq!(strict(node), Some(json!({"$ref": "#/definitions/Node"})));
        let page = json!({"type": "string", "format": "uri"});
        assert_eq!(strict(page), Some(json!({"type": "string"})));
        let day = json!({"type": "string", "format": "date"});
        assert_eq!(strict(day.clone()), Some(day));
    }

    #[test]
    fn only_a_closed_schema_is_strict() {
        let closed = json!({
            "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": "array", "items": {"type": "string"}}},
        });
        assert!(is_strict(&closed));
        for refused in [
            json!({"type": "string", "format": "uri"}),
            json!({"type": "integer", "format": "uint8"}),
            json!({"type": "array", "items": {}, "prefixItems": [{"type": "string"}]}),
            json!({"$ref": "#/definitions/Node", "description": "The left one."}),
        ] {
            let mut schema = closed.clone();
            schema["properties"] = json!({"refused": refused});
            schema["required"] = json!(["refused"]);
            assert!(!is_strict(&schema), "{schema}");
        }
        let mut open = closed.clone();
        open["additionalProperties"] = json!(true);
        assert!(!is_strict(&open));
        let mut optional = closed.clone();
        optional["required"] = json!([]);
        assert!(!is_strict(&optional));
        let mut map_within = closed.clone();
        map_within["properties"]["a"] = json!({"type": "object"});
        assert!(!is_strict(&map_within));
        let mut deep = closed.clone();
        deep["properties"]["a"]["items"] = open;
        assert!(!is_strict(&deep));
    }
}
