//! Reports on standard error when exports begin to fail and when they work again. A program that
//! runs for weeks does not see the error of `shutdown`.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::otlp::Signal;

/// The minimum time between two reports of failures of one receiver.
const MIN_PAUSE: Duration = Duration::from_secs(60);

/// The state of one receiver.
#[derive(Debug)]
pub(crate) struct Health {
    receiver: String,
    quiet: Quiet,
    reported: Mutex<Reported>,
}

#[derive(Debug, Default)]
struct Reported {
    /// The signals whose failures were reported.
    signals: Vec<Signal>,
    /// The last report of a failure.
    last: Option<(Instant, String)>,
}

impl Health {
    pub(crate) fn new(receiver: String, quiet: Quiet) -> Self {
        Self { receiver, quiet, reported: Mutex::default() }
    }

    /// Returns the name of the receiver, which contains no secret.
    pub(crate) fn receiver(&self) -> &str {
        &self.receiver
    }

    /// Reports that exports of a signal fail, unless that was reported before.
    pub(crate) fn failed(&self, signal: Signal, reason: &str) {
        if !self.quiet.is_active() && self.is_news(signal, reason, Instant::now()) {
            let items = match signal {
                Signal::Traces => "spans",
                Signal::Metrics => "metrics",
                Signal::Logs => "events",
            };
            report(&format!("cannot export {items} to {}: {reason}", self.receiver));
        }
    }

    /// Reports that exports work again, if failures of this signal were reported.
    pub(crate) fn recovered(&self, signal: Signal) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let before = reported.signals.len();
        reported.signals.retain(|other| *other != signal);
        if before == 1 && reported.signals.is_empty() {
            drop(reported);
            report(&format!("exports to {} work again", self.receiver));
        }
    }

    fn is_news(&self, signal: Signal, reason: &str, now: Instant) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.signals.contains(&signal) {
            return false;
        }
        // One report is sufficient for a receiver that cannot be reached.
        let is_repeated = !reported.signals.is_empty()
            && reported.last.as_ref().is_some_and(|(_, last)| last == reason);
        let is_early =
            reported.last.as_ref().is_some_and(|(at, _)| now.duration_since(*at) < MIN_PAUSE);
        if is_repeated || !is_early {
            reported.signals.push(signal);
        }
        if is_repeated || is_early {
            return false;
        }
        reported.last = Some((now, reason.to_owned()));
        true
    }
}

/// Writes a line to standard error. A closed standard error is no reason to panic.
pub(crate) fn report(message: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "chatlas::otel: {message}");
}

/// Whether a caller waits for a flush or shutdown, which returns the failures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quiet(Arc<AtomicUsize>);

impl Quiet {
    /// Begins a shutdown. Exports that are cancelled after it are no news.
    pub(crate) fn begin(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Runs a flush.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.begin();
        let result = work();
        self.0.fetch_sub(1, Ordering::AcqRel);
        result
    }

    fn is_active(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_news_once_per_receiver_and_at_most_once_a_minute() {
        let health = Health::new("a:1".to_owned(), Quiet::default());
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(health.is_news(Signal::Traces, "refused", start));
        assert!(!health.is_news(Signal::Traces, "refused", after(100)), "reported before");
        assert!(!health.is_news(Signal::Logs, "refused", after(100)), "the same reason");
        assert!(health.is_news(Signal::Metrics, "status 404", after(100)), "another reason");
        for signal in Signal::ALL {
            health.recovered(signal);
        }
        assert!(!health.is_news(Signal::Traces, "refused", after(110)), "too early");
        assert!(health.is_news(Signal::Traces, "refused", after(161)), "it still fails");
    }

    #[test]
    fn nothing_is_reported_while_a_caller_waits() {
        let quiet = Quiet::default();
        assert!(quiet.during(|| quiet.is_active()));
        assert!(!quiet.is_active());
    }
}
