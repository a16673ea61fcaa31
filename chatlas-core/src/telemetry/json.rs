//! Writes JSON text. The strings of captured content are long, and most of their bytes need no escape:
//! those are found in chunks, which is several times as fast as one by one.

use std::fmt::Write as _;

use serde_json::Value;

/// Returns a value as JSON text, as `serde_json` writes it.
pub(super) fn to_text(value: &Value) -> String {
    let mut text = String::with_capacity(estimated_size(value));
    write(&mut text, value);
    text
}

/// Returns the size of the JSON text if nothing is escaped and the numbers are short.
fn estimated_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| estimated_size(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            let field = |(key, value): (&String, _)| key.len() + 4 + estimated_size(value);
            fields.iter().map(field).sum::<usize>() + 2
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 5,
    }
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
        // Writing to a string cannot fail.
        Value::Null | Value::Bool(_) | Value::Number(_) => _ = write!(out, "{value}"),
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some((plain, special, after)) = split_at_special(rest) {
        out.push_str(plain);
        match special {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control => _ = write!(out, "\\u{:04x}", u32::from(control)),
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}

/// Splits a text at the first character that JSON escapes.
fn split_at_special(text: &str) -> Option<(&str, char, &str)> {
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let mut start = 0;
    for chunk in text.as_bytes().chunks(32) {
        // Without an early end, so that the compiler vectorizes the loop.
        if chunk.iter().fold(false, |any, byte| any | is_special(byte)) {
            let at = start + chunk.iter().position(is_special)?;
            let (plain, rest) = text.split_at_checked(at)?;
            let mut rest = rest.chars();
            return Some((plain, rest.next()?, rest.as_str()));
        }
        start += chunk.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_the_same_as_that_of_serde_json() {
        let every_ascii: String = (0..=0x7f_u8).map(char::from).collect();
        let mut values = vec![
            json!(null),
            json!([true, -3, u64::MAX, 0.5, f64::MAX, f64::MIN, [], {}]),
            json!({"a \"quoted\" key\n": {"ä": "漢字 🦀"}, "b": [[""]]}),
            json!(every_ascii),
        ];
        // An escape at every position within and across chunks.
        for position in 0..70 {
            for special in ['"', '\\', '\n', '\u{1}', 'ä', '🦀'] {
                let mut text = "x".repeat(position);
                text.push(special);
                text.push_str(&"ö".repeat(40));
                text.push(special);
                values.push(text.into());
            }
        }
        for value in values {
            assert_eq!(to_text(&value), value.to_string());
        }
    }
}
