//! What a model provider is: the trait, what it is asked, what it answers, how it fails.

mod error;
pub(crate) mod output;

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_core::Stream;
use opentelemetry::KeyValue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::content::Content;
use crate::telemetry::Run;
use crate::tool::ToolDefinition;
use crate::turn::{AssistantTurn, Turn, Usage};

pub use error::{ProviderError, ProviderErrorKind};
pub use output::OutputSchema;

/// A model that can be talked to.
///
/// Write `#[provider]` above the impl: it makes the methods async and gives each call its `chat`
/// span. An impl without it does not compile.
///
/// One that only hands calls on (a fallback, a cache, a retry) is `#[provider(transparent)]`: its
/// calls have the span of the provider that makes them, and no second one whose tokens would be
/// counted again.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Who answers: the facts that go on every span.
    fn info(&self) -> &ProviderInfo;

    /// Asks once and waits for the whole reply.
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError>;

    /// Asks once and hands on the reply as it arrives.
    ///
    /// Without an implementation of its own, a provider answers here with the whole reply of
    /// [`chat`](Self::chat).
    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        Ok(CompletionStream::whole(self.chat(request).await?))
    }

    /// The models that can be asked for.
    ///
    /// # Errors
    ///
    /// [`ProviderErrorKind::Unsupported`] where the vendor has no such list.
    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        Err(ProviderError::unsupported(self.info(), "list its models"))
    }

    /// How many input tokens the request would cost, as the vendor counts them. Nothing is asked
    /// of the model.
    ///
    /// # Errors
    ///
    /// [`ProviderErrorKind::Unsupported`] where the vendor does not count.
    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        let _ = request;
        Err(ProviderError::unsupported(self.info(), "count tokens"))
    }

    /// Lets the model use a tool that the vendor runs on its own servers, such as
    /// [`WebSearch`](crate::tool::WebSearch). It compiles only where the vendor has that tool.
    #[must_use]
    fn with_tool<T: RunBy<Self>>(self, tool: T) -> Self
    where
        Self: Sized,
    {
        tool.add_to(self)
    }

    #[doc(hidden)]
    fn __write_the_attribute_provider_above_this_impl(&self, _: crate::__private::Witness);
}

/// A provider that is shared is one, too: it hands everything on.
#[async_trait]
impl<P: Provider + ?Sized> Provider for Arc<P> {
    fn info(&self) -> &ProviderInfo {
        (**self).info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        (**self).chat(request).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        (**self).chat_stream(request).await
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        (**self).list_models().await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        (**self).count_tokens(request).await
    }

    fn __write_the_attribute_provider_above_this_impl(&self, _: crate::__private::Witness) {}
}

/// A provider whose vendor runs the tool `T` on its own servers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run the tool `{T}`",
    label = "its vendor has no built-in tool of this kind",
    note = "choose a provider that implements `Runs<{T}>`, or write a `#[tool]` that does the work"
)]
pub trait Runs<T>: Sized {
    /// The provider, with that tool added.
    #[must_use]
    fn add(self, tool: T) -> Self;
}

/// [`Runs`] as seen from the tool, so that the compiler names the tool when it refuses one.
#[doc(hidden)]
pub trait RunBy<P> {
    /// The provider, with this tool added.
    #[must_use]
    fn add_to(self, provider: P) -> P;
}

impl<T, P: Runs<T>> RunBy<P> for T {
    fn add_to(self, provider: P) -> P {
        provider.add(self)
    }
}

/// A protocol that several vendors speak: what `#[provider(like = ...)]` derives a provider from.
#[diagnostic::on_unimplemented(
    message = "no provider can be derived from `{Self}`",
    label = "this is no `Protocol`",
    note = "name a provider that implements `chatlas::provider::Protocol`"
)]
pub trait Protocol: Provider + fmt::Debug + Sized {
    /// Timeouts, retries, headers: how it uses HTTP.
    type HttpOptions;

    /// A provider that speaks it with that vendor. The key is taken from the environment, where
    /// the vendor has a variable for it and it is set.
    fn of_vendor(vendor: &'static Vendor) -> Self;

    /// Uses that model.
    #[must_use]
    fn with_model(self, model: impl Into<Arc<str>>) -> Self;

    /// Uses that key. An empty one is none.
    #[must_use]
    fn with_api_key(self, key: impl Into<String>) -> Self;

    /// Uses the server at that address: all before the operation's own path.
    #[must_use]
    fn with_base_url(self, url: impl Into<String>) -> Self;

    /// Sets how it uses HTTP.
    #[must_use]
    fn with_http(self, options: Self::HttpOptions) -> Self;

    /// Whether each HTTP attempt has a span of its own, below the span of the operation.
    #[must_use]
    fn with_http_spans(self, on: bool) -> Self;

    #[doc(hidden)]
    fn __as_provider(&self) -> &dyn Provider {
        self
    }

    #[doc(hidden)]
    fn __as_debug(&self) -> &dyn fmt::Debug {
        self
    }
}

/// A vendor that speaks a known protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// `gen_ai.provider.name`.
    pub name: &'static str,
    /// The address of its API: all before the operation's own path.
    pub base_url: &'static str,
    /// The environment variable that holds the key; `None` where none is needed.
    pub api_key_env: Option<&'static str>,
    /// The model that is asked for where none is named.
    pub default_model: Option<&'static str>,
}

/// A model that can be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Model {
    /// The name to ask for it by.
    pub id: String,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it came out, in seconds since 1970 (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// The most tokens it takes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
    /// The most tokens it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
}

impl Model {
    /// The model of that name, of which nothing else is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

/// Who answers: the facts about a provider that go on every span.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// `gen_ai.provider.name`: the well-known value of the conventions where there is one
    /// (`openai`, `anthropic`, `aws.bedrock`, …), else a lower-case name.
    pub name: Cow<'static, str>,
    /// The model that is asked for, where one is fixed.
    pub model: Option<Arc<str>>,
    /// The host that is asked.
    pub server_address: Option<Arc<str>>,
    /// Its port.
    pub server_port: Option<u16>,
    /// What the vendor's own conventions put on the `chat` span of a request: `openai.api.type`
    /// for example.
    pub attributes: Vec<KeyValue>,
    /// The tools that the vendor runs on its own servers for the model, as far as it is told of
    /// any: with capture on they stand in `gen_ai.tool.definitions`.
    pub server_tools: Vec<ServerToolDefinition>,
}

/// A tool that a vendor runs on its own servers, as the model is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerToolDefinition {
    /// The vendor's word for its kind: `web_search_20250305` for example.
    pub kind: Cow<'static, str>,
    /// Its name: `web_search`.
    pub name: Cow<'static, str>,
}

impl ProviderInfo {
    /// A provider of that `gen_ai.provider.name`.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            model: None,
            server_address: None,
            server_port: None,
            attributes: Vec::new(),
            server_tools: Vec::new(),
        }
    }

    /// Sets the model that is asked for.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<Arc<str>>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the host and port that are asked.
    #[must_use]
    pub fn with_server(mut self, address: impl Into<Arc<str>>, port: u16) -> Self {
        self.server_address = Some(address.into());
        self.server_port = Some(port);
        self
    }

    /// Sets an attribute of the vendor's own conventions, instead of the one of that key.
    #[must_use]
    pub fn with_attribute(mut self, attribute: KeyValue) -> Self {
        self.attributes.retain(|known| known.key != attribute.key);
        self.attributes.push(attribute);
        self
    }

    /// Adds a tool that the vendor runs: its kind, in the vendor's word, and its name. It replaces
    /// the one of the same name.
    #[must_use]
    pub fn with_server_tool(
        mut self,
        kind: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.add_server_tool(kind, name);
        self
    }

    /// [`with_server_tool`](Self::with_server_tool), where the facts stand already.
    pub fn add_server_tool(
        &mut self,
        kind: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) {
        let tool = ServerToolDefinition { kind: kind.into(), name: name.into() };
        self.server_tools.retain(|known| known.name != tool.name);
        self.server_tools.push(tool);
    }
}

/// What a provider is asked: the whole conversation, the tools, the parameters.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ChatRequest {
    /// The system prompt.
    pub system_prompt: Option<Arc<str>>,
    /// The conversation, oldest turn first. The last turn is the user's.
    pub turns: Vec<Arc<Turn>>,
    /// The tools that the model may ask for.
    pub tools: Vec<ToolDefinition>,
    /// The parameters of the model.
    pub params: ModelParams,
    /// A JSON schema that the reply has to follow, with a name for it.
    pub output: Option<OutputSchema>,
    /// The program's own id of the conversation, where it gave one.
    pub conversation_id: Option<Arc<str>>,
    /// The run this request belongs to, so that its span finds its place without a search.
    pub(crate) run: Option<Run>,
}

impl ChatRequest {
    /// A request with that conversation, and nothing else.
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        Self { turns: turns.into_iter().map(Arc::new).collect(), ..Self::default() }
    }
}

/// The parameters of a model. What is `None` is not sent, so the vendor's default holds.
///
/// A [`Chat`](crate::Chat) has a method for each. For many chats:
///
/// ```
/// # use chatlas_core::{Chat, ModelParams, Provider};
/// # fn example(provider: impl Provider) {
/// let mut params = ModelParams::default();
/// params.temperature = Some(0.2);
/// params.max_tokens = Some(500);
/// let chat = Chat::new(provider).params(params);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ModelParams {
    /// How freely the model chooses its words.
    pub temperature: Option<f64>,
    /// The share of probability it chooses from.
    pub top_p: Option<f64>,
    /// The number of candidates it chooses from.
    pub top_k: Option<u32>,
    /// The most tokens it may write in one reply.
    pub max_tokens: Option<u32>,
    /// Texts at which it stops.
    pub stop_sequences: Vec<String>,
    /// A seed for replies that repeat.
    pub seed: Option<i64>,
    /// Makes words that were used often less likely.
    pub frequency_penalty: Option<f64>,
    /// Makes words that were used at all less likely.
    pub presence_penalty: Option<f64>,
    /// How much the model is to think, in the vendor's word (`low`, `medium`, `high`, …).
    pub reasoning_level: Option<String>,
    /// How many choices the reply is to have: one unless set.
    pub choice_count: Option<u32>,
    /// The response that this request continues, where the vendor keeps responses.
    pub previous_response_id: Option<String>,
    /// Parameters of the vendor's own: fields of the request's body, as they are. They win over
    /// what the library would write.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// What a provider answered: an assistant turn.
pub type Completion = AssistantTurn;

/// A part of a reply, as it arrives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CompletionEvent {
    /// The reply has begun: its id and model, as far as they are known by now.
    Started {
        /// The vendor's id of the response.
        response_id: Option<String>,
        /// The exact model that answers.
        model: Option<String>,
    },
    /// More text.
    Text(String),
    /// More of what the model thinks.
    Thinking(String),
    /// A content that is now whole (a tool request, a citation, …) and is neither text nor thinking.
    Content(Content),
    /// The tokens so far.
    Usage(Usage),
    /// The end: the whole reply, to be believed over what came before.
    Done(Completion),
}

/// A reply as it arrives: [`CompletionEvent`]s, of which the last is `Done`, or an error.
pub struct CompletionStream(
    Pin<Box<dyn Stream<Item = Result<CompletionEvent, ProviderError>> + Send>>,
);

impl CompletionStream {
    /// A reply that arrives by that stream.
    pub fn new(
        events: impl Stream<Item = Result<CompletionEvent, ProviderError>> + Send + 'static,
    ) -> Self {
        Self(Box::pin(events))
    }

    /// A reply that is whole already.
    pub fn whole(completion: Completion) -> Self {
        let mut events = Vec::with_capacity(completion.contents.len() + 2);
        events.push(CompletionEvent::Started {
            response_id: completion.response_id.clone(),
            model: completion.model.clone(),
        });
        for content in &completion.contents {
            events.push(match content {
                Content::Text(text) => CompletionEvent::Text(text.text.clone()),
                Content::Thinking(thinking) => CompletionEvent::Thinking(thinking.text.clone()),
                other => CompletionEvent::Content(other.clone()),
            });
        }
        events.push(CompletionEvent::Done(completion));
        Self::new(futures_util::stream::iter(events.into_iter().map(Ok)))
    }
}

impl Stream for CompletionStream {
    type Item = Result<CompletionEvent, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(task)
    }
}

impl fmt::Debug for CompletionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompletionStream")
    }
}
