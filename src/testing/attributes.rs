//! What stands on a span, a measurement or an event, in a form that is easy to compare.

use std::fmt;
use std::ops::Index;

use opentelemetry::logs::AnyValue;
use opentelemetry::{Array, Key, KeyValue, Value as Attribute};
use serde_json::{Map, Value};

/// Attributes by key, as JSON values: a whole number stays one (`as_i64`), and so do other numbers
/// (`as_f64`), texts (`as_str`), lists, and, on events, maps.
///
/// Indexing answers `null` for a key that is not there, so that one line compares:
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
    pub(super) fn of(attributes: &[KeyValue]) -> Self {
        Self(attributes.iter().map(|a| (a.key.to_string(), json_of(&a.value))).collect())
    }

    pub(super) fn of_event<'a>(pairs: impl Iterator<Item = &'a (Key, AnyValue)>) -> Self {
        Self(pairs.map(|(key, value)| (key.to_string(), json_of_any(value))).collect())
    }

    /// The value of that key, if it is there.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// The text of that key, read as JSON: what is captured on spans has that form.
    ///
    /// # Panics
    ///
    /// Where the key is not there, or its value is no JSON text.
    #[track_caller]
    pub fn json(&self, key: &str) -> Value {
        let text = self[key].as_str();
        let text = text.unwrap_or_else(|| panic!("`{key}` is no text, but {}", self[key]));
        serde_json::from_str(text).unwrap_or_else(|error| panic!("`{key}` is no JSON: {error}"))
    }

    /// The keys, in the order they were written.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Keys and values, in the order they were written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key that stands there twice: the SDK hands both on.
    pub(super) fn double(&self) -> Option<&str> {
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
    /// As a JSON object, in the order they were written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (key, value)) in self.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}\"{key}\": {value}")?;
        }
        f.write_str("}")
    }
}

fn json_of(value: &Attribute) -> Value {
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

fn json_of_any(value: &AnyValue) -> Value {
    match value {
        AnyValue::Boolean(flag) => (*flag).into(),
        AnyValue::Int(number) => (*number).into(),
        AnyValue::Double(number) => (*number).into(),
        AnyValue::String(text) => text.as_str().into(),
        AnyValue::Bytes(bytes) => bytes.as_slice().into(),
        AnyValue::ListAny(list) => list.iter().map(json_of_any).collect(),
        AnyValue::Map(map) => {
            let fields = map.iter().map(|(key, value)| (key.to_string(), json_of_any(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => format!("{other:?}").into(),
    }
}
