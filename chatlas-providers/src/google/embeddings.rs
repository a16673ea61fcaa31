//! Embeddings of the Gemini API (`batchEmbedContents`) and of Vertex AI (`predict`, and
//! `embedContent` for the later models).

use std::borrow::Cow;

use chatlas_core::ProviderError;
use chatlas_core::provider::Embeddings;
use serde::{Deserialize, Serialize};

use crate::client::fields;
use crate::client::json::{self, Count, Maybe, read};
use crate::client::{EmbeddingCall, EmbeddingLimits, Vector, kind_word};

/// The method of a model that embeds texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Batch,
    Predict,
    One,
}

impl Method {
    /// Returns the method for a model.
    pub(super) fn of(model: &str, is_vertex: bool) -> Self {
        match model {
            _ if !is_vertex => Self::Batch,
            model if model.contains("gemini-embedding-001") => Self::Predict,
            model if model.contains("gemini") || model.contains("maas") => Self::One,
            _ => Self::Predict,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Batch => "batchEmbedContents",
            Self::Predict => "predict",
            Self::One => "embedContent",
        }
    }

    pub(super) fn limits(self, model: &str) -> EmbeddingLimits {
        match self {
            Self::Batch => EmbeddingLimits::new(100),
            Self::Predict if !model.contains("gemini") => {
                EmbeddingLimits::new(250).with_tokens(20_000).with_input("2048 tokens")
            }
            Self::Predict | Self::One => EmbeddingLimits::new(1),
        }
    }

    pub(super) fn write(
        self,
        call: &EmbeddingCall<'_>,
        body: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        let request = call.request;
        let task = kind_word(request, "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT");
        let dimensions = request.dimensions;
        match self {
            Self::Batch => {
                call.refuse(
                    request.truncate == Some(false),
                    "always cut an input that is too long: unset `truncate`",
                )?;
                let (collection, id) = super::model_name::resource(call.model);
                let model = format!("{collection}/{id}");
                let requests = call.inputs.iter().map(|input| One {
                    model: Some(&model),
                    content: content(prefixed(call, input)),
                    task_type: task.filter(|_| !has_prefixes(call.model)),
                    output_dimensionality: dimensions,
                    embed_content_config: None,
                });
                fields::write(body, &Batch { requests: requests.collect() })
            }
            Self::One => fields::write(
                body,
                &One {
                    model: None,
                    content: content(prefixed(call, call.input())),
                    task_type: None,
                    output_dimensionality: None,
                    embed_content_config: Some(Config {
                        task_type: task.filter(|_| !has_prefixes(call.model)),
                        output_dimensionality: dimensions,
                        auto_truncate: request.truncate,
                    }),
                },
            ),
            Self::Predict => {
                let instances =
                    call.inputs.iter().map(|content| Instance { content, task_type: task });
                let parameters = Config {
                    task_type: None,
                    output_dimensionality: dimensions,
                    auto_truncate: request.truncate,
                };
                fields::write(body, &Predict { instances: instances.collect(), parameters })
            }
        }
    }
}

/// Returns whether the model reads how a vector is used from the text alone.
fn has_prefixes(model: &str) -> bool {
    model.contains("gemini-embedding-2")
}

/// Returns the text that is embedded.
fn prefixed<'a>(call: &EmbeddingCall<'_>, text: &'a str) -> Cow<'a, str> {
    let prefix = kind_word(call.request, "task: search result | query: ", "title: none | text: ");
    match prefix.filter(|_| has_prefixes(call.model)) {
        Some(prefix) => format!("{prefix}{text}").into(),
        None => text.into(),
    }
}

fn content(text: Cow<'_, str>) -> Content<'_> {
    Content { parts: [Part { text }] }
}

/// Reads the response of any of the methods.
pub(super) fn embeddings(body: &[u8]) -> Result<Embeddings, ProviderError> {
    let mut repaired = String::new();
    let wire: Maybe<Wire> = read(body, &mut repaired)?;
    let wire = wire.0.unwrap_or_default();
    let reported = wire.usage_metadata.0.and_then(|usage| usage.prompt_token_count.0);
    let (vectors, tokens): (Vec<_>, _) = match (wire.predictions, wire.embeddings, wire.embedding) {
        (Some(predictions), ..) => {
            let tokens = predictions.iter().map(|prediction| {
                let statistics = prediction.embeddings.statistics.0.as_ref()?;
                statistics.token_count.0
            });
            let tokens = tokens.sum::<Option<u64>>();
            (
                predictions.into_iter().map(|prediction| prediction.embeddings.values.0).collect(),
                tokens,
            )
        }
        (None, Some(list), _) => (list.into_iter().map(|one| one.values.0).collect(), None),
        (None, None, Some(one)) => (vec![one.values.0], None),
        (None, None, None) => {
            return Err(json::unexpected("embeddings", body));
        }
    };
    let mut result = Embeddings::new(vectors);
    result.tokens = reported.or(tokens);
    Ok(result)
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embed_content_config: Option<Config>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
}

#[derive(Serialize)]
struct Part<'a> {
    text: Cow<'a, str>,
}

#[derive(Serialize)]
struct Predict<'a> {
    instances: Vec<Instance<'a>>,
    parameters: Config,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_truncate: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    embeddings: Option<Vec<Values>>,
    embedding: Option<Values>,
    predictions: Option<Vec<Prediction>>,
    usage_metadata: Maybe<Usage>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Usage {
    prompt_token_count: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Prediction {
    embeddings: Values,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Values {
    values: Vector,
    statistics: Maybe<Statistics>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Statistics {
    token_count: Count,
}
