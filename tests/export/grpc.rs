//! Delivery over gRPC.

use chatlas::otel::{Guard, LostTelemetry, Otlp, Protocol, Signal, Telemetry};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tonic::Status;
use tonic::transport::Server;

use super::delivery::chats;
use super::otlp_grpc::{GrpcReceiver, span_count};
use super::{span_with_text, turn};

fn install(receiver: &GrpcReceiver) -> Guard {
    let target = Otlp::new(receiver.url()).with_protocol(Protocol::Grpc);
    Telemetry::new().with_otlp(target.with_signals(&[Signal::Traces])).install().unwrap()
}

#[allow(clippy::unnecessary_wraps)] // the type of an answer
fn accept(_: &ExportTraceServiceRequest) -> Result<ExportTraceServiceResponse, Status> {
    Ok(ExportTraceServiceResponse::default())
}

#[test]
fn batches_with_content_are_below_the_limit_of_grpc_servers() {
    let _turn = turn();
    // tonic answers OUT_OF_RANGE above 4 MiB.
    let receiver = GrpcReceiver::start(Server::builder(), accept);
    let telemetry = install(&receiver);
    chats(100, 60_000);
    assert_eq!(telemetry.shutdown(), Ok(()));
    assert_eq!(receiver.span_count(), 200);
}

/// <https://github.com/open-telemetry/opentelemetry-go/issues/4266>
#[test]
fn requests_that_are_refused_for_their_size_are_split() {
    let _turn = turn();
    let refusals: [fn() -> Status; 3] = [
        || Status::resource_exhausted("grpc: received message larger than max (9 vs. 4)"),
        || Status::out_of_range("Error, decoded message length too large"),
        || Status::resource_exhausted(""),
    ];
    for refuse in refusals {
        let receiver = GrpcReceiver::start(Server::builder(), move |request| {
            if span_count(request) > 20 { Err(refuse()) } else { accept(request) }
        });
        let telemetry = install(&receiver);
        for _ in 0..100 {
            span_with_text(1_000);
        }
        assert_eq!(telemetry.shutdown(), Ok(()));
        assert_eq!(receiver.span_count(), 100);
    }
}

/// <https://github.com/open-telemetry/opentelemetry-rust/issues/865>
#[test]
fn rejected_spans_are_reported() {
    let _turn = turn();
    let receiver = GrpcReceiver::start(Server::builder(), |_| {
        let partial_success =
            ExportTracePartialSuccess { rejected_spans: 2, error_message: "too old".to_owned() };
        Ok(ExportTraceServiceResponse { partial_success: Some(partial_success) })
    });
    let telemetry = install(&receiver);
    for _ in 0..3 {
        span_with_text(10);
    }
    let LostTelemetry { spans, reason, .. } = telemetry.shutdown().unwrap_err();
    assert_eq!(spans, 2);
    assert!(reason.ends_with("the receiver rejected them: too old"), "{reason}");
}

#[test]
fn unauthenticated_requests_are_not_retried() {
    let _turn = turn();
    let receiver = GrpcReceiver::start(Server::builder(), |_| {
        Err(Status::unauthenticated("token 4711 is wrong"))
    });
    let telemetry = install(&receiver);
    span_with_text(10);
    let start = std::time::Instant::now();
    let lost = telemetry.shutdown().unwrap_err();
    assert!(lost.reason.ends_with("the receiver answered with the gRPC status Unauthenticated"));
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
}
