//! Reads Anthropic's list of models.

use std::time::UNIX_EPOCH;

use chatlas_core::{Model, ProviderError};
use serde::Deserialize;

use crate::client::json::{self, Count, Flag, List, Maybe, Text};
use crate::client::{Page, malformed};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Models<'a> {
    #[serde(borrow)]
    data: Option<List<Listed<'a>>>,
    has_more: Flag,
    #[serde(borrow)]
    last_id: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    display_name: Text<'a>,
    #[serde(borrow)]
    created_at: Text<'a>,
    max_input_tokens: Count,
    max_tokens: Count,
}

/// Reads a page of the list.
pub(super) fn page(body: &[u8]) -> Result<Page, ProviderError> {
    let mut repaired = String::new();
    let Maybe(models) = json::read::<Maybe<Models<'_>>>(body, &mut repaired)?;
    let models = models.unwrap_or_default();
    let Some(List(data)) = models.data else {
        return Err(malformed("the list of models has no `data`"));
    };
    let has_more = models.has_more.0 == Some(true) && !data.is_empty();
    let next = models
        .last_id
        .to_owned()
        .filter(|_| has_more)
        .map(|last| vec![("limit", "1000".to_owned()), ("after_id", last)]);
    Ok(Page { models: data.iter().filter_map(model).collect(), next: next.unwrap_or_default() })
}

fn model(listed: &Listed<'_>) -> Option<Model> {
    let positive = |count: Count| count.0.filter(|tokens| *tokens > 0);
    let mut model = Model::new(listed.id.to_owned()?);
    model.name = listed.display_name.to_owned();
    model.owner = Some("anthropic".to_owned());
    model.created = unix_seconds(listed.created_at.as_str());
    model.max_input_tokens = positive(listed.max_input_tokens);
    model.max_output_tokens = positive(listed.max_tokens);
    Some(model)
}

/// Returns an RFC 3339 time in seconds since 1970.
pub(crate) fn unix_seconds(time: &str) -> Option<i64> {
    let since = humantime::parse_rfc3339(time).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().filter(|seconds| *seconds > 0)
}
