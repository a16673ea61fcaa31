//! The loop that reads the events of a streamed reply, with a bound on the body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use chatlas_core::provider::AccumulatingStream;
use chatlas_core::{Completion, CompletionEvent, ProviderError, ProviderErrorKind};
use futures_util::Stream;
use http_body::Body as _;
use reqwest::{Body, Response};

use super::framing::{Frame, Framing};
use super::surrogates::Joiner;
use super::{Decoder, Origin, Reply, malformed};
use crate::http::{Deadline, broken_off};

/// The maximum length of an event, and of a complete body. Images and audio are inside JSON.
pub(crate) const MAX_EVENT: usize = 32 << 20;
/// The maximum length of a streamed body.
const MAX_STREAM: usize = 256 << 20;
/// How long to wait for the end of a body after the last event.
const MAX_WAIT_FOR_END: Duration = Duration::from_millis(20);
/// How long to wait for the last events of a reply whose model has finished. Some servers do not
/// send them and keep the connection open. Comments and empty events do not prolong it.
const MAX_WAIT_FOR_TAIL: Duration = Duration::from_secs(2);

/// A reply that is arriving.
pub(super) struct Incoming<D, F> {
    body: Body,
    framing: F,
    decoder: D,
    reply: Reply,
    /// What has arrived and has not been read. One event is read at a time, so that the partial
    /// reply has what the consumer has taken, not what has arrived.
    piece: Bytes,
    length: usize,
    /// Whether nothing more is read from the body.
    is_read: bool,
    error: Option<ProviderError>,
    wait_for_end: Option<Pin<Box<tokio::time::Sleep>>>,
    deadline: Option<(Deadline, Pin<Box<tokio::time::Sleep>>)>,
    wait_for_tail: Option<Pin<Box<tokio::time::Sleep>>>,
    joiner: Joiner,
    origin: Origin,
}

impl<D: Decoder, F: Framing> Incoming<D, F> {
    /// Creates a reply that arrives with this response. `piece` is the part of its body that has been
    /// read.
    pub(super) fn new(piece: Bytes, response: Response, decoder: D, origin: Origin) -> Self {
        Self {
            body: response.into(),
            framing: F::default(),
            decoder,
            reply: Reply::streamed(),
            length: piece.len(),
            piece,
            is_read: false,
            error: None,
            wait_for_end: None,
            deadline: None,
            wait_for_tail: None,
            joiner: Joiner::default(),
            origin,
        }
    }

    /// Sets the time by which the reply has to be complete.
    pub(super) fn with_deadline(mut self, deadline: Option<Deadline>) -> Self {
        self.deadline = deadline.map(|deadline| (deadline, deadline.timer()));
        self
    }

    /// Reads from the body, or from the piece of it that has arrived.
    fn poll_read(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        let Self { framing, decoder, reply, piece, joiner, .. } = self;
        if !piece.is_empty() {
            let mut on_frame = |frame: Frame<'_>| decode(decoder, frame, reply);
            return Poll::Ready(
                framing.feed(piece, &mut |frame| joiner.pass(frame, &mut on_frame)),
            );
        }
        if let Some((deadline, timer)) = &mut self.deadline
            && timer.as_mut().poll(task).is_ready()
        {
            return Poll::Ready(Err(deadline.error()));
        }
        Poll::Ready(match ready!(Pin::new(&mut self.body).poll_frame(task)) {
            Some(Ok(frame)) => {
                // Trailers contain nothing that a dialect reads.
                self.piece = frame.into_data().unwrap_or_default();
                self.length = self.length.saturating_add(self.piece.len());
                if self.length > MAX_STREAM {
                    let limit = MAX_STREAM >> 20;
                    return Poll::Ready(Err(malformed(&format!("it is longer than {limit} MiB"))));
                }
                Ok(())
            }
            Some(Err(error)) => self.end_early().and_then(|()| {
                // Everything may have arrived but the end of the stream.
                if self.decoder.is_finished() { self.end_reply() } else { Err(broken_off(&error)) }
            }),
            None => self.end().and_then(|()| self.end_reply()),
        })
    }

    /// Passes the last events to the decoder. Nothing more is read from the body.
    fn end(&mut self) -> Result<(), ProviderError> {
        let Self { framing, decoder, reply, joiner, .. } = self;
        self.is_read = true;
        let mut on_frame = |frame: Frame<'_>| decode(decoder, frame, reply);
        framing.end(&mut |frame| joiner.pass(frame, &mut on_frame))?;
        joiner.end(&mut on_frame)
    }

    /// Passes the last events to the decoder. The body is not complete: its last event may be cut.
    fn end_early(&mut self) -> Result<(), ProviderError> {
        match self.end() {
            Err(error) if error.kind() != ProviderErrorKind::MalformedReply => Err(error),
            _ => Ok(()),
        }
    }

    fn end_reply(&mut self) -> Result<(), ProviderError> {
        if self.reply.is_over() { Ok(()) } else { self.decoder.end(&mut self.reply) }
    }

    /// Ends a reply whose model has finished, if no event has arrived for too long.
    fn poll_tail(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ProviderError>> {
        if !self.decoder.is_finished() {
            return Poll::Pending;
        }
        let sleep = || Box::pin(tokio::time::sleep(MAX_WAIT_FOR_TAIL));
        ready!(self.wait_for_tail.get_or_insert_with(sleep).as_mut().poll(task));
        Poll::Ready(self.end_early().and_then(|()| self.end_reply()))
    }

    /// Reads the rest of a body whose reply has ended, if it arrives at once: a connection serves
    /// the next request only after the body has been read to its end.
    fn poll_end(&mut self, task: &mut Context<'_>) -> Poll<()> {
        loop {
            match Pin::new(&mut self.body).poll_frame(task) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let sleep = || Box::pin(tokio::time::sleep(MAX_WAIT_FOR_END));
                    return self.wait_for_end.get_or_insert_with(sleep).as_mut().poll(task);
                }
            }
        }
    }
}

/// Passes an event to a decoder, unless its reply has ended.
fn decode(
    decoder: &mut impl Decoder,
    frame: Frame<'_>,
    reply: &mut Reply,
) -> Result<(), ProviderError> {
    if reply.is_over() { Ok(()) } else { decoder.event(frame, reply) }
}

/// Reads a complete body that consists of events.
pub(super) fn read_events<D: Decoder, F: Framing>(
    body: Vec<u8>,
    decoder: &mut D,
    reply: &mut Reply,
) -> Result<(), ProviderError> {
    let (mut framing, mut joiner, mut piece) = (F::default(), Joiner::default(), Bytes::from(body));
    let mut on_frame = |frame: Frame<'_>| decode(decoder, frame, reply);
    while !piece.is_empty() {
        framing.feed(&mut piece, &mut |frame| joiner.pass(frame, &mut on_frame))?;
    }
    framing.end(&mut |frame| joiner.pass(frame, &mut on_frame))?;
    joiner.end(&mut on_frame)?;
    if reply.is_over() { Ok(()) } else { decoder.end(reply) }
}

impl<D: Decoder, F: Framing> Stream for Incoming<D, F> {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            // Before the last event is returned, since its consumer may not poll again.
            if this.reply.is_over() && !this.is_read {
                ready!(this.poll_end(task));
                this.is_read = true;
            }
            if let Some(event) = this.reply.next_event() {
                this.wait_for_tail = None;
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(mut error) = this.error.take() {
                if error.partial().is_none() && this.reply.has_usage() {
                    error = error.with_partial(this.reply.to_partial());
                }
                return Poll::Ready(Some(Err(this.origin.shown(error))));
            }
            if this.is_read {
                return Poll::Ready(None);
            }
            let read = match this.poll_read(task) {
                Poll::Pending => ready!(this.poll_tail(task)),
                Poll::Ready(read) => read,
            };
            if let Err(error) = read {
                this.is_read = true;
                this.error = Some(error);
            }
        }
    }
}

impl<D: Decoder, F: Framing> AccumulatingStream for Incoming<D, F> {
    fn take_partial(self: Pin<&mut Self>) -> Option<Completion> {
        self.get_mut().reply.take_partial()
    }
}
