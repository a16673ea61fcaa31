//! `chatlas::otel`: the OpenTelemetry SDK, set up in one line.
//!
//! ```no_run
//! # fn main() -> Result<(), chatlas::otel::SetupError> {
//! let telemetry = chatlas::otel::console()?; // every finished trace is drawn on standard output
//! // … chats …
//! telemetry.shutdown()?;
//! # Ok(())
//! # }
//! ```
//!
//! A program that sets up the SDK itself needs none of this: chatlas writes to whatever tracer
//! provider and meter provider are the global ones, and to the event sink that
//! [`set_event_sink`] was given.

mod console;
mod env;
mod error;
mod json;
mod otlp;
mod output;
mod waterfall;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::global;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::telemetry::{EventSink, set_event_sink};
use console::Console;
use env::{Exporter, Signal};
use json::JsonLines;
use otlp::{Losses, Wire};
use output::Output;

pub use error::SetupError;

/// How long the end of a program waits for its telemetry to be sent.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Draws each finished trace as a waterfall on standard output, in colour where that is a terminal
/// and `NO_COLOR` is not set.
///
/// # Errors
///
/// [`SetupError`] where the environment says something about telemetry that cannot be done.
pub fn console() -> Result<Guard, SetupError> {
    Telemetry::new().console().install()
}

/// Writes each finished span and each event as a line of JSON on standard output; the metrics once
/// a minute and at the end.
///
/// # Errors
///
/// As [`console`].
pub fn json() -> Result<Guard, SetupError> {
    Telemetry::new().json().install()
}

/// Exports traces, metrics and events as the standard environment variables say: by OTLP where
/// `OTEL_EXPORTER_OTLP_ENDPOINT` (or that of a signal) is set or `OTEL_TRACES_EXPORTER`,
/// `OTEL_METRICS_EXPORTER`, `OTEL_LOGS_EXPORTER` name `otlp`; on the console where they name
/// `console`.
///
/// The protocol is that of `OTEL_EXPORTER_OTLP_PROTOCOL`: `http/protobuf` unless set, `http/json`,
/// or, with the feature `otel-grpc`, `grpc`.
///
/// # Errors
///
/// As [`console`].
pub fn init() -> Result<Guard, SetupError> {
    Telemetry::new().from_env().install()
}

/// What is to be done with traces, metrics and events. Nothing, until one of the methods says so.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is set up before `install`"]
pub struct Telemetry {
    console: bool,
    json: bool,
    from_env: bool,
    output: Output,
}

impl Telemetry {
    /// Nothing so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws waterfalls, as [`console`] does.
    pub fn console(mut self) -> Self {
        self.console = true;
        self
    }

    /// Writes JSON lines, as [`json`] does.
    pub fn json(mut self) -> Self {
        self.json = true;
        self
    }

    /// Exports as the environment says, as [`init`] does.
    pub fn from_env(mut self) -> Self {
        self.from_env = true;
        self
    }

    /// Has waterfalls and JSON lines written there, without colour, instead of on standard output.
    /// A writer that fails loses what was written, and disturbs nobody.
    pub fn writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.output = Output::to(writer);
        self
    }

    /// Makes the SDK the global one. Keep the guard until the program ends.
    ///
    /// With `OTEL_SDK_DISABLED=true` nothing is installed.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where the environment says something that cannot be done.
    pub fn install(self) -> Result<Guard, SetupError> {
        let guard = self.build(|name| std::env::var(name).ok())?;
        if let Some(provider) = &guard.traces {
            global::set_tracer_provider(provider.clone());
        }
        if let Some(provider) = &guard.metrics {
            global::set_meter_provider(provider.clone());
        }
        if let Some(provider) = &guard.logs {
            set_event_sink(Some(EventSink::new(provider)));
        }
        Ok(guard)
    }

    /// All but making it the global one.
    fn build(self, lookup: impl Fn(&str) -> Option<String> + Copy) -> Result<Guard, SetupError> {
        let mut guard = Guard::default();
        if env::is_disabled(lookup) {
            return Ok(guard);
        }
        guard.traces = Some(self.traces(lookup, &mut guard)?);
        guard.metrics = self.metrics(lookup, &mut guard)?;
        guard.logs = self.logs(lookup, &mut guard)?;
        Ok(guard)
    }

    fn wanted(
        &self,
        signal: Signal,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<Exporter>, SetupError> {
        if self.from_env { env::exporters(signal, lookup) } else { Ok(Vec::new()) }
    }

    fn traces(
        &self,
        lookup: impl Fn(&str) -> Option<String> + Copy,
        guard: &mut Guard,
    ) -> Result<SdkTracerProvider, SetupError> {
        let wanted = self.wanted(Signal::Traces, lookup)?;
        let mut builder = SdkTracerProvider::builder().with_resource(resource(lookup));
        if self.console || wanted.contains(&Exporter::Console) {
            let style = waterfall::Style::of(lookup, self.output.is_terminal());
            builder = builder.with_span_processor(Console::new(self.output.clone(), style));
        }
        if self.json {
            builder = builder.with_simple_exporter(JsonLines::new(self.output.clone()));
        }
        if wanted.contains(&Exporter::Otlp) {
            let settings = env::otlp(Signal::Traces, lookup)?;
            let exporter = guard.wire.spans(settings, guard.losses.clone())?;
            builder = builder.with_batch_exporter(exporter);
        }
        Ok(builder.build())
    }

    fn metrics(
        &self,
        lookup: impl Fn(&str) -> Option<String> + Copy,
        guard: &mut Guard,
    ) -> Result<Option<SdkMeterProvider>, SetupError> {
        let wanted = self.wanted(Signal::Metrics, lookup)?;
        let json = self.json || wanted.contains(&Exporter::Console);
        let otlp = wanted.contains(&Exporter::Otlp);
        if !(json || otlp) {
            return Ok(None);
        }
        let mut builder = SdkMeterProvider::builder().with_resource(resource(lookup));
        if json {
            let exporter = JsonLines::new(self.output.clone());
            builder = builder.with_reader(PeriodicReader::builder(exporter).build());
        }
        if otlp {
            let settings = env::otlp(Signal::Metrics, lookup)?;
            let exporter = guard.wire.metrics(settings, guard.losses.clone())?;
            builder = builder.with_reader(PeriodicReader::builder(exporter).build());
        }
        Ok(Some(builder.build()))
    }

    fn logs(
        &self,
        lookup: impl Fn(&str) -> Option<String> + Copy,
        guard: &mut Guard,
    ) -> Result<Option<SdkLoggerProvider>, SetupError> {
        let wanted = self.wanted(Signal::Logs, lookup)?;
        let json = self.json || wanted.contains(&Exporter::Console);
        let otlp = wanted.contains(&Exporter::Otlp);
        if !(json || otlp) {
            return Ok(None);
        }
        let mut builder = SdkLoggerProvider::builder().with_resource(resource(lookup));
        if json {
            builder = builder.with_simple_exporter(JsonLines::new(self.output.clone()));
        }
        if otlp {
            let settings = env::otlp(Signal::Logs, lookup)?;
            let exporter = guard.wire.logs(settings, guard.losses.clone())?;
            builder = builder.with_batch_exporter(exporter);
        }
        Ok(Some(builder.build()))
    }
}

/// Who sends: the SDK reads the attributes, but lets them win over the service's name.
fn resource(lookup: impl Fn(&str) -> Option<String>) -> Resource {
    let builder = Resource::builder();
    match env::service_name(lookup) {
        Some(name) => builder.with_service_name(name).build(),
        None => builder.build(),
    }
}

/// Keeps the telemetry going. When it is dropped, what is left is sent, within five seconds; a
/// failure is then told on standard error.
#[derive(Debug, Default)]
#[must_use = "dropping the guard ends the telemetry"]
pub struct Guard {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
    losses: Arc<Losses>,
    /// Dropped last: the exporters use it.
    wire: Wire,
}

impl Guard {
    /// Sends what is left, within five seconds, and says how that went. It blocks the thread for
    /// so long, in a runtime as well as outside.
    ///
    /// # Errors
    ///
    /// [`SetupError::Unsent`] where something could not be sent, now or earlier in the program.
    pub fn shutdown(mut self) -> Result<(), SetupError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), SetupError> {
        let deadline = Instant::now() + SHUTDOWN;
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut ended = Vec::new();
        if let Some(provider) = self.traces.take() {
            ended.push(provider.shutdown_with_timeout(left()));
        }
        if let Some(provider) = self.logs.take() {
            set_event_sink(None);
            ended.push(provider.shutdown_with_timeout(left()));
        }
        if let Some(provider) = self.metrics.take() {
            ended.push(provider.shutdown_with_timeout(left()));
        }
        // The SDK calls it a success when the receiver was never reached.
        std::mem::take(&mut self.losses).told()?;
        // One that the program ended by itself has sent what there was.
        let well = |end| matches!(end, Ok(()) | Err(OTelSdkError::AlreadyShutdown));
        if ended.into_iter().all(well) {
            return Ok(());
        }
        Err(SetupError::Unsent {
            why: format!("the receiver did not take the rest within {SHUTDOWN:?}"),
        })
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

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};

    use super::output::tests::Shared;
    use super::*;

    fn unset(_: &str) -> Option<String> {
        None
    }

    fn otlp_to(address: &str) -> Guard {
        let lookup = |name: &str| {
            (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| format!("http://{address}"))
        };
        Telemetry::new().from_env().build(lookup).unwrap()
    }

    fn span(guard: &Guard, name: &'static str) {
        drop(guard.traces.as_ref().unwrap().tracer("test").start(name));
    }

    #[test]
    fn console_and_json_write_where_they_are_told() {
        let written = Shared::default();
        let telemetry = Telemetry::new().console().json().writer(written.clone());
        let guard = telemetry.build(unset).unwrap();
        span(&guard, "work");
        let text = written.text();
        assert!(text.contains("\nwork  "), "{text}");
        assert!(text.contains(r#""name":"work""#), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(guard.shutdown(), Ok(()));
    }

    #[test]
    fn a_disabled_sdk_is_no_sdk() {
        let lookup = |name: &str| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned());
        let guard = Telemetry::new().console().build(lookup).unwrap();
        assert!(guard.traces.is_none());
        assert_eq!(guard.shutdown(), Ok(()));
    }

    #[test]
    fn the_name_of_the_service_wins() {
        let lookup = |name: &str| (name == "OTEL_SERVICE_NAME").then(|| "packing".to_owned());
        let name = resource(lookup).get(&"service.name".into()).unwrap();
        assert_eq!(name.as_str(), "packing");
    }

    #[test]
    fn a_guard_ends_in_any_runtime_and_in_none() {
        let use_it = || {
            let guard = Telemetry::new().console().writer(std::io::sink()).build(unset).unwrap();
            span(&guard, "work");
            assert_eq!(guard.shutdown(), Ok(()));
            // An exporter with nothing to send, and one that is only dropped.
            assert_eq!(otlp_to("127.0.0.1:9").shutdown(), Ok(()));
            drop(otlp_to("127.0.0.1:9"));
        };
        use_it();
        let one = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one.block_on(async { use_it() });
        let many = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        many.block_on(async { tokio::spawn(async move { use_it() }).await }).unwrap();
    }

    #[test]
    fn spans_that_reach_nobody_are_told() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let guard = otlp_to(&closed.to_string());
        span(&guard, "one");
        span(&guard, "two");
        let error = guard.shutdown().unwrap_err();
        assert!(matches!(error, SetupError::Unsent { .. }));
        let told = format!("2 spans could not be sent to {closed}: ");
        assert!(error.to_string().contains(&told), "{error}");
    }

    #[test]
    fn a_receiver_that_never_answers_does_not_hold_the_program() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let guard = otlp_to(&silent.local_addr().unwrap().to_string());
        span(&guard, "work");
        let begin = Instant::now();
        let error = guard.shutdown().unwrap_err();
        let why = "the receiver did not take the rest within 5s".to_owned();
        assert_eq!(error, SetupError::Unsent { why });
        assert!(begin.elapsed() > Duration::from_secs(1), "it was asked, and waited for");
        assert!(begin.elapsed() < SHUTDOWN + Duration::from_secs(2), "{:?}", begin.elapsed());
    }
}
