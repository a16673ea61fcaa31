//! A reply as a stream of events: the loop runs inside it, and waits at each event until the
//! consumer has taken it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll};

use futures_core::Stream;
use opentelemetry::Context;

use super::{Chat, ChatError, Prompt, Reply, StreamEvent, run};

type Running<'a> = Pin<Box<dyn Future<Output = Result<Reply, ChatError>> + Send + 'a>>;

/// The events of one [`Chat::stream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct ChatStream<'a> {
    running: Option<Running<'a>>,
    slot: Slot,
}

/// Where the loop leaves an event for the consumer.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<StreamEvent>>>);

impl Slot {
    fn put(&self, event: StreamEvent) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(event);
    }

    fn take(&self) -> Option<StreamEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The loop's end of a stream.
pub(super) struct Events(Slot);

impl Events {
    /// Hands an event to the consumer and waits until it asks for more.
    pub(super) async fn emit(&self, event: StreamEvent) {
        self.0.put(event);
        // No waker: the consumer's next poll goes on from here.
        let mut waited = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl<'a> ChatStream<'a> {
    pub(super) fn new(chat: &'a mut Chat, prompt: Prompt, parent: Context) -> Self {
        let slot = Slot::default();
        let events = Events(slot.clone());
        Self { running: Some(Box::pin(run::run(chat, prompt, parent, Some(events)))), slot }
    }
}

impl Stream for ChatStream<'_> {
    type Item = Result<StreamEvent, ChatError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let Some(running) = &mut self.running else { return Poll::Ready(None) };
        let polled = running.as_mut().poll(task);
        if let Some(event) = self.slot.take() {
            return Poll::Ready(Some(Ok(event)));
        }
        let Poll::Ready(result) = polled else { return Poll::Pending };
        self.running = None;
        Poll::Ready(Some(result.map(StreamEvent::Done)))
    }
}

impl fmt::Debug for ChatStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream").field("over", &self.running.is_none()).finish()
    }
}
