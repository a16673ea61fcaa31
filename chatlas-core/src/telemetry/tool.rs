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
use super::{Live, Run, shielded, without_empty};
use crate::tool::{ToolDefinition, ToolError, ToolOutput};

/// A tool call under way; nothing where nobody listens.
pub(crate) struct ToolSpan(Option<Box<Call>>);

struct Call {
    live: Arc<Live>,
    scope: SpanScope,
    common: Vec<KeyValue>,
    started: Option<Instant>,
}

/// What is known of a call at its start.
pub(crate) struct Facts<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) call: Option<(&'a str, &'a Value)>,
    pub(crate) agent_name: Option<&'a Arc<str>>,
    pub(crate) conversation_id: Option<&'a Arc<str>>,
}

/// What is called.
pub(crate) enum Subject<'a> {
    /// A tool of the chat.
    Tool(&'a ToolDefinition),
    /// A `#[tool]` function, by the program itself: its name and description.
    Function(&'static str, &'static str),
    /// A name that the model made up.
    Unknown(&'a str),
}

impl Facts<'_> {
    /// Of a call by the program itself.
    pub(super) fn direct(name: &'static str, description: &'static str) -> Self {
        let subject = Subject::Function(name, description);
        Facts { subject, call: None, agent_name: None, conversation_id: None }
    }
}

impl Subject<'_> {
    /// The name for the span. One that the model made up is there only if it could be a tool's.
    fn name(&self) -> Cow<'static, str> {
        let plausible = |name: &str| {
            (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        match *self {
            Self::Tool(definition) => definition.name.clone(),
            Self::Function(name, _) => name.into(),
            Self::Unknown(name) if plausible(name) => name.to_owned().into(),
            Self::Unknown(_) => error::OTHER.into(),
        }
    }

    /// The name to count by: what a model makes up is none.
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
    /// With a value, where the caller has it as one.
    Done(Option<&'a ToolOutput>),
    Failed(&'a ToolError),
    Panicked,
    GivenUp,
}

impl ToolSpan {
    /// Starts it under what is current. The facts are asked for where somebody listens.
    #[inline]
    pub(crate) fn start<'a>(run: &Run, facts: impl FnOnce() -> Facts<'a>) -> Self {
        Self(run.0.as_ref().map(|live| Box::new(Call::start(Arc::clone(live), &facts()))))
    }

    /// Of a call that nobody listens to.
    pub(super) const fn off() -> Self {
        Self(None)
    }

    /// Whether nobody listens.
    #[inline]
    pub(super) fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// The context in which the tool's body runs.
    #[inline]
    pub(crate) fn context(&self) -> Option<&Context> {
        self.0.as_ref()?.scope.context()
    }

    /// Ends it with what came of the call.
    #[inline]
    pub(crate) fn finish(mut self, outcome: Result<Option<&ToolOutput>, &ToolError>) {
        if let Some(call) = self.0.take() {
            call.end(&match outcome {
                Ok(output) => End::Done(output),
                Err(error) => End::Failed(error),
            });
        }
    }

    /// Ends it: the body has panicked.
    pub(super) fn panicked(&mut self) {
        if let Some(call) = self.0.take() {
            call.end(&End::Panicked);
        }
    }
}

impl Drop for ToolSpan {
    #[inline]
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.end(&End::GivenUp);
        }
    }
}

impl Call {
    fn start(live: Arc<Live>, facts: &Facts<'_>) -> Self {
        let started = live.clock();
        let parent = Context::current();
        let mut common = Vec::new();
        if live.instruments.is_some() {
            common.push(KeyValue::new(key::NAME, facts.subject.metric_name()));
            common.push(KeyValue::new(key::TYPE, key::FUNCTION));
            let agent = facts.agent_name.cloned();
            common.extend(agent.map(|name| KeyValue::new(names::agent::NAME, name)));
            without_empty(&mut common);
        }
        let tool = facts.subject.name();
        let name = Live::span_name(operation::EXECUTE_TOOL, Some(&tool));
        let mut list = Live::attributes();
        list.push(KeyValue::new(names::OPERATION_NAME, operation::EXECUTE_TOOL));
        list.push(KeyValue::new(key::NAME, tool));
        list.push(KeyValue::new(key::TYPE, key::FUNCTION));
        list.extend(facts.subject.description().map(|text| KeyValue::new(key::DESCRIPTION, text)));
        let agent = facts.agent_name.cloned();
        list.extend(agent.map(|name| KeyValue::new(names::agent::NAME, name)));
        let conversation = facts.conversation_id.cloned();
        list.extend(conversation.map(|id| KeyValue::new(names::CONVERSATION_ID, id)));
        list.extend(facts.call.map(|(id, _)| KeyValue::new(key::CALL_ID, id.to_owned())));
        live.push_settings(&mut list, &parent, operation::EXECUTE_TOOL);
        let scope = live.start(&parent, SpanKind::Internal, name, list);
        if let Some((_, arguments)) = facts.call
            && live.writer.capture.on_spans()
            && scope.is_recording()
        {
            let arguments = live.writer.tool_arguments(arguments);
            scope.set(vec![KeyValue::new(key::CALL_ARGUMENTS, arguments)]);
        }
        Self { live, scope, common, started }
    }

    fn end(mut self, end: &End<'_>) {
        let error_type = match end {
            End::Failed(error) => Some(low_cardinality(error.error_type().clone())),
            End::Panicked => Some(Cow::Borrowed(error::PANIC)),
            End::Done(_) | End::GivenUp => None,
        };
        if self.scope.is_recording() {
            self.describe(end, error_type.as_ref());
        }
        let duration = self.started.map(|started| started.elapsed());
        self.scope.end();
        if let (Some(instruments), Some(duration)) = (&self.live.instruments, duration) {
            shielded(|| instruments.tool(duration, &self.common, error_type.as_deref()));
        }
    }

    fn describe(&self, end: &End<'_>, error_type: Option<&Cow<'static, str>>) {
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
            End::Done(Some(output)) if content => {
                let result = writer.tool_result(output);
                self.scope.set(vec![KeyValue::new(key::CALL_RESULT, result)]);
            }
            End::GivenUp => self.scope.set(vec![KeyValue::new(names::CANCELLED, true)]),
            _ => {}
        }
    }
}

/// An error's type as a value of `error.type`: what does not look like a name of one is passed over,
/// so that the values stay few and free of content. Of a generic type its name alone is kept.
fn low_cardinality(kind: Cow<'static, str>) -> Cow<'static, str> {
    let plain = |kind: &str| {
        (1..=100).contains(&kind.len())
            && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:<>&[]()/".contains(&b))
    };
    if plain(&kind) {
        return kind;
    }
    match kind.split_once('<') {
        Some((name, _)) if plain(name) => name.to_owned().into(),
        _ => error::OTHER.into(),
    }
}
