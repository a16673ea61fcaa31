//! How a body is split into events: server-sent events, or the event stream of AWS.

use bytes::Bytes;
use chatlas_core::ProviderError;

/// An event, as a [`Framing`] finds it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The type of the event in the framing's own terms: `:event-type` or `:exception-type` of an
    /// AWS event stream, empty for server-sent events.
    pub kind: &'a str,
    /// Whether the framing marks the event as an error.
    pub is_exception: bool,
    /// The data of the event.
    pub data: &'a [u8],
}

/// The function that receives an event.
pub type OnFrame<'a> = &'a mut dyn FnMut(Frame<'_>) -> Result<(), ProviderError>;

/// Splits a body into events.
pub trait Framing: Default + Send + Unpin + 'static {
    /// The media type of such a body.
    const CONTENT_TYPE: &'static str;

    /// Returns whether a body that begins like this consists of such events, whatever its media type
    /// is.
    fn begins(body: &[u8]) -> bool {
        let _ = body;
        false
    }

    /// Reads at most one event from the front of `piece` and passes it on. Takes from `piece` the
    /// bytes that it has read: all of them if the event is not complete.
    fn feed(&mut self, piece: &mut Bytes, on_frame: OnFrame<'_>) -> Result<(), ProviderError>;

    /// Is called at the end of the body, to pass on a last event and to reject an incomplete one.
    fn end(&mut self, on_frame: OnFrame<'_>) -> Result<(), ProviderError>;
}
