//! The list of models, as the servers of this family tell it.

use chatlas_core::{Model, ProviderError};
use serde_json::Value;

use super::error;
use super::usage::count;
use crate::http::malformed;

/// The models in a list: OpenAI's form, and what others add to it.
pub(crate) fn listed(told: Value) -> Result<Vec<Model>, ProviderError> {
    if let Some(error) = error::in_reply(&told) {
        return Err(error);
    }
    let list = match told {
        Value::Array(list) => list,
        mut told => match told["data"].take() {
            Value::Array(list) => list,
            _ => return Err(malformed("it is no list of models")),
        },
    };
    Ok(list.iter().filter_map(model).collect())
}

fn model(told: &Value) -> Option<Model> {
    let string = |key: &str| told[key].as_str().map(str::to_owned);
    let first = |places: &[&Value]| places.iter().find_map(|place| count(place));
    let mut model = Model::new(told["id"].as_str()?);
    model.name = string("name").filter(|name| *name != model.id);
    model.owner = string("owned_by");
    model.created = count(&told["created"]).and_then(|time| i64::try_from(time).ok());
    model.max_input_tokens =
        first(&[&told["context_length"], &told["context_window"], &told["max_context_length"]]);
    model.max_output_tokens =
        first(&[&told["max_completion_tokens"], &told["top_provider"]["max_completion_tokens"]]);
    Some(model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_read_as_each_server_writes_it() {
        let told = json!({"object": "list", "data": [
            {"id": "a", "created": 7.0, "owned_by": "us", "name": "a"},
            {"id": "b", "name": "B", "context_length": 10, "top_provider": {"max_completion_tokens": 5}},
            {"object": "model"}, null,
        ]});
        let models = listed(told).unwrap();
        assert_eq!(models.len(), 2);
        assert_eq!((models[0].created, models[0].owner.as_deref()), (Some(7), Some("us")));
        assert_eq!((models[0].name.as_deref(), models[1].name.as_deref()), (None, Some("B")));
        assert_eq!((models[1].max_input_tokens, models[1].max_output_tokens), (Some(10), Some(5)));
        assert_eq!(listed(json!([{"id": "a"}])).unwrap(), [Model::new("a")]);
        assert_eq!(listed(json!({"error": "not now"})).unwrap_err().message(), "not now");
        assert!(listed(json!({"models": []})).is_err());
    }
}
