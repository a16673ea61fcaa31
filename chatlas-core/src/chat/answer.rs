//! Finds the JSON in the text of an answer: in a code fence, after thinking, between sentences.

use serde_json::{Deserializer, Value};

/// The tags around thinking that a server left in the text.
const THINKING: [(&str, &str); 5] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
];
/// The maximum number of brackets that are opened and not closed, of which each may begin a value.
const MAX_UNCLOSED: usize = 16;
/// The markers of a code fence.
const FENCES: [&str; 2] = ["```", "~~~"];

/// Returns the JSON values in a text, the most likely answer first: those in a fence before others,
/// and the last before earlier ones. Thinking is skipped. A value within a broken or unfinished one is
/// not returned.
pub(super) fn values_in(text: &str) -> Vec<Value> {
    let mut scan =
        Scan { rest: text, fence: None, fenced: Vec::new(), plain: Vec::new(), unclosed: 0 };
    while !scan.rest.is_empty() {
        scan.step();
    }
    scan.fenced.into_iter().rev().chain(scan.plain.into_iter().rev()).collect()
}

/// Returns the position of the first bracket after any thinking at the start of a text.
pub(super) fn start_of_value(text: &str) -> Option<usize> {
    let answer = text.trim_start();
    let mut start = text.len() - answer.len();
    if let Some((_, close)) = THINKING.iter().find(|(open, _)| answer.starts_with(open)) {
        start += answer.find(close)? + close.len();
    }
    text.get(start..)?.find(['{', '[']).map(|position| start + position)
}

/// The position in a text, with the values before it.
struct Scan<'t> {
    rest: &'t str,
    /// The marker of the fence that is open.
    fence: Option<&'static str>,
    fenced: Vec<Value>,
    plain: Vec<Value>,
    /// The number of brackets so far that are not closed.
    unclosed: usize,
}

impl Scan<'_> {
    /// Reads on to the next position that matters.
    fn step(&mut self) {
        // All tags, markers and values begin with one of these.
        let is_special = |c: char| "<[{`~".contains(c);
        let start = self.rest.find(is_special).unwrap_or(self.rest.len());
        self.rest = &self.rest[start..];
        for (open, close) in THINKING {
            if let Some(thought) = self.rest.strip_prefix(open) {
                // Thinking without an end goes on to the end of the text.
                self.rest = thought.split_once(close).map_or("", |(_, after)| after);
                return;
            }
            // The prompt template of some models ends with the first tag, which is then not in the text.
            if let Some(after) = self.rest.strip_prefix(close) {
                (self.rest, self.fence) = (after, None);
                (self.fenced, self.plain) = (Vec::new(), Vec::new());
                return;
            }
        }
        for marker in FENCES {
            if let Some(after) = self.rest.strip_prefix(marker) {
                self.rest = after.trim_start_matches(marker.chars().next().unwrap_or_default());
                self.fence = match self.fence {
                    None => {
                        self.enter_fence(marker);
                        Some(marker)
                    }
                    Some(open) if open == marker => None,
                    other => other,
                };
                return;
            }
        }
        if self.rest.starts_with(['{', '[']) {
            self.read_value();
        } else {
            self.skip_char();
        }
    }

    /// Skips the language of a fence, and reads a number or a string that is all of its content.
    fn enter_fence(&mut self, marker: &str) {
        let after_language = self.rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        let end = self.rest.find(marker);
        // On one line, `true` and numbers are content, not a language.
        for content in [self.rest, after_language] {
            let length = end.and_then(|end| end.checked_sub(self.rest.len() - content.len()));
            let content = length.and_then(|length| content.split_at_checked(length));
            if let Some((content, after)) = content
                && let Ok(value) = serde_json::from_str::<Value>(content.trim())
                && !(value.is_array() || value.is_object())
            {
                self.fenced.push(value);
                self.rest = after;
                return;
            }
        }
        self.rest = after_language;
    }

    /// Reads an object or an array, or skips what only begins like one.
    fn read_value(&mut self) {
        let mut values = Deserializer::from_str(self.rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                self.rest = self.rest.get(values.byte_offset()..).unwrap_or_default();
                if self.fence.is_some() { self.fenced.push(value) } else { self.plain.push(value) }
            }
            Some(Err(error)) if error.is_eof() => self.rest = "",
            _ => match end_of_brackets(self.rest) {
                Some(end) => self.rest = self.rest.get(end..).unwrap_or_default(),
                None if self.unclosed == MAX_UNCLOSED => self.rest = "",
                None => {
                    self.unclosed += 1;
                    self.skip_char();
                }
            },
        }
    }

    fn skip_char(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }
}

/// Returns the position after the bracket that closes the first one. Brackets in strings count as
/// text.
fn end_of_brackets(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(position + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn first(text: &str) -> Option<Value> {
        values_in(text).into_iter().next()
    }

    #[test]
    fn json_is_found_in_fences_and_between_sentences() {
        let answer = json!({"city": "Oslo", "notes": ["a }", "```"]});
        for text in [
            format!("```json\n{answer}\n```"),
            format!("```JSON\r\n{answer}\r\n```\r\n"),
            format!("~~~\n{answer}\n~~~"),
            format!("````json\n{answer}\n````"),
            format!("```{answer}```"),
            format!("Here it is:\n\n```json\n{answer}\n```\nAnything else?"),
            format!("Sure! {answer}"),
            format!("{answer}\n\nI hope that helps (see [docs] or {{docs}})."),
            format!("Use {{city}} and [1]. The answer: {answer}."),
            format!("```json\n{answer}"),
        ] {
            assert_eq!(first(&text).as_ref(), Some(&answer), "{text}");
        }
    }

    #[test]
    fn numbers_and_strings_are_found_in_fences_only() {
        assert_eq!(first("```json\n7\n```"), Some(json!(7)));
        assert_eq!(first("```\n\"seven\"\n```"), Some(json!("seven")));
        assert_eq!(first("```7```"), Some(json!(7)));
        assert_eq!(first("The answer is 7."), None);
        assert_eq!(first("```python\n1 + 2\n```"), None);
    }

    #[test]
    fn json_in_thinking_is_skipped() {
        let (draft, answer) = (json!({"city": "Bergen"}), json!({"city": "Oslo"}));
        for text in [
            format!("<think>Is it {draft}?</think>\n{answer}"),
            format!("<think>\n```json\n{draft}\n```\n</think>{answer}"),
            format!("It may be {draft}. </think> {answer}"),
            format!("[THINK]{draft}[/THINK]{answer}"),
            format!("Well. <thinking>{draft}</thinking> So: {answer}"),
        ] {
            assert_eq!(values_in(&text), std::slice::from_ref(&answer), "{text}");
        }
        for text in [format!("<think>{draft}"), format!("<think>{draft}</think>")] {
            assert_eq!(first(&text), None, "{text}");
        }
        let tags = json!({"text": "a </think> b <think>"});
        assert_eq!(first(&format!("So: {tags}")), Some(tags));
    }

    #[test]
    fn the_last_value_in_a_fence_comes_first() {
        let text =
            "{\"n\": 1} ```json\n{\"n\": 2}\n``` or ```json\n{\"n\": 3}\n``` but not {\"n\": 4}";
        let numbers: Vec<Value> = values_in(text).iter().map(|value| value["n"].clone()).collect();
        assert_eq!(numbers, [3, 2, 4, 1].map(Value::from));
    }

    #[test]
    fn long_text_without_json_is_read_in_linear_time() {
        let started = std::time::Instant::now();
        for piece in ["[", "{ ", "<think", "```", "[a]", "<think></think>", "{\"a\": {x} "] {
            assert!(values_in(&piece.repeat(50_000)).is_empty(), "{piece}");
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
    }

    #[test]
    fn a_value_within_a_broken_value_is_not_an_answer() {
        for text in [
            r#"{"name": "Ada", friend: {"name": "Bo"}}"#,
            r#"{"name": "Ada", "friend": {"name": "Bo"}"#,
            r#"The list: [{"name": "Bo"}, {"name": "Cy""#,
        ] {
            assert_eq!(first(text), None, "{text}");
        }
    }
}
