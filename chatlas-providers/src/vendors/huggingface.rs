//! Hugging Face.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model behind the router of
/// [Hugging Face](https://huggingface.co/docs/inference-providers), which hands requests to one of
/// many servers.
///
/// **Authentication.** The key of `HUGGINGFACE_API_KEY`.
///
/// **What is sent.** As [`OpenAiCompletions`].
///
/// **How tokens are counted.** As the server tells them that the router chose.
#[provider(
    like = OpenAiCompletions,
    name = "huggingface",
    base_url = "https://router.huggingface.co/v1",
    api_key_env = "HUGGINGFACE_API_KEY",
    default_model = "Qwen/Qwen3-235B-A22B-Instruct-2507",
    quirks(max_tokens_field)
)]
pub struct HuggingFace;
