//! The arguments of a `#[tool]` function: its parameters as one JSON schema, and the values the
//! model gave as Rust values. Called by macro expansions.

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value, json};

use super::ToolError;
use super::function::Spec;
use crate::schema::{generator, of_part};

/// What a tool may take as a parameter.
#[diagnostic::on_unimplemented(
    message = "the model cannot send a `{Self}`",
    label = "a parameter of a tool implements `serde::Deserialize` and `schemars::JsonSchema`",
    note = "derive both for it, or write `#[state]` in front of the parameter where the app \
            supplies it"
)]
pub trait Input: JsonSchema + for<'de> Deserialize<'de> {}
impl<T: JsonSchema + for<'de> Deserialize<'de>> Input for T {}

/// One parameter of a tool: its name, its documentation, and its type by way of two functions.
#[derive(Clone, Copy)]
pub struct Param {
    name: &'static str,
    doc: &'static str,
    schema: fn(&mut SchemaGenerator) -> Value,
    optional: fn() -> bool,
    default: Option<&'static str>,
}

/// A parameter together with its type, which is held against `Input` here and nowhere else.
pub struct Parameter<T> {
    param: Param,
    read: fn(Argument) -> serde_json::Result<T>,
}

/// The parameter of that name and documentation, of type `T`.
pub const fn parameter<T: Input>(name: &'static str, doc: &'static str) -> Parameter<T> {
    let param = Param {
        name,
        doc,
        schema: of_part::<T>,
        // `Option`, under whatever alias, is what deserializes from nothing at all.
        optional: || T::deserialize(Argument(None)).is_ok(),
        default: None,
    };
    Parameter { param, read: T::deserialize }
}

impl<T> Parameter<T> {
    /// The same, which the model may leave out. The default is JSON, to be shown in the schema;
    /// empty where it cannot be shown.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.param.default = Some(default);
        self
    }

    /// Its line in the schema.
    pub const fn untyped(&self) -> Param {
        self.param
    }

    /// Its value, out of what the model gave.
    ///
    /// # Errors
    ///
    /// `invalid_arguments` where it is missing and not optional, or of another type.
    pub fn take(&self, args: &mut Args) -> Result<T, ToolError> {
        let value = args.0.remove(self.param.name);
        let missing = value.is_none();
        (self.read)(Argument(value)).map_err(|error| self.param.invalid(missing, &error))
    }

    /// Its value, or the default where the model gave none. A `null` is none as well, unless the
    /// type knows what to make of it.
    ///
    /// # Errors
    ///
    /// `invalid_arguments` where it is of another type.
    pub fn take_or(&self, args: &mut Args, default: impl FnOnce() -> T) -> Result<T, ToolError> {
        match args.0.remove(self.param.name) {
            None => Ok(default()),
            Some(Value::Null) => {
                Ok((self.read)(Argument(Some(Value::Null))).unwrap_or_else(|_| default()))
            }
            value => {
                (self.read)(Argument(value)).map_err(|error| self.param.invalid(false, &error))
            }
        }
    }
}

impl Param {
    fn invalid(&self, missing: bool, error: &serde_json::Error) -> ToolError {
        let name = self.name;
        invalid(if missing {
            format!("argument `{name}` is missing")
        } else {
            format!("argument `{name}`: {error}")
        })
    }
}

/// The JSON schema of an object with those parameters, subschemas inlined.
pub(super) fn object_schema(params: &[Param]) -> Value {
    let mut generator = generator();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for param in params {
        let mut schema = match (param.schema)(&mut generator) {
            Value::Object(schema) => schema,
            // `true`: any value will do.
            _ => Map::new(),
        };
        // One that stands in a file of its own ends with a line's end.
        if !param.doc.is_empty() {
            schema.insert("description".into(), param.doc.trim().into());
        }
        // Not JSON: a default that cannot be shown.
        if let Some(Ok(default)) = param.default.map(serde_json::from_str::<Value>) {
            schema.insert("default".into(), default);
        }
        properties.insert(param.name.into(), Value::Object(schema));
        if param.default.is_none() && !(param.optional)() {
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
    /// Those of a call of that tool.
    ///
    /// # Errors
    ///
    /// `invalid_arguments` where they are no JSON object, or have what the tool does not know.
    pub fn new(arguments: Value, spec: &Spec) -> Result<Self, ToolError> {
        let map = match arguments {
            Value::Object(map) => map,
            // Some vendors send nothing at all for a tool without parameters.
            Value::Null => Map::new(),
            Value::String(text) if text.trim().is_empty() => Map::new(),
            Value::String(text) => serde_json::from_str(&text).map_err(|error| {
                invalid(format!("the arguments are not a JSON object: {error}"))
            })?,
            other => {
                let kind = kind(&other);
                return Err(invalid(format!("the arguments must be a JSON object, not {kind}")));
            }
        };
        known(&map, spec.params())?;
        Ok(Self(map))
    }
}

/// Makes sure that the tool knows each of them.
fn known(map: &Map<String, Value>, params: &[Param]) -> Result<(), ToolError> {
    let unknown = |name: &&str| !params.iter().any(|param| param.name == *name);
    let unknown: Vec<&str> = map.keys().map(String::as_str).filter(unknown).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = unknown.join("`, `");
    let known: Vec<&str> = params.iter().map(|param| param.name).collect();
    let known = known.join("`, `");
    Err(invalid(if known.is_empty() {
        format!("unknown argument `{unknown}`: this tool takes none")
    } else {
        format!("unknown argument `{unknown}`: this tool takes `{known}`")
    }))
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

/// A value that the model gave, or none: only what can do without one deserializes from that.
///
/// One deserializer for both, so that a type's code is generated once.
pub(crate) struct Argument(Option<Value>);

impl Argument {
    fn value(self) -> serde_json::Result<Value> {
        self.0.ok_or_else(|| serde_json::Error::custom("missing"))
    }
}

impl<'de> Deserializer<'de> for Argument {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        self.value()?.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match self.0 {
            Some(value) => value.deserialize_option(visitor),
            None => visitor.visit_none(),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        self.value()?.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        self.value()?.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
