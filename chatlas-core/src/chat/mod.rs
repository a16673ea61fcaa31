//! `Chat`: a conversation with a model, its tools and its history.
//!
//! `mod.rs` is what a program holds and sets; `run` is the loop; `history` keeps the turns
//! consistent whatever happens; `stream` hands events to the consumer.

mod history;
mod run;
mod stream;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use opentelemetry::{Array, Context, KeyValue};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::content::{Content, ToolRequest, ToolResult};
use crate::provider::{ChatRequest, ModelParams, OutputSchema, Provider, ProviderError};
use crate::telemetry::settings::Settings;
use crate::telemetry::{Capture, CapturedContent, LEAST_LIMIT, ReplyId, Verdict, Written, names};
use crate::tool::{ToolOutput, ToolSet};
use crate::turn::{AssistantTurn, Turn, Usage};

pub use stream::ChatStream;

/// The most model calls of one `chat()`, unless [`Chat::max_rounds`] says otherwise.
pub const DEFAULT_MAX_ROUNDS: usize = 100;

/// A conversation with a model.
///
/// Every [`chat`](Self::chat) and [`stream`](Self::stream) asks the model, runs the tools it asks
/// for, hands it their results, and so on until it asks for no more. Each is one `invoke_agent`
/// span with all of that below it.
#[derive(Clone)]
pub struct Chat {
    provider: Arc<dyn Provider>,
    system_prompt: Option<Arc<str>>,
    name: Option<Arc<str>>,
    conversation_id: Option<Arc<str>>,
    tools: ToolSet,
    tool_mode: ToolMode,
    max_rounds: usize,
    params: ModelParams,
    output: Option<OutputSchema>,
    turns: Vec<Arc<Turn>>,
    description: Option<Arc<str>>,
    settings: Arc<Settings>,
    written: Written,
    cancellation: CancellationToken,
}

/// How the tool calls of one reply are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolMode {
    /// All at once.
    #[default]
    Concurrent,
    /// One after the other, in the order the model asked.
    Sequential,
}

impl Chat {
    /// A conversation with that provider's model.
    pub fn new(provider: impl Provider) -> Self {
        Self::with_provider(Arc::new(provider))
    }

    /// A conversation over a provider that is shared.
    pub fn with_provider(provider: Arc<dyn Provider>) -> Self {
        Self {
            provider,
            system_prompt: None,
            name: None,
            conversation_id: None,
            tools: ToolSet::new(),
            tool_mode: ToolMode::default(),
            max_rounds: DEFAULT_MAX_ROUNDS,
            params: ModelParams::default(),
            output: None,
            turns: Vec::new(),
            description: None,
            settings: Arc::default(),
            written: Written::default(),
            cancellation: CancellationToken::new(),
        }
    }

    /// Tells the model who it is and how to behave.
    #[must_use]
    pub fn system_prompt(mut self, prompt: impl Into<Arc<str>>) -> Self {
        self.system_prompt = Some(prompt.into());
        self
    }

    /// Names the agent: `gen_ai.agent.name`, and part of the `invoke_agent` span's name. Keep the
    /// names few.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says what the agent is for: `gen_ai.agent.description`.
    #[must_use]
    pub fn description(mut self, description: impl Into<Arc<str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the program's own id of the conversation: `gen_ai.conversation.id` on its spans. None
    /// is ever invented.
    #[must_use]
    pub fn conversation_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.conversation_id = Some(id.into());
        self
    }

    /// Gives the model these tools, instead of those it had.
    #[must_use]
    pub fn tools(mut self, tools: ToolSet) -> Self {
        self.tools = tools;
        self
    }

    /// Sets how the tool calls of one reply are run.
    #[must_use]
    pub fn tool_mode(mut self, mode: ToolMode) -> Self {
        self.tool_mode = mode;
        self
    }

    /// Bounds the model calls of one `chat()`: beyond it [`ChatError::TooManyRounds`]. At least 1.
    #[must_use]
    pub fn max_rounds(mut self, rounds: usize) -> Self {
        self.max_rounds = rounds.max(1);
        self
    }

    /// Sets all parameters of the model at once.
    #[must_use]
    pub fn params(mut self, params: ModelParams) -> Self {
        self.params = params;
        self
    }

    /// Sets how freely the model chooses its words.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.params.temperature = Some(temperature);
        self
    }

    /// Sets the share of probability the model chooses from.
    #[must_use]
    pub fn top_p(mut self, top_p: f64) -> Self {
        self.params.top_p = Some(top_p);
        self
    }

    /// Sets the number of candidates the model chooses from.
    #[must_use]
    pub fn top_k(mut self, top_k: u32) -> Self {
        self.params.top_k = Some(top_k);
        self
    }

    /// Sets the most tokens the model may write in one reply.
    #[must_use]
    pub fn max_tokens(mut self, max: u32) -> Self {
        self.params.max_tokens = Some(max);
        self
    }

    /// Sets the texts at which the model stops.
    #[must_use]
    pub fn stop_sequences<S: Into<String>>(mut self, stops: impl IntoIterator<Item = S>) -> Self {
        self.params.stop_sequences = stops.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the seed for replies that repeat.
    #[must_use]
    pub fn seed(mut self, seed: i64) -> Self {
        self.params.seed = Some(seed);
        self
    }

    /// Makes words that were used often less likely.
    #[must_use]
    pub fn frequency_penalty(mut self, penalty: f64) -> Self {
        self.params.frequency_penalty = Some(penalty);
        self
    }

    /// Makes words that were used at all less likely.
    #[must_use]
    pub fn presence_penalty(mut self, penalty: f64) -> Self {
        self.params.presence_penalty = Some(penalty);
        self
    }

    /// Sets how much the model is to think, in the vendor's word: `low`, `medium`, `high`, …
    #[must_use]
    pub fn reasoning_level(mut self, level: impl Into<String>) -> Self {
        self.params.reasoning_level = Some(level.into());
        self
    }

    /// Asks for that many choices: the conversation goes on with the first, and the
    /// [others](crate::AssistantTurn::alternatives) stand beside it.
    #[must_use]
    pub fn choice_count(mut self, choices: u32) -> Self {
        self.params.choice_count = Some(choices);
        self
    }

    /// Sets a parameter of the vendor's own: a field of the request's body, as it is. It wins over
    /// what the library would write.
    #[must_use]
    pub fn extra(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params.extra.insert(field.into(), value.into());
        self
    }

    /// Has the model answer with JSON that follows the schema.
    #[must_use]
    pub fn output(mut self, schema: OutputSchema) -> Self {
        self.output = Some(schema);
        self
    }

    /// Puts an attribute on all spans of this chat: whose it is, which tenant, which release.
    ///
    /// It replaces the one of the same key. Keys that the library itself writes (`gen_ai.…`,
    /// `error.type`, `server.…`) are passed over. Metrics do not have it: there, every value is
    /// a series of its own.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider};
    /// # fn example(provider: impl Provider) {
    /// let chat = Chat::new(provider).attribute("user.id", "u-17").session_id("s-4");
    /// # }
    /// ```
    #[must_use]
    pub fn attribute(
        mut self,
        key: impl Into<opentelemetry::Key>,
        value: impl Into<opentelemetry::Value>,
    ) -> Self {
        Arc::make_mut(&mut self.settings).attribute(KeyValue::new(key, value));
        self
    }

    /// Sets the session that the chat belongs to: `session.id` on its spans.
    #[must_use]
    pub fn session_id(self, id: impl Into<Arc<str>>) -> Self {
        self.attribute(names::user::SESSION_ID, id.into())
    }

    /// Sets the program's own words for the chat, to find it by: `chatlas.tags` on its spans.
    #[must_use]
    pub fn tags<S: Into<String>>(self, tags: impl IntoIterator<Item = S>) -> Self {
        let tags = tags.into_iter().map(|tag| tag.into().into()).collect();
        self.attribute(names::user::TAGS, opentelemetry::Value::Array(Array::String(tags)))
    }

    /// Puts the [baggage](https://opentelemetry.io/docs/concepts/signals/baggage/) entry of that
    /// key on all spans of this chat, where there is one when it is asked.
    #[must_use]
    pub fn baggage(mut self, key: impl Into<opentelemetry::Key>) -> Self {
        Arc::make_mut(&mut self.settings).baggage(key.into());
        self
    }

    /// Sets what of the content is recorded, whatever the environment says.
    #[must_use]
    pub fn capture(mut self, capture: Capture) -> Self {
        Arc::make_mut(&mut self.settings).capture = Some(capture);
        self
    }

    /// Shows all content to that hook before it is written, to be changed: what is not to be
    /// recorded is taken out there. It sees each turn once. One that panics loses the content,
    /// and nothing else.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider};
    /// # fn example(provider: impl Provider, secret: String) {
    /// let chat = Chat::new(provider).redact(move |content| {
    ///     content.each_text(&mut |text| *text = text.replace(&secret, "***"));
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn redact(
        mut self,
        hook: impl Fn(&mut CapturedContent<'_>) + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).redact = Some(Arc::new(hook));
        self.written = Written::default();
        self
    }

    /// Bounds each content attribute to that many bytes: 64 KiB unless set, and at least 512. What
    /// is cut stays valid JSON and says so; of a long conversation the latest messages stay.
    #[must_use]
    pub fn capture_limit(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.settings).limit = bytes.max(LEAST_LIMIT);
        self.written = Written::default();
        self
    }

    /// Whether the `invoke_agent` span repeats, as a sum, the usage of the model calls below it.
    /// It does unless set, for the conventions recommend it; leave it out for a backend that sums
    /// `gen_ai.usage.*` over all spans, which would count every token twice.
    #[must_use]
    pub fn agent_usage(mut self, on: bool) -> Self {
        Arc::make_mut(&mut self.settings).agent_usage = on;
        self
    }

    /// How many input tokens a [`chat`](Self::chat) with that prompt would cost at first, as the
    /// vendor counts them: with the system prompt, the tools and the conversation so far. Nothing
    /// is asked of the model.
    ///
    /// # Errors
    ///
    /// As [`Provider::count_tokens`] has them.
    pub async fn count_tokens(&self, prompt: impl Into<Prompt>) -> Result<u64, ProviderError> {
        let mut turns = self.turns.clone();
        let history = history::History::begin(&mut turns, prompt.into().0);
        let request = ChatRequest {
            system_prompt: self.system_prompt.clone(),
            turns: history.turns().to_vec(),
            tools: self.tools.iter().map(|tool| tool.definition().clone()).collect(),
            params: self.params.clone(),
            output: self.output.clone(),
            conversation_id: self.conversation_id.clone(),
            run: None,
        };
        self.provider.count_tokens(request).await
    }

    /// Has runs end when that token is cancelled, with [`ChatError::Cancelled`]: for a stop button,
    /// or the end of the program. Dropping the future or the stream does the same.
    ///
    /// A token is cancelled once and for all: set another one before the next run.
    #[must_use]
    pub fn cancellation(mut self, token: CancellationToken) -> Self {
        self.cancellation = token;
        self
    }

    /// The conversation so far, oldest turn first.
    pub fn turns(&self) -> &[Arc<Turn>] {
        &self.turns
    }

    /// Replaces the conversation so far.
    pub fn set_turns<T: Into<Arc<Turn>>>(&mut self, turns: impl IntoIterator<Item = T>) {
        self.turns = turns.into_iter().map(Into::into).collect();
    }

    /// The provider.
    pub fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    /// Asks, and waits for the whole reply.
    ///
    /// The `invoke_agent` span's parent is what is current when this is called, not when it is
    /// first polled.
    ///
    /// Dropping the future gives the conversation up: its spans end at once, the history keeps
    /// what is whole, and the next call works.
    ///
    /// # Errors
    ///
    /// [`ChatError::Provider`] where a model call fails, [`ChatError::TooManyRounds`] where the
    /// model does not stop asking for tools. A tool that fails is no error: the model is told.
    pub fn chat(
        &mut self,
        prompt: impl Into<Prompt>,
    ) -> impl Future<Output = Result<Reply, ChatError>> + Send {
        run::run(self, prompt.into(), Context::current(), None)
    }

    /// Asks, and hands on the reply as it arrives.
    ///
    /// Nothing is sent before the stream is first polled. The last event is
    /// [`StreamEvent::Done`], or an error as [`chat`](Self::chat) has them. Dropping the stream
    /// early gives the rest up: the spans end at once, and what has arrived stays in the history
    /// as a partial turn.
    pub fn stream(&mut self, prompt: impl Into<Prompt>) -> ChatStream<'_> {
        ChatStream::new(self, prompt.into(), Context::current())
    }

    pub(crate) fn agent_name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    pub(crate) fn agent_description(&self) -> Option<&Arc<str>> {
        self.description.as_ref()
    }

    pub(crate) fn conversation(&self) -> Option<&Arc<str>> {
        self.conversation_id.as_ref()
    }

    pub(crate) fn wants_json(&self) -> bool {
        self.output.is_some()
    }

    pub(crate) fn model_params(&self) -> &ModelParams {
        &self.params
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat")
            .field("provider", self.provider.info())
            .field("name", &self.name)
            .field("tools", &self.tools)
            .field("turns", &self.turns.len())
            .finish_non_exhaustive()
    }
}

/// What the user says: text, or several contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt(Vec<Content>);

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self(vec![Content::text(text)])
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self(vec![Content::text(text)])
    }
}

impl From<&String> for Prompt {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Content> for Prompt {
    fn from(content: Content) -> Self {
        Self(vec![content])
    }
}

impl From<Vec<Content>> for Prompt {
    fn from(contents: Vec<Content>) -> Self {
        Self(contents)
    }
}

impl<const N: usize> From<[Content; N]> for Prompt {
    fn from(contents: [Content; N]) -> Self {
        Self(contents.into())
    }
}

/// What the model answered in the end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The model's last turn.
    pub turn: AssistantTurn,
    /// The tokens of all model calls that led to it.
    pub usage: Usage,
    /// How many model calls that were.
    pub rounds: usize,
    /// Where the answer stands in the traces: store it to judge the answer later.
    pub id: ReplyId,
}

impl Reply {
    /// The text of the answer.
    pub fn text(&self) -> String {
        self.turn.text()
    }

    /// Records what somebody thinks of the answer, as [`ReplyId::feedback`] does.
    ///
    /// ```
    /// # fn example(reply: chatlas_core::Reply) {
    /// reply.feedback("helpfulness", 0.8, "It named the right gate.");
    /// reply.feedback("thumbs", "down", None);
    /// # }
    /// ```
    pub fn feedback<'a>(
        &self,
        name: impl Into<String>,
        verdict: impl Into<Verdict>,
        explanation: impl Into<Option<&'a str>>,
    ) -> bool {
        self.id.feedback(name, verdict, explanation)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// What happens while a reply arrives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
// The large one comes once, at the end; a box would be in everybody's way.
#[allow(clippy::large_enum_variant)]
pub enum StreamEvent {
    /// More text.
    Text(String),
    /// More of what the model thinks.
    Thinking(String),
    /// Another content that is whole: a citation, a vendor's own tool call.
    Content(Content),
    /// The model asks for a tool, which is about to run.
    ToolRequest(ToolRequest),
    /// A tool that is running tells how far it has come.
    ToolProgress {
        /// The id of the request that it serves.
        id: Arc<str>,
        /// A part of its result, or a word on its progress.
        output: ToolOutput,
    },
    /// A tool is done.
    ToolResult(ToolResult),
    /// The end: the answer.
    Done(Reply),
}

/// A conversation that could not go on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChatError {
    /// A model call failed.
    Provider(ProviderError),
    /// The model kept asking for tools.
    TooManyRounds {
        /// The bound, as [`Chat::max_rounds`] has it.
        limit: usize,
    },
    /// The token of [`Chat::cancellation`] was cancelled. The history keeps what is whole, and
    /// what had arrived of a reply.
    Cancelled,
}

impl ChatError {
    /// The value of `error.type` on the `invoke_agent` span. One that was cancelled has none: that
    /// is no error of the agent's.
    pub fn error_type(&self) -> Cow<'static, str> {
        match self {
            Self::Provider(error) => error.error_type(),
            Self::TooManyRounds { .. } => Cow::Borrowed(names::error::TOO_MANY_ROUNDS),
            Self::Cancelled => Cow::Borrowed(names::error::CANCELLED),
        }
    }
}

impl fmt::Display for ChatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => error.fmt(f),
            Self::TooManyRounds { limit } => write!(
                f,
                "the model still asked for tools after {limit} model calls; \
                 if that is meant to be, raise `Chat::max_rounds`"
            ),
            Self::Cancelled => f.write_str("the conversation was cancelled"),
        }
    }
}

impl std::error::Error for ChatError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Provider(error) => Some(error),
            Self::TooManyRounds { .. } | Self::Cancelled => None,
        }
    }
}

impl From<ProviderError> for ChatError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}
