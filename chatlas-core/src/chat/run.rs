//! The loop: ask the model, run the tools it asks for, hand it their results, and again, until it
//! asks for no more.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use opentelemetry::Context;
use tokio_util::sync::CancellationToken;

use super::history::History;
use super::hooks::Hooks;
use super::stream::Events;
use super::{Chat, ChatError, Prompt, Reply, StreamEvent, ToolMode};
use crate::content::{Content, ToolOutcome, ToolRequest, ToolResult};
use crate::provider::{
    ChatRequest, CompletionEvent, CompletionStream, ModelParams, OutputSchema, Provider,
    ProviderError,
};
use crate::telemetry::agent::{AgentFacts, AgentFailure, AgentSpan};
use crate::telemetry::names::error;
use crate::telemetry::tool::{Subject, ToolFacts, ToolSpan};
use crate::telemetry::{ReplyId, Run, carries, in_context};
use crate::tool::{
    Caller, Progress, Tool, ToolCall, ToolContext, ToolDefinition, ToolError, ToolOutput, ToolSet,
};
use crate::turn::{AssistantTurn, FinishReason, Usage};

/// One `chat()` or `stream()`: in its `invoke_agent` span, which ends at once if this is dropped.
pub(super) async fn run(
    chat: &mut Chat,
    prompt: Prompt,
    parent: Context,
    events: Option<Events>,
) -> Result<Reply, ChatError> {
    run_for(chat, prompt, parent, events, None, Ok).await
}

/// The same, for what `read` makes of the reply; `asked` is the form of the answer, where it is
/// not the chat's own.
pub(super) async fn run_for<T>(
    chat: &mut Chat,
    prompt: Prompt,
    parent: Context,
    events: Option<Events>,
    asked: Option<Arc<OutputSchema>>,
    read: impl FnOnce(Reply) -> Result<T, ChatError>,
) -> Result<T, ChatError> {
    let telemetry = Run::for_chat(&chat.settings, &chat.written);
    let facts = || AgentFacts {
        info: chat.provider.info(),
        name: chat.name.as_ref(),
        description: chat.description.as_ref(),
        conversation_id: chat.conversation_id.as_ref(),
        params: &chat.params,
        json: asked.is_some() || chat.output.is_some(),
    };
    let mut span = AgentSpan::start(&telemetry, &parent, facts);
    let context = span.context().cloned().or_else(|| carries(&parent).then_some(parent));
    let stop = chat.cancellation.clone();
    let Chat {
        provider,
        system_prompt,
        name,
        conversation_id,
        tools,
        params,
        output,
        turns,
        hooks,
        ..
    } = chat;
    let history = History::begin(turns, prompt.0);
    let definitions = tools.definitions();
    let server_tools = &provider.info().server_tools;
    span.record_input(system_prompt.as_deref(), history.turns(), &definitions, server_tools);
    let agent = Agent {
        provider: &**provider,
        system_prompt: system_prompt.as_ref(),
        name: name.as_ref(),
        conversation_id: conversation_id.as_ref(),
        tools,
        definitions,
        tool_mode: chat.tool_mode,
        max_rounds: chat.max_rounds,
        params,
        output: asked.as_ref().or(output.as_ref()),
        telemetry,
        events,
        cancellation: stop.child_token(),
        hooks,
    };
    // Whatever ends this future, no tool of it is waited for any more.
    let _stopped_when_over = agent.cancellation.clone().drop_guard();
    let talking = async {
        let result = match &context {
            Some(context) => {
                let talking = Box::pin(agent.talk(history, &mut span));
                in_context(Some(context), talking).await
            }
            None => agent.talk(history, &mut span).await,
        };
        result.and_then(read)
    };
    let talking = AssertUnwindSafe(talking).catch_unwind();
    match stop.run_until_cancelled(talking).await {
        Some(Ok(result)) => {
            span.finish(result.as_ref().err().map(agent_failure));
            result
        }
        // A panic of the provider's, or of a type that the answer is read into, is the program's to
        // see.
        Some(Err(panic)) => {
            span.end_with_panic();
            resume_unwind(panic)
        }
        // The span is dropped here: given up by the program, which is no error.
        None => Err(ChatError::Cancelled),
    }
}

/// Returns what the span of a failed run records.
pub(super) fn agent_failure(error: &ChatError) -> AgentFailure<'_> {
    match error {
        ChatError::Provider(error) => AgentFailure::Provider(error),
        ChatError::Output(output) => AgentFailure::Run {
            error_type: error.error_type(),
            exception_type: "chatlas::OutputError",
            message: output,
            quotes_content: true,
        },
        ChatError::TooManyRounds { .. } | ChatError::Cancelled => AgentFailure::Run {
            error_type: error.error_type(),
            exception_type: "chatlas::ChatError",
            message: error,
            quotes_content: false,
        },
    }
}

/// What stays the same from round to round.
struct Agent<'a> {
    provider: &'a dyn Provider,
    system_prompt: Option<&'a Arc<str>>,
    name: Option<&'a Arc<str>>,
    conversation_id: Option<&'a Arc<str>>,
    tools: &'a ToolSet,
    definitions: Arc<[ToolDefinition]>,
    tool_mode: ToolMode,
    max_rounds: usize,
    params: &'a Arc<ModelParams>,
    output: Option<&'a Arc<OutputSchema>>,
    telemetry: Run,
    events: Option<Events>,
    /// Tells tools that are running that nobody waits any more.
    cancellation: CancellationToken,
    hooks: &'a Hooks,
}

impl Agent<'_> {
    async fn talk(
        &self,
        mut history: History<'_>,
        span: &mut AgentSpan,
    ) -> Result<Reply, ChatError> {
        let mut usage = Usage::default();
        for round in 1..=self.max_rounds {
            span.begin_model_call();
            let turn = self.ask(&mut history).await?;
            let of_call = turn.usage;
            usage += of_call;
            let turn = history.reply(turn);
            span.record_reply(&of_call, &turn);
            let requests = history.requests();
            if requests.is_empty() && turn.finish_reason == Some(FinishReason::Pause) {
                continue;
            }
            if requests.is_empty() {
                let id =
                    ReplyId::new(self.telemetry.last_call().as_ref(), turn.response_id.clone());
                return Ok(Reply { turn, usage, rounds: round, id });
            }
            for request in &requests {
                self.emit(|| StreamEvent::ToolRequest(request.clone())).await;
            }
            self.run_tools(&requests, &mut history).await;
            history.answer();
        }
        Err(ChatError::TooManyRounds { limit: self.max_rounds })
    }

    /// One model call.
    async fn ask(&self, history: &mut History<'_>) -> Result<Arc<AssistantTurn>, ProviderError> {
        let request = ChatRequest {
            system_prompt: self.system_prompt.cloned(),
            turns: history.turns().to_vec(),
            tools: self.definitions.clone(),
            params: Arc::clone(self.params),
            output: self.output.cloned(),
            conversation_id: self.conversation_id.cloned(),
            run: Some(self.telemetry.extension()),
        };
        if self.events.is_none() {
            return self.provider.chat(request).await.map(Arc::new);
        }
        let stream = self.provider.chat_stream(request).await?;
        let mut incoming = Incoming { stream, history };
        while let Some(event) = incoming.stream.next().await {
            match event.map_err(|error| incoming.broken_off(error))? {
                CompletionEvent::Done(turn) => return Ok(turn),
                CompletionEvent::Text(more) => self.emit(|| StreamEvent::Text(more)).await,
                CompletionEvent::Thinking(more) => self.emit(|| StreamEvent::Thinking(more)).await,
                // Tool requests follow when the reply is whole.
                CompletionEvent::Content(Content::ToolRequest(_))
                | CompletionEvent::Started { .. }
                | CompletionEvent::Usage(_) => {}
                CompletionEvent::Content(content) => {
                    self.emit(|| StreamEvent::Content(content)).await;
                }
            }
        }
        Err(incoming.broken_off(ProviderError::without_end()))
    }

    /// The tool calls of one reply.
    async fn run_tools(&self, requests: &[ToolRequest], history: &mut History<'_>) {
        match self.tool_mode {
            ToolMode::Sequential => {
                for (index, request) in requests.iter().enumerate() {
                    let result = self.run_tool(request).await;
                    self.note(history, index, result).await;
                }
            }
            ToolMode::Concurrent => {
                let mut running: FuturesUnordered<_> = requests
                    .iter()
                    .enumerate()
                    .map(|(index, request)| async move { (index, self.run_tool(request).await) })
                    .collect();
                while let Some((index, result)) = running.next().await {
                    self.note(history, index, result).await;
                }
            }
        }
    }

    async fn note(&self, history: &mut History<'_>, index: usize, result: ToolResult) {
        history.result(index, result.clone());
        self.emit(|| StreamEvent::ToolResult(result)).await;
    }

    /// One tool call, in its `execute_tool` span. Whatever the tool does, the model gets an answer.
    async fn run_tool(&self, request: &ToolRequest) -> ToolResult {
        let tool = self.tools.get(&request.name);
        let facts = || ToolFacts {
            subject: tool
                .map_or(Subject::Unknown(&request.name), |tool| Subject::Tool(tool.definition())),
            call: Some((&request.id, &request.arguments)),
            agent_name: self.name,
            conversation_id: self.conversation_id,
        };
        let span = ToolSpan::start(&self.telemetry, facts);
        let outcome = in_context(span.context(), self.call(tool, request)).await;
        span.finish(outcome.as_ref().map(Some));
        told(request, outcome)
    }

    /// One tool call, with the program's hooks around it.
    async fn call(
        &self,
        tool: Option<&Arc<dyn Tool>>,
        request: &ToolRequest,
    ) -> Result<ToolOutput, ToolError> {
        let token = self.cancellation.child_token();
        let _cancelled_when_over = token.clone().drop_guard();
        let caller = Caller {
            agent_name: self.name.cloned(),
            conversation_id: self.conversation_id.cloned(),
        };
        let progress = self.events.clone().map(|e| Arc::new(e) as Arc<dyn Progress>);
        let id: Arc<str> = request.id.as_str().into();
        let context = ToolContext::of_loop(id.clone(), caller, token, progress);
        let outcome = match tool {
            Some(tool) => self.call_approved(&**tool, request, id, &context).await,
            None => Err(self.unknown_tool(&request.name)),
        };
        self.hooks.after(request, || told(request, outcome.clone()), &context).await?;
        outcome
    }

    async fn call_approved(
        &self,
        tool: &dyn Tool,
        request: &ToolRequest,
        id: Arc<str>,
        context: &ToolContext,
    ) -> Result<ToolOutput, ToolError> {
        let definition = tool.definition();
        self.hooks.before(request, definition, context).await?;
        let arguments = request.arguments.clone();
        let call = ToolCall { id, arguments, context: context.clone() };
        // The call itself may panic, before there is a future.
        let calling = in_time(definition.timeout, async move { tool.call(call).await });
        AssertUnwindSafe(calling)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(panicked(&request.name)))
    }

    fn unknown_tool(&self, name: &str) -> ToolError {
        let names: Vec<&str> = self.definitions.iter().map(|tool| tool.name.as_ref()).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        ToolError::new(
            error::UNKNOWN_TOOL,
            format!("There is no tool named `{name}`. The tools are: {known}."),
        )
    }

    async fn emit(&self, event: impl FnOnce() -> StreamEvent) {
        if let Some(events) = &self.events {
            events.emit(event()).await;
        }
    }
}

/// A reply under way. Whatever ends it, the history receives its partial reply.
struct Incoming<'h, 'a> {
    stream: CompletionStream,
    history: &'h mut History<'a>,
}

impl Incoming<'_, '_> {
    /// Adds the partial reply to the error.
    fn broken_off(&mut self, error: ProviderError) -> ProviderError {
        self.keep_partial();
        broken_off(error, self.history)
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

/// The error of a reply that broke off, with what had arrived.
fn broken_off(error: ProviderError, history: &History<'_>) -> ProviderError {
    match history.arrived() {
        Some(mut partial) => {
            if let Some(told) = error.partial() {
                partial.fill_from(told);
            }
            error.with_partial(partial)
        }
        None => error,
    }
}

fn panicked(name: &str) -> ToolError {
    ToolError::new(error::PANIC, format!("The tool `{name}` crashed."))
}

/// The output of that future, if it comes before the time is up.
async fn in_time<T>(
    timeout: Option<Duration>,
    future: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    let Some(timeout) = timeout else { return future.await };
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(ToolError::new(
            error::NO_TIMER,
            "A tool with a timeout needs a tokio runtime with a timer.",
        ));
    }
    tokio::time::timeout(timeout, future).await.unwrap_or_else(|_| {
        Err(ToolError::new(error::TIMEOUT, format!("The tool did not finish within {timeout:?}.")))
    })
}

/// What the model is told of a call.
fn told(request: &ToolRequest, outcome: Result<ToolOutput, ToolError>) -> ToolResult {
    let outcome = match outcome {
        Ok(output) => output.into(),
        Err(error) => ToolOutcome::Error(error.message().to_owned()),
    };
    ToolResult { id: request.id.clone(), name: request.name.clone(), outcome }
}
