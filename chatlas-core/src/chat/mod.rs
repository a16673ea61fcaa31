//! `Chat`: a conversation with a model, its tools and its history.
//!
//! `mod.rs` is what a program holds, `settings` what it sets, `hooks` what it has asked around
//! tool calls; `run` is the loop; `history` keeps the turns consistent whatever happens; `stream`
//! hands events to the consumer, `extract` reads answers as values, `parallel` asks many prompts
//! at once; `reply` is what goes in and comes out.

mod extract;
mod history;
mod hooks;
mod parallel;
pub(crate) mod rehearsal;
mod reply;
mod run;
mod settings;
mod stream;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use opentelemetry::Context;
use tokio_util::sync::CancellationToken;

use hooks::Hooks;

use crate::provider::{ChatRequest, ModelParams, OutputSchema, Provider, ProviderError};
use crate::telemetry::settings::Settings;
use crate::telemetry::{MessageCache, Run};
use crate::tool::ToolSet;
use crate::turn::Turn;

pub use extract::{Extracted, OutputError, OutputErrorKind};
pub use hooks::{Approval, FinishedCall, IntoApproval, PendingCall};
pub use parallel::Branch;
pub use reply::{ChatError, Prompt, Reply, StreamEvent};
pub use stream::ChatStream;

/// The most model calls of one `chat()`, unless [`Chat::max_rounds`] says otherwise.
pub const DEFAULT_MAX_ROUNDS: usize = 100;

/// A conversation with a model.
///
/// Every [`chat`](Self::chat) and [`stream`](Self::stream) asks the model, runs the tools it asks
/// for, hands it their results, and so on until it asks for no more. Each is one `invoke_agent`
/// span with all of that below it.
///
/// It is plain state: a clone goes on by itself, and the turns can be stored and set again.
///
/// ```
/// # use chatlas_core::{Chat, Provider, Turn};
/// # async fn example(provider: impl Provider) -> Result<(), Box<dyn std::error::Error>> {
/// let mut chat = Chat::new(provider)
///     .system_prompt("You are a concise travel assistant.")
///     .attribute("user.id", "ada");
/// let reply = chat.chat("Tokyo in May: what should I pack?").await?;
/// println!("{reply} ({:?} tokens)", reply.usage.output_tokens);
///
/// let stored = serde_json::to_string(chat.turns())?;
/// chat.set_turns(serde_json::from_str::<Vec<Turn>>(&stored)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Chat {
    provider: Arc<dyn Provider>,
    system_prompt: Option<Arc<str>>,
    name: Option<Arc<str>>,
    conversation_id: Option<Arc<str>>,
    tools: ToolSet,
    tool_mode: ToolMode,
    max_rounds: usize,
    params: Arc<ModelParams>,
    output: Option<Arc<OutputSchema>>,
    turns: Vec<Arc<Turn>>,
    description: Option<Arc<str>>,
    settings: Arc<Settings>,
    written: MessageCache,
    cancellation: CancellationToken,
    hooks: Arc<Hooks>,
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
            params: Arc::default(),
            output: None,
            turns: Vec::new(),
            description: None,
            settings: Arc::default(),
            written: MessageCache::default(),
            cancellation: CancellationToken::new(),
            hooks: Arc::default(),
        }
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
            tools: self.tools.definitions(),
            params: Arc::clone(&self.params),
            output: self.output.clone(),
            conversation_id: self.conversation_id.clone(),
            run: Some(Run::for_chat(&self.settings, &self.written).extension()),
        };
        self.provider.count_tokens(request).await
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
        // A run is large, and callers put it into futures of their own.
        Box::pin(run::run(self, prompt.into(), Context::current(), None))
    }

    /// Asks, and hands on the reply as it arrives.
    ///
    /// Nothing is sent before the stream is first polled. The last event is
    /// [`StreamEvent::Done`], or an error as [`chat`](Self::chat) has them. Dropping the stream
    /// early gives the rest up: the spans end at once, and what has arrived stays in the history
    /// as a partial turn.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ChatError, StreamEvent};
    /// # async fn example(mut chat: Chat) -> Result<(), ChatError> {
    /// use futures_util::StreamExt as _;
    ///
    /// let mut events = chat.stream("And in July?");
    /// while let Some(event) = events.next().await {
    ///     match event? {
    ///         StreamEvent::Text(text) => print!("{text}"),
    ///         StreamEvent::Done(reply) => println!(" {:?}", reply.usage),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&mut self, prompt: impl Into<Prompt>) -> ChatStream<'_> {
        ChatStream::new(self, prompt.into(), Context::current())
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
