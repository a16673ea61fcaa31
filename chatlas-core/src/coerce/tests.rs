//! Which values are converted, and which keep their meaning.

use serde_json::{Value, json};

use super::*;

fn coerced(mut value: Value, schema: &Value) -> Value {
    coerce(&mut value, schema);
    value
}

/// A schema and the value that is meant.
fn meant() -> Vec<(Value, Value)> {
    let point = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"],
        "additionalProperties": false});
    let label = json!({"type": "object", "properties": {"label": {"type": "string"}},
        "required": ["label"], "additionalProperties": false});
    let tagged = |tag: &str, field: &Value| {
        json!({"type": "object", "properties": {"kind": {"const": tag}, "value": field},
            "required": ["kind", "value"]})
    };
    vec![
        (json!({"type": "integer"}), json!(2)),
        (json!({"type": "integer", "minimum": 0}), json!(-7)),
        (json!({"type": "integer"}), json!(u64::MAX)),
        (json!({"type": "number"}), json!(2.5)),
        (json!({"type": ["integer", "null"]}), json!(30)),
        (json!({"type": ["integer", "null"]}), json!(null)),
        (json!({"type": "integer", "nullable": true}), json!(null)),
        (json!({"type": "boolean"}), json!(true)),
        (json!({"enum": [1, 2, 3]}), json!(2)),
        (json!({"anyOf": [{"type": "boolean"}, {"type": "null"}]}), json!(false)),
        (json!({"type": "string"}), json!("30")),
        (json!({"type": "string"}), json!("true")),
        (json!({"type": "string"}), json!("[1]")),
        (json!({"type": ["string", "integer"]}), json!("30")),
        (json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}), json!("30")),
        (json!({"enum": ["1", "2"]}), json!("1")),
        (json!({"type": "array", "items": {"type": "string"}}), json!(["1", "a"])),
        (json!({"type": "array", "items": {"type": "integer"}}), json!([1, 2])),
        (
            json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}),
            json!([1, "2"]),
        ),
        (json!({"type": "object", "additionalProperties": {"type": "integer"}}), json!({"a": 1})),
        (json!({"type": "object", "additionalProperties": {"type": "string"}}), json!({"a": "1"})),
        (json!({"$ref": "#/definitions/P", "definitions": {"P": point}}), json!({"x": 3})),
        (
            json!({"type": "array", "items": {"$ref": "#/$defs/P"}, "$defs": {"P": point}}),
            json!([{"x": 3}, {"x": 4}]),
        ),
        (json!({"anyOf": [point, label]}), json!({"x": 3})),
        (json!({"anyOf": [point, label]}), json!({"label": "3"})),
        (
            json!({"oneOf": [tagged("n", &json!({"type": "integer"})),
            tagged("s", &json!({"type": "string"}))]}),
            json!({"kind": "n", "value": 5}),
        ),
        (
            json!({"oneOf": [tagged("n", &json!({"type": "integer"})),
            tagged("s", &json!({"type": "string"}))]}),
            json!({"kind": "s", "value": "5"}),
        ),
        (json!({"allOf": [point]}), json!({"x": 3})),
        (json!({}), json!("30")),
        (json!(true), json!("30")),
        (json!({"type": "object"}), json!({"anything": "5"})),
    ]
}

/// The ways to write each number, boolean, array and object of a value differently.
fn misprints(value: &Value) -> Vec<Value> {
    let mut list = Vec::new();
    match value {
        Value::Number(number) => {
            list.push(json!(number.to_string()));
            list.push(json!(format!(" {number} ")));
            if let Some(number) = number.as_i64() {
                #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
                list.extend([json!(number as f64), json!(format!("{number}.0"))]);
            }
        }
        Value::Bool(true) => list.extend([json!("true"), json!("True"), json!("TRUE")]),
        Value::Bool(false) => list.extend([json!("false"), json!("False")]),
        Value::Array(items) => {
            list.extend([json!(value.to_string()), json!(json!(value.to_string()).to_string())]);
            for (index, item) in items.iter().enumerate() {
                for misprint in misprints(item) {
                    let mut copy = value.clone();
                    copy[index] = misprint;
                    list.extend([json!(copy.to_string()), copy]);
                }
            }
        }
        Value::Object(fields) => {
            list.extend([json!(value.to_string()), json!(json!(value.to_string()).to_string())]);
            for (name, field) in fields {
                for misprint in misprints(field) {
                    let mut copy = value.clone();
                    copy[name] = misprint;
                    list.extend([json!(copy.to_string()), copy]);
                }
            }
        }
        Value::Null | Value::String(_) => {}
    }
    list
}

#[test]
fn a_value_that_fits_is_unchanged() {
    for (schema, value) in meant() {
        assert_eq!(coerced(value.clone(), &schema), value, "{schema}");
    }
}

#[test]
fn every_misprint_becomes_the_meant_value() {
    for (schema, value) in meant() {
        let accepts_all = schema == json!({}) || schema == json!(true);
        let is_open = schema == json!({"type": "object"});
        for misprint in misprints(&value) {
            let read = coerced(misprint.clone(), &schema);
            if accepts_all || misprint.is_object() && is_open {
                assert_eq!(read, misprint, "{schema}: any value is meant");
            } else if value == json!({"anything": "5"}) {
                assert!(read == value || read == misprint, "{schema}: {misprint} became {read}");
            } else {
                assert_eq!(read, value, "{schema}: {misprint}");
            }
        }
    }
}

#[test]
fn values_with_another_meaning_are_unchanged() {
    for (schema, value) in [
        (json!({"type": "integer"}), json!(2.5)),
        (json!({"type": "integer"}), json!("2.5")),
        (json!({"type": "integer"}), json!("2 days")),
        (json!({"type": "integer"}), json!("")),
        (json!({"type": "integer"}), json!(1e300)),
        (json!({"type": "integer"}), json!("36893488147419103232")),
        (json!({"type": "integer"}), json!(true)),
        (json!({"type": "boolean"}), json!("yes")),
        (json!({"type": "boolean"}), json!(1)),
        (json!({"type": "string"}), json!(30)),
        (json!({"type": "string"}), json!(null)),
        (json!({"type": "array", "items": {"type": "string"}}), json!("a, b")),
        (json!({"type": "array"}), json!("a")),
        (json!({"type": "array"}), json!({"a": 1})),
        (json!({"type": "object"}), json!("{broken")),
        (json!({"enum": ["celsius"]}), json!("Celsius")),
        (json!({"$ref": "https://example.com/schema"}), json!("3")),
        (json!({"$ref": "#"}), json!("3")),
        // Two objects are possible.
        (
            json!({"anyOf": [
                {"type": "object", "properties": {"n": {"type": "integer"}}},
                {"type": "object", "properties": {"n": {"type": "boolean"}, "m": {"type": "integer"}}},
            ]}),
            json!({"n": "x", "m": "3"}),
        ),
    ] {
        assert_eq!(coerced(value.clone(), &schema), value, "{schema}");
    }
}

#[test]
fn a_choice_is_converted_although_optional_fields_are_missing() {
    let field = json!({"type": ["string", "null"]});
    let object = |tag: &str, kind: &str| {
        json!({"type": "object", "required": ["tag", "n", "more"], "properties": {
            "tag": {"const": tag}, "n": {"type": kind}, "more": field}})
    };
    let optional = json!({"anyOf": [object("a", "integer"), {"type": "null"}]});
    let tagged = json!({"oneOf": [object("a", "integer"), object("b", "string")]});
    for schema in [optional, tagged] {
        let value = json!({"tag": "a", "n": "3"});
        assert_eq!(coerced(value, &schema), json!({"tag": "a", "n": 3}), "{schema}");
    }
}

#[test]
fn no_arguments_are_an_empty_object() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    for nothing in
        [json!(null), json!([]), json!(""), json!(" "), json!("[]"), json!("{}"), json!({})]
    {
        let mut arguments = nothing.clone();
        coerce_arguments(&mut arguments, &schema);
        assert_eq!(arguments, json!({}), "{nothing}");
    }
    for other in [json!([1]), json!("a"), json!(0), json!(false)] {
        let mut arguments = other.clone();
        assert!(coerce_arguments(&mut arguments, &schema).is_empty());
        assert_eq!(arguments, other);
    }
}

#[test]
fn notes_have_paths_and_kinds_without_values() {
    let schema = json!({"type": "object", "properties": {
        "days": {"type": "integer"},
        "list": {"type": "array", "items": {"type": "boolean"}},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    }});
    let mut value = json!({"days": 3.0, "list": ["true"], "counts": {"secret": "41"}});
    let notes = coerce(&mut value, &schema);
    assert_eq!(value, json!({"days": 3, "list": [true], "counts": {"secret": 41}}));
    let mut notes: Vec<&str> = notes.iter().map(String::as_str).collect();
    notes.sort_unstable();
    let expected = [
        "$.counts.*: a string to an integer",
        "$.days: a number to an integer",
        "$.list[0]: a string to a boolean",
    ];
    assert_eq!(notes, expected);
    let mut many = json!(vec!["1"; 1000]);
    assert_eq!(coerce(&mut many, &json!({"items": {"type": "integer"}})).len(), MAX_NOTES);
    assert_eq!(many, json!(vec![1; 1000]));
}

#[test]
fn schemas_that_refer_to_themselves_end() {
    let endless = json!({"$ref": "#/definitions/A", "definitions": {
        "A": {"$ref": "#/definitions/B"}, "B": {"$ref": "#/definitions/A"}}});
    assert_eq!(coerced(json!("3"), &endless), json!("3"));
    // Each level has two choices that differ at the bottom only.
    let node = |leaf: &str| json!({"type": "object", "properties": {"next": {"$ref": "#"}, "leaf": {"type": leaf}}});
    let schema = json!({"anyOf": [node("integer"), node("boolean")]});
    let mut value = json!({"leaf": "neither"});
    for _ in 0..90 {
        value = json!({"next": value, "leaf": "neither"});
    }
    let started = std::time::Instant::now();
    assert_eq!(coerced(value.clone(), &schema), value);
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn json_in_a_string_is_not_read_beyond_the_nesting_bound() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let schema = json!({"type": "array"});
    assert!(coerced(json!(nested(MAX_NESTING)), &schema).is_array());
    assert!(coerced(json!(nested(MAX_NESTING + 1)), &schema).is_string());
}
