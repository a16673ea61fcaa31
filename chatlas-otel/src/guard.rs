//! The guard of installed telemetry: flushes it, and shuts it down when it is dropped.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chatlas_core::telemetry::{EventSink, set_default_capture, set_event_sink};
use opentelemetry::global;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::error::{LostTelemetry, SetupError};
use crate::exporters::Exporters;
use crate::losses::Losses;

/// The maximum duration of a shutdown by default.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a guard has installed its providers as the global ones.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Keeps telemetry installed.
///
/// Dropping the guard shuts telemetry down: it exports what is queued, for at most five seconds or
/// the timeout of [`Telemetry::with_shutdown_timeout`](crate::Telemetry::with_shutdown_timeout),
/// and writes an error to standard error if telemetry was lost.
///
/// Keep it in `main`: `let _telemetry = …`. With `let _ = …` it is dropped immediately, and nothing
/// is recorded.
#[derive(Debug)]
#[must_use = "dropping the guard shuts telemetry down"]
pub struct Guard {
    pub(crate) traces: Option<SdkTracerProvider>,
    pub(crate) metrics: Option<SdkMeterProvider>,
    pub(crate) logs: Option<SdkLoggerProvider>,
    /// Whether a destination of traces receives no events.
    pub(crate) feedback_spans: bool,
    pub(crate) losses: Losses,
    timeout: Duration,
    /// Whether the providers are the global ones.
    installed: bool,
    is_shut_down: bool,
    /// Dropped last, because the providers use the runtime in it.
    pub(crate) exporters: Exporters,
}

impl Guard {
    /// Creates a guard without providers.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            traces: None,
            metrics: None,
            logs: None,
            feedback_spans: false,
            losses: Losses::default(),
            timeout,
            installed: false,
            is_shut_down: false,
            exporters: Exporters::default(),
        }
    }

    /// Returns true if the providers of a guard are the global ones.
    pub(crate) fn is_installed() -> bool {
        INSTALLED.load(Ordering::Acquire)
    }

    /// Makes the providers the global ones.
    pub(crate) fn install(mut self) -> Result<Self, SetupError> {
        if self.traces.is_none() && self.metrics.is_none() && self.logs.is_none() {
            return Ok(self);
        }
        if INSTALLED.swap(true, Ordering::AcqRel) {
            // The installed telemetry continues. This guard has recorded nothing to flush.
            self.is_shut_down = true;
            return Err(SetupError::AlreadyInstalled);
        }
        self.installed = true;
        if let Some(provider) = &self.traces {
            global::set_tracer_provider(provider.clone());
        }
        if let Some(provider) = &self.metrics {
            global::set_meter_provider(provider.clone());
        }
        if let Some(provider) = &self.logs {
            let sink = EventSink::new(provider).with_feedback_spans(self.feedback_spans);
            set_event_sink(Some(sink));
        }
        Ok(self)
    }

    /// Returns the tracer provider, for example for a `tracing` layer, or `None` if traces are not
    /// exported.
    pub fn tracer_provider(&self) -> Option<&SdkTracerProvider> {
        self.traces.as_ref()
    }

    /// Returns the meter provider, or `None` if metrics are not exported.
    pub fn meter_provider(&self) -> Option<&SdkMeterProvider> {
        self.metrics.as_ref()
    }

    /// Returns the logger provider, for an appender of `tracing` or `log`, or `None` if events are
    /// not exported.
    pub fn logger_provider(&self) -> Option<&SdkLoggerProvider> {
        self.logs.as_ref()
    }

    /// Exports what is queued. Blocks the thread for at most the shutdown timeout.
    ///
    /// Call it at the end of each request in an environment that suspends the program between
    /// requests.
    ///
    /// # Errors
    ///
    /// Returns an error if telemetry was lost, now or earlier in the program.
    pub fn flush(&self) -> Result<(), LostTelemetry> {
        let mut jobs = Vec::new();
        if let Some(provider) = self.traces.clone() {
            jobs.push(job(move |_| provider.force_flush()));
        }
        if let Some(provider) = self.logs.clone() {
            jobs.push(job(move |_| provider.force_flush()));
        }
        if let Some(provider) = self.metrics.clone() {
            jobs.push(job(move |_| provider.force_flush()));
        }
        self.check(&run(jobs, self.timeout))
    }

    /// Exports what is queued and shuts telemetry down. Blocks the thread for at most the shutdown
    /// timeout, inside and outside of a runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if telemetry was lost, now or earlier in the program.
    pub fn shutdown(mut self) -> Result<(), LostTelemetry> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), LostTelemetry> {
        if std::mem::replace(&mut self.is_shut_down, true) {
            return Ok(());
        }
        if self.installed {
            set_event_sink(None);
            set_default_capture(None);
        }
        let mut jobs = Vec::new();
        if let Some(provider) = self.traces.take() {
            jobs.push(job(move |timeout| provider.shutdown_with_timeout(timeout)));
        }
        if let Some(provider) = self.logs.take() {
            jobs.push(job(move |timeout| provider.shutdown_with_timeout(timeout)));
        }
        if let Some(provider) = self.metrics.take() {
            jobs.push(job(move |timeout| provider.shutdown_with_timeout(timeout)));
        }
        let results = run(jobs, self.timeout);
        if self.installed {
            INSTALLED.store(false, Ordering::Release);
        }
        self.check(&results)
    }

    /// Returns an error if telemetry was lost. The results are not sufficient: the SDK returns `Ok`
    /// even if the receiver was never reached.
    fn check(&self, results: &[OTelSdkResult]) -> Result<(), LostTelemetry> {
        // A provider with several processors returns a timeout as a failure.
        let in_time = results
            .iter()
            .all(|result| matches!(result, Ok(()) | Err(OTelSdkError::AlreadyShutdown)));
        self.losses.check(in_time)?;
        let reason = match results.iter().find_map(|result| result.as_ref().err()) {
            // A provider that the program has shut down itself was flushed then.
            None | Some(OTelSdkError::AlreadyShutdown) => return Ok(()),
            Some(OTelSdkError::Timeout(_)) => {
                format!("the receiver did not accept the rest within {:?}", self.timeout)
            }
            Some(OTelSdkError::InternalFailure(error)) => error.clone(),
        };
        Err(LostTelemetry { reason, ..LostTelemetry::default() })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            // A closed standard error is no reason to panic.
            let _ = writeln!(std::io::stderr(), "chatlas::otel: {error}");
        }
    }
}

/// The work on one provider, which gets the timeout.
type Job = Box<dyn FnOnce(Duration) -> OTelSdkResult + Send>;

fn job(work: impl FnOnce(Duration) -> OTelSdkResult + Send + 'static) -> Job {
    Box::new(work)
}

/// Runs all jobs at the same time on threads of their own, so that a receiver of one signal that
/// hangs does not delay the others. Jobs that exceed the timeout are abandoned.
fn run(jobs: Vec<Job>, timeout: Duration) -> Vec<OTelSdkResult> {
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel();
    let count = jobs.len();
    for job in jobs {
        let sender = sender.clone();
        let work = move || {
            // The receiver is gone after the timeout.
            let _ = sender.send(job(timeout));
        };
        // If no thread can be started, the job is abandoned: without one it could block for longer
        // than the timeout.
        let _ = thread::Builder::new().name("chatlas-otel-shutdown".to_owned()).spawn(work);
    }
    drop(sender);
    (0..count)
        .map(|_| {
            let remaining = timeout.saturating_sub(start.elapsed());
            receiver.recv_timeout(remaining).unwrap_or(Err(OTelSdkError::Timeout(timeout)))
        })
        .collect()
}
