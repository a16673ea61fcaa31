//! The providers without the rest of chatlas: the requests they send, the responses they accept,
//! and the environment variables they read.

#[cfg(feature = "anthropic")]
mod anthropic_replies;
#[cfg(feature = "anthropic")]
mod anthropic_requests;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "bedrock")]
mod bedrock_replies;
#[cfg(feature = "bedrock")]
mod bedrock_requests;
#[cfg(all(
    feature = "anthropic",
    feature = "bedrock",
    feature = "deepseek",
    feature = "google",
    feature = "mistral",
    feature = "openai",
    feature = "openrouter",
))]
mod choices;
#[cfg(feature = "openai")]
mod completions;
#[cfg(all(feature = "anthropic", feature = "google", feature = "openai"))]
mod derived;
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
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
// The tests of each vendor use a part of it.
#[cfg_attr(
    not(all(feature = "bedrock", feature = "google", feature = "openai")),
    allow(dead_code, unused_imports)
)]
mod fixed;
#[cfg(all(feature = "anthropic", feature = "bedrock", feature = "google"))]
mod gateways;
#[cfg(feature = "google")]
mod google;
#[cfg(all(
    feature = "anthropic",
    feature = "azure",
    feature = "bedrock",
    feature = "cloudflare",
    feature = "databricks",
    feature = "deepseek",
    feature = "google",
    feature = "mistral",
    feature = "openai",
    feature = "openrouter",
    feature = "perplexity",
    feature = "vertex",
))]
mod histories;
#[cfg(feature = "openai")]
mod http;
#[cfg(feature = "openai")]
mod openai;
#[cfg(feature = "openai")]
mod responses;
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
#[cfg(feature = "vertex")]
mod vertex;
