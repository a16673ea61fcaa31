/// Groq's models.
#[provider(like = OpenAiCompletions, name = "groq", base_url = "https://api.groq.com/openai/v1")]
pub struct Groq;
