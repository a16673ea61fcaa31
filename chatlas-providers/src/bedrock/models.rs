//! Reads Bedrock's list of models.

use chatlas_core::{Model, ProviderError};
use serde::Deserialize;
use serde_json::Value;

use crate::anthropic::models::unix_seconds;
use crate::client::json::{self, Count, List, Maybe, Text};
use crate::client::{Page, malformed};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Models<'a> {
    #[serde(borrow)]
    model_summaries: Option<List<Summary<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Summary<'a> {
    #[serde(borrow)]
    model_id: Text<'a>,
    #[serde(borrow)]
    model_name: Text<'a>,
    #[serde(borrow)]
    provider_name: Text<'a>,
    output_modalities: Value,
    #[serde(borrow)]
    description: Maybe<Description<'a>>,
    converse: Maybe<Converse>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Description<'a> {
    #[serde(borrow)]
    release_date: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Converse {
    max_tokens_maximum: Count,
}

/// Reads the list, and leaves out the models that do not write text.
pub(super) fn page(body: &[u8]) -> Result<Page, ProviderError> {
    let mut repaired = String::new();
    let Maybe(models) = json::read::<Maybe<Models<'_>>>(body, &mut repaired)?;
    let Some(List(summaries)) = models.unwrap_or_default().model_summaries else {
        return Err(malformed("the list of models has no `modelSummaries`"));
    };
    let writes_text = |summary: &&Summary<'_>| {
        let modalities = summary.output_modalities.as_array();
        modalities.is_none_or(|modalities| modalities.iter().any(|m| m == "TEXT"))
    };
    Ok(Page::only(summaries.iter().filter(writes_text).filter_map(model).collect()))
}

fn model(summary: &Summary<'_>) -> Option<Model> {
    let mut model = Model::new(summary.model_id.to_owned()?);
    model.name = summary.model_name.to_owned();
    model.owner = summary.provider_name.to_owned();
    let description = summary.description.0.as_ref();
    model.created = description.and_then(|d| unix_seconds(d.release_date.as_str()));
    model.max_output_tokens = summary.converse.0.as_ref().and_then(|c| c.max_tokens_maximum.0);
    Some(model)
}
