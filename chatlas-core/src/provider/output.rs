//! The JSON schema that a reply has to follow, derived from a Rust type.

use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::schema::{generator, to_strict};

/// The JSON schema that a reply has to follow.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutputSchema {
    /// The name of the schema: letters, digits, `_` and `-`.
    pub name: String,
    /// The JSON schema.
    pub schema: Value,
    /// Whether the vendor enforces the schema exactly (structured outputs).
    pub strict: bool,
}

impl OutputSchema {
    /// Creates a schema that the vendor does not enforce exactly.
    pub fn new(name: impl Into<String>, schema: Value) -> Self {
        Self { name: name.into(), schema, strict: false }
    }

    /// Sets whether the vendor enforces the schema exactly.
    #[must_use]
    pub fn with_strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Returns the schema of a type, with subschemas inlined.
    ///
    /// The schema is strict (every field is required, other fields are rejected, an `Option` may be
    /// null) if the type allows it; maps and `serde_json::Value` do not. A type that is not an
    /// object is wrapped into one, in the field `value`, because vendors accept objects only.
    pub fn for_type<T: JsonSchema>() -> Self {
        schema_of::<T>().0
    }
}

/// The field that holds a value which is not an object.
pub(crate) const WRAPPING: &str = "value";

/// Returns the schema of a type, and whether its value is wrapped into an object.
pub(crate) fn schema_of<T: JsonSchema>() -> (OutputSchema, bool) {
    let mut schema = generator().into_root_schema_for::<T>().to_value();
    let wrapped = !(schema["type"] == "object" && is_closed(&schema));
    if wrapped {
        schema = wrap(schema);
    }
    let exact = to_strict(&schema);
    let strict = exact.is_some();
    let schema = exact.unwrap_or(schema);
    (OutputSchema { name: name_of::<T>(), schema, strict }, wrapped)
}

/// Returns whether an object has a fixed set of fields: neither a map nor a choice of objects.
fn is_closed(schema: &Value) -> bool {
    schema["additionalProperties"].is_null() || schema["additionalProperties"] == false
}

fn wrap(mut inner: Value) -> Value {
    // `$ref`s are resolved from the root.
    let definitions = inner.as_object_mut().and_then(|inner| inner.remove("definitions"));
    let mut outer = json!({
        "type": "object",
        "properties": { WRAPPING: inner },
        "required": [WRAPPING],
        "additionalProperties": false,
    });
    if let Some(definitions) = definitions {
        outer["definitions"] = definitions;
    }
    outer
}

fn name_of<T: JsonSchema>() -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = T::schema_name().chars().map(plain).take(64).collect();
    if name.is_empty() { "answer".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Person {
        /// The full name.
        name: String,
        age: Option<u8>,
        #[serde(default)]
        friends: Vec<Pet>,
        mood: Mood,
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Pet {
        name: String,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code)]
    enum Mood {
        Good,
        /// The degree.
        Bad(u32),
    }

    #[test]
    fn a_struct_has_a_strict_schema_with_everything_inlined() {
        let OutputSchema { name, schema, strict } = OutputSchema::for_type::<Person>();
        assert_eq!((name.as_str(), strict), ("Person", true));
        assert_eq!(schema["required"].as_array().unwrap().len(), 4, "{schema}");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["name"]["description"], "The full name.");
        assert_eq!(schema["properties"]["age"]["type"], json!(["integer", "null"]));
        let pet = &schema["properties"]["friends"]["items"];
        assert_eq!(pet["required"], json!(["name"]), "{schema}");
        assert_eq!(pet["additionalProperties"], false);
        let text = schema.to_string();
        for refused in ["$ref", "oneOf", "default", "\"format\""] {
            assert!(!text.contains(refused), "{refused} in {text}");
        }
    }

    #[test]
    fn a_type_that_is_not_an_object_is_wrapped() {
        for (schema, wrapped) in [
            schema_of::<Vec<Pet>>(),
            schema_of::<String>(),
            schema_of::<Mood>(),
            schema_of::<Option<Pet>>(),
        ] {
            assert!(wrapped && schema.strict, "{schema:?}");
            assert_eq!(schema.schema["type"], "object");
            assert_eq!(schema.schema["required"], json!(["value"]));
            assert!(schema.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        }
        assert!(!schema_of::<Pet>().1);
    }

    #[test]
    fn maps_and_values_are_not_strict() {
        let (map, wrapped) = schema_of::<HashMap<String, u32>>();
        assert!(wrapped && !map.strict, "{map:?}");
        assert!(!OutputSchema::for_type::<Value>().strict);
        assert!(!OutputSchema::for_type::<Vec<Value>>().strict);
        assert!(!OutputSchema::for_type::<(u8, u8)>().strict);
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Tree {
        children: Vec<Tree>,
    }

    #[test]
    fn a_recursive_type_refers_to_its_definition() {
        let (tree, wrapped) = schema_of::<Tree>();
        assert!(tree.strict && !wrapped, "{tree:?}");
        assert_eq!(tree.schema["properties"]["children"]["items"]["$ref"], "#");
        let (trees, wrapped) = schema_of::<Vec<Tree>>();
        assert!(trees.strict && wrapped);
        assert!(trees.schema["definitions"]["Tree"].is_object(), "{trees:?}");
    }
}
