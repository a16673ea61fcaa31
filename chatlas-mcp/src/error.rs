//! [`McpError`]: why a request to an MCP server failed.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use chatlas_core::ToolError;
use chatlas_core::telemetry::names::error;

/// The error of a connection to an MCP server, or of a request to it.
#[derive(Debug)]
#[non_exhaustive]
pub enum McpError {
    /// The endpoint is invalid: its URL or one of its headers.
    Endpoint {
        /// The reason.
        message: String,
    },
    /// The process of the server could not be started.
    Spawn {
        /// The program.
        program: String,
        /// The reason.
        source: io::Error,
    },
    /// The connection could not be opened.
    Connect {
        /// The reason.
        message: String,
        /// The last lines that the process of the server wrote to its standard error.
        stderr: String,
    },
    /// The connection was closed, or a message could not be sent.
    Closed {
        /// The reason.
        message: String,
        /// The last lines that the process of the server wrote to its standard error.
        stderr: String,
    },
    /// The server did not answer in time.
    Timeout {
        /// The time that the request waited.
        after: Duration,
    },
    /// The server answered with a JSON-RPC error.
    Rpc {
        /// The code, such as -32602.
        code: i32,
        /// The message.
        message: String,
    },
    /// The server does not support the request.
    Unsupported {
        /// The missing capability, such as `prompts`.
        capability: &'static str,
    },
    /// The server requires input from a user before it answers.
    InputRequired,
    /// The response is not one of the request.
    UnexpectedResponse,
}

impl McpError {
    /// Returns the value of `error.type`: the JSON-RPC code, or a constant.
    pub fn error_type(&self) -> Cow<'static, str> {
        match self {
            Self::Endpoint { .. } => "invalid_endpoint".into(),
            Self::Spawn { .. } => "spawn_failed".into(),
            Self::Connect { .. } => "connect_failed".into(),
            Self::Closed { .. } => "connection_closed".into(),
            Self::Timeout { .. } => error::TIMEOUT.into(),
            Self::Rpc { code, .. } => code.to_string().into(),
            Self::Unsupported { .. } => error::UNSUPPORTED.into(),
            Self::InputRequired => "input_required".into(),
            Self::UnexpectedResponse => "unexpected_response".into(),
        }
    }

    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            Self::Rpc { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Returns the message without the output of the process, which is not for the model.
    fn summary(&self) -> String {
        match self {
            Self::Endpoint { message } => format!("invalid MCP endpoint: {message}"),
            Self::Spawn { program, .. } => {
                format!("the MCP server `{program}` could not be started: is it installed?")
            }
            Self::Connect { message, .. } => {
                format!("the connection to the MCP server could not be opened: {message}")
            }
            Self::Closed { message, .. } => {
                format!("the connection to the MCP server was closed: {message}")
            }
            Self::Timeout { after } => format!("the MCP server did not answer within {after:?}"),
            Self::Rpc { code, message } => format!("the MCP server returned {code}: {message}"),
            Self::Unsupported { capability } => format!("the MCP server has no {capability}"),
            Self::InputRequired => {
                "the MCP server requires input from a user, which this client cannot supply".into()
            }
            Self::UnexpectedResponse => "the MCP server returned an unexpected response".into(),
        }
    }
}

impl fmt::Display for McpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        match self {
            Self::Connect { stderr, .. } | Self::Closed { stderr, .. } if !stderr.is_empty() => {
                write!(f, "; it wrote to standard error:\n{stderr}")
            }
            _ => Ok(()),
        }
    }
}

impl Error for McpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spawn { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<McpError> for ToolError {
    fn from(error: McpError) -> Self {
        Self::from(&error)
    }
}

impl From<&McpError> for ToolError {
    fn from(error: &McpError) -> Self {
        Self::new(error.error_type(), error.summary())
    }
}
