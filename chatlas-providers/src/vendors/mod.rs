//! Vendors and local servers that speak Chat Completions. Each is derived from
//! [`OpenAiCompletions`](crate::completions::OpenAiCompletions), behind its own cargo feature.

#[cfg(feature = "cloudflare")]
mod cloudflare;
#[cfg(feature = "databricks")]
mod databricks;
#[cfg(feature = "deepseek")]
mod deepseek;
#[cfg(feature = "groq")]
mod groq;
#[cfg(feature = "huggingface")]
mod huggingface;
#[cfg(feature = "lm-studio")]
mod lm_studio;
#[cfg(feature = "mistral")]
mod mistral;
#[cfg(feature = "ollama")]
mod ollama;
#[cfg(feature = "openrouter")]
mod openrouter;
#[cfg(feature = "perplexity")]
mod perplexity;
#[cfg(feature = "portkey")]
mod portkey;

#[cfg(feature = "cloudflare")]
pub use cloudflare::Cloudflare;
#[cfg(feature = "databricks")]
pub use databricks::Databricks;
#[cfg(feature = "deepseek")]
pub use deepseek::DeepSeek;
#[cfg(feature = "groq")]
pub use groq::Groq;
#[cfg(feature = "huggingface")]
pub use huggingface::HuggingFace;
#[cfg(feature = "lm-studio")]
pub use lm_studio::LmStudio;
#[cfg(feature = "mistral")]
pub use mistral::Mistral;
#[cfg(feature = "ollama")]
pub use ollama::Ollama;
#[cfg(feature = "openrouter")]
pub use openrouter::OpenRouter;
#[cfg(feature = "perplexity")]
pub use perplexity::Perplexity;
#[cfg(feature = "portkey")]
pub use portkey::Portkey;

/// The URL of version 1 of the API on a local server.
#[cfg(any(feature = "lm-studio", feature = "ollama"))]
fn versioned(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/v1") { url.to_owned() } else { format!("{url}/v1") }
}

#[cfg(all(test, feature = "lm-studio"))]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_added_to_the_address() {
        assert_eq!(versioned("http://localhost:1234/"), "http://localhost:1234/v1");
        assert_eq!(versioned("http://localhost:1234/v1"), "http://localhost:1234/v1");
    }
}
