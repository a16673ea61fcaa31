//! The client: connections to MCP servers.
//!
//! `server` has the handle of the program; `supervisor` keeps the connection open, `session` is one
//! connection. `tools` and `results` convert between the protocol and the data of chatlas.

mod endpoint;
mod handler;
mod http;
mod results;
mod server;
mod session;
mod shared;
mod stderr;
mod supervisor;
mod tools;

pub use endpoint::McpEndpoint;
pub use server::McpServer;
