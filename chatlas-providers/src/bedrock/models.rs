//! Reads Bedrock's list of models.

use chatlas_core::{Model, ProviderError};
use serde_json::Value;

use crate::anthropic::models::{string, unix_seconds};
use crate::client::{Page, json, malformed};

/// Reads the list, and leaves out the models that do not write text.
pub(super) fn page(body: &[u8]) -> Result<Page, ProviderError> {
    let list: Value = json::read(body, &mut String::new())?;
    let Some(models) = list.get("modelSummaries").and_then(Value::as_array) else {
        return Err(malformed("the list of models has no `modelSummaries`"));
    };
    Ok(Page::only(models.iter().filter(|model| writes_text(model)).filter_map(model).collect()))
}

fn writes_text(listed: &Value) -> bool {
    let kinds = listed.get("outputModalities").and_then(Value::as_array);
    kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind == "TEXT"))
}

fn model(listed: &Value) -> Option<Model> {
    let released = listed.get("description").and_then(|d| string(d, "releaseDate"));
    let mut model = Model::new(string(listed, "modelId")?);
    model.name = string(listed, "modelName");
    model.owner = string(listed, "providerName");
    model.created = released.and_then(|time| unix_seconds(&time));
    model.max_output_tokens =
        listed.get("converse").and_then(|converse| converse.get("maxTokensMaximum")?.as_u64());
    Some(model)
}
