//! The providers against servers on loopback: requests, replies, streams, errors, retries and
//! credentials of every protocol, without any recorded traffic.

#[path = "../support"]
mod support {
    pub mod fixtures;
    #[cfg(feature = "bedrock")]
    pub mod frames;
    pub mod protocols;
    pub mod server;
    pub mod stream;
    pub mod timeout;
}

mod anthropic;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "bedrock")]
mod bedrock;
#[cfg(feature = "bedrock")]
mod bedrock_converse;
mod bounds;
mod embeddings;
mod environment;
mod google;
mod http_faults;
mod openai;
mod stream_faults;
mod vendors;
#[cfg(feature = "vertex")]
mod vertex;
