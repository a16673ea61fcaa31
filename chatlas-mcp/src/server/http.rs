//! [`HttpService`]: the server as a tower service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tower_service::Service;

use super::Shared;
use super::connection::{Ambient, Connection};

/// A [`ToolServer`](crate::ToolServer) as a [tower service](https://docs.rs/tower-service). Cheap to
/// clone: the clones share the sessions of the clients.
#[derive(Clone)]
pub struct HttpService {
    inner: StreamableHttpService<Connection, LocalSessionManager>,
}

impl HttpService {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let closing = shared.closing.clone();
        let mut config = StreamableHttpServerConfig::default().with_cancellation_token(closing);
        if let Some(hosts) = &shared.allowed_hosts {
            config = config.with_allowed_hosts(hosts);
        }
        let connect = move || Ok(Connection::new(Arc::clone(&shared), true));
        Self { inner: StreamableHttpService::new(connect, Arc::default(), config) }
    }
}

impl<B> Service<Request<B>> for HttpService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send + 'static,
    B::Error: fmt::Display,
{
    type Response = Response<BoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = Context::current();
        if context.has_active_span() {
            request.extensions_mut().insert(Ambient(context));
        }
        self.inner.call(request)
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").finish_non_exhaustive()
    }
}
