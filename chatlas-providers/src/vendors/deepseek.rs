//! DeepSeek.

use chatlas_macros::provider;

use crate::completions::{EmbeddingApi, OpenAiCompletions, Quirks, ReasoningForm, ThinkingReplay};

/// A model of [DeepSeek](https://api-docs.deepseek.com).
///
/// **Authentication.** The key of `DEEPSEEK_API_KEY`.
///
/// **Requests.** As [`OpenAiCompletions`]. Thinking is sent back (`reasoning_content`), as models that think between tool calls require. Thinking is turned off by `thinking.type`.
/// Replies can be required to be JSON, but not to follow a schema: it is added to the system prompt.
///
/// **Token counts.** As DeepSeek reports them; cached input is `prompt_cache_hit_tokens`.
#[provider(
    like = OpenAiCompletions,
    name = "deepseek",
    base_url = "https://api.deepseek.com",
    api_key_env = "DEEPSEEK_API_KEY",
    default_model = "deepseek-v4-flash",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_reasoning(ReasoningForm::ThinkingSwitch)
        .with_thinking_replay(ThinkingReplay::ReasoningContent)
        .with_json_object_output(true)
        .with_embeddings(EmbeddingApi::None)
)]
pub struct DeepSeek;
