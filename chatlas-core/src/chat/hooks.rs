//! Hooks of the program around tool calls: whether a call may run, and what came of it.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::Chat;
use crate::content::{ToolRequest, ToolResult};
use crate::telemetry::names::error;
use crate::tool::{BoxFuture, ToolContext, ToolDefinition, ToolError};

/// A tool call that has not run yet, as a hook of [`Chat::on_tool_request`] sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PendingCall {
    /// What the model asks for. The arguments have not been held to the tool's schema yet.
    pub request: ToolRequest,
    /// The tool, with its hints on what it does to the world.
    pub definition: ToolDefinition,
    /// Who calls, the span of the call, and whether anybody still waits for it.
    pub context: ToolContext,
}

/// A tool call that is over, as a hook of [`Chat::on_tool_result`] sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishedCall {
    /// What the model asked for.
    pub request: ToolRequest,
    /// What it is going to be told.
    pub result: ToolResult,
    /// Who called, and the span of the call.
    pub context: ToolContext,
}

/// What a hook says of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Approval {
    /// It goes on.
    #[default]
    Approved,
    /// It does not, for a reason that the model is told.
    Rejected(String),
}

impl Approval {
    /// A no, with the reason that the model is told.
    pub fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected(reason.into())
    }
}

/// What a hook may return: an [`Approval`], nothing at all (which approves), or either of them in
/// a `Result`, whose error fails the tool call.
pub trait IntoApproval {
    /// The approval, or the error that the tool call ends in.
    ///
    /// # Errors
    ///
    /// The hook's own.
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
            Err(error) => Err(ToolError::of(&error)),
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
    /// Whether the call may run.
    pub(super) async fn before(
        &self,
        request: &ToolRequest,
        definition: &ToolDefinition,
        context: &ToolContext,
    ) -> Result<(), ToolError> {
        for hook in &self.request {
            let call = PendingCall {
                request: request.clone(),
                definition: definition.clone(),
                context: context.clone(),
            };
            if let Approval::Rejected(reason) = ask(hook, call, &request.name).await? {
                return Err(rejected(format!("The tool call was rejected: {reason}")));
            }
        }
        Ok(())
    }

    /// Whether the model may be told the result; `result` makes it, where it is looked at.
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
            if let Approval::Rejected(reason) = ask(hook, call, &request.name).await? {
                return Err(rejected(format!("The tool's result is withheld: {reason}")));
            }
        }
        Ok(())
    }
}

fn rejected(message: String) -> ToolError {
    ToolError::new(error::TOOL_REJECTED, message)
}

/// Asks a hook. One that panics fails the tool call, and nothing else.
async fn ask<C>(hook: &Hook<C>, call: C, tool: &str) -> Result<Approval, ToolError> {
    // The hook itself may panic, before there is a future.
    AssertUnwindSafe(async move { hook(call).await }).catch_unwind().await.unwrap_or_else(|_| {
        Err(ToolError::new(error::PANIC, format!("A check of the tool `{tool}` crashed.")))
    })
}

impl Chat {
    /// Has that hook asked before each call of a tool: by a person who says yes or no, for
    /// example. It runs inside the call's `execute_tool` span, and a tool's own timeout begins
    /// after it.
    ///
    /// A [rejected](Approval::Rejected) call ends as an error of the type `tool_rejected`; the
    /// model reads the reason and the conversation goes on. A hook that fails or panics fails the
    /// call in the same way. Of several hooks all have to approve, in the order they were added.
    /// It is not asked about tools that the chat does not have.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider, chat::Approval};
    /// # async fn ask_somebody(_: &str) -> bool { true }
    /// # fn example(provider: impl Provider) {
    /// let chat = Chat::new(provider).on_tool_request(|call| async move {
    ///     let harmless = call.definition.annotations.read_only == Some(true);
    ///     if harmless || ask_somebody(&call.request.name).await {
    ///         Approval::Approved
    ///     } else {
    ///         Approval::rejected("the user said no")
    ///     }
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn on_tool_request<F, A>(
        mut self,
        hook: impl Fn(PendingCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = A> + Send + 'static,
        A: IntoApproval + 'static,
    {
        Arc::make_mut(&mut self.hooks).request.push(boxed(hook));
        self
    }

    /// Shows that hook each result before the model is told, failed calls and rejected ones
    /// included. It runs inside the call's `execute_tool` span.
    ///
    /// A hook that [rejects](Approval::Rejected) the result withholds it: the model reads the
    /// reason instead, and the call ends as an error of the type `tool_rejected`. A hook that
    /// fails or panics fails the call.
    ///
    /// ```
    /// # use chatlas_core::{Chat, Provider};
    /// # fn example(provider: impl Provider) {
    /// let chat = Chat::new(provider).on_tool_result(|call| async move {
    ///     println!("{}: {}", call.request.name, call.result.outcome.to_model_text());
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn on_tool_result<F, A>(
        mut self,
        hook: impl Fn(FinishedCall) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = A> + Send + 'static,
        A: IntoApproval + 'static,
    {
        Arc::make_mut(&mut self.hooks).result.push(boxed(hook));
        self
    }
}

fn boxed<C, F, A>(hook: impl Fn(C) -> F + Send + Sync + 'static) -> Hook<C>
where
    F: Future<Output = A> + Send + 'static,
    A: IntoApproval + 'static,
{
    Arc::new(move |call| {
        let asked = hook(call);
        Box::pin(async move { asked.await.into_approval() })
    })
}
