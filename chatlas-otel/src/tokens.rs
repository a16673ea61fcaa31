//! The tokens that a span records.

use chatlas_core::telemetry::names;
use opentelemetry_sdk::trace::SpanData;

use crate::attributes::number;
use crate::prices::BilledTokens;

/// The tokens of one or more model calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) cache_write: Option<u64>,
}

impl Tokens {
    pub(crate) fn from_span(span: &SpanData) -> Self {
        let count = |key: &str| number(span, key);
        Self {
            input: count(names::usage::INPUT_TOKENS),
            output: count(names::usage::OUTPUT_TOKENS),
            cached: count(names::usage::CACHE_READ_TOKENS),
            cache_write: count(names::usage::CACHE_WRITE_TOKENS),
        }
    }

    pub(crate) fn billed(self) -> BilledTokens {
        BilledTokens {
            input: self.input.unwrap_or(0),
            cached: self.cached.unwrap_or(0),
            cache_write: self.cache_write.unwrap_or(0),
            output: self.output.unwrap_or(0),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            input: sum(self.input, other.input),
            output: sum(self.output, other.output),
            cached: sum(self.cached, other.cached),
            cache_write: sum(self.cache_write, other.cache_write),
        }
    }

    /// Returns the input and output tokens as text, or `None` if both are unknown.
    pub(crate) fn label(self) -> Option<String> {
        match (self.input, self.output) {
            (Some(input), Some(output)) => Some(format!("{input} in → {output} out")),
            (Some(input), None) => Some(format!("{input} in")),
            (None, Some(output)) => Some(format!("{output} out")),
            (None, None) => None,
        }
    }
}
