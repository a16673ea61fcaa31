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
//! provider is the global one.

mod console;
mod env;
mod error;
mod json;
mod otlp;
mod output;
mod waterfall;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::SdkTracerProvider;

use console::Console;
use env::Exporter;
use json::JsonLines;
use otlp::Losses;
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

/// Writes each finished span as a line of JSON on standard output.
///
/// # Errors
///
/// As [`console`].
pub fn json() -> Result<Guard, SetupError> {
    Telemetry::new().json().install()
}

/// Exports as the standard environment variables say: by OTLP over HTTP where
/// `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`) is set or `OTEL_TRACES_EXPORTER` names
/// `otlp`, on the console where that names `console`.
///
/// # Errors
///
/// As [`console`].
pub fn init() -> Result<Guard, SetupError> {
    Telemetry::new().from_env().install()
}

/// What is to be done with the traces. Nothing, until one of the methods says so.
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

    /// Makes the SDK the global tracer provider. Keep the guard until the program ends.
    ///
    /// With `OTEL_SDK_DISABLED=true` nothing is installed.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where the environment says something that cannot be done.
    pub fn install(self) -> Result<Guard, SetupError> {
        let guard = self.build(|name| std::env::var(name).ok())?;
        if let Some(provider) = &guard.provider {
            global::set_tracer_provider(provider.clone());
        }
        Ok(guard)
    }

    /// All but making it the global one.
    fn build(self, lookup: impl Fn(&str) -> Option<String> + Copy) -> Result<Guard, SetupError> {
        let losses = Arc::new(Losses::default());
        if env::is_disabled(lookup) {
            return Ok(Guard { provider: None, losses });
        }
        let wanted = if self.from_env { env::exporters(lookup)? } else { Vec::new() };
        let mut builder = SdkTracerProvider::builder().with_resource(resource(lookup));
        if self.console || wanted.contains(&Exporter::Console) {
            let style = waterfall::Style::of(lookup, self.output.is_terminal());
            builder = builder.with_span_processor(Console::new(self.output.clone(), style));
        }
        if self.json {
            builder = builder.with_simple_exporter(JsonLines::new(self.output));
        }
        if wanted.contains(&Exporter::Otlp) {
            let exporter = otlp::exporter(env::otlp(lookup)?, losses.clone())?;
            builder = builder.with_batch_exporter(exporter);
        }
        Ok(Guard { provider: Some(builder.build()), losses })
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
#[derive(Debug)]
#[must_use = "dropping the guard ends the telemetry"]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
    losses: Arc<Losses>,
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
        let Some(provider) = self.provider.take() else { return Ok(()) };
        let ended = provider.shutdown_with_timeout(SHUTDOWN);
        // The SDK calls it a success when the receiver was never reached.
        self.losses.told()?;
        match ended {
            // The program ended it by itself: what there was has been sent.
            Ok(()) | Err(OTelSdkError::AlreadyShutdown) => Ok(()),
            Err(_) => Err(SetupError::Unsent {
                why: format!("the receiver did not take the rest within {SHUTDOWN:?}"),
            }),
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

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
        drop(guard.provider.as_ref().unwrap().tracer("test").start(name));
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
        assert!(guard.provider.is_none());
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
