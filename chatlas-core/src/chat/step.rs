//! The model calls of a run, as passed to the hook that changes a call and to the conditions that end
//! the run.

use std::fmt;
use std::sync::Arc;

use crate::provider::{ChatRequest, Provider, ProviderError};
use crate::tool::BoxFuture;
use crate::turn::{AssistantTurn, Turn, Usage};

/// A model call of a run before its request is sent, as passed to the hook of [`Chat::on_step`](super::Chat::on_step).
///
/// Changes apply to this call only: the next one begins with the settings of the chat.
#[derive(Clone)]
#[non_exhaustive]
pub struct Step {
    /// The number of the call in the run, from 1.
    pub number: usize,
    /// The token counts of the earlier calls of the run.
    pub usage: Usage,
    /// The request: the turns, the system prompt, the tools, the parameters.
    pub request: ChatRequest,
    /// The provider that receives the request.
    pub provider: Arc<dyn Provider>,
}

impl Step {
    /// Returns the last reply of the model, also of an earlier run.
    pub fn last_reply(&self) -> Option<&AssistantTurn> {
        self.request.turns.iter().rev().find_map(|turn| match &**turn {
            Turn::Assistant(turn) => Some(&**turn),
            _ => None,
        })
    }

    /// Offers only these tools of the chat. A call of another tool is an error that is sent to the
    /// model. Names without a tool are ignored.
    #[must_use]
    pub fn with_tools<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let tools = self.request.tools.iter().filter(|tool| names.contains(&&*tool.name));
        self.request.tools = tools.cloned().collect();
        self
    }

    /// Sends the request to another model of the same provider.
    ///
    /// # Errors
    ///
    /// Those of [`Provider::for_model`].
    pub fn with_model(mut self, model: &str) -> Result<Self, ProviderError> {
        self.provider = self.provider.for_model(model)?;
        Ok(self)
    }

    /// Sends the request to another provider.
    #[must_use]
    pub fn with_provider(mut self, provider: impl Provider) -> Self {
        self.provider = Arc::new(provider);
        self
    }

    /// Replaces the system prompt.
    #[must_use]
    pub fn with_system_prompt(mut self, prompt: impl Into<Arc<str>>) -> Self {
        self.request.system_prompt = Some(prompt.into());
        self
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("number", &self.number)
            .field("provider", self.provider.info())
            .finish_non_exhaustive()
    }
}

/// A model call of a run after its tools ran, as passed to a condition of [`Chat::with_stop_when`](super::Chat::with_stop_when).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FinishedStep<'a> {
    /// The number of the call in the run, from 1.
    pub number: usize,
    /// The reply, with the tool calls that it requested.
    pub reply: &'a AssistantTurn,
    /// The token counts of the run so far.
    pub usage: Usage,
}

impl FinishedStep<'_> {
    /// Returns whether the reply called the tool of that name.
    pub fn has_called(&self, tool: &str) -> bool {
        self.reply.tool_requests().any(|request| request.name == tool)
    }
}

type Prepare = Arc<dyn Fn(Step) -> BoxFuture<'static, Result<Step, ProviderError>> + Send + Sync>;
type Stop = Arc<dyn Fn(FinishedStep<'_>) -> bool + Send + Sync>;

/// The hook and the conditions of a chat.
#[derive(Clone, Default)]
pub(super) struct StepHooks {
    pub(super) prepare: Option<Prepare>,
    pub(super) stop: Vec<Stop>,
}

impl StepHooks {
    /// Returns whether a condition ends the run.
    pub(super) fn stops(&self, step: FinishedStep<'_>) -> bool {
        self.stop.iter().any(|stop| stop(step))
    }
}
