//! One connection to a server: how it is opened, and how a request is made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chatlas_core::__private::{
    McpConnection, McpRequest, McpSide, McpSpan, McpStart, McpSubject, record_mcp_session,
};
use chatlas_core::serde_json::Value;
use chatlas_core::{ToolContext, ToolError};
use http::{HeaderName, HeaderValue};
use process_wrap::tokio::CommandWrap;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientRequest, PaginatedRequestParams,
    ProtocolVersion, RequestId, RequestMetaObject, ServerCapabilities, ServerPeerInfo,
    ServerResult,
};
use rmcp::service::{
    ClientInitializeError, Peer, PeerRequestOptions, RoleClient, RunningService, ServiceError,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};
use tokio::time::timeout;

use super::endpoint::{McpEndpoint, ProcessCommand, Transport};
use super::handler::{Handler, ProgressReceivers};
use super::http::{NotingClient, SessionId};
use super::stderr::StderrTail;
use crate::McpError;

/// The maximum number of pages of a list: a server that returns more does not end it.
const MAX_PAGES: usize = 1000;

/// An open connection.
pub(super) struct Session {
    peer: Peer<RoleClient>,
    connection: McpConnection,
    id: SessionId,
    stderr: StderrTail,
    progress: ProgressReceivers,
    endpoint: McpEndpoint,
    started: Instant,
}

/// A request about to be made.
pub(super) struct Outgoing<'a> {
    pub(super) method: &'static str,
    pub(super) subject: McpSubject<'a>,
    pub(super) arguments: Option<&'a Value>,
    pub(super) context: Option<&'a ToolContext>,
}

impl Outgoing<'_> {
    pub(super) fn new(method: &'static str) -> Self {
        Self { method, subject: McpSubject::Nothing, arguments: None, context: None }
    }
}

type Running = RunningService<RoleClient, Handler>;

/// Opens a connection within the time limit of the endpoint.
pub(super) async fn open(endpoint: &McpEndpoint) -> Result<(Running, Arc<Session>), McpError> {
    let start = McpStart::now();
    let started = Instant::now();
    let stderr = StderrTail::default();
    let id = SessionId::default();
    let handler = Handler::default();
    let progress = handler.progress.clone();
    let server = match &endpoint.transport {
        Transport::Process(_) => None,
        Transport::Http(url) => address(url)?,
    };
    let opening = async {
        let newest = vec![ProtocolVersion::V_2026_07_28];
        let handshake = Some(ProtocolVersion::LATEST_WITH_INITIALIZE);
        let any =
            ClientLifecycleMode::Auto { preferred_versions: newest, legacy_version: handshake };
        match connect(endpoint, any, handler.clone(), &id, &stderr).await {
            Err(Failure::Handshake(error)) if is_confused(&error) => {
                let mode = ClientLifecycleMode::Initialize;
                connect(endpoint, mode, handler, &id, &stderr).await
            }
            result => result,
        }
        .map_err(|failure| failure.into_error(endpoint, &stderr))
    };
    let opened = timeout(endpoint.connect_timeout, opening)
        .await
        .unwrap_or(Err(McpError::Timeout { after: endpoint.connect_timeout }));
    let info = opened.as_ref().ok().and_then(|running| running.peer().peer_info());
    let version = info.map(|info| info.protocol_version.clone());
    let is_handshake = version.as_ref().is_none_or(ProtocolVersion::has_initialize);
    let connection = McpConnection {
        side: McpSide::Client,
        protocol_version: version.map(|version| version.to_string()),
        is_http: matches!(endpoint.transport, Transport::Http(_)),
        server,
    };
    let request = McpRequest {
        connection: &connection,
        method: if is_handshake { "initialize" } else { "server/discover" },
        subject: McpSubject::Nothing,
        id: None,
        session: id.get(),
        arguments: None,
    };
    let error = opened.as_ref().err().map(ToolError::from);
    McpSpan::record_handshake(start, &request, error.as_ref().map_or(Ok(()), Err));
    let running = opened?;
    let peer = running.peer().clone();
    let endpoint = endpoint.clone();
    let session = Session { peer, connection, id, stderr, progress, endpoint, started };
    Ok((running, Arc::new(session)))
}

/// Starts the process of a server in a process group: launchers such as `npx` start another process.
fn spawn(command: &ProcessCommand, stderr: &StderrTail) -> Result<TokioChildProcess, McpError> {
    let mut command_wrap = CommandWrap::from(tokio::process::Command::from(command.to_command()));
    #[cfg(unix)]
    command_wrap.wrap(process_wrap::tokio::ProcessGroup::leader());
    let (process, pipe) = TokioChildProcess::builder(command_wrap)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .map_err(|source| McpError::Spawn { program: command.program(), source })?;
    if let Some(pipe) = pipe {
        tokio::spawn(stderr.clone().read(pipe));
    }
    Ok(process)
}

/// Returns the host and port of a URL.
fn address(url: &str) -> Result<Option<(String, Option<u16>)>, McpError> {
    let url = reqwest::Url::parse(url).map_err(|error| McpError::Endpoint {
        message: format!("the URL cannot be parsed: {error}"),
    })?;
    Ok(url.host_str().map(|host| (host.to_owned(), url.port_or_known_default())))
}

fn http_transport(
    url: &str,
    endpoint: &McpEndpoint,
    session: SessionId,
) -> Result<StreamableHttpClientTransport<NotingClient>, McpError> {
    let invalid = |message: String| McpError::Endpoint { message };
    let mut headers = std::collections::HashMap::new();
    for (name, value) in &endpoint.headers {
        let key = HeaderName::try_from(name)
            .map_err(|_| invalid(format!("`{name}` is not a header name")))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| invalid(format!("the value of the header `{name}` is not valid")))?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    let client = chatlas_providers::__private::http_client(
        endpoint.connect_timeout,
        !url.starts_with("https:"),
    )
    .map_err(|error| invalid(error.to_string()))?;
    let client = NotingClient { client, session };
    let config = StreamableHttpClientTransportConfig::with_uri(url).custom_headers(headers);
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

/// Why a connection could not be opened.
enum Failure {
    Handshake(Box<ClientInitializeError>),
    Other(McpError),
}

impl From<McpError> for Failure {
    fn from(error: McpError) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    fn into_error(self, endpoint: &McpEndpoint, stderr: &StderrTail) -> McpError {
        match self {
            Self::Other(error) => error,
            Self::Handshake(error) => rpc_error(&error).unwrap_or_else(|| McpError::Connect {
                message: endpoint.redact(with_causes(&error)),
                stderr: stderr.text(),
            }),
        }
    }
}

/// Starts or reaches the server, and agrees with it on a version of the protocol.
async fn connect(
    endpoint: &McpEndpoint,
    mode: ClientLifecycleMode,
    handler: Handler,
    session: &SessionId,
    stderr: &StderrTail,
) -> Result<Running, Failure> {
    // Boxed, because the futures of the SDK are large.
    let result = match &endpoint.transport {
        Transport::Process(command) => {
            let transport = spawn(command, stderr)?;
            Box::pin(handler.serve_with_lifecycle(transport, mode)).await
        }
        Transport::Http(url) => {
            let transport = http_transport(url, endpoint, session.clone())?;
            Box::pin(handler.serve_with_lifecycle(transport, mode)).await
        }
    };
    result.map_err(|error| Failure::Handshake(Box::new(error)))
}

/// Returns whether the server does not know discovery, but does not report it either: some older
/// servers answer an unknown request with an empty result, or end.
fn is_confused(error: &ClientInitializeError) -> bool {
    matches!(
        error,
        ClientInitializeError::ExpectedInitResult(_)
            | ClientInitializeError::ExpectedInitResponse(_)
            | ClientInitializeError::ConnectionClosed(_)
    )
}

fn rpc_error(error: &ClientInitializeError) -> Option<McpError> {
    match error {
        ClientInitializeError::JsonRpcError(error) => {
            Some(McpError::Rpc { code: error.code.0, message: error.message.to_string() })
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => rpc_error(fallback),
        _ => None,
    }
}

/// Returns the message of an error with those of its causes, each once.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        source = cause.source();
    }
    text
}

impl Session {
    pub(super) fn info(&self) -> Option<Arc<ServerPeerInfo>> {
        self.peer.peer_info()
    }

    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        &self.peer
    }

    /// Returns an error unless the server has the capability.
    pub(super) fn require(
        &self,
        capability: &'static str,
        has: impl FnOnce(&ServerCapabilities) -> bool,
    ) -> Result<(), McpError> {
        match self.info() {
            Some(info) if has(&info.capabilities) => Ok(()),
            _ => Err(McpError::Unsupported { capability }),
        }
    }

    /// Makes a request that is no tool call, and converts its result.
    pub(super) async fn request<T>(
        &self,
        request: ClientRequest,
        outgoing: Outgoing<'_>,
        convert: impl FnOnce(ServerResult) -> Option<T>,
    ) -> Result<T, McpError> {
        let (span, result) = self.send(request, outgoing).await;
        let result = result.and_then(|result| match result {
            ServerResult::InputRequiredResult(_) => Err(McpError::InputRequired),
            other => convert(other).ok_or(McpError::UnexpectedResponse),
        });
        let error = result.as_ref().err().map(ToolError::from);
        let code = result.as_ref().err().and_then(McpError::code);
        span.finish(error.as_ref().map_or(Ok(None), Err), code);
        result
    }

    /// Makes the requests for all pages of a list.
    pub(super) async fn list<T>(
        &self,
        method: &'static str,
        request: impl Fn(Option<PaginatedRequestParams>) -> ClientRequest,
        convert: impl Fn(ServerResult) -> Option<(Vec<T>, Option<String>)>,
    ) -> Result<Vec<T>, McpError> {
        let mut all = Vec::new();
        let mut page = None;
        for _ in 0..MAX_PAGES {
            let outgoing = Outgoing::new(method);
            let (items, next) = self.request(request(page), outgoing, &convert).await?;
            all.extend(items);
            let Some(next) = next else { break };
            page = Some(PaginatedRequestParams::default().with_cursor(Some(next)));
        }
        Ok(all)
    }

    /// Makes a request. The caller ends the span. If the future is dropped, the server is notified.
    pub(super) async fn send(
        &self,
        request: ClientRequest,
        outgoing: Outgoing<'_>,
    ) -> (McpSpan, Result<ServerResult, McpError>) {
        let Outgoing { method, subject, arguments, context } = outgoing;
        let connection = &self.connection;
        let facts = McpRequest { connection, method, subject, id: None, session: None, arguments };
        let span = McpSpan::start_client(&facts, context);
        let mut meta = RequestMetaObject::new();
        span.inject(&mut |key, value| match key {
            "traceparent" => meta.set_traceparent(value),
            "tracestate" => meta.set_tracestate(value),
            _ => meta.set_baggage(value),
        });
        let result = self.exchange(request, meta, &span, context).await;
        (span, result)
    }

    async fn exchange(
        &self,
        request: ClientRequest,
        meta: RequestMetaObject,
        span: &McpSpan,
        context: Option<&ToolContext>,
    ) -> Result<ServerResult, McpError> {
        let limit = self.endpoint.max_call_time;
        let idle = self.endpoint.call_timeout.min(limit);
        let options = PeerRequestOptions::with_timeout(idle)
            .reset_timeout_on_progress()
            .with_max_total_timeout(limit)
            .with_meta(meta);
        let handle = timeout(idle, self.peer.send_request_with_option(request, options))
            .await
            .map_err(|_| McpError::Timeout { after: idle })?
            .map_err(|error| self.failure(error))?;
        let _progress =
            context.map(|context| self.progress.add(handle.progress_token.clone(), context));
        let mut pending = Pending { peer: &self.peer, id: Some(handle.id.clone()) };
        span.set_ids(handle.id.to_string(), self.id.get());
        let result = handle.await_response().await;
        pending.id = None;
        result.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: ServiceError) -> McpError {
        match error {
            ServiceError::McpError(error) => {
                McpError::Rpc { code: error.code.0, message: error.message.into_owned() }
            }
            ServiceError::Timeout { timeout } => McpError::Timeout { after: timeout },
            ServiceError::UnexpectedResponse => McpError::UnexpectedResponse,
            other => {
                let message = self.endpoint.redact(with_causes(&other));
                McpError::Closed { message, stderr: self.stderr.text() }
            }
        }
    }

    /// Returns the error of a connection that has ended.
    pub(super) fn closed(&self) -> McpError {
        McpError::Closed { message: "the server has ended".into(), stderr: self.stderr.text() }
    }

    /// Records the end of the connection, and returns how long it lasted.
    pub(super) fn record_end(&self, error: Option<&McpError>) -> Duration {
        let duration = self.started.elapsed();
        let error = error.map(McpError::error_type);
        record_mcp_session(&self.connection, duration, error.as_deref());
        duration
    }
}

/// A request without a response. The SDK does not notify the server when it is dropped.
struct Pending<'a> {
    peer: &'a Peer<RoleClient>,
    id: Option<RequestId>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let peer = self.peer.clone();
        runtime.spawn(async move {
            let param = CancelledNotificationParam::new(Some(id), Some("dropped".to_owned()));
            let _ = peer.send_notification(CancelledNotification::new(param).into()).await;
        });
    }
}
