//! DeepSeek.

use chatlas_macros::provider;

use crate::completions::OpenAiCompletions;

/// A model of [DeepSeek](https://api-docs.deepseek.com)'s.
///
/// **Authentication.** The key of `DEEPSEEK_API_KEY`.
///
/// **What is sent.** As [`OpenAiCompletions`], with messages of text alone as strings. Thoughts
/// (`reasoning_content`) are sent back, as the models that think between tool calls demand. Replies
/// can be bound to JSON, not to a schema, which goes into the system prompt.
///
/// **How tokens are counted.** As DeepSeek tells them; cached input is `prompt_cache_hit_tokens`.
#[provider(
    like = OpenAiCompletions,
    name = "deepseek",
    base_url = "https://api.deepseek.com",
    api_key_env = "DEEPSEEK_API_KEY",
    default_model = "deepseek-v4-flash",
    quirks(max_tokens_field, plain_text_messages, replays_reasoning_content, json_object_output)
)]
pub struct DeepSeek;
