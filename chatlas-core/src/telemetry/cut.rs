//! Truncates JSON to a maximum size. The result is valid JSON of the same shape, with a note on what
//! was removed.

use serde_json::{Map, Value, json};

use super::json;

/// The smallest limit of an attribute: below it, the shape of a message would not fit.
pub(crate) const MIN_LIMIT: usize = 512;
/// The smallest limit of a part of an attribute.
const MIN_PART_LIMIT: usize = 256;
/// The smallest number of fields of an object that are kept: messages and parts have fewer.
const MIN_FIELDS: usize = 8;

/// Returns the value as JSON text of at most `limit` bytes. Limits below [`MIN_PART_LIMIT`] are
/// raised to it.
pub(super) fn to_text(value: &Value, limit: usize) -> String {
    let limit = limit.max(MIN_PART_LIMIT);
    // A text that alone is too long is not written to find out.
    if longest_text(value) <= limit {
        let text = json::to_text(value);
        if text.len() <= limit {
            return text;
        }
    }
    // Shortens texts and lists more and more until the value fits. Stops before structural fields
    // such as types would be cut.
    let mut longest = limit / 2;
    while longest >= 64 {
        let text = json::to_text(&shortened(value, longest, (longest / 16).max(1)));
        if text.len() <= limit {
            return text;
        }
        longest /= 2;
    }
    let total = value.to_string().len();
    note_in_shape_of(value, &format!("[cut: {total} bytes]")).to_string()
}

/// Returns the number of bytes of the longest text in a value.
fn longest_text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(longest_text).max().unwrap_or(0),
        Value::Object(map) => map.values().map(longest_text).max().unwrap_or(0),
        _ => 0,
    }
}

/// Returns the note alone, in the shape of the value.
fn note_in_shape_of(value: &Value, note: &str) -> Value {
    match value {
        Value::Array(list) => match list.first() {
            Some(first) if first.is_object() => json!([placeholder(first, note)]),
            _ => json!([note]),
        },
        Value::Object(_) => placeholder(value, note),
        _ => note.into(),
    }
}

/// Returns an object of the same form (message, part or tool) that contains the note.
fn placeholder(object: &Value, note: &str) -> Value {
    if object.get("role").is_some() {
        let parts = json!([{"type": "text", "content": note}]);
        let mut message = json!({"role": object["role"], "parts": parts});
        if let Some(reason) = object.get("finish_reason") {
            message["finish_reason"] = reason.clone();
        }
        // A message of the role `tool` contains results only.
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

/// Truncates JSON text to at most `limit` bytes. The result is valid JSON, keeps the shape of the
/// value if possible, and contains a note on what was removed.
///
/// Returns `None` if the text is not valid JSON, or if the note does not fit.
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

/// Returns at most `longest` bytes of the text and, if it is longer, a note on what was removed.
pub(super) fn short_text(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let shown = &text[..end];
    format!("{shown}… [cut: {} of {} bytes]", text.len() - shown.len(), text.len())
}

/// Shortens every text to `longest` bytes and every list to `items` items.
fn shortened(value: &Value, longest: usize, items: usize) -> Value {
    let shorter = |value: &Value| shortened(value, longest, items);
    match value {
        Value::String(text) => short_text(text, longest).into(),
        Value::Array(list) => {
            let mut kept: Vec<Value> = list.iter().take(items).map(shorter).collect();
            if let Some(left @ 1..) = list.len().checked_sub(items) {
                let note = format!("[cut: {left} of {} items]", list.len());
                // The note has the form of the other items: messages, parts or tools.
                let has_form =
                    |first: &&Value| first.get("type").is_some() || first.get("role").is_some();
                kept.push(match list.first().filter(has_form) {
                    Some(first) if first["type"] == "tool_call_response" => {
                        json!({"type": "tool_call_response", "response": note})
                    }
                    Some(first) => placeholder(first, &note),
                    None => note.into(),
                });
            }
            kept.into()
        }
        Value::Object(map) if is_long_blob(map, longest) => {
            let size = map.get("content").and_then(Value::as_str).map_or(0, str::len);
            let kind = map.get("mime_type").and_then(Value::as_str).unwrap_or("base64");
            json!({"type": "text", "content": format!("[cut: {kind}, {size} bytes of base64]")})
        }
        Value::Object(map) => {
            let fields = items.max(MIN_FIELDS);
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

/// Returns whether the object is an image or a document whose data is too long. A part of the data
/// would not be a valid file, so it is replaced by a placeholder.
fn is_long_blob(part: &Map<String, Value>, longest: usize) -> bool {
    part.get("type").is_some_and(|kind| kind == "blob")
        && part.get("content").and_then(Value::as_str).is_some_and(|data| data.len() > longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(value: &Value, limit: usize) -> Value {
        let text = to_text(value, limit);
        assert!(text.len() <= limit.max(MIN_LIMIT), "{} > {limit}", text.len());
        serde_json::from_str(&text).expect("valid JSON")
    }

    #[test]
    fn small_value_is_unchanged() {
        let value = json!({"role": "user", "parts": [{"type": "text", "content": "hi"}]});
        assert_eq!(to_text(&value, 1024), value.to_string());
    }

    #[test]
    fn long_text_is_cut_with_a_note() {
        let value =
            json!({"role": "user", "parts": [{"type": "text", "content": "ä".repeat(5000)}]});
        let shown = cut(&value, 2048);
        let text = shown["parts"][0]["content"].as_str().unwrap();
        assert!(text.starts_with("ääää"));
        assert!(text.ends_with("of 10000 bytes]"), "{text}");
        assert_eq!(shown["role"], "user");
    }

    #[test]
    fn escaped_text_respects_the_limit() {
        for text in ["\u{0}".repeat(4000), "\"".repeat(4000), "\\\n".repeat(4000)] {
            cut(&json!([{"type": "text", "content": text}]), 1000);
        }
    }

    #[test]
    fn long_lists_and_objects_keep_their_first_items() {
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
    fn cut_list_of_parts_has_typed_parts_only() {
        let parts: Vec<Value> =
            (0..500).map(|i| json!({"type": "text", "content": format!("part {i}")})).collect();
        let shown = cut(&parts.into(), 1024);
        for part in shown.as_array().unwrap() {
            assert!(part["type"].is_string() && part["content"].is_string(), "{part}");
        }
    }

    #[test]
    fn cut_image_is_a_placeholder_and_not_a_part_of_its_data() {
        let image = |size| {
            json!({"type": "blob", "modality": "image", "mime_type": "image/png",
                   "content": "A".repeat(size)})
        };
        let parts = json!([{"type": "text", "content": "Look."}, image(400), image(9000)]);
        let shown = cut(&json!([{"role": "user", "parts": parts}]), 2048);
        let parts = &shown[0]["parts"];
        assert_eq!(parts[0]["content"], "Look.");
        assert_eq!(parts[1], image(400));
        let note = "[cut: image/png, 9000 bytes of base64]";
        assert_eq!(parts[2], json!({"type": "text", "content": note}));
    }

    #[test]
    fn deep_nesting_is_replaced_by_a_note() {
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
    fn cut_list_of_messages_has_messages_only() {
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
