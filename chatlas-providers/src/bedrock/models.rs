//! The models that Bedrock has.

use chatlas_core::{Model, ProviderError};
use serde_json::Value;

use crate::anthropic::models::seconds;
use crate::http::malformed;

/// The models that write text, of the list of all.
pub(super) fn list(body: &Value) -> Result<Vec<Model>, ProviderError> {
    let Some(list) = body["modelSummaries"].as_array() else {
        return Err(malformed("the list of models has no `modelSummaries`"));
    };
    Ok(list.iter().filter(|model| writes_text(model)).filter_map(model).collect())
}

fn writes_text(told: &Value) -> bool {
    told["outputModalities"].as_array().is_none_or(|kinds| kinds.iter().any(|k| k == "TEXT"))
}

fn model(told: &Value) -> Option<Model> {
    let mut model = Model::new(told["modelId"].as_str()?);
    model.name = told["modelName"].as_str().map(str::to_owned);
    model.owner = told["providerName"].as_str().map(str::to_owned);
    model.created = told["description"]["releaseDate"].as_str().and_then(seconds);
    model.max_output_tokens = told["converse"]["maxTokensMaximum"].as_u64();
    Some(model)
}
