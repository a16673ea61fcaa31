//! OpenRouter.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model of any vendor's behind [OpenRouter](https://openrouter.ai/docs).
///
/// **Authentication.** The key of `OPENROUTER_API_KEY`.
///
/// **What is sent.** As [`OpenAiCompletions`]; `top_k` is known, the reasoning level goes into
/// `reasoning.effort`, documents may be named by their address. Thoughts are sent back as
/// `reasoning_details`. [`referer`](Self::referer) and [`title`](Self::title) say who the program
/// is.
///
/// **How tokens are counted.** As OpenRouter tells them.
#[provider(
    like = OpenAiCompletions,
    name = "openrouter",
    base_url = "https://openrouter.ai/api/v1",
    api_key_env = "OPENROUTER_API_KEY",
    default_model = "gpt-5.6-terra",
    quirks(
        max_tokens_field,
        reasoning_object,
        replays_reasoning_details,
        takes_top_k,
        takes_file_url
    )
)]
pub struct OpenRouter;

impl OpenRouter {
    /// The address of the program, for OpenRouter's rankings: `HTTP-Referer`.
    #[must_use]
    pub fn referer(self, url: impl Into<String>) -> Self {
        self.with(|api| api.header("http-referer", url))
    }

    /// The name of the program, for OpenRouter's rankings: `X-Title`.
    #[must_use]
    pub fn title(self, name: impl Into<String>) -> Self {
        self.with(|api| api.header("x-title", name))
    }
}
