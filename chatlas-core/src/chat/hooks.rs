//! Hooks around tool calls: approval before a call, inspection of its result.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::content::{ToolRequest, ToolResult};
use crate::telemetry::names::error;
use crate::tool::{BoxFuture, ToolCall, ToolContext, ToolDefinition, ToolError};

/// A tool call before it runs, as passed to a hook of [`Chat::on_tool_request`](super::Chat::on_tool_request).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PendingCall {
    /// The request of the model, with the arguments that the tool receives: those that did not fit the
    /// schema are converted where that was possible, and have not been validated yet.
    pub request: ToolRequest,
    /// The definition of the tool, with the hints about its effects.
    pub definition: ToolDefinition,
    /// The context of the call: the caller, the span, the cancellation.
    pub context: ToolContext,
}

/// A tool call after it ran, as passed to a hook of [`Chat::on_tool_result`](super::Chat::on_tool_result).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishedCall {
    /// The request of the model.
    pub request: ToolRequest,
    /// The result that will be sent to the model.
    pub result: ToolResult,
    /// The context of the call: the caller, the span.
    pub context: ToolContext,
}

/// The decision of a hook about a tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Approval {
    /// The call may run, or its result may be sent.
    #[default]
    Approved,
    /// The call may not run, or its result is withheld. The reason is sent to the model.
    Rejected(String),
}

impl Approval {
    /// Creates a rejection with the reason that is sent to the model.
    pub fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected(reason.into())
    }
}

/// What a hook may return: an [`Approval`], `()` (which approves), or a `Result` of either, whose
/// error fails the tool call.
pub trait IntoApproval {
    /// Converts the value into an approval.
    ///
    /// # Errors
    ///
    /// The error of the hook, which fails the tool call.
    fn into_approval(self) -> Result<Approval, ToolError>;
}

impl IntoApproval for () {
    fn into_approval(self) -> Result<Approval, ToolError> {
        Ok(Approval::Approved)
    }
}

impl IntoApproval for Approval {
    fn into_approval(self) -> Result<Approval, ToolError> {
        Ok(self)
    }
}

impl<A: IntoApproval, E: fmt::Display> IntoApproval for Result<A, E> {
    fn into_approval(self) -> Result<Approval, ToolError> {
        match self {
            Ok(approval) => approval.into_approval(),
            Err(error) => Err(ToolError::from_error(&error)),
        }
    }
}

type Hook<C> = Arc<dyn Fn(C) -> BoxFuture<'static, Result<Approval, ToolError>> + Send + Sync>;

/// The hooks of a chat.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    request: Vec<Hook<PendingCall>>,
    result: Vec<Hook<FinishedCall>>,
}

impl Hooks {
    /// Adds a hook that is called before each tool call.
    pub(super) fn on_request<F, A>(
        &mut self,
        hook: impl Fn(PendingCall) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = A> + Send + 'static,
        A: IntoApproval + 'static,
    {
        self.request.push(boxed(hook));
    }

    /// Adds a hook that is called after each tool call.
    pub(super) fn on_result<F, A>(
        &mut self,
        hook: impl Fn(FinishedCall) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = A> + Send + 'static,
        A: IntoApproval + 'static,
    {
        self.result.push(boxed(hook));
    }

    /// Calls the hooks before a tool call.
    pub(super) async fn before(
        &self,
        request: &ToolRequest,
        call: &ToolCall,
        definition: &ToolDefinition,
    ) -> Result<(), ToolError> {
        for hook in &self.request {
            let call = PendingCall {
                request: ToolRequest { arguments: call.arguments.clone(), ..request.clone() },
                definition: definition.clone(),
                context: call.context.clone(),
            };
            if let Approval::Rejected(reason) = call_hook(hook, call, &request.name).await? {
                return Err(rejected(format!("The tool call was rejected: {reason}")));
            }
        }
        Ok(())
    }

    /// Calls the hooks after a tool call. `result` is built only if there is a hook.
    pub(super) async fn after(
        &self,
        request: &ToolRequest,
        result: impl Fn() -> ToolResult,
        context: &ToolContext,
    ) -> Result<(), ToolError> {
        for hook in &self.result {
            let call = FinishedCall {
                request: request.clone(),
                result: result(),
                context: context.clone(),
            };
            if let Approval::Rejected(reason) = call_hook(hook, call, &request.name).await? {
                return Err(rejected(format!("The tool's result is withheld: {reason}")));
            }
        }
        Ok(())
    }
}

fn rejected(message: String) -> ToolError {
    ToolError::new(error::TOOL_REJECTED, message)
}

/// Calls a hook. A panic of the hook fails the tool call.
async fn call_hook<C>(hook: &Hook<C>, call: C, tool: &str) -> Result<Approval, ToolError> {
    // The hook itself may panic, before it returns a future.
    AssertUnwindSafe(async move { hook(call).await }).catch_unwind().await.unwrap_or_else(|_| {
        Err(ToolError::new(error::PANIC, format!("A check of the tool `{tool}` crashed.")))
    })
}

fn boxed<C, F, A>(hook: impl Fn(C) -> F + Send + Sync + 'static) -> Hook<C>
where
    F: Future<Output = A> + Send + 'static,
    A: IntoApproval + 'static,
{
    Arc::new(move |call| {
        let decision = hook(call);
        Box::pin(async move { decision.await.into_approval() })
    })
}
