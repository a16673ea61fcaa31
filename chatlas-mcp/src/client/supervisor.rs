//! Keeps a connection open: reconnects with growing delays, and follows changes of the tools.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use chatlas_core::__private::McpSubject;
use chatlas_core::serde_json::Value;
use chatlas_core::telemetry::names::error::INVALID_ARGUMENTS;
use chatlas_core::telemetry::names::mcp::TOOLS_CALL;
use chatlas_core::{ToolContext, ToolError, ToolOutput};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ListToolsRequest, ServerNotification, ServerResult,
    SubscriptionFilter,
};
use rmcp::service::{RoleClient, RunningService};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::endpoint::McpEndpoint;
use super::handler::Handler;
use super::results::tool_output;
use super::server::Handle;
use super::session::{Outgoing, Session, open};
use super::tools::{Listed, listed, tool_set};
use crate::McpError;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(30);
/// A connection that lasted this long was sound: the delays start anew.
const SOUND: Duration = Duration::from_secs(60);
/// Changes within this time are one change.
const COALESCE: Duration = Duration::from_millis(50);
/// The time that a closed server has to end. The SDK kills a process after 6 seconds.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the handles, the tools and the supervisor of a server share.
pub(super) struct Shared {
    pub(super) endpoint: McpEndpoint,
    state: watch::Sender<State>,
    tools: RwLock<Arc<[Listed]>>,
    tools_changed: Notify,
    pub(super) closing: CancellationToken,
}

#[derive(Clone)]
enum State {
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

type Running = RunningService<RoleClient, Handler>;

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

    fn set_tools(&self, tools: Vec<Listed>) {
        *self.tools.write().unwrap_or_else(PoisonError::into_inner) = tools.into();
    }
}

/// Returns whether a call failed because the server does not have the tool, or its arguments have
/// changed. Some servers return the code in the text of a tool error.
fn is_unknown_tool(error: &ToolError) -> bool {
    matches!(error.error_type().as_ref(), "-32601" | "-32602") || error.message().contains("-32602")
}

/// Opens the first connection, and keeps it open until the last handle is dropped.
pub(super) async fn start(endpoint: McpEndpoint) -> Result<Arc<Handle>, McpError> {
    let (running, session) = open(&endpoint).await?;
    let tools = list_tools(&session, &endpoint).await?;
    let shared = Arc::new(Shared {
        endpoint,
        state: watch::Sender::new(State::Open(Arc::clone(&session))),
        tools: RwLock::new(tools.into()),
        tools_changed: Notify::new(),
        closing: CancellationToken::new(),
    });
    let handle = Arc::new(Handle { shared: Arc::clone(&shared) });
    tokio::spawn(supervise(shared, Arc::downgrade(&handle), running, session));
    Ok(handle)
}

async fn supervise(
    shared: Arc<Shared>,
    handle: Weak<Handle>,
    mut running: Running,
    mut session: Arc<Session>,
) {
    let mut delay = FIRST_DELAY;
    loop {
        let lost = drive(&shared, &handle, running, &session).await;
        let lasted = session.record_end(lost.as_ref());
        if lost.is_none() {
            break;
        }
        shared.state.send_replace(State::Lost(Arc::clone(&session)));
        if lasted > SOUND {
            delay = FIRST_DELAY;
        }
        let reopened = async {
            loop {
                sleep(delay).await;
                delay = (delay * 2).min(MAX_DELAY);
                if let Ok((running, session)) = open(&shared.endpoint).await
                    && let Ok(tools) = list_tools(&session, &shared.endpoint).await
                {
                    return (running, session, tools);
                }
            }
        };
        let Some((new, opened, tools)) = until_closing(&shared, reopened).await else { break };
        (running, session) = (new, opened);
        publish(&shared, &handle, tools);
        shared.state.send_replace(State::Open(Arc::clone(&session)));
    }
    shared.state.send_replace(State::Closed(session));
}

async fn until_closing<T>(shared: &Shared, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = shared.closing.cancelled() => None,
        value = future => Some(value),
    }
}

/// Returns when the connection has ended: with an error unless it was closed on purpose.
async fn drive(
    shared: &Shared,
    handle: &Weak<Handle>,
    running: Running,
    session: &Arc<Session>,
) -> Option<McpError> {
    let changed = Arc::clone(&running.service().tools_changed);
    let stop = running.cancellation_token();
    let _subscription = subscribe(session, &changed);
    let mut waiting = std::pin::pin!(running.waiting());
    loop {
        tokio::select! {
            _ = &mut waiting => return Some(session.closed()),
            () = shared.closing.cancelled() => break,
            () = changed.notified() => {}
            () = shared.tools_changed.notified() => {}
        }
        sleep(COALESCE).await;
        if let Ok(tools) = list_tools(session, &shared.endpoint).await {
            publish(shared, handle, tools);
        }
    }
    stop.cancel();
    let _ = timeout(CLOSE_TIMEOUT, waiting).await;
    None
}

/// Subscribes to changes where the protocol has no other way to announce them. Ended by the drop of
/// the guard.
fn subscribe(session: &Arc<Session>, changed: &Arc<Notify>) -> Option<tokio_util::sync::DropGuard> {
    let info = session.info()?;
    let announces = info.capabilities.tools.as_ref().and_then(|tools| tools.list_changed);
    if info.protocol_version.has_initialize() || announces != Some(true) {
        return None;
    }
    let token = CancellationToken::new();
    let (ended, session, changed) = (token.clone(), Arc::clone(session), Arc::clone(changed));
    let listening = async move {
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        // Some servers do not support it. Then a failed call is what reveals a change.
        let Ok(mut subscription) = session.peer().listen(filter).await else { return };
        while let Ok(Some(notification)) = subscription.next().await {
            if matches!(notification, ServerNotification::ToolListChangedNotification(_)) {
                changed.notify_one();
            }
        }
    };
    tokio::spawn(async move {
        tokio::select! {
            () = ended.cancelled() => {}
            () = listening => {}
        }
    });
    Some(token.drop_guard())
}

/// Replaces the tools, and calls the hook of the program.
fn publish(shared: &Shared, handle: &Weak<Handle>, tools: Vec<Listed>) {
    shared.set_tools(tools);
    if let (Some(hook), Some(handle)) = (&shared.endpoint.on_tools_changed, handle.upgrade()) {
        let tools = tool_set(&shared.tools(), &handle);
        // A panic of the program must not end the connection.
        let _ = catch_unwind(AssertUnwindSafe(|| hook(tools)));
    }
}

async fn list_tools(session: &Session, endpoint: &McpEndpoint) -> Result<Vec<Listed>, McpError> {
    if session.require("tools", |it| it.tools.is_some()).is_err() {
        return Ok(Vec::new());
    }
    let request = |page| ListToolsRequest { params: page, ..Default::default() }.into();
    let tools = session.list("tools/list", request, |result| match result {
        ServerResult::ListToolsResult(list) => Some((list.tools, list.next_cursor)),
        _ => None,
    });
    Ok(listed(tools.await?, endpoint))
}
