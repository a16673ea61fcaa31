//! The prices of models, set by the program: this crate contains none, because prices change.

use std::collections::HashMap;

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
    pub fn new(input: f64, output: f64) -> Self {
        Self { input, output, cached_input: None, cache_write: None }
    }

    /// Sets the price of a million cached input tokens.
    #[must_use]
    pub fn with_cached_input(mut self, price: f64) -> Self {
        self.cached_input = Some(price);
        self
    }

    /// Sets the price of a million input tokens that are written to the cache.
    #[must_use]
    pub fn with_cache_write(mut self, price: f64) -> Self {
        self.cache_write = Some(price);
        self
    }
}

/// The prices of several models in one currency.
///
/// ```
/// use chatlas::otel::{Price, Prices};
///
/// let prices =
///     Prices::new("$").with_price("gpt-4o", Price::new(2.5, 10.0).with_cached_input(1.25));
/// let claude = Price::new(3.0, 15.0).with_cached_input(0.3).with_cache_write(3.75);
/// let prices = prices.with_price("claude-sonnet-4-5", claude);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Prices {
    currency: String,
    models: HashMap<String, Price>,
}

impl Prices {
    /// Creates an empty list of prices. The currency is a sign (`$`) or a code (`EUR`).
    pub fn new(currency: impl Into<String>) -> Self {
        Self { currency: currency.into(), models: HashMap::new() }
    }

    /// Sets the price of a model.
    ///
    /// The name is either that of the response (`gpt-4o-2024-08-06`) or that of the request
    /// (`gpt-4o`). If both have a price, the name of the response takes precedence.
    pub fn with_price(mut self, model: impl Into<String>, price: Price) -> Self {
        self.models.insert(model.into(), price);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    pub(crate) fn currency(&self) -> &str {
        &self.currency
    }

    /// Returns the cost of a call by the first of these models that has a price.
    pub(crate) fn cost(&self, models: [Option<&str>; 2], tokens: &BilledTokens) -> Option<f64> {
        let price = models.into_iter().flatten().find_map(|name| self.models.get(name))?;
        let cached = tokens.cached.min(tokens.input);
        let written = tokens.cache_write.min(tokens.input - cached);
        #[allow(clippy::cast_precision_loss)] // only beyond 2^53 tokens
        let cost = |count: u64, price: f64| count as f64 * price / 1_000_000.0;
        Some(
            cost(tokens.input - cached - written, price.input)
                + cost(cached, price.cached_input.unwrap_or(price.input))
                + cost(written, price.cache_write.unwrap_or(price.input))
                + cost(tokens.output, price.output),
        )
    }
}

/// The tokens of a call by price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BilledTokens {
    /// All input tokens, including those that were read from and written to the cache.
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) cache_write: u64,
    pub(crate) output: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_follows_the_price_of_the_response_model_first() {
        let prices = Prices::new("$")
            .with_price("a", Price::new(2.0, 10.0).with_cached_input(0.5))
            .with_price("a-2024", Price::new(4.0, 20.0));
        let tokens = BilledTokens {
            input: 1_000_000,
            cached: 400_000,
            output: 100_000,
            ..BilledTokens::default()
        };
        let cost = |models| prices.cost(models, &tokens);
        assert_eq!(cost([Some("other"), Some("a")]), Some(1.2 + 0.2 + 1.0));
        assert_eq!(
            cost([Some("a-2024"), Some("a")]),
            Some(4.0 + 2.0),
            "cached input has the price of other input"
        );
        assert_eq!(cost([None, Some("other")]), None);
    }

    /// <https://github.com/VasiHemanth/tokentelemetry/issues/68>
    #[test]
    fn cache_writes_have_a_price() {
        let claude = Price::new(3.0, 15.0).with_cached_input(0.3);
        let tokens =
            BilledTokens { input: 1_000_000, cached: 200_000, cache_write: 400_000, output: 0 };
        let cost = |price| {
            Prices::new("$").with_price("claude", price).cost([Some("claude"), None], &tokens)
        };
        let close = |cost: Option<f64>, expected: f64| (cost.unwrap() - expected).abs() < 1e-9;
        assert!(close(cost(claude.with_cache_write(3.75)), 0.4 * 3.0 + 0.2 * 0.3 + 0.4 * 3.75));
        assert!(close(cost(claude), 0.8 * 3.0 + 0.2 * 0.3), "the price of other input");
    }
}
