//! How vendors that speak Chat Completions differ from OpenAI.

use super::EmbeddingApi;
use crate::client::{Endpoint, KeyIn, KeyNeeded};

/// How a vendor that speaks Chat Completions differs from OpenAI, which is the default.
///
/// ```
/// use chatlas_macros::provider;
/// use chatlas_providers::completions::{OpenAiCompletions, Quirks};
///
/// /// The models behind our gateway.
/// #[provider(
///     like = OpenAiCompletions,
///     name = "gateway",
///     base_url = "https://models.example/v1",
///     api_key_env = "GATEWAY_API_KEY",
///     quirks = Quirks::new().with_max_tokens_field("max_tokens").with_stream_options(false)
/// )]
/// pub struct Gateway;
/// ```
#[derive(Clone, Debug)]
// Each is a difference by itself.
#[allow(clippy::struct_excessive_bools)]
#[must_use]
pub struct Quirks {
    pub(super) max_tokens_field: &'static str,
    pub(super) seed_field: &'static str,
    pub(super) stream_options: bool,
    pub(super) reasoning: ReasoningForm,
    pub(super) json_object: bool,
    pub(super) top_k: bool,
    pub(super) model_list: bool,
    pub(super) embeddings: EmbeddingApi,
    pub(super) short_call_ids: bool,
    pub(super) separate_results: bool,
    pub(super) content_of_calls: ContentOfCalls,
    /// Whether the model is a part of the URL.
    pub(super) deployments: bool,
    pub(super) thinking_replay: ThinkingReplay,
    pub(super) document_urls: DocumentUrls,
    pub(super) missing_model_hint: Option<&'static str>,
    pub(super) key_in: KeyIn,
    pub(super) key_needed: Option<KeyNeeded>,
    /// Sets up the endpoint further, from environment variables for example.
    pub(super) set_up: Option<fn(&mut Endpoint)>,
}

/// The form in which a vendor requires the model's thinking back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThinkingReplay {
    /// Not at all.
    None,
    /// The text, as `reasoning_content`. The field is sent with all tool calls, also with those of
    /// another vendor's model.
    ReasoningContent,
    /// The list `reasoning_details`.
    ReasoningDetails,
}

/// The form in which a vendor receives how much the model reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReasoningForm {
    /// A level, as `reasoning_effort`.
    Effort,
    /// A level or a budget, as `reasoning: {effort}` or `reasoning: {max_tokens}`.
    Object,
    /// A level, as `reasoning_effort`. Reasoning is turned off by `thinking: {type: "disabled"}`.
    ThinkingSwitch,
}

/// The content of a message of the model that consists of tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentOfCalls {
    /// The field is omitted.
    Omitted,
    /// `null`.
    Null,
    /// An empty string.
    Empty,
}

/// The form in which a document is sent of which only the URL is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentUrls {
    /// Not at all: such a document is an error.
    Unsupported,
    /// As a part of the type `document_url`.
    Part,
    /// In the field of a file's data.
    FileData,
}

impl Default for Quirks {
    fn default() -> Self {
        Self::new()
    }
}

impl Quirks {
    /// Creates the quirks of OpenAI.
    pub const fn new() -> Self {
        Self {
            max_tokens_field: "max_completion_tokens",
            seed_field: "seed",
            stream_options: true,
            reasoning: ReasoningForm::Effort,
            json_object: false,
            top_k: false,
            model_list: true,
            embeddings: EmbeddingApi::OpenAi,
            short_call_ids: false,
            separate_results: false,
            content_of_calls: ContentOfCalls::Omitted,
            deployments: false,
            thinking_replay: ThinkingReplay::None,
            document_urls: DocumentUrls::Unsupported,
            missing_model_hint: None,
            key_in: KeyIn::Bearer,
            key_needed: None,
            set_up: None,
        }
    }

    /// Sets the name of the field that limits the output tokens, such as `max_tokens`.
    pub const fn with_max_tokens_field(mut self, name: &'static str) -> Self {
        self.max_tokens_field = name;
        self
    }

    /// Sets the name of the field of the seed, such as `random_seed`.
    pub const fn with_seed_field(mut self, name: &'static str) -> Self {
        self.seed_field = name;
        self
    }

    /// Sets whether streams request token counts by `stream_options`. Vendors that reject the field
    /// send the counts without it.
    pub const fn with_stream_options(mut self, on: bool) -> Self {
        self.stream_options = on;
        self
    }

    /// Sets how the vendor receives how much the model reasons.
    pub const fn with_reasoning(mut self, form: ReasoningForm) -> Self {
        self.reasoning = form;
        self
    }

    /// Sets whether the vendor can require JSON, but not a schema. The schema is then a part of the
    /// system prompt.
    pub const fn with_json_object_output(mut self, on: bool) -> Self {
        self.json_object = on;
        self
    }

    /// Sets whether there is a parameter `top_k`.
    pub const fn with_top_k(mut self, on: bool) -> Self {
        self.top_k = on;
        self
    }

    /// Sets whether there is a list of models at `models`.
    pub const fn with_model_list(mut self, on: bool) -> Self {
        self.model_list = on;
        self
    }

    /// Sets how the vendor offers embeddings.
    pub const fn with_embeddings(mut self, api: EmbeddingApi) -> Self {
        self.embeddings = api;
        self
    }

    /// Sets whether the id of a tool call has to consist of nine letters and digits. Other ids are
    /// replaced.
    pub const fn with_short_call_ids(mut self, on: bool) -> Self {
        self.short_call_ids = on;
        self
    }

    /// Sets whether the vendor rejects a message of the user after the results of tools. A short
    /// message of the model is then sent between them.
    pub const fn with_separate_results(mut self, on: bool) -> Self {
        self.separate_results = on;
        self
    }

    /// Sets the content of a message that consists of tool calls.
    pub const fn with_content_of_calls(mut self, content: ContentOfCalls) -> Self {
        self.content_of_calls = content;
        self
    }

    /// Sets how the model's thinking is sent back.
    pub const fn with_thinking_replay(mut self, replay: ThinkingReplay) -> Self {
        self.thinking_replay = replay;
        self
    }

    /// Sets how a document is sent of which only the URL is known.
    pub const fn with_document_urls(mut self, form: DocumentUrls) -> Self {
        self.document_urls = form;
        self
    }

    /// Sets a hint that is added to the error about a missing model. `{model}` is replaced by the
    /// name of the model.
    pub const fn with_missing_model_hint(mut self, hint: &'static str) -> Self {
        self.missing_model_hint = Some(hint);
        self
    }

    /// Sets where the key goes. Default: `Authorization: Bearer …`.
    pub const fn with_key_in(mut self, key_in: KeyIn) -> Self {
        self.key_in = key_in;
        self
    }

    /// Sets when a request without a key is an error. Default: if the vendor has keys and the
    /// request goes to the vendor's own host.
    pub const fn with_key_needed(mut self, needed: KeyNeeded) -> Self {
        self.key_needed = Some(needed);
        self
    }

    /// Sets whether the model is a part of the URL, as Azure has it.
    #[cfg(feature = "azure")]
    pub(crate) const fn with_deployments(mut self, on: bool) -> Self {
        self.deployments = on;
        self
    }

    /// Sets a function that sets up the endpoint further, from environment variables for example.
    #[cfg_attr(
        not(any(feature = "azure", feature = "lm-studio", feature = "ollama")),
        allow(dead_code)
    )]
    pub(crate) const fn with_set_up(mut self, set_up: fn(&mut Endpoint)) -> Self {
        self.set_up = Some(set_up);
        self
    }

    /// Sets up the endpoint of the vendor.
    pub(super) fn apply(&self, endpoint: &mut Endpoint) {
        endpoint.set_key_in(self.key_in);
        if let Some(needed) = self.key_needed {
            endpoint.set_key_needed(needed);
        }
        if let Some(set_up) = self.set_up {
            set_up(endpoint);
        }
    }
}
