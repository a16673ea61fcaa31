//! Counts the telemetry that is queued, delivered and lost. The providers of the SDK report success
//! when a receiver was never reached.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use crate::error::LostTelemetry;
use crate::format;
use crate::health::{Health, Quiet};
use crate::otlp::Signal;

/// The counts of one exporter.
#[derive(Debug)]
pub(crate) struct Account {
    signal: Signal,
    health: Arc<Health>,
    queued: AtomicU64,
    delivered: AtomicU64,
    /// Queued items that were not delivered.
    failed: AtomicU64,
    /// Items that were not queued.
    dropped: AtomicU64,
    failure: Mutex<Option<String>>,
}

/// The result of a delivery.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    /// Why items were lost.
    pub(crate) reason: String,
}

impl Account {
    fn new(signal: Signal, health: Arc<Health>) -> Self {
        Self {
            signal,
            health,
            queued: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failure: Mutex::default(),
        }
    }

    pub(crate) fn count_queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an item that did not fit into the queue.
    pub(crate) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.health.failed(self.signal, QUEUE_FULL);
    }

    /// Counts queued items that were delivered or lost. A loss is not reported on standard error.
    pub(crate) fn count_delivery(&self, delivery: &Delivery) {
        self.delivered.fetch_add(delivery.delivered, Ordering::Relaxed);
        self.failed.fetch_add(delivery.lost, Ordering::Relaxed);
        if delivery.lost > 0 {
            self.note_failure(&delivery.reason);
        } else {
            self.health.recovered(self.signal);
        }
    }

    /// Counts one item that was written immediately.
    pub(crate) fn count_written(&self, result: Result<(), String>) {
        self.count_queued();
        let lost = u64::from(result.is_err());
        let reason = result.err().unwrap_or_default();
        self.count_delivery(&Delivery { delivered: 1 - lost, lost, reason });
        if lost > 0 {
            self.report_failure();
        }
    }

    /// Records why an export fails.
    pub(crate) fn note_failure(&self, reason: &str) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    /// Reports the last failure on standard error, unless that was done before.
    pub(crate) fn report_failure(&self) {
        self.health.failed(self.signal, &self.reason());
    }

    /// Returns how many of the first `queued` items were lost, in addition to those that were not
    /// queued.
    fn lost(&self, queued: u64) -> u64 {
        let failed = self.failed.load(Ordering::Relaxed);
        let finished = failed.saturating_add(self.delivered.load(Ordering::Relaxed));
        let dropped = self.dropped.load(Ordering::Relaxed);
        failed.saturating_add(dropped).saturating_add(queued.saturating_sub(finished))
    }

    /// Returns the last failure, or why no export was attempted.
    fn reason(&self) -> String {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.unwrap_or_else(|| match self.dropped.load(Ordering::Relaxed) {
            0 => "the receiver did not accept them in time".to_owned(),
            _ => QUEUE_FULL.to_owned(),
        })
    }
}

const QUEUE_FULL: &str = "the queue was full";

/// The accounts of all exporters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    accounts: Vec<Arc<Account>>,
    quiet: Quiet,
}

/// The number of items that each exporter had queued at one time.
pub(crate) struct Queued(Vec<u64>);

impl Losses {
    pub(crate) fn open(&mut self, signal: Signal, receiver: String) -> Arc<Account> {
        let existing = self.accounts.iter().find(|account| account.health.receiver() == receiver);
        let health = match existing {
            Some(account) => Arc::clone(&account.health),
            None => Arc::new(Health::new(receiver, self.quiet.clone())),
        };
        let account = Arc::new(Account::new(signal, health));
        self.accounts.push(Arc::clone(&account));
        account
    }

    /// Prevents lines on standard error while the caller waits for the result.
    pub(crate) fn quiet(&self) -> &Quiet {
        &self.quiet
    }

    /// Returns how much is queued now.
    pub(crate) fn queued(&self) -> Queued {
        Queued(self.accounts.iter().map(|each| each.queued.load(Ordering::Relaxed)).collect())
    }

    /// Returns an error if telemetry was lost. Items that were queued later are no losses.
    pub(crate) fn check(&self, queued: &Queued) -> Result<(), LostTelemetry> {
        let mut receivers: Vec<(&str, Counts, String)> = Vec::new();
        for (account, queued) in self.accounts.iter().zip(&queued.0) {
            let lost = account.lost(*queued);
            if lost == 0 {
                continue;
            }
            let counts = Counts::new(account.signal, lost);
            let name = account.health.receiver();
            let receiver = receivers.iter_mut().find(|(receiver, ..)| *receiver == name);
            match receiver {
                Some((_, sum, _)) => *sum = sum.plus(counts),
                None => receivers.push((name, counts, account.reason())),
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

/// An exporter of metrics that counts its exports and records its failures.
#[derive(Debug)]
pub(crate) struct CountedExporter<E> {
    exporter: E,
    account: Arc<Account>,
}

impl<E> CountedExporter<E> {
    pub(crate) fn new(exporter: E, account: Arc<Account>) -> Self {
        Self { exporter, account }
    }
}

impl<E: PushMetricExporter> PushMetricExporter for CountedExporter<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        self.account.count_written(match &result {
            Ok(()) => Ok(()),
            Err(OTelSdkError::InternalFailure(error)) => Err(error.clone()),
            Err(error) => Err(error.to_string()),
        });
        result
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

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(delivered: u64, lost: u64, reason: &str) -> Delivery {
        Delivery { delivered, lost, reason: reason.to_owned() }
    }

    #[test]
    fn queued_items_that_were_not_delivered_are_lost() {
        let mut losses = Losses::default();
        let spans = losses.open(Signal::Traces, "a:1".to_owned());
        let events = losses.open(Signal::Logs, "b:2".to_owned());
        let check = || losses.check(&losses.queued());
        assert_eq!(check(), Ok(()));
        for _ in 0..5 {
            spans.count_queued();
        }
        spans.count_delivery(&delivery(2, 0, ""));
        let error = check().unwrap_err().to_string();
        assert_eq!(
            error,
            "telemetry was lost: 3 spans could not be sent to a:1: the receiver did not accept \
             them in time"
        );
        spans.count_dropped();
        assert!(
            check()
                .unwrap_err()
                .to_string()
                .ends_with("4 spans could not be sent to a:1: the queue was full")
        );
        spans.count_delivery(&delivery(0, 3, "status 401"));
        events.count_queued();
        events.count_delivery(&delivery(0, 1, "the receiver rejected them: too old"));
        let lost = check().unwrap_err();
        assert_eq!((lost.spans, lost.events, lost.metric_exports), (4, 1, 0));
        assert_eq!(
            lost.reason,
            "4 spans could not be sent to a:1: status 401; \
             1 event could not be sent to b:2: the receiver rejected them: too old"
        );
    }

    #[test]
    fn items_that_are_queued_during_a_flush_are_not_lost() {
        let mut losses = Losses::default();
        let spans = losses.open(Signal::Traces, "a:1".to_owned());
        spans.count_queued();
        let queued = losses.queued();
        spans.count_queued();
        spans.count_queued();
        spans.count_delivery(&delivery(1, 0, ""));
        assert_eq!(losses.check(&queued), Ok(()));
        assert_eq!(losses.check(&losses.queued()).unwrap_err().spans, 2);
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
