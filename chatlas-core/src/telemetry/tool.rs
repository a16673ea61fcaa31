//! A tool call: its `execute_tool` span and its metric. The caller is the chat loop or the program.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use serde_json::Value;

use super::attributes::{push, span_attributes, without_empty};
use super::names::{self, error, operation, tool as key};
use super::run::{Live, Run};
use super::scope::{Exception, SpanScope};
use super::shield::shielded;
use crate::tool::{ToolDefinition, ToolError, ToolOutput};

/// A running tool call. Empty if no SDK is installed, and after its end.
pub(crate) struct ToolSpan(Option<Box<Call>>);

struct Call {
    live: Arc<Live>,
    scope: SpanScope,
    metric_attributes: Vec<KeyValue>,
    started: Option<Instant>,
}

/// The facts about a call at its start.
pub(crate) struct ToolFacts<'a> {
    pub(crate) subject: Subject<'a>,
    /// The id and the arguments of a call by the model.
    pub(crate) call: Option<(&'a str, &'a Value)>,
    pub(crate) agent_name: Option<&'a Arc<str>>,
    pub(crate) conversation_id: Option<&'a Arc<str>>,
}

/// The tool that is called.
pub(crate) enum Subject<'a> {
    /// A tool of the chat.
    Tool(&'a ToolDefinition),
    /// A `#[tool]` function that the program calls: its name and description.
    Function(&'static str, &'static str),
    /// A name for which the chat has no tool.
    Unknown(&'a str),
}

impl ToolFacts<'_> {
    /// Returns the facts about a `#[tool]` function that the program calls.
    pub(super) fn for_function(name: &'static str, description: &'static str) -> Self {
        let subject = Subject::Function(name, description);
        Self { subject, call: None, agent_name: None, conversation_id: None }
    }
}

impl Subject<'_> {
    /// Returns the name for the span. A name without a tool is recorded only if it is a valid name.
    fn name(&self) -> Cow<'static, str> {
        let is_valid = |name: &str| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        match *self {
            Self::Tool(definition) => definition.name.clone(),
            Self::Function(name, _) => name.into(),
            Self::Unknown(name) if is_valid(name) => name.to_owned().into(),
            Self::Unknown(_) => error::OTHER.into(),
        }
    }

    /// Returns the name for metrics. Names without a tool share one value, to limit the cardinality.
    fn metric_name(&self) -> Cow<'static, str> {
        match self {
            Self::Unknown(_) => error::OTHER.into(),
            Self::Tool(_) | Self::Function(..) => self.name(),
        }
    }

    fn description(&self) -> Option<Cow<'static, str>> {
        match *self {
            Self::Tool(definition) => Some(definition.description.clone()),
            Self::Function(_, description) => Some(description.into()),
            Self::Unknown(_) => None,
        }
    }
}

/// How a call ended.
enum End<'a> {
    /// With a return value, and its output if the caller has it.
    Completed(Option<&'a ToolOutput>),
    Failed(&'a ToolError),
    Panicked,
    Cancelled,
}

impl ToolSpan {
    /// Starts the span under the current one. Calls `facts` only if an SDK is installed.
    #[inline]
    pub(crate) fn start<'a>(run: &Run, facts: impl FnOnce() -> ToolFacts<'a>) -> Self {
        Self(run.0.as_ref().map(|live| Box::new(Call::start(Arc::clone(live), &facts()))))
    }

    /// Returns a span that records nothing.
    pub(super) const fn off() -> Self {
        Self(None)
    }

    /// Returns whether the span records nothing.
    #[inline]
    pub(super) fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the context in which the tool's body runs.
    #[inline]
    pub(crate) fn context(&self) -> Option<&Context> {
        self.0.as_ref()?.scope.context()
    }

    /// Ends the span with the outcome of the call.
    #[inline]
    pub(crate) fn finish(mut self, outcome: Result<Option<&ToolOutput>, &ToolError>) {
        if let Some(call) = self.0.take() {
            call.end(&match outcome {
                Ok(output) => End::Completed(output),
                Err(error) => End::Failed(error),
            });
        }
    }

    /// Ends the span of a call that panicked.
    pub(super) fn end_with_panic(&mut self) {
        if let Some(call) = self.0.take() {
            call.end(&End::Panicked);
        }
    }
}

impl Drop for ToolSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.end(&End::Cancelled);
        }
    }
}

impl Call {
    fn start(live: Arc<Live>, facts: &ToolFacts<'_>) -> Self {
        let started = live.clock();
        let parent = Context::current();
        let mut metric_attributes = Vec::new();
        if live.instruments.is_some() {
            metric_attributes.push(KeyValue::new(key::NAME, facts.subject.metric_name()));
            metric_attributes.push(KeyValue::new(key::TYPE, key::FUNCTION));
            push(&mut metric_attributes, names::agent::NAME, facts.agent_name.cloned());
            without_empty(&mut metric_attributes);
        }
        let tool = facts.subject.name();
        let name = Live::span_name(operation::EXECUTE_TOOL, Some(&tool));
        let mut list = span_attributes();
        list.push(KeyValue::new(names::OPERATION_NAME, operation::EXECUTE_TOOL));
        list.push(KeyValue::new(key::NAME, tool));
        list.push(KeyValue::new(key::TYPE, key::FUNCTION));
        push(&mut list, key::DESCRIPTION, facts.subject.description());
        push(&mut list, names::agent::NAME, facts.agent_name.cloned());
        push(&mut list, names::CONVERSATION_ID, facts.conversation_id.cloned());
        push(&mut list, key::CALL_ID, facts.call.map(|(id, _)| id.to_owned()));
        live.push_settings(&mut list, &parent, operation::EXECUTE_TOOL);
        let scope = live.start(&parent, SpanKind::Internal, name, list);
        if let Some((_, arguments)) = facts.call
            && live.writer.capture.on_spans()
            && scope.is_recording()
        {
            let arguments = live.writer.tool_arguments(arguments);
            scope.set(vec![KeyValue::new(key::CALL_ARGUMENTS, arguments)]);
        }
        Self { live, scope, metric_attributes, started }
    }

    fn end(mut self, end: &End<'_>) {
        let error_type = match end {
            End::Failed(error) => Some(low_cardinality(error.error_type().clone())),
            End::Panicked => Some(Cow::Borrowed(error::PANIC)),
            End::Completed(_) | End::Cancelled => None,
        };
        if self.scope.is_recording() {
            self.record_end(end, error_type.as_ref());
        }
        let duration = self.started.map(|started| started.elapsed());
        self.scope.end();
        if let (Some(instruments), Some(duration)) = (&self.live.instruments, duration) {
            shielded(|| {
                instruments.record_tool(duration, &self.metric_attributes, error_type.as_deref());
            });
        }
    }

    /// Sets the attributes and the status of the end.
    fn record_end(&self, end: &End<'_>, error_type: Option<&Cow<'static, str>>) {
        let content = self.live.writer.capture.on_spans();
        let writer = &self.live.writer;
        if let Some(kind) = error_type {
            self.scope.set(vec![KeyValue::new(names::ERROR_TYPE, kind.clone())]);
            let message = match end {
                End::Failed(error) if content => writer.error(error.message()),
                _ => None,
            };
            let description = message.clone().unwrap_or_else(|| kind.clone().into_owned());
            self.scope.fail(description, Some(Exception { kind: kind.clone(), message }));
        }
        match end {
            End::Completed(Some(output)) if content => {
                let result = writer.tool_result(output);
                self.scope.set(vec![KeyValue::new(key::CALL_RESULT, result)]);
            }
            End::Cancelled => self.scope.set(vec![KeyValue::new(names::CANCELLED, true)]),
            _ => {}
        }
    }
}

/// Returns an error's type as a value of `error.type` with a limited number of values: a generic
/// type without its parameters, and `_OTHER` for text that is not a type name, such as a message.
fn low_cardinality(kind: Cow<'static, str>) -> Cow<'static, str> {
    let is_type_name = |kind: &str| {
        (1..=100).contains(&kind.len())
            && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:<>&[]()/".contains(&b))
    };
    if is_type_name(&kind) {
        return kind;
    }
    match kind.split_once('<') {
        Some((name, _)) if is_type_name(name) => name.to_owned().into(),
        _ => error::OTHER.into(),
    }
}
