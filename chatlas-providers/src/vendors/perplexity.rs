//! Perplexity.

use chatlas_macros::provider;

use crate::completions::{EmbeddingApi, OpenAiCompletions, Quirks};

/// A model of [Perplexity](https://docs.perplexity.ai), which searches the web before it answers.
/// Its sources are [`Content::Citation`](chatlas_core::Content::Citation)s of the reply.
///
/// **Authentication.** The key of `PERPLEXITY_API_KEY`.
///
/// **Requests.** As [`OpenAiCompletions`]. The parameter `top_k` is supported. There is no list of
/// models.
///
/// **Token counts.** As Perplexity reports them. The reasoning of its research models, which it
/// counts beside the output, is added to the output.
#[provider(
    like = OpenAiCompletions,
    name = "perplexity",
    base_url = "https://api.perplexity.ai",
    api_key_env = "PERPLEXITY_API_KEY",
    default_model = "sonar",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_top_k(true)
        .with_model_list(false)
        .with_embeddings(EmbeddingApi::None)
)]
pub struct Perplexity;
