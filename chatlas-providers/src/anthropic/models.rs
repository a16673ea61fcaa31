//! Reads Anthropic's list of models.

use std::time::UNIX_EPOCH;

use chatlas_core::{Model, ProviderError};
use serde_json::Value;

use crate::client::{Page, json, malformed};

/// Reads a page of the list.
pub(super) fn page(body: &[u8]) -> Result<Page, ProviderError> {
    let page: Value = json::read(body, &mut String::new())?;
    let Some(models) = page.get("data").and_then(Value::as_array) else {
        return Err(malformed("the list of models has no `data`"));
    };
    let has_more = page.get("has_more") == Some(&Value::Bool(true)) && !models.is_empty();
    let next = string(&page, "last_id").filter(|_| has_more);
    let next = next.map(|last| vec![("limit", "1000".to_owned()), ("after_id", last)]);
    let models = models.iter().filter_map(model).collect();
    Ok(Page { models, next: next.unwrap_or_default() })
}

fn model(listed: &Value) -> Option<Model> {
    let tokens = |key: &str| listed.get(key)?.as_u64().filter(|tokens| *tokens > 0);
    let mut model = Model::new(string(listed, "id")?);
    model.name = string(listed, "display_name");
    model.owner = Some("anthropic".to_owned());
    model.created = string(listed, "created_at").and_then(|time| unix_seconds(&time));
    model.max_input_tokens = tokens("max_input_tokens");
    model.max_output_tokens = tokens("max_tokens");
    Some(model)
}

/// Returns a field that is a string.
pub(crate) fn string(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// Returns an RFC 3339 time in seconds since 1970.
pub(crate) fn unix_seconds(time: &str) -> Option<i64> {
    let since = humantime::parse_rfc3339(time).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().filter(|seconds| *seconds > 0)
}
