//! The spans of the live page. Each connection reads from here at its own pace, so that a slow
//! browser neither blocks the program nor has a queue that grows.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use opentelemetry::trace::{SpanContext, SpanId, TraceId};
use tokio::sync::watch;

use crate::html::page::Page;
use crate::html::spans::Spans;
use chatlas_core::cost::Prices;

/// The maximum number of bytes of a chunk of events. A chunk has at least one event.
const MAX_CHUNK: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Store {
    prices: Prices,
    service: OnceLock<String>,
    state: Mutex<State>,
    /// Changes with each span.
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    spans: Spans,
    /// The numbers of the spans that have not ended.
    running: HashMap<(TraceId, SpanId), u64>,
}

/// What a connection has received.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    /// The number of the last span.
    pub(super) span: u64,
    dropped: u64,
}

impl Position {
    pub(super) fn after(span: u64) -> Self {
        Self { span, ..Self::default() }
    }
}

impl Store {
    pub(super) fn new(prices: Prices) -> Self {
        Self {
            prices,
            service: OnceLock::new(),
            state: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }

    pub(super) fn prices(&self) -> &Prices {
        &self.prices
    }

    pub(super) fn set_service(&self, name: String) {
        let _ = self.service.set(name);
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops all spans.
    pub(super) fn clear(&self) {
        *self.state() = State::default();
    }

    pub(super) fn start(&self, span: &SpanContext, json: String) {
        let mut state = self.state();
        let number = state.spans.push(json);
        state.running.insert((span.trace_id(), span.span_id()), number);
        if state.running.len() > state.spans.len() {
            // Some of them have been dropped.
            let first = state.spans.first();
            state.running.retain(|_, number| *number >= first);
        }
        drop(state);
        self.changes.send_replace(());
    }

    /// Replaces a span that has started.
    pub(super) fn end(&self, span: &SpanContext, json: String) {
        let mut state = self.state();
        if let Some(number) = state.running.remove(&(span.trace_id(), span.span_id())) {
            state.spans.remove(number);
        }
        drop(state);
        self.keep(json);
    }

    fn keep(&self, json: String) {
        self.state().spans.push(json);
        self.changes.send_replace(());
    }

    /// Returns the page without spans: it receives them as events.
    pub(super) fn page(&self) -> Vec<u8> {
        let service = self.service.get().map_or("", String::as_str);
        let spans = &Spans::default();
        let mut page = Vec::new();
        // Writing to memory does not fail.
        let _ = Page { service, prices: &self.prices, spans, live: true }.write(&mut page);
        page
    }

    /// Returns the next events after a position, and moves the position. Empty if there are none.
    pub(super) fn events_after(&self, position: &mut Position) -> String {
        let state = self.state();
        let mut events = String::new();
        let dropped = state.spans.dropped();
        if dropped != position.dropped {
            position.dropped = dropped;
            let _ = write!(events, "event: dropped\ndata: {dropped}\n\n");
        }
        // Spans that were dropped before this connection has read them are skipped.
        for (number, json) in state.spans.after(position.span) {
            if !events.is_empty() && events.len() + json.len() > MAX_CHUNK {
                break;
            }
            position.span = number;
            let _ = write!(events, "id: {number}\nevent: span\ndata: {json}\n\n");
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{TraceFlags, TraceState};

    use super::*;
    use crate::html::spans::MAX_BYTES;

    fn span(id: u64) -> SpanContext {
        let trace = TraceId::from(7);
        SpanContext::new(trace, id.into(), TraceFlags::SAMPLED, false, TraceState::NONE)
    }

    fn store() -> Store {
        Store::new(Prices::default())
    }

    #[test]
    fn an_ended_span_replaces_the_started_one() {
        let store = store();
        store.start(&span(1), "started".to_owned());
        let mut position = Position::default();
        let events = store.events_after(&mut position);
        assert_eq!(events, "id: 1\nevent: span\ndata: started\n\n");
        store.end(&span(1), "ended".to_owned());
        let events = store.events_after(&mut position);
        assert_eq!(events, "id: 2\nevent: span\ndata: ended\n\n");
        assert_eq!(store.events_after(&mut position), "");
        let all = store.events_after(&mut Position::default());
        assert!(!all.contains("started"), "{all}");
        assert_eq!(store.state().running.len(), 0);
    }

    #[test]
    fn spans_that_never_end_stay_within_the_maximum_size() {
        let store = store();
        let large = "x".repeat(MAX_BYTES / 8);
        for id in 1..100 {
            store.start(&span(id), large.clone());
        }
        let state = store.state();
        assert_eq!(state.spans.len(), 8);
        assert!(state.running.len() <= 8, "{}", state.running.len());
        assert_eq!(state.spans.dropped(), 91);
    }

    #[test]
    fn a_slow_connection_gets_bounded_chunks_and_skips_dropped_spans() {
        let store = store();
        let large = "x".repeat(MAX_CHUNK - 100);
        for _ in 0..3 {
            store.keep(large.clone());
        }
        let mut position = Position::default();
        assert!(store.events_after(&mut position).len() < MAX_CHUNK + 100);
        assert_eq!(position.span, 1);
        for _ in 0..(MAX_BYTES / large.len() + 5) {
            store.keep(large.clone());
        }
        let events = store.events_after(&mut position);
        assert!(events.starts_with("event: dropped\ndata: "), "{}", &events[..60]);
        assert!(position.span > 2, "{position:?}");
    }
}
