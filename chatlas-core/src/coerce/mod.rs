//! Lenient reading of JSON that a model wrote: a value that does not fit its JSON schema is converted
//! where the schema leaves no doubt about the value that was meant.
//!
//! A value that fits is never changed, and nothing is converted to a string, from which a number or a
//! boolean differs in meaning. What is converted: a number without a fraction to an integer, and a
//! string of JSON to the value that it contains.

mod fits;

use std::fmt;

use serde_json::{Map, Value};

use crate::content::{MAX_NESTING, is_nested_deeper};
use fits::Schemas;

/// The maximum number of conversions that are noted.
const MAX_NOTES: usize = 32;
/// The maximum number of JSON texts within each other: a string of JSON that is a string of JSON.
const MAX_LAYERS: usize = 3;

/// Converts the arguments of a call to an object that fits the schema, as far as that is possible.
/// Returns a note for each conversion: its path and the kinds, never a value.
pub(crate) fn coerce_arguments(arguments: &mut Value, schema: &Value) -> Vec<String> {
    if let Value::Object(_) = arguments {
        return coerce(arguments, schema);
    }
    if is_nothing(arguments) {
        let from = kind(&std::mem::replace(arguments, Value::Object(Map::new())));
        return vec![note(&Path::Root, from, "an object")];
    }
    coerce(arguments, schema)
}

/// Returns whether a model without arguments to send writes this value.
fn is_nothing(arguments: &Value) -> bool {
    match arguments {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::String(text) => matches!(text.trim(), "" | "null" | "[]" | "\"\""),
        _ => false,
    }
}

/// Converts the parts of a value that do not fit its schema, as far as that is possible. Returns a
/// note for each conversion: its path and the kinds, never a value.
pub(crate) fn coerce(value: &mut Value, schema: &Value) -> Vec<String> {
    let mut coercer = Coercer { schemas: Schemas::new(schema), notes: Vec::new() };
    coercer.fit(value, schema, &Path::Root);
    coercer.notes
}

/// Returns whether the kind of a value, not that of its parts, is one that the schema accepts. `root`
/// has the definitions that the schema refers to.
pub(crate) fn accepts_kind(value: &Value, schema: &Value, root: &Value) -> bool {
    Schemas::new(root).accept(value, schema, false)
}

/// Returns the name of a value's kind, for a message.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn note(path: &Path<'_>, from: &str, to: &str) -> String {
    format!("{path}: {from} to {to}")
}

struct Coercer<'s> {
    schemas: Schemas<'s>,
    notes: Vec<String>,
}

impl<'s> Coercer<'s> {
    fn fit(&mut self, value: &mut Value, schema: &'s Value, path: &Path<'_>) {
        if self.schemas.enter() {
            if let Value::Object(schema) = schema {
                self.fit_object_schema(value, schema, path);
            }
            self.schemas.leave();
        }
    }

    fn fit_object_schema(
        &mut self,
        value: &mut Value,
        schema: &'s Map<String, Value>,
        path: &Path<'_>,
    ) {
        if !self.schemas.accept_map(value, schema, false) {
            self.convert(value, schema, path);
        }
        if let Some(target) = self.schemas.target(schema) {
            self.fit(value, target, path);
        }
        for choices in ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(*key)?.as_array()) {
            self.choose(value, choices, path);
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.fit(value, part, path);
        }
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let Some(schema) = fits::item_schema(schema, index) {
                        self.fit(item, schema, &Path::Index(path, index));
                    }
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    match fits::field_schema(schema, name) {
                        Some((schema, true)) => self.fit(field, schema, &Path::Field(path, name)),
                        Some((schema, false)) => self.fit(field, schema, &Path::Entry(path)),
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }

    /// Replaces a value of a kind that the schema does not accept by the value that it denotes.
    fn convert(&mut self, value: &mut Value, schema: &'s Map<String, Value>, path: &Path<'_>) {
        let mut next = denoted(value);
        for _ in 0..MAX_LAYERS {
            let Some(candidate) = next else { return };
            let is_accepted = self.schemas.accept_map(&candidate, schema, false);
            if is_accepted && !self.schemas.are_spent() {
                if self.notes.len() < MAX_NOTES {
                    self.notes.push(note(path, kind(value), kind(&candidate)));
                }
                *value = candidate;
                return;
            }
            next = denoted(&candidate);
        }
    }

    /// Makes a value fit one of several schemas, unless it fits one already or could be made to fit
    /// in several ways.
    fn choose(&mut self, value: &mut Value, choices: &'s [Value], path: &Path<'_>) {
        let mut of_kind = choices.iter().filter(|choice| self.schemas.accept(value, choice, false));
        if let (Some(only), None) = (of_kind.next(), of_kind.next()) {
            return self.fit(value, only, path);
        }
        if choices.iter().any(|choice| self.schemas.accept(value, choice, true)) {
            return;
        }
        let before = self.notes.len();
        let mut found: Option<(Value, Vec<String>)> = None;
        for choice in choices {
            // A schema that refers to itself could otherwise copy a value without end.
            self.schemas.spend(fits::size(value));
            if self.schemas.are_spent() {
                return;
            }
            let mut candidate = value.clone();
            self.fit(&mut candidate, choice, path);
            let notes = self.notes.split_off(before);
            if !self.schemas.accept(&candidate, choice, true) {
                continue;
            }
            match &found {
                None => found = Some((candidate, notes)),
                Some((other, _)) if *other == candidate => {}
                Some(_) => return,
            }
        }
        if let Some((fitting, notes)) = found
            && !self.schemas.are_spent()
        {
            *value = fitting;
            self.notes.extend(notes);
        }
    }
}

/// Returns the value that another value denotes: the integer equal to a number with a decimal point,
/// or the value in a string of JSON.
fn denoted(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().filter(|_| number.is_f64())?;
            to_integer(number).map(Value::from)
        }
        Value::String(text) => {
            let text = text.trim();
            // The booleans of Python.
            let parsed = match text {
                "True" | "TRUE" => Value::Bool(true),
                "False" | "FALSE" => Value::Bool(false),
                _ => serde_json::from_str(text).ok()?,
            };
            (!is_nested_deeper(&parsed, MAX_NESTING)).then_some(parsed)
        }
        _ => None,
    }
}

/// Returns the integer that is equal to a number. A number beyond 2⁵³ may have been rounded.
fn to_integer(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the number is an integer below 2^53")]
    (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64)
}

/// The position of a value. A name of a field is written only if the schema has it: other names are
/// content.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Entry(&'p Path<'p>),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("$"),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Entry(parent) => write!(f, "{parent}.*"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests;
