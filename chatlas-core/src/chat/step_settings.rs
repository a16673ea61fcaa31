//! Sets the hook before each model call of a run, and the conditions that end the run.

use std::future::Future;
use std::sync::Arc;

use super::chat::Chat;
use super::step::{FinishedStep, Step};
use crate::provider::ProviderError;

/// The model calls of a run.
impl Chat {
    /// Sets a hook that is called before each model call of a run, and returns the call with its
    /// changes: other tools, another model, other parameters, another system prompt. It replaces an
    /// earlier hook. An error ends the run.
    ///
    /// The spans show the model, the parameters and the tools of the request that is sent.
    ///
    /// ```
    /// # use chatlas_core::{Chat, ToolChoice};
    /// # fn example(chat: Chat) -> Chat {
    /// // Searches first, then answers with a larger model and without tools.
    /// chat.on_step(|mut step| async move {
    ///     if step.number == 1 {
    ///         step.request.params_mut().tool_choice = Some(ToolChoice::tool("search"));
    ///         return Ok(step);
    ///     }
    ///     step.with_tools([]).with_model("gpt-4o")
    /// })
    /// # }
    /// ```
    #[doc(alias = "prepare_step")]
    #[must_use]
    pub fn on_step<F>(mut self, hook: impl Fn(Step) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Step, ProviderError>> + Send + 'static,
    {
        Arc::make_mut(&mut self.steps).prepare = Some(Arc::new(move |step| Box::pin(hook(step))));
        self
    }

    /// Adds a condition that ends a run. It is called after the tool calls of a reply, with their
    /// results in the history. If it returns `true`, the run returns that reply, and the model is
    /// not called again. If there are several conditions, any of them ends the run.
    ///
    /// A reply without tool calls ends the run in any case.
    ///
    /// ```
    /// # fn example(chat: chatlas_core::Chat) -> chatlas_core::Chat {
    /// chat.with_stop_when(|step| step.has_called("submit_order"))
    ///     .with_stop_when(|step| step.usage.output_tokens.is_some_and(|tokens| tokens > 50_000))
    ///     .with_stop_when(|step| step.number == 10)
    /// # }
    /// ```
    #[doc(alias = "stop_when")]
    #[must_use]
    pub fn with_stop_when(
        mut self,
        condition: impl Fn(FinishedStep<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.steps).stop.push(Arc::new(condition));
        self
    }
}
