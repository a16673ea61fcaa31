//! Cloudflare Workers AI.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model on [Cloudflare Workers AI](https://developers.cloudflare.com/workers-ai).
///
/// **Authentication.** The token of `CLOUDFLARE_API_KEY`, for the account of
/// `CLOUDFLARE_ACCOUNT_ID`.
///
/// **What is sent.** As [`OpenAiCompletions`]. There is no list of models.
///
/// **How tokens are counted.** As Cloudflare tells them, which it does not with JSON that was bound
/// to a schema.
#[provider(
    like = OpenAiCompletions,
    name = "cloudflare",
    base_url = "https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1",
    api_key_env = "CLOUDFLARE_API_KEY",
    default_model = "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    quirks(max_tokens_field, no_model_list)
)]
pub struct Cloudflare;

impl Cloudflare {
    /// Uses that account.
    #[must_use]
    pub fn account(self, id: impl AsRef<str>) -> Self {
        let id = id.as_ref();
        self.base_url(format!("https://api.cloudflare.com/client/v4/accounts/{id}/ai/v1"))
    }
}
