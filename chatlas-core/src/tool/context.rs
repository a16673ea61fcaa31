//! [`ToolContext`]: the context of a tool call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::trace::TraceContextExt as _;
use opentelemetry::{Context, Key, KeyValue, Value};
use tokio_util::sync::CancellationToken;

use super::ToolOutput;

/// The context of a tool call: the caller, the span, the cancellation. Cheap to clone; it may outlive
/// the call.
#[derive(Clone)]
pub struct ToolContext {
    call_id: Arc<str>,
    caller: Caller,
    cancellation: CancellationToken,
    span: Context,
    progress: Option<Arc<dyn Progress>>,
    tool_run: Option<ToolRun>,
}

/// The `execute_tool` span around a call by the loop. At most one request to another server describes
/// itself on it: the one that is the tool call.
#[derive(Clone, Default)]
struct ToolRun(Arc<AtomicBool>);

/// The caller of a tool.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    pub(crate) agent_name: Option<Arc<str>>,
    pub(crate) conversation_id: Option<Arc<str>>,
}

/// The receiver of the partial results of a call.
pub(crate) trait Progress: Send + Sync {
    fn progress(&self, call_id: &Arc<str>, output: ToolOutput);
}

impl ToolContext {
    /// Creates the context of a call by the program, inside the current span.
    pub fn new(call_id: impl Into<Arc<str>>) -> Self {
        Self {
            call_id: call_id.into(),
            caller: Caller::default(),
            cancellation: CancellationToken::new(),
            span: Context::current(),
            progress: None,
            tool_run: None,
        }
    }

    /// Creates the context of a call by a client of the program, inside the current span.
    pub(crate) fn for_client(
        call_id: Arc<str>,
        cancellation: CancellationToken,
        progress: Option<Arc<dyn Progress>>,
    ) -> Self {
        Self { cancellation, progress, ..Self::new(call_id) }
    }

    /// Creates the context of a call by the loop, inside the current span.
    pub(crate) fn for_loop(
        call_id: Arc<str>,
        caller: Caller,
        cancellation: CancellationToken,
        progress: Option<Arc<dyn Progress>>,
    ) -> Self {
        let span = Context::current();
        let tool_run = Some(ToolRun::default());
        Self { call_id, caller, cancellation, span, progress, tool_run }
    }

    /// Returns this context inside the current span, for a function that the program calls directly.
    #[must_use]
    pub(crate) fn in_current_span(&self) -> Self {
        Self { span: Context::current(), tool_run: None, ..self.clone() }
    }

    /// Returns whether the request that is made now is the tool call of the loop, so that its
    /// attributes belong on the `execute_tool` span. Returns `true` at most once.
    pub(crate) fn claim_tool_span(&self) -> bool {
        self.tool_run.as_ref().is_some_and(|run| !run.0.swap(true, Ordering::Relaxed))
    }

    /// Sets the token that cancels the call.
    #[must_use]
    pub fn with_cancellation(mut self, token: CancellationToken) -> Self {
        self.cancellation = token;
        self
    }

    /// Returns the vendor's id of the call.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Returns the name of the agent that calls, if it has one.
    pub fn agent_name(&self) -> Option<&str> {
        self.caller.agent_name.as_deref()
    }

    /// Returns the id of the conversation, if the program set one.
    pub fn conversation_id(&self) -> Option<&str> {
        self.caller.conversation_id.as_deref()
    }

    /// Returns a token that is cancelled when the result is no longer awaited: the run was dropped or
    /// cancelled, or the call has timed out. Work that does not end with the tool's future (a thread,
    /// a process, a spawned task) should watch it.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// Sets an attribute of the span of the call. Keys that the library writes (`gen_ai.…`,
    /// `error.type`, `server.…`) are ignored. Set each key once: the SDK does not de-duplicate.
    pub fn set_attribute(&self, key: impl Into<Key>, value: impl Into<Value>) {
        let key = key.into();
        if !crate::telemetry::names::is_reserved(key.as_str()) {
            self.span.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Returns the OpenTelemetry context of the call. Attach it in other tasks and threads, so that
    /// their spans are children of the call's span.
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
    ///     let _guard = context.attach();
    ///     compute()
    /// });
    /// # }
    /// ```
    pub fn context(&self) -> &Context {
        &self.span
    }

    /// Sends a partial result or a progress report to the consumer of the stream. It is not sent to
    /// the model. Never waits: if 1,024 events are pending, the oldest progress is dropped.
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
