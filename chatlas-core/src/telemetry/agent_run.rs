//! The nearest agent around the current code, as a value of the OpenTelemetry context. It counts the
//! model and tool calls made inside the agent, whoever makes them.
//!
//! The value is lost where the context is: in a spawned task or thread that does not attach it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::{SpanContext, SpanId};
use opentelemetry::{Context, KeyValue};

use super::settings::Settings;
use crate::cost::Cost;
use crate::provider::Completion;
use crate::turn::Usage;

/// An agent that runs.
#[derive(Clone, Default)]
pub(super) struct AgentRun {
    pub(super) name: Option<Arc<str>>,
    pub(super) conversation_id: Option<Arc<str>>,
    /// The telemetry settings of the chat, which hold for all calls inside its runs.
    pub(super) settings: Option<Arc<Settings>>,
    pub(super) calls: Arc<AgentCalls>,
}

/// The calls made inside an agent.
#[derive(Default)]
pub(super) struct AgentCalls(Mutex<Calls>);

/// What the calls report to the agent.
#[derive(Default)]
pub(super) struct Calls {
    /// The number of model calls. A provider that wraps others may make several calls per round.
    pub(super) inference: u64,
    /// The number of model calls that a transparent provider answered by itself.
    by_wrapper: u64,
    /// The spans of the model calls that have not ended.
    open: Vec<SpanId>,
    /// The number of tool calls made by the program. Those of a chat's loop are counted by the loop.
    pub(super) tools: u64,
    /// The span of the last model call of a chat, which feedback on the reply refers to.
    pub(super) last: Option<SpanContext>,
    /// The usage that the spans of the calls report, including that of calls without a complete
    /// reply. The usage in a reply is not: a cache returns it again.
    pub(super) usage: Usage,
    /// The cost of the calls, if it is recorded.
    pub(super) cost: Cost,
    /// The finish reasons of the last model call outside a chat's loop.
    pub(super) finish_reasons: Option<KeyValue>,
    /// The partial reply of a chat's model call that was dropped or panicked.
    pub(super) partial: Option<Box<Completion>>,
}

impl Calls {
    /// Returns the number of model calls that have a span.
    pub(super) fn total(&self) -> u64 {
        self.inference + self.by_wrapper
    }

    /// Registers a model call that begins. Returns whether it is inside another one.
    pub(super) fn begin(
        &mut self,
        parent: &SpanContext,
        span: Option<&SpanContext>,
        by_wrapper: bool,
    ) -> bool {
        let is_nested = self.open.contains(&parent.span_id());
        self.open.extend(span.map(SpanContext::span_id));
        *(if by_wrapper { &mut self.by_wrapper } else { &mut self.inference }) += 1;
        is_nested
    }

    /// Registers that a model call has ended. Adds its usage, unless it is inside another call,
    /// which reports the usage, too.
    pub(super) fn end(&mut self, span: Option<&SpanContext>, is_nested: bool, usage: Usage) {
        self.open.retain(|open| span.is_none_or(|span| span.span_id() != *open));
        if !is_nested {
            self.usage += usage;
        }
    }
}

impl AgentRun {
    /// Returns the nearest agent around the current code.
    pub(super) fn current() -> Option<Self> {
        Context::map_current(|context| context.get::<Self>().cloned())
    }
}

impl AgentCalls {
    pub(super) fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
