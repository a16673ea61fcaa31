//! Faults that people reported of LLM clients in public, replayed against chatlas: each test states
//! the right behaviour in one sentence and links the report.

#[path = "../support"]
mod support {
    pub mod frames;
    pub mod protocols;
    pub mod server;
    pub mod stream;
    pub mod timeout;
}

mod call_pieces;
mod calls;
mod counts;
mod cut_calls;
mod errors;
mod histories;
mod requests;
#[path = "../../chatlas-providers/tests/wire/histories/rules.rs"]
mod rules;
mod runtime;
mod secrets;
mod streams;
mod vendor_streams;
