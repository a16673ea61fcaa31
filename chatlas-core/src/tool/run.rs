//! Runs a tool: within its time limit, and with a panic as an error.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Progress, Tool, ToolCall, ToolContext, ToolError, ToolOutput};
use crate::telemetry::names::error;

/// Calls a tool with arguments that have been converted.
pub(crate) async fn run_tool(tool: &dyn Tool, call: ToolCall) -> Result<ToolOutput, ToolError> {
    let definition = tool.definition();
    // `Tool::call` itself may panic, before it returns a future.
    let calling = with_timeout(definition.timeout, async move { tool.call(call).await });
    AssertUnwindSafe(calling).catch_unwind().await.unwrap_or_else(|_| {
        Err(ToolError::new(error::PANIC, format!("The tool `{}` crashed.", definition.name)))
    })
}

/// Calls a tool for a client of the program, as the loop calls it for a model.
pub async fn run_tool_for_client(
    tool: &dyn Tool,
    id: Arc<str>,
    arguments: Value,
    cancellation: CancellationToken,
    on_progress: Option<Box<dyn Fn(ToolOutput) + Send + Sync>>,
) -> Result<ToolOutput, ToolError> {
    let progress = on_progress.map(|hook| Arc::new(Hook(hook)) as Arc<dyn Progress>);
    let context = ToolContext::for_client(Arc::clone(&id), cancellation, progress);
    let mut call = ToolCall { id, arguments, context };
    call.coerce(&tool.definition().parameters);
    run_tool(tool, call).await
}

struct Hook(Box<dyn Fn(ToolOutput) + Send + Sync>);

impl Progress for Hook {
    fn progress(&self, _: &Arc<str>, output: ToolOutput) {
        (self.0)(output);
    }
}

/// Returns whether the current runtime can measure time.
pub(crate) fn has_timer() -> bool {
    // The timer of a runtime may be disabled; then a sleep panics when it is created.
    tokio::runtime::Handle::try_current().is_ok()
        && catch_unwind(|| tokio::time::sleep(Duration::ZERO)).is_ok()
}

/// Returns the output of a future, or an error if it exceeds the time limit.
async fn with_timeout<T>(
    timeout: Option<Duration>,
    future: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    let Some(timeout) = timeout else { return future.await };
    if !has_timer() {
        return Err(ToolError::new(
            error::NO_TIMER,
            "A tool with a timeout needs a tokio runtime with a timer.",
        ));
    }
    tokio::time::timeout(timeout, future).await.unwrap_or_else(|_| {
        Err(ToolError::new(error::TIMEOUT, format!("The tool did not finish within {timeout:?}.")))
    })
}
