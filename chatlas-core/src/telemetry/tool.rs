//! The `execute_tool` span: one for each call of a tool, by the chat loop or by the program.

use std::borrow::Cow;
use std::future::Future;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue, StringValue};
use serde_json::Value;

use super::Run;
use super::names::{self, error, operation, tool as key};
use super::scope::{Exception, SpanScope, in_context};
use crate::tool::{ToolDefinition, ToolError, ToolOutput};

/// A running `execute_tool` span.
pub(crate) struct ToolSpan {
    scope: SpanScope,
    content: bool,
    done: bool,
}

/// What the span says at its start.
pub(crate) struct Facts<'a> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) description: Option<Cow<'static, str>>,
    pub(crate) call: Option<(&'a str, &'a Value)>,
    pub(crate) agent_name: Option<&'a str>,
    pub(crate) conversation_id: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Of a call by the program itself.
    fn direct(name: &'static str, description: &'static str) -> Self {
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

impl ToolSpan {
    /// Starts it under what is current.
    pub(crate) fn start(run: &Run, facts: Facts<'_>) -> Self {
        let content = run.capture().on_spans();
        let name = facts.name.clone();
        let scope = run.start(
            &Context::current(),
            SpanKind::Internal,
            || Cow::Owned(format!("{} {name}", operation::EXECUTE_TOOL)),
            |list| {
                list.push(KeyValue::new(names::OPERATION_NAME, operation::EXECUTE_TOOL));
                list.push(KeyValue::new(key::NAME, facts.name));
                list.push(KeyValue::new(key::TYPE, key::FUNCTION));
                list.extend(facts.description.map(|text| KeyValue::new(key::DESCRIPTION, text)));
                let agent = facts.agent_name.map(|name| (names::agent::NAME, name));
                let conversation = facts.conversation_id.map(|id| (names::CONVERSATION_ID, id));
                let id = facts.call.map(|(id, _)| (key::CALL_ID, id));
                list.extend(
                    [agent, conversation, id]
                        .into_iter()
                        .flatten()
                        .map(|(key, value)| KeyValue::new(key, value.to_owned())),
                );
                if let Some((_, arguments)) = facts.call.filter(|_| content) {
                    list.push(KeyValue::new(key::CALL_ARGUMENTS, plain_json(arguments)));
                }
            },
        );
        Self { scope, content, done: false }
    }

    /// The context in which the tool's body runs.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.scope.context()
    }

    /// Ends it with what came of the call.
    pub(crate) fn finish(mut self, outcome: Result<Option<&ToolOutput>, &ToolError>) {
        self.done = true;
        if !self.scope.is_recording() {
            return;
        }
        match outcome {
            Ok(Some(output)) if self.content => {
                let result = plain_json(&super::capture::tool_output(output));
                self.scope.set(vec![KeyValue::new(key::CALL_RESULT, result)]);
            }
            Ok(_) => {}
            Err(error) => {
                let kind = error.error_type().clone();
                self.scope.set(vec![KeyValue::new(names::ERROR_TYPE, kind.clone())]);
                let message = self.content.then(|| error.message().to_owned());
                let description = message.clone().unwrap_or_else(|| kind.clone().into_owned());
                self.scope.fail(description, Some(Exception { kind, message }));
            }
        }
    }
}

impl Drop for ToolSpan {
    fn drop(&mut self) {
        if self.done || !self.scope.is_recording() {
            return;
        }
        if std::thread::panicking() {
            self.scope.set(vec![KeyValue::new(names::ERROR_TYPE, error::PANIC)]);
            let kind = Cow::Borrowed(error::PANIC);
            self.scope.fail(error::PANIC.to_owned(), Some(Exception { kind, message: None }));
        } else {
            self.scope.set(vec![KeyValue::new(names::CANCELLED, true)]);
        }
    }
}

/// A string as it is, anything else as JSON.
fn plain_json(value: &Value) -> StringValue {
    match value {
        Value::String(text) => text.clone().into(),
        other => other.to_string().into(),
    }
}

/// A direct call of an async `#[tool]` function, in its span.
pub async fn traced_call<F: Future>(
    name: &'static str,
    description: &'static str,
    body: F,
    failure: fn(&F::Output) -> Option<ToolError>,
) -> F::Output {
    let span = ToolSpan::start(&Run::begin(), Facts::direct(name, description));
    let output = in_context(span.context(), body).await;
    finish_direct(span, &output, failure);
    output
}

/// A direct call of a synchronous `#[tool]` function, in its span.
pub fn traced_call_sync<T>(
    name: &'static str,
    description: &'static str,
    body: impl FnOnce() -> T,
    failure: fn(&T) -> Option<ToolError>,
) -> T {
    let span = ToolSpan::start(&Run::begin(), Facts::direct(name, description));
    let output = {
        let _guard = span.context().cloned().map(Context::attach);
        body()
    };
    finish_direct(span, &output, failure);
    output
}

fn finish_direct<T>(span: ToolSpan, output: &T, failure: fn(&T) -> Option<ToolError>) {
    if span.scope.is_recording() {
        match failure(output) {
            Some(error) => span.finish(Err(&error)),
            None => span.finish(Ok(None)),
        }
    }
}
