//! [`Prices`]: finds the price of a call by its vendor, model, service tier and size.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::amount::Cost;
use super::price::Price;
use super::read::{self, PricesError};
use crate::turn::Usage;

/// The prices of models in one currency.
///
/// [`Prices::built_in`] has those of the supported vendors in US dollars. Prices change: the program
/// can replace, extend or [read](Self::parse) them.
///
/// A price is found by the name of the model. Names match exactly, or else after these changes, in
/// this order:
///
/// 1. without a resource path (`models/…`, `accounts/…/models/…`) before the name,
/// 2. without a region of Amazon Bedrock (`us.`, `eu.`, `apac.`, `global.`, …),
/// 3. without a date or `-latest` at the end (`gpt-4o-2024-08-06`, `claude-sonnet-4-5-20250929`).
///
/// ```
/// use chatlas_core::cost::{Price, Prices};
///
/// let prices = Prices::built_in()
///     .with_price("my-model", Price::new(2.5, 10.0).with_cached_input(1.25))
///     .with_vendor_price("groq", "qwen3", Price::new(0.3, 0.6));
/// assert_eq!(prices.find("openai", "gpt-4o-2024-08-06"), Some(Price::new(2.5, 10.0).with_cached_input(1.25)));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Prices {
    currency: String,
    models: HashMap<String, Vec<Entry>>,
}

/// A price of a model.
#[derive(Clone, Debug)]
struct Entry {
    /// `None`: for all vendors.
    vendor: Option<String>,
    /// The service tier; empty: the default one.
    tier: String,
    /// The number of input tokens above which the price applies.
    above: u64,
    price: Price,
}

/// The facts about a call that decide its price.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct PricedCall<'a> {
    /// `gen_ai.provider.name` of the vendor, if there is one.
    pub vendor: Option<&'a str>,
    /// The names of the model. The first one with a price counts.
    pub models: [Option<&'a str>; 2],
    /// The service tier, if it is not the default one: `flex`, `priority`, `batches`.
    pub tier: Option<&'a str>,
}

impl<'a> PricedCall<'a> {
    /// Creates a call of the default service tier. `models` are the names of the model in the response
    /// and in the request: the first one with a price counts.
    pub const fn new(vendor: Option<&'a str>, models: [Option<&'a str>; 2]) -> Self {
        Self { vendor, models, tier: None }
    }

    /// Sets the service tier.
    #[must_use]
    pub const fn with_tier(mut self, tier: Option<&'a str>) -> Self {
        self.tier = tier;
        self
    }
}

impl Prices {
    /// Creates an empty list of prices. The currency is a sign (`$`) or a code (`EUR`).
    pub fn new(currency: impl Into<String>) -> Self {
        Self { currency: currency.into(), models: HashMap::new() }
    }

    /// Returns the built-in prices in US dollars, of 2026-08-17. They are parsed at the first call.
    pub fn built_in() -> Self {
        (*Self::shared()).clone()
    }

    /// Returns the built-in prices without a copy.
    pub(crate) fn shared() -> Arc<Self> {
        static BUILT_IN: OnceLock<Arc<Prices>> = OnceLock::new();
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
    /// # Errors
    ///
    /// [`PricesError`] if the text has none of these forms.
    pub fn parse(mut self, text: &str) -> Result<Self, PricesError> {
        let more = read::any(text)?;
        if self.currency.is_empty() {
            self.currency.clone_from(&more.currency);
        }
        for (model, entries) in more.models {
            for entry in entries {
                self.insert(model.clone(), entry);
            }
        }
        Ok(self)
    }

    /// Sets the price of a model for all vendors and service tiers. Replaces all prices of that name.
    ///
    /// The name is either that of the response (`gpt-4o-2024-08-06`) or that of the request
    /// (`gpt-4o`). If both have a price, the name of the response takes precedence.
    pub fn with_price(mut self, model: impl Into<String>, price: Price) -> Self {
        self.insert(model.into(), Entry { vendor: None, tier: String::new(), above: 0, price });
        self
    }

    /// Sets the price of a model of that vendor (`gen_ai.provider.name`). It takes precedence over a
    /// price for all vendors.
    pub fn with_vendor_price(
        mut self,
        vendor: impl Into<String>,
        model: impl Into<String>,
        price: Price,
    ) -> Self {
        self.add(Some(vendor.into()), model.into(), "", price);
        self
    }

    /// Adds a price. `variant` is a service tier, a minimum of input tokens (`above_200k_tokens`), or
    /// both.
    pub(super) fn add(
        &mut self,
        vendor: Option<String>,
        model: String,
        variant: &str,
        price: Price,
    ) {
        let (above, tier) = above_and_tier(variant);
        self.insert(model, Entry { vendor, tier: tier.to_owned(), above, price });
    }

    fn insert(&mut self, model: String, entry: Entry) {
        let entries = self.models.entry(model).or_default();
        entries.retain(|old| match entry.vendor {
            None => false,
            Some(_) => {
                old.vendor != entry.vendor || old.tier != entry.tier || old.above != entry.above
            }
        });
        entries.push(entry);
    }

    pub(super) fn with_currency(mut self, currency: &str) -> Self {
        currency.clone_into(&mut self.currency);
        self
    }

    /// Returns whether there is no price.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Returns the currency: a sign or a code.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// Returns the price of a model of that vendor, for the default service tier and few input tokens.
    pub fn find(&self, vendor: &str, model: &str) -> Option<Price> {
        self.price_of(&PricedCall::new(Some(vendor), [Some(model), None]), 0)
    }

    /// Returns the price of a call with that number of input tokens.
    pub fn price_of(&self, call: &PricedCall<'_>, input_tokens: u64) -> Option<Price> {
        call.models.into_iter().flatten().find_map(|model| {
            let mut names = names(model);
            names.find_map(|name| best(self.models.get(name)?, call, input_tokens))
        })
    }

    /// Returns the cost of a call. It is [unknown](Cost::unknown) if the vendor reports no usage or
    /// the model has no price.
    pub fn cost(&self, call: &PricedCall<'_>, usage: &Usage) -> Cost {
        if usage.input_tokens.is_none() && usage.output_tokens.is_none() {
            return Cost::unknown();
        }
        let price = self.price_of(call, usage.input_tokens.unwrap_or(0));
        price.map_or_else(Cost::unknown, |price| price.cost(usage))
    }
}

/// Returns the most specific price for the call: that of its vendor before one for all vendors, and the
/// highest minimum of input tokens. A service tier without a price has none: it is not the default.
fn best(entries: &[Entry], call: &PricedCall<'_>, input_tokens: u64) -> Option<Price> {
    let tier = tier_name(call.tier);
    let fits = |entry: &&Entry| {
        let by_vendor = match (&entry.vendor, call.vendor) {
            (Some(own), Some(vendor)) => own == vendor,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let by_tier = entry.tier == tier || entry.vendor.is_none();
        by_vendor && by_tier && (entry.above == 0 || input_tokens > entry.above)
    };
    let rank = |entry: &&Entry| (entry.vendor.is_some(), entry.above);
    entries.iter().filter(fits).max_by_key(rank).map(|entry| entry.price)
}

/// Returns the tier by the name that the table uses.
fn tier_name(tier: Option<&str>) -> &str {
    match tier.unwrap_or_default() {
        "default" | "auto" | "standard" | "on_demand" => "",
        "batch" => "batches",
        tier => tier,
    }
}

/// Splits `above_200k_tokens_priority` into the number of tokens and the tier.
fn above_and_tier(variant: &str) -> (u64, &str) {
    let parse = || {
        let (thousands, tier) = variant.strip_prefix("above_")?.split_once("k_tokens")?;
        let above = thousands.parse::<u64>().ok()?.checked_mul(1000)?;
        Some((above, tier.trim_start_matches('_')))
    };
    parse().unwrap_or((0, variant))
}

/// Returns the names under which a model may have a price, the exact one first.
fn names(model: &str) -> impl Iterator<Item = &str> {
    let of_path = model.rsplit_once("models/").map_or(model, |(_, name)| name);
    let of_region = without_region(of_path);
    let mut last = None;
    [model, of_path, of_region, without_date(of_path), without_date(of_region)]
        .into_iter()
        .filter(move |name| last.replace(*name) != Some(*name))
}

/// Removes the region of an inference profile of Amazon Bedrock.
fn without_region(model: &str) -> &str {
    const REGIONS: [&str; 8] = ["us", "us-gov", "eu", "apac", "au", "jp", "ca", "global"];
    match model.split_once('.') {
        Some((region, name)) if REGIONS.contains(&region) && name.contains('.') => name,
        _ => model,
    }
}

/// Removes `-latest`, `-2024-08-06`, `@20240806` or `-20240806` at the end.
fn without_date(model: &str) -> &str {
    if let Some(name) = model.strip_suffix("-latest") {
        return name;
    }
    let is_date = |date: &str| {
        let digits = date.bytes().filter(u8::is_ascii_digit).count();
        digits == 8 && date.starts_with("20") && matches!(date.len(), 8 | 10)
    };
    for length in [10, 8] {
        let Some(at) = model.len().checked_sub(length + 1) else { continue };
        if let (Some(name), Some(date)) = (model.get(..at), model.get(at + 1..))
            && matches!(model.as_bytes().get(at), Some(b'-' | b'@'))
            && is_date(date)
        {
            return name;
        }
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(vendor: &str, model: &str) -> Option<(f64, f64, Option<f64>)> {
        let price = Prices::shared().find(vendor, model)?;
        Some((price.input, price.output, price.cached_input))
    }

    #[test]
    fn published_prices_are_found() {
        for (vendor, model, price) in [
            ("openai", "gpt-4o", (2.5, 10.0, Some(1.25))),
            ("openai", "gpt-4o-mini", (0.15, 0.6, Some(0.075))),
            ("anthropic", "claude-sonnet-4-5", (3.0, 15.0, Some(0.3))),
            ("anthropic", "claude-opus-4-1", (15.0, 75.0, Some(1.5))),
            ("gcp.gemini", "gemini-2.5-pro", (1.25, 10.0, Some(0.125))),
            ("gcp.vertex_ai", "gemini-2.5-flash", (0.3, 2.5, Some(0.03))),
            ("aws.bedrock", "us.anthropic.claude-opus-5", (5.5, 27.5, Some(0.55))),
            ("azure.ai.openai", "gpt-4o-mini", (0.165, 0.66, Some(0.075))),
            ("groq", "openai/gpt-oss-120b", (0.15, 0.6, Some(0.075))),
            ("mistral_ai", "mistral-large-latest", (0.5, 1.5, None)),
            ("openrouter", "anthropic/claude-sonnet-4.5", (3.0, 15.0, Some(0.3))),
        ] {
            assert_eq!(find(vendor, model), Some(price), "{vendor} {model}");
        }
        let cache_write = Prices::shared().find("anthropic", "claude-sonnet-4-5").unwrap();
        assert_eq!(cache_write.cache_write, Some(3.75));
    }

    #[test]
    fn dates_regions_and_paths_are_ignored_if_the_exact_name_has_no_price() {
        let gpt = find("openai", "gpt-4o");
        assert_eq!(find("openai", "gpt-4o-2099-01-31"), gpt);
        assert_ne!(find("openai", "gpt-4o-2024-05-13"), gpt, "an exact name takes precedence");
        let flash = find("gcp.gemini", "gemini-2.5-flash");
        assert_eq!(find("gcp.gemini", "models/gemini-2.5-flash"), flash);
        assert_eq!(find("gcp.gemini", "gemini-2.5-flash-latest"), flash);
        let claude = find("anthropic", "claude-sonnet-4-5");
        assert_eq!(find("anthropic", "claude-sonnet-4-5-20991231"), claude);
        let nova = "amazon.nova-2-lite-v1:0";
        let prices = Prices::new("$").with_price(nova, Price::new(1.0, 2.0));
        assert!(prices.find("aws.bedrock", &format!("ca.{nova}")).is_some());
        for unknown in ["", "gpt-4o-2", "gpt-4o-12345678", "-latest", "é-20240101"] {
            assert_eq!(find("openai", unknown), None, "{unknown}");
        }
        assert_eq!(find("acme", "gpt-4o"), None, "another vendor may have another price");
    }

    #[test]
    fn service_tiers_and_long_prompts_have_prices() {
        let call = |models, tier| PricedCall::new(Some("openai"), models).with_tier(tier);
        let price = |tier| {
            Prices::shared().price_of(&call([Some("gpt-4o"), None], tier), 0).map(|p| p.input)
        };
        assert_eq!(price(None), Some(2.5));
        assert_eq!(price(Some("default")), Some(2.5));
        assert_eq!(price(Some("priority")), Some(4.25));
        assert_eq!(price(Some("scale")), None, "not the price of the default tier");
        let gemini = PricedCall::new(Some("gcp.gemini"), [Some("gemini-2.5-pro"), None]);
        let price = |tokens| Prices::shared().price_of(&gemini, tokens).map(|p| p.input);
        assert_eq!(price(200_000), Some(1.25));
        assert_eq!(price(200_001), Some(2.5));
    }

    #[test]
    fn the_response_model_takes_precedence() {
        let prices = Prices::new("$")
            .with_price("a", Price::new(2.0, 10.0))
            .with_price("a-large", Price::new(4.0, 20.0));
        let cost =
            |models| prices.cost(&PricedCall::new(None, models), &Usage::new(1_000_000, 0)).total();
        assert_eq!(Some(cost([Some("other"), Some("a")])), Some(2.0));
        assert_eq!(Some(cost([Some("a-large"), Some("a")])), Some(4.0));
        let unknown = prices.cost(&PricedCall::new(None, [None, Some("b")]), &Usage::new(1, 1));
        assert_eq!(unknown, Cost::unknown());
        let unmeasured = PricedCall::new(None, [Some("a"), None]);
        assert_eq!(prices.cost(&unmeasured, &Usage::default()), Cost::unknown());
    }

    #[test]
    fn a_price_of_a_vendor_takes_precedence_over_one_for_all() {
        let prices = Prices::new("$").with_price("q", Price::new(2.0, 2.0)).with_vendor_price(
            "groq",
            "q",
            Price::new(1.0, 1.0),
        );
        assert_eq!(prices.find("groq", "q").map(|price| price.input), Some(1.0));
        assert_eq!(prices.find("acme", "q").map(|price| price.input), Some(2.0));
        let prices = prices.with_price("q", Price::new(3.0, 3.0));
        assert_eq!(prices.find("groq", "q").map(|price| price.input), Some(3.0), "replaced");
    }
}
