//! A bounded queue in front of a receiver. It exports batches that are bounded by items and bytes,
//! several at the same time, so that a distant receiver does not limit the throughput.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::deliver::{Courier, MAX_REQUEST};
use super::payload::Payload;
use crate::batching::Batch;
use crate::losses::Account;

/// The maximum number of exports at the same time.
const MAX_EXPORTS: usize = 8;
/// The maximum number of bytes in a queue. A receiver that hangs must not exhaust the memory.
const MAX_QUEUE: usize = 64 * 1024 * 1024;

/// An item of a queue.
pub(super) trait Item: Send + 'static {
    type Payload: Payload;

    /// Returns the approximate number of bytes of the item in a request.
    fn size(&self) -> usize;

    /// Converts a batch to a request.
    fn payload(batch: Vec<Self>, resource: &ResourceAttributesWithSchema) -> Self::Payload
    where
        Self: Sized;
}

/// A queue and the task that empties it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// Wakes the task.
    changed: Notify,
    resource: Mutex<ResourceAttributesWithSchema>,
    batch: Batch,
    courier: Courier,
    account: Arc<Account>,
}

#[derive(Debug)]
struct State<T> {
    /// The items with their sizes.
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// The number of items that were ever added and ever taken.
    added: u64,
    taken: u64,
    /// Items up to this number are exported without waiting for a full batch.
    due: u64,
    /// Dropped when the items up to `due` are exported.
    waiting: Vec<Token>,
    /// The exports in progress, each with the tokens of those who wait for it.
    exports: HashMap<u64, Vec<Token>>,
    closed: bool,
}

/// Disconnects its receiver when the last clone is dropped.
type Token = Sender<()>;

impl<T: Item> Queue<T> {
    /// Creates a queue and starts its task.
    pub(super) fn start(
        runtime: &Handle,
        courier: Courier,
        batch: Batch,
        account: &Arc<Account>,
    ) -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            added: 0,
            taken: 0,
            due: 0,
            waiting: Vec::new(),
            exports: HashMap::new(),
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            resource: Mutex::default(),
            batch,
            courier,
            account: Arc::clone(account),
        });
        runtime.spawn(Arc::clone(&shared).export_until_closed());
        Self { shared }
    }

    /// Adds an item, unless the queue is full or closed.
    pub(super) fn push(&self, item: T) {
        let Shared { batch, account, changed, .. } = &*self.shared;
        let size = item.size();
        let mut state = self.shared.state();
        if state.closed {
            return;
        }
        let is_full = state.items.len() >= batch.queue_size
            || state.bytes + size > MAX_QUEUE && !state.items.is_empty();
        if is_full {
            drop(state);
            account.count_dropped();
            return;
        }
        // Counted before the task can take the item.
        account.count_queued();
        state.items.push_back((item, size));
        state.bytes += size;
        state.added += 1;
        let has_batch = state.has_batch(batch.size);
        drop(state);
        if has_batch {
            changed.notify_one();
        }
    }

    /// Exports the items that are queued now.
    pub(super) fn flush(&self) -> OTelSdkResult {
        self.wait_for_exports(self.shared.batch.timeout)
    }

    /// Exports the items that are queued now, and accepts no others.
    pub(super) fn shut_down(&self, timeout: Duration) -> OTelSdkResult {
        if std::mem::replace(&mut self.shared.state().closed, true) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let result = self.wait_for_exports(timeout);
        // Releases the memory of what was not sent in time.
        self.shared.state().items.clear();
        self.shared.changed.notify_one();
        result
    }

    pub(super) fn set_resource(&self, resource: &Resource) {
        *self.shared.resource.lock().unwrap_or_else(PoisonError::into_inner) = resource.into();
    }

    fn wait_for_exports(&self, timeout: Duration) -> OTelSdkResult {
        let exported = self.shared.state().export_all();
        self.shared.changed.notify_one();
        match exported.recv_timeout(timeout) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(OTelSdkError::Timeout(timeout)),
        }
    }
}

impl<T: Item> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn export_until_closed(self: Arc<Self>) {
        let mut timer = Instant::now() + self.batch.delay;
        loop {
            while let Some((export, batch)) = self.take_batch() {
                // Drops its tokens even if the export panics.
                let export = Export { shared: Arc::clone(&self), number: export };
                tokio::spawn(export.run(batch));
            }
            if self.is_finished() {
                return;
            }
            if timeout_at(timer, self.changed.notified()).await.is_err() {
                let mut state = self.state();
                state.due = state.added;
                timer = Instant::now() + self.batch.delay;
            }
        }
    }

    fn take_batch(&self) -> Option<(u64, Vec<T>)> {
        self.state().take_batch(self.batch.size)
    }

    fn is_finished(&self) -> bool {
        let state = self.state();
        state.closed && state.items.is_empty()
    }
}

/// An export in progress.
struct Export<T: Item> {
    shared: Arc<Shared<T>>,
    number: u64,
}

impl<T: Item> Export<T> {
    async fn run(self, batch: Vec<T>) {
        let Shared { resource, courier, account, batch: settings, .. } = &*self.shared;
        let payload = {
            let resource = resource.lock().unwrap_or_else(PoisonError::into_inner);
            T::payload(batch, &resource)
        };
        let delivery = courier.deliver(payload, settings.timeout).await;
        account.count_delivery(&delivery);
        let shared = Arc::clone(&self.shared);
        drop(self);
        shared.courier.report(&delivery).await;
    }
}

impl<T: Item> Drop for Export<T> {
    fn drop(&mut self) {
        self.shared.state().exports.remove(&self.number);
        self.shared.changed.notify_one();
    }
}

impl<T> State<T> {
    fn has_batch(&self, size: usize) -> bool {
        self.items.len() >= size || self.bytes >= MAX_REQUEST
    }

    /// Takes a batch if it is full or due, and if another export may start.
    fn take_batch(&mut self, size: usize) -> Option<(u64, Vec<T>)> {
        let is_due = self.taken < self.due;
        if self.items.is_empty()
            || self.exports.len() >= MAX_EXPORTS
            || !(is_due || self.has_batch(size))
        {
            return None;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some((item, size_of_item)) = self.items.pop_front() {
            self.bytes -= size_of_item;
            bytes += size_of_item;
            batch.push(item);
            let next = self.items.front().map_or(0, |(_, size)| *size);
            if batch.len() >= size || bytes + next > MAX_REQUEST {
                break;
            }
        }
        let export = self.taken;
        self.taken += batch.len() as u64;
        self.exports.insert(export, self.waiting.clone());
        if self.taken >= self.due {
            self.waiting.clear();
        }
        Some((export, batch))
    }

    /// Makes all items due. The returned receiver is disconnected when they and the exports in
    /// progress are finished.
    fn export_all(&mut self) -> Receiver<()> {
        let (token, exported) = mpsc::channel();
        for tokens in self.exports.values_mut() {
            tokens.push(token.clone());
        }
        if !self.items.is_empty() {
            self.due = self.added;
            self.waiting.push(token);
        }
        exported
    }
}
