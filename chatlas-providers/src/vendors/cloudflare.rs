//! Cloudflare Workers AI.

use chatlas_macros::provider;

use crate::completions::{ContentOfCalls, OpenAiCompletions, Quirks};

/// A model on [Cloudflare Workers AI](https://developers.cloudflare.com/workers-ai).
///
/// **Authentication.** The token of `CLOUDFLARE_API_KEY`, for the account of
/// `CLOUDFLARE_ACCOUNT_ID`.
///
/// **Requests.** As [`OpenAiCompletions`]. There is no list of models.
///
/// **Token counts.** As Cloudflare reports them. It reports none with JSON that follows a schema.
#[provider(
    like = OpenAiCompletions,
    name = "cloudflare",
    base_url = "https://api.cloudflare.com/client/v4/accounts/{CLOUDFLARE_ACCOUNT_ID}/ai/v1",
    api_key_env = "CLOUDFLARE_API_KEY",
    default_model = "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_model_list(false)
        .with_content_of_calls(ContentOfCalls::Empty)
)]
pub struct Cloudflare;

impl Cloudflare {
    /// Sets the account.
    #[must_use]
    pub fn with_account(self, id: impl AsRef<str>) -> Self {
        let id = id.as_ref();
        self.with_base_url(format!("https://api.cloudflare.com/client/v4/accounts/{id}/ai/v1"))
    }
}
