//! The tokens that a span records.

use chatlas_core::Usage;
use chatlas_core::cost::{PricedCall, Prices};
use chatlas_core::telemetry::names;
use opentelemetry_sdk::trace::SpanData;

use crate::attributes::number;

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

    /// Returns the cost of these tokens, or `None` if there are no tokens or no price.
    pub(crate) fn cost(
        self,
        prices: &Prices,
        vendor: Option<&str>,
        models: [Option<&str>; 2],
        tier: Option<&str>,
    ) -> Option<f64> {
        let mut usage = Usage::default();
        usage.input_tokens = self.input;
        usage.output_tokens = self.output;
        usage.cache_read_tokens = self.cached;
        usage.cache_write_tokens = self.cache_write;
        let is_empty = usage.total_tokens().unwrap_or(0) == 0;
        let cost = prices.cost(&PricedCall::new(vendor, models).with_tier(tier), &usage);
        (cost.is_complete() && !is_empty).then(|| cost.total())
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
