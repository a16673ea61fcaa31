//! Mistral.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model of [Mistral](https://docs.mistral.ai/api)'s. On spans it is `mistral_ai`.
///
/// **Authentication.** The key of `MISTRAL_API_KEY`.
///
/// **What is sent.** As [`OpenAiCompletions`], without `stream_options`, with the seed as
/// `random_seed`. Documents may be named by their address. Thoughts are sent back as the parts of the
/// content that they were. Ids of tool calls that another vendor gave are shortened to Mistral's form.
///
/// **How tokens are counted.** As Mistral tells them, unasked at the end of each stream.
#[provider(
    like = OpenAiCompletions,
    name = "mistral_ai",
    base_url = "https://api.mistral.ai/v1",
    api_key_env = "MISTRAL_API_KEY",
    default_model = "mistral-large-latest",
    quirks(max_tokens_field, random_seed_field, no_stream_options, takes_document_url, short_call_ids)
)]
pub struct Mistral;
