//! The harness of the fuzz targets: replies of a server in each protocol, read through the public API,
//! and captured content with a size limit. For all input, nothing panics or hangs, and the history of
//! the chat stays valid.

#[path = "../../tests/support/frames.rs"]
pub mod frames;
#[path = "../../tests/support/history.rs"]
pub mod history;
#[path = "../../tests/support/protocols.rs"]
pub mod protocols;
#[path = "../../tests/support/server.rs"]
pub mod server;

mod capture;
mod reply;

pub use capture::capture;
pub use reply::reply;
