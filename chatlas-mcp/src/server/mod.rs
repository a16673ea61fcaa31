//! The server: tools, resources and prompts served to other programs over MCP.
//!
//! `connection` answers the requests of one client, `results` converts tools and their results,
//! `offers` reads resources and prompts, `input` notices the end of standard input.

mod connection;
mod http;
mod input;
mod offers;
mod results;

use std::fmt;
use std::io;
use std::sync::Arc;

use chatlas_core::serde_json::{Map, Value};
use chatlas_core::{CancellationToken, ToolError, ToolSet, Turn};
use rmcp::ServiceExt as _;
use rmcp::service::QuitReason;
use rmcp::transport::io::stdio_pipes;
use tokio::sync::watch;

use crate::data::{PromptInfo, ResourceData, ResourceInfo};
use connection::Connection;
pub use http::HttpService;
use input::Input;
use offers::{Prompt, Resource};

/// Serves tools, and optionally resources and prompts, over the Model Context Protocol.
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
    resources: Vec<Resource>,
    prompts: Vec<Prompt>,
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
            resources: Vec::new(),
            prompts: Vec::new(),
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

    /// Adds a resource. `read` returns its data each time a client reads it. A resource replaces an
    /// earlier one with the same URI.
    ///
    /// The message of an error is sent to the client. A panic is an internal error.
    ///
    /// ```
    /// use chatlas_core::ToolSet;
    /// use chatlas_mcp::{ResourceInfo, ToolServer};
    ///
    /// let readme = ResourceInfo::new("docs://readme", "readme").with_mime_type("text/markdown");
    /// let server = ToolServer::new("docs", ToolSet::new())
    ///     .with_resource(readme, || async { Ok("# Read me") });
    /// ```
    #[must_use]
    pub fn with_resource<F, D>(
        mut self,
        info: ResourceInfo,
        read: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<D, ToolError>> + Send + 'static,
        D: Into<ResourceData>,
    {
        let resources = &mut Arc::make_mut(&mut self.shared).resources;
        resources.retain(|resource| resource.info.uri != info.uri);
        resources.push(Resource::new(info, read));
        self
    }

    /// Adds a prompt. `expand` returns its messages for the arguments of a client, which are strings.
    /// A request without a required argument is rejected before. A prompt replaces an earlier one with
    /// the same name.
    ///
    /// ```
    /// use chatlas_core::{ToolSet, Turn};
    /// use chatlas_mcp::{PromptArgument, PromptInfo, ToolServer};
    ///
    /// let review = PromptInfo::new("review")
    ///     .with_argument(PromptArgument::new("code").with_required(true));
    /// let server = ToolServer::new("prompts", ToolSet::new())
    ///     .with_prompt(review, |arguments| async move {
    ///         let code = arguments["code"].as_str().unwrap_or_default();
    ///         Ok(vec![Turn::user(format!("Review this code: {code}"))])
    ///     });
    /// ```
    #[must_use]
    pub fn with_prompt<F>(
        mut self,
        info: PromptInfo,
        expand: impl Fn(Map<String, Value>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<Turn>, ToolError>> + Send + 'static,
    {
        let prompts = &mut Arc::make_mut(&mut self.shared).prompts;
        prompts.retain(|prompt| prompt.info.name != info.name);
        prompts.push(Prompt::new(info, expand));
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
        let (input, output) = stdio_pipes();
        let input = Input::new(input, connection.ended());
        let serving = connection.serve_with_ct((input, output), closing);
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
