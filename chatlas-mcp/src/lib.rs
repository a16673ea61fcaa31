//! The [Model Context Protocol](https://modelcontextprotocol.io) for chatlas.
//!
//! - [`McpServer`] is a connection to a server: a child process or a URL. Its tools are a
//!   [`ToolSet`](chatlas_core::ToolSet) for a chat; its resources and prompts can be read.
//! - [`ToolServer`] serves tools, resources and prompts to other programs, over standard input and
//!   output or HTTP.
//!
//! Requests are recorded by OpenTelemetry's conventions: the spans `mcp.client` and `mcp.server`, the
//! durations of operations and sessions. A tool call by a chat has one span, `execute_tool`, which
//! has the attributes of both.
//!
//! The protocol is implemented by the official SDK, `rmcp`, whose types are not part of this API. It
//! logs through `tracing` at the level `INFO`, inside a span that is open as long as the connection:
//! with a bridge from `tracing` to OpenTelemetry, filter it by `rmcp=warn`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
mod client;
#[cfg(any(feature = "client", feature = "server"))]
mod data;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "client")]
pub use client::{McpEndpoint, McpServer};
#[cfg(any(feature = "client", feature = "server"))]
pub use data::{PromptArgument, PromptInfo, ResourceData, ResourceInfo};
#[cfg(feature = "client")]
pub use data::{ResourceContents, ServerInfo};
#[cfg(feature = "client")]
pub use error::McpError;
#[cfg(feature = "server")]
pub use server::{HttpService, ToolServer};
