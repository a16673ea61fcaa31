//! Embeddings in the form of OpenAI, Mistral and Ollama.

use chatlas_core::ProviderError;
use chatlas_core::provider::Embeddings;
use serde::{Deserialize, Serialize};

use super::error;
use crate::client::fields;
use crate::client::json::{self, Count, Maybe, Text, read};
use crate::client::{EmbeddingCall, EmbeddingLimits, Endpoint, Vector, in_order};
use reqwest::Url;

/// OpenAI's limits, which Azure has too.
const OPENAI: EmbeddingLimits =
    EmbeddingLimits::new(2048).with_tokens(300_000).with_input("8192 tokens");
/// The limit for servers that document none.
const OTHERS: EmbeddingLimits = EmbeddingLimits::new(128);

/// How a vendor that speaks Chat Completions offers embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmbeddingApi {
    /// As OpenAI: `embeddings`, with vectors in base64 or as numbers.
    OpenAi,
    /// As Mistral: the dimensions are `output_dimension`.
    Mistral,
    /// As Ollama: `/api/embed`, which can cut inputs.
    Ollama,
    /// Not at all.
    None,
}

/// Returns the limits of a vendor.
pub(crate) fn limits(vendor: &str) -> EmbeddingLimits {
    match vendor {
        "openai" | "azure.ai.openai" => OPENAI,
        _ => OTHERS,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<bool>,
}

impl EmbeddingApi {
    /// Returns the format in which vectors are requested. Base64 is a quarter of the numbers.
    fn format(self) -> Option<&'static str> {
        (self == Self::OpenAi).then_some("base64")
    }

    /// Returns the URL. `deployments` is whether the model is a part of it, as Azure has it.
    pub(crate) fn url(self, endpoint: &Endpoint, deployments: bool) -> Result<Url, ProviderError> {
        match self {
            Self::None => Err(endpoint.unsupported("embed texts")),
            Self::Ollama => {
                let mut url = endpoint.url(&[])?;
                let root = url.path().trim_end_matches('/').trim_end_matches("/v1").to_owned();
                url.set_path(&format!("{root}/api/embed"));
                Ok(url)
            }
            _ if deployments && !endpoint.is_versioned() => {
                endpoint.url(&["deployments", endpoint.model(), "embeddings"])
            }
            _ => endpoint.url(&["embeddings"]),
        }
    }

    /// Writes the body of a request.
    pub(crate) fn write(
        self,
        call: &EmbeddingCall<'_>,
        body: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        let request = call.request;
        if self != Self::Ollama {
            call.refuse(
                request.truncate == Some(true),
                "cannot cut an input: unset `truncate` and shorten the input",
            )?;
        }
        let dimensions = request.dimensions.filter(|_| self != Self::Mistral);
        let output_dimension = request.dimensions.filter(|_| self == Self::Mistral);
        let truncate = request.truncate.filter(|_| self == Self::Ollama);
        let encoding_format = self.format();
        let (model, input) = (call.model, call.inputs);
        let view = Body { model, input, dimensions, output_dimension, encoding_format, truncate };
        fields::write(body, &view)
    }

    /// Reads a response.
    pub(crate) fn read(self, body: &[u8]) -> Result<Embeddings, ProviderError> {
        let mut repaired = String::new();
        let wire: Maybe<Wire<'_>> = read(body, &mut repaired)?;
        let wire = wire.0.unwrap_or_default();
        let vectors = match (wire.data, wire.embeddings) {
            (Some(data), _) => in_order(data.into_iter().map(|v| (v.index.0, v.embedding.0)))?,
            (None, Some(list)) => list.into_iter().map(|vector| vector.0).collect(),
            (None, None) => {
                let error = error::in_body(&json::tree(body));
                return Err(error.unwrap_or_else(|| json::unexpected("embeddings", body)));
            }
        };
        let mut result = Embeddings::new(vectors);
        result.model = wire.model.to_owned();
        let usage = wire.usage.0.unwrap_or_default();
        let counts = [usage.prompt_tokens, usage.total_tokens, wire.prompt_eval_count];
        result.tokens = counts.into_iter().find_map(|count| count.0);
        result.encoding_format = self.format();
        Ok(result)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    model: Text<'a>,
    data: Option<Vec<Item>>,
    usage: Maybe<Usage>,
    /// The vectors of Ollama.
    embeddings: Option<Vec<Vector>>,
    /// The tokens of Ollama.
    prompt_eval_count: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    index: Count,
    embedding: Vector,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: Count,
    /// Some vendors report this count alone.
    total_tokens: Count,
}
