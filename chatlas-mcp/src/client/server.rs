//! [`McpServer`]: the handle of a connection to an MCP server.

use std::fmt;
use std::sync::Arc;

use chatlas_core::__private::McpSubject;
use chatlas_core::serde_json::{Map, Value};
use chatlas_core::{AssistantTurn, ToolError, ToolOutput, ToolSet, Turn, UserTurn};
use rmcp::model::{
    GetPromptRequest, GetPromptRequestParams, ListPromptsRequest, ListResourcesRequest,
    PromptMessage, ReadResourceRequest, ReadResourceRequestParams, Role, ServerResult,
};

use super::endpoint::McpEndpoint;
use super::results::content_of;
use super::session::Outgoing;
use super::shared::{Handle, Shared, tool_set};
use super::supervisor::start;
use crate::McpError;
use crate::data::{PromptInfo, ResourceContents, ResourceInfo, ServerInfo};

/// A connection to an MCP server.
///
/// The connection stays open until the last clone, and the last tool that it returned, is dropped. A
/// server that is a process is restarted if it ends, with growing delays; calls wait for it.
///
/// Every request is recorded: a tool call by a chat on its `execute_tool` span, any other request in an
/// `mcp.client` span, by the
/// [conventions](https://github.com/open-telemetry/semantic-conventions-genai). The trace context is
/// sent to the server.
///
/// ```no_run
/// use std::process::Command;
///
/// use chatlas_core::{Chat, Provider};
/// use chatlas_mcp::McpServer;
///
/// # async fn example(provider: impl Provider) -> Result<(), Box<dyn std::error::Error>> {
/// let files = McpServer::connect(Command::new("mcp-files").arg("--read-only")).await?;
/// let search = McpServer::connect("https://search.example.com/mcp").await?;
/// let mut tools = files.tools();
/// tools.merge(search.tools())?;
/// let mut chat = Chat::new(provider).with_tools(tools);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct McpServer {
    handle: Arc<Handle>,
}

impl McpServer {
    /// Connects to a server, and lists its tools. Needs a tokio runtime with a timer, which
    /// drives the connection.
    ///
    /// The newest version of the protocol that both sides support is used: 2026-07-28, which has no
    /// handshake, or an older one.
    ///
    /// # Errors
    ///
    /// [`McpError`] if the server cannot be started or reached, or does not speak the protocol.
    pub async fn connect(endpoint: impl Into<McpEndpoint>) -> Result<Self, McpError> {
        Ok(Self { handle: start(endpoint.into()).await? })
    }

    /// Returns the tools that the server has now; see [`McpEndpoint::on_tools_changed`].
    pub fn tools(&self) -> ToolSet {
        tool_set(&self.shared().tools(), &self.handle)
    }

    /// Returns what the server reports about itself.
    pub fn info(&self) -> ServerInfo {
        let info = self.shared().latest().info();
        info.map(|info| ServerInfo::from_model(&info)).unwrap_or_default()
    }

    /// Calls a tool by its name on the server, outside a chat.
    ///
    /// # Errors
    ///
    /// [`ToolError`] if the tool fails, or the request does. The error type is `tool_error`, or that
    /// of the [`McpError`].
    pub async fn call_tool(&self, name: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
        self.shared().call_tool(name, name, arguments, None).await
    }

    /// Lists the resources of the server.
    ///
    /// # Errors
    ///
    /// [`McpError::Unsupported`] if the server has no resources, or another [`McpError`].
    pub async fn resources(&self) -> Result<Vec<ResourceInfo>, McpError> {
        let session = self.shared().session().await?;
        session.require("resources", |it| it.resources.is_some())?;
        let request = |page| ListResourcesRequest { params: page, ..Default::default() }.into();
        let resources = session.list("resources/list", request, |result| match result {
            ServerResult::ListResourcesResult(list) => Some((list.resources, list.next_cursor)),
            _ => None,
        });
        Ok(resources.await?.into_iter().map(ResourceInfo::from_model).collect())
    }

    /// Reads a resource.
    ///
    /// # Errors
    ///
    /// [`McpError`] if the request fails.
    pub async fn read_resource(&self, uri: &str) -> Result<Vec<ResourceContents>, McpError> {
        let session = self.shared().session().await?;
        session.require("resources", |it| it.resources.is_some())?;
        let request = ReadResourceRequest::new(ReadResourceRequestParams::new(uri));
        let subject = McpSubject::Resource(uri);
        let outgoing = Outgoing { subject, ..Outgoing::new("resources/read") };
        let convert = |result| match result {
            ServerResult::ReadResourceResult(result) => Some(result.contents),
            _ => None,
        };
        let contents = session.request(request.into(), outgoing, convert).await?;
        Ok(contents.into_iter().filter_map(ResourceContents::convert).collect())
    }

    /// Lists the prompts of the server.
    ///
    /// # Errors
    ///
    /// [`McpError::Unsupported`] if the server has no prompts, or another [`McpError`].
    pub async fn prompts(&self) -> Result<Vec<PromptInfo>, McpError> {
        let session = self.shared().session().await?;
        session.require("prompts", |it| it.prompts.is_some())?;
        let request = |page| ListPromptsRequest { params: page, ..Default::default() }.into();
        let prompts = session.list("prompts/list", request, |result| match result {
            ServerResult::ListPromptsResult(list) => Some((list.prompts, list.next_cursor)),
            _ => None,
        });
        Ok(prompts.await?.into_iter().map(PromptInfo::from_model).collect())
    }

    /// Returns the messages of a prompt, as turns of a conversation. The values of the arguments are
    /// strings.
    ///
    /// # Errors
    ///
    /// [`McpError`] if the request fails.
    pub async fn prompt(
        &self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<Vec<Turn>, McpError> {
        let session = self.shared().session().await?;
        session.require("prompts", |it| it.prompts.is_some())?;
        let mut params = GetPromptRequestParams::new(name);
        if !arguments.is_empty() {
            params = params.with_arguments(arguments.clone());
        }
        let arguments = Value::Object(arguments);
        let outgoing = Outgoing {
            subject: McpSubject::Prompt(name),
            arguments: Some(&arguments),
            ..Outgoing::new("prompts/get")
        };
        let convert = |result| match result {
            ServerResult::GetPromptResult(result) => Some(result.messages),
            _ => None,
        };
        let messages =
            session.request(GetPromptRequest::new(params).into(), outgoing, convert).await?;
        Ok(messages.into_iter().map(turn).collect())
    }

    /// Closes the connection, and waits until a server that is a process has ended. Later calls of
    /// its tools fail.
    pub async fn close(self) {
        self.shared().closing.cancel();
        self.shared().closed().await;
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

fn turn(message: PromptMessage) -> Turn {
    let contents = vec![content_of(message.content)];
    match message.role {
        Role::Assistant => AssistantTurn::new(contents).into(),
        Role::User => Turn::User(UserTurn::new(contents)),
    }
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpServer")
            .field("endpoint", &self.shared().endpoint)
            .finish_non_exhaustive()
    }
}
