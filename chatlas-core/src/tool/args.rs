//! The arguments of a `#[tool]` function: its parameters as one JSON schema, and the values the
//! model gave as Rust values. Called by macro expansions.

use std::fmt;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value, json};

use super::ToolError;

/// One parameter of a tool: its name, its documentation, and its type by way of two functions.
#[derive(Clone, Copy)]
pub struct Param {
    name: &'static str,
    doc: &'static str,
    schema: fn(&mut SchemaGenerator) -> Value,
    optional: fn() -> bool,
}

impl Param {
    /// The parameter of that name and documentation, of type `T`.
    pub const fn of<T: JsonSchema + for<'de> Deserialize<'de>>(
        name: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            doc,
            schema: |generator| generator.subschema_for::<T>().to_value(),
            // `Option`, under whatever alias, is what deserializes from nothing at all.
            optional: || T::deserialize(Absent).is_ok(),
        }
    }
}

/// The JSON schema of an object with those parameters, subschemas inlined.
pub fn object_schema(params: &[Param]) -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for param in params {
        let mut schema = match (param.schema)(&mut generator) {
            Value::Object(schema) => schema,
            // `true`: any value will do.
            _ => Map::new(),
        };
        if !param.doc.is_empty() {
            schema.insert("description".into(), param.doc.into());
        }
        properties.insert(param.name.into(), Value::Object(schema));
        if !(param.optional)() {
            required.push(param.name);
        }
    }
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    // Recursive types cannot be inlined: schemars refers to their definitions.
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        object["definitions"] = Value::Object(definitions);
    }
    object
}

/// The values that the model gave, taken one by one.
pub struct Args(Map<String, Value>);

impl Args {
    /// Those of a call.
    ///
    /// # Errors
    ///
    /// `invalid_arguments` where they are no JSON object.
    pub fn new(arguments: Value) -> Result<Self, ToolError> {
        match arguments {
            Value::Object(map) => Ok(Self(map)),
            // Some vendors send nothing at all for a tool without parameters.
            Value::Null => Ok(Self(Map::new())),
            Value::String(text) if text.trim().is_empty() => Ok(Self(Map::new())),
            Value::String(text) => match serde_json::from_str::<Map<String, Value>>(&text) {
                Ok(map) => Ok(Self(map)),
                Err(error) => Err(invalid(format!("the arguments are not a JSON object: {error}"))),
            },
            other => {
                Err(invalid(format!("the arguments must be a JSON object, not {}", kind(&other))))
            }
        }
    }

    /// Takes the argument of that name.
    ///
    /// # Errors
    ///
    /// `invalid_arguments` where it is missing and not optional, or of another type.
    pub fn take<T: for<'de> Deserialize<'de>>(&mut self, name: &str) -> Result<T, ToolError> {
        match self.0.remove(name) {
            Some(value) => serde_json::from_value(value)
                .map_err(|error| invalid(format!("argument `{name}`: {error}"))),
            None => {
                T::deserialize(Absent).map_err(|_| invalid(format!("argument `{name}` is missing")))
            }
        }
    }

    /// Makes sure that nothing is left over.
    ///
    /// # Errors
    ///
    /// `invalid_arguments`, naming what the tool does not know.
    pub fn finish(self, params: &[Param]) -> Result<(), ToolError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let list = |names: Vec<&str>| names.join("`, `");
        let unknown = list(self.0.keys().map(String::as_str).collect());
        let known = list(params.iter().map(|param| param.name).collect());
        Err(invalid(if params.is_empty() {
            format!("unknown argument `{unknown}`: this tool takes none")
        } else {
            format!("unknown argument `{unknown}`: this tool takes `{known}`")
        }))
    }
}

fn invalid(message: String) -> ToolError {
    ToolError::new(crate::telemetry::names::error::INVALID_ARGUMENTS, message)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A value that is not there: only what can do without one deserializes from it.
struct Absent;

#[derive(Debug)]
struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("missing")
    }
}

impl std::error::Error for Missing {}

impl de::Error for Missing {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Absent {
    type Error = Missing;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Missing> {
        Err(Missing)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Missing> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
