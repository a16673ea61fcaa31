//! The requests of one client.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chatlas_core::__private::{
    McpConnection, McpRequest, McpSide, McpSpan, McpSubject, record_mcp_session,
    run_tool_for_client,
};
use chatlas_core::serde_json::Value;
use chatlas_core::telemetry::names::mcp::TOOLS_CALL;
use chatlas_core::{CancellationToken, Tool, ToolError, ToolOutput};
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, DiscoverResult, ErrorData, Implementation,
    InitializeRequestParams, InitializeResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ProgressToken, ServerCapabilities, ServerConfig, SubscriptionFilter,
    ToolListChangedNotification,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, RoleServer, SubscriptionContext};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::Shared;
use super::results::{call_result, definition, progress};

/// The number of progress reports that wait for the client. Later ones are dropped.
const PENDING_PROGRESS: usize = 64;

/// The context around the HTTP request, such as the span of a web framework.
#[derive(Clone)]
pub(super) struct Ambient(pub(super) Context);

/// The connection of a client: over HTTP, its session.
pub(super) struct Connection {
    shared: Arc<Shared>,
    is_http: bool,
    session: Mutex<Option<(Instant, McpConnection)>>,
    /// Cancelled when the connection is dropped.
    ended: CancellationToken,
    _end: DropGuard,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, is_http: bool) -> Self {
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        let connection = Self { shared, is_http, session: Mutex::default(), ended, _end: end };
        if !is_http {
            connection.start_session(None);
        }
        connection
    }

    fn facts(&self, protocol_version: Option<String>) -> McpConnection {
        let (side, is_http) = (McpSide::Server, self.is_http);
        McpConnection { side, protocol_version, is_http, server: None }
    }

    fn start_session(&self, version: Option<String>) {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let started = session.take().map_or_else(Instant::now, |(started, _)| started);
        *session = Some((started, self.facts(version)));
    }

    /// Starts the span of a request.
    fn begin(
        &self,
        method: &'static str,
        subject: McpSubject<'_>,
        arguments: Option<&Value>,
        context: &RequestContext<RoleServer>,
    ) -> McpSpan {
        let parts = context.extensions.get::<http::request::Parts>();
        let session = parts.and_then(|parts| parts.headers.get("mcp-session-id")?.to_str().ok());
        let ambient = parts.and_then(|parts| parts.extensions.get::<Ambient>());
        let connection = self.facts(context.protocol_version().map(|version| version.to_string()));
        let request = McpRequest {
            connection: &connection,
            method,
            subject,
            id: Some(context.id.to_string()),
            session: session.map(str::to_owned),
            arguments,
        };
        let get = |key: &str| {
            let value = match key {
                "traceparent" => context.meta.get_traceparent(),
                "tracestate" => context.meta.get_tracestate(),
                _ => context.meta.get_baggage(),
            };
            value.map(str::to_owned)
        };
        let ambient = ambient.map_or_else(Context::current, |ambient| ambient.0.clone());
        McpSpan::start_server(&request, &get, &ambient)
    }

    /// Answers a request about nothing in particular in its span.
    fn answer<T>(
        &self,
        method: &'static str,
        context: &RequestContext<RoleServer>,
        result: impl FnOnce() -> Result<T, ErrorData>,
    ) -> Result<T, ErrorData> {
        let span = self.begin(method, McpSubject::Nothing, None, context);
        let result = result();
        finish(span, &result);
        result
    }

    async fn run(
        &self,
        tool: Arc<dyn Tool>,
        arguments: Value,
        context: &RequestContext<RoleServer>,
    ) -> Option<Result<ToolOutput, ToolError>> {
        let token = context.meta.get_progress_token();
        let (sender, mut reports) = mpsc::channel(PENDING_PROGRESS);
        let hook = token.is_some().then(|| {
            Box::new(move |output| drop(sender.try_send(output)))
                as Box<dyn Fn(ToolOutput) + Send + Sync>
        });
        let id = context.id.to_string().into();
        let cancellation = context.ct.child_token();
        let _cancel = cancellation.clone().drop_guard();
        let mut running = pin!(run_tool_for_client(&*tool, id, arguments, cancellation, hook));
        let mut count = 0;
        loop {
            tokio::select! {
                biased;
                () = context.ct.cancelled() => return None,
                Some(output) = reports.recv() => {
                    count += 1;
                    report(&context.peer, token.as_ref(), count, output).await;
                }
                outcome = &mut running => {
                    while let Ok(output) = reports.try_recv() {
                        count += 1;
                        report(&context.peer, token.as_ref(), count, output).await;
                    }
                    return Some(outcome);
                }
            }
        }
    }
}

async fn report(
    peer: &Peer<RoleServer>,
    token: Option<&ProgressToken>,
    count: u32,
    output: ToolOutput,
) {
    let Some(token) = token else { return };
    let (amount, total, message) = progress(output);
    let mut param =
        ProgressNotificationParam::new(token.clone(), amount.unwrap_or_else(|| count.into()));
    param.total = total;
    param.message = message;
    // A client that has gone does not fail the tool.
    let _ = peer.notify_progress(param).await;
}

fn finish<T>(span: McpSpan, result: &Result<T, ErrorData>) {
    match result {
        Ok(_) => span.finish(Ok(None), None),
        Err(error) => {
            let code = error.code.0;
            let error = ToolError::new(code.to_string(), error.message.to_string());
            span.finish(Err(&error), Some(code));
        }
    }
}

impl ServerHandler for Connection {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        let Shared { name, version, instructions, .. } = &*self.shared;
        let mut config = ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(name.clone(), version.clone()));
        config.instructions.clone_from(instructions);
        config
    }

    fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<InitializeResult, ErrorData>> + Send + '_ {
        let result = self.answer("initialize", &context, || {
            context.peer.set_peer_info(request.clone());
            self.negotiate_initialize(&request)
        });
        if let Ok(result) = &result {
            self.start_session(Some(result.protocol_version.to_string()));
        }
        std::future::ready(result)
    }

    fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<DiscoverResult, ErrorData>> + Send + '_ {
        let versions = self.supported_protocol_versions().into_owned();
        let discovered = || Ok(DiscoverResult::from_server_info(versions, self.get_info()));
        std::future::ready(self.answer("server/discover", &context, discovered))
    }

    fn ping(
        &self,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<(), ErrorData>> + Send + '_ {
        std::future::ready(self.answer("ping", &context, || Ok(())))
    }

    fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> + Send + '_ {
        let listed = || {
            let definitions = self.shared.tools.borrow().definitions();
            Ok(ListToolsResult::with_all_items(definitions.iter().map(definition).collect()))
        };
        std::future::ready(self.answer("tools/list", &context, listed))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = Value::Object(params.arguments.unwrap_or_default());
        let tool = self.shared.tools.borrow().get(&params.name).cloned();
        let Some(tool) = tool else {
            let subject = McpSubject::UnknownTool(&params.name);
            let span = self.begin(TOOLS_CALL, subject, Some(&arguments), &context);
            let message = format!("Unknown tool: {}", params.name);
            let result = Err(ErrorData::invalid_params(message, None));
            finish(span, &result);
            return result;
        };
        let subject = McpSubject::Tool(tool.definition());
        let span = self.begin(TOOLS_CALL, subject, Some(&arguments), &context);
        // The handler runs in a task of the SDK, which has no context.
        let around = span.context().cloned().unwrap_or_default();
        let outcome = self.run(tool, arguments, &context).with_context(around).await;
        let Some(outcome) = outcome else {
            // The dropped span is marked as cancelled.
            return Err(ErrorData::internal_error("the request was cancelled", None));
        };
        span.finish(outcome.as_ref().map(Some), None);
        Ok(call_result(outcome).into())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let mut accepted = SubscriptionFilter::new();
        accepted.tools_list_changed = requested.tools_list_changed;
        Some(accepted)
    }

    /// Announces changes to a client without a handshake, which subscribes to them.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut tools = self.shared.tools.subscribe();
        loop {
            tokio::select! {
                () = context.cancelled() => return Ok(()),
                () = self.shared.closing.cancelled() => return Ok(()),
                changed = tools.changed() => {
                    let notification = ToolListChangedNotification::default();
                    if changed.is_err() || context.sink().send(notification.into()).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Announces changes to a client with a handshake.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let mut tools = self.shared.tools.subscribe();
        let (ended, peer) = (self.ended.clone(), context.peer);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = ended.cancelled() => return,
                    changed = tools.changed() => {
                        if changed.is_err() || peer.notify_tool_list_changed().await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let session = self.session.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some((started, connection)) = session {
            record_mcp_session(connection, started.elapsed(), None);
        }
    }
}
