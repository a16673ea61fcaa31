//! Reads prices from text: the built-in form, and the JSON of `LiteLLM` and ellmer.

use std::fmt;

use serde_json::{Map, Value};

use super::price::Price;
use super::table::Prices;

/// The error of a text that contains no prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricesError {
    line: Option<usize>,
    message: String,
}

impl PricesError {
    fn new(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl fmt::Display for PricesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid prices")?;
        if let Some(line) = self.line {
            write!(f, " in line {line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for PricesError {}

/// Reads prices in any of the supported forms.
pub(super) fn any(text: &str) -> Result<Prices, PricesError> {
    if !text.trim_start().starts_with('{') {
        return table(text);
    }
    let json: Map<String, Value> = serde_json::from_str(text)
        .map_err(|error| PricesError::new(Some(error.line()), error.to_string()))?;
    let prices = match json.get("data").and_then(Value::as_array) {
        Some(rows) => of_ellmer(rows),
        None => of_litellm(&json),
    };
    if prices.is_empty() {
        let message = "no model has a price: expected the JSON of LiteLLM or of ellmer";
        return Err(PricesError::new(None, message));
    }
    Ok(prices)
}

/// Reads the built-in form.
pub(super) fn table(text: &str) -> Result<Prices, PricesError> {
    let mut prices = Prices::new("$");
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let fail = |message: &str| PricesError::new(Some(index + 1), message);
        match fields[..] {
            ["currency", currency] => prices = prices.with_currency(sign_of(currency)),
            ["date", _] => {}
            [vendor, model, variant, input, output, cached_input, cache_write] => {
                let number = |text: &str| match text {
                    "-" => Ok(None),
                    text => text.parse::<f64>().map(Some).map_err(|_| fail("expected a number")),
                };
                let (Some(input), Some(output)) = (number(input)?, number(output)?) else {
                    return Err(fail("the prices of input and output are required"));
                };
                let mut price = Price::new(input, output);
                price.cached_input = number(cached_input)?;
                price.cache_write = number(cache_write)?;
                let vendor = (vendor != "-").then(|| vendor.to_owned());
                prices.add(vendor, model.to_owned(), variant.trim_matches('-'), price);
            }
            _ => {
                return Err(fail(
                    "expected `vendor model tier input output cached-input cache-write`",
                ));
            }
        }
    }
    Ok(prices)
}

/// Returns the sign of a currency code, so that amounts look the same from each source.
fn sign_of(currency: &str) -> &str {
    if currency == "USD" { "$" } else { currency }
}

/// Reads the rows of ellmer's file. Rows without the price of input or output are skipped.
fn of_ellmer(rows: &[Value]) -> Prices {
    let mut prices = Prices::new("$");
    for row in rows {
        let text = |key: &str| row.get(key).and_then(Value::as_str);
        let number = |key: &str| row.get(key).and_then(Value::as_f64);
        let (Some(model), Some(input), Some(output)) =
            (text("model"), number("input"), number("output"))
        else {
            continue;
        };
        let mut price = Price::new(input, output);
        price.cached_input = number("cached_input");
        let vendor = text("provider").map(|name| vendor_of(name).to_owned());
        prices.add(vendor, model.to_owned(), text("variant").unwrap_or_default(), price);
    }
    prices
}

/// Reads `LiteLLM`'s object of models. Models without a price per token are skipped.
fn of_litellm(models: &Map<String, Value>) -> Prices {
    let mut prices = Prices::new("$");
    for (name, facts) in models {
        // The example entry of the file documents the fields.
        if name == "sample_spec" {
            continue;
        }
        let per_million =
            |key: &str| facts.get(key).and_then(Value::as_f64).map(|price| price * 1_000_000.0);
        let provider = facts.get("litellm_provider").and_then(Value::as_str);
        let model = provider
            .and_then(|provider| name.strip_prefix(provider)?.strip_prefix('/'))
            .unwrap_or(name);
        for (tier, suffix) in [("", ""), ("flex", "_flex"), ("priority", "_priority")] {
            let of = |key: &str| per_million(&[key, suffix].concat());
            let (Some(input), Some(output)) =
                (of("input_cost_per_token"), of("output_cost_per_token"))
            else {
                continue;
            };
            let mut price = Price::new(input, output);
            price.cached_input = of("cache_read_input_token_cost");
            price.cache_write = of("cache_creation_input_token_cost");
            let vendor = provider.map(|name| vendor_of(name).to_owned());
            prices.add(vendor, model.to_owned(), tier, price);
        }
    }
    prices
}

/// Returns `gen_ai.provider.name` of a vendor as `LiteLLM` and ellmer name it.
fn vendor_of(name: &str) -> &str {
    match name {
        "OpenAI" | "text-completion-openai" => "openai",
        "Azure/OpenAI" | "azure" => "azure.ai.openai",
        "Anthropic" => "anthropic",
        "Google/Gemini" | "gemini" => "gcp.gemini",
        "Google/Vertex" => "gcp.vertex_ai",
        name if name.starts_with("vertex_ai") => "gcp.vertex_ai",
        "AWS/Bedrock" | "bedrock" | "bedrock_converse" => "aws.bedrock",
        "Mistral" | "mistral" => "mistral_ai",
        "Groq" => "groq",
        "OpenRouter" => "openrouter",
        "xai" => "x_ai",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_built_in_prices_parses() {
        let text = include_str!("prices.txt");
        let prices = table(text).unwrap();
        assert_eq!(prices.currency(), "$");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(' ').collect();
            if fields.len() == 7 && fields[2] == "-" {
                let price = prices.find(fields[0], fields[1]).unwrap();
                assert_eq!(Ok(price.input), fields[3].parse::<f64>(), "{line}");
            }
        }
    }

    #[test]
    fn litellm_prices_are_per_token() {
        let json = r#"{
            "sample_spec": {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0},
            "acme/large": {"litellm_provider": "acme", "input_cost_per_token": 2e-06,
                "output_cost_per_token": 8e-06, "cache_read_input_token_cost": 5e-07,
                "input_cost_per_token_flex": 1e-06, "output_cost_per_token_flex": 4e-06},
            "picture": {"litellm_provider": "acme", "mode": "image_generation"}}"#;
        let prices = any(json).unwrap();
        let price = prices.find("acme", "large").unwrap();
        assert_eq!((price.input, price.output, price.cached_input), (2.0, 8.0, Some(0.5)));
        assert!(prices.find("acme", "picture").is_none());
        assert!(prices.find("acme", "sample_spec").is_none());
    }

    #[test]
    fn ellmer_prices_have_vendors_and_variants() {
        let json = r#"{"schema_version": 1, "data": [
            {"provider": "AWS/Bedrock", "model": "m", "variant": "", "input": 1, "output": 2},
            {"provider": "OpenAI", "model": "picture", "variant": "", "input": 5}]}"#;
        let prices = Prices::built_in().parse(json).unwrap();
        assert_eq!(prices.find("aws.bedrock", "m"), Some(Price::new(1.0, 2.0)));
        assert!(prices.find("openai", "picture").is_none());
        assert!(prices.find("openai", "gpt-4o").is_some(), "the others are kept");
    }

    #[test]
    fn errors_name_the_line() {
        let error = any("currency EUR\nacme large - 1 2 -").unwrap_err();
        assert!(error.to_string().starts_with("invalid prices in line 2: expected `vendor"));
        let error = any("acme large - - 2 - -").unwrap_err();
        assert!(error.to_string().contains("input and output are required"), "{error}");
        assert!(any("{\"a\": 1}").unwrap_err().to_string().contains("no model has a price"));
        assert!(any("{").is_err());
    }
}
