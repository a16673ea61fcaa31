//! The spans of a report, bounded in size: the oldest are dropped.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The maximum number of bytes of spans in a report. Beyond it, the oldest spans are dropped.
pub(crate) const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Spans as JSON, each with a number that rises with each addition. Clones share the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans {
    kept: BTreeMap<u64, Arc<str>>,
    bytes: usize,
    last: u64,
    dropped: u64,
}

impl Spans {
    /// Adds a span and returns its number.
    pub(crate) fn push(&mut self, json: String) -> u64 {
        self.last += 1;
        self.bytes += json.len();
        self.kept.insert(self.last, json.into());
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.kept.pop_first()
        {
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
        self.last
    }

    /// Removes a span that is replaced.
    #[cfg(feature = "live")]
    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(replaced) = self.kept.remove(&number) {
            self.bytes -= replaced.len();
        }
    }

    /// Returns the spans with numbers above that one, the oldest first.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = (u64, &Arc<str>)> {
        let range = (Bound::Excluded(number), Bound::Unbounded);
        self.kept.range(range).map(|(number, json)| (*number, json))
    }

    /// Returns the number of the oldest span.
    #[cfg(feature = "live")]
    pub(crate) fn first(&self) -> u64 {
        self.kept.keys().next().copied().unwrap_or(self.last)
    }

    #[cfg(any(feature = "live", test))]
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns how many spans were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_spans_are_dropped_beyond_the_maximum_size() {
        let mut spans = Spans::default();
        for _ in 0..5 {
            spans.push("x".repeat(MAX_BYTES / 4));
        }
        assert_eq!((spans.len(), spans.dropped()), (4, 1));
        assert_eq!(spans.after(3).map(|(number, _)| number).collect::<Vec<_>>(), [4, 5]);
    }
}
