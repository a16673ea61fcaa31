//! The guard: whoever holds it has telemetry, and its end is the end of the telemetry.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::global;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::SetupError;
use super::error::Lost;
use super::exporters::Wire;
use super::losses::Losses;
use chatlas_core::telemetry::{EventSink, set_default_capture, set_event_sink};

/// How long the end of a program waits for its telemetry to be sent, unless it says otherwise.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(5);

/// Whether there is a guard whose providers are the global ones.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Keeps the telemetry going. When it is dropped, what is left is sent, within five seconds (or
/// what [`Telemetry::shutdown_timeout`](super::Telemetry::shutdown_timeout) says); a loss is then
/// told on standard error.
///
/// Hold it in `main`: `let _telemetry = …`. With `let _ = …` it is dropped at once, and nothing is
/// recorded.
#[derive(Debug)]
#[must_use = "dropping the guard ends the telemetry"]
pub struct Guard {
    pub(super) traces: Option<SdkTracerProvider>,
    pub(super) metrics: Option<SdkMeterProvider>,
    pub(super) logs: Option<SdkLoggerProvider>,
    pub(super) losses: Losses,
    pub(super) timeout: Duration,
    /// Whether the providers are the global ones.
    installed: bool,
    ended: bool,
    /// Dropped last: the exporters use it.
    pub(super) wire: Wire,
}

impl Guard {
    /// One without providers so far.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            traces: None,
            metrics: None,
            logs: None,
            losses: Losses::default(),
            timeout,
            installed: false,
            ended: false,
            wire: Wire::default(),
        }
    }

    /// Whether there is one already whose providers are the global ones.
    pub(super) fn is_installed() -> bool {
        INSTALLED.load(Ordering::Acquire)
    }

    /// Makes the providers the global ones.
    pub(super) fn install(mut self) -> Result<Self, SetupError> {
        if self.traces.is_none() && self.metrics.is_none() && self.logs.is_none() {
            return Ok(self);
        }
        if INSTALLED.swap(true, Ordering::AcqRel) {
            // The one that is there goes on; this one has nothing to tell.
            self.ended = true;
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
            set_event_sink(Some(EventSink::new(provider)));
        }
        Ok(self)
    }

    /// The tracer provider, for layers of `tracing` and the like; `None` where no traces are
    /// wanted.
    pub fn tracer_provider(&self) -> Option<&SdkTracerProvider> {
        self.traces.as_ref()
    }

    /// The meter provider; `None` where no metrics are wanted.
    pub fn meter_provider(&self) -> Option<&SdkMeterProvider> {
        self.metrics.as_ref()
    }

    /// The logger provider, for appenders of `tracing` or `log`; `None` where no events are wanted.
    pub fn logger_provider(&self) -> Option<&SdkLoggerProvider> {
        self.logs.as_ref()
    }

    /// Sends what there is so far, within the timeout of the shutdown. It blocks the thread for so
    /// long. Programs that are frozen between their requests call it at the end of each.
    ///
    /// # Errors
    ///
    /// [`SetupError::Unsent`] where something could not be sent, now or earlier in the program.
    pub fn flush(&self) -> Result<(), SetupError> {
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
        self.told(&run(jobs, self.timeout))
    }

    /// Sends what is left, within five seconds or what was set instead, and says how that went. It
    /// blocks the thread for so long, in a runtime as well as outside.
    ///
    /// # Errors
    ///
    /// [`SetupError::Unsent`] where something could not be sent, now or earlier in the program.
    pub fn shutdown(mut self) -> Result<(), SetupError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), SetupError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        if self.installed {
            set_event_sink(None);
            set_default_capture(None);
        }
        let mut jobs = Vec::new();
        if let Some(provider) = self.traces.take() {
            jobs.push(job(move |left| provider.shutdown_with_timeout(left)));
        }
        if let Some(provider) = self.logs.take() {
            jobs.push(job(move |left| provider.shutdown_with_timeout(left)));
        }
        if let Some(provider) = self.metrics.take() {
            jobs.push(job(move |left| provider.shutdown_with_timeout(left)));
        }
        let ends = run(jobs, self.timeout);
        if self.installed {
            INSTALLED.store(false, Ordering::Release);
        }
        self.told(&ends)
    }

    /// What was lost: the SDK calls it a success when the receiver was never reached.
    fn told(&self, ends: &[OTelSdkResult]) -> Result<(), SetupError> {
        // A provider with several processors tells a timeout as a failure.
        let in_time =
            ends.iter().all(|end| matches!(end, Ok(()) | Err(OTelSdkError::AlreadyShutdown)));
        self.losses.told(in_time)?;
        let unsent = |why| Err(SetupError::Unsent { lost: Lost::default(), why });
        match ends.iter().find_map(|end| end.as_ref().err()) {
            // One that the program ended by itself has sent what there was.
            None | Some(OTelSdkError::AlreadyShutdown) => Ok(()),
            Some(OTelSdkError::Timeout(_)) => {
                unsent(format!("the receiver did not take the rest within {:?}", self.timeout))
            }
            Some(OTelSdkError::InternalFailure(why)) => unsent(why.clone()),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            // Where nobody can read it, it is not worth a panic.
            let _ = writeln!(std::io::stderr(), "chatlas::otel: {error}");
        }
    }
}

/// What is done with one provider, in the time that is left.
type Job = Box<dyn FnOnce(Duration) -> OTelSdkResult + Send>;

fn job(work: impl FnOnce(Duration) -> OTelSdkResult + Send + 'static) -> Job {
    Box::new(work)
}

/// Does it all at once, on threads, so that a receiver of one signal that hangs takes nothing from
/// the others. Who is not done in time is left alone.
fn run(jobs: Vec<Job>, timeout: Duration) -> Vec<OTelSdkResult> {
    let begin = Instant::now();
    let (sender, receiver) = mpsc::channel();
    let count = jobs.len();
    for job in jobs {
        let sender = sender.clone();
        let work = move || {
            // Who waits no longer does not mind.
            let _ = sender.send(job(timeout));
        };
        // Without a thread nothing can be waited for with a bound: then it is left.
        let _ = thread::Builder::new().name("chatlas-otel-end".to_owned()).spawn(work);
    }
    drop(sender);
    (0..count)
        .map(|_| {
            let left = timeout.saturating_sub(begin.elapsed());
            receiver.recv_timeout(left).unwrap_or(Err(OTelSdkError::Timeout(timeout)))
        })
        .collect()
}
