//! A run of an agent: its `invoke_agent` span around all model and tool calls of one prompt, and its
//! metrics.

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};

use super::agent_run::{AgentRun, Calls};
use super::attributes::{
    coerced, finish_reasons, push, push_params, push_total_cost, push_total_usage, span_attributes,
};
use super::failure::describe;
use super::metrics::AgentFigures;
use super::names::{self, content, operation, request};
use super::run::{Live, Run};
use super::scope::{Exception, SpanScope};
use super::shield::shielded;
use crate::cost::Cost;
use crate::provider::{ModelParams, ProviderError, ProviderInfo, ServerToolDefinition};
use crate::tool::ToolDefinition;
use crate::turn::{Alternative, AssistantTurn, Turn, Usage};

/// The span of a run. Empty if no SDK is installed, and after its end.
pub(crate) struct AgentSpan(Option<Box<Invocation>>);

/// The facts about a run at its start.
pub(crate) struct AgentFacts<'a> {
    pub(crate) info: &'a ProviderInfo,
    pub(crate) name: Option<&'a Arc<str>>,
    pub(crate) description: Option<&'a Arc<str>>,
    pub(crate) conversation_id: Option<&'a Arc<str>>,
    pub(crate) params: &'a ModelParams,
    /// Whether the output is requested as JSON.
    pub(crate) json: bool,
}

/// Why a run failed.
pub(crate) enum AgentFailure<'a> {
    /// A model call failed. Its `chat` span has the exception.
    Provider(&'a ProviderError),
    /// The run itself failed.
    Run {
        error_type: Cow<'static, str>,
        /// The value of `exception.type`.
        exception_type: &'static str,
        message: &'a dyn fmt::Display,
        /// Whether the message may quote content, so that it is recorded only with capture on.
        quotes_content: bool,
    },
}

struct Invocation {
    live: Arc<Live>,
    scope: SpanScope,
    /// The context of the loop. It counts the calls even if there is no span.
    context: Context,
    name: Option<Arc<str>>,
    model: Option<Arc<str>>,
    /// Whether the total usage of the model calls is recorded.
    records_usage: bool,
    last_reply: Option<AssistantTurn>,
    tool_calls: u64,
    /// The available tools, with capture on.
    tools: Arc<[ToolDefinition]>,
}

/// How a run ended.
enum End<'a> {
    Completed,
    Failed(AgentFailure<'a>),
    Panicked,
    Cancelled,
}

impl AgentSpan {
    /// Starts the span under `parent`. Calls `facts` only if an SDK is installed.
    #[inline]
    pub(crate) fn start<'a>(
        run: &Run,
        parent: &Context,
        facts: impl FnOnce() -> AgentFacts<'a>,
    ) -> Self {
        let live = run.0.as_ref();
        Self(live.map(|live| Box::new(Invocation::start(Arc::clone(live), parent, &facts()))))
    }

    /// Returns the context in which the loop runs.
    #[inline]
    pub(crate) fn context(&self) -> Option<&Context> {
        Some(&self.0.as_ref()?.context)
    }

    /// Records the input, with capture on.
    #[inline]
    pub(crate) fn record_input(
        &mut self,
        system_prompt: Option<&str>,
        turns: &[Arc<Turn>],
        tools: &Arc<[ToolDefinition]>,
        server_tools: &[ServerToolDefinition],
    ) {
        if let Some(run) = self.0.as_mut().filter(|run| run.records_content()) {
            run.record_input(system_prompt, turns, tools, server_tools);
        }
    }

    /// Registers that a model call begins. Until it returns, the run has no last reply.
    #[inline]
    pub(crate) fn begin_model_call(&mut self) {
        if let Some(run) = &mut self.0 {
            run.last_reply = None;
        }
    }

    /// Records a reply. If the turn was paused, it includes the contents before the pause.
    #[inline]
    pub(crate) fn record_reply(&mut self, turn: &AssistantTurn) {
        if let Some(run) = &mut self.0 {
            run.record_reply(turn);
        }
    }

    /// Records the values of the answer that were converted to fit their schema.
    pub(crate) fn record_coerced(&self, notes: Vec<String>) {
        if let Some(run) = self.0.as_ref().filter(|_| !notes.is_empty()) {
            run.scope.set(vec![KeyValue::new(names::COERCED, coerced(notes))]);
        }
    }

    /// Ends the span of a run that panicked.
    pub(crate) fn end_with_panic(mut self) {
        if let Some(run) = self.0.take() {
            run.end(&End::Panicked);
        }
    }

    /// Ends the span of a run that returned a reply, or failed.
    #[inline]
    pub(crate) fn finish(mut self, failure: Option<AgentFailure<'_>>) {
        if let Some(run) = self.0.take() {
            run.end(&failure.map_or(End::Completed, End::Failed));
        }
    }
}

impl Drop for AgentSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run.end(&End::Cancelled);
        }
    }
}

impl AgentFailure<'_> {
    fn error_type(&self) -> Cow<'static, str> {
        match self {
            Self::Provider(error) => error.error_type(),
            Self::Run { error_type, .. } => error_type.clone(),
        }
    }
}

impl Invocation {
    fn start(live: Arc<Live>, parent: &Context, facts: &AgentFacts<'_>) -> Self {
        let info = facts.info;
        let is_set = |text: &&Arc<str>| !text.is_empty();
        let name = facts.name.filter(is_set);
        let mut list = span_attributes();
        list.push(KeyValue::new(names::OPERATION_NAME, operation::INVOKE_AGENT));
        list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
        push(&mut list, request::MODEL, info.model.clone());
        push(&mut list, names::agent::NAME, name.cloned());
        push(&mut list, names::agent::DESCRIPTION, facts.description.cloned());
        push(&mut list, names::CONVERSATION_ID, facts.conversation_id.cloned());
        push_params(&mut list, facts.params, facts.json);
        live.push_settings(&mut list, parent, operation::INVOKE_AGENT);
        let span_name = Live::span_name(operation::INVOKE_AGENT, name.map(AsRef::as_ref));
        let scope = live.start(parent, SpanKind::Internal, span_name, list);
        let records_usage = live.settings.as_ref().is_none_or(|settings| settings.agent_usage);
        let agent = AgentRun {
            name: name.cloned(),
            conversation_id: facts.conversation_id.cloned(),
            ..live.agent.clone()
        };
        Self {
            context: scope.context().unwrap_or(parent).with_value(agent),
            live,
            scope,
            name: name.cloned(),
            model: info.model.as_ref().filter(is_set).cloned(),
            records_usage,
            last_reply: None,
            tool_calls: 0,
            tools: Arc::default(),
        }
    }

    fn records_content(&self) -> bool {
        self.live.records_content(&self.scope)
    }

    fn record_input(
        &mut self,
        system_prompt: Option<&str>,
        turns: &[Arc<Turn>],
        tools: &Arc<[ToolDefinition]>,
        server_tools: &[ServerToolDefinition],
    ) {
        let writer = &self.live.writer;
        let mut list = Vec::with_capacity(3);
        let system = system_prompt.map(|prompt| writer.system_instructions(prompt));
        push(&mut list, content::SYSTEM_INSTRUCTIONS, system);
        list.push(KeyValue::new(content::INPUT_MESSAGES, writer.input(turns, tools).text()));
        let definitions = writer.tool_definitions(tools, server_tools);
        push(&mut list, names::tool::DEFINITIONS, definitions);
        self.scope.set(list);
        self.tools = Arc::clone(tools);
    }

    fn record_reply(&mut self, turn: &AssistantTurn) {
        self.tool_calls += turn.tool_requests().count() as u64;
        self.last_reply = Some(self.recorded_part(turn));
    }

    /// Returns the part of a reply that is recorded at the end of the run.
    fn recorded_part(&self, turn: &AssistantTurn) -> AssistantTurn {
        let content = self.records_content();
        let alternative = |other: &Alternative| Alternative {
            contents: if content { other.contents.clone() } else { Vec::new() },
            finish_reason: other.finish_reason.clone(),
        };
        AssistantTurn {
            contents: if content { turn.contents.clone() } else { Vec::new() },
            finish_reason: turn.finish_reason.clone(),
            alternatives: turn.alternatives.iter().map(alternative).collect(),
            ..AssistantTurn::default()
        }
    }

    fn end(mut self, end: &End<'_>) {
        if let End::Failed(AgentFailure::Provider(error)) = end {
            self.last_reply = error.partial().map(|turn| self.recorded_part(turn));
        }
        let Calls { inference, tools, usage, cost, partial, .. } =
            mem::take(&mut *self.live.calls());
        if let (None, Some(partial)) = (&self.last_reply, partial) {
            self.last_reply = Some(self.recorded_part(&partial));
        }
        let error_type = match end {
            End::Failed(failure) => Some(failure.error_type()),
            End::Panicked => Some(Cow::Borrowed(names::error::PANIC)),
            End::Completed | End::Cancelled => None,
        };
        if self.scope.is_recording() {
            let mut list = self.reply_attributes(&usage, &cost);
            push(&mut list, names::ERROR_TYPE, error_type.clone());
            push(&mut list, names::CANCELLED, matches!(end, End::Cancelled).then_some(true));
            self.scope.set(list);
        }
        match end {
            End::Failed(failure) => self.record_failure(failure),
            // The exception is on the span of the call that panicked.
            End::Panicked => self.scope.fail(names::error::PANIC.to_owned(), None),
            End::Completed | End::Cancelled => {}
        }
        let duration = self.scope.end();
        if let Some(instruments) = &self.live.instruments {
            shielded(|| {
                instruments.record_agent(&AgentFigures {
                    name: self.name.as_ref(),
                    model: self.model.as_ref(),
                    duration,
                    error_type: error_type.as_deref(),
                    calls: Some((inference, self.tool_calls + tools)),
                });
            });
        }
    }

    fn reply_attributes(&self, usage: &Usage, cost: &Cost) -> Vec<KeyValue> {
        let mut list = Vec::with_capacity(5);
        list.push(finish_reasons(self.last_reply.as_ref()));
        if self.records_usage {
            push_total_usage(&mut list, usage);
            push_total_cost(&mut list, cost);
        }
        if let Some(turn) = self.last_reply.as_ref().filter(|_| self.records_content()) {
            list.push(KeyValue::new(
                content::OUTPUT_MESSAGES,
                self.live.writer.output(turn, &self.tools),
            ));
        }
        list
    }

    fn record_failure(&self, failure: &AgentFailure<'_>) {
        let writer = &self.live.writer;
        let captured = |message: &dyn fmt::Display| {
            writer.capture.on_spans().then(|| writer.error(&message.to_string())).flatten()
        };
        match failure {
            AgentFailure::Provider(error) => {
                self.scope.fail(captured(error).unwrap_or_else(|| describe(error)), None);
            }
            AgentFailure::Run { error_type, exception_type, message, quotes_content } => {
                let message =
                    if *quotes_content { captured(message) } else { Some(message.to_string()) };
                let description = message.clone().unwrap_or_else(|| error_type.to_string());
                let kind = Cow::Borrowed(*exception_type);
                self.scope.fail(description, Some(Exception { kind, message }));
            }
        }
    }
}
