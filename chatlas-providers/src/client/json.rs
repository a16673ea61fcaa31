//! Lenient types for the JSON of servers. A value of an unexpected kind is read as absent, never as
//! an error, and strings are borrowed from the event where that is possible.
//!
//! A struct of them has `#[serde(default)]`, and `#[serde(borrow)]` on its first field that borrows.
//! On the structs of frequent events, `default` is an attribute of each field: as one of the struct,
//! it creates and drops a second struct. Rare fields of these structs are boxed.
//! Do not use serde's `untagged`, `tag` or `flatten` for replies: they copy the event into a tree.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use chatlas_core::ProviderError;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{malformed, surrogates};
use crate::http::html_title;

/// Parses an event or a body. A UTF-8 check of the complete input is cheaper than one per string.
///
/// serde's derive rejects an object that repeats a key. Such an input is parsed a second time with
/// the last value of each key; `repaired` owns its text, so declare it before the result.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    data: &'a [u8],
    repaired: &'a mut String,
) -> Result<T, ProviderError> {
    // Some servers write a byte order mark, which JSON does not allow.
    let data = data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data);
    let text = std::str::from_utf8(data)
        .map_err(|error| malformed(&format!("it is not valid UTF-8 ({error})")))?;
    // serde's message contains the position, never the text.
    let not_json = |error: serde_json::Error| match html_title(text) {
        Some(page) => malformed(&format!("it is {page}")),
        None => malformed(&format!("it is not valid JSON ({error})")),
    };
    match serde_json::from_str(text) {
        Err(error) if error.is_data() => {
            let value: Value = serde_json::from_str(text).map_err(not_json)?;
            *repaired = value.to_string();
            serde_json::from_str(repaired).map_err(not_json)
        }
        Err(error) => match surrogates::replaced(text.as_bytes()) {
            Cow::Borrowed(_) => Err(not_json(error)),
            // An event inside an event of AWS: others have been repaired before.
            Cow::Owned(json) => {
                *repaired = String::from_utf8_lossy(&json).into_owned();
                serde_json::from_str(repaired).map_err(not_json)
            }
        },
        Ok(read) => Ok(read),
    }
}

/// Parses an event or a body into a tree, which is `null` if it is not JSON. For errors, which are
/// rare and have many forms.
pub(crate) fn tree(data: &[u8]) -> Value {
    serde_json::from_slice(data.trim_ascii()).unwrap_or_default()
}

/// Returns the error of a body that is JSON, but not of the form of this protocol.
pub(crate) fn unexpected(expected: &str, data: &[u8]) -> ProviderError {
    let found = match tree(data) {
        Value::Null => "`null`".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(fields) => {
            // The names of fields are short and contain no content; others are not quoted.
            let is_name = |name: &&String| {
                name.len() <= 32 && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
            };
            let names: Vec<&str> =
                fields.keys().filter(is_name).take(5).map(String::as_str).collect();
            format!("an object with `{}`", names.join("`, `"))
        }
    };
    malformed(&format!("expected {expected}, found {found}"))
}

/// A string.
// `Option<Cow<str>>` is not enough: serde's derive copies what is inside an `Option`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

impl Text<'_> {
    /// Returns the string, or an empty one.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns the string unless it is absent or empty.
    pub(crate) fn non_empty(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// Returns an owned copy unless the string is absent or empty.
    pub(crate) fn to_owned(&self) -> Option<String> {
        self.non_empty().map(str::to_owned)
    }
}

/// A name or an id, which some servers write as a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Label<'a>(pub(crate) Text<'a>);

/// A count, which some servers write as a string or with a decimal point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count(pub(crate) Option<u64>);

/// A boolean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Flag(pub(crate) Option<bool>);

/// Whether a field is present and not `null`. Its value is not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Present(pub(crate) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<IgnoredAny>::deserialize(deserializer).map(|value| Self(value.is_some()))
    }
}

/// A list of objects (or other values). Elements of an unexpected kind are skipped. An object instead
/// of the list is its only element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// An object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// A string, or any other value: servers differ in the type of a message's content and of a call's
/// arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Mixed<'a> {
    /// The field is missing or `null`.
    #[default]
    None,
    /// A string.
    Text(Cow<'a, str>),
    /// A number, a boolean, a list or an object.
    Other(Value),
}

impl Mixed<'_> {
    /// Returns the string, or an empty one.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::None | Self::Other(_) => "",
        }
    }
}

/// The JSON text of a field that is kept unchanged or parsed later, if it is present and not
/// `null`.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

/// Parses a field that was kept as text. Returns `null` if it is missing.
pub(crate) fn value(raw: Raw<'_>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// Parses a field that was kept as text into a borrowing type.
pub(crate) fn parse<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// The arguments of a tool call: an object, or the string that the model wrote if it is not valid
/// JSON. An empty string and `null` mean no arguments.
pub(crate) fn arguments(text: &str) -> Value {
    let read = if text.trim().is_empty() {
        Value::Null
    } else {
        serde_json::from_str(text)
            .or_else(|_| serde_json::from_slice(&surrogates::replaced(text.as_bytes())))
            .unwrap_or_else(|_| text.into())
    };
    if read.is_null() { Value::Object(Map::new()) } else { read }
}

/// A type that is read from any JSON: a value of an unexpected kind becomes the default.
trait Lenient<'de>: Default {
    fn from_bool(_: bool) -> Self {
        Self::default()
    }

    fn from_i64(_: i64) -> Self {
        Self::default()
    }

    fn from_u64(_: u64) -> Self {
        Self::default()
    }

    fn from_f64(_: f64) -> Self {
        Self::default()
    }

    fn from_text(_: Cow<'de, str>) -> Self {
        Self::default()
    }

    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

/// The visitor of all lenient types.
struct As<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> Visitor<'de> for As<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::from_bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::from_i64(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::from_u64(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<T, E> {
        Ok(T::from_f64(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<T, E> {
        Ok(T::from_text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::from_text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        T::from_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }
}

macro_rules! deserialize {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(As::<$type>(PhantomData))
            }
        }
    };
}

deserialize!(['de: 'a, 'a] Text<'a>);
deserialize!(['de: 'a, 'a] Label<'a>);
deserialize!(['de] Count);
deserialize!(['de] Flag);
deserialize!(['de, T: Deserialize<'de>] List<T>);
deserialize!(['de, T: Deserialize<'de>] Maybe<T>);
deserialize!(['de: 'a, 'a] Mixed<'a>);

impl<'de: 'a, 'a> Lenient<'de> for Text<'a> {
    fn from_text(text: Cow<'de, str>) -> Self {
        Self(Some(text))
    }
}

impl<'de: 'a, 'a> Lenient<'de> for Label<'a> {
    fn from_u64(number: u64) -> Self {
        Self(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn from_text(text: Cow<'de, str>) -> Self {
        Self(Text(Some(text)))
    }
}

impl<'de> Lenient<'de> for Count {
    fn from_u64(count: u64) -> Self {
        Self(Some(count))
    }

    fn from_f64(count: f64) -> Self {
        Self(count.to_string().parse().ok())
    }

    fn from_text(text: Cow<'de, str>) -> Self {
        let text = text.trim();
        Self(text.parse().ok().or_else(|| Self::from_f64(text.parse().ok()?).0))
    }
}

impl Lenient<'_> for Flag {
    fn from_bool(flag: bool) -> Self {
        Self(Some(flag))
    }
}

impl<'de, T: Deserialize<'de>> Lenient<'de> for List<T> {
    fn from_seq<A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut list = Vec::new();
        while let Some(Maybe(item)) = seq.next_element::<Maybe<T>>()? {
            list.extend(item);
        }
        Ok(Self(list))
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|item| Self(vec![item]))
    }
}

impl<'de, T: Deserialize<'de>> Lenient<'de> for Maybe<T> {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Self(Some(value)))
    }
}

impl<'de: 'a, 'a> Lenient<'de> for Mixed<'a> {
    fn from_bool(value: bool) -> Self {
        Self::Other(value.into())
    }

    fn from_i64(value: i64) -> Self {
        Self::Other(value.into())
    }

    fn from_u64(value: u64) -> Self {
        Self::Other(value.into())
    }

    fn from_f64(value: f64) -> Self {
        Self::Other(value.into())
    }

    fn from_text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }

    fn from_seq<A: SeqAccess<'de>>(seq: A) -> Result<Self, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(seq)).map(Self::Other)
    }

    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Outer<'a> {
        #[serde(borrow, default)]
        text: Text<'a>,
        #[serde(default)]
        count: Count,
        #[serde(default)]
        list: List<Inner<'a>>,
        #[serde(borrow, default)]
        mixed: Mixed<'a>,
        #[serde(borrow, default)]
        object: Maybe<Inner<'a>>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner<'a> {
        #[serde(borrow, default)]
        text: Text<'a>,
    }

    #[test]
    fn strings_are_borrowed() {
        let json = r#"{"text":"x","count":"7","list":[{"text":"l"},3],"mixed":"m","object":{"text":"in"}}"#;
        let mut repaired = String::new();
        let read: Outer<'_> = read(json.as_bytes(), &mut repaired).unwrap();
        assert!(matches!(read.text.0, Some(Cow::Borrowed("x"))));
        assert!(matches!(read.mixed, Mixed::Text(Cow::Borrowed("m"))));
        assert!(matches!(read.object.0.unwrap().text.0, Some(Cow::Borrowed("in"))));
        assert_eq!(read.count.0, Some(7));
        assert_eq!(read.list.0.len(), 1);
        assert_eq!(read.list.0[0].text.as_str(), "l");
    }

    #[test]
    fn a_value_of_an_unexpected_kind_is_absent() {
        for wrong in ["null", "1", "-1", "1.5", "true", "[1,{}]", r#"{"z":[1]}"#, r#""s""#] {
            let fields = ["text", "count", "list", "mixed", "object"];
            let fields = fields.map(|key| format!("\"{key}\":{wrong}")).join(",");
            let mut repaired = String::new();
            read::<Outer<'_>>(format!("{{{fields}}}").as_bytes(), &mut repaired).unwrap();
        }
    }

    #[test]
    fn the_last_value_of_a_repeated_key_wins() {
        let mut repaired = String::new();
        let read: Outer<'_> = read(br#"{"text":"a","text":"b"}"#, &mut repaired).unwrap();
        assert_eq!(read.text.as_str(), "b");
    }

    #[test]
    fn invalid_input_is_an_error_without_its_text() {
        for invalid in [&b"{\"text\":\"secret"[..], b"secret", b"3", b"\xff\xfe"] {
            let mut repaired = String::new();
            let error = read::<Outer<'_>>(invalid, &mut repaired).unwrap_err();
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
}
