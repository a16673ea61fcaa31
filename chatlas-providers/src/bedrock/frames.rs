//! Event streams of AWS: binary frames, each with headers, a payload and checksums. The frames are
//! read by AWS's own crate.

use std::collections::VecDeque;

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_eventstream::smithy::parse_response_headers;
use bytes::{Bytes, BytesMut};
use chatlas_core::{CompletionEvent, ProviderError, ProviderErrorKind};
use futures_util::{Stream, StreamExt as _};
use reqwest::Response;
use serde_json::{Value, json};

use super::error::exception;
use crate::http::{broken_off, malformed, see_off};

/// What a streamed answer of Bedrock comes as.
pub(super) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";
/// AWS's bound for a frame is 16 MiB and its headers.
const LONGEST_FRAME: usize = 17 * 1024 * 1024;
/// Two lengths and two checksums.
const SHORTEST_FRAME: usize = 16;

/// What a vendor's events mean.
pub(super) trait Decode: Send + 'static {
    /// The parts of the reply that are in an event of that type.
    fn event(&mut self, kind: &str, payload: &Value)
    -> Result<Vec<CompletionEvent>, ProviderError>;

    /// Whether the reply is whole: nothing after that is looked at.
    fn is_over(&self) -> bool;

    /// What the end of the body means, where the reply was not whole by then.
    fn end(&mut self) -> Result<Vec<CompletionEvent>, ProviderError>;
}

/// The events of a reply, as they arrive.
pub(super) fn events<D: Decode>(
    response: Response,
    decoder: D,
) -> impl Stream<Item = Result<CompletionEvent, ProviderError>> + Send {
    let state = (Box::pin(pieces(response)), BytesMut::new(), decoder, VecDeque::new());
    futures_util::stream::try_unfold(state, |(mut incoming, mut buffer, mut decoder, mut ready)| {
        async move {
            loop {
                if let Some(event) = ready.pop_front() {
                    return Ok(Some((event, (incoming, buffer, decoder, ready))));
                }
                if decoder.is_over() {
                    return Ok(None);
                }
                if let Some((kind, payload)) = frame(&mut buffer)? {
                    ready.extend(decoder.event(&kind, &payload)?);
                    if decoder.is_over() {
                        // Now: who has the last event need not ask again.
                        see_off(&mut incoming).await;
                    }
                    continue;
                }
                match incoming.next().await {
                    Some(Ok(piece)) => buffer.extend_from_slice(&piece),
                    Some(Err(error)) => return Err(broken_off(&error)),
                    None if !buffer.is_empty() => return Err(truncated()),
                    None => {
                        ready.extend(decoder.end()?);
                        if ready.is_empty() {
                            return Ok(None);
                        }
                    }
                }
            }
        }
    })
}

/// The body of a response, piece by piece.
fn pieces(response: Response) -> impl Stream<Item = Result<Bytes, reqwest::Error>> + Send {
    futures_util::stream::try_unfold(response, |mut response| async move {
        Ok(response.chunk().await?.map(|piece| (piece, response)))
    })
}

/// The next event, where it is whole: its type and its payload. An exception is an error.
fn frame(buffer: &mut BytesMut) -> Result<Option<(String, Value)>, ProviderError> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if !(SHORTEST_FRAME..=LONGEST_FRAME).contains(&length) {
        return Err(malformed(&format!("a frame claims to be {length} bytes long")));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let message = read_message_from(buffer.split_to(length).freeze())
        .map_err(|error| malformed(&format!("a frame is broken ({error})")))?;
    let payload = || -> Result<Value, ProviderError> {
        serde_json::from_slice(message.payload())
            .map_err(|error| malformed(&format!("an event is no JSON ({error})")))
    };
    let header = |wanted: &str| {
        let mut headers = message.headers().iter();
        let header = headers.find(|header| header.name().as_str() == wanted)?;
        header.value().as_string().ok().map(|text| text.as_str().to_owned())
    };
    if header(":message-type").as_deref() == Some("error") {
        let message = json!({"message": header(":error-message")});
        return Err(exception(&header(":error-code").unwrap_or_default(), &message));
    }
    let told = parse_response_headers(&message)
        .map_err(|error| malformed(&format!("a frame has bad headers ({error})")))?;
    let kind = told.smithy_type.as_str();
    if told.message_type.as_str() == "exception" {
        // What kind it is is told, whatever else is.
        return Err(exception(kind, &payload().unwrap_or_default()));
    }
    Ok(Some((kind.to_owned(), payload()?)))
}

/// The error of a reply that is not whole.
pub(super) fn truncated() -> ProviderError {
    ProviderError::new(ProviderErrorKind::TruncatedStream, "the reply broke off before its end")
}
