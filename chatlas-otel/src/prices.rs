//! What models cost, as the program says: prices change, so there are none in here.

use std::collections::HashMap;

/// The price of one model, for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Of the input.
    pub input: f64,
    /// Of the output.
    pub output: f64,
    /// Of the input that the vendor had in its cache; that of the input where there is none.
    pub cached_input: Option<f64>,
}

/// The prices of models.
///
/// ```
/// use chatlas::otel::{Price, Prices};
///
/// let prices = Prices::in_currency("$")
///     .model("gpt-4o", Price { input: 2.5, output: 10.0, cached_input: Some(1.25) });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Prices {
    currency: String,
    models: HashMap<String, Price>,
}

impl Prices {
    /// Prices in that currency: a sign (`$`) or a code (`EUR`). There are none so far.
    pub fn in_currency(sign: impl Into<String>) -> Self {
        Self { currency: sign.into(), models: HashMap::new() }
    }

    /// The price of a model. The name is the one that the vendor answers with
    /// (`gpt-4o-2024-08-06`) or the one that was asked for (`gpt-4o`); the former wins.
    pub fn model(mut self, name: impl Into<String>, price: Price) -> Self {
        self.models.insert(name.into(), price);
        self
    }

    pub(super) fn currency(&self) -> &str {
        &self.currency
    }

    /// What a call cost, where the price of its model is known.
    pub(super) fn cost(&self, models: [Option<&str>; 2], tokens: &Spent) -> Option<f64> {
        let price = models.into_iter().flatten().find_map(|name| self.models.get(name))?;
        let cached = tokens.cached.min(tokens.input);
        #[allow(clippy::cast_precision_loss)] // beyond 2^53 tokens the last of them are free
        let of = |count: u64, price: f64| count as f64 * price / 1_000_000.0;
        Some(
            of(tokens.input - cached, price.input)
                + of(cached, price.cached_input.unwrap_or(price.input))
                + of(tokens.output, price.output),
        )
    }
}

/// The tokens of a call, as they are paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    /// All input, with what was cached.
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_what_its_model_costs() {
        let prices = Prices::in_currency("$")
            .model("a", Price { input: 2.0, output: 10.0, cached_input: Some(0.5) })
            .model("a-2024", Price { input: 4.0, output: 20.0, cached_input: None });
        let million = Spent { input: 1_000_000, cached: 400_000, output: 100_000 };
        let of = |models| prices.cost(models, &million);
        assert_eq!(of([Some("other"), Some("a")]), Some(1.2 + 0.2 + 1.0));
        assert_eq!(of([Some("a-2024"), Some("a")]), Some(4.0 + 2.0), "cached is not cheaper");
        assert_eq!(of([None, Some("other")]), None);
    }
}
