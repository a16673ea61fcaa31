//! The schema that a reply has to follow, made from a Rust type.

use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::schema::{generator, make_strict};

/// A schema that the reply has to follow.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSchema {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// The JSON schema.
    pub schema: Value,
    /// Whether the vendor is to enforce the schema to the letter.
    pub strict: bool,
}

impl OutputSchema {
    /// The schema of a type, subschemas inlined. It is strict (all fields required, no others
    /// allowed; an `Option` may be null) where the type allows it: maps and values of any kind do
    /// not. What is no object stands in one, in the field `value`, for vendors take nothing else.
    pub fn of<T: JsonSchema>() -> Self {
        schema_of::<T>().0
    }
}

/// The field in which a value stands that is no object.
pub(crate) const WRAPPING: &str = "value";

/// The schema of a type, and whether its value stands in an object of its own.
pub(crate) fn schema_of<T: JsonSchema>() -> (OutputSchema, bool) {
    let mut schema = generator().into_root_schema_for::<T>().to_value();
    let wrapped = !(schema["type"] == "object" && is_closed(&schema));
    if wrapped {
        schema = wrap(schema);
    }
    let mut exact = schema.clone();
    let strict = make_strict(&mut exact);
    let schema = if strict { exact } else { schema };
    (OutputSchema { name: name_of::<T>(), schema, strict }, wrapped)
}

/// Whether an object has known fields and no others: no map, no choice of objects.
fn is_closed(schema: &Value) -> bool {
    schema["additionalProperties"].is_null() || schema["additionalProperties"] == false
}

fn wrap(mut inner: Value) -> Value {
    // References stand from the root.
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
        /// As it is written.
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
        /// Of some degree.
        Bad(u32),
    }

    #[test]
    fn a_struct_is_a_strict_object_with_everything_in_it() {
        let OutputSchema { name, schema, strict } = OutputSchema::of::<Person>();
        assert_eq!((name.as_str(), strict), ("Person", true));
        assert_eq!(schema["required"].as_array().unwrap().len(), 4, "{schema}");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["name"]["description"], "As it is written.");
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
    fn what_is_no_object_is_put_into_one() {
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
    fn maps_and_any_values_cannot_be_strict() {
        let (map, wrapped) = schema_of::<HashMap<String, u32>>();
        assert!(wrapped && !map.strict, "{map:?}");
        assert!(!OutputSchema::of::<Value>().strict);
        assert!(!OutputSchema::of::<Vec<Value>>().strict);
        assert!(!OutputSchema::of::<(u8, u8)>().strict);
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Tree {
        children: Vec<Tree>,
    }

    #[test]
    fn a_type_that_holds_itself_refers_to_its_definition() {
        let (tree, wrapped) = schema_of::<Tree>();
        assert!(tree.strict && !wrapped, "{tree:?}");
        assert_eq!(tree.schema["properties"]["children"]["items"]["$ref"], "#");
        let (trees, wrapped) = schema_of::<Vec<Tree>>();
        assert!(trees.strict && wrapped);
        assert!(trees.schema["definitions"]["Tree"].is_object(), "{trees:?}");
    }
}
