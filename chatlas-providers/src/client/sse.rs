//! Server-sent events. An event that arrives in one piece is read in place; one that is split over
//! several pieces is assembled, and no byte of it is searched twice.

use std::ops::Range;

use bytes::{Buf as _, Bytes};
use chatlas_core::ProviderError;
use memchr::memchr2;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::decode::MAX_EVENT;
use super::framing::{Frame, Framing, OnFrame};
use super::malformed;

/// The maximum length of JSON that is not in the form of an event.
const MAX_BARE: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The framing of server-sent events.
#[derive(Debug, Default)]
pub struct Sse {
    /// The bytes of an event that is not complete.
    carry: Vec<u8>,
    event: Event,
    /// The JSON of an event without data, as long as nothing follows it.
    bare: Vec<u8>,
    has_begun: bool,
    /// Whether the last byte was a carriage return: a line feed that follows ends the same line.
    after_return: bool,
}

/// The part of an event that has been scanned. Positions are counted from its first byte.
#[derive(Debug, Default)]
struct Event {
    /// The start of the line that is being read.
    line: usize,
    /// How much has been searched for line ends.
    scanned: usize,
    /// The value of the first `data` line.
    data: Option<Range<usize>>,
    /// The values of several `data` lines, joined.
    joined: Option<Vec<u8>>,
    /// Lines that are JSON by themselves: some servers report a failure without an event.
    bare: Vec<u8>,
    /// Whether the type of the event is `error`.
    is_error: bool,
    /// The failure in the field `error` (llama.cpp), as an event of the protocols.
    failure: Option<Vec<u8>>,
}

impl Framing for Sse {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn begins(body: &[u8]) -> bool {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start();
        let fields = [&b":"[..], b"data:", b"event:", b"id:", b"retry:", b"error:"];
        fields.iter().any(|field| body.starts_with(field))
    }

    fn feed(&mut self, piece: &mut Bytes, on_frame: OnFrame<'_>) -> Result<(), ProviderError> {
        if std::mem::take(&mut self.after_return) && piece.first() == Some(&b'\n') {
            piece.advance(1);
        }
        if self.carry.is_empty() {
            if let Some(length) = self.scan(piece) {
                self.dispatch(&piece[..length], on_frame)?;
                piece.advance(length);
            } else {
                self.carry.extend_from_slice(piece);
                piece.clear();
            }
        } else {
            let before = self.carry.len();
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(piece);
            if let Some(length) = self.scan(&carry) {
                self.dispatch(&carry[..length], on_frame)?;
                // The capacity is kept for the next event that is split.
                carry.clear();
                piece.advance(length - before);
            } else {
                piece.clear();
            }
            self.carry = carry;
        }
        if self.carry.len() > MAX_EVENT {
            let limit = MAX_EVENT >> 20;
            return Err(malformed(&format!("a piece of it is longer than {limit} MiB")));
        }
        Ok(())
    }

    fn end(&mut self, on_frame: OnFrame<'_>) -> Result<(), ProviderError> {
        let carry = std::mem::take(&mut self.carry);
        if let Some(line) = carry.get(self.event.line..) {
            self.event.other_line(line);
        }
        if let Some(failure) = self.event.failure.take() {
            return on_frame(Frame { kind: "", is_exception: false, data: &failure });
        }
        let mut bare = std::mem::take(&mut self.event.bare);
        if bare.is_empty() {
            bare = std::mem::take(&mut self.bare);
        }
        if serde_json::from_slice::<IgnoredAny>(&bare).is_ok() {
            return on_frame(Frame { kind: "", is_exception: false, data: &bare });
        }
        // The standard discards an incomplete event.
        Ok(())
    }
}

impl Sse {
    /// Returns the length of the event at the start of `bytes`, with the blank line that ends it.
    /// `None` if the event is not complete.
    fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            let found = memchr2(b'\n', b'\r', bytes.get(self.event.scanned..)?);
            let Some(found) = found else {
                self.event.scanned = bytes.len();
                return None;
            };
            let end = self.event.scanned + found;
            let mut next = end + 1;
            if bytes[end] == b'\r' {
                match bytes.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
            if !std::mem::replace(&mut self.has_begun, true)
                && bytes[self.event.line..end].starts_with(BYTE_ORDER_MARK)
            {
                self.event.line += BYTE_ORDER_MARK.len();
            }
            if self.event.line == end {
                return Some(next);
            }
            self.bare.clear();
            self.event.add_line(bytes, end);
            (self.event.line, self.event.scanned) = (next, next);
        }
    }

    /// Passes on the event in `bytes`, unless it has no data.
    fn dispatch(&mut self, bytes: &[u8], on_frame: OnFrame<'_>) -> Result<(), ProviderError> {
        let event = std::mem::take(&mut self.event);
        let data = match (&event.joined, &event.data) {
            (Some(joined), _) => joined.as_slice(),
            (None, Some(range)) => &bytes[range.clone()],
            (None, None) if event.failure.is_some() => event.failure.as_deref().unwrap_or_default(),
            (None, None) => {
                if !event.bare.is_empty() {
                    self.bare = event.bare;
                }
                return Ok(());
            }
        };
        // Some servers keep a connection alive with empty events.
        if data.trim_ascii().is_empty() {
            return Ok(());
        }
        on_frame(Frame { kind: "", is_exception: event.is_error, data })
    }
}

impl Event {
    /// Adds the line that ends at `end`.
    fn add_line(&mut self, bytes: &[u8], end: usize) {
        let line = &bytes[self.line..end];
        let Some(value) = line.strip_prefix(b"data:").or((line == b"data").then_some(&[][..]))
        else {
            return self.other_line(line);
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let range = end - value.len()..end;
        match self.data.clone() {
            None => self.data = Some(range),
            Some(first) => {
                let joined = self.joined.get_or_insert_with(|| bytes[first].to_vec());
                joined.push(b'\n');
                joined.extend_from_slice(value);
            }
        }
    }

    /// Reads the fields `event` and `error`, and adds a line to the JSON that is not in the form of an
    /// event, if the line belongs to it.
    fn other_line(&mut self, line: &[u8]) {
        if let Some(kind) = line.strip_prefix(b"event:") {
            self.is_error = kind.trim_ascii() == b"error";
            return;
        }
        if let Some(failure) = line.strip_prefix(b"error:") {
            let failure = String::from_utf8_lossy(failure.trim_ascii());
            let failure: Value = serde_json::from_str(&failure).unwrap_or_else(|_| failure.into());
            self.failure =
                Some(json!({"type": "error", "error": failure}).to_string().into_bytes());
            return;
        }
        let begins = matches!(line.first(), Some(b'{' | b'['));
        if (begins || !self.bare.is_empty()) && self.bare.len() + line.len() < MAX_BARE {
            self.bare.extend_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of all events in a text that arrives in pieces of `step` bytes.
    fn events(text: &str, step: usize) -> Vec<String> {
        let (mut sse, mut seen) = (Sse::default(), Vec::new());
        let mut on_frame = |frame: Frame<'_>| {
            seen.push(String::from_utf8_lossy(frame.data).into_owned());
            Ok(())
        };
        for piece in text.as_bytes().chunks(step) {
            let mut piece = Bytes::copy_from_slice(piece);
            while !piece.is_empty() {
                sse.feed(&mut piece, &mut on_frame).unwrap();
            }
        }
        sse.end(&mut on_frame).unwrap();
        seen
    }

    #[test]
    fn events_do_not_depend_on_how_the_body_is_split() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "\u{feff}data: 0\n\n: hello\n\nevent: a\ndata: {\"a\":1}\n\ndata:b\n\n\
                        data: c\ndata: d\ndata\n\nid: 7\n\ndata:  \n\n{\"error\":\n{\"x\":2}}";
            let text = text.replace('\n', end);
            for step in 1..=text.len() {
                let expected = ["0", "{\"a\":1}", "b", "c\nd\n", "{\"error\":{\"x\":2}}"];
                assert_eq!(events(&text, step), expected, "{step} {end:?}");
            }
        }
    }

    #[test]
    fn an_event_of_one_piece_is_not_copied() {
        let mut sse = Sse::default();
        let mut piece = Bytes::from_static(b"data: x\n\ndata: y\n\n");
        let range = piece.as_ptr_range();
        let mut inside = |frame: Frame<'_>| {
            assert!(range.contains(&frame.data.as_ptr()));
            Ok(())
        };
        sse.feed(&mut piece, &mut inside).unwrap();
        assert_eq!(piece, "data: y\n\n");
        sse.feed(&mut piece, &mut inside).unwrap();
        assert!(piece.is_empty());
    }

    #[test]
    fn a_body_of_events_is_recognized_by_its_first_line() {
        for body in ["data: 1", "\u{feff}data:1", "\r\n: hello", "event: a", "id: 1", "retry: 3"] {
            assert!(Sse::begins(body.as_bytes()), "{body}");
        }
        for body in ["", "{\"data\": 1}", "[1]", "<html>", "data", "\"data:\""] {
            assert!(!Sse::begins(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn the_field_error_is_a_failure() {
        let failure = "{\"error\":{\"message\":\"full\"},\"type\":\"error\"}";
        for end in ["\n\ndata: [DONE]\n\n", "\n\n", ""] {
            let text = format!("error: {{\"message\":\"full\"}}{end}");
            assert_eq!(events(&text, 100)[0], failure);
        }
        assert_eq!(events("error: full\n\n", 7), ["{\"error\":\"full\",\"type\":\"error\"}"]);
    }

    #[test]
    fn an_incomplete_event_and_text_that_is_not_json_are_discarded() {
        assert_eq!(events("data: 1\n\ndata: 2\n", 100), ["1"]);
        assert!(events("{\"error\": ", 100).is_empty());
        assert_eq!(events("{\"error\": 1}\n\n", 100), ["{\"error\": 1}"]);
    }
}
