//! Perplexity.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model of [Perplexity](https://docs.perplexity.ai)'s, which searches the web before it
/// answers: its sources come as [`Content::Citation`](chatlas_core::Content::Citation).
///
/// **Authentication.** The key of `PERPLEXITY_API_KEY`.
///
/// **What is sent.** As [`OpenAiCompletions`]; `top_k` is known. There is no list of models.
///
/// **How tokens are counted.** As Perplexity tells them; the reasoning of its research models,
/// which it counts beside the output, is added to the output.
#[provider(
    like = OpenAiCompletions,
    name = "perplexity",
    base_url = "https://api.perplexity.ai",
    api_key_env = "PERPLEXITY_API_KEY",
    default_model = "sonar",
    quirks(max_tokens_field, takes_top_k, no_model_list)
)]
pub struct Perplexity;
