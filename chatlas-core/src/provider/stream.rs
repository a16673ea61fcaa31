//! A reply as a stream of events.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::{Completion, ProviderError};
use crate::content::{Content, Thinking};
use crate::turn::Usage;

/// A part of a reply, in the order of arrival.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CompletionEvent {
    /// The reply has begun. Fields that are not known yet are `None`.
    Started {
        /// The vendor's id of the response.
        response_id: Option<String>,
        /// The exact model that answers.
        model: Option<String>,
    },
    /// The next piece of text.
    Text(String),
    /// The next piece of the model's thinking.
    Thinking(String),
    /// A complete content that is neither text nor thinking, such as a tool request or a citation.
    Content(Content),
    /// The token counts so far.
    Usage(Usage),
    /// The end of the reply: the complete turn. It overrides the events before it.
    Done(Arc<Completion>),
}

/// A reply as a stream of [`CompletionEvent`]s. The last item is `Done` or an error.
pub struct CompletionStream(Pin<Box<dyn AccumulatingStream>>);

/// A stream of events that keeps the reply it has yielded so far.
///
/// The chat history and the telemetry need that partial reply if the stream fails or is dropped.
/// A stream that accumulates the reply anyway implements this trait, so that the text is held once;
/// any other stream is passed to [`CompletionStream::new`].
pub trait AccumulatingStream: Stream<Item = Result<CompletionEvent, ProviderError>> + Send {
    /// Takes the reply that has been yielded so far. Returns `None` if nothing has been yielded, or
    /// if `Done` has.
    ///
    /// Called at most once, after the last poll.
    fn take_partial(self: Pin<&mut Self>) -> Option<Completion>;
}

impl CompletionStream {
    /// Creates a reply from a stream of events.
    pub fn new(
        events: impl Stream<Item = Result<CompletionEvent, ProviderError>> + Send + 'static,
    ) -> Self {
        Self::accumulating(Accumulator { events, partial: Some(Completion::default()) })
    }

    /// Creates a reply from a stream that keeps what it has yielded.
    pub fn accumulating(events: impl AccumulatingStream + 'static) -> Self {
        Self(Box::pin(events))
    }

    /// Creates a stream that yields a complete reply.
    pub fn from_completion(completion: Completion) -> Self {
        let mut events = Vec::with_capacity(completion.contents.len() + 2);
        events.push(CompletionEvent::Started {
            response_id: completion.response_id.clone(),
            model: completion.model.clone(),
        });
        for content in &completion.contents {
            events.push(match content {
                Content::Text(text) => CompletionEvent::Text(text.text.clone()),
                Content::Thinking(thinking) => CompletionEvent::Thinking(thinking.text.clone()),
                other => CompletionEvent::Content(other.clone()),
            });
        }
        events.push(CompletionEvent::Done(Arc::new(completion)));
        Self::new(futures_util::stream::iter(events.into_iter().map(Ok)))
    }

    /// Takes the reply that has been yielded so far; see [`AccumulatingStream::take_partial`].
    pub fn take_partial(&mut self) -> Option<Completion> {
        self.0.as_mut().take_partial()
    }
}

impl Stream for CompletionStream {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(task)
    }
}

impl fmt::Debug for CompletionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompletionStream")
    }
}

pin_project_lite::pin_project! {
    /// Accumulates the events of a stream that does not do so itself.
    struct Accumulator<S> {
        #[pin]
        events: S,
        partial: Option<Completion>,
    }
}

impl<S: Stream<Item = Result<CompletionEvent, ProviderError>>> Stream for Accumulator<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let item = ready!(this.events.poll_next(task));
        match &item {
            Some(Ok(CompletionEvent::Done(_))) => *this.partial = None,
            Some(Ok(event)) => {
                if let Some(partial) = this.partial {
                    absorb(partial, event);
                }
            }
            Some(Err(_)) | None => {}
        }
        Poll::Ready(item)
    }
}

impl<S> AccumulatingStream for Accumulator<S>
where
    S: Stream<Item = Result<CompletionEvent, ProviderError>> + Send,
{
    fn take_partial(self: Pin<&mut Self>) -> Option<Completion> {
        self.project().partial.take()
    }
}

/// Adds an event to the reply that has arrived so far.
fn absorb(partial: &mut Completion, event: &CompletionEvent) {
    match event {
        CompletionEvent::Started { response_id, model } => {
            partial.response_id = response_id.clone().or(partial.response_id.take());
            partial.model = model.clone().or(partial.model.take());
        }
        CompletionEvent::Text(piece) => match partial.contents.last_mut() {
            Some(Content::Text(text)) => text.text.push_str(piece),
            _ => partial.contents.push(Content::text(piece)),
        },
        CompletionEvent::Thinking(piece) => match partial.contents.last_mut() {
            Some(Content::Thinking(thinking)) => thinking.text.push_str(piece),
            _ => partial.contents.push(Content::Thinking(Thinking::new(piece))),
        },
        CompletionEvent::Content(content) => partial.contents.push(content.clone()),
        CompletionEvent::Usage(usage) => partial.usage = *usage,
        CompletionEvent::Done(_) => {}
    }
}
