//! A request for embeddings: its `embeddings` span and its metrics. Called by the expansion of
//! `#[provider]`.

use std::future::Future;

use opentelemetry::{Array, StringValue, Value};

use super::attributes::{push, push_tokens};
use super::names::{embeddings, operation, request as key, response, usage};
use super::operation::Operation;
use super::run::Run;
use crate::provider::{EmbeddingRequest, Embeddings, ProviderError, ProviderInfo};

/// Calls a provider's `embed` inside its span: one for all HTTP requests that it takes.
pub async fn traced_embed<Fut>(
    info: &ProviderInfo,
    request: EmbeddingRequest,
    body: impl FnOnce(EmbeddingRequest) -> Fut + Send,
) -> Result<Embeddings, ProviderError>
where
    Fut: Future<Output = Result<Embeddings, ProviderError>> + Send,
{
    let mut list = Vec::with_capacity(2);
    push(&mut list, key::MODEL, info.model.clone());
    let requested = request.dimensions.map(i64::from);
    push(&mut list, embeddings::DIMENSION_COUNT, requested);
    let name = (operation::EMBEDDINGS, info.model.as_deref());
    let span = Operation::start_embeddings(Run::for_single_call(), info, name, list);
    let attributes = |result: &Embeddings| {
        let mut list = Vec::with_capacity(4);
        let length = result.vectors.first().and_then(|vector| i64::try_from(vector.len()).ok());
        push(&mut list, embeddings::DIMENSION_COUNT, length.filter(|_| requested.is_none()));
        let format = result.encoding_format.map(|format| vec![StringValue::from(format)]);
        let formats = format.map(|format| Value::Array(Array::String(format)));
        push(&mut list, key::ENCODING_FORMATS, formats);
        push(&mut list, response::MODEL, result.model.clone().filter(|model| !model.is_empty()));
        push_tokens(&mut list, usage::INPUT_TOKENS, result.tokens);
        list
    };
    span.run(async move { body(request).await }, |_, result| attributes(result)).await
}
