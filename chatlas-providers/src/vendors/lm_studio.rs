//! LM Studio.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model that [LM Studio](https://lmstudio.ai/docs) runs, on this machine unless
/// `LMSTUDIO_BASE_URL` says otherwise.
///
/// **Authentication.** The key of `LMSTUDIO_API_KEY`, where one is set; none is needed.
///
/// **What is sent.** As [`OpenAiCompletions`]; `top_k` is known.
///
/// **How tokens are counted.** As LM Studio tells them.
#[provider(
    like = OpenAiCompletions,
    name = "lm_studio",
    base_url = "http://localhost:1234/v1",
    api_key_env = "LMSTUDIO_API_KEY",
    quirks(max_tokens_field, takes_top_k, key_optional, lm_studio_address)
)]
pub struct LmStudio;
