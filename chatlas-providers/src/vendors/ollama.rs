//! Ollama.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model that [Ollama](https://docs.ollama.com) runs, on this machine unless `OLLAMA_BASE_URL` or
/// `OLLAMA_HOST` say otherwise.
///
/// **Authentication.** None.
///
/// **What is sent.** As [`OpenAiCompletions`]. A model that is missing is an error that names the
/// command which fetches it.
///
/// **How tokens are counted.** As Ollama tells them.
#[provider(
    like = OpenAiCompletions,
    name = "ollama",
    base_url = "http://localhost:11434/v1",
    quirks(max_tokens_field, ollama_address, ollama_pull_hint)
)]
pub struct Ollama;
