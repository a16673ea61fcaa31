//! Where vendors that speak Chat Completions differ from OpenAI. Each difference is a method, to be
//! named in `#[provider(like = OpenAiCompletions, quirks(…))]`.

use super::OpenAiCompletions;
use crate::http::{KeyIn, KeyNeeded, variable};

/// How a vendor differs. The default is OpenAI.
#[derive(Clone, Debug)]
// Each is a difference by itself.
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Quirks {
    pub(super) max_tokens_field: &'static str,
    pub(super) seed_field: &'static str,
    pub(super) stream_options: bool,
    pub(super) plain_text: bool,
    pub(super) reasoning_object: bool,
    pub(super) json_object: bool,
    pub(super) top_k: bool,
    pub(super) no_model_list: bool,
    pub(super) short_call_ids: bool,
    /// Whether the model is part of the address.
    pub(super) deployments: bool,
    pub(super) replays: Replays,
    pub(super) document_url: DocumentUrl,
    /// What to do when there is no such model; `{model}` stands for its name.
    pub(super) advice: Option<&'static str>,
}

/// What of its thoughts a vendor wants back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replays {
    Nothing,
    /// The text, as `reasoning_content`.
    ReasoningContent,
    /// The list `reasoning_details`.
    ReasoningDetails,
}

/// How a document is sent of which only the address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentUrl {
    /// Not at all.
    Refused,
    /// As a part `document_url`.
    Part,
    /// In the place of a file's data.
    InFile,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            max_tokens_field: "max_completion_tokens",
            seed_field: "seed",
            stream_options: true,
            plain_text: false,
            reasoning_object: false,
            json_object: false,
            top_k: false,
            no_model_list: false,
            short_call_ids: false,
            deployments: false,
            replays: Replays::Nothing,
            document_url: DocumentUrl::Refused,
            advice: None,
        }
    }
}

/// How servers differ. A provider that is derived names those of its vendor as `quirks(…)`.
impl OpenAiCompletions {
    /// The bound on tokens is called `max_tokens`, as it was at OpenAI once.
    #[must_use]
    pub fn max_tokens_field(mut self) -> Self {
        self.quirks.max_tokens_field = "max_tokens";
        self
    }

    /// The seed is called `random_seed`.
    #[must_use]
    pub fn random_seed_field(mut self) -> Self {
        self.quirks.seed_field = "random_seed";
        self
    }

    /// `stream_options` is refused: tokens are told without being asked for.
    #[must_use]
    pub fn no_stream_options(mut self) -> Self {
        self.quirks.stream_options = false;
        self
    }

    /// A message of text alone is a string, not a list of parts.
    #[must_use]
    pub fn plain_text_messages(mut self) -> Self {
        self.quirks.plain_text = true;
        self
    }

    /// Thoughts are sent back, as `reasoning_content`.
    #[must_use]
    pub fn replays_reasoning_content(mut self) -> Self {
        self.quirks.replays = Replays::ReasoningContent;
        self
    }

    /// Thoughts are sent back, as the list `reasoning_details`.
    #[must_use]
    pub fn replays_reasoning_details(mut self) -> Self {
        self.quirks.replays = Replays::ReasoningDetails;
        self
    }

    /// The reasoning level goes into an object, `reasoning: {effort}`.
    #[must_use]
    pub fn reasoning_object(mut self) -> Self {
        self.quirks.reasoning_object = true;
        self
    }

    /// Replies can be bound to JSON, but to no schema: the system prompt tells the model which.
    #[must_use]
    pub fn json_object_output(mut self) -> Self {
        self.quirks.json_object = true;
        self
    }

    /// There is a parameter `top_k`.
    #[must_use]
    pub fn takes_top_k(mut self) -> Self {
        self.quirks.top_k = true;
        self
    }

    /// A document can be named by its address, as a part `document_url`.
    #[must_use]
    pub fn takes_document_url(mut self) -> Self {
        self.quirks.document_url = DocumentUrl::Part;
        self
    }

    /// A document can be named by its address, in the place of its data.
    #[must_use]
    pub fn takes_file_url(mut self) -> Self {
        self.quirks.document_url = DocumentUrl::InFile;
        self
    }

    /// The id of a tool call is nine letters and digits. One that another vendor gave is sent as
    /// such.
    #[must_use]
    pub fn short_call_ids(mut self) -> Self {
        self.quirks.short_call_ids = true;
        self
    }

    /// There is no list of models at `models`.
    #[must_use]
    pub fn no_model_list(mut self) -> Self {
        self.quirks.no_model_list = true;
        self
    }

    /// A key is sent where there is one, and none is needed.
    #[must_use]
    pub fn key_optional(mut self) -> Self {
        self.api.key_needed = KeyNeeded::Never;
        self
    }

    /// The key goes into the header `x-portkey-api-key`.
    #[must_use]
    pub fn portkey_key_header(mut self) -> Self {
        self.api.key_in = KeyIn::Header("x-portkey-api-key");
        self
    }

    /// The server is where `OLLAMA_BASE_URL` or `OLLAMA_HOST` say, if one is set.
    #[must_use]
    pub fn ollama_address(self) -> Self {
        match variable("OLLAMA_BASE_URL").or_else(|| variable("OLLAMA_HOST")) {
            Some(host) => self.base_url(ollama_url(&host)),
            None => self,
        }
    }

    /// A model that is missing can be fetched: the error says how.
    #[must_use]
    pub fn ollama_pull_hint(mut self) -> Self {
        self.quirks.advice = Some("fetch it with `ollama pull {model}`");
        self
    }

    /// The server is where `LMSTUDIO_BASE_URL` says, if it is set.
    #[must_use]
    pub fn lm_studio_address(self) -> Self {
        match variable("LMSTUDIO_BASE_URL") {
            Some(url) => self.base_url(with_version(&url)),
            None => self,
        }
    }

    /// As Azure has it: the key goes into the header `api-key` and is always needed, the model is a
    /// deployment in the address, which tells the API's version as well.
    #[cfg(feature = "azure")]
    #[must_use]
    pub fn azure_deployments(mut self) -> Self {
        self.quirks.deployments = true;
        crate::azure::set_up(&mut self.api);
        self
    }
}

/// The API at an address as Ollama's own tools take it: scheme, host and port may be missing, and a
/// server that listens everywhere is asked at home. Where there is a scheme, its port is meant.
fn ollama_url(host: &str) -> String {
    let host = host.trim_end_matches('/');
    let (scheme, host, usual_port) = match host.split_once("://") {
        Some((scheme, host)) => (scheme, host, ""),
        None => ("http", host, ":11434"),
    };
    let (name, path) = host.split_once('/').unwrap_or((host, ""));
    let is_v6 = name.starts_with('[');
    let has_port =
        name.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']')) && !name.ends_with(']');
    let port = if has_port { "" } else { usual_port };
    let name = match name {
        name if is_v6 => name.to_owned(),
        name if name.starts_with(':') => format!("127.0.0.1{name}"),
        name => name.replacen("0.0.0.0", "127.0.0.1", 1),
    };
    let separator = if path.is_empty() { "" } else { "/" };
    with_version(&format!("{scheme}://{name}{port}{separator}{path}"))
}

/// The address of the API under a server's.
fn with_version(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/v1") { url.to_owned() } else { format!("{url}/v1") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollama_is_found_where_its_own_tools_find_it() {
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
        assert_eq!(with_version("http://localhost:1234/"), "http://localhost:1234/v1");
    }
}
