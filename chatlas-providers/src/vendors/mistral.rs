//! Mistral.

use chatlas_macros::provider;

use crate::completions::{DocumentUrls, EmbeddingApi, OpenAiCompletions, Quirks};

/// A model of [Mistral](https://docs.mistral.ai/api). On spans it is `mistral_ai`.
///
/// **Authentication.** The key of `MISTRAL_API_KEY`.
///
/// **Requests.** As [`OpenAiCompletions`], without `stream_options`, and with the seed as
/// `random_seed`. Documents can be sent by URL. Thinking is sent back as parts of the content, as it
/// came. Ids of tool calls that another vendor made are shortened to Mistral's form. A message of the
/// user after results of tools follows a short message of the model.
///
/// **Token counts.** As Mistral reports them at the end of each stream.
#[provider(
    like = OpenAiCompletions,
    name = "mistral_ai",
    base_url = "https://api.mistral.ai/v1",
    api_key_env = "MISTRAL_API_KEY",
    default_model = "mistral-large-latest",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_seed_field("random_seed")
        .with_stream_options(false)
        .with_document_urls(DocumentUrls::Part)
        .with_short_call_ids(true)
        .with_separate_results(true)
        .with_embeddings(EmbeddingApi::Mistral)
)]
pub struct Mistral;
