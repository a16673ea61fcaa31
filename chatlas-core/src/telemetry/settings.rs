//! What a program sets for the telemetry of one chat: whose it is, what of its content is
//! recorded, and in which form.

use std::fmt;
use std::sync::Arc;

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::{Context, Key, KeyValue};

use super::capture::{Capture, CapturedContent, DEFAULT_LIMIT};
use super::names;

/// A hook that sees all content before it is written, and may change it.
pub(crate) type Redact = Arc<dyn Fn(&mut CapturedContent<'_>) + Send + Sync>;

/// The settings of one chat.
#[derive(Clone)]
pub(crate) struct Settings {
    /// What of the content is recorded; `None` leaves it to the environment.
    pub(crate) capture: Option<Capture>,
    pub(crate) redact: Option<Redact>,
    /// The most bytes of one content attribute.
    pub(crate) limit: usize,
    /// Whether `invoke_agent` repeats the usage of the model calls below it.
    pub(crate) agent_usage: bool,
    attributes: Vec<KeyValue>,
    baggage: Vec<Key>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capture: None,
            redact: None,
            limit: DEFAULT_LIMIT,
            agent_usage: true,
            attributes: Vec::new(),
            baggage: Vec::new(),
        }
    }
}

impl Settings {
    /// Puts an attribute on every span, instead of the one of that key.
    pub(crate) fn attribute(&mut self, attribute: KeyValue) {
        if !names::is_reserved(attribute.key.as_str()) {
            self.attributes.retain(|known| known.key != attribute.key);
            self.attributes.push(attribute);
        }
    }

    /// Puts the baggage entry of that key on every span.
    pub(crate) fn baggage(&mut self, key: Key) {
        if !names::is_reserved(key.as_str()) && !self.baggage.contains(&key) {
            self.baggage.push(key);
        }
    }

    /// The attributes of the program that the span of that operation has: those that were set, and
    /// behind them those of the baggage. A key that the list has already is passed over.
    pub(super) fn push_attributes(
        &self,
        list: &mut Vec<KeyValue>,
        context: &Context,
        operation: &str,
    ) {
        let fits = |list: &[KeyValue], key: &Key| {
            names::operation_of(key.as_str()).is_none_or(|only| only == operation)
                && list.iter().all(|known| known.key != *key)
        };
        for attribute in &self.attributes {
            if fits(list, &attribute.key) {
                list.push(attribute.clone());
            }
        }
        if self.baggage.is_empty() {
            return;
        }
        let baggage = context.baggage();
        for key in &self.baggage {
            if let Some(value) = baggage.get(key.as_str()).filter(|_| fits(list, key)) {
                list.push(KeyValue::new(key.clone(), value.clone()));
            }
        }
    }

    /// Whether the program may have put that key on a span.
    pub(super) fn may_have_set(&self, key: &Key) -> bool {
        self.attributes.iter().any(|known| known.key == *key) || self.baggage.contains(key)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("capture", &self.capture)
            .field("redacts", &self.redact.is_some())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
