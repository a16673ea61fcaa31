//! What is derived from the settings of a client, once for all its requests.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use chatlas_core::ProviderError;
use reqwest::Url;
use reqwest::header::HeaderMap;

use super::tools::ToolCache;
use super::{Dialect, Endpoint, Operation};
use crate::http::{Secrets, Sender};

/// What is derived from the settings of a client.
#[derive(Default)]
pub(super) struct Wire {
    connection: OnceLock<Result<Connection, ProviderError>>,
    chat: OnceLock<Result<Url, ProviderError>>,
    stream: OnceLock<Result<Url, ProviderError>>,
    pub(super) tools: ToolCache,
    /// The length of the last body, so that the next one is allocated once.
    body_length: AtomicUsize,
}

/// The HTTP client and what all requests have in common.
pub(super) struct Connection {
    pub(super) sender: Sender,
    pub(super) headers: HeaderMap,
    pub(super) secrets: Secrets,
}

impl Wire {
    pub(super) fn connection(&self, endpoint: &Endpoint) -> Result<&Connection, ProviderError> {
        let connect = || {
            Ok(Connection {
                sender: endpoint.http.sender(endpoint.is_plain_http())?,
                headers: endpoint.header_map()?,
                secrets: endpoint.secrets(),
            })
        };
        self.connection.get_or_init(connect).as_ref().map_err(Clone::clone)
    }

    /// The URL of an operation. Those of model calls are kept.
    pub(super) fn url<D: Dialect>(
        &self,
        dialect: &D,
        endpoint: &Endpoint,
        operation: Operation,
    ) -> Result<Url, ProviderError> {
        let kept = match operation {
            Operation::Chat => &self.chat,
            Operation::Stream => &self.stream,
            Operation::Models | Operation::Count | Operation::Embed => {
                return dialect.url(endpoint, operation);
            }
        };
        kept.get_or_init(|| dialect.url(endpoint, operation)).clone()
    }

    /// An empty body with the capacity of the last one.
    pub(super) fn new_body(&self) -> Vec<u8> {
        Vec::with_capacity(self.body_length.load(Ordering::Relaxed) + 512)
    }

    pub(super) fn keep_length(&self, body: &[u8]) {
        self.body_length.store(body.len(), Ordering::Relaxed);
    }
}
