//! Event streams of AWS: binary frames, each with headers, a payload and checksums. AWS's own crate
//! parses a frame.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_eventstream::smithy::parse_response_headers;
use aws_smithy_types::event_stream::Message;
use bytes::{Bytes, BytesMut};
use chatlas_core::ProviderError;
use serde_json::json;

use super::dialect::truncated;
use super::framing::{Frame, Framing, OnFrame};
use super::malformed;

/// AWS limits a frame to 16 MiB and its headers.
const MAX_FRAME: usize = 17 << 20;
/// Two lengths and two checksums.
const MIN_FRAME: usize = 16;

/// The framing of AWS event streams.
#[derive(Debug, Default)]
pub struct AwsEventStream {
    /// The bytes of a frame that is not complete.
    carry: BytesMut,
}

impl Framing for AwsEventStream {
    const CONTENT_TYPE: &'static str = "application/vnd.amazon.eventstream";

    fn feed(&mut self, piece: &mut Bytes, on_frame: OnFrame<'_>) -> Result<(), ProviderError> {
        if self.carry.is_empty()
            && let Some(length) = frame_length(piece)?
            && piece.len() >= length
        {
            return read_frame(piece.split_to(length), on_frame);
        }
        // A frame that is split over pieces: its length, then the rest of it and nothing more.
        loop {
            let length = frame_length(&self.carry)?;
            if length == Some(self.carry.len()) {
                return read_frame(self.carry.split().freeze(), on_frame);
            }
            if piece.is_empty() {
                return Ok(());
            }
            let missing = length.unwrap_or(size_of::<u32>()).saturating_sub(self.carry.len());
            self.carry.extend_from_slice(&piece.split_to(missing.min(piece.len())));
        }
    }

    fn end(&mut self, _: OnFrame<'_>) -> Result<(), ProviderError> {
        if self.carry.is_empty() {
            return Ok(());
        }
        Err(truncated())
    }
}

/// The length of the frame that begins with these bytes, if enough of them are there.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, ProviderError> {
    let Some(length) = bytes.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if (MIN_FRAME..=MAX_FRAME).contains(&length) {
        Ok(Some(length))
    } else {
        Err(malformed(&format!("a frame claims to be {length} bytes long")))
    }
}

fn read_frame(bytes: Bytes, on_frame: OnFrame<'_>) -> Result<(), ProviderError> {
    let message = read_message_from(bytes)
        .map_err(|error| malformed(&format!("a frame is broken ({error})")))?;
    if header(&message, ":message-type") == Some("error") {
        let kind = header(&message, ":error-code").unwrap_or_default();
        let body = json!({"message": header(&message, ":error-message")}).to_string();
        return on_frame(Frame { kind, is_exception: true, data: body.as_bytes() });
    }
    let headers = parse_response_headers(&message)
        .map_err(|error| malformed(&format!("a frame has invalid headers ({error})")))?;
    on_frame(Frame {
        kind: headers.smithy_type.as_str(),
        is_exception: headers.message_type.as_str() == "exception",
        data: message.payload(),
    })
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let mut headers = message.headers().iter();
    let header = headers.find(|header| header.name().as_str() == name)?;
    Some(header.value().as_string().ok()?.as_str())
}
