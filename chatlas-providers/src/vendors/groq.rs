//! Groq.

use chatlas_macros::provider;

use crate::completions::{EmbeddingApi, OpenAiCompletions, Quirks};

/// A model on the servers of [Groq](https://console.groq.com/docs).
///
/// **Authentication.** The key of `GROQ_API_KEY`.
///
/// **Requests.** As [`OpenAiCompletions`].
///
/// **Token counts.** As Groq reports them, in `usage` or in `x_groq.usage`.
#[provider(
    like = OpenAiCompletions,
    name = "groq",
    base_url = "https://api.groq.com/openai/v1",
    api_key_env = "GROQ_API_KEY",
    default_model = "openai/gpt-oss-20b",
    quirks = Quirks::new().with_embeddings(EmbeddingApi::None)
)]
pub struct Groq;
