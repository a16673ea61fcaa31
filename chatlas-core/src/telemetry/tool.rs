//! A tool call: its `execute_tool` span and its metric. The caller is the chat loop or the program.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use serde_json::Value;

use super::attributes::{push, span_attributes, without_empty};
use super::function::{End, FunctionSpan, Operation};
use super::names::{self, error, event, operation, tool as key};
use super::run::{Live, Run};
use super::scope::SpanScope;
use super::shield::shielded;
use crate::tool::{ToolDefinition, ToolError, ToolOutput};

/// A running tool call. Empty if no SDK is installed, and after its end.
pub(crate) struct ToolSpan(Option<Box<Call>>);

struct Call {
    live: Arc<Live>,
    scope: SpanScope,
    metric_attributes: Vec<KeyValue>,
    hides_output: bool,
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
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A tool of the chat.
    Tool(&'a ToolDefinition),
    /// A `#[tool]` function that the program calls: its name and description.
    Function(&'static str, &'static str),
    /// A name for which the chat has no tool.
    Unknown(&'a str),
}

impl Subject<'_> {
    /// Returns the name for the span. A name without a tool is recorded only if it is a valid name.
    pub(super) fn name(&self) -> Cow<'static, str> {
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

    /// Returns the definition, if the chat has the tool.
    fn definition(&self) -> Option<&ToolDefinition> {
        match self {
            Self::Tool(definition) => Some(definition),
            Self::Function(..) | Self::Unknown(_) => None,
        }
    }

    /// Returns the name for metrics. Names without a tool share one value, to limit the cardinality.
    pub(super) fn metric_name(&self) -> Cow<'static, str> {
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

impl ToolSpan {
    /// Starts the span under the current one. Calls `facts` only if an SDK is installed.
    #[inline]
    pub(crate) fn start<'a>(run: &Run, facts: impl FnOnce() -> ToolFacts<'a>) -> Self {
        Self(run.0.as_ref().map(|live| Box::new(Call::start(Arc::clone(live), &facts()))))
    }

    /// Returns the context in which the tool's body runs.
    #[inline]
    pub(crate) fn context(&self) -> Option<&Context> {
        self.0.as_ref()?.scope.context()
    }

    /// Ends the span with the outcome of the call.
    #[inline]
    pub(crate) fn finish(mut self, outcome: Result<&ToolOutput, &ToolError>) {
        if let Some(call) = self.0.take() {
            call.end(match outcome {
                Ok(output) => End::Completed(Some(output)),
                Err(error) => End::Failed(error),
            });
        }
    }
}

impl Drop for ToolSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.end(End::Cancelled);
        }
    }
}

/// Starts the span of a `#[tool]` function that the program calls.
pub fn tool_span(name: &'static str, description: &'static str) -> FunctionSpan {
    FunctionSpan::start(|live| {
        live.calls().tools += 1;
        let agent = live.agent.clone();
        let facts = ToolFacts {
            subject: Subject::Function(name, description.trim()),
            call: None,
            agent_name: agent.name.as_ref(),
            conversation_id: agent.conversation_id.as_ref(),
        };
        Some(Box::new(Call::start(live, &facts)))
    })
}

impl Operation for Call {
    fn context(&self) -> Option<&Context> {
        self.scope.context()
    }

    fn end(mut self: Box<Self>, end: End<'_>) {
        let error_type = self.live.record_end(&self.scope, end, Some(event::TOOL_EXCEPTION));
        if let End::Completed(Some(output)) = end
            && !self.hides_output
            && self.live.records_content(&self.scope)
        {
            self.scope.set_content(key::CALL_RESULT, self.live.writer.tool_result(output));
        }
        let duration = self.scope.end();
        if let Some(instruments) = &self.live.instruments {
            shielded(|| {
                instruments.record_tool(duration, &self.metric_attributes, error_type.as_deref());
            });
        }
    }
}

impl Call {
    fn start(live: Arc<Live>, facts: &ToolFacts<'_>) -> Self {
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
        let definition = facts.subject.definition();
        if let Some((_, arguments)) = facts.call
            && live.records_content(&scope)
        {
            scope.set_content(
                key::CALL_ARGUMENTS,
                live.writer.tool_arguments(definition, arguments),
            );
        }
        let hides_output = definition.is_some_and(|tool| tool.hidden.output);
        Self { live, scope, metric_attributes, hides_output }
    }
}
