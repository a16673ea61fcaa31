//! Hugging Face.

use chatlas_macros::provider;

use crate::completions::{OpenAiCompletions, Quirks};

/// A model behind the router of
/// [Hugging Face](https://huggingface.co/docs/inference-providers), which forwards requests to one
/// of many servers.
///
/// **Authentication.** The key of `HUGGINGFACE_API_KEY`.
///
/// **Requests.** As [`OpenAiCompletions`].
///
/// **Token counts.** As the server that the router chose reports them.
#[provider(
    like = OpenAiCompletions,
    name = "huggingface",
    base_url = "https://router.huggingface.co/v1",
    api_key_env = "HUGGINGFACE_API_KEY",
    default_model = "Qwen/Qwen3-235B-A22B-Instruct-2507",
    quirks = Quirks::new().with_max_tokens_field("max_tokens")
)]
pub struct HuggingFace;
