//! Keeps a connection open: reconnects with growing delays, and follows changes of the tools.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;

use rmcp::model::{ListToolsRequest, ServerNotification, ServerResult, SubscriptionFilter};
use rmcp::service::{RoleClient, RunningService};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::endpoint::McpEndpoint;
use super::handler::Handler;
use super::session::{Session, open};
use super::shared::{Handle, Shared, State, tool_set};
use super::tools::{Listed, listed};
use crate::McpError;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(30);
/// A connection that lasted this long was sound: the delays start anew.
const SOUND: Duration = Duration::from_secs(60);
/// Changes within this time are one change.
const COALESCE: Duration = Duration::from_millis(50);
/// The time that a closed server has to end. The SDK kills a process after 6 seconds.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

type Running = RunningService<RoleClient, Handler>;

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
