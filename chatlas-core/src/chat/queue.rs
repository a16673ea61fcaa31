//! The queue between a run and the consumer of its stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use futures_util::task::AtomicWaker;

use super::StreamEvent;
use crate::tool::{Progress, ToolOutput};

/// The number of pending events beyond which progress reports are dropped: tools on other threads may
/// report faster than the consumer polls, or after it has stopped.
const MAX_PENDING: usize = 1024;

/// The events of a run that the consumer has not taken yet.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Pending>);

#[derive(Default)]
struct Pending {
    events: Mutex<VecDeque<StreamEvent>>,
    consumer: AtomicWaker,
}

impl Queue {
    pub(super) fn take(&self) -> Option<StreamEvent> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Sets the waker of the consumer, for progress from other threads.
    pub(super) fn register(&self, waker: &Waker) {
        self.0.consumer.register(waker);
    }

    fn put(&self, event: StreamEvent) {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    /// Adds a progress report. If the queue is full, the oldest report is dropped.
    fn put_progress(&self, event: StreamEvent) {
        let mut events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= MAX_PENDING {
            let is_progress =
                |event: &StreamEvent| matches!(event, StreamEvent::ToolProgress { .. });
            let oldest = events.iter().position(is_progress);
            oldest.and_then(|index| events.remove(index));
        }
        events.push_back(event);
    }
}

/// The run's end of the queue.
#[derive(Clone)]
pub(super) struct Events(Queue);

impl Events {
    pub(super) fn new(queue: &Queue) -> Self {
        Self(queue.clone())
    }

    /// Sends an event to the consumer and waits until the consumer polls again.
    pub(super) async fn emit(&self, event: StreamEvent) {
        self.0.put(event);
        // No waker is needed: the consumer's next poll continues here.
        let mut waited = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The progress of a tool call, as events of the run.
pub(super) struct ToolEvents {
    pub(super) events: Events,
    pub(super) tool: Arc<str>,
}

impl Progress for ToolEvents {
    fn progress(&self, call_id: &Arc<str>, output: ToolOutput) {
        let (id, name) = (call_id.clone(), self.tool.clone());
        let Events(queue) = &self.events;
        queue.put_progress(StreamEvent::ToolProgress { id, name, output });
        queue.0.consumer.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_the_oldest_progress_and_nothing_else() {
        let queue = Queue::default();
        queue.put(StreamEvent::Text("a".to_owned()));
        let (id, name): (Arc<str>, Arc<str>) = ("call-1".into(), "look".into());
        let events = ToolEvents { events: Events::new(&queue), tool: name.clone() };
        for step in 0..3 * MAX_PENDING {
            events.progress(&id, step.to_string().into());
        }
        let pending: Vec<StreamEvent> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(pending.len(), MAX_PENDING);
        assert_eq!(pending[0], StreamEvent::Text("a".to_owned()));
        let newest = ToolOutput::from((3 * MAX_PENDING - 1).to_string());
        assert_eq!(
            pending[MAX_PENDING - 1],
            StreamEvent::ToolProgress { id, name, output: newest }
        );
    }
}
