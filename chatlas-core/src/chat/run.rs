//! The loop: call the model, run the tools that it requests, send their results, and repeat until it
//! requests no more.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::Either;
use futures_util::{FutureExt as _, StreamExt as _};
use opentelemetry::{Context, KeyValue};
use tokio_util::sync::CancellationToken;

use super::chat::{Chat, ToolMode};
use super::history::History;
use super::hooks::Hooks;
use super::limits::{LimitError, LimitKind, Limits, Spent};
use super::queue::Events;
use super::step::{FinishedStep, Step, StepHooks};
use super::{ChatError, Prompt, Reply, StreamEvent};
use crate::content::Content;
use crate::cost;
use crate::provider::{
    ChatRequest, CompletionEvent, CompletionStream, ModelParams, OutputSchema, Provider,
    ProviderError, ToolChoice,
};
use crate::telemetry::agent::{AgentFacts, AgentFailure, AgentSpan};
use crate::telemetry::names::{self, exception};
use crate::telemetry::{ReplyId, Run, carries, in_context};
use crate::tool::{ToolDefinition, ToolSet, has_timer};
use crate::turn::{AssistantTurn, FinishReason, Turn, Usage};

/// Runs a prompt in its `invoke_agent` span, which ends when this future is dropped.
pub(super) async fn run(
    chat: &mut Chat,
    prompt: Prompt,
    parent: Context,
    events: Option<Events>,
) -> Result<Reply, ChatError> {
    run_and_read(chat, prompt, parent, events, None, |reply, _| Ok(reply)).await
}

/// Runs a prompt, saves the conversation if the chat has a store, and converts the reply with `read`,
/// inside the span. `output` is the requested value, if the run has to return one.
pub(super) async fn run_and_read<T>(
    chat: &mut Chat,
    prompt: Prompt,
    parent: Context,
    events: Option<Events>,
    output: Option<Output<'_>>,
    read: impl FnOnce(Reply, &mut AgentSpan) -> Result<T, ChatError>,
) -> Result<T, ChatError> {
    chat.apply_history_limit();
    let telemetry = Run::for_chat(&chat.settings, &chat.message_cache);
    let facts = || AgentFacts {
        info: chat.provider.info(),
        name: chat.name.as_ref(),
        description: chat.description.as_ref(),
        conversation_id: chat.conversation_id.as_ref(),
        params: &chat.params,
        json: output.is_some() || chat.output.is_some(),
    };
    let mut span = AgentSpan::start(&telemetry, &parent, facts);
    let context = span.context().cloned().or_else(|| carries(&parent).then_some(parent));
    let stop = chat.cancellation.clone();
    let history = History::begin(&mut chat.turns, prompt.0);
    let definitions = chat.tools.definitions();
    let server_tools = &chat.provider.info().server_tools;
    span.record_input(chat.system_prompt.as_deref(), history.turns(), &definitions, server_tools);
    let time_limit = chat.limits.time;
    let mut agent = Agent {
        provider: &chat.provider,
        system_prompt: chat.system_prompt.as_ref(),
        name: chat.name.as_ref(),
        conversation_id: chat.conversation_id.as_ref(),
        tools: &chat.tools,
        definitions,
        tool_mode: chat.tool_mode,
        limits: &chat.limits,
        spent: Mutex::default(),
        params: &chat.params,
        output: output.as_ref().map(|output| output.schema).or(chat.output.as_ref()),
        problem: output.as_ref().map(|output| output.problem),
        extract_retries: chat.extract_retries,
        telemetry,
        events,
        cancellation: stop.child_token(),
        hooks: &chat.hooks,
        steps: &chat.steps,
        compacted: chat.record.compacted,
    };
    // When this future ends or is dropped, the results of running tools are no longer awaited.
    let cancel_tools = agent.cancellation.clone().drop_guard();
    let rounds = async {
        match &context {
            Some(context) => {
                let rounds = Box::pin(agent.run_rounds(history, &mut span));
                in_context(Some(context), rounds).await
            }
            None => agent.run_rounds(history, &mut span).await,
        }
    };
    let rounds = within(time_limit, rounds);
    let ran = stop.run_until_cancelled(AssertUnwindSafe(rounds).catch_unwind()).await;
    drop(cancel_tools);
    let Some(result) = ran else {
        // The dropped span is marked as cancelled, which is not an error.
        drop(span);
        chat.save_after_run().await;
        return Err(ChatError::Cancelled);
    };
    let result = result.map(|result| {
        result.map_err(|error| match error {
            ChatError::Limit(error) => error.with_reply(agent.last_reply(chat.turns.last())).into(),
            error => error,
        })
    });
    // Saved before the answer is read, because a value of type `T` may not be `Send`.
    if result.is_ok() {
        chat.save_after_run().await;
    }
    let read = || result.map(|result| result.and_then(|reply| read(reply, &mut span)));
    match catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(Err) {
        Ok(result) => {
            span.finish(result.as_ref().err().map(agent_failure));
            result
        }
        // A panic of the provider, or of the type that the answer is read into, is the program's.
        Err(panic) => {
            span.end_with_panic();
            resume_unwind(panic)
        }
    }
}

/// Returns what the span of a failed run records.
pub(super) fn agent_failure(error: &ChatError) -> AgentFailure<'_> {
    match error {
        ChatError::Provider(error) => AgentFailure::Provider(error),
        ChatError::Output(output) => AgentFailure::Run {
            error_type: error.error_type(),
            exception_type: exception::OUTPUT_ERROR,
            message: output,
            quotes_content: true,
        },
        ChatError::TooManyRounds { .. }
        | ChatError::TruncatedCall
        | ChatError::Cancelled
        | ChatError::Limit(_) => AgentFailure::Run {
            error_type: error.error_type(),
            exception_type: exception::CHAT_ERROR,
            message: error,
            quotes_content: false,
        },
    }
}

/// The value that a run has to return.
pub(super) struct Output<'a> {
    pub(super) schema: &'a Arc<OutputSchema>,
    pub(super) problem: &'a Problem<'a>,
}

/// Returns why a reply does not contain the value, as a message to the model, if another answer is
/// worth requesting.
pub(super) type Problem<'a> = dyn Fn(&Reply) -> Option<String> + Send + Sync + 'a;

/// What stays the same in all rounds of a run.
pub(super) struct Agent<'a> {
    provider: &'a Arc<dyn Provider>,
    system_prompt: Option<&'a Arc<str>>,
    pub(super) name: Option<&'a Arc<str>>,
    pub(super) conversation_id: Option<&'a Arc<str>>,
    pub(super) tools: &'a ToolSet,
    /// The tools that the current request offers.
    pub(super) definitions: Arc<[ToolDefinition]>,
    pub(super) tool_mode: ToolMode,
    limits: &'a Limits,
    spent: Mutex<Spent>,
    params: &'a Arc<ModelParams>,
    output: Option<&'a Arc<OutputSchema>>,
    problem: Option<&'a Problem<'a>>,
    extract_retries: usize,
    pub(super) telemetry: Run,
    pub(super) events: Option<Events>,
    /// Cancelled when the results of running tools are no longer awaited.
    pub(super) cancellation: CancellationToken,
    pub(super) hooks: &'a Hooks,
    steps: &'a StepHooks,
    compacted: bool,
}

impl Agent<'_> {
    async fn run_rounds(
        &mut self,
        mut history: History<'_>,
        span: &mut AgentSpan,
    ) -> Result<Reply, ChatError> {
        let mut was_cut = false;
        let mut retries = 0;
        let tools = Arc::clone(&self.definitions);
        for round in 1..=self.limits.rounds {
            self.limits.check(&self.spent())?;
            let step = Step {
                number: round,
                usage: self.usage(),
                request: self.request(&history, &tools, round, retries),
                provider: Arc::clone(self.provider),
            };
            let step = match &self.steps.prepare {
                Some(prepare) => prepare(step).await?,
                None => step,
            };
            // The hook may have set another model.
            self.limits.check_price(step.provider.info())?;
            self.definitions = Arc::clone(&step.request.tools);
            span.begin_model_call();
            let turn = self.call_and_count(step, &mut history).await?;
            let turn = history.add_reply(turn);
            span.record_reply(&turn);
            let requests = history.requests();
            if requests.is_empty() && turn.finish_reason == Some(FinishReason::Pause) {
                continue;
            }
            self.spent().turns.push(Arc::clone(&turn));
            if requests.is_empty() {
                let reply = self.reply(turn);
                let may_retry = retries < self.extract_retries && round < self.limits.rounds;
                let problem = self.problem.filter(|_| may_retry);
                let Some(message) = problem.and_then(|problem| problem(&reply)) else {
                    return Ok(reply);
                };
                self.spent().turns = reply.turns;
                retries += 1;
                history.add_message(message.clone());
                self.emit(|| StreamEvent::OutputRejected(message)).await;
                continue;
            }
            self.limits.count_tools(&mut self.spent(), requests.len())?;
            for request in &requests {
                self.emit(|| StreamEvent::ToolRequest(request.clone())).await;
            }
            let is_cut = self.run_tools(&requests, &turn, &mut history).await;
            history.add_results();
            let usage = self.usage();
            if self.steps.stops(FinishedStep { number: round, reply: &turn, usage }) {
                return Ok(self.reply(turn));
            }
            // The model has been informed of the first one.
            if is_cut && was_cut {
                return Err(ChatError::TruncatedCall);
            }
            was_cut = is_cut;
        }
        Err(ChatError::TooManyRounds { limit: self.limits.rounds })
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usage(&self) -> Usage {
        self.spent().usage
    }

    fn reply(&self, turn: Arc<AssistantTurn>) -> Reply {
        let id = ReplyId::new(self.telemetry.last_call().as_ref(), turn.response_id.clone());
        let mut spent = self.spent();
        let (usage, rounds) = (spent.usage, spent.rounds);
        Reply { turn, turns: std::mem::take(&mut spent.turns), usage, rounds, id }
    }

    /// Returns the last reply of a run that was stopped: the partial turn at the end of the history,
    /// or the last complete turn of the run.
    fn last_reply(&self, last: Option<&Arc<Turn>>) -> Option<Reply> {
        let partial = last.and_then(|turn| match turn.as_ref() {
            Turn::Assistant(turn) if turn.partial => Some(Arc::clone(turn)),
            _ => None,
        });
        let complete = || self.spent().turns.last().cloned();
        partial.or_else(complete).map(|turn| self.reply(turn))
    }

    /// Calls the model, and counts the reply for the limits and for the process.
    async fn call_and_count(
        &self,
        step: Step,
        history: &mut History<'_>,
    ) -> Result<Arc<AssistantTurn>, ProviderError> {
        let started = Instant::now();
        let mut first_chunk = None;
        let provider = Arc::clone(&step.provider);
        let info = provider.info();
        let result = self.call_model(step, history, &mut first_chunk).await;
        let count = |turn: &AssistantTurn| {
            let model = turn.model.as_deref().or(info.model.as_deref()).unwrap_or_default();
            cost::count_reply(&info.name, model, turn.usage);
        };
        let mut turn = match result {
            Ok(turn) => turn,
            // A reply that failed is billed if the vendor reports usage for it.
            Err(error) => {
                error.partial().filter(|turn| turn.usage != Usage::default()).map(count);
                return Err(error);
            }
        };
        let facts = Arc::make_mut(&mut turn);
        let mut call = facts.call.take().unwrap_or_default();
        // A wrapper states which of its providers answered.
        if call.vendor.is_empty() {
            call.vendor.clone_from(&info.name);
            call.requested_model.clone_from(&info.model);
        }
        call.service_tier = call.service_tier.take().or_else(|| facts.reported_tier());
        call.duration = Some(started.elapsed());
        call.time_to_first_chunk =
            first_chunk.map(|first: Instant| first.saturating_duration_since(started));
        if !call.cached {
            count(facts);
        }
        facts.call = Some(call);
        self.limits.count(&mut self.spent(), facts);
        Ok(turn)
    }

    /// Returns the request of a round.
    fn request(
        &self,
        history: &History<'_>,
        tools: &Arc<[ToolDefinition]>,
        round: usize,
        retries: usize,
    ) -> ChatRequest {
        let mut params = Arc::clone(self.params);
        // A model that had to call tools in each round would never answer.
        if round > 1 && params.tool_choice.as_ref().is_some_and(ToolChoice::is_forced) {
            Arc::make_mut(&mut params).tool_choice = None;
        }
        ChatRequest {
            system_prompt: self.system_prompt.cloned(),
            turns: history.turns().to_vec(),
            tools: Arc::clone(tools),
            params,
            output: self.output.cloned(),
            conversation_id: self.conversation_id.cloned(),
            compacted: self.compacted,
            attributes: retry_attributes(retries),
            run: Some(self.telemetry.extension()),
        }
    }

    async fn call_model(
        &self,
        Step { request, provider, .. }: Step,
        history: &mut History<'_>,
        first_chunk: &mut Option<Instant>,
    ) -> Result<Arc<AssistantTurn>, ProviderError> {
        if self.events.is_none() {
            return provider.chat(request).await.map(Arc::new);
        }
        let stream = provider.chat_stream(request).await?;
        let mut incoming = Incoming { stream, history };
        while let Some(event) = incoming.stream.next().await {
            first_chunk.get_or_insert_with(Instant::now);
            match event.map_err(|error| incoming.add_partial(error))? {
                CompletionEvent::Done(turn) => return Ok(turn),
                CompletionEvent::Text(piece) => self.emit(|| StreamEvent::Text(piece)).await,
                CompletionEvent::Thinking(piece) => {
                    self.emit(|| StreamEvent::Thinking(piece)).await;
                }
                // Tool requests are emitted when the reply is complete.
                CompletionEvent::Content(Content::ToolRequest(_))
                | CompletionEvent::Started { .. }
                | CompletionEvent::Usage(_) => {}
                CompletionEvent::Content(content) => {
                    self.emit(|| StreamEvent::Content(content)).await;
                }
            }
        }
        Err(incoming.add_partial(ProviderError::without_end()))
    }

    pub(super) async fn emit(&self, event: impl FnOnce() -> StreamEvent) {
        if let Some(events) = &self.events {
            events.emit(event()).await;
        }
    }
}

/// Returns the result of a run, or an error if it exceeds its limit of time.
// No `async fn`: a run is large, and an `async fn` would contain it twice.
fn within<T>(
    limit: Option<Duration>,
    run: impl Future<Output = Result<T, ChatError>>,
) -> impl Future<Output = Result<T, ChatError>> {
    let Some(limit) = limit else { return Either::Left(run) };
    Either::Right(Box::pin(async move {
        if !has_timer() {
            return Err(LimitError::without_timer().into());
        }
        let started = Instant::now();
        tokio::time::timeout(limit, run).await.unwrap_or_else(|_| {
            let reached = format!("{:.1?}", started.elapsed());
            Err(LimitError::reached(LimitKind::Time, &format!("{limit:?}"), &reached).into())
        })
    }))
}

/// Returns the attributes of the `chat` spans of a retry.
fn retry_attributes(retries: usize) -> Vec<KeyValue> {
    if retries == 0 {
        return Vec::new();
    }
    let count = i64::try_from(retries).unwrap_or(i64::MAX);
    vec![
        KeyValue::new(names::EXTRACT_RETRY_COUNT, count),
        KeyValue::new(names::EXTRACT_RETRY_REASON, names::error::OUTPUT_INVALID),
    ]
}

/// A reply under way. However it ends, the history receives the partial reply.
struct Incoming<'h, 'a> {
    stream: CompletionStream,
    history: &'h mut History<'a>,
}

impl Incoming<'_, '_> {
    /// Adds the partial reply to the error that ended it.
    fn add_partial(&mut self, error: ProviderError) -> ProviderError {
        self.keep_partial();
        match self.history.partial() {
            Some(mut partial) => {
                if let Some(reported) = error.partial() {
                    partial.fill_from(reported);
                }
                error.with_partial(partial)
            }
            None => error,
        }
    }

    fn keep_partial(&mut self) {
        if let Some(partial) = self.stream.take_partial() {
            self.history.keep_partial(partial);
        }
    }
}

impl Drop for Incoming<'_, '_> {
    fn drop(&mut self) {
        self.keep_partial();
    }
}
