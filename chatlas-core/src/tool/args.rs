//! The arguments of a `#[tool]` function: one JSON schema for its parameters, and the conversion of
//! the model's JSON values into Rust values. Called by macro expansions.

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Map, Value, json};

use super::ToolError;
use crate::coerce::kind;
use crate::content::{MAX_NESTING, is_nested_deeper};
use crate::schema::{generator, of_part};

/// A type that a `#[tool]` function can take as a parameter from the model.
///
/// Implemented for every type that implements `serde::Deserialize` and `schemars::JsonSchema`;
/// derive both.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a tool",
    label = "a parameter implements `serde::Deserialize` and `schemars::JsonSchema`",
    note = "derive both for `{Self}`, or write `#[state]` in front of the parameter if the app \
            supplies the value"
)]
pub trait ToolParameter: Sized {
    #[doc(hidden)]
    const TYPE: ParameterType<Self>;
}

impl<T: JsonSchema + for<'de> Deserialize<'de>> ToolParameter for T {
    const TYPE: ParameterType<T> = ParameterType {
        schema: of_part::<T>,
        // `Option`, under whatever alias, is the type that deserializes from a missing value.
        optional: || T::deserialize(Argument(None)).is_ok(),
        read: T::deserialize,
    };
}

/// The operations of a [`ToolParameter`] type, as function pointers.
pub struct ParameterType<T> {
    schema: fn(&mut SchemaGenerator) -> Value,
    optional: fn() -> bool,
    read: fn(Argument) -> serde_json::Result<T>,
}

/// A parameter of a tool without its Rust type: its name, documentation and schema.
#[derive(Clone, Copy)]
pub struct Param {
    name: &'static str,
    doc: &'static str,
    schema: fn(&mut SchemaGenerator) -> Value,
    optional: fn() -> bool,
    default: Option<&'static str>,
}

/// A parameter of a tool whose value is a `T`.
pub struct Parameter<T> {
    param: Param,
    read: fn(Argument) -> serde_json::Result<T>,
}

impl<T> Parameter<T> {
    /// Creates a required parameter, or an optional one if `T` is an `Option`.
    pub const fn new(name: &'static str, doc: &'static str, ty: &ParameterType<T>) -> Self {
        let ParameterType { schema, optional, read } = *ty;
        Self { param: Param { name, doc, schema, optional, default: None }, read }
    }

    /// Makes the parameter optional. `default` is the JSON text of the default for the schema;
    /// empty if it cannot be written as JSON.
    #[must_use]
    pub const fn or(mut self, default: &'static str) -> Self {
        self.param.default = Some(default);
        self
    }

    /// Returns the parameter without its Rust type.
    pub const fn untyped(&self) -> Param {
        self.param
    }

    /// Removes the parameter's value from `args` and converts it.
    ///
    /// # Errors
    ///
    /// `invalid_arguments` if the value has another type, or is missing and not optional.
    pub fn take(&self, args: &mut Args) -> Result<T, ToolError> {
        let value = args.0.remove(self.param.name);
        let missing = value.is_none();
        (self.read)(Argument(value)).map_err(|error| self.param.invalid(missing, &error))
    }

    /// Removes the parameter's value from `args` and converts it, or returns the default if the
    /// value is missing, or is a `null` that `T` does not accept.
    ///
    /// # Errors
    ///
    /// `invalid_arguments` if the value has another type.
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

/// Returns the JSON schema of an object with these parameters, subschemas inlined.
pub(super) fn object_schema(params: &[Param]) -> Value {
    let mut generator = generator();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for param in params {
        let mut schema = match (param.schema)(&mut generator) {
            Value::Object(schema) => schema,
            // The schema `true` accepts any value.
            _ => Map::new(),
        };
        // Documentation that is included from a file ends with a newline.
        if !param.doc.is_empty() {
            schema.insert("description".into(), param.doc.trim().into());
        }
        // A default that is no literal has no JSON text.
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

/// The arguments of one call, from which each parameter takes its value.
pub struct Args(Map<String, Value>);

impl Args {
    /// Takes the arguments of a call of the tool with these parameters, which have been coerced.
    ///
    /// # Errors
    ///
    /// `invalid_arguments` if they are not a JSON object, or contain an unknown name.
    pub fn new(arguments: Value, params: &[Param]) -> Result<Self, ToolError> {
        let problem = match arguments {
            Value::Object(map) => {
                refuse_unknown(&map, params)?;
                return Ok(Self(map));
            }
            Value::String(text) => match serde_json::from_str::<Value>(&text) {
                Err(error) => format!("the arguments are not a JSON object: {error}"),
                Ok(value) if is_nested_deeper(&value, MAX_NESTING) => {
                    format!("the arguments are nested more than {MAX_NESTING} levels deep")
                }
                Ok(value) => format!("the arguments must be a JSON object, not {}", kind(&value)),
            },
            other => format!("the arguments must be a JSON object, not {}", kind(&other)),
        };
        Err(invalid(problem))
    }
}

fn refuse_unknown(map: &Map<String, Value>, params: &[Param]) -> Result<(), ToolError> {
    let is_unknown = |name: &&str| !params.iter().any(|param| param.name == *name);
    let unknown: Vec<&str> = map.keys().map(String::as_str).filter(is_unknown).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown = unknown.join("`, `");
    let supported: Vec<&str> = params.iter().map(|param| param.name).collect();
    let supported = supported.join("`, `");
    Err(invalid(if supported.is_empty() {
        format!("unknown argument `{unknown}`: this tool takes none")
    } else {
        format!("unknown argument `{unknown}`: this tool takes `{supported}`")
    }))
}

fn invalid(message: String) -> ToolError {
    ToolError::new(crate::telemetry::names::error::INVALID_ARGUMENTS, message)
}

/// The value of an argument, or `None` if the model did not send one: then only types that accept
/// a missing value, such as `Option`, deserialize from it.
///
/// One deserializer for both cases, so that the code of a type is generated once.
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
