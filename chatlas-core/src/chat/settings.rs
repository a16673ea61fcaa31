//! The settings of a conversation: the model, the prompt, the tools, the parameters.
//!
//! Each has a getter, a setter (`set_…`) and a chainable setter (`with_…`).

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::chat::{Chat, ToolMode};
use super::hooks::{FinishedCall, IntoApproval, PendingCall};
use super::limits::Limits;
use crate::provider::{ModelParams, OutputSchema, Provider, ProviderError, Reasoning, ToolChoice};
use crate::tool::{DuplicateTool, IntoToolSet, Tool, ToolSet};
use crate::turn::Turn;

/// The model and the conversation.
impl Chat {
    /// Returns the provider.
    pub fn provider(&self) -> &Arc<dyn Provider> {
        &self.provider
    }

    /// Replaces the provider. The conversation continues with its model.
    pub fn set_provider(&mut self, provider: impl Provider) {
        self.provider = Arc::new(provider);
    }

    /// Returns the model that is requested, if the provider has a fixed one.
    pub fn model(&self) -> Option<&str> {
        self.provider.info().model.as_deref()
    }

    /// Changes the model. The conversation continues with it.
    ///
    /// # Errors
    ///
    /// Those of [`Provider::for_model`].
    pub fn set_model(&mut self, model: &str) -> Result<(), ProviderError> {
        self.provider = self.provider.for_model(model)?;
        Ok(())
    }

    /// Returns the turns of the conversation, oldest first.
    pub fn turns(&self) -> &[Arc<Turn>] {
        &self.turns
    }

    /// Replaces the turns of the conversation.
    pub fn set_turns<T: Into<Arc<Turn>>>(&mut self, turns: impl IntoIterator<Item = T>) {
        self.turns = turns.into_iter().map(Into::into).collect();
        self.message_cache.replace_turns(&self.turns);
    }

    /// Adds a turn at the end of the conversation.
    pub fn add_turn(&mut self, turn: impl Into<Arc<Turn>>) {
        self.turns.push(turn.into());
        self.message_cache.replace_turns(&self.turns);
    }

    /// Replaces the turns of the conversation.
    #[must_use]
    pub fn with_turns<T: Into<Arc<Turn>>>(mut self, turns: impl IntoIterator<Item = T>) -> Self {
        self.set_turns(turns);
        self
    }

    /// Returns the system prompt.
    pub fn system_prompt(&self) -> Option<&str> {
        self.system_prompt.as_deref()
    }

    /// Sets or, with `None`, removes the system prompt.
    pub fn set_system_prompt(&mut self, prompt: Option<impl Into<Arc<str>>>) {
        self.system_prompt = prompt.map(Into::into);
    }

    /// Sets the system prompt: the role of the model and its instructions.
    #[doc(alias = "preamble")]
    #[must_use]
    pub fn with_system_prompt(mut self, prompt: impl Into<Arc<str>>) -> Self {
        self.system_prompt = Some(prompt.into());
        self
    }

    /// Returns the token that cancels the runs of this chat.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Sets the token that cancels the runs of this chat. See
    /// [`with_cancellation`](Self::with_cancellation).
    pub fn set_cancellation(&mut self, token: CancellationToken) {
        self.cancellation = token;
    }

    /// Sets the token that cancels the runs of this chat, for a stop button or a shutdown. A cancelled
    /// run returns [`ChatError::Cancelled`](super::ChatError::Cancelled). Dropping the future or the
    /// stream cancels a run as well.
    ///
    /// A cancelled token stays cancelled: set another one before the next run.
    #[must_use]
    pub fn with_cancellation(mut self, token: CancellationToken) -> Self {
        self.set_cancellation(token);
        self
    }
}

/// The tools.
impl Chat {
    /// Returns the tools.
    pub fn tools(&self) -> &ToolSet {
        &self.tools
    }

    /// Replaces the tools.
    pub fn set_tools(&mut self, tools: impl IntoToolSet) {
        self.tools = tools.into_tool_set();
    }

    /// Replaces the tools by those of a list: `tools![…]`.
    #[must_use]
    pub fn with_tools(mut self, tools: impl IntoToolSet) -> Self {
        self.set_tools(tools);
        self
    }

    /// Adds a tool.
    ///
    /// # Errors
    ///
    /// [`DuplicateTool`] if the chat has a tool with the same name.
    #[doc(alias = "register_tool")]
    pub fn add_tool(&mut self, tool: impl Tool) -> Result<(), DuplicateTool> {
        self.tools.add(tool)
    }

    /// Removes the tool with that name and returns it.
    pub fn remove_tool(&mut self, name: &str) -> Option<Arc<dyn Tool>> {
        self.tools.remove(name)
    }

    /// Returns how the tool calls of one reply are run.
    pub fn tool_mode(&self) -> ToolMode {
        self.tool_mode
    }

    /// Sets how the tool calls of one reply are run.
    pub fn set_tool_mode(&mut self, mode: ToolMode) {
        self.tool_mode = mode;
    }

    /// Sets how the tool calls of one reply are run.
    #[must_use]
    pub fn with_tool_mode(mut self, mode: ToolMode) -> Self {
        self.tool_mode = mode;
        self
    }

    /// Returns the maximum number of model calls of one run.
    pub fn max_rounds(&self) -> usize {
        self.limits.rounds
    }

    /// Sets the maximum number of model calls of one run, at least 1.
    pub fn set_max_rounds(&mut self, rounds: usize) {
        self.limits.rounds = rounds.max(1);
    }

    /// Sets the maximum number of model calls of one run, at least 1. A run that exceeds it returns
    /// [`ChatError::TooManyRounds`](super::ChatError::TooManyRounds).
    #[doc(alias = "max_turns")]
    #[must_use]
    pub fn with_max_rounds(mut self, rounds: usize) -> Self {
        self.set_max_rounds(rounds);
        self
    }

    /// Returns the limits of one run.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Replaces the limits of one run, the maximum number of model calls included.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Replaces the limits of one run: tokens, cost, tool calls, time, and the maximum number of model
    /// calls. A run that reaches one returns [`ChatError::Limit`](super::ChatError::Limit).
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.set_limits(limits);
        self
    }
}

/// Hooks around tool calls.
impl Chat {
    /// Calls a hook before each tool call, to approve it. The hook runs inside the `execute_tool` span
    /// of the call; the time limit of the tool starts after it.
    ///
    /// A [rejected](super::Approval::Rejected) call fails with the error type `tool_rejected`: the reason is
    /// sent to the model and the conversation continues. An error or a panic of the hook fails the
    /// call as well. If there are several hooks, they are called in the order of registration, and
    /// all have to approve. Hooks are not called for tools that the chat does not have.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider, chat::Approval};
    /// # async fn confirm(_: &str) -> bool { true }
    /// # fn example(provider: impl Provider) {
    /// let chat = Chat::new(provider).on_tool_request(|call| async move {
    ///     let read_only = call.definition.annotations.read_only == Some(true);
    ///     if read_only || confirm(&call.request.name).await {
    ///         Approval::Approved
    ///     } else {
    ///         Approval::rejected("the user declined")
    ///     }
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn on_tool_request<F, A>(
        mut self,
        hook: impl Fn(PendingCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = A> + Send + 'static,
        A: IntoApproval + 'static,
    {
        Arc::make_mut(&mut self.hooks).on_request(hook);
        self
    }

    /// Calls a hook with each result before it is sent to the model, including those of failed and
    /// rejected calls. The hook runs inside the `execute_tool` span of the call.
    ///
    /// If the hook [rejects](super::Approval::Rejected) the result, the reason is sent instead, and the call
    /// fails with the error type `tool_rejected`. An error or a panic of the hook fails the call.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider};
    /// # fn example(provider: impl Provider) {
    /// let chat = Chat::new(provider).on_tool_result(|call| async move {
    ///     println!("{}: {}", call.request.name, call.result.outcome.to_model_text());
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn on_tool_result<F, A>(
        mut self,
        hook: impl Fn(FinishedCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = A> + Send + 'static,
        A: IntoApproval + 'static,
    {
        Arc::make_mut(&mut self.hooks).on_result(hook);
        self
    }
}

/// The parameters of the model.
impl Chat {
    /// Returns the parameters of the model.
    pub fn params(&self) -> &ModelParams {
        &self.params
    }

    /// Returns the parameters of the model, to change them.
    ///
    /// ```
    /// # fn example(chat: &mut chatlas_core::Chat) {
    /// chat.params_mut().temperature = Some(0.2);
    /// # }
    /// ```
    pub fn params_mut(&mut self) -> &mut ModelParams {
        Arc::make_mut(&mut self.params)
    }

    /// Replaces the parameters of the model.
    pub fn set_params(&mut self, params: ModelParams) {
        self.params = Arc::new(params);
    }

    /// Replaces the parameters of the model.
    #[must_use]
    pub fn with_params(mut self, params: ModelParams) -> Self {
        self.set_params(params);
        self
    }

    /// Sets the sampling temperature.
    #[must_use]
    pub fn with_temperature(mut self, temperature: f64) -> Self {
        self.params_mut().temperature = Some(temperature);
        self
    }

    /// Sets the probability mass that tokens are sampled from (nucleus sampling).
    #[must_use]
    pub fn with_top_p(mut self, top_p: f64) -> Self {
        self.params_mut().top_p = Some(top_p);
        self
    }

    /// Sets the number of most likely tokens that are sampled from.
    #[must_use]
    pub fn with_top_k(mut self, top_k: u32) -> Self {
        self.params_mut().top_k = Some(top_k);
        self
    }

    /// Sets the maximum number of output tokens of one reply.
    #[must_use]
    pub fn with_max_tokens(mut self, tokens: u32) -> Self {
        self.params_mut().max_tokens = Some(tokens);
        self
    }

    /// Sets the texts at which the model stops.
    #[must_use]
    pub fn with_stop_sequences<S: Into<String>>(
        mut self,
        texts: impl IntoIterator<Item = S>,
    ) -> Self {
        self.params_mut().stop_sequences = texts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the seed for reproducible sampling.
    #[must_use]
    pub fn with_seed(mut self, seed: i64) -> Self {
        self.params_mut().seed = Some(seed);
        self
    }

    /// Sets the penalty on tokens by how often they have appeared.
    #[must_use]
    pub fn with_frequency_penalty(mut self, penalty: f64) -> Self {
        self.params_mut().frequency_penalty = Some(penalty);
        self
    }

    /// Sets the penalty on tokens that have appeared at all.
    #[must_use]
    pub fn with_presence_penalty(mut self, penalty: f64) -> Self {
        self.params_mut().presence_penalty = Some(penalty);
        self
    }

    /// Sets how much the model reasons before it answers.
    #[doc(alias = "thinking")]
    #[must_use]
    pub fn with_reasoning(mut self, reasoning: Reasoning) -> Self {
        self.params_mut().reasoning = Some(reasoning);
        self
    }

    /// Sets whether the model may, must, or must not call tools. Unless set, the model decides.
    ///
    /// A choice that forces a call applies to the first model call of a run: after it, the model
    /// decides, so that it can answer. To force later calls, use [`on_step`](Self::on_step).
    #[must_use]
    pub fn with_tool_choice(mut self, choice: ToolChoice) -> Self {
        self.params_mut().tool_choice = Some(choice);
        self
    }

    /// Sets the number of alternative replies. The conversation continues with the first; the
    /// [others](crate::AssistantTurn::alternatives) are kept beside it.
    #[must_use]
    pub fn with_choice_count(mut self, choices: u32) -> Self {
        self.params_mut().choice_count = Some(choices);
        self
    }

    /// Sets a vendor-specific field of the request body, sent unchanged. It overrides a field that
    /// the library writes.
    #[must_use]
    pub fn with_extra(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params_mut().extra.insert(field.into(), value.into());
        self
    }

    /// Returns the JSON schema that replies have to follow.
    pub fn output(&self) -> Option<&OutputSchema> {
        self.output.as_deref()
    }

    /// Sets or, with `None`, removes the JSON schema that replies have to follow.
    pub fn set_output(&mut self, schema: Option<OutputSchema>) {
        self.output = schema.map(Arc::new);
    }

    /// Sets the JSON schema that replies have to follow.
    #[must_use]
    pub fn with_output(mut self, schema: OutputSchema) -> Self {
        self.set_output(Some(schema));
        self
    }
}
