//! JSON within a bound: what is too large is cut so that it stays valid JSON, keeps its shape, and
//! says that it was cut.

use serde_json::{Map, Value, json};

/// The least bound of an attribute: below it not even the shape would have room.
pub(crate) const LEAST: usize = 512;
/// The least bound of a part of one.
const LEAST_OF_A_PART: usize = 256;
/// The fewest fields of an object that are kept: the form's own are fewer.
const FEWEST_FIELDS: usize = 8;

/// The value as JSON text of at most `limit` bytes (at least [`LEAST_OF_A_PART`]).
pub(super) fn to_text(value: &Value, limit: usize) -> String {
    let limit = limit.max(LEAST_OF_A_PART);
    let text = value.to_string();
    if text.len() <= limit {
        return text;
    }
    let whole = text.len();
    drop(text);
    // Ever shorter texts and lists, until it fits. Never so short that words of the form suffer.
    let mut longest = limit / 2;
    while longest >= 64 {
        let text = shortened(value, longest, (longest / 16).max(1)).to_string();
        if text.len() <= limit {
            return text;
        }
        longest /= 2;
    }
    bare(value, &format!("[cut: {whole} bytes]")).to_string()
}

/// What is left where nothing of the content has room: a note, in the shape of the value.
fn bare(value: &Value, note: &str) -> Value {
    match value {
        Value::Array(list) => match list.first() {
            Some(first) if first.is_object() => json!([stand_in(first, note)]),
            _ => json!([note]),
        },
        Value::Object(_) => stand_in(value, note),
        _ => note.into(),
    }
}

/// An object of that one's form (a message, a part, a tool) that says no more than the note.
fn stand_in(object: &Value, note: &str) -> Value {
    if object.get("role").is_some() {
        let parts = json!([{"type": "text", "content": note}]);
        let mut message = json!({"role": object["role"], "parts": parts});
        if let Some(reason) = object.get("finish_reason") {
            message["finish_reason"] = reason.clone();
        }
        // In a message of results there is nothing else.
        if object["role"] == "tool" {
            message["parts"] = json!([{"type": "tool_call_response", "response": note}]);
        }
        message
    } else if object.get("type").is_some() {
        json!({"type": "text", "name": "cut", "content": note})
    } else {
        json!({ "[cut]": note })
    }
}

/// JSON text cut to at most `limit` bytes so that it stays valid JSON, keeps its shape as far as
/// there is room, and says that it was cut. `None` where that cannot be: the text is no JSON, or
/// not even the note has room.
///
/// ```
/// use chatlas_core::telemetry::shortened_json;
///
/// let text = format!(r#"[{{"role": "user", "content": "{}"}}]"#, "long ".repeat(1000));
/// let short = shortened_json(&text, 600).unwrap();
/// assert!(short.len() <= 600 && short.contains("[cut: "));
/// assert_eq!(shortened_json("no JSON", 600), None);
/// ```
pub fn shortened_json(text: &str, limit: usize) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let short = to_text(&value, limit);
    if short.len() <= limit {
        return Some(short);
    }
    let note = json!(format!("[cut: {} bytes]", text.len())).to_string();
    (note.len() <= limit).then_some(note)
}

/// A text of at most `longest` bytes and a note on what is missing.
pub(super) fn short_text(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let shown = &text[..text.floor_char_boundary(longest)];
    format!("{shown}… [cut: {} of {} bytes]", text.len() - shown.len(), text.len())
}

fn shortened(value: &Value, longest: usize, items: usize) -> Value {
    let shorter = |value: &Value| shortened(value, longest, items);
    match value {
        Value::String(text) => short_text(text, longest).into(),
        Value::Array(list) => {
            let mut kept: Vec<Value> = list.iter().take(items).map(shorter).collect();
            if let Some(left @ 1..) = list.len().checked_sub(items) {
                let note = format!("[cut: {left} of {} items]", list.len());
                // A list of messages, of parts or of tools stays one.
                let formed =
                    |first: &&Value| first.get("type").is_some() || first.get("role").is_some();
                kept.push(match list.first().filter(formed) {
                    Some(first) if first["type"] == "tool_call_response" => {
                        json!({"type": "tool_call_response", "response": note})
                    }
                    Some(first) => stand_in(first, &note),
                    None => note.into(),
                });
            }
            kept.into()
        }
        Value::Object(map) => {
            let fields = items.max(FEWEST_FIELDS);
            let mut kept: Map<String, Value> =
                map.iter().take(fields).map(|(key, value)| (key.clone(), shorter(value))).collect();
            if let Some(left @ 1..) = map.len().checked_sub(fields) {
                kept.insert("[cut]".into(), format!("{left} of {} fields", map.len()).into());
            }
            kept.into()
        }
        small => small.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(value: &Value, limit: usize) -> Value {
        let text = to_text(value, limit);
        assert!(text.len() <= limit.max(LEAST), "{} > {limit}", text.len());
        serde_json::from_str(&text).expect("valid JSON")
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let value = json!({"role": "user", "parts": [{"type": "text", "content": "hi"}]});
        assert_eq!(to_text(&value, 1024), value.to_string());
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        let value =
            json!({"role": "user", "parts": [{"type": "text", "content": "ä".repeat(5000)}]});
        let shown = cut(&value, 2048);
        let text = shown["parts"][0]["content"].as_str().unwrap();
        assert!(text.starts_with("ääää"));
        assert!(text.ends_with("of 10000 bytes]"), "{text}");
        assert_eq!(shown["role"], "user");
    }

    #[test]
    fn texts_that_grow_by_escapes_fit_too() {
        for text in ["\u{0}".repeat(4000), "\"".repeat(4000), "\\\n".repeat(4000)] {
            cut(&json!([{"type": "text", "content": text}]), 1000);
        }
    }

    #[test]
    fn long_lists_and_wide_objects_keep_their_beginning() {
        let numbers: Vec<u32> = (0..100_000).collect();
        let shown = cut(&json!({ "list": numbers }), 1024);
        assert_eq!(shown["list"][0], 0);
        let last = shown["list"].as_array().unwrap().last().unwrap();
        assert!(last.as_str().unwrap().contains("of 100000 items"), "{last}");
        let wide: Map<String, Value> =
            (0..5000).map(|i| (format!("key{i:05}"), json!(i))).collect();
        let shown = cut(&wide.into(), 1024);
        assert!(shown["[cut]"].as_str().unwrap().ends_with("of 5000 fields"));
    }

    #[test]
    fn parts_and_tools_stay_a_list_of_typed_objects() {
        let parts: Vec<Value> =
            (0..500).map(|i| json!({"type": "text", "content": format!("part {i}")})).collect();
        let shown = cut(&parts.into(), 1024);
        for part in shown.as_array().unwrap() {
            assert!(part["type"].is_string() && part["content"].is_string(), "{part}");
        }
    }

    #[test]
    fn deep_nesting_ends_as_a_note() {
        let mut value = json!("x".repeat(3000));
        for _ in 0..100 {
            value = json!({ "some quite long name of a field": value });
        }
        let is_note = |value: &Value| value.as_str().unwrap().starts_with("[cut: ");
        assert!(is_note(&cut(&value, 512)["[cut]"]));
        let call = json!({"type": "tool_call", "name": "look", "arguments": value});
        let message = json!({"role": "assistant", "parts": [call], "finish_reason": "stop"});
        let shown = cut(&json!([message]), 512);
        assert_eq!(shown[0]["finish_reason"], "stop");
        assert!(is_note(&shown[0]["parts"][0]["content"]), "{shown}");
    }

    #[test]
    fn a_list_of_messages_stays_one() {
        let message = |n| {
            let parts = json!([{"type": "text", "content": format!("choice {n}")}]);
            json!({"role": "assistant", "parts": parts, "finish_reason": "stop"})
        };
        let shown = cut(&(0..200).map(message).collect(), 1024);
        for message in shown.as_array().unwrap() {
            assert!(message["role"] == "assistant" && message["parts"].is_array(), "{message}");
        }
    }
}
