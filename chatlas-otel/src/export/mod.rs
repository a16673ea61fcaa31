//! Exports over OTLP: over HTTP with protobuf or JSON, and over gRPC with the feature `otel-grpc`.

mod deliver;
mod failure;
#[cfg(feature = "otel-grpc")]
mod grpc;
mod http;
mod metrics;
mod payload;
mod queue;
mod runtime;
mod signals;
#[cfg(feature = "_tls")]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use deliver::{Courier, Transport};
#[cfg(feature = "otel-grpc")]
use grpc::Grpc;
use http::Http;
pub(crate) use metrics::OtlpMetrics;
pub(crate) use payload::to_json;
use queue::Queue;
use runtime::Runtime;
pub(crate) use signals::{OtlpEvents, OtlpSpans};

use crate::batching::Batch;
use crate::error::SetupError;
use crate::losses::Account;
#[cfg(feature = "otel-grpc")]
use crate::otlp::Protocol;
use crate::otlp::Target;

/// Builds the exporters, and owns the runtime that they share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exporters {
    runtime: Runtime,
}

impl Exporters {
    pub(crate) fn spans(
        &mut self,
        target: &Target,
        batch: Batch,
        account: &Arc<Account>,
    ) -> Result<OtlpSpans, SetupError> {
        let courier = self.courier(target, account)?;
        Ok(OtlpSpans::new(Queue::start(&self.runtime.handle()?, courier, batch, account)))
    }

    pub(crate) fn events(
        &mut self,
        target: &Target,
        batch: Batch,
        account: &Arc<Account>,
    ) -> Result<OtlpEvents, SetupError> {
        let courier = self.courier(target, account)?;
        Ok(OtlpEvents::new(Queue::start(&self.runtime.handle()?, courier, batch, account)))
    }

    pub(crate) fn metrics(
        &mut self,
        target: &Target,
        timeout: Duration,
        account: &Arc<Account>,
    ) -> Result<OtlpMetrics, SetupError> {
        let courier = self.courier(target, account)?;
        let runtime = self.runtime.handle()?;
        Ok(OtlpMetrics::new(runtime, courier, timeout, target.temporality, account))
    }

    fn courier(&mut self, target: &Target, account: &Arc<Account>) -> Result<Courier, SetupError> {
        // A channel of gRPC is created inside a runtime.
        let runtime = self.runtime.handle()?;
        let _runtime = runtime.enter();
        #[cfg(feature = "otel-grpc")]
        let transport = if target.protocol == Protocol::Grpc {
            Transport::Grpc(Grpc::new(target)?)
        } else {
            Transport::Http(Http::new(target)?)
        };
        #[cfg(not(feature = "otel-grpc"))]
        let transport = Transport::Http(Http::new(target)?);
        Ok(Courier::new(transport, target.timeout, account))
    }
}
