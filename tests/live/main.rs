//! Real servers from other projects: a model, an embedding model, a mock of every vendor, an OTLP collector and a
//! backend. Environment variables hold their addresses; `.ci/live` starts them and sets these.

#[path = "../support"]
mod support {
    #[cfg(feature = "bedrock")]
    pub mod frames;
    pub mod history;
    pub mod programs;
    pub mod protocols;
    pub mod server;
    pub mod timeout;
}

mod backends;
mod embeddings;
mod llmock;
mod models;
