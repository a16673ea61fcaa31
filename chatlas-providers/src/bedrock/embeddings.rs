//! Embeddings of Titan, Cohere and Nova on Bedrock, over `InvokeModel`.

use chatlas_core::provider::Embeddings;
use chatlas_core::{ProviderError, ProviderErrorKind};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::client::fields;
use crate::client::json::{self, Count, Maybe, read};
use crate::client::{EmbeddingCall, EmbeddingLimits, ReplyHead, Vector, kind_word};

/// The header with the number of input tokens. The bodies of Cohere and Nova have none.
const TOKENS_HEADER: &str = "x-amzn-bedrock-input-token-count";

/// The family of a model, which determines the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// The first version of Titan, without settings.
    TitanV1,
    Titan,
    CohereV3,
    Cohere,
    Nova,
}

impl Family {
    /// Returns the family of a model.
    pub(super) fn of(model: &str) -> Option<Self> {
        match model {
            _ if model.contains("titan-embed-text-v1") || model.contains("titan-embed-g1") => {
                Some(Self::TitanV1)
            }
            _ if model.contains("titan-embed") => Some(Self::Titan),
            _ if model.contains("cohere.embed") && model.contains("-v3") => Some(Self::CohereV3),
            _ if model.contains("cohere.embed") => Some(Self::Cohere),
            _ if model.contains("nova") && model.contains("embed") => Some(Self::Nova),
            _ => None,
        }
    }

    pub(super) fn limits(self) -> EmbeddingLimits {
        match self {
            Self::TitanV1 | Self::Titan => EmbeddingLimits::new(1).with_input("8192 tokens"),
            Self::CohereV3 => EmbeddingLimits::new(96).with_input("2048 characters"),
            Self::Cohere => EmbeddingLimits::new(96),
            Self::Nova => EmbeddingLimits::new(1),
        }
    }

    pub(super) fn write(
        self,
        call: &EmbeddingCall<'_>,
        body: &mut Vec<u8>,
    ) -> Result<(), ProviderError> {
        let request = call.request;
        let dimensions = request.dimensions;
        let has_fixed_size = matches!(self, Self::TitanV1 | Self::CohereV3);
        call.refuse(
            has_fixed_size && dimensions.is_some(),
            "have a fixed number of dimensions: unset `dimensions`",
        )?;
        match self {
            Self::TitanV1 | Self::Titan => {
                call.refuse(
                    request.truncate == Some(true),
                    "cannot cut an input: unset `truncate` and shorten the input",
                )?;
                fields::write(body, &Titan { input_text: call.input(), dimensions })
            }
            Self::CohereV3 | Self::Cohere => fields::write(
                body,
                &Cohere {
                    texts: call.inputs,
                    // The field is required.
                    input_type: kind_word(request, "search_query", "search_document")
                        .unwrap_or("search_document"),
                    embedding_types: ["float"],
                    truncate: request.truncate.map(|on| if on { "END" } else { "NONE" }),
                    output_dimension: dimensions,
                },
            ),
            Self::Nova => fields::write(
                body,
                &Nova {
                    task_type: "SINGLE_EMBEDDING",
                    single_embedding_params: NovaParams {
                        // The field is required.
                        embedding_purpose: kind_word(request, "TEXT_RETRIEVAL", "GENERIC_INDEX")
                            .unwrap_or("GENERIC_INDEX"),
                        embedding_dimension: dimensions,
                        text: NovaText {
                            truncation_mode: if request.truncate == Some(true) {
                                "END"
                            } else {
                                "NONE"
                            },
                            value: call.input(),
                        },
                    },
                },
            ),
        }
    }

    pub(super) fn read(
        self,
        head: &ReplyHead<'_>,
        body: &[u8],
    ) -> Result<Embeddings, ProviderError> {
        let mut repaired = String::new();
        let wire: Maybe<Wire> = read(body, &mut repaired)?;
        let wire = wire.0.unwrap_or_default();
        let vectors = match (wire.embedding, wire.embeddings) {
            (Some(vector), _) => vec![vector.0],
            (None, Some(list)) => list.0,
            (None, None) => return Err(json::unexpected("embeddings", body)),
        };
        let mut result = Embeddings::new(vectors);
        let in_header = head.header(TOKENS_HEADER).and_then(|count| count.parse().ok());
        result.tokens = in_header.or(wire.input_text_token_count.0);
        result.encoding_format = matches!(self, Self::CohereV3 | Self::Cohere).then_some("float");
        Ok(result)
    }
}

/// Returns the error of a model whose requests for embeddings are not supported here.
pub(super) fn unsupported(model: &str) -> ProviderError {
    ProviderError::new(
        ProviderErrorKind::Unsupported,
        format!(
            "the model `{model}` of aws.bedrock cannot embed texts: use a model of the families \
             Titan Text Embeddings, Cohere Embed or Nova Embeddings"
        ),
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Titan<'a> {
    input_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

#[derive(Serialize)]
struct Cohere<'a> {
    texts: &'a [String],
    input_type: &'static str,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Nova<'a> {
    task_type: &'static str,
    single_embedding_params: NovaParams<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaParams<'a> {
    embedding_purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_dimension: Option<u32>,
    text: NovaText<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaText<'a> {
    truncation_mode: &'static str,
    value: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    embedding: Option<Vector>,
    embeddings: Option<Vectors>,
    input_text_token_count: Count,
}

/// The vectors of Cohere, as a list or by their type, and those of Nova, each in an object.
struct Vectors(Vec<Vec<f32>>);

impl<'de> Deserialize<'de> for Vectors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VectorsVisitor).map(Self)
    }
}

struct VectorsVisitor;

impl<'de> Visitor<'de> for VectorsVisitor {
    type Value = Vec<Vec<f32>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of vectors or an object with `float`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut vectors = Vec::new();
        while let Some(Element(vector)) = seq.next_element()? {
            vectors.push(vector);
        }
        Ok(vectors)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut vectors = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "float" {
                let list: Vec<Vector> = map.next_value()?;
                vectors = list.into_iter().map(|vector| vector.0).collect();
            } else {
                map.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(vectors)
    }
}

/// A vector, or an object with one.
struct Element(Vec<f32>);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor).map(Self)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a vector or an object with `embedding`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<f32>, A::Error> {
        let deserializer = serde::de::value::SeqAccessDeserializer::new(seq);
        Ok(Vector::deserialize(deserializer)?.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<f32>, A::Error> {
        let mut vector = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "embedding" {
                vector = map.next_value::<Vector>()?.0;
            } else {
                map.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(vector)
    }
}
