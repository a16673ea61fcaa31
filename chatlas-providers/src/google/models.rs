//! The list of models, page by page.

use chatlas_core::{Model, ProviderError};
use serde_json::Value;

use crate::http::malformed;

/// The pages so far.
#[derive(Default)]
pub(super) struct Pages {
    models: Vec<Model>,
    token: Option<String>,
}

impl Pages {
    /// What the next page is asked for by; the first one by nothing.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Takes in a page, and the list on it. After the last one it is the models of all.
    pub(super) fn turn(
        &mut self,
        list: &Value,
        page: &Value,
    ) -> Result<Option<Vec<Model>>, ProviderError> {
        let list = list.as_array().ok_or_else(|| malformed("it has no list of models"))?;
        self.models.extend(list.iter().map(model));
        match page["nextPageToken"].as_str().filter(|next| !next.is_empty()) {
            None => Ok(Some(std::mem::take(&mut self.models))),
            Some(next) if self.token() == Some(next) => {
                Err(malformed("its list of models leads back to the same page"))
            }
            Some(next) => {
                self.token = Some(next.to_owned());
                Ok(None)
            }
        }
    }
}

fn model(told: &Value) -> Model {
    let name = told["name"].as_str().unwrap_or_default();
    // `models/…`, or `publishers/google/models/…`.
    let mut model = Model::new(name.rsplit_once("models/").map_or(name, |(_, id)| id));
    model.name = told["displayName"].as_str().map(str::to_owned);
    model.max_input_tokens = told["inputTokenLimit"].as_u64();
    model.max_output_tokens = told["outputTokenLimit"].as_u64();
    model
}
