//! Ollama.

use chatlas_macros::provider;

use crate::client::Endpoint;
use crate::completions::{EmbeddingApi, OpenAiCompletions, Quirks};
use crate::http::variable;
use crate::vendors::versioned;

/// A model that runs in [Ollama](https://docs.ollama.com), on this machine unless `OLLAMA_BASE_URL`
/// or `OLLAMA_HOST` is set.
///
/// **Authentication.** None.
///
/// **Requests.** As [`OpenAiCompletions`]. The error about a missing model names the command that
/// downloads it.
///
/// **Token counts.** As Ollama reports them.
#[provider(
    like = OpenAiCompletions,
    name = "ollama",
    base_url = "http://localhost:11434/v1",
    quirks = Quirks::new()
        .with_max_tokens_field("max_tokens")
        .with_missing_model_hint("fetch it with `ollama pull {model}`")
        .with_embeddings(EmbeddingApi::Ollama)
        .with_set_up(set_address)
)]
pub struct Ollama;

/// Uses the server of `OLLAMA_BASE_URL` or `OLLAMA_HOST`, if one of them is set.
fn set_address(endpoint: &mut Endpoint) {
    if let Some(host) = variable("OLLAMA_BASE_URL").or_else(|| variable("OLLAMA_HOST")) {
        endpoint.set_base_url(ollama_url(&host));
    }
}

/// The URL of the API at an address in the form of `OLLAMA_HOST`: scheme, host and port may be
/// missing, and a server that listens on all interfaces is reached on the local one. The port of an
/// address with a scheme is that of the scheme.
fn ollama_url(host: &str) -> String {
    let host = host.trim_end_matches('/');
    let (scheme, host, default_port) = match host.split_once("://") {
        Some((scheme, host)) => (scheme, host, ""),
        None => ("http", host, ":11434"),
    };
    let (name, path) = host.split_once('/').unwrap_or((host, ""));
    let is_v6 = name.starts_with('[');
    let has_port =
        name.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']')) && !name.ends_with(']');
    let port = if has_port { "" } else { default_port };
    let name = match name {
        name if is_v6 => name.to_owned(),
        name if name.starts_with(':') => format!("127.0.0.1{name}"),
        name => name.replacen("0.0.0.0", "127.0.0.1", 1),
    };
    let separator = if path.is_empty() { "" } else { "/" };
    versioned(&format!("{scheme}://{name}{port}{separator}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_as_ollama_reads_it() {
        for (host, url) in [
            ("127.0.0.1:11434", "http://127.0.0.1:11434/v1"),
            ("0.0.0.0", "http://127.0.0.1:11434/v1"),
            ("http://box.example:8080/", "http://box.example:8080/v1"),
            ("https://box.example", "https://box.example/v1"),
            ("http://box.example", "http://box.example/v1"),
            ("box.example", "http://box.example:11434/v1"),
            (":8080", "http://127.0.0.1:8080/v1"),
            ("https://box.example/ollama/v1", "https://box.example/ollama/v1"),
            ("[::1]", "http://[::1]:11434/v1"),
            ("[::1]:99", "http://[::1]:99/v1"),
        ] {
            assert_eq!(ollama_url(host), url);
        }
    }
}
