//! The OTLP exporters: over HTTP with protobuf or JSON, and over gRPC with the feature `otel-grpc`.

#[cfg(feature = "otel-grpc")]
mod grpc;
mod http;
#[cfg(feature = "_tls")]
mod tls;

use std::sync::Arc;

use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};

use crate::error::SetupError;
use crate::losses::{Account, CountedExporter};
#[cfg(feature = "otel-grpc")]
use crate::otlp::Protocol;
use crate::otlp::Target;

/// Builds the exporters, and owns the runtime that those over gRPC share.
#[derive(Debug, Default)]
pub(crate) struct Exporters {
    #[cfg(feature = "otel-grpc")]
    grpc: grpc::Runtime,
}

// Over HTTP there is no shared state.
#[cfg_attr(not(feature = "otel-grpc"), allow(clippy::unused_self))]
impl Exporters {
    pub(crate) fn spans(
        &mut self,
        target: Target,
        account: &Arc<Account>,
    ) -> Result<CountedExporter<SpanExporter>, SetupError> {
        #[cfg(feature = "otel-grpc")]
        if target.protocol == Protocol::Grpc {
            return self.grpc.build(account, || {
                grpc::configure(SpanExporter::builder().with_tonic(), &target)?
                    .build()
                    .map_err(SetupError::exporter)
            });
        }
        http::build(target, account, |client, target| {
            http::configure(SpanExporter::builder().with_http(), client, target)
                .build()
                .map_err(SetupError::exporter)
        })
    }

    pub(crate) fn metrics(
        &mut self,
        target: Target,
        account: &Arc<Account>,
    ) -> Result<CountedExporter<MetricExporter>, SetupError> {
        let builder =
            |target: &Target| MetricExporter::builder().with_temporality(target.temporality);
        #[cfg(feature = "otel-grpc")]
        if target.protocol == Protocol::Grpc {
            return self.grpc.build(account, || {
                grpc::configure(builder(&target).with_tonic(), &target)?
                    .build()
                    .map_err(SetupError::exporter)
            });
        }
        http::build(target, account, move |client, target| {
            http::configure(builder(target).with_http(), client, target)
                .build()
                .map_err(SetupError::exporter)
        })
    }

    pub(crate) fn logs(
        &mut self,
        target: Target,
        account: &Arc<Account>,
    ) -> Result<CountedExporter<LogExporter>, SetupError> {
        #[cfg(feature = "otel-grpc")]
        if target.protocol == Protocol::Grpc {
            return self.grpc.build(account, || {
                grpc::configure(LogExporter::builder().with_tonic(), &target)?
                    .build()
                    .map_err(SetupError::exporter)
            });
        }
        http::build(target, account, |client, target| {
            http::configure(LogExporter::builder().with_http(), client, target)
                .build()
                .map_err(SetupError::exporter)
        })
    }
}
