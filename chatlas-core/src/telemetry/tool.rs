//! A tool call: the `execute_tool` span, for the chat loop or for the program itself, with its
//! metric.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};
use serde_json::Value;

use super::names::{self, error, operation, tool as key};
use super::scope::{Exception, SpanScope};
use super::{Live, Run};
use crate::tool::{ToolDefinition, ToolError, ToolOutput};

/// A tool call under way; nothing where nobody listens.
pub(crate) struct ToolSpan(Option<Box<Call>>);

struct Call {
    live: Arc<Live>,
    scope: SpanScope,
    common: Vec<KeyValue>,
    started: Instant,
}

/// What is known of a call at its start.
pub(crate) struct Facts<'a> {
    pub(crate) name: Cow<'static, str>,
    /// `None` where the chat has no such tool.
    pub(crate) description: Option<Cow<'static, str>>,
    pub(crate) call: Option<(&'a str, &'a Value)>,
    pub(crate) agent_name: Option<&'a Arc<str>>,
    pub(crate) conversation_id: Option<&'a Arc<str>>,
}

impl<'a> Facts<'a> {
    /// Of a call by the program itself.
    pub(super) fn direct(name: &'static str, description: &'static str) -> Self {
        Facts {
            name: Cow::Borrowed(name),
            description: Some(Cow::Borrowed(description)),
            call: None,
            agent_name: None,
            conversation_id: None,
        }
    }

    /// What is told of a tool that the chat has.
    pub(crate) fn describe(mut self, definition: Option<&'a ToolDefinition>) -> Self {
        self.description = definition.map(|definition| definition.description.clone());
        self
    }
}

/// How a call ended.
enum End<'a> {
    /// With a value, where the caller has it as one.
    Done(Option<&'a ToolOutput>),
    Failed(&'a ToolError),
    Panicked,
    GivenUp,
}

impl ToolSpan {
    /// Starts it under what is current.
    pub(crate) fn start(run: &Run, facts: Facts<'_>) -> Self {
        let Some(live) = run.0.clone() else { return Self(None) };
        let parent = Context::current();
        let mut common = Vec::new();
        if live.instruments.is_some() {
            // What a model makes up is no name to count by.
            let known = facts.description.is_some();
            let name = if known { facts.name.clone() } else { error::OTHER.into() };
            common.push(KeyValue::new(key::NAME, name));
            common.push(KeyValue::new(key::TYPE, key::FUNCTION));
            let agent = facts.agent_name.cloned();
            common.extend(agent.map(|name| KeyValue::new(names::agent::NAME, name)));
        }
        let name = format!("{} {}", operation::EXECUTE_TOOL, facts.name);
        let mut list = Live::attributes();
        list.push(KeyValue::new(names::OPERATION_NAME, operation::EXECUTE_TOOL));
        list.push(KeyValue::new(key::NAME, facts.name));
        list.push(KeyValue::new(key::TYPE, key::FUNCTION));
        list.extend(facts.description.map(|text| KeyValue::new(key::DESCRIPTION, text)));
        let agent = facts.agent_name.cloned();
        list.extend(agent.map(|name| KeyValue::new(names::agent::NAME, name)));
        let conversation = facts.conversation_id.cloned();
        list.extend(conversation.map(|id| KeyValue::new(names::CONVERSATION_ID, id)));
        list.extend(facts.call.map(|(id, _)| KeyValue::new(key::CALL_ID, id.to_owned())));
        live.push_settings(&mut list, &parent);
        let scope = live.start(&parent, SpanKind::Internal, name.into(), list);
        if let Some((_, arguments)) = facts.call
            && live.writer.capture.on_spans()
            && scope.is_recording()
        {
            let arguments = live.writer.tool_arguments(arguments);
            scope.set(vec![KeyValue::new(key::CALL_ARGUMENTS, arguments)]);
        }
        Self(Some(Box::new(Call { live, scope, common, started: Instant::now() })))
    }

    /// The context in which the tool's body runs.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.0.as_ref()?.scope.context()
    }

    /// Ends it with what came of the call.
    pub(crate) fn finish(mut self, outcome: Result<Option<&ToolOutput>, &ToolError>) {
        self.end(&match outcome {
            Ok(output) => End::Done(output),
            Err(error) => End::Failed(error),
        });
    }

    fn end(&mut self, end: &End<'_>) {
        if let Some(call) = self.0.take() {
            call.end(end);
        }
    }
}

impl Drop for ToolSpan {
    fn drop(&mut self) {
        self.end(if std::thread::panicking() { &End::Panicked } else { &End::GivenUp });
    }
}

impl Call {
    fn end(mut self, end: &End<'_>) {
        let duration = self.started.elapsed();
        let error_type = match end {
            End::Failed(error) => Some(error.error_type().clone()),
            End::Panicked => Some(Cow::Borrowed(error::PANIC)),
            End::Done(_) | End::GivenUp => None,
        };
        if self.scope.is_recording() {
            self.describe(end, error_type.as_ref());
        }
        self.scope.end();
        if let Some(instruments) = &self.live.instruments {
            instruments.tool(duration, &self.common, error_type.as_deref());
        }
    }

    fn describe(&self, end: &End<'_>, error_type: Option<&Cow<'static, str>>) {
        let content = self.live.writer.capture.on_spans();
        let writer = &self.live.writer;
        if let Some(kind) = error_type {
            self.scope.set(vec![KeyValue::new(names::ERROR_TYPE, kind.clone())]);
            let message = match end {
                End::Failed(error) if content => Some(writer.error(error.message())),
                _ => None,
            };
            let description = message.clone().unwrap_or_else(|| kind.clone().into_owned());
            self.scope.fail(description, Some(Exception { kind: kind.clone(), message }));
        }
        match end {
            End::Done(Some(output)) if content => {
                let result = writer.tool_result(output);
                self.scope.set(vec![KeyValue::new(key::CALL_RESULT, result)]);
            }
            End::GivenUp => self.scope.set(vec![KeyValue::new(names::CANCELLED, true)]),
            _ => {}
        }
    }
}
