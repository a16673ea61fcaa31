//! The server: tools served to other programs over MCP.
//!
//! `connection` answers the requests of one client, `results` converts tools and their results.

mod connection;
mod http;
mod results;

use std::fmt;
use std::io;
use std::sync::Arc;

use chatlas_core::{CancellationToken, ToolSet};
use rmcp::ServiceExt as _;
use rmcp::service::QuitReason;
use rmcp::transport::io::stdio_pipes;
use tokio::sync::watch;

use connection::Connection;
pub use http::HttpService;

/// Serves tools over the Model Context Protocol.
///
/// Each request is recorded in an `mcp.server` span, whose parent is the client's span if the client
/// sends its trace context. A tool runs as in a chat: its arguments are converted to fit its schema,
/// its time limit applies, and a panic is an error.
///
/// As a program that another one starts:
///
/// ```no_run
/// use chatlas_core::ToolSet;
/// use chatlas_mcp::ToolServer;
///
/// # async fn example(tools: ToolSet) -> std::io::Result<()> {
/// ToolServer::new("weather", tools).serve_stdio().await
/// # }
/// ```
///
/// Over HTTP, [`http_service`](Self::http_service) returns a tower service, for example for axum:
/// `Router::new().nest_service("/mcp", server.http_service())`.
#[derive(Clone)]
pub struct ToolServer {
    shared: Arc<Shared>,
}

/// What all connections of a server share.
#[derive(Clone)]
struct Shared {
    name: String,
    version: String,
    instructions: Option<String>,
    allowed_hosts: Option<Vec<String>>,
    tools: watch::Sender<ToolSet>,
    closing: CancellationToken,
}

impl ToolServer {
    /// Creates a server of that name.
    pub fn new(name: impl Into<String>, tools: ToolSet) -> Self {
        let shared = Shared {
            name: name.into(),
            version: String::new(),
            instructions: None,
            allowed_hosts: None,
            tools: watch::Sender::new(tools),
            closing: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sets the version that is reported to clients, such as `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.shared).version = version.into();
        self
    }

    /// Sets the text that describes to models how to use the tools.
    #[must_use]
    pub fn with_instructions(mut self, instructions: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.shared).instructions = Some(instructions.into());
        self
    }

    /// Sets the hosts under which the HTTP service is reached, such as `mcp.example.com` or
    /// `mcp.example.com:8080`. Requests for other hosts are rejected, which prevents DNS rebinding.
    /// Default: the loopback addresses.
    #[must_use]
    pub fn with_allowed_hosts(
        mut self,
        hosts: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let hosts = hosts.into_iter().map(Into::into).collect();
        Arc::make_mut(&mut self.shared).allowed_hosts = Some(hosts);
        self
    }

    /// Replaces the tools, and notifies all clients.
    pub fn replace_tools(&self, tools: ToolSet) {
        self.shared.tools.send_replace(tools);
    }

    /// Serves one client over standard input and output, until it closes them. Nothing else may be
    /// written to standard output.
    ///
    /// # Errors
    ///
    /// The client does not speak the protocol, or the connection fails.
    pub async fn serve_stdio(self) -> io::Result<()> {
        let closing = self.shared.closing.clone();
        let connection = Connection::new(self.shared, false);
        let serving = connection.serve_with_ct(stdio_pipes(), closing);
        let running = Box::pin(serving).await.map_err(io::Error::other)?;
        match running.waiting().await.map_err(io::Error::other)? {
            QuitReason::JoinError(error) => Err(io::Error::other(error)),
            _ => Ok(()),
        }
    }

    /// Returns the server as a tower service over streamable HTTP, for many clients.
    pub fn http_service(&self) -> HttpService {
        HttpService::new(Arc::clone(&self.shared))
    }

    /// Ends all connections. Without it, streams that clients keep open delay the graceful shutdown
    /// of an HTTP server.
    pub fn close(&self) {
        self.shared.closing.cancel();
    }
}

impl fmt::Debug for ToolServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolServer")
            .field("name", &self.shared.name)
            .field("tools", &*self.shared.tools.borrow())
            .finish_non_exhaustive()
    }
}
