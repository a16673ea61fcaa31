//! A function annotated as an agent or a workflow: its `invoke_agent` or `invoke_workflow` span, and
//! its metrics.
//!
//! By release 0.1.0 of the conventions, a workflow is recorded as an agent with another operation. It
//! does not count calls: each agent inside it counts its own.

use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::trace::SpanKind;

use super::agent_run::{AgentRun, Calls};
use super::attributes::{push_total_cost, push_total_usage};
use super::facts::Facts;
use super::function::{End, FunctionSpan, Operation};
use super::metrics::AgentFigures;
use super::names::{agent, content, operation};
use super::run::Live;
use super::scope::SpanScope;
use super::shield::shielded;
use crate::content::Content;
use crate::tool::ToolOutput;
use crate::turn::{AssistantTurn, FinishReason, Turn, UserTurn};

struct Invocation {
    live: Arc<Live>,
    scope: SpanScope,
    name: Option<Arc<str>>,
    model: Option<Arc<str>>,
    /// The agent that counts the calls, and the context that contains it. A workflow has none.
    counter: Option<(AgentRun, Context)>,
}

/// Starts the span of an agent.
pub fn agent_span(describe: &mut dyn FnMut(&mut Facts)) -> FunctionSpan {
    start(operation::INVOKE_AGENT, describe)
}

/// Starts the span of a workflow.
pub fn workflow_span(describe: &mut dyn FnMut(&mut Facts)) -> FunctionSpan {
    start(operation::INVOKE_WORKFLOW, describe)
}

fn start(name: &'static str, describe: &mut dyn FnMut(&mut Facts)) -> FunctionSpan {
    FunctionSpan::start(|live| {
        let facts = Facts::read(live.writer.capture.on_spans(), describe);
        Some(Box::new(Invocation::start(live, name, facts)))
    })
}

impl Invocation {
    fn start(live: Arc<Live>, name: &'static str, mut facts: Facts) -> Self {
        let own = [
            (agent::NAME, facts.name.map(Into::into)),
            (agent::DESCRIPTION, facts.description.map(Into::into)),
        ];
        let scope = facts.start(&live, SpanKind::Internal, (name, facts.name), own);
        if let Some(input) = facts.input.take()
            && live.records_content(&scope)
        {
            let turn = Arc::new(Turn::User(UserTurn::new(contents(input))));
            scope.set_content(content::INPUT_MESSAGES, live.writer.input(&[turn], &[]).text());
        }
        let agent_name: Option<Arc<str>> = facts.name.map(Into::into);
        let counter = (name == operation::INVOKE_AGENT).then(|| {
            let agent = AgentRun {
                name: agent_name.clone(),
                conversation_id: facts.conversation_id,
                settings: live.settings.clone(),
                ..AgentRun::default()
            };
            let context = scope.context().cloned().unwrap_or_else(Context::current);
            (agent.clone(), context.with_value(agent))
        });
        Self { live, scope, name: agent_name, model: facts.model.map(Into::into), counter }
    }

    /// Sets what the calls reported, and the output.
    fn record_result(&self, calls: &Calls, end: End<'_>) {
        let mut list = Vec::with_capacity(3);
        list.extend(calls.finish_reasons.clone());
        if self.live.settings.as_ref().is_none_or(|settings| settings.agent_usage) {
            push_total_usage(&mut list, &calls.usage);
            push_total_cost(&mut list, &calls.cost);
        }
        self.scope.set(list);
        // `null` is the output of a function that returns nothing, or whose output is skipped.
        if let End::Completed(Some(output)) = end
            && *output != ToolOutput::Value(serde_json::Value::Null)
            && self.live.records_content(&self.scope)
        {
            let turn = AssistantTurn {
                contents: contents(output.clone()),
                finish_reason: Some(FinishReason::Stop),
                ..AssistantTurn::default()
            };
            self.scope.set_content(content::OUTPUT_MESSAGES, self.live.writer.output(&turn, &[]));
        }
    }
}

impl Operation for Invocation {
    fn context(&self) -> Option<&Context> {
        match &self.counter {
            Some((_, context)) => Some(context),
            None => self.scope.context(),
        }
    }

    fn wants_output(&self) -> bool {
        self.live.records_content(&self.scope)
    }

    fn end(mut self: Box<Self>, end: End<'_>) {
        let calls = self.counter.take().map(|(agent, _)| std::mem::take(&mut *agent.calls.lock()));
        if self.scope.is_recording() {
            self.record_result(calls.as_ref().unwrap_or(&Calls::default()), end);
        }
        let error_type = self.live.record_end(&self.scope, end, None);
        let duration = self.scope.end();
        if let Some(instruments) = &self.live.instruments {
            shielded(|| {
                instruments.record_agent(&AgentFigures {
                    name: self.name.as_ref(),
                    model: self.model.as_ref(),
                    duration,
                    error_type: error_type.as_deref(),
                    calls: calls.map(|calls| (calls.inference, calls.tools)),
                });
            });
        }
    }
}

/// Returns an input or an output as the contents of a message.
fn contents(output: ToolOutput) -> Vec<Content> {
    match output {
        ToolOutput::Contents(contents) => contents,
        ToolOutput::Value(serde_json::Value::String(text)) => vec![Content::text(text)],
        ToolOutput::Value(value) => vec![Content::text(value.to_string())],
    }
}

/// The planning of an agent.
struct Plan {
    live: Arc<Live>,
    scope: SpanScope,
}

/// Starts the span of a planning step: `plan`, with the name of the agent that plans, which is the
/// nearest one if the facts have none.
pub fn plan_span(describe: &mut dyn FnMut(&mut Facts)) -> FunctionSpan {
    FunctionSpan::start(|live| {
        let mut facts = Facts::read(false, describe);
        let name: Option<Arc<str>> = facts.name.map(Into::into).or_else(|| live.agent.name.clone());
        let own = [(agent::NAME, name.clone().map(Into::into))];
        let scope = facts.start(&live, SpanKind::Internal, (operation::PLAN, name.as_deref()), own);
        Some(Box::new(Plan { live, scope }))
    })
}

impl Operation for Plan {
    fn context(&self) -> Option<&Context> {
        self.scope.context()
    }

    fn end(self: Box<Self>, end: End<'_>) {
        self.live.record_end(&self.scope, end, None);
    }
}
