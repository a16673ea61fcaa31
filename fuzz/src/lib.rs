//! What is fuzzed: a server's reply to any protocol, through everything that a program uses, and
//! the writing of captured content within its bound. Whatever the bytes are, there is no panic, no
//! hang, and a conversation that can go on.

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
