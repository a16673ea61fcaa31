//! Helpers over trees of JSON, used by the Responses API until it is on the client.

use chatlas_core::{Model, ProviderError};
use reqwest::header::HeaderMap;
use serde_json::Value;

pub(crate) fn count(told: &Value) -> Option<u64> {
    serde_json::from_value::<crate::client::json::Count>(told.clone()).ok()?.0
}
pub(crate) fn arguments(told: &Value) -> Value {
    match told {
        Value::String(text) => crate::client::json::arguments(text),
        Value::Null => serde_json::json!({}),
        other => other.clone(),
    }
}
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
pub(crate) fn string(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
pub(crate) fn written_arguments(arguments: &Value) -> String {
    match arguments {
        Value::String(raw) => raw.clone(),
        other => other.to_string(),
    }
}
pub(crate) fn explain(status: u16, headers: &HeaderMap, body: &str) -> ProviderError {
    let error = super::error::read(status, body).with_status(status);
    let id = super::error::REQUEST_ID_HEADERS.iter().find_map(|n| headers.get(*n)?.to_str().ok());
    match id {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}
pub(crate) fn listed(told: Value) -> Result<Vec<Model>, ProviderError> {
    super::models::page(told.to_string().as_bytes()).map(|page| page.models)
}
