//! The schemas of tools in the form that OpenAI accepts.

use std::borrow::Cow;

use chatlas_core::ToolDefinition;
use chatlas_core::schema::{is_strict, to_strict};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::client::fields::Fields;

/// The schema of a tool's arguments.
pub(crate) struct Parameters<'a>(Cow<'a, Value>);

impl<'a> Parameters<'a> {
    /// Returns the schema of a tool, and whether it is in the strict form. The schema of a strict tool
    /// is converted if that is possible: OpenAI rejects it otherwise.
    pub(crate) fn new(tool: &'a ToolDefinition) -> (Self, bool) {
        if is_strict(&tool.parameters) {
            return (Self(Cow::Borrowed(&tool.parameters)), true);
        }
        let strict = (tool.strict == Some(true)).then(|| to_strict(&tool.parameters)).flatten();
        match strict {
            Some(strict) => (Self(Cow::Owned(strict)), true),
            None => (Self(Cow::Borrowed(&tool.parameters)), false),
        }
    }
}

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            // OpenAI requires `properties`, even if there are none.
            Value::Object(schema) if !schema.contains_key("properties") => {
                let mut fields = Fields::new(serializer, Some(schema))?;
                fields.set("properties", &Map::new())?;
                fields.end()
            }
            schema => schema.serialize(serializer),
        }
    }
}
