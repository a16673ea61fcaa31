//! A reply as a stream of events: the loop runs inside it, and waits at each event until the
//! consumer has taken it.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Task, Poll};

use futures_core::Stream;
use futures_util::task::AtomicWaker;
use opentelemetry::Context;

use super::{Chat, ChatError, Prompt, Reply, StreamEvent, run};
use crate::tool::{Progress, ToolOutput};

/// How many events may wait before progress is passed over: tools in threads of their own may tell
/// of it faster than anybody listens, or when nobody listens any more.
const WAITING: usize = 1024;

type Running<'a> = Pin<Box<dyn Future<Output = Result<Reply, ChatError>> + Send + 'a>>;

/// The events of one [`Chat::stream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct ChatStream<'a> {
    running: Option<Running<'a>>,
    queue: Queue,
    /// What came of the run, until the events before it have been taken.
    result: Option<Result<Reply, ChatError>>,
}

/// Where the loop and its tools leave events for the consumer.
#[derive(Clone, Default)]
struct Queue(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    events: Mutex<VecDeque<StreamEvent>>,
    consumer: AtomicWaker,
}

impl Queue {
    fn put(&self, event: StreamEvent) {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    /// Where too many wait, the oldest progress gives way.
    fn put_progress(&self, event: StreamEvent) {
        let mut events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= WAITING {
            let is_progress =
                |event: &StreamEvent| matches!(event, StreamEvent::ToolProgress { .. });
            let oldest = events.iter().position(is_progress);
            oldest.and_then(|index| events.remove(index));
        }
        events.push_back(event);
    }

    fn take(&self) -> Option<StreamEvent> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// The loop's end of a stream.
#[derive(Clone)]
pub(super) struct Events(Queue);

impl Progress for Events {
    fn progress(&self, call_id: &Arc<str>, output: ToolOutput) {
        self.0.put_progress(StreamEvent::ToolProgress { id: call_id.clone(), output });
        self.0.0.consumer.wake();
    }
}

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
        let queue = Queue::default();
        let events = Events(queue.clone());
        Self {
            running: Some(Box::pin(run::run(chat, prompt, parent, Some(events)))),
            queue,
            result: None,
        }
    }
}

impl Stream for ChatStream<'_> {
    type Item = Result<StreamEvent, ChatError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        if self.running.is_none() && self.result.is_none() {
            // A tool that goes on by itself may still tell of its progress: that was the end.
            return Poll::Ready(None);
        }
        // The loop goes on only when the consumer has all that there was.
        if let Some(event) = self.queue.take() {
            return Poll::Ready(Some(Ok(event)));
        }
        if let Some(result) = self.result.take() {
            return Poll::Ready(Some(result.map(StreamEvent::Done)));
        }
        let this = &mut *self;
        let Some(running) = &mut this.running else { return Poll::Ready(None) };
        this.queue.0.consumer.register(task.waker());
        let polled = running.as_mut().poll(task);
        if let Poll::Ready(result) = polled {
            this.running = None;
            this.result = Some(result);
        }
        match this.queue.take() {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => match this.result.take() {
                Some(result) => Poll::Ready(Some(result.map(StreamEvent::Done))),
                None => Poll::Pending,
            },
        }
    }
}

impl fmt::Debug for ChatStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream").field("over", &self.running.is_none()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_that_nobody_takes_gives_way_to_newer_and_nothing_else_does() {
        let queue = Queue::default();
        queue.put(StreamEvent::Text("a".to_owned()));
        let (events, id) = (Events(queue.clone()), Arc::from("call-1"));
        for step in 0..3 * WAITING {
            events.progress(&id, step.to_string().into());
        }
        let waiting: Vec<StreamEvent> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(waiting.len(), WAITING);
        assert_eq!(waiting[0], StreamEvent::Text("a".to_owned()));
        let newest = ToolOutput::from((3 * WAITING - 1).to_string());
        assert_eq!(waiting[WAITING - 1], StreamEvent::ToolProgress { id, output: newest });
    }
}
