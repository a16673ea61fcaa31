//! The nearest agent around the current code, as a value of the OpenTelemetry context. It counts the
//! model and tool calls made inside the agent, whoever makes them.
//!
//! The value is lost where the context is: in a spawned task or thread that does not attach it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::trace::SpanContext;
use opentelemetry::{Context, KeyValue};

use super::settings::Settings;
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
    /// The number of tool calls made by the program. Those of a chat's loop are counted by the loop.
    pub(super) tools: u64,
    /// The span of the last model call of a chat, which feedback on the reply refers to.
    pub(super) last: Option<SpanContext>,
    /// The usage of the calls that a chat's loop does not count: those that returned no complete
    /// reply, and those made outside the loop.
    pub(super) usage: Usage,
    /// The finish reasons of the last model call outside a chat's loop.
    pub(super) finish_reasons: Option<KeyValue>,
    /// The partial reply of a chat's model call that was dropped or panicked.
    pub(super) partial: Option<Box<Completion>>,
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
