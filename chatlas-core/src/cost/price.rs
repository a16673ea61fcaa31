//! The price of a model.

use super::amount::Cost;
use crate::turn::Usage;

/// The price of a model per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Price {
    /// The price of a million input tokens.
    pub input: f64,
    /// The price of a million output tokens.
    pub output: f64,
    /// The price of a million input tokens that the vendor read from its cache. Default: the price
    /// of other input tokens.
    pub cached_input: Option<f64>,
    /// The price of a million input tokens that the vendor wrote to its cache. Default: the price of
    /// other input tokens.
    pub cache_write: Option<f64>,
}

impl Price {
    /// Creates a price from those of a million input tokens and a million output tokens.
    pub const fn new(input: f64, output: f64) -> Self {
        Self { input, output, cached_input: None, cache_write: None }
    }

    /// Sets the price of a million cached input tokens.
    #[must_use]
    pub const fn with_cached_input(mut self, price: f64) -> Self {
        self.cached_input = Some(price);
        self
    }

    /// Sets the price of a million input tokens that are written to the cache.
    #[must_use]
    pub const fn with_cache_write(mut self, price: f64) -> Self {
        self.cache_write = Some(price);
        self
    }

    /// Returns the cost of these tokens. A count that the vendor does not report costs nothing.
    pub fn cost(&self, usage: &Usage) -> Cost {
        let input = usage.input_tokens.unwrap_or(0);
        let cached = usage.cache_read_tokens.unwrap_or(0).min(input);
        let written = usage.cache_write_tokens.unwrap_or(0).min(input - cached);
        #[expect(clippy::cast_precision_loss, reason = "only beyond 2^53 tokens")]
        let cost = |count: u64, price: f64| count as f64 * price / 1_000_000.0;
        Cost {
            input: cost(input - cached - written, self.input),
            cached_input: cost(cached, self.cached_input.unwrap_or(self.input)),
            cache_write: cost(written, self.cache_write.unwrap_or(self.input)),
            output: cost(usage.output_tokens.unwrap_or(0), self.output),
            unknown_calls: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_and_written_tokens_are_parts_of_the_input() {
        let price = Price::new(2.0, 10.0).with_cached_input(0.5).with_cache_write(2.5);
        let usage = Usage::new(1_000_000, 100_000)
            .with_cache_read_tokens(400_000)
            .with_cache_write_tokens(200_000);
        let cost = price.cost(&usage);
        assert_eq!((cost.input, cost.cached_input, cost.cache_write), (0.8, 0.2, 0.5));
        assert_eq!((cost.output, cost.total()), (1.0, 2.5));
        let cost = Price::new(2.0, 10.0).cost(&usage);
        assert_eq!(Some(cost.total()), Some(3.0), "the price of other input");
    }

    #[test]
    fn more_cached_tokens_than_input_tokens_cost_no_more_than_the_input() {
        let usage = Usage::new(10, 0).with_cache_read_tokens(30).with_cache_write_tokens(5);
        assert_eq!(Some(Price::new(1e6, 0.0).cost(&usage).total()), Some(10.0));
    }
}
