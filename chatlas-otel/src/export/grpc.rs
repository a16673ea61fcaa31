//! Sends requests over gRPC, and interprets the statuses of a receiver.

use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::header::HeaderMap;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::failure::{Failure, Rejected};
use crate::error::SetupError;
use crate::otlp::Target;

/// The receiver of one signal.
#[derive(Debug)]
pub(super) struct Grpc {
    channel: Channel,
    metadata: MetadataMap,
    gzip: bool,
}

impl Grpc {
    /// Creates a receiver that connects with its first request. Requires a runtime.
    pub(super) fn new(target: &Target) -> Result<Self, SetupError> {
        let endpoint = Endpoint::from_shared(target.endpoint.to_string())
            .map_err(SetupError::exporter)?
            .user_agent(concat!("chatlas-otel/", env!("CARGO_PKG_VERSION")))
            .map_err(SetupError::exporter)?;
        #[cfg(feature = "_tls")]
        let endpoint = if target.endpoint.scheme() == "https" {
            endpoint.tls_config(tls_config(target)?).map_err(SetupError::exporter)?
        } else {
            endpoint
        };
        let headers: HeaderMap = target.headers.clone();
        Ok(Self {
            channel: endpoint.connect_lazy(),
            metadata: MetadataMap::from_headers(headers),
            gzip: target.gzip,
        })
    }

    /// Sends a request once.
    pub(super) async fn send(
        &self,
        method: &'static str,
        body: Bytes,
    ) -> Result<Option<Rejected>, Failure> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        if self.gzip {
            client = client
                .send_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Gzip);
        }
        client
            .ready()
            .await
            .map_err(|error| Failure::Transient { reason: root_cause(&error), after: None })?;
        let mut request = Request::new(body);
        *request.metadata_mut() = self.metadata.clone();
        let path = PathAndQuery::from_static(method);
        match client.unary(request, path, Encoded).await {
            Ok(response) => Ok(Rejected::from_response(response.into_inner())),
            Err(status) => Err(failure(&status)),
        }
    }
}

/// Classifies a status as the
/// [specification](https://opentelemetry.io/docs/specs/otlp/#failures) does. Servers also report
/// requests that are too large as `RESOURCE_EXHAUSTED` (grpc-go) or `OUT_OF_RANGE` (tonic).
fn failure(status: &Status) -> Failure {
    let reason = match std::error::Error::source(status) {
        Some(source) => root_cause(source),
        None => format!("the receiver answered with the gRPC status {:?}", status.code()),
    };
    let message = status.message().to_ascii_lowercase();
    let names_size =
        ["large", "size", "length", "big", "bytes"].iter().any(|word| message.contains(word));
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange if names_size => Failure::TooLarge { reason },
        Code::ResourceExhausted => match retry_delay(status.details()) {
            Some(delay) => Failure::Transient { reason, after: Some(delay) },
            // A size or a quota.
            None => Failure::MaybeTooLarge { reason },
        },
        Code::Unavailable => Failure::Transient { reason, after: retry_delay(status.details()) },
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss => Failure::Transient { reason, after: None },
        _ => Failure::Permanent { reason },
    }
}

/// Returns the innermost source of an error.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let root = std::iter::successors(Some(error), |cause| cause.source()).last();
    root.unwrap_or(error).to_string()
}

/// `google.rpc.Status`, of which only the details matter.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Returns the delay in the details of a status.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status.details.iter().find(|detail| detail.type_url.ends_with("RetryInfo"))?;
    let delay = RetryInfo::decode(&*info.value).ok()?.retry_delay?;
    Some(Duration::new(u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?))
}

/// A codec whose requests are encoded already. The response has the same form for all signals.
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let response = ExportTraceServiceResponse::decode(buffer);
        response.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

#[cfg(feature = "_tls")]
fn tls_config(target: &Target) -> Result<tonic::transport::ClientTlsConfig, SetupError> {
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};

    let files = &target.tls;
    let mut config = ClientTlsConfig::new();
    config = match &files.trusted {
        Some(file) => config.ca_certificate(Certificate::from_pem(file.read()?)),
        None => config.with_enabled_roots(),
    };
    if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
        config = config.identity(Identity::from_pem(certificate.read()?, key.read()?));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_classified_as_the_specification_does() {
        let class = |code, message: &str| match failure(&Status::new(code, message)) {
            Failure::Transient { .. } => "transient",
            Failure::TooLarge { .. } => "too large",
            Failure::MaybeTooLarge { .. } => "maybe too large",
            Failure::Permanent { .. } => "permanent",
        };
        let too_large = "grpc: received message larger than max (9 vs. 4)";
        assert_eq!(class(Code::ResourceExhausted, too_large), "too large");
        let too_large = "Error, decoded message length too large: found 9 bytes";
        assert_eq!(class(Code::OutOfRange, too_large), "too large");
        assert_eq!(class(Code::ResourceExhausted, "quota"), "maybe too large");
        assert_eq!(class(Code::OutOfRange, ""), "transient");
        assert_eq!(class(Code::Unavailable, ""), "transient");
        assert_eq!(class(Code::Unauthenticated, ""), "permanent");
    }

    #[test]
    fn retry_delay_is_read_from_the_details() {
        let delay = RetryDelay { seconds: 1, nanos: 500_000_000 };
        let info = RetryInfo { retry_delay: Some(delay) };
        let detail = Detail {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        };
        let details = RpcStatus { details: vec![detail] }.encode_to_vec();
        assert_eq!(retry_delay(&details), Some(Duration::from_millis(1_500)));
        let status = Status::with_details(Code::ResourceExhausted, "slow", details.into());
        assert!(matches!(failure(&status), Failure::Transient { after: Some(_), .. }));
        assert_eq!(retry_delay(b""), None);
    }
}
