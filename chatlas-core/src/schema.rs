//! JSON schemas of Rust types: in a form that all vendors accept, and in the strict form.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, ReplaceUnevaluatedProperties};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The string formats that [strict schemas
/// support](https://platform.openai.com/docs/guides/structured-outputs#supported-schemas).
const STRICT_FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// The keywords that strict schemas do not support, and without which a schema has another meaning.
const NEVER_STRICT: [&str; 12] = [
    "allOf",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "patternProperties",
    "prefixItems",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// The keywords that strict schemas do not support, and that only narrow a value: the strict form
/// moves them to the description.
const DESCRIBED: [&str; 9] = [
    "contains",
    "maxContains",
    "maxLength",
    "maxProperties",
    "minContains",
    "minLength",
    "minProperties",
    "propertyNames",
    "uniqueItems",
];

/// Returns a generator that inlines subschemas.
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

/// Returns the schema of a type that is part of a larger schema.
pub(crate) fn of_part<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let mut schema = generator.subschema_for::<T>();
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    schema.to_value()
}

/// Rewrites schema keywords that some vendors reject.
fn portable(schema: &mut Schema) {
    let Some(map) = schema.as_object_mut() else { return };
    // Formats such as `uint8` are specific to Rust, and some vendors reject them.
    if has_type(map, "integer") || has_type(map, "number") {
        map.remove("format");
    }
    // A tuple. Some vendors do not support `prefixItems`; for those that do, the added `items` makes no
    // difference.
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

/// Returns a schema in the [strict
/// form](https://platform.openai.com/docs/guides/structured-outputs#supported-schemas), or `None` if
/// it has none. For providers.
#[doc(hidden)]
pub fn to_strict(schema: &Value) -> Option<Value> {
    let mut exact = schema.clone();
    make_strict(&mut exact).then_some(exact)
}

/// Converts a schema to the [strict
/// form](https://platform.openai.com/docs/guides/structured-outputs#supported-schemas).
///
/// Returns whether that was possible. If not, the schema is left half converted and must be discarded.
fn make_strict(schema: &mut Value) -> bool {
    // The schema `true` accepts any value.
    let Value::Object(map) = schema else { return false };
    if NEVER_STRICT.iter().any(|key| map.contains_key(*key)) {
        return false;
    }
    let removed = DESCRIBED.iter().filter_map(|key| Some((*key, map.remove(*key)?)));
    let described = removed.map(|(key, value)| format!("{}: {value}", words(key))).collect();
    describe(map, described);
    // A reference must have no other keywords.
    if map.contains_key("$ref") {
        map.retain(|key, _| key == "$ref" || key == "definitions");
    }
    map.remove("default");
    if has_unsupported_format(map) {
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

/// Returns a keyword as words: `unique items` for `uniqueItems`.
fn words(keyword: &str) -> String {
    let words = keyword.chars().flat_map(|c| {
        let space = c.is_ascii_uppercase().then_some(' ');
        space.into_iter().chain([c.to_ascii_lowercase()])
    });
    words.collect()
}

/// Adds keywords that a vendor does not enforce to the description of a schema, where the model reads
/// them. For providers.
#[doc(hidden)]
pub fn describe(schema: &mut Map<String, Value>, mut keywords: Vec<String>) {
    if keywords.is_empty() {
        return;
    }
    keywords.sort();
    let before = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{before}\n\n{{{}}}", keywords.join(", "));
    schema.insert("description".to_owned(), description.trim_start().into());
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

/// Returns whether a schema is in the [strict
/// form](https://platform.openai.com/docs/guides/structured-outputs#supported-schemas): every object is
/// closed, and every property is required.
///
/// ```
/// use serde_json::json;
///
/// let mut address = json!({
///     "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
/// });
/// assert!(!chatlas_core::schema::is_strict(&address));
/// address["additionalProperties"] = false.into();
/// assert!(chatlas_core::schema::is_strict(&address));
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
    let mut unsupported = ["default", "oneOf"].iter().chain(&NEVER_STRICT).chain(&DESCRIBED);
    if unsupported.any(|key| object.contains_key(*key)) {
        return false;
    }
    if has_unsupported_format(object) {
        return false;
    }
    // A reference must have no other keywords.
    if object.contains_key("$ref") && object.len() > 1 {
        return false;
    }
    let inner_schemas =
        ["items", "anyOf", "definitions", "$defs"].iter().filter_map(|key| object.get(*key));
    inner_schemas.into_iter().all(|inner| match inner {
        Value::Array(list) => list.iter().all(is_strict),
        Value::Object(map) if !map.contains_key("type") && !map.contains_key("anyOf") => {
            map.values().all(is_strict)
        }
        one => is_strict(one),
    })
}

fn has_unsupported_format(map: &Map<String, Value>) -> bool {
    map.get("format")
        .is_some_and(|format| !STRICT_FORMATS.iter().any(|supported| format == supported))
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

    #[allow(clippy::needless_pass_by_value)]
    fn strict(schema: Value) -> Option<Value> {
        to_strict(&schema)
    }

    #[test]
    fn tuple_schema_has_items_beside_prefix_items() {
        let pair = of_part::<(f64, f64)>(&mut generator());
        assert_eq!(pair["items"], json!({"type": "number"}));
        let mixed = of_part::<Vec<(String, u8)>>(&mut generator());
        let any = json!([{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 255}]);
        assert_eq!(mixed["items"]["items"]["anyOf"], any, "{mixed}");
        assert_eq!(mixed["items"]["prefixItems"], any);
    }

    #[test]
    fn rust_specific_formats_are_removed() {
        let numbers = of_part::<(Option<u16>, Vec<f32>, i64)>(&mut generator());
        assert!(!numbers.to_string().contains("format"), "{numbers}");
    }

    #[test]
    fn make_strict_keeps_only_supported_formats_and_bare_references() {
        let node = json!({"$ref": "#/definitions/Node", "description": "The left one."});
        assert_eq!(strict(node), Some(json!({"$ref": "#/definitions/Node"})));
        let page = json!({"type": "string", "format": "uri"});
        assert_eq!(strict(page), Some(json!({"type": "string"})));
        let day = json!({"type": "string", "format": "date"});
        assert_eq!(strict(day.clone()), Some(day));
    }

    #[test]
    fn make_strict_moves_unsupported_limits_to_the_description() {
        let tags = json!({"type": "array", "items": {"type": "string", "minLength": 1},
            "uniqueItems": true, "description": "The tags."});
        let written = json!({"type": "array",
            "items": {"type": "string", "description": "{min length: 1}"},
            "description": "The tags.\n\n{unique items: true}"});
        let found = strict(tags).unwrap();
        assert_eq!(found, written);
        assert!(is_strict(&found));
        for key in NEVER_STRICT {
            assert_eq!(strict(json!({"type": "string", (key): {}})), None, "{key}");
        }
    }

    #[test]
    fn is_strict_rejects_open_objects_and_optional_properties() {
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
            json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}),
            json!({"type": "string", "maxLength": 3}),
            json!({"type": "string", "default": "a"}),
            json!({"type": "string", "not": {"enum": ["a"]}}),
            json!({"anyOf": [{"type": "object", "patternProperties": {"^a": {"type": "string"}}}]}),
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
