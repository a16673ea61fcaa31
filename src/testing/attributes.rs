//! The attributes of a span, a measurement or an event, as JSON values that are easy to compare.

use std::fmt;
use std::ops::Index;

use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, Key, KeyValue, Value as Attribute};
use serde_json::{Map, Value};

/// Attributes as JSON values by key. Integers, floats, booleans, strings and lists keep their types,
/// and so do the maps of events.
///
/// Indexing returns `null` for a missing key:
///
/// ```
/// # use chatlas::testing::Attributes;
/// # fn example(attributes: &Attributes) {
/// assert_eq!(attributes["gen_ai.request.model"], "gpt-4o");
/// assert_eq!(attributes["gen_ai.usage.input_tokens"], 12);
/// assert!(attributes["error.type"].is_null());
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(Vec<(String, Value)>);

impl Attributes {
    pub(super) fn from_key_values(attributes: &[KeyValue]) -> Self {
        Self(attributes.iter().map(|a| (a.key.to_string(), to_json(&a.value))).collect())
    }

    pub(super) fn from_log<'a>(pairs: impl Iterator<Item = &'a (Key, AnyValue)>) -> Self {
        Self(pairs.map(|(key, value)| (key.to_string(), log_value_to_json(value))).collect())
    }

    /// Returns the value of an attribute.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Parses the string value of an attribute as JSON. Captured content has this form on spans.
    ///
    /// # Panics
    ///
    /// Panics if the attribute is missing or its value is not a string of valid JSON.
    #[track_caller]
    pub fn json(&self, key: &str) -> Value {
        let text = self[key].as_str();
        let text = text.unwrap_or_else(|| panic!("`{key}` is not a string but {}", self[key]));
        serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("`{key}` is not valid JSON: {error}"))
    }

    /// Returns the keys, in the order in which they were recorded.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Returns the keys and values, in the order in which they were recorded.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Returns the number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no attributes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a key that occurs more than once: the SDK does not remove duplicates.
    pub(super) fn duplicate_key(&self) -> Option<&str> {
        let mut keys: Vec<&str> = self.keys().collect();
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

impl Index<&str> for Attributes {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&Value::Null)
    }
}

impl fmt::Display for Attributes {
    /// Writes the attributes as a JSON object, in the order in which they were recorded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (key, value)) in self.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}\"{key}\": {value}")?;
        }
        f.write_str("}")
    }
}

fn to_json(value: &Attribute) -> Value {
    match value {
        Attribute::Bool(flag) => (*flag).into(),
        Attribute::I64(number) => (*number).into(),
        Attribute::F64(number) => (*number).into(),
        Attribute::String(text) => text.as_str().into(),
        Attribute::Array(Array::Bool(list)) => list.clone().into(),
        Attribute::Array(Array::I64(list)) => list.clone().into(),
        Attribute::Array(Array::F64(list)) => list.clone().into(),
        Attribute::Array(Array::String(list)) => {
            list.iter().map(opentelemetry::StringValue::as_str).collect()
        }
        other => other.to_string().into(),
    }
}

fn log_value_to_json(value: &AnyValue) -> Value {
    match value {
        AnyValue::Boolean(flag) => (*flag).into(),
        AnyValue::Int(number) => (*number).into(),
        AnyValue::Double(number) => (*number).into(),
        AnyValue::String(text) => text.as_str().into(),
        AnyValue::Bytes(bytes) => bytes.as_slice().into(),
        AnyValue::ListAny(list) => list.iter().map(log_value_to_json).collect(),
        AnyValue::Map(map) => {
            let fields = map.iter().map(|(key, value)| (key.to_string(), log_value_to_json(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => format!("{other:?}").into(),
    }
}
