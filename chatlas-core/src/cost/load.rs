//! Loads prices: the built-in ones, and those of a text.

use std::sync::{Arc, OnceLock};

use super::read::{self, PricesError};
use super::table::Prices;

impl Prices {
    /// Returns the built-in prices in US dollars, of 2026-08-17. They are parsed at the first call.
    pub fn built_in() -> Self {
        (*Self::shared()).clone()
    }

    /// Returns the built-in prices without a copy.
    pub(crate) fn shared() -> Arc<Self> {
        static BUILT_IN: OnceLock<Arc<Prices>> = OnceLock::new();
        // A test parses every line.
        let read = || Arc::new(read::table(include_str!("prices.txt")).unwrap_or_default());
        Arc::clone(BUILT_IN.get_or_init(read))
    }

    /// Reads prices from a text, and adds them to these. A price of the text replaces one of the same
    /// vendor, model and tier.
    ///
    /// The text is the built-in form (`vendor model tier input output cached-input cache-write`, a dash
    /// for a missing value), or JSON in the form of `LiteLLM`'s `model_prices_and_context_window.json`
    /// or of ellmer's `prices.json`. Prices of a token (`LiteLLM`) are converted to prices of a million.
    ///
    /// ```
    /// use chatlas_core::cost::Prices;
    ///
    /// # fn main() -> Result<(), chatlas_core::cost::PricesError> {
    /// let prices = Prices::built_in().parse("acme large-1 - 2.5 10 1.25 -")?;
    /// assert_eq!(prices.find("acme", "large-1").map(|price| price.output), Some(10.0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PricesError`] if the text has none of these forms.
    pub fn parse(mut self, text: &str) -> Result<Self, PricesError> {
        self.extend(read::any(text)?);
        Ok(self)
    }
}
