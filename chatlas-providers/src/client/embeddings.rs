//! Embeddings: splits the inputs by the vendor's limits, sends several requests at a time, and joins
//! their results in the order of the inputs.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chatlas_core::provider::{EmbeddingKind, EmbeddingRequest, Embeddings, Vendor};
use chatlas_core::{ProviderError, ProviderErrorKind};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::{Client, Dialect, malformed};
use crate::http::Deadline;

/// The maximum number of requests of one call that run at the same time.
const CONCURRENT: usize = 4;
/// The number of bytes per token by which tokens are estimated. It is low on purpose: smaller requests
/// are cheaper than one that fails and has to be split.
const BYTES_PER_TOKEN: usize = 2;

/// The limits of one request for embeddings.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddingLimits {
    /// The maximum number of inputs.
    pub inputs: usize,
    /// The maximum number of tokens of all inputs, if the vendor has such a limit.
    pub tokens: Option<usize>,
    /// The maximum number of tokens or characters of one input, for error messages.
    pub of_input: Option<&'static str>,
}

impl EmbeddingLimits {
    /// Creates limits with a maximum number of inputs and no other limit.
    pub(crate) const fn new(inputs: usize) -> Self {
        Self { inputs, tokens: None, of_input: None }
    }

    /// Sets the maximum number of tokens of all inputs.
    pub(crate) const fn with_tokens(mut self, tokens: usize) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Sets the maximum length of one input, such as `8192 tokens`.
    pub(crate) const fn with_input(mut self, length: &'static str) -> Self {
        self.of_input = Some(length);
        self
    }

    /// Splits the inputs. An input that exceeds the limit of tokens is sent by itself.
    fn split(self, mut inputs: &[String]) -> Vec<&[String]> {
        let most = self.inputs.max(1);
        let most_bytes = self.tokens.map_or(usize::MAX, |tokens| tokens * BYTES_PER_TOKEN);
        let mut parts = Vec::new();
        while !inputs.is_empty() {
            let mut bytes = 0_usize;
            let fits = |input: &&String| {
                bytes = bytes.saturating_add(input.len());
                bytes <= most_bytes
            };
            let count = inputs.iter().take(most).take_while(fits).count().max(1);
            let (part, rest) = inputs.split_at(count);
            parts.push(part);
            inputs = rest;
        }
        parts
    }

    fn describe(self, vendor: &str) -> String {
        let inputs = self.inputs;
        let tokens = self.tokens.map(|tokens| format!(" and {tokens} tokens")).unwrap_or_default();
        let length = self.of_input.map(|length| format!(", and {length} per input"));
        let length = length.unwrap_or_default();
        format!("{vendor} accepts at most {inputs} inputs{tokens} in one request{length}")
    }
}

/// A request for embeddings that a dialect writes.
pub struct EmbeddingCall<'a> {
    /// The vendor that receives the request.
    pub vendor: &'static Vendor,
    /// The requested model.
    pub model: &'a str,
    /// The settings of the request.
    pub request: &'a EmbeddingRequest,
    /// The inputs of this request: a part of those of `request`.
    pub inputs: &'a [String],
}

impl EmbeddingCall<'_> {
    /// Refuses a setting that the vendor, or the model, does not have.
    pub(crate) fn refuse(&self, is_set: bool, what: &str) -> Result<(), ProviderError> {
        if !is_set {
            return Ok(());
        }
        let message = format!("embeddings of {} ({}) {what}", self.vendor.name, self.model);
        Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message))
    }

    /// Returns the only input of a vendor that accepts one per request.
    pub(crate) fn input(&self) -> &str {
        self.inputs.first().map_or("", String::as_str)
    }
}

impl<D: Dialect> Client<D> {
    /// Returns the embeddings of all inputs.
    pub(super) async fn embed_all(
        &self,
        request: &EmbeddingRequest,
        deadline: Option<Deadline>,
    ) -> Result<Embeddings, ProviderError> {
        let vendor = self.endpoint.vendor().name;
        if let Some(index) = request.inputs.iter().position(String::is_empty) {
            return Err(ProviderError::new(
                ProviderErrorKind::InvalidRequest,
                format!("the input at index {index} is empty: {vendor} cannot embed it"),
            ));
        }
        let limits = self.dialect.embedding_limits(&self.endpoint);
        let parts = limits.split(&request.inputs).into_iter();
        let calls: Vec<_> =
            parts.map(|inputs| self.embed_part(request, inputs, deadline)).collect();
        let mut parts = stream::iter(calls).buffered(CONCURRENT);
        let mut all = Embeddings::default().with_tokens(0);
        let explain = |error: ProviderError| match error.kind() {
            ProviderErrorKind::InvalidRequest | ProviderErrorKind::ContextTooLong
                if error.status().is_some() =>
            {
                let message = error.message().trim_end_matches('.').to_owned();
                error.with_message(format!("{message}; {}", limits.describe(vendor)))
            }
            _ => error,
        };
        while let Some(part) = parts.try_next().await.map_err(explain)? {
            append(&mut all, part);
        }
        Ok(all)
    }

    /// Returns the embeddings of a part of the inputs. A request that the server finds too large is
    /// split.
    async fn embed_part(
        &self,
        request: &EmbeddingRequest,
        inputs: &[String],
        deadline: Option<Deadline>,
    ) -> Result<Embeddings, ProviderError> {
        let (mut pending, mut done) = (vec![inputs], Embeddings::default().with_tokens(0));
        while let Some(inputs) = pending.pop() {
            match self.embed_once(request, inputs, deadline).await {
                Ok(part) => append(&mut done, part),
                Err(error) if is_too_large(&error) && inputs.len() > 1 => {
                    let (first, second) = inputs.split_at(inputs.len() / 2);
                    pending.extend([second, first]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// Returns whether a request has too many inputs or tokens, so that a smaller one may be accepted.
fn is_too_large(error: &ProviderError) -> bool {
    error.status() == Some(413) || error.code() == Some("max_tokens_per_request")
}

/// Adds the embeddings of the inputs that follow. A sum with an unreported count is unknown.
fn append(all: &mut Embeddings, part: Embeddings) {
    all.vectors.extend(part.vectors);
    all.tokens = all.tokens.zip(part.tokens).map(|(sum, tokens)| sum.saturating_add(tokens));
    if all.model.is_none() {
        all.model = part.model;
    }
    all.encoding_format = all.encoding_format.or(part.encoding_format);
}

/// Fails unless there is one vector for each input.
pub(super) fn check(result: Embeddings, inputs: usize) -> Result<Embeddings, ProviderError> {
    let found = result.vectors.len();
    if found != inputs {
        return Err(malformed(&format!("it has {found} vectors for {inputs} inputs")));
    }
    if result.vectors.iter().any(Vec::is_empty) {
        return Err(malformed("one of its vectors is empty"));
    }
    Ok(result)
}

/// Returns vectors in the order of their indexes. A vector without an index is at its position.
pub(crate) fn in_order(
    vectors: impl ExactSizeIterator<Item = (Option<u64>, Vec<f32>)>,
) -> Result<Vec<Vec<f32>>, ProviderError> {
    let mut slots = vec![None; vectors.len()];
    for (position, (index, vector)) in vectors.enumerate() {
        let index = index.map_or(Some(position), |index| usize::try_from(index).ok());
        match index.and_then(|index| slots.get_mut(index)) {
            Some(slot @ None) => *slot = Some(vector),
            _ => return Err(malformed("the indexes of its vectors are not those of the inputs")),
        }
    }
    Ok(slots.into_iter().flatten().collect())
}

/// A vector: numbers, or the base64 of its 32-bit floats (little endian).
#[derive(Default)]
pub(crate) struct Vector(pub(crate) Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VectorVisitor).map(Self)
    }
}

struct VectorVisitor;

impl<'de> Visitor<'de> for VectorVisitor {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers or base64")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<f32>, A::Error> {
        let mut vector = Vec::with_capacity(seq.size_hint().unwrap_or(1024).min(4096));
        while let Some(number) = seq.next_element()? {
            vector.push(number);
        }
        vector.shrink_to_fit();
        Ok(vector)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<f32>, E> {
        const ENGINE: GeneralPurpose = GeneralPurpose::new(
            &STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let bytes = ENGINE.decode(text).map_err(|_| E::custom("a vector is not valid base64"))?;
        let (floats, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("a vector in base64 is not a list of 32-bit floats"));
        }
        Ok(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

/// Returns the word of a vendor for how vectors are used.
pub(crate) fn kind_word(
    request: &EmbeddingRequest,
    query: &'static str,
    document: &'static str,
) -> Option<&'static str> {
    match request.kind {
        Some(EmbeddingKind::Query) => Some(query),
        Some(EmbeddingKind::Document) => Some(document),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lengths: &[usize]) -> Vec<String> {
        lengths.iter().map(|length| "a".repeat(*length)).collect()
    }

    #[test]
    fn inputs_are_split_by_count_and_by_estimated_tokens() {
        let sizes = |limits: EmbeddingLimits, lengths: &[usize]| -> Vec<usize> {
            limits.split(&texts(lengths)).iter().map(|part| part.len()).collect()
        };
        assert_eq!(sizes(EmbeddingLimits::new(2), &[1; 5]), [2, 2, 1]);
        assert_eq!(
            sizes(EmbeddingLimits::new(9).with_tokens(10), &[8, 8, 8, 99, 1, 1]),
            [2, 1, 1, 2]
        );
        assert_eq!(sizes(EmbeddingLimits::new(0), &[1; 2]), [1, 1]);
        assert!(sizes(EmbeddingLimits::new(2), &[]).is_empty());
    }

    #[test]
    fn vectors_are_read_from_numbers_and_from_base64() {
        for json in ["[1, -0.5, 2e0]", r#""AACAPwAAAL8AAABA""#] {
            let vector: Vector = serde_json::from_str(json).unwrap();
            assert_eq!(vector.0, [1.0, -0.5, 2.0], "{json}");
        }
        for json in [r#""AACA""#, r#""???""#, "[null]", "7", "{}"] {
            assert!(serde_json::from_str::<Vector>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn vectors_are_ordered_by_index() {
        let order = |indexes: [Option<u64>; 2]| {
            in_order(
                indexes.into_iter().zip([vec![0.0], vec![1.0]]).collect::<Vec<_>>().into_iter(),
            )
        };
        assert_eq!(order([Some(1), Some(0)]).unwrap(), [vec![1.0], vec![0.0]]);
        assert_eq!(order([None, None]).unwrap(), [vec![0.0], vec![1.0]]);
        for wrong in [[Some(0), Some(0)], [Some(0), Some(2)], [Some(u64::MAX), None]] {
            assert!(order(wrong).is_err(), "{wrong:?}");
        }
    }
}
