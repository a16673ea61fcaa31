//! The exporter of metrics to a receiver.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use tokio::runtime::Handle;

use super::deliver::Courier;
use crate::losses::{Account, Delivery};

/// Exports metrics on the runtime of the exporters.
#[derive(Debug)]
pub(crate) struct OtlpMetrics {
    runtime: Handle,
    courier: Arc<Courier>,
    timeout: Duration,
    temporality: Temporality,
    account: Arc<Account>,
}

impl OtlpMetrics {
    pub(super) fn new(
        runtime: Handle,
        courier: Courier,
        timeout: Duration,
        temporality: Temporality,
        account: &Arc<Account>,
    ) -> Self {
        let (courier, account) = (Arc::new(courier), Arc::clone(account));
        Self { runtime, courier, timeout, temporality, account }
    }
}

impl PushMetricExporter for OtlpMetrics {
    /// Exports all metrics. An export counts as one item.
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.account.count_queued();
        let request = ExportMetricsServiceRequest::from(metrics);
        let (courier, timeout) = (Arc::clone(&self.courier), self.timeout);
        let export = self.runtime.spawn(async move { courier.deliver(request, timeout).await });
        let (lost, reason) = match export.await {
            Ok(delivery) => (delivery.lost.min(1), delivery.reason),
            Err(_) => (1, "the exporter was shut down".to_owned()),
        };
        let delivery = Delivery { delivered: 1 - lost, lost, reason };
        self.account.count_delivery(&delivery);
        let (courier, outcome) = (Arc::clone(&self.courier), delivery.clone());
        self.runtime.spawn(async move { courier.report(&outcome).await });
        if lost == 0 { Ok(()) } else { Err(OTelSdkError::InternalFailure(delivery.reason)) }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}
