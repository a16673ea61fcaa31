//! Lone surrogates in the escapes of JSON, such as `"\ud83d"`: some servers split a character in two
//! when they split a text, and models write halves of characters. JSON parsers reject them. Here the
//! two halves at the end of one event and at the start of the next become one character, and every
//! other lone surrogate becomes U+FFFD.

use std::borrow::Cow;
use std::ops::Range;

use chatlas_core::ProviderError;
use memchr::memchr;

use super::framing::{Frame, OnFrame};

/// The length of an escape such as `\ud83d`.
const ESCAPE: usize = 6;
/// The escape of U+FFFD, of the same length.
const REPLACEMENT: &[u8; ESCAPE] = b"\\ufffd";

/// A surrogate without its other half.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lone {
    at: usize,
    /// Whether its other half may be in another event: the first half ends a string, or the second
    /// half begins one.
    edge: Option<Edge>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Edge {
    EndsString,
    BeginsString,
}

impl Lone {
    fn range(self) -> Range<usize> {
        self.at..self.at + ESCAPE
    }
}

/// Returns the JSON without lone surrogates.
pub(crate) fn replaced(json: &[u8]) -> Cow<'_, [u8]> {
    let lone = find(json);
    if lone.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut json = json.to_vec();
    replace(&mut json, &lone);
    Cow::Owned(json)
}

fn replace(json: &mut [u8], lone: &[Lone]) {
    for lone in lone {
        if let Some(escape) = json.get_mut(lone.range()) {
            escape.copy_from_slice(REPLACEMENT);
        }
    }
}

/// Returns the lone surrogates of a JSON text, in order.
fn find(json: &[u8]) -> Vec<Lone> {
    let mut found = Vec::new();
    let mut at = 0;
    // The position after the last escape: a quote before it belongs to the string.
    let mut escaped = 0;
    while let Some(next) = json.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        let start = at + next;
        let Some(unit) = unit(json, start) else {
            at = start + 2;
            escaped = at;
            continue;
        };
        at = start + ESCAPE;
        let follows_quote = start > escaped && json.get(start - 1) == Some(&b'"');
        match unit {
            0xd800..=0xdbff if matches!(self::unit(json, at), Some(0xdc00..=0xdfff)) => {
                at += ESCAPE;
            }
            0xd800..=0xdbff => {
                let edge = (json.get(at) == Some(&b'"')).then_some(Edge::EndsString);
                found.push(Lone { at: start, edge });
            }
            0xdc00..=0xdfff => {
                let edge = follows_quote.then_some(Edge::BeginsString);
                found.push(Lone { at: start, edge });
            }
            _ => {}
        }
        escaped = at;
    }
    found
}

/// Returns the code unit of the `\u` escape at that position.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Removes the lone surrogates of the events of a stream.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    /// An event with a string that ends with half a character, as long as its other half may follow.
    held: Option<(String, bool, Vec<u8>)>,
}

impl Joiner {
    /// Passes on an event, after the one that has been held.
    pub(super) fn pass(
        &mut self,
        frame: Frame<'_>,
        on_frame: OnFrame<'_>,
    ) -> Result<(), ProviderError> {
        let mut lone = find(frame.data);
        if self.held.is_none() && lone.is_empty() {
            return on_frame(frame);
        }
        let mut data = frame.data.to_vec();
        if let Some((_, _, held)) = &mut self.held
            && let Some(first) = edge(&find(held), Edge::EndsString)
            && let Some(second) = edge(&lone, Edge::BeginsString)
        {
            let half: Vec<u8> = held.drain(first.range()).collect();
            data.splice(second.at..second.at, half);
            lone = find(&data);
        }
        self.end(on_frame)?;
        if edge(&lone, Edge::EndsString).is_some() {
            self.held = Some((frame.kind.to_owned(), frame.is_exception, data));
            return Ok(());
        }
        replace(&mut data, &lone);
        on_frame(Frame { data: &data, ..frame })
    }

    /// Passes on the event that has been held.
    pub(super) fn end(&mut self, on_frame: OnFrame<'_>) -> Result<(), ProviderError> {
        let Some((kind, is_exception, mut data)) = self.held.take() else { return Ok(()) };
        let lone = find(&data);
        replace(&mut data, &lone);
        on_frame(Frame { kind: &kind, is_exception, data: &data })
    }
}

fn edge(lone: &[Lone], edge: Edge) -> Option<Lone> {
    lone.iter().copied().find(|lone| lone.edge == Some(edge))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(events: &[&str]) -> Vec<String> {
        let (mut joiner, mut seen) = (Joiner::default(), Vec::new());
        let mut on_frame = |frame: Frame<'_>| {
            seen.push(String::from_utf8(frame.data.to_vec()).unwrap());
            Ok(())
        };
        for event in events {
            let frame = Frame { kind: "", is_exception: false, data: event.as_bytes() };
            joiner.pass(frame, &mut on_frame).unwrap();
        }
        joiner.end(&mut on_frame).unwrap();
        seen
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_are_kept() {
        for (json, expected) in [
            (r#"{"a":"x\ud83dy"}"#, r#"{"a":"x\ufffdy"}"#),
            (r#"{"\uDE00":"\ud83d\ud83d\ude00"}"#, r#"{"\ufffd":"\ufffd\ud83d\ude00"}"#),
            (r#"["\\ud83d","\u00e9","\"\ude00"]"#, r#"["\\ud83d","\u00e9","\"\ufffd"]"#),
            (r#""\ud8"#, r#""\ud8"#),
            ("plain \\", "plain \\"),
        ] {
            assert_eq!(replaced(json.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn a_pair_that_is_split_over_two_events_is_joined() {
        let events = [r#"{"t":"a\ud83d"}"#, r#"{"t":"\ude00b\ud83d"}"#, r#"{"t":"\ude01"}"#];
        let expected = [r#"{"t":"a"}"#, r#"{"t":"\ud83d\ude00b"}"#, r#"{"t":"\ud83d\ude01"}"#];
        assert_eq!(passed(&events), expected);
    }

    #[test]
    fn half_a_character_whose_other_half_never_comes_is_replaced() {
        let events =
            [r#"{"t":"a\ud83d"}"#, r#"{"t":"b"}"#, r#"{"t":"\ude00"}"#, r#"{"t":"\ud83d"}"#];
        let expected =
            [r#"{"t":"a\ufffd"}"#, r#"{"t":"b"}"#, r#"{"t":"\ufffd"}"#, r#"{"t":"\ufffd"}"#];
        assert_eq!(passed(&events), expected);
    }
}
