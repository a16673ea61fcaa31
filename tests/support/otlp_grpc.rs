//! A receiver of traces over gRPC on loopback.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

type Kept = Arc<Mutex<Vec<(MetadataMap, ExportTraceServiceRequest)>>>;

/// Returns the response to a request.
type Answer =
    dyn Fn(&ExportTraceServiceRequest) -> Result<ExportTraceServiceResponse, Status> + Send + Sync;

/// The receiver, which runs until the end of the process.
pub struct GrpcReceiver {
    pub address: SocketAddr,
    kept: Kept,
}

struct Keeper {
    kept: Kept,
    answer: Box<Answer>,
}

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, body) = request.into_parts();
        let response = (self.answer)(&body)?;
        self.kept.lock().expect("the lock is not poisoned").push((metadata, body));
        Ok(Response::new(response))
    }
}

impl GrpcReceiver {
    /// Starts a receiver that keeps the requests which it accepts.
    pub fn start(
        server: Server,
        answer: impl Fn(&ExportTraceServiceRequest) -> Result<ExportTraceServiceResponse, Status>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let kept = Kept::default();
        let keeper = Keeper { kept: Arc::clone(&kept), answer: Box::new(answer) };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
                let incoming = tonic::transport::server::TcpIncoming::from(listener);
                let service =
                    TraceServiceServer::new(keeper).accept_compressed(CompressionEncoding::Gzip);
                let mut server = server;
                server.add_service(service).serve_with_incoming(incoming).await.expect("it runs");
            });
        });
        Self { address, kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests that were accepted.
    pub fn kept(&self) -> Vec<(MetadataMap, ExportTraceServiceRequest)> {
        self.kept.lock().expect("the lock is not poisoned").clone()
    }

    /// Returns the number of spans that were accepted.
    pub fn span_count(&self) -> usize {
        self.kept().iter().map(|(_, request)| span_count(request)).sum()
    }
}

pub fn span_count(request: &ExportTraceServiceRequest) -> usize {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.map(|scope| scope.spans.len()).sum()
}
