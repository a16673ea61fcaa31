//! An agent's run: the `invoke_agent` span, one for each `chat()` or `stream()`, around the whole
//! loop, with its metrics.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};

use super::metrics::AgentFigures;
use super::names::{self, content, operation, request};
use super::scope::{Exception, SpanScope};
use super::{Calls, Live, Run, finish_reasons, inference, push_params, push_usage, shielded};
use crate::chat::{Chat, ChatError};
use crate::provider::ServerToolDefinition;
use crate::tool::ToolDefinition;
use crate::turn::{Alternative, AssistantTurn, Turn, Usage};

/// A run under way; nothing where nobody listens.
pub(crate) struct AgentSpan(Option<Box<Invocation>>);

struct Invocation {
    live: Arc<Live>,
    scope: SpanScope,
    name: Option<Arc<str>>,
    model: Option<Arc<str>>,
    started: Option<Instant>,
    /// What the model calls took, unless that is left out.
    usage: Option<Usage>,
    last: Option<AssistantTurn>,
    tool_calls: u64,
}

/// How a run ended.
enum End<'a> {
    Done,
    Failed(&'a ChatError),
    Panicked,
    GivenUp,
}

impl AgentSpan {
    /// Starts it under `parent`: what was current when the program asked. `json` says whether the
    /// answer is to be JSON.
    #[inline]
    pub(crate) fn start(run: &Run, parent: &Context, chat: &Chat, json: bool) -> Self {
        let live = run.0.as_ref();
        Self(live.map(|live| Box::new(Invocation::start(Arc::clone(live), parent, chat, json))))
    }

    /// The context in which the loop runs.
    #[inline]
    pub(crate) fn context(&self) -> Option<&Context> {
        self.0.as_ref()?.scope.context()
    }

    /// Writes what goes in.
    #[inline]
    pub(crate) fn input(
        &self,
        system_prompt: Option<&str>,
        turns: &[Arc<Turn>],
        tools: &[ToolDefinition],
        server_tools: &[ServerToolDefinition],
    ) {
        if let Some(run) = self.0.as_ref().filter(|run| run.keeps_content()) {
            let tools = run.live.writer.tool_definitions(tools, server_tools);
            run.input(system_prompt, turns, tools);
        }
    }

    /// Notes that the model is asked.
    #[inline]
    pub(crate) fn asks(&mut self) {
        if let Some(run) = &mut self.0 {
            // Until there is a new answer, there is none.
            run.last = None;
        }
    }

    /// Counts a reply of the model, which took that many tokens; the turn is whole, with what came
    /// before a pause.
    #[inline]
    pub(crate) fn count(&mut self, usage: &Usage, turn: &AssistantTurn) {
        if let Some(run) = &mut self.0 {
            run.count(usage, turn);
        }
    }

    /// Ends it as one that panicked.
    pub(crate) fn panicked(mut self) {
        if let Some(run) = self.0.take() {
            run.end(&End::Panicked);
        }
    }

    /// Ends it with what came of the run.
    #[inline]
    pub(crate) fn finish<T>(mut self, result: &Result<T, ChatError>) {
        if let Some(run) = self.0.take() {
            run.end(&match result {
                Ok(_) => End::Done,
                Err(error) => End::Failed(error),
            });
        }
    }
}

impl Drop for AgentSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run.end(&End::GivenUp);
        }
    }
}

impl Invocation {
    fn start(live: Arc<Live>, parent: &Context, chat: &Chat, json: bool) -> Self {
        let started = live.clock();
        let info = chat.provider().info();
        let told = |text: &&Arc<str>| !text.is_empty();
        let name = chat.agent_name().filter(told);
        let mut list = Live::attributes();
        list.push(KeyValue::new(names::OPERATION_NAME, operation::INVOKE_AGENT));
        list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
        list.extend(info.model.clone().map(|model| KeyValue::new(request::MODEL, model)));
        for (key, value) in [
            (names::agent::NAME, name),
            (names::agent::DESCRIPTION, chat.agent_description()),
            (names::CONVERSATION_ID, chat.conversation()),
        ] {
            list.extend(value.cloned().map(|value| KeyValue::new(key, value)));
        }
        push_params(&mut list, chat.model_params(), json);
        live.push_settings(&mut list, parent, operation::INVOKE_AGENT);
        let span_name = Live::span_name(operation::INVOKE_AGENT, name.map(AsRef::as_ref));
        let scope = live.start(parent, SpanKind::Internal, span_name, list);
        let repeats = live.settings.as_ref().is_none_or(|settings| settings.agent_usage);
        Self {
            live,
            scope,
            name: name.cloned(),
            model: info.model.as_ref().filter(told).cloned(),
            started,
            usage: repeats.then(Usage::default),
            last: None,
            tool_calls: 0,
        }
    }

    fn keeps_content(&self) -> bool {
        self.live.writer.capture.on_spans() && self.scope.is_recording()
    }

    fn input(&self, system_prompt: Option<&str>, turns: &[Arc<Turn>], tools: Option<Arc<str>>) {
        let writer = &self.live.writer;
        let mut list = Vec::with_capacity(3);
        let system = system_prompt.map(|prompt| writer.system(prompt));
        list.extend(system.map(|json| KeyValue::new(content::SYSTEM_INSTRUCTIONS, json)));
        list.push(KeyValue::new(content::INPUT_MESSAGES, writer.input(turns).text()));
        list.extend(tools.map(|tools| KeyValue::new(names::tool::DEFINITIONS, tools)));
        self.scope.set(list);
    }

    fn count(&mut self, usage: &Usage, turn: &AssistantTurn) {
        if let Some(sum) = &mut self.usage {
            *sum += *usage;
        }
        self.tool_calls += turn.tool_requests().count() as u64;
        self.last = Some(self.answer(turn));
    }

    /// What is kept of an answer until the end.
    fn answer(&self, turn: &AssistantTurn) -> AssistantTurn {
        let content = self.keeps_content();
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
        if let End::Failed(ChatError::Provider(error)) = end {
            self.last = error.partial().map(|turn| self.answer(turn));
        }
        let Calls { begun: inference_calls, lost, .. } = mem::take(&mut *self.live.calls());
        if let Some(usage) = &mut self.usage {
            *usage += lost;
        }
        let error_type = match end {
            End::Failed(error) => Some(error.error_type()),
            End::Panicked => Some(Cow::Borrowed(names::error::PANIC)),
            End::Done | End::GivenUp => None,
        };
        if self.scope.is_recording() {
            let mut list = self.ending();
            list.extend(error_type.clone().map(|kind| KeyValue::new(names::ERROR_TYPE, kind)));
            if matches!(end, End::GivenUp) {
                list.push(KeyValue::new(names::CANCELLED, true));
            }
            self.scope.set(list);
        }
        match end {
            End::Failed(error) => self.fail(error),
            // The exception stands on the span where it happened.
            End::Panicked => self.scope.fail(names::error::PANIC.to_owned(), None),
            End::Done | End::GivenUp => {}
        }
        let duration = self.started.map(|started| started.elapsed());
        self.scope.end();
        if let (Some(instruments), Some(duration)) = (&self.live.instruments, duration) {
            shielded(|| {
                instruments.agent(&AgentFigures {
                    name: self.name.as_ref(),
                    model: self.model.as_ref(),
                    duration,
                    error_type: error_type.as_deref(),
                    inference_calls,
                    tool_calls: self.tool_calls,
                });
            });
        }
    }

    fn ending(&self) -> Vec<KeyValue> {
        let mut list = Vec::with_capacity(5);
        list.push(finish_reasons(self.last.as_ref()));
        if let Some(usage) = &self.usage {
            push_usage(&mut list, usage, false);
        }
        if let Some(turn) = self.last.as_ref().filter(|_| self.keeps_content()) {
            list.push(KeyValue::new(content::OUTPUT_MESSAGES, self.live.writer.output(turn)));
        }
        list
    }

    fn fail(&self, error: &ChatError) {
        match error {
            // The exception stands on the `chat` span, where it happened.
            ChatError::Provider(error) => {
                let writer = &self.live.writer;
                let message = || writer.error(&error.to_string());
                let message = writer.capture.on_spans().then(message).flatten();
                self.scope.fail(message.unwrap_or_else(|| inference::describe(error)), None);
            }
            ChatError::Output(error) => {
                let kind = Cow::Borrowed("chatlas::OutputError");
                let writer = &self.live.writer;
                let message = || writer.error(&error.to_string());
                let message = writer.capture.on_spans().then(message).flatten();
                let text = message.clone().unwrap_or_else(|| error.kind().as_str().to_owned());
                self.scope.fail(text, Some(Exception { kind, message }));
            }
            ChatError::TooManyRounds { .. } | ChatError::Cancelled => {
                let kind = Cow::Borrowed("chatlas::ChatError");
                let message = error.to_string();
                self.scope.fail(message.clone(), Some(Exception { kind, message: Some(message) }));
            }
        }
    }
}
