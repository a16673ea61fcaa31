//! The models that Anthropic has.

use std::time::UNIX_EPOCH;

use chatlas_core::{Model, ProviderError};
use serde_json::Value;

use crate::http::malformed;

/// A page of the list, and the model after which the next one begins.
pub(super) fn page(body: &Value) -> Result<(Vec<Model>, Option<String>), ProviderError> {
    let Some(list) = body["data"].as_array() else {
        return Err(malformed("the list of models has no `data`"));
    };
    let models = list.iter().filter_map(model).collect();
    let more = body["has_more"] == true && !list.is_empty();
    Ok((models, body["last_id"].as_str().filter(|_| more).map(str::to_owned)))
}

fn model(told: &Value) -> Option<Model> {
    let mut model = Model::new(told["id"].as_str()?);
    model.name = told["display_name"].as_str().map(str::to_owned);
    model.owner = Some("anthropic".to_owned());
    model.created = told["created_at"].as_str().and_then(seconds);
    model.max_input_tokens = told["max_input_tokens"].as_u64().filter(|tokens| *tokens > 0);
    model.max_output_tokens = told["max_tokens"].as_u64().filter(|tokens| *tokens > 0);
    Some(model)
}

/// A time as RFC 3339 has it, in seconds since 1970.
pub(crate) fn seconds(time: &str) -> Option<i64> {
    let since = humantime::parse_rfc3339(time).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_tells_where_the_next_one_begins() {
        let told = json!({"data": [
            {"id": "claude-9", "display_name": "Claude 9", "created_at": "2025-11-24T00:00:00Z",
                "max_input_tokens": 200_000, "max_tokens": 64_000},
            {"id": "claude-8", "created_at": "1970-01-01T00:00:00Z", "max_tokens": 0},
            {"display_name": "nameless"}, 3,
        ], "has_more": true, "last_id": "claude-8"});
        let (models, next) = page(&told).unwrap();
        let mut nine = Model::new("claude-9");
        nine.name = Some("Claude 9".into());
        nine.owner = Some("anthropic".into());
        nine.created = Some(1_763_942_400);
        nine.max_input_tokens = Some(200_000);
        nine.max_output_tokens = Some(64_000);
        let mut eight = Model::new("claude-8");
        eight.owner = Some("anthropic".into());
        assert_eq!((models, next.as_deref()), (vec![nine, eight], Some("claude-8")));
        assert_eq!(page(&json!({"data": [], "has_more": true, "last_id": "x"})).unwrap().1, None);
        assert!(page(&json!({})).is_err());
    }
}
