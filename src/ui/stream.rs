//! The body of the response.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt as _};
use serde_json::{Value, json};

use super::chunks::Chunks;
use crate::{ChatError, StreamEvent};

/// The headers of the response.
pub const HEADERS: [(&str, &str); 4] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache"),
    ("x-accel-buffering", "no"),
    ("x-vercel-ai-ui-message-stream", "v1"),
];

/// The text that the page shows for an error.
type ErrorText = Box<dyn Fn(&ChatError) -> String + Send>;

/// An answer as the body of a response: server-sent events, each a chunk of the UI message stream.
///
/// The page never sees the message of an error, which may quote the vendor or the prompt, unless
/// [`with_error_text`](Self::with_error_text) returns it. If the visitor leaves, the server drops the body,
/// which cancels the run and ends its spans.
#[must_use = "a stream does nothing until it is polled"]
pub struct MessageStream<S> {
    events: Option<S>,
    chunks: Chunks,
    ready: VecDeque<String>,
    error_text: ErrorText,
}

impl<S> MessageStream<S>
where
    S: Stream<Item = Result<StreamEvent, ChatError>> + Unpin,
{
    /// Creates the body from the events of [`Chat::stream`](crate::Chat::stream) or
    /// [`Chat::into_stream`](crate::Chat::into_stream).
    pub fn new(events: S) -> Self {
        Self {
            events: Some(events),
            chunks: Chunks::default(),
            ready: VecDeque::from([event(&json!({"type": "start"}))]),
            error_text: Box::new(|_| "The model did not answer. Please try again.".to_owned()),
        }
    }

    /// Sets the id of the message, under which a page stores it. By default, the page generates one.
    pub fn with_message_id(mut self, id: impl Into<String>) -> Self {
        let id: String = id.into();
        self.ready = VecDeque::from([event(&json!({"type": "start", "messageId": id}))]);
        self
    }

    /// Sets the text that the page shows for an error.
    pub fn with_error_text(mut self, text: impl Fn(&ChatError) -> String + Send + 'static) -> Self {
        self.error_text = Box::new(text);
        self
    }

    /// Returns the same stream with items of `Result`, which some servers require.
    pub fn map_ok(self) -> OkStream<S> {
        OkStream(self)
    }

    /// Takes the events, for example to get the chat of an
    /// [`OwnedChatStream`](crate::OwnedChatStream) back.
    pub fn into_events(self) -> Option<S> {
        self.events
    }
}

impl<S> Stream for MessageStream<S>
where
    S: Stream<Item = Result<StreamEvent, ChatError>> + Unpin,
{
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<String>> {
        let this = &mut *self;
        loop {
            if let Some(text) = this.ready.pop_front() {
                return Poll::Ready(Some(text));
            }
            let Some(events) = this.events.as_mut().filter(|_| !this.chunks.is_ended()) else {
                return Poll::Ready(None);
            };
            let mut out = Vec::new();
            match ready!(events.poll_next_unpin(task)) {
                Some(Ok(event)) => this.chunks.push(event, &mut out),
                Some(Err(error)) => this.chunks.fail(&(this.error_text)(&error), &mut out),
                None => this.chunks.end(),
            }
            this.ready.extend(out.iter().map(event));
            if this.chunks.is_ended() {
                this.ready.push_back("data: [DONE]\n\n".to_owned());
            }
        }
    }
}

impl<S> fmt::Debug for MessageStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageStream")
    }
}

/// A [`MessageStream`] whose items are `Ok`.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct OkStream<S>(MessageStream<S>);

impl<S> Stream for OkStream<S>
where
    S: Stream<Item = Result<StreamEvent, ChatError>> + Unpin,
{
    type Item = Result<String, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(task).map(|item| item.map(Ok))
    }
}

/// Returns a server-sent event.
fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}
