//! The providers without the rest of chatlas: the requests they send, the responses they accept,
//! and the environment variables they read.

#[cfg(all(
    feature = "azure",
    feature = "cloudflare",
    feature = "databricks",
    feature = "groq",
    feature = "lm-studio",
    feature = "ollama",
    feature = "openai",
))]
mod environment;
#[cfg(feature = "openai")]
mod http;
#[cfg(feature = "openai")]
mod openai;
#[cfg(all(
    feature = "cloudflare",
    feature = "databricks",
    feature = "deepseek",
    feature = "groq",
    feature = "huggingface",
    feature = "lm-studio",
    feature = "mistral",
    feature = "ollama",
    feature = "openai",
    feature = "openrouter",
    feature = "perplexity",
    feature = "portkey",
))]
mod vendors;
