//! Reads the list of models of OpenAI and of the vendors that follow it.

use chatlas_core::{Model, ProviderError};
use serde::Deserialize;

use super::error;
use crate::client::Page;
use crate::client::json::{self, Count, List, Maybe, Raw, Text};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed<'a> {
    #[serde(borrow)]
    data: Raw<'a>,
    error: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    name: Text<'a>,
    owned_by: Text<'a>,
    created: Count,
    context_length: Count,
    context_window: Count,
    max_context_length: Count,
    max_completion_tokens: Count,
    top_provider: Maybe<TopProvider>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TopProvider {
    max_completion_tokens: Count,
}

/// Reads the list: in the form of OpenAI, or a list alone.
pub(crate) fn page(body: &[u8]) -> Result<Page, ProviderError> {
    let mut repaired = String::new();
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Ok(Page::only(models(json::read(body, &mut repaired)?)));
    }
    let listed: Maybe<Listed<'_>> = json::read(body, &mut repaired)?;
    let data = listed.0.filter(|listed| listed.error.is_none()).and_then(|listed| listed.data);
    if let Some(data) = data.filter(|data| data.get().starts_with('[')) {
        return Ok(Page::only(models(json::parse(Some(data)).unwrap_or_default())));
    }
    let error = error::in_body(&json::tree(body));
    Err(error.unwrap_or_else(|| json::unexpected("a list of models", body)))
}

fn models(entries: List<Entry<'_>>) -> Vec<Model> {
    entries.0.into_iter().filter_map(model).collect()
}

fn model(entry: Entry<'_>) -> Option<Model> {
    let mut model = Model::new(entry.id.0?);
    model.name = entry.name.0.map(String::from).filter(|name| *name != model.id);
    model.owner = entry.owned_by.0.map(String::from);
    model.created = entry.created.0.and_then(|time| i64::try_from(time).ok());
    model.max_input_tokens =
        entry.context_length.0.or(entry.context_window.0).or(entry.max_context_length.0);
    let top = entry.top_provider.0.unwrap_or_default();
    model.max_output_tokens = entry.max_completion_tokens.0.or(top.max_completion_tokens.0);
    Some(model)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_list_of_each_server_is_read() {
        let read = |body: &Value| page(body.to_string().as_bytes()).map(|page| page.models);
        let models = read(&json!({"object": "list", "data": [
            {"id": "a", "created": 7.0, "owned_by": "us", "name": "a"},
            {"id": "b", "name": "B", "context_length": 10, "top_provider": {"max_completion_tokens": 5}},
            {"object": "model"}, null,
        ]}))
        .unwrap();
        assert_eq!(models.len(), 2);
        assert_eq!((models[0].created, models[0].owner.as_deref()), (Some(7), Some("us")));
        assert_eq!((models[0].name.as_deref(), models[1].name.as_deref()), (None, Some("B")));
        assert_eq!((models[1].max_input_tokens, models[1].max_output_tokens), (Some(10), Some(5)));
        assert_eq!(read(&json!([{"id": "a"}])).unwrap(), [Model::new("a")]);
        assert_eq!(read(&json!({"error": "not now"})).unwrap_err().message(), "not now");
        assert!(read(&json!({"models": []})).is_err());
    }
}
