//! The tool calls of one reply.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};

use super::StreamEvent;
use super::chat::ToolMode;
use super::history::History;
use super::run::Agent;
use crate::content::{ToolOutcome, ToolRequest, ToolResult};
use crate::telemetry::in_context;
use crate::telemetry::names::error;
use crate::telemetry::tool::{Subject, ToolFacts, ToolSpan};
use crate::tool::{Caller, Progress, Tool, ToolCall, ToolContext, ToolError, ToolOutput};

impl Agent<'_> {
    /// Runs the tool calls of one reply, and adds their results to the history.
    pub(super) async fn run_tools(&self, requests: &[ToolRequest], history: &mut History<'_>) {
        match self.tool_mode {
            ToolMode::Sequential => {
                for (index, request) in requests.iter().enumerate() {
                    let result = self.run_tool(request).await;
                    self.add_result(history, index, result).await;
                }
            }
            ToolMode::Concurrent => {
                let mut running: FuturesUnordered<_> = requests
                    .iter()
                    .enumerate()
                    .map(|(index, request)| async move { (index, self.run_tool(request).await) })
                    .collect();
                while let Some((index, result)) = running.next().await {
                    self.add_result(history, index, result).await;
                }
            }
        }
    }

    async fn add_result(&self, history: &mut History<'_>, index: usize, result: ToolResult) {
        history.set_result(index, result.clone());
        self.emit(|| StreamEvent::ToolResult(result)).await;
    }

    /// Runs a tool call in its `execute_tool` span. Always returns a result for the model.
    async fn run_tool(&self, request: &ToolRequest) -> ToolResult {
        let tool = self.tools.get(&request.name);
        let facts = || ToolFacts {
            subject: tool
                .map_or(Subject::Unknown(&request.name), |tool| Subject::Tool(tool.definition())),
            call: Some((&request.id, &request.arguments)),
            agent_name: self.name,
            conversation_id: self.conversation_id,
        };
        let span = ToolSpan::start(&self.telemetry, facts);
        let outcome = in_context(span.context(), self.call_with_hooks(tool, request)).await;
        span.finish(outcome.as_ref());
        tool_result(request, outcome)
    }

    async fn call_with_hooks(
        &self,
        tool: Option<&Arc<dyn Tool>>,
        request: &ToolRequest,
    ) -> Result<ToolOutput, ToolError> {
        let token = self.cancellation.child_token();
        let _cancel_when_done = token.clone().drop_guard();
        let caller = Caller {
            agent_name: self.name.cloned(),
            conversation_id: self.conversation_id.cloned(),
        };
        let progress = self.events.clone().map(|e| Arc::new(e) as Arc<dyn Progress>);
        let id: Arc<str> = request.id.as_str().into();
        let context = ToolContext::for_loop(id.clone(), caller, token, progress);
        let outcome = match tool {
            Some(tool) => self.call_if_approved(&**tool, request, id, &context).await,
            None => Err(self.unknown_tool(&request.name)),
        };
        self.hooks.after(request, || tool_result(request, outcome.clone()), &context).await?;
        outcome
    }

    async fn call_if_approved(
        &self,
        tool: &dyn Tool,
        request: &ToolRequest,
        id: Arc<str>,
        context: &ToolContext,
    ) -> Result<ToolOutput, ToolError> {
        let definition = tool.definition();
        self.hooks.before(request, definition, context).await?;
        let arguments = request.arguments.clone();
        let call = ToolCall { id, arguments, context: context.clone() };
        // `Tool::call` itself may panic, before it returns a future.
        let calling = with_timeout(definition.timeout, async move { tool.call(call).await });
        AssertUnwindSafe(calling).catch_unwind().await.unwrap_or_else(|_| {
            Err(ToolError::new(error::PANIC, format!("The tool `{}` crashed.", request.name)))
        })
    }

    fn unknown_tool(&self, name: &str) -> ToolError {
        let names: Vec<&str> = self.definitions.iter().map(|tool| tool.name.as_ref()).collect();
        let available = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        ToolError::new(
            error::UNKNOWN_TOOL,
            format!("There is no tool named `{name}`. The tools are: {available}."),
        )
    }
}

/// Returns the output of a future, or an error if it exceeds the time limit.
async fn with_timeout<T>(
    timeout: Option<Duration>,
    future: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    let Some(timeout) = timeout else { return future.await };
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(ToolError::new(
            error::NO_TIMER,
            "A tool with a timeout needs a tokio runtime with a timer.",
        ));
    }
    tokio::time::timeout(timeout, future).await.unwrap_or_else(|_| {
        Err(ToolError::new(error::TIMEOUT, format!("The tool did not finish within {timeout:?}.")))
    })
}

/// Returns the result of a call, as it is sent to the model.
fn tool_result(request: &ToolRequest, outcome: Result<ToolOutput, ToolError>) -> ToolResult {
    let outcome = match outcome {
        Ok(output) => output.into(),
        Err(error) => ToolOutcome::Error(error.message().to_owned()),
    };
    ToolResult::new(&*request.id, &*request.name, outcome)
}
