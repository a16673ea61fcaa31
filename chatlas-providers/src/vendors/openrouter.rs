//! OpenRouter.

use chatlas_macros::provider;

use crate::completions::{
    ContentOfCalls, DocumentUrls, OpenAiCompletions, Quirks, ReasoningForm, ThinkingReplay,
};

/// A model of any vendor behind [OpenRouter](https://openrouter.ai/docs).
///
/// **Authentication.** The key of `OPENROUTER_API_KEY`.
///
/// **Requests.** As [`OpenAiCompletions`]. The parameter `top_k` is supported, the reasoning level is
/// sent as `reasoning.effort`, a budget as `reasoning.max_tokens`, documents can be sent by URL. Thinking is sent back as
/// `reasoning_details`. [`with_referer`](Self::with_referer) and [`with_title`](Self::with_title)
/// identify the program.
///
/// **Token counts.** As OpenRouter reports them.
#[provider(
    like = OpenAiCompletions,
    name = "openrouter",
    base_url = "https://openrouter.ai/api/v1",
    api_key_env = "OPENROUTER_API_KEY",
    default_model = "gpt-5.6-terra",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_reasoning(ReasoningForm::Object)
        .with_thinking_replay(ThinkingReplay::ReasoningDetails)
        .with_top_k(true)
        .with_content_of_calls(ContentOfCalls::Null)
        .with_document_urls(DocumentUrls::FileData)
)]
pub struct OpenRouter;

impl OpenRouter {
    /// Sets the URL of the program for OpenRouter's rankings: the header `HTTP-Referer`.
    #[must_use]
    pub fn with_referer(self, url: impl Into<String>) -> Self {
        self.with(|api| api.with_header("http-referer", url))
    }

    /// Sets the name of the program for OpenRouter's rankings: the header `X-Title`.
    #[must_use]
    pub fn with_title(self, name: impl Into<String>) -> Self {
        self.with(|api| api.with_header("x-title", name))
    }
}
