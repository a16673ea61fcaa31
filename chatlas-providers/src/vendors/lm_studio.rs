//! LM Studio.

use chatlas_macros::provider;

use crate::client::{Endpoint, KeyNeeded};
use crate::completions::{OpenAiCompletions, Quirks};
use crate::http::variable;
use crate::vendors::versioned;

/// A model that runs in [LM Studio](https://lmstudio.ai/docs), on this machine unless
/// `LMSTUDIO_BASE_URL` is set.
///
/// **Authentication.** The key of `LMSTUDIO_API_KEY`, if it is set; none is needed.
///
/// **Requests.** As [`OpenAiCompletions`]. The parameter `top_k` is supported.
///
/// **Token counts.** As LM Studio reports them.
#[provider(
    like = OpenAiCompletions,
    name = "lm_studio",
    base_url = "http://localhost:1234/v1",
    api_key_env = "LMSTUDIO_API_KEY",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_top_k(true)
        .with_key_needed(KeyNeeded::Never)
        .with_set_up(set_address)
)]
pub struct LmStudio;

/// Uses the server of `LMSTUDIO_BASE_URL`, if it is set.
fn set_address(endpoint: &mut Endpoint) {
    if let Some(url) = variable("LMSTUDIO_BASE_URL") {
        endpoint.set_base_url(versioned(&url));
    }
}
