//! What the handles, the tools and the supervisor of a server share: the current connection, the
//! listed tools, and calls of them.

use std::sync::{Arc, PoisonError, RwLock};

use chatlas_core::__private::McpSubject;
use chatlas_core::serde_json::Value;
use chatlas_core::telemetry::names::error::INVALID_ARGUMENTS;
use chatlas_core::telemetry::names::mcp::TOOLS_CALL;
use chatlas_core::tool::BoxFuture;
use chatlas_core::{Tool, ToolCall, ToolContext, ToolDefinition, ToolError, ToolOutput, ToolSet};
use rmcp::model::{CallToolRequest, CallToolRequestParams, ServerResult};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::endpoint::McpEndpoint;
use super::results::tool_output;
use super::session::{Outgoing, Session};
use super::tools::Listed;
use crate::McpError;

/// The state of a server.
pub(super) struct Shared {
    pub(super) endpoint: McpEndpoint,
    pub(super) state: watch::Sender<State>,
    pub(super) tools: RwLock<Arc<[Listed]>>,
    pub(super) tools_changed: Notify,
    pub(super) closing: CancellationToken,
}

#[derive(Clone)]
pub(super) enum State {
    Open(Arc<Session>),
    /// The connection has ended, and is opened again.
    Lost(Arc<Session>),
    Closed(Arc<Session>),
}

impl State {
    fn session(&self) -> &Arc<Session> {
        let (Self::Open(session) | Self::Lost(session) | Self::Closed(session)) = self;
        session
    }
}

/// Closes the connection when it is dropped.
pub(super) struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}

impl Shared {
    /// Returns the current connection. Waits for one that is being opened again.
    pub(super) async fn session(&self) -> Result<Arc<Session>, McpError> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Lost(_)));
        let _ = timeout(self.endpoint.connect_timeout, settled).await;
        match &*self.state.borrow() {
            State::Open(session) => Ok(Arc::clone(session)),
            State::Lost(session) | State::Closed(session) => Err(session.closed()),
        }
    }

    /// Returns the latest connection, which may have ended.
    pub(super) fn latest(&self) -> Arc<Session> {
        Arc::clone(self.state.borrow().session())
    }

    pub(super) fn tools(&self) -> Arc<[Listed]> {
        Arc::clone(&self.tools.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the connection is closed.
    pub(super) async fn closed(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| matches!(state, State::Closed(_))).await;
    }

    /// Calls a tool by its name on the server. `model_name` is the name that the model uses.
    pub(super) async fn call_tool(
        &self,
        name: &str,
        model_name: &str,
        arguments: Value,
        context: Option<&ToolContext>,
    ) -> Result<ToolOutput, ToolError> {
        let mut params = CallToolRequestParams::new(name.to_owned());
        match &arguments {
            Value::Object(fields) => params = params.with_arguments(fields.clone()),
            Value::Null => {}
            _ => {
                let message = "the arguments are not a JSON object";
                return Err(ToolError::new(INVALID_ARGUMENTS, message));
            }
        }
        let subject = McpSubject::RemoteTool { name, model_name };
        let arguments = Some(&arguments);
        let outgoing = Outgoing { method: TOOLS_CALL, subject, arguments, context };
        let session = self.session().await?;
        let (span, result) = session.send(CallToolRequest::new(params).into(), outgoing).await;
        let code = result.as_ref().err().and_then(McpError::code);
        let outcome = match result {
            Ok(ServerResult::CallToolResult(result)) => tool_output(result),
            Ok(ServerResult::InputRequiredResult(_)) => Err(McpError::InputRequired.into()),
            Ok(_) => Err(McpError::UnexpectedResponse.into()),
            Err(error) => Err(error.into()),
        };
        span.finish(outcome.as_ref().map(Some), code);
        // Not every server announces that it has removed a tool.
        if outcome.as_ref().is_err_and(is_unknown_tool) {
            self.tools_changed.notify_one();
        }
        outcome
    }

    pub(super) fn set_tools(&self, tools: Vec<Listed>) {
        *self.tools.write().unwrap_or_else(PoisonError::into_inner) = tools.into();
    }
}

/// Returns whether a call failed because the server does not have the tool, or its arguments have
/// changed. Some servers return the code in the text of a tool error.
fn is_unknown_tool(error: &ToolError) -> bool {
    matches!(error.error_type().as_ref(), "-32601" | "-32602") || error.message().contains("-32602")
}

/// Returns the tools as a set.
pub(super) fn tool_set(list: &[Listed], handle: &Arc<Handle>) -> ToolSet {
    list.iter()
        .map(|listed| RemoteTool { listed: listed.clone(), handle: Arc::clone(handle) })
        .collect()
}

/// A tool of a server, for a chat. It keeps the connection open.
struct RemoteTool {
    listed: Listed,
    handle: Arc<Handle>,
}

impl Tool for RemoteTool {
    fn definition(&self) -> &ToolDefinition {
        &self.listed.definition
    }

    fn call(&self, call: ToolCall) -> BoxFuture<'_, Result<ToolOutput, ToolError>> {
        Box::pin(async move {
            let Listed { definition, name } = &self.listed;
            let shared = &self.handle.shared;
            shared.call_tool(name, &definition.name, call.arguments, Some(&call.context)).await
        })
    }
}
