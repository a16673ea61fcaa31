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

mod calls;
mod counts;
mod cut_calls;
mod errors;
mod requests;
mod runtime;
mod streams;
