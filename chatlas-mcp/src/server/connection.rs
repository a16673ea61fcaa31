//! The requests of one client.

use std::future::Future;
use std::panic::AssertUnwindSafe;
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
use futures_util::FutureExt as _;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, DiscoverResult, ErrorData, GetPromptRequestParams,
    GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult,
    ListPromptsResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ProgressToken, PromptsCapability, ReadResourceRequestParams,
    ReadResourceResponse, ResourcesCapability, ServerCapabilities, ServerConfig,
    SubscriptionFilter, ToolListChangedNotification,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, RoleServer, SubscriptionContext};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::Shared;
use super::offers::unknown_resource;
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
    /// Cancelled when the input ends or the connection is dropped.
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

    /// Returns the token that ends the subscriptions of the client.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
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

    /// Answers a request by a function of the program, in the context of its span.
    async fn answer_with<T>(
        &self,
        span: McpSpan,
        context: &RequestContext<RoleServer>,
        work: impl Future<Output = Result<T, ErrorData>> + Send,
    ) -> Result<T, ErrorData> {
        // The handler runs in a task of the SDK, which has no context.
        let around = span.context().cloned().unwrap_or_default();
        let work = AssertUnwindSafe(work).catch_unwind().with_context(around);
        let result = tokio::select! {
            biased;
            () = context.ct.cancelled() => return Err(cancelled()),
            result = work => result,
        };
        let panicked = |_| Err(ErrorData::internal_error("the server's function panicked", None));
        let result = result.unwrap_or_else(panicked);
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

/// Returns the error of a cancelled request. Its span is marked as cancelled when it is dropped.
fn cancelled() -> ErrorData {
    ErrorData::internal_error("the request was cancelled", None)
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
        let Shared { name, version, instructions, resources, prompts, .. } = &*self.shared;
        let mut capabilities =
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        capabilities.resources = (!resources.is_empty()).then(ResourcesCapability::default);
        capabilities.prompts = (!prompts.is_empty()).then(PromptsCapability::default);
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
            return Err(cancelled());
        };
        span.finish(outcome.as_ref().map(Some), None);
        Ok(call_result(outcome).into())
    }

    fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> + Send + '_ {
        let listed = || {
            let resources = self.shared.resources.iter().map(|resource| resource.info.to_model());
            Ok(ListResourcesResult::with_all_items(resources.collect()))
        };
        std::future::ready(self.answer("resources/list", &context, listed))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let subject = McpSubject::Resource(&params.uri);
        let span = self.begin("resources/read", subject, None, &context);
        let mut resources = self.shared.resources.iter();
        let resource = resources.find(|resource| resource.info.uri == params.uri);
        let version = context.protocol_version();
        let read = async {
            let Some(resource) = resource else {
                return Err(unknown_resource(&params.uri, version.as_ref()));
            };
            Ok(resource.read().await?.into())
        };
        self.answer_with(span, &context, read).await
    }

    fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Result<ListPromptsResult, ErrorData>> + Send + '_ {
        let listed = || {
            let prompts = self.shared.prompts.iter().map(|prompt| prompt.info.to_model());
            Ok(ListPromptsResult::with_all_items(prompts.collect()))
        };
        std::future::ready(self.answer("prompts/list", &context, listed))
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let prompt = self.shared.prompts.iter().find(|prompt| prompt.info.name == params.name);
        let subject = match prompt {
            Some(_) => McpSubject::Prompt(&params.name),
            None => McpSubject::UnknownPrompt(&params.name),
        };
        let arguments = params.arguments.unwrap_or_default();
        let recorded = Value::Object(arguments.clone());
        let span = self.begin("prompts/get", subject, Some(&recorded), &context);
        let expanded = async {
            let Some(prompt) = prompt else {
                let message = format!("Unknown prompt: {}", params.name);
                return Err(ErrorData::invalid_params(message, None));
            };
            Ok(prompt.expand(arguments).await?.into())
        };
        self.answer_with(span, &context, expanded).await
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
                () = self.ended.cancelled() => return Ok(()),
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
