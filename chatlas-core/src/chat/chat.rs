//! The state of a conversation.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::hooks::Hooks;
use super::limits::Limits;
use super::record::{HistoryLimit, Record};
use super::step::StepHooks;
use crate::provider::{ModelParams, OutputSchema, Provider};
use crate::session::{SessionError, SessionStore};
use crate::telemetry::MessageCache;
use crate::telemetry::settings::Settings;
use crate::tool::ToolSet;
use crate::turn::Turn;

/// A conversation with a model.
///
/// Each [`chat`](Self::chat) and [`stream`](Self::stream) is a run: it calls the model, runs the tools
/// that the model requests, sends their results, and repeats until the model requests no more. A run
/// is recorded as one `invoke_agent` span, whose children are the model calls and the tool calls.
///
/// A `Chat` is plain state. A clone is an independent conversation, and the turns can be stored and
/// set again.
///
/// Every setting has a chainable setter (`with_…`), a setter (`set_…`) and a getter, so that a `Chat`
/// in a struct can be changed between runs.
///
/// ```
/// # use chatlas_core::{Chat, Provider, Turn};
/// # async fn example(provider: impl Provider) -> Result<(), Box<dyn std::error::Error>> {
/// let mut chat = Chat::new(provider)
///     .with_system_prompt("You are a concise travel assistant.")
///     .with_attribute("user.id", "ada");
/// let reply = chat.chat("Tokyo in May: what should I pack?").await?;
/// println!("{reply} ({})", reply.usage);
///
/// let stored = serde_json::to_string(chat.turns())?;
/// chat.set_turns(serde_json::from_str::<Vec<Turn>>(&stored)?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Chat {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) system_prompt: Option<Arc<str>>,
    pub(super) name: Option<Arc<str>>,
    pub(super) description: Option<Arc<str>>,
    pub(super) conversation_id: Option<Arc<str>>,
    pub(super) tools: ToolSet,
    pub(super) tool_mode: ToolMode,
    pub(super) limits: Limits,
    pub(super) params: Arc<ModelParams>,
    pub(super) output: Option<Arc<OutputSchema>>,
    pub(super) extract_retries: usize,
    pub(super) turns: Vec<Arc<Turn>>,
    pub(super) settings: Arc<Settings>,
    pub(super) message_cache: MessageCache,
    pub(super) cancellation: CancellationToken,
    pub(super) hooks: Arc<Hooks>,
    pub(super) steps: Arc<StepHooks>,
    pub(super) record: Arc<Record>,
    pub(super) history_limit: Option<HistoryLimit>,
    pub(super) store: Option<Arc<dyn SessionStore>>,
    pub(super) save_error: Option<SessionError>,
}

/// How the tool calls of one reply are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolMode {
    /// All at the same time.
    #[default]
    Concurrent,
    /// One after another, in the order of the requests.
    Sequential,
}

impl Chat {
    /// Creates a conversation with the model of that provider. A shared provider
    /// (`Arc<dyn Provider>`) is a provider, too.
    pub fn new(provider: impl Provider) -> Self {
        Self {
            provider: Arc::new(provider),
            system_prompt: None,
            name: None,
            description: None,
            conversation_id: None,
            tools: ToolSet::new(),
            tool_mode: ToolMode::default(),
            limits: Limits::new(),
            params: Arc::default(),
            output: None,
            extract_retries: 0,
            turns: Vec::new(),
            settings: Arc::default(),
            message_cache: MessageCache::default(),
            cancellation: CancellationToken::new(),
            hooks: Arc::default(),
            steps: Arc::default(),
            record: Arc::default(),
            history_limit: None,
            store: None,
            save_error: None,
        }
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
