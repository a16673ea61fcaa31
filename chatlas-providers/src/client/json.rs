//! Lenient types for the JSON of servers. A value of an unexpected kind is read as absent, never as
//! an error, and strings are borrowed from the event where that is possible.
//!
//! Fields are declared with `#[serde(borrow, default)]` (`Count` and `Flag` need no `borrow`).
//! Do not use serde's `untagged`, `tag` or `flatten` for replies: they copy the event into a tree.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use chatlas_core::ProviderError;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::malformed;

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
    let not_json = |error: serde_json::Error| malformed(&format!("it is not valid JSON ({error})"));
    match serde_json::from_str(text) {
        Err(error) if error.is_data() => {
            let value: Value = serde_json::from_str(text).map_err(not_json)?;
            *repaired = value.to_string();
            serde_json::from_str(repaired).map_err(not_json)
        }
        result => result.map_err(not_json),
    }
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

/// A count, which some servers write as a string or with a decimal point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count(pub(crate) Option<u64>);

/// A boolean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Flag(pub(crate) Option<bool>);

/// A list of objects (or other values). Elements of an unexpected kind are skipped.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
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
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    };
    if read.is_null() { Value::Object(Map::new()) } else { read }
}

struct As<T>(PhantomData<T>);

/// Visitor methods that read a value of an unexpected kind as absent.
macro_rules! absent {
    ($($kind:ident)*) => { $(absent!(@ $kind);)* };
    (@ bool) => { fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@ i64) => { fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@ u64) => { fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@ f64) => { fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@ str) => { fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok(Self::Value::default()) } };
    (@ seq) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (@ map) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

/// What all visitors have in common: they accept any value, and `null` is absent.
macro_rules! lenient {
    () => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
    };
}

impl<'de> Visitor<'de> for As<Text<'de>> {
    type Value = Text<'de>;

    lenient!();
    absent!(bool i64 u64 f64 seq map);

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(As::<Text<'de>>(PhantomData))
    }
}

impl<'de> Visitor<'de> for As<Count> {
    type Value = Count;

    lenient!();
    absent!(bool i64 seq map);

    fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
        Ok(Count(Some(count)))
    }

    fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
        Ok(Count(count.to_string().parse().ok()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Count, E> {
        Ok(Count(text.trim().parse().ok()))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(As::<Count>(PhantomData))
    }
}

impl<'de> Visitor<'de> for As<Flag> {
    type Value = Flag;

    lenient!();
    absent!(i64 u64 f64 str seq map);

    fn visit_bool<E>(self, flag: bool) -> Result<Flag, E> {
        Ok(Flag(Some(flag)))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(As::<Flag>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for As<List<T>> {
    type Value = List<T>;

    lenient!();
    absent!(bool i64 u64 f64 str map);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(Maybe(item)) = seq.next_element::<Maybe<T>>()? {
            list.extend(item);
        }
        Ok(List(list))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(As::<List<T>>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for As<Maybe<T>> {
    type Value = Maybe<T>;

    lenient!();
    absent!(bool i64 u64 f64 str seq);

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Maybe<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Maybe(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(As::<Maybe<T>>(PhantomData))
    }
}

impl<'de> Visitor<'de> for As<Mixed<'de>> {
    type Value = Mixed<'de>;

    lenient!();

    fn visit_bool<E>(self, value: bool) -> Result<Mixed<'de>, E> {
        Ok(Mixed::Other(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Mixed<'de>, E> {
        Ok(Mixed::Other(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Mixed<'de>, E> {
        Ok(Mixed::Other(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Mixed<'de>, E> {
        Ok(Mixed::Other(value.into()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Mixed<'de>, E> {
        Ok(Mixed::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Mixed<'de>, E> {
        Ok(Mixed::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Mixed<'de>, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(seq)).map(Mixed::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Mixed<'de>, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(Mixed::Other)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Mixed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(As::<Mixed<'de>>(PhantomData))
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
