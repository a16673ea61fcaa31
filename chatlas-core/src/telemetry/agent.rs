//! The `invoke_agent` span: one for each `chat()` or `stream()`, around the whole loop.

use std::borrow::Cow;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue};

use super::names::{self, operation, request};
use super::scope::{Exception, SpanScope};
use super::{Run, capture, finish_reasons, inference, push_params, push_usage};
use crate::chat::{Chat, ChatError};
use crate::turn::{AssistantTurn, Turn, Usage};

/// A running `invoke_agent` span.
pub(crate) struct AgentSpan {
    scope: SpanScope,
    content: bool,
    usage: Usage,
    last: Option<AssistantTurn>,
    done: bool,
}

impl AgentSpan {
    /// Starts it under `parent`: what was current when the program asked.
    pub(crate) fn start(run: &Run, parent: &Context, chat: &Chat) -> Self {
        let name = chat.agent_name();
        let scope = run.start(
            parent,
            SpanKind::Internal,
            || match name {
                Some(name) => Cow::Owned(format!("{} {name}", operation::INVOKE_AGENT)),
                None => Cow::Borrowed(operation::INVOKE_AGENT),
            },
            |list| {
                let info = chat.provider().info();
                list.push(KeyValue::new(names::OPERATION_NAME, operation::INVOKE_AGENT));
                list.push(KeyValue::new(names::PROVIDER_NAME, info.name.clone()));
                list.extend(info.model.clone().map(|model| KeyValue::new(request::MODEL, model)));
                list.extend(name.cloned().map(|name| KeyValue::new(names::agent::NAME, name)));
                let conversation = chat.conversation().cloned();
                list.extend(conversation.map(|id| KeyValue::new(names::CONVERSATION_ID, id)));
                push_params(list, chat.model_params());
                if chat.wants_json() {
                    list.push(KeyValue::new(names::OUTPUT_TYPE, "json"));
                }
            },
        );
        let content = run.capture().on_spans();
        Self { scope, content, usage: Usage::default(), last: None, done: false }
    }

    /// The context in which the loop runs.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.scope.context()
    }

    /// Writes what goes in.
    pub(crate) fn input<'a>(
        &self,
        system_prompt: Option<&str>,
        turns: impl Iterator<Item = &'a Turn>,
    ) {
        if self.content && self.scope.is_recording() {
            let mut list = Vec::with_capacity(2);
            capture::push_input(&mut list, system_prompt, turns);
            self.scope.set(list);
        }
    }

    /// Counts a reply of the model.
    pub(crate) fn count(&mut self, turn: &AssistantTurn) {
        if self.scope.is_recording() {
            self.usage += turn.usage;
            let contents = if self.content { turn.contents.clone() } else { Vec::new() };
            let finish_reason = turn.finish_reason.clone();
            self.last = Some(AssistantTurn { contents, finish_reason, ..AssistantTurn::default() });
        }
    }

    /// Ends it with what came of the run.
    pub(crate) fn finish<T>(mut self, result: &Result<T, ChatError>) {
        self.done = true;
        if !self.scope.is_recording() {
            return;
        }
        let Err(error) = result else {
            self.scope.set(self.ending());
            return;
        };
        let mut list = self.ending();
        list.push(KeyValue::new(names::ERROR_TYPE, error.error_type()));
        self.scope.set(list);
        match error {
            // The exception stands on the `chat` span, where it happened.
            ChatError::Provider(error) => {
                let text =
                    if self.content { error.to_string() } else { inference::describe(error) };
                self.scope.fail(text, None);
            }
            ChatError::TooManyRounds { .. } => {
                let kind = Cow::Borrowed("chatlas::ChatError");
                let message = error.to_string();
                self.scope.fail(message.clone(), Some(Exception { kind, message: Some(message) }));
            }
        }
    }

    fn ending(&self) -> Vec<KeyValue> {
        let mut list = Vec::with_capacity(5);
        list.push(finish_reasons(self.last.as_ref().and_then(|turn| turn.finish_reason.as_ref())));
        push_usage(&mut list, &self.usage, false);
        if let Some(turn) = self.last.as_ref().filter(|_| self.content) {
            capture::push_output(&mut list, turn);
        }
        list
    }
}

impl Drop for AgentSpan {
    fn drop(&mut self) {
        if !self.done && self.scope.is_recording() {
            let mut list = self.ending();
            list.push(KeyValue::new(names::CANCELLED, true));
            self.scope.set(list);
        }
    }
}
