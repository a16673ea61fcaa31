//! The telemetry settings of one chat: additional attributes, and how content is captured.

use std::fmt;

use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::{Context, Key, KeyValue};

use super::capture::{Capture, DEFAULT_CAPTURE_LIMIT, RedactionHook};
use super::names;

/// The settings of one chat.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The content that is recorded. `None` stands for the default of the process.
    pub(crate) capture: Option<Capture>,
    pub(crate) redact: Option<RedactionHook>,
    /// The maximum size of one content attribute in bytes.
    pub(crate) limit: usize,
    /// Whether `invoke_agent` spans record the total usage of their model calls.
    pub(crate) agent_usage: bool,
    attributes: Vec<KeyValue>,
    baggage: Vec<Key>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capture: None,
            redact: None,
            limit: DEFAULT_CAPTURE_LIMIT,
            agent_usage: true,
            attributes: Vec::new(),
            baggage: Vec::new(),
        }
    }
}

impl Settings {
    /// Sets an attribute of every span. Replaces an attribute of the same key.
    pub(crate) fn set_attribute(&mut self, attribute: KeyValue) {
        if !names::is_reserved(attribute.key.as_str()) {
            self.attributes.retain(|existing| existing.key != attribute.key);
            self.attributes.push(attribute);
        }
    }

    /// Records the baggage entry of that key on every span.
    pub(crate) fn add_baggage_key(&mut self, key: Key) {
        if !names::is_reserved(key.as_str()) && !self.baggage.contains(&key) {
            self.baggage.push(key);
        }
    }

    /// Adds the attributes for the span of that operation: those that the program set, then those
    /// from baggage. Skips keys that are already in the list.
    pub(super) fn push_attributes(
        &self,
        list: &mut Vec<KeyValue>,
        context: &Context,
        operation: &str,
    ) {
        let fits = |list: &[KeyValue], key: &Key| {
            names::operation_of(key.as_str()).is_none_or(|only| only == operation)
                && list.iter().all(|existing| existing.key != *key)
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

    /// Returns whether the program may have set that key on a span.
    pub(super) fn may_have_set(&self, key: &Key) -> bool {
        self.attributes.iter().any(|existing| existing.key == *key) || self.baggage.contains(key)
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
