//! Reads the list of models and the count of tokens.

use chatlas_core::{Model, ProviderError};
use serde::Deserialize;

use crate::client::Page;
use crate::client::json::{Count, List, Maybe, Raw, Text, parse, read};
use crate::http::malformed;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Listing<'a> {
    #[serde(borrow)]
    models: Raw<'a>,
    /// The list of Vertex AI.
    publisher_models: Raw<'a>,
    next_page_token: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    display_name: Text<'a>,
    input_token_limit: Count,
    output_token_limit: Count,
}

/// Reads a page of the list of models.
pub(super) fn page(body: &[u8]) -> Result<Page, ProviderError> {
    let mut repaired = String::new();
    let page: Maybe<Listing<'_>> = read(body, &mut repaired)?;
    let missing = || malformed("it has no list of models");
    let page = page.0.ok_or_else(missing)?;
    let list = page.models.or(page.publisher_models).filter(|list| list.get().starts_with('['));
    let next = page.next_page_token.to_owned();
    let entries: List<Entry<'_>> = match parse(list) {
        Some(entries) => entries,
        // Google omits empty lists.
        None if next.is_some() => List::default(),
        None => return Err(missing()),
    };
    Ok(Page {
        models: entries.0.iter().map(model).collect(),
        next: next.into_iter().map(|token| ("pageToken", token)).collect(),
    })
}

fn model(entry: &Entry<'_>) -> Model {
    let name = entry.name.as_str();
    // `models/…`, or `publishers/google/models/…`.
    let mut model = Model::new(name.rsplit_once("models/").map_or(name, |(_, id)| id));
    model.name = entry.display_name.0.as_deref().map(str::to_owned);
    model.max_input_tokens = entry.input_token_limit.0;
    model.max_output_tokens = entry.output_token_limit.0;
    model
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counted {
    total_tokens: Count,
}

/// Reads the number of tokens of a request.
pub(super) fn count(body: &[u8]) -> Result<u64, ProviderError> {
    let mut repaired = String::new();
    let counted: Maybe<Counted> = read(body, &mut repaired)?;
    let tokens = counted.0.and_then(|counted| counted.total_tokens.0);
    tokens.ok_or_else(|| malformed("it has no `totalTokens`"))
}
