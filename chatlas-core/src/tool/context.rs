//! What a tool can know of the call it serves: [`ToolContext`].

use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, KeyValue};
use tokio_util::sync::CancellationToken;

use super::ToolOutput;

/// What a tool can know of the call it serves. Cheap to clone; it may outlive the call.
#[derive(Clone)]
pub struct ToolContext {
    call_id: Arc<str>,
    caller: Caller,
    cancellation: CancellationToken,
    span: Context,
    progress: Option<Arc<dyn Progress>>,
}

/// Who calls a tool.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    pub(crate) agent_name: Option<Arc<str>>,
    pub(crate) conversation_id: Option<Arc<str>>,
}

/// Where the partial results of a call go.
pub(crate) trait Progress: Send + Sync {
    fn progress(&self, call_id: &Arc<str>, output: ToolOutput);
}

impl ToolContext {
    /// Of a call by the program itself, inside the span that is current.
    pub fn new(call_id: impl Into<Arc<str>>) -> Self {
        Self {
            call_id: call_id.into(),
            caller: Caller::default(),
            cancellation: CancellationToken::new(),
            span: Context::current(),
            progress: None,
        }
    }

    /// Of a call by the loop, inside the span that is current.
    pub(crate) fn of_loop(
        call_id: Arc<str>,
        caller: Caller,
        cancellation: CancellationToken,
        progress: Option<Arc<dyn Progress>>,
    ) -> Self {
        Self { call_id, caller, cancellation, span: Context::current(), progress }
    }

    /// The same, inside the span that is current: for a function that the program calls itself.
    #[must_use]
    pub(crate) fn here(&self) -> Self {
        Self { span: Context::current(), ..self.clone() }
    }

    /// The same, to be stopped by that token.
    #[must_use]
    pub fn with_cancellation(mut self, token: CancellationToken) -> Self {
        self.cancellation = token;
        self
    }

    /// The vendor's id of the call.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The name of the agent that calls, where it has one.
    pub fn agent_name(&self) -> Option<&str> {
        self.caller.agent_name.as_deref()
    }

    /// The program's own id of the conversation, where it gave one.
    pub fn conversation_id(&self) -> Option<&str> {
        self.caller.conversation_id.as_deref()
    }

    /// Cancelled when nobody waits for the result any more: the conversation was given up, or the
    /// call has taken too long. Work that is not simply dropped (a thread, a process, a spawned
    /// task) should watch it.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Adds an attribute to the span of the call. Keys that the library itself writes (`gen_ai.…`,
    /// `error.type`, `server.…`) are passed over. Set each key once: the SDK keeps doubles.
    pub fn set_attribute(&self, attribute: KeyValue) {
        if !crate::telemetry::names::is_reserved(attribute.key.as_str()) {
            self.span.span().set_attribute(attribute);
        }
    }

    /// The context of the call, with its span: hand it to work that goes on in another task or
    /// thread, so that its spans stand below that of the call.
    ///
    /// ```
    /// # use chatlas_core::ToolContext;
    /// # async fn fetch() {}
    /// # fn compute() {}
    /// use opentelemetry::trace::FutureExt as _;
    ///
    /// # async fn example(context: &ToolContext) {
    /// tokio::spawn(fetch().with_context(context.context().clone()));
    ///
    /// let context = context.context().clone();
    /// tokio::task::spawn_blocking(move || {
    ///     let _here = context.attach();
    ///     compute()
    /// });
    /// # }
    /// ```
    pub fn context(&self) -> &Context {
        &self.span
    }

    /// Shows the consumer of a stream a part of the result, or how far the tool has come. The
    /// model sees none of it. It waits for nobody: where a thousand events have not been taken yet,
    /// the oldest progress among them is passed over.
    pub fn progress(&self, output: impl Into<ToolOutput>) {
        if let Some(progress) = &self.progress {
            progress.progress(&self.call_id, output.into());
        }
    }
}

impl fmt::Debug for ToolContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolContext")
            .field("call_id", &self.call_id)
            .field("agent_name", &self.caller.agent_name)
            .field("cancelled", &self.cancellation.is_cancelled())
            .finish_non_exhaustive()
    }
}
