//! Counts the telemetry that is queued and the telemetry that is delivered. The SDK reports success
//! when a receiver was never reached, and silently drops what does not fit into its queue.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::Severity;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{
    BatchLogProcessor, LogBatch, LogExporter, LogProcessor, SdkLogRecord,
};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use crate::error::LostTelemetry;
use crate::format;
use crate::otlp::Signal;

/// The counts of one exporter.
#[derive(Debug)]
pub(crate) struct Account {
    signal: Signal,
    receiver: String,
    queued: AtomicU64,
    delivered: AtomicU64,
    /// Items whose export failed.
    failed: AtomicU64,
    failure: Mutex<Option<String>>,
    /// The network error of the current export, which the exporter does not forward.
    network_error: Mutex<Option<String>>,
}

impl Account {
    fn new(signal: Signal, receiver: String) -> Self {
        Self {
            signal,
            receiver,
            queued: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failure: Mutex::default(),
            network_error: Mutex::default(),
        }
    }

    fn count_queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an export. An export of metrics counts as one item.
    fn count_export(&self, count: usize, result: Result<(), String>) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if self.signal == Signal::Metrics {
            self.count_queued();
        }
        let network_error =
            self.network_error.lock().unwrap_or_else(PoisonError::into_inner).take();
        match result {
            Ok(()) => {
                self.delivered.fetch_add(count, Ordering::Relaxed);
            }
            Err(error) => {
                self.failed.fetch_add(count, Ordering::Relaxed);
                self.set_failure(match network_error {
                    Some(network_error) => format!("{error}: {network_error}"),
                    None => error,
                });
            }
        }
    }

    /// Records the network error of the current export.
    pub(crate) fn set_network_error(&self, error: String) {
        *self.network_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Counts items that the receiver rejected although it accepted the export.
    pub(crate) fn count_rejected(&self, count: u64, reason: &str) {
        // The complete export is still going to be counted as delivered.
        self.queued.fetch_add(count, Ordering::Relaxed);
        self.failed.fetch_add(count, Ordering::Relaxed);
        self.set_failure(format!("the receiver rejected them: {reason}"));
    }

    fn set_failure(&self, failure: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    fn lost(&self) -> u64 {
        let queued = self.queued.load(Ordering::Relaxed);
        queued.saturating_sub(self.delivered.load(Ordering::Relaxed))
    }

    /// Returns the last failure, or why no export was attempted.
    fn reason(&self, in_time: bool) -> String {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let not_exported = self.lost().saturating_sub(self.failed.load(Ordering::Relaxed));
        match failure {
            Some(failure) => failure,
            None if not_exported > 0 && in_time => "the queue was full".to_owned(),
            None => "the receiver did not accept them in time".to_owned(),
        }
    }
}

/// The accounts of all exporters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses(Vec<Arc<Account>>);

impl Losses {
    pub(crate) fn open(&mut self, signal: Signal, receiver: String) -> Arc<Account> {
        let account = Arc::new(Account::new(signal, receiver));
        self.0.push(Arc::clone(&account));
        account
    }

    /// Returns an error if telemetry was lost. `in_time` is true if all exporters have finished.
    pub(crate) fn check(&self, in_time: bool) -> Result<(), LostTelemetry> {
        let mut receivers: Vec<(&str, Counts, String)> = Vec::new();
        for account in self.0.iter().filter(|account| account.lost() > 0) {
            let counts = Counts::new(account.signal, account.lost());
            let receiver = receivers.iter_mut().find(|(name, ..)| *name == account.receiver);
            match receiver {
                Some((_, sum, _)) => *sum = sum.plus(counts),
                None => receivers.push((&account.receiver, counts, account.reason(in_time))),
            }
        }
        if receivers.is_empty() {
            return Ok(());
        }
        let sum = receivers.iter().fold(Counts::default(), |sum, (_, counts, _)| sum.plus(*counts));
        let reasons = receivers.iter().map(|(receiver, counts, reason)| {
            format!("{} could not be sent to {receiver}: {reason}", counts.describe())
        });
        Err(LostTelemetry {
            spans: sum.spans,
            events: sum.events,
            metric_exports: sum.metric_exports,
            reason: reasons.collect::<Vec<_>>().join("; "),
        })
    }
}

/// The number of lost items by signal.
#[derive(Clone, Copy, Default)]
struct Counts {
    spans: u64,
    metric_exports: u64,
    events: u64,
}

impl Counts {
    fn new(signal: Signal, count: u64) -> Self {
        match signal {
            Signal::Traces => Self { spans: count, ..Self::default() },
            Signal::Metrics => Self { metric_exports: count, ..Self::default() },
            Signal::Logs => Self { events: count, ..Self::default() },
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            spans: self.spans.saturating_add(other.spans),
            metric_exports: self.metric_exports.saturating_add(other.metric_exports),
            events: self.events.saturating_add(other.events),
        }
    }

    fn describe(self) -> String {
        let parts =
            [(self.spans, "span"), (self.metric_exports, "metric export"), (self.events, "event")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts = parts.map(|(count, noun)| format::count(count, noun));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// A batch processor of spans that counts the spans it queues.
#[derive(Debug)]
pub(crate) struct CountedSpans {
    pub(crate) queue: BatchSpanProcessor,
    pub(crate) account: Arc<Account>,
}

impl SpanProcessor for CountedSpans {
    fn on_start(&self, span: &mut Span, context: &opentelemetry::Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        // The queue skips spans that are not sampled.
        if span.span_context.is_sampled() {
            self.account.count_queued();
        }
        self.queue.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// A batch processor of events that counts the events it queues.
#[derive(Debug)]
pub(crate) struct CountedEvents {
    pub(crate) queue: BatchLogProcessor,
    pub(crate) account: Arc<Account>,
}

impl LogProcessor for CountedEvents {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.account.count_queued();
        self.queue.emit(record, scope);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.queue.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.queue.set_resource(resource);
    }
}

/// An exporter that counts the items it delivers and records its failures.
#[derive(Debug)]
pub(crate) struct CountedExporter<E> {
    exporter: E,
    account: Arc<Account>,
}

impl<E> CountedExporter<E> {
    pub(crate) fn new(exporter: E, account: &Arc<Account>) -> Self {
        Self { exporter, account: Arc::clone(account) }
    }

    fn count(&self, count: usize, result: OTelSdkResult) -> OTelSdkResult {
        let outcome = match &result {
            Ok(()) => Ok(()),
            Err(OTelSdkError::InternalFailure(error)) => Err(error.clone()),
            Err(error) => Err(error.to_string()),
        };
        self.account.count_export(count, outcome);
        result
    }
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.count(count, self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for CountedExporter<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.count(1, self.exporter.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

impl<E: LogExporter> LogExporter for CountedExporter<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        self.count(count, self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.exporter.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queued_items_that_were_not_delivered_are_lost() {
        let mut losses = Losses::default();
        let spans = losses.open(Signal::Traces, "a:1".to_owned());
        let events = losses.open(Signal::Logs, "b:2".to_owned());
        assert_eq!(losses.check(true), Ok(()));
        for _ in 0..5 {
            spans.count_queued();
        }
        spans.count_export(2, Ok(()));
        let error = losses.check(true).unwrap_err().to_string();
        assert_eq!(
            error,
            "telemetry was lost: 3 spans could not be sent to a:1: the queue was full"
        );
        assert!(losses.check(false).unwrap_err().to_string().ends_with("in time"));
        spans.count_export(3, Err("status 401".to_owned()));
        events.count_queued();
        events.count_export(1, Ok(()));
        events.count_rejected(1, "too old");
        let lost = losses.check(true).unwrap_err();
        assert_eq!((lost.spans, lost.events, lost.metric_exports), (3, 1, 0));
        assert_eq!(
            lost.reason,
            "3 spans could not be sent to a:1: status 401; \
             1 event could not be sent to b:2: the receiver rejected them: too old"
        );
    }

    #[test]
    fn an_export_of_metrics_counts_as_one_item() {
        let mut losses = Losses::default();
        let metrics = losses.open(Signal::Metrics, "a:1".to_owned());
        metrics.count_export(1, Ok(()));
        assert_eq!(losses.check(true), Ok(()));
        metrics.count_export(1, Err("status 500".to_owned()));
        let error = losses.check(true).unwrap_err().to_string();
        assert!(error.contains("1 metric export could not be sent"), "{error}");
    }

    #[test]
    fn counts_are_listed_with_singular_and_plural_nouns() {
        let describe =
            |spans, events, metric_exports| Counts { spans, metric_exports, events }.describe();
        assert_eq!(describe(0, 0, 0), "");
        assert_eq!(describe(1, 0, 0), "1 span");
        assert_eq!(describe(2, 1, 3), "2 spans, 3 metric exports, 1 event");
    }
}
