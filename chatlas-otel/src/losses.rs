//! What was handed over to be sent, and what of it arrived. The SDK says success when a receiver
//! was never reached, and drops in silence what its queue has no room for: so it is counted here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::Severity;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};

use super::error::{Lost, SetupError};
use super::otlp::Signal;

/// The account of one exporter.
#[derive(Debug)]
pub(super) struct Account {
    signal: Signal,
    receiver: String,
    accepted: AtomicU64,
    delivered: AtomicU64,
    /// Of those that were tried, and not delivered.
    failed: AtomicU64,
    why: Mutex<Option<String>>,
    /// What the network said of the export that is under way: the exporter does not hand it on.
    network: Mutex<Option<String>>,
}

impl Account {
    fn new(signal: Signal, receiver: String) -> Self {
        Self {
            signal,
            receiver,
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            why: Mutex::default(),
            network: Mutex::default(),
        }
    }

    fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// An export is over. Of metrics one reading counts.
    pub(super) fn exported(&self, count: usize, result: Result<(), String>) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if self.signal == Signal::Metrics {
            self.accept();
        }
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner).take();
        match result {
            Ok(()) => {
                self.delivered.fetch_add(count, Ordering::Relaxed);
            }
            Err(why) => {
                self.failed.fetch_add(count, Ordering::Relaxed);
                self.say(match network {
                    Some(network) => format!("{why}: {network}"),
                    None => why,
                });
            }
        }
    }

    /// The receiver could not be reached.
    pub(super) fn unreached(&self, why: String) {
        *self.network.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// The receiver took an export, but said that it refuses a part of it.
    pub(super) fn refused(&self, count: u64, why: &str) {
        // The export as a whole is still to be counted as delivered.
        self.accepted.fetch_add(count, Ordering::Relaxed);
        self.failed.fetch_add(count, Ordering::Relaxed);
        self.say(format!("the receiver refused them: {why}"));
    }

    fn say(&self, why: String) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    fn lost(&self) -> u64 {
        let accepted = self.accepted.load(Ordering::Relaxed);
        accepted.saturating_sub(self.delivered.load(Ordering::Relaxed))
    }

    /// Why something is lost, as far as it was tried; else that it never came to that.
    fn why(&self, in_time: bool) -> String {
        let said = self.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let untried = self.lost().saturating_sub(self.failed.load(Ordering::Relaxed));
        match said {
            Some(why) => why,
            None if untried > 0 && in_time => "the queue was full".to_owned(),
            None => "the receiver did not take them in time".to_owned(),
        }
    }
}

/// The accounts of all exporters.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses(Vec<Arc<Account>>);

impl Losses {
    pub(super) fn open(&mut self, signal: Signal, receiver: String) -> Arc<Account> {
        let account = Arc::new(Account::new(signal, receiver));
        self.0.push(Arc::clone(&account));
        account
    }

    /// An error, where there were losses. `in_time`: whether all exporters have come to their end.
    pub(super) fn told(&self, in_time: bool) -> Result<(), SetupError> {
        let mut receivers: Vec<(&str, Lost, String)> = Vec::new();
        for account in &self.0 {
            let count = account.lost();
            let mut lost = Lost::default();
            match account.signal {
                Signal::Traces => lost.spans = count,
                Signal::Metrics => lost.metric_readings = count,
                Signal::Logs => lost.events = count,
            }
            if count == 0 {
                continue;
            }
            let known = receivers.iter_mut().find(|(name, ..)| *name == account.receiver);
            match known {
                Some((_, sum, _)) => *sum = sum.and(lost),
                None => receivers.push((&account.receiver, lost, account.why(in_time))),
            }
        }
        let lost = receivers.iter().fold(Lost::default(), |sum, (_, lost, _)| sum.and(*lost));
        if lost.is_nothing() {
            return Ok(());
        }
        let said = receivers
            .iter()
            .map(|(receiver, lost, why)| format!("{lost} could not be sent to {receiver}: {why}"));
        Err(SetupError::Unsent { lost, why: said.collect::<Vec<_>>().join("; ") })
    }
}

/// A queue of spans that counts what it is given.
#[derive(Debug)]
pub(super) struct CountedSpans {
    pub(super) queue: BatchSpanProcessor,
    pub(super) account: Arc<Account>,
}

impl SpanProcessor for CountedSpans {
    fn on_start(&self, span: &mut Span, context: &opentelemetry::Context) {
        self.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        // The queue passes over the others.
        if span.span_context.is_sampled() {
            self.account.accept();
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

/// A queue of events that counts what it is given.
#[derive(Debug)]
pub(super) struct CountedEvents {
    pub(super) queue: BatchLogProcessor,
    pub(super) account: Arc<Account>,
}

impl LogProcessor for CountedEvents {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.account.accept();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_and_not_delivered_is_lost() {
        let mut losses = Losses::default();
        let spans = losses.open(Signal::Traces, "a:1".to_owned());
        let events = losses.open(Signal::Logs, "b:2".to_owned());
        assert_eq!(losses.told(true), Ok(()));
        for _ in 0..5 {
            spans.accept();
        }
        spans.exported(2, Ok(()));
        let said = losses.told(true).unwrap_err().to_string();
        assert_eq!(said, "telemetry is lost: 3 spans could not be sent to a:1: the queue was full");
        assert!(losses.told(false).unwrap_err().to_string().ends_with("in time"));
        spans.exported(3, Err("status 401".to_owned()));
        events.accept();
        events.exported(1, Ok(()));
        events.refused(1, "too old");
        let SetupError::Unsent { lost, why } = losses.told(true).unwrap_err() else { panic!() };
        assert_eq!((lost.spans, lost.events, lost.metric_readings), (3, 1, 0));
        assert_eq!(
            why,
            "3 spans could not be sent to a:1: status 401; \
             1 event could not be sent to b:2: the receiver refused them: too old"
        );
    }

    #[test]
    fn a_reading_of_metrics_counts_once() {
        let mut losses = Losses::default();
        let metrics = losses.open(Signal::Metrics, "a:1".to_owned());
        metrics.exported(1, Ok(()));
        assert_eq!(losses.told(true), Ok(()));
        metrics.exported(1, Err("status 500".to_owned()));
        let said = losses.told(true).unwrap_err().to_string();
        assert!(said.contains("1 metric reading could not be sent"), "{said}");
    }
}
