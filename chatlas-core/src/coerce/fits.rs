//! Whether a value fits a JSON schema, by the keywords that decide which value was meant: kinds,
//! constants, fields and items. Other keywords, such as bounds and patterns, are ignored.

use serde_json::{Map, Value};

/// The maximum number of schemas that are compared with a value. A schema that refers to itself in
/// several choices could otherwise take exponential time.
const MAX_STEPS: usize = 200_000;
/// The maximum number of schemas within each other on the path to a value.
const MAX_DEPTH: usize = 400;

/// A schema with the definitions that it refers to, and the remaining work.
pub(super) struct Schemas<'s> {
    root: &'s Value,
    steps: usize,
    depth: usize,
}

impl<'s> Schemas<'s> {
    pub(super) fn new(root: &'s Value) -> Self {
        Self { root, steps: MAX_STEPS, depth: 0 }
    }

    /// Returns whether a schema may be applied; if so, [`leave`](Self::leave) must follow.
    pub(super) fn enter(&mut self) -> bool {
        self.spend(1);
        let may = !self.are_spent() && self.depth < MAX_DEPTH;
        self.depth += usize::from(may);
        may
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn spend(&mut self, steps: usize) {
        self.steps = self.steps.saturating_sub(steps);
    }

    /// Returns whether the limit of work is reached. Then nothing more is converted.
    pub(super) fn are_spent(&self) -> bool {
        self.steps == 0
    }

    /// Returns the schema that a schema refers to, if it is in the same document.
    pub(super) fn target(&self, schema: &Map<String, Value>) -> Option<&'s Value> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }

    /// Returns whether a schema accepts a value; if not `deep`, without its fields and items.
    pub(super) fn accept(&mut self, value: &Value, schema: &Value, deep: bool) -> bool {
        match schema {
            Value::Bool(accepts) => *accepts,
            Value::Object(schema) => self.accept_map(value, schema, deep),
            _ => true,
        }
    }

    pub(super) fn accept_map(
        &mut self,
        value: &Value,
        schema: &Map<String, Value>,
        deep: bool,
    ) -> bool {
        if !self.enter() {
            return true;
        }
        let accepts =
            self.accept_here(value, schema, deep) && (!deep || self.accept_parts(value, schema));
        self.leave();
        accepts
    }

    fn accept_here(&mut self, value: &Value, schema: &Map<String, Value>, deep: bool) -> bool {
        if !accepts_type(value, schema) {
            return false;
        }
        if schema.get("const").is_some_and(|only| only != value) {
            return false;
        }
        let list = |key: &str| schema.get(key).and_then(Value::as_array);
        if list("enum").is_some_and(|values| !values.contains(value)) {
            return false;
        }
        if let Some(target) = self.target(schema)
            && !self.accept(value, target, deep)
        {
            return false;
        }
        let mut choices = ["anyOf", "oneOf"].into_iter().filter_map(list);
        choices.all(|choices| choices.iter().any(|choice| self.accept(value, choice, deep)))
            && list("allOf").into_iter().flatten().all(|part| self.accept(value, part, deep))
    }

    fn accept_parts(&mut self, value: &Value, schema: &Map<String, Value>) -> bool {
        match value {
            Value::Array(items) => items.iter().enumerate().all(|(index, item)| {
                item_schema(schema, index).is_none_or(|schema| self.accept(item, schema, true))
            }),
            Value::Object(fields) => {
                let required = schema.get("required").and_then(Value::as_array);
                let mut required = required.into_iter().flatten().filter_map(Value::as_str);
                required.all(|name| fields.contains_key(name) || self.is_optional(schema, name))
                    && fields.iter().all(|(name, field)| {
                        field_schema(schema, name)
                            .is_none_or(|(schema, _)| self.accept(field, schema, true))
                    })
            }
            _ => true,
        }
    }

    /// Returns whether a required field may be `null`: the strict form of a schema requires all
    /// fields, and models without schema enforcement leave them out.
    fn is_optional(&mut self, schema: &Map<String, Value>, name: &str) -> bool {
        field_schema(schema, name).is_some_and(|(field, _)| self.accept(&Value::Null, field, false))
    }
}

/// Returns whether the kind of a value is one of the schema's `type`.
fn accepts_type(value: &Value, schema: &Map<String, Value>) -> bool {
    let accepts = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        // `2.0` is an integer by JSON Schema, but not for serde.
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    match schema.get("type") {
        // The form of OpenAPI for an additional type `null`.
        Some(_) if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) => true,
        Some(Value::String(name)) => accepts(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(accepts),
        _ => true,
    }
}

/// Returns the schema of an item at that index.
pub(super) fn item_schema(schema: &Map<String, Value>, index: usize) -> Option<&Value> {
    let items = schema.get("items");
    // Before 2020, `items` was a list for a tuple.
    let tuple = schema.get("prefixItems").or(items).and_then(Value::as_array);
    tuple.and_then(|schemas| schemas.get(index)).or_else(|| items.filter(|items| !items.is_array()))
}

/// Returns the schema of a field, and whether the schema names the field.
pub(super) fn field_schema<'s>(
    schema: &'s Map<String, Value>,
    name: &str,
) -> Option<(&'s Value, bool)> {
    if let Some(field) = schema.get("properties").and_then(|properties| properties.get(name)) {
        return Some((field, true));
    }
    let is_other = !schema.contains_key("patternProperties");
    let other = schema.get("additionalProperties").filter(|_| is_other)?;
    Some((other, false))
}

/// Returns a measure of the work to copy a value.
pub(super) fn size(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len() / 64,
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| name.len() / 64 + size(field)).sum()
        }
        _ => 0,
    }
}
