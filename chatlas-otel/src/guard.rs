//! The guard of installed telemetry: flushes it, and shuts it down when it is dropped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use chatlas_core::telemetry::{EventSink, set_default_capture, set_event_sink};
use opentelemetry::global;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::error::{LostTelemetry, SetupError};
use crate::export::Exporters;
use crate::health::report;
use crate::losses::{Losses, Queued};
use crate::signal;

/// The maximum duration of a shutdown by default.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a guard has installed its providers as the global ones.
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// The guard of the telemetry that `auto_init` has set up.
static AUTOMATIC: Mutex<Option<Guard>> = Mutex::new(None);

/// A file that telemetry writes.
pub(crate) trait LocalFile: fmt::Debug + Send + Sync {
    /// Releases the file and its memory. The global providers outlive a shutdown, and refer to it.
    fn close(&self);

    /// Returns the error of the last write, if it is not counted otherwise.
    fn failure(&self) -> Option<String>;
}

/// Keeps telemetry installed.
///
/// Dropping the guard shuts telemetry down: it exports what is queued, for at most five seconds or
/// the timeout of [`Telemetry::with_shutdown_timeout`](crate::Telemetry::with_shutdown_timeout),
/// and writes an error to standard error if telemetry was lost.
///
/// Keep it in `main`: `let _telemetry = …`. With `let _ = …` it is dropped immediately, and nothing
/// is recorded. A signal ends a program without dropping the guard, unless
/// [`shutdown_on_signal`](Self::shutdown_on_signal) is called.
///
/// In a process that was forked, the guard does nothing: the telemetry and the threads that export
/// it belong to the parent. Set telemetry up after the fork.
#[derive(Debug)]
#[must_use = "dropping the guard shuts telemetry down"]
pub struct Guard {
    pub(crate) traces: Option<SdkTracerProvider>,
    pub(crate) metrics: Option<SdkMeterProvider>,
    pub(crate) logs: Option<SdkLoggerProvider>,
    /// Whether a destination of traces receives no events.
    pub(crate) feedback_spans: bool,
    pub(crate) losses: Losses,
    #[cfg(feature = "live")]
    pub(crate) live_url: Option<crate::live::Url>,
    pub(crate) files: Vec<Arc<dyn LocalFile>>,
    timeout: Duration,
    /// The process that exports.
    process: u32,
    /// Whether the providers are the global ones.
    installed: bool,
    /// Shared by the guard and its copy for signals.
    is_shut_down: Arc<AtomicBool>,
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
            #[cfg(feature = "live")]
            live_url: None,
            files: Vec::new(),
            timeout,
            process: std::process::id(),
            installed: false,
            is_shut_down: Arc::default(),
            exporters: Exporters::default(),
        }
    }

    /// Returns true if the providers of a guard are the global ones.
    pub(crate) fn is_installed() -> bool {
        INSTALLED.load(Ordering::Acquire)
    }

    /// Returns the guard of the telemetry that was set up automatically, if any.
    pub(crate) fn automatic() -> MutexGuard<'static, Option<Self>> {
        AUTOMATIC.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shuts down the telemetry that was set up automatically, so that the program can set up its
    /// telemetry. Returns whether there was any.
    pub(crate) fn shut_down_automatic() -> bool {
        let Some(guard) = Self::automatic().take() else { return false };
        drop(guard); // reports its error
        true
    }

    /// Makes the providers the global ones.
    pub(crate) fn install(mut self) -> Result<Self, SetupError> {
        if self.traces.is_none() && self.metrics.is_none() && self.logs.is_none() {
            return Ok(self);
        }
        if INSTALLED.swap(true, Ordering::AcqRel) {
            // The installed telemetry continues. This guard has recorded nothing to flush.
            self.is_shut_down.store(true, Ordering::Release);
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

    /// Returns the URL of the live page, or `None` without
    /// [`Telemetry::with_live`](crate::Telemetry::with_live). It contains the token that grants
    /// access to the page.
    #[cfg(feature = "live")]
    pub fn live_url(&self) -> Option<&str> {
        self.live_url.as_ref().map(crate::live::Url::as_str)
    }

    /// Shuts telemetry down and ends the program when it receives SIGTERM or Ctrl-C.
    ///
    /// Service managers and containers end a program by SIGTERM, which would lose the telemetry that
    /// is queued. The status of the program is then 143 (SIGTERM) or 130 (Ctrl-C), as shells report
    /// it. The signals are received on a separate thread, so that the program needs no runtime. On
    /// systems other than Unix, only Ctrl-C is received.
    ///
    /// The program ends without further notice. A server that finishes the requests in progress
    /// first awaits [`shutdown_signal`](crate::shutdown_signal) instead.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let _telemetry = chatlas::otel::init()?.shutdown_on_signal()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the signals cannot be received. Telemetry is then shut down.
    pub fn shutdown_on_signal(self) -> io::Result<Self> {
        if self.installed {
            signal::shut_down_on_signal(self.copy())?;
        }
        Ok(self)
    }

    /// Returns a guard of the same telemetry, which is shut down once.
    fn copy(&self) -> Self {
        Self {
            traces: self.traces.clone(),
            metrics: self.metrics.clone(),
            logs: self.logs.clone(),
            losses: self.losses.clone(),
            feedback_spans: self.feedback_spans,
            files: self.files.clone(),
            #[cfg(feature = "live")]
            live_url: self.live_url.clone(),
            timeout: self.timeout,
            process: self.process,
            installed: self.installed,
            is_shut_down: Arc::clone(&self.is_shut_down),
            exporters: self.exporters.clone(),
        }
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
        if self.is_forked() {
            return Ok(());
        }
        let queued = self.losses.queued();
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
        let results = self.losses.quiet().during(|| run(jobs, self.timeout));
        self.check(&results, &queued)
    }

    #[cfg(test)]
    pub(crate) fn set_process(&mut self, process: u32) {
        self.process = process;
    }

    /// Returns true in a process that was forked.
    fn is_forked(&self) -> bool {
        self.process != std::process::id()
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
        if self.is_shut_down.load(Ordering::Acquire) {
            return Ok(());
        }
        if self.installed {
            signal::during_shutdown(|| self.export_and_stop())
        } else {
            self.export_and_stop()
        }
    }

    fn export_and_stop(&mut self) -> Result<(), LostTelemetry> {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if self.installed {
            set_event_sink(None);
            set_default_capture(None);
            signal::unwatch();
        }
        if self.is_forked() {
            INSTALLED.store(false, Ordering::Release);
            // Dropped, they would wait for threads that exist in the parent only.
            std::mem::forget((self.traces.take(), self.logs.take(), self.metrics.take()));
            std::mem::forget(std::mem::take(&mut self.exporters));
            return Ok(());
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
        self.losses.quiet().begin();
        let results = run(jobs, self.timeout);
        let checked = self.check(&results, &self.losses.queued());
        self.files.iter().for_each(|file| file.close());
        if self.installed {
            INSTALLED.store(false, Ordering::Release);
        }
        checked
    }

    /// Returns an error if telemetry was lost. The results are not sufficient: the SDK returns `Ok`
    /// even if the receiver was never reached.
    fn check(&self, results: &[OTelSdkResult], queued: &Queued) -> Result<(), LostTelemetry> {
        let failures = self.files.iter().filter_map(|file| file.failure());
        let failures = failures.collect::<Vec<_>>().join("; ");
        let mut lost = match self.losses.check(queued) {
            Err(lost) => lost,
            Ok(()) if !failures.is_empty() => {
                return Err(LostTelemetry { reason: failures, ..LostTelemetry::default() });
            }
            Ok(()) => {
                let reason = match results.iter().find_map(|result| result.as_ref().err()) {
                    // A provider that the program has shut down itself was flushed then.
                    None | Some(OTelSdkError::AlreadyShutdown) => return Ok(()),
                    Some(OTelSdkError::Timeout(_)) => {
                        format!("the receiver did not accept the rest within {:?}", self.timeout)
                    }
                    Some(OTelSdkError::InternalFailure(error)) => error.clone(),
                };
                return Err(LostTelemetry { reason, ..LostTelemetry::default() });
            }
        };
        if !failures.is_empty() {
            lost.reason = format!("{}; {failures}", lost.reason);
        }
        Err(lost)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            report(&error);
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
