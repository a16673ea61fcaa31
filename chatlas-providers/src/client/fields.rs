//! Views that write JSON without building a tree of it.

use std::borrow::Cow;

use chatlas_core::content::ToolOutcome;
use chatlas_core::{ModelParams, ProviderError, ProviderErrorKind, Reasoning};
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The fields of an object. The fields of `extra` override the others.
pub(crate) struct Fields<'a, M> {
    map: M,
    extra: Option<&'a Map<String, Value>>,
    /// The fields of `extra` that are written.
    merged: Vec<&'static str>,
    /// The only fields that are written, if that is set.
    only: Option<&'static [&'static str]>,
}

impl<'a, M: SerializeMap> Fields<'a, M> {
    pub(crate) fn new<S: Serializer<SerializeMap = M>>(
        serializer: S,
        extra: Option<&'a Map<String, Value>>,
    ) -> Result<Self, S::Error>
    where
        M: SerializeMap<Ok = S::Ok, Error = S::Error>,
    {
        let map = serializer.serialize_map(None)?;
        Ok(Self {
            map,
            extra: extra.filter(|extra| !extra.is_empty()),
            merged: Vec::new(),
            only: None,
        })
    }

    /// Restricts the fields that are written, those of `extra` included.
    pub(crate) fn only(self, only: Option<&'static [&'static str]>) -> Self {
        Self { only, ..self }
    }

    fn is_written(&self, name: &str) -> bool {
        self.only.is_none_or(|only| only.contains(&name))
    }

    pub(crate) fn set<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if self.extra.is_some_and(|extra| extra.contains_key(name)) || !self.is_written(name) {
            return Ok(());
        }
        self.map.serialize_entry(name, value)
    }

    // Callers have fields of that type.
    #[allow(clippy::ref_option)]
    pub(crate) fn set_some<T: Serialize>(
        &mut self,
        name: &'static str,
        value: &Option<T>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) => self.set(name, value),
            None => Ok(()),
        }
    }

    /// Like [`set`](Self::set), but an object in `extra` overrides only the fields that it names.
    pub(crate) fn merge<T: Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        let Some(Value::Object(more)) = self.extra.and_then(|extra| extra.get(name)) else {
            return self.set(name, value);
        };
        let mut merged = serde_json::to_value(value).map_err(M::Error::custom)?;
        if let Value::Object(fields) = &mut merged {
            fields.extend(more.clone());
        }
        self.merged.push(name);
        self.map.serialize_entry(name, &merged)
    }

    /// Writes the fields of an object, except those that are named.
    pub(crate) fn set_all(
        &mut self,
        object: &Map<String, Value>,
        except: &[&str],
    ) -> Result<(), M::Error> {
        let mut fields = object.iter().filter(|(name, _)| !except.contains(&name.as_str()));
        fields.try_for_each(|(name, value)| self.map.serialize_entry(name, value))
    }

    pub(crate) fn end(mut self) -> Result<M::Ok, M::Error> {
        for (name, value) in self.extra.into_iter().flatten() {
            if !self.merged.contains(&name.as_str()) && self.is_written(name) {
                self.map.serialize_entry(name, value)?;
            }
        }
        self.map.end()
    }
}

/// Writes a view as the body of a request.
pub(crate) fn write(body: &mut Vec<u8>, view: &impl Serialize) -> Result<(), ProviderError> {
    serde_json::to_writer(body, view).map_err(|error| not_written(&error))
}

/// Writes a view as a fragment of a body.
pub(crate) fn fragment(view: &impl Serialize) -> Result<Box<RawValue>, ProviderError> {
    serde_json::value::to_raw_value(view).map_err(|error| not_written(&error))
}

fn not_written(error: &serde_json::Error) -> ProviderError {
    let message = format!("the request cannot be written as JSON: {error}");
    ProviderError::new(ProviderErrorKind::InvalidRequest, message)
}

/// Returns the arguments of a call as an object, the only form that all vendors accept. A string that
/// contains an object is that object; other arguments, such as JSON that was cut off, are wrapped.
pub(crate) fn arguments(value: &Value) -> Cow<'_, Map<String, Value>> {
    let raw = match value {
        Value::Object(arguments) => return Cow::Borrowed(arguments),
        Value::Null => return Cow::Owned(Map::new()),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(arguments) => return Cow::Owned(arguments),
            Err(_) => text.clone(),
        },
        other => other.to_string(),
    };
    Cow::Owned(Map::from_iter([("INVALID_JSON".to_owned(), raw.into())]))
}

/// The arguments of a call as an object.
pub(crate) struct Arguments<'a>(pub(crate) &'a Value);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        arguments(self.0).serialize(serializer)
    }
}

/// The arguments of a call as the JSON text of an object.
pub(crate) struct ArgumentsText<'a>(pub(crate) &'a Value);

impl Serialize for ArgumentsText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match arguments(self.0) {
            Cow::Borrowed(_) => serializer.collect_str(self.0),
            Cow::Owned(object) => serializer.collect_str(&Value::Object(object)),
        }
    }
}

/// JSON as a string. A string is written verbatim: it is what a model wrote that is not JSON.
pub(crate) struct JsonText<'a>(pub(crate) &'a Value);

impl Serialize for JsonText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) => serializer.serialize_str(text),
            value => serializer.collect_str(value),
        }
    }
}

/// The text of a tool's result.
pub(crate) struct ModelText<'a>(pub(crate) &'a ToolOutcome);

impl Serialize for ModelText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ToolOutcome::Value(value) => JsonText(value).serialize(serializer),
            ToolOutcome::Error(message) => serializer.serialize_str(message),
            outcome => serializer.serialize_str(&outcome.to_model_text()),
        }
    }
}

/// The `data:` URL of base64.
pub(crate) struct DataUrl<'a> {
    pub(crate) mime_type: &'a str,
    pub(crate) data: &'a str,
}

impl Serialize for DataUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("data:{};base64,{}", self.mime_type, self.data))
    }
}

/// Returns an error that names the first parameter which is set although the API does not have it.
pub(crate) fn refuse(api: &str, set: &[(&str, bool)]) -> Result<(), ProviderError> {
    match set.iter().find(|(_, set)| *set) {
        None => Ok(()),
        Some((name, _)) => Err(ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("{api} has no parameter `{name}`: leave it unset"),
        )),
    }
}

/// Refuses a budget for reasoning, where the API has levels only.
pub(crate) fn check_levels(api: &str, params: &ModelParams) -> Result<(), ProviderError> {
    match params.reasoning {
        Some(Reasoning::Budget(_)) => Err(unsupported_reasoning(&format!(
            "{api} has no budget for reasoning: set a level, such as `Reasoning::High`"
        ))),
        _ => Ok(()),
    }
}

/// Creates the error of a reasoning setting that an API does not have.
pub(crate) fn unsupported_reasoning(message: &str) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Unsupported, message)
}

/// Writes each view as a fragment of a body.
pub(crate) fn fragments<T: Serialize>(
    views: impl IntoIterator<Item = T>,
) -> Result<Vec<Box<RawValue>>, ProviderError> {
    views.into_iter().map(|view| fragment(&view)).collect()
}
