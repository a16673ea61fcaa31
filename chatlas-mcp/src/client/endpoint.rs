//! [`McpEndpoint`]: where an MCP server is, and how it is used.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chatlas_core::{ToolDefinition, ToolSet};

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_MAX_CALL_TIME: Duration = Duration::from_secs(600);

pub(super) type Filter = Arc<dyn Fn(&ToolDefinition) -> bool + Send + Sync>;
type OnToolsChanged = Arc<dyn Fn(ToolSet) + Send + Sync>;

/// An MCP server: the command that starts it, or its URL, with the settings of the connection.
///
/// ```
/// use std::process::Command;
/// use std::time::Duration;
///
/// use chatlas_mcp::McpEndpoint;
///
/// let files = McpEndpoint::from(Command::new("mcp-files").arg("--read-only"))
///     .with_tool_prefix("files_")
///     .with_tool_filter(|tool| tool.annotations.read_only == Some(true));
/// let search = McpEndpoint::from("https://search.example.com/mcp")
///     .with_bearer_token("secret")
///     .with_call_timeout(Duration::from_secs(20));
/// ```
#[derive(Clone)]
pub struct McpEndpoint {
    pub(super) transport: Transport,
    pub(super) headers: Vec<(String, String)>,
    pub(super) connect_timeout: Duration,
    pub(super) call_timeout: Duration,
    pub(super) max_call_time: Duration,
    pub(super) tool_prefix: String,
    pub(super) filter: Option<Filter>,
    pub(super) on_tools_changed: Option<OnToolsChanged>,
}

#[derive(Clone)]
pub(super) enum Transport {
    Process(ProcessCommand),
    Http(String),
}

/// A command that can be run again.
#[derive(Clone)]
pub(super) struct ProcessCommand {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
}

impl ProcessCommand {
    pub(super) fn program(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    pub(super) fn to_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        for (key, value) in &self.variables {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}

impl McpEndpoint {
    fn new(transport: Transport) -> Self {
        Self {
            transport,
            headers: Vec::new(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            max_call_time: DEFAULT_MAX_CALL_TIME,
            tool_prefix: String::new(),
            filter: None,
            on_tools_changed: None,
        }
    }

    /// Adds an HTTP header to each request. Ignored by a server that is a process.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the token that is sent in the header `Authorization`.
    #[must_use]
    pub fn with_bearer_token(self, token: impl fmt::Display) -> Self {
        self.with_header("authorization", format!("Bearer {token}"))
    }

    /// Sets the maximum time to start the server and to open the connection. Default: 30 seconds. A
    /// call also waits this long for a server that is restarting.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the maximum time that a request waits for a response or a progress report. Default: 1
    /// minute.
    #[must_use]
    pub fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// Sets the maximum total time of a request that reports progress. Default: 10 minutes.
    #[must_use]
    pub fn with_max_call_time(mut self, time: Duration) -> Self {
        self.max_call_time = time;
        self
    }

    /// Sets the text before the name of each tool, so that the tools of several servers have
    /// different names. Default: none.
    #[must_use]
    pub fn with_tool_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.tool_prefix = prefix.into();
        self
    }

    /// Sets which tools are used. The hook receives each definition with its final name. Hints of a
    /// server that is not trusted are no protection.
    #[must_use]
    pub fn with_tool_filter(
        mut self,
        filter: impl Fn(&ToolDefinition) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Sets a hook that receives the new tools whenever the server changes them.
    #[must_use]
    pub fn on_tools_changed(mut self, hook: impl Fn(ToolSet) + Send + Sync + 'static) -> Self {
        self.on_tools_changed = Some(Arc::new(hook));
        self
    }

    /// Replaces the secrets of the endpoint in an error message: URLs may have some, too.
    pub(super) fn redact(&self, mut text: String) -> String {
        let url = match &self.transport {
            Transport::Http(url) => Some(url.as_str()),
            Transport::Process(_) => None,
        };
        let query = url.and_then(|url| url.split_once('?')).map(|(_, query)| query);
        let values = self.headers.iter().map(|(_, value)| value.as_str());
        let tokens = values.clone().filter_map(|value| value.strip_prefix("Bearer "));
        for secret in url.into_iter().chain(query).chain(values.clone()).chain(tokens) {
            if !secret.is_empty() {
                text = text.replace(secret, "[hidden]");
            }
        }
        text
    }
}

/// A server over streamable HTTP, by its URL.
impl From<&str> for McpEndpoint {
    fn from(url: &str) -> Self {
        Self::from(url.to_owned())
    }
}

/// A server over streamable HTTP, by its URL.
impl From<String> for McpEndpoint {
    fn from(url: String) -> Self {
        Self::new(Transport::Http(url))
    }
}

/// A server that is a process, over its standard input and output. The program, the arguments, the
/// environment variables and the directory of the command are used.
impl From<&Command> for McpEndpoint {
    fn from(command: &Command) -> Self {
        Self::new(Transport::Process(ProcessCommand {
            program: command.get_program().to_owned(),
            arguments: command.get_args().map(OsStr::to_owned).collect(),
            variables: command
                .get_envs()
                .map(|(key, value)| (key.to_owned(), value.map(OsStr::to_owned)))
                .collect(),
            directory: command.get_current_dir().map(Path::to_owned),
        }))
    }
}

/// A server that is a process.
impl From<&mut Command> for McpEndpoint {
    fn from(command: &mut Command) -> Self {
        Self::from(&*command)
    }
}

/// A server that is a process.
impl From<Command> for McpEndpoint {
    fn from(command: Command) -> Self {
        Self::from(&command)
    }
}

impl fmt::Debug for McpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("McpEndpoint");
        match &self.transport {
            Transport::Process(command) => debug.field("program", &command.program),
            Transport::Http(url) => debug.field("url", &url.split(['?', '#']).next()),
        };
        debug
            .field("connect_timeout", &self.connect_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("tool_prefix", &self.tool_prefix)
            .finish_non_exhaustive()
    }
}
