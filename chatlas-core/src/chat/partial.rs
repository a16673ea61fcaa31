//! Partial values of an answer that is still arriving: completes the JSON that a text begins with.

use serde::Deserialize as _;
use serde_json::Value;

use super::answer;
use crate::provider::output::WRAPPING;

/// A text is parsed again when it has grown by this fraction, so that the total cost is linear in the
/// length of the text.
const GROWTH: usize = 16;

/// The text of an answer so far.
#[derive(Default)]
pub(super) struct Partial {
    text: String,
    /// Whether the value is a field of an object.
    wrapped: bool,
    /// The position of the first bracket of the value.
    start: Option<usize>,
    /// The length of the text when it was last parsed.
    parsed: usize,
}

impl Partial {
    pub(super) fn new(wrapped: bool) -> Self {
        Self { wrapped, ..Self::default() }
    }

    /// Forgets the text: another reply begins.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.wrapped);
    }

    /// Adds a piece of text. Returns the value so far, if the text has grown enough.
    pub(super) fn push(&mut self, piece: &str) -> Option<Value> {
        self.text.push_str(piece);
        if self.text.len() < self.parsed + (self.parsed / GROWTH).max(1) {
            return None;
        }
        self.parsed = self.text.len();
        if self.start.is_none() {
            self.start = answer::start_of_value(&self.text);
        }
        let json = complete(self.text.get(self.start?..)?);
        // Only the first value is read: a closing fence or a sentence may follow.
        let mut value = Value::deserialize(&mut serde_json::Deserializer::from_str(&json)).ok()?;
        if !self.wrapped {
            return Some(value);
        }
        match value.as_object_mut() {
            Some(object) if object.is_empty() => None,
            Some(object) => object.remove(WRAPPING).or(Some(value)),
            None => Some(value),
        }
    }
}

/// Returns the JSON that a text begins with, with its open strings, lists and objects closed. A
/// number, a literal, a key or an escape sequence that may be incomplete is removed.
fn complete(text: &str) -> String {
    let mut open: Vec<char> = Vec::new();
    // The start of the string that is open, and of its last escape sequence.
    let (mut string, mut escape) = (None, None);
    let mut is_escaped = false;
    // Whether a string would be a key, and the end of what is complete.
    let (mut is_key, mut end) = (false, 0);
    for (position, byte) in text.bytes().enumerate() {
        if string.is_some() {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => {
                    is_escaped = true;
                    // A surrogate pair is one sequence.
                    escape = escape
                        .filter(|start| position == start + 6 && is_first_half(&text[*start..]))
                        .or(Some(position));
                }
                b'"' => {
                    string = None;
                    if !is_key {
                        end = position + 1;
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => (string, escape) = (Some(position), None),
            b'{' | b'[' => {
                open.push(if byte == b'{' { '}' } else { ']' });
                (is_key, end) = (byte == b'{', position + 1);
            }
            b'}' | b']' => {
                open.pop();
                end = position + 1;
                if open.is_empty() {
                    break;
                }
            }
            b':' => is_key = false,
            b',' => (is_key, end) = (open.last() == Some(&'}'), position),
            _ => {}
        }
    }
    let mut json = String::with_capacity(text.len() + open.len() + 1);
    if string.is_some() && !is_key {
        let cut = escape.filter(|start| is_incomplete(&text[*start..])).unwrap_or(text.len());
        json.push_str(&text[..cut]);
        json.push('"');
    } else {
        json.push_str(&text[..end]);
    }
    json.extend(open.iter().rev());
    json
}

/// Returns whether a text begins with the first half of a surrogate pair: `\ud83d`.
fn is_first_half(text: &str) -> bool {
    let digits = text.strip_prefix("\\u").and_then(|rest| rest.get(..4));
    let code = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    code.is_some_and(|code| (0xD800..0xDC00).contains(&code))
}

/// Returns whether the escape sequence that a text begins with is incomplete.
fn is_incomplete(text: &str) -> bool {
    let length = if is_first_half(text) { 12 } else { 6 };
    match text.as_bytes().get(1) {
        None => true,
        Some(b'u') => text.len() < length,
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Returns the prefixes of a text that end between characters.
    fn prefixes(text: &str) -> impl Iterator<Item = &str> {
        text.char_indices().map(|(index, _)| &text[..index]).skip(1).chain([text])
    }

    #[test]
    fn every_prefix_of_a_document_is_completed() {
        let value = json!({"a \"b\"": "c \\ \" \n ö", "list": [1, -2.5e3, [], {}, [{"x": null}]],
            "on": true, "off": false, "deep": {"er": {"est": "🙂"}}});
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let escaped = value.to_string().replace('🙂', "\\ud83d\\ude42").replace('ö', "\\u00f6");
        for text in [value.to_string(), pretty, escaped] {
            for prefix in prefixes(&text) {
                let json = complete(prefix);
                serde_json::from_str::<Value>(&json).unwrap_or_else(|error| {
                    panic!("{error}: {prefix} was completed to {json}");
                });
            }
            assert_eq!(serde_json::from_str::<Value>(&complete(&text)).unwrap(), value);
        }
    }

    #[test]
    fn incomplete_numbers_literals_and_keys_are_omitted() {
        for (text, expected) in [
            (r#"{"a": 3"#, "{}"),
            (r#"{"a": 36,"#, r#"{"a": 36}"#),
            (r#"{"a": tru"#, "{}"),
            (r#"{"a": "b", "c"#, r#"{"a": "b"}"#),
            (r#"{"a": "b", "c":"#, r#"{"a": "b"}"#),
            (r#"{"a": "b"#, r#"{"a": "b"}"#),
            (r#"{"a": "b\u00"#, r#"{"a": "b"}"#),
            ("[1, 2", "[1]"),
            ("[1]\n``", "[1]"),
        ] {
            assert_eq!(complete(text), expected, "{text}");
        }
    }

    #[test]
    fn long_texts_are_parsed_a_bounded_number_of_times() {
        let text = json!({"text": "word ".repeat(20_000)}).to_string();
        let mut partial = Partial::default();
        let parsed: usize = prefixes(&text)
            .filter_map(|prefix| partial.push(&prefix[prefix.len() - 1..]).map(|_| prefix.len()))
            .sum();
        assert!(parsed <= (GROWTH + 2) * text.len(), "{parsed} bytes for {}", text.len());
    }

    #[test]
    fn thinking_and_fences_are_skipped() {
        let mut partial = Partial::default();
        assert_eq!(partial.push("<think>Maybe {\"a\": 1}?"), None);
        assert_eq!(partial.push("</think>\n```json\n{\"a\": [\"b"), Some(json!({"a": ["b"]})));
    }

    #[test]
    fn wrapped_values_are_unwrapped() {
        let mut partial = Partial::new(true);
        assert_eq!(partial.push("{\"value\": "), None);
        assert_eq!(partial.push("[\"a\", \"b"), Some(json!(["a", "b"])));
        partial.clear();
        assert_eq!(partial.push("[\"a"), Some(json!(["a"])));
    }
}
