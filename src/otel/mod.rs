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
mod json;
mod otlp;
mod waterfall;

use std::fmt;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, TracerProviderBuilder};

use console::Console;
use env::Exporter;

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
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "nothing is set up before `install`"]
pub struct Telemetry {
    console: bool,
    json: bool,
    from_env: bool,
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

    /// Makes the SDK the global tracer provider. Keep the guard until the program ends.
    ///
    /// With `OTEL_SDK_DISABLED=true` nothing is installed.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where the environment says something that cannot be done.
    pub fn install(self) -> Result<Guard, SetupError> {
        let lookup = |name: &str| std::env::var(name).ok();
        if env::is_disabled(lookup) {
            return Ok(Guard { provider: None });
        }
        let wanted = if self.from_env { env::exporters(lookup)? } else { Vec::new() };
        let mut builder = SdkTracerProvider::builder().with_resource(resource(lookup));
        if self.console || wanted.contains(&Exporter::Console) {
            builder = builder.with_span_processor(Console::on_stdout());
        }
        if self.json {
            builder = builder.with_simple_exporter(json::JsonLines);
        }
        if wanted.contains(&Exporter::Otlp) {
            builder = with_otlp(builder, lookup)?;
        }
        let provider = builder.build();
        global::set_tracer_provider(provider.clone());
        Ok(Guard { provider: Some(provider) })
    }
}

fn with_otlp(
    builder: TracerProviderBuilder,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<TracerProviderBuilder, SetupError> {
    env::check_otlp(lookup)?;
    Ok(builder.with_batch_exporter(otlp::exporter()?))
}

/// Who sends: the SDK reads the attributes, but lets them win over the service's name.
fn resource(lookup: impl Fn(&str) -> Option<String>) -> Resource {
    let builder = Resource::builder();
    match env::service_name(lookup) {
        Some(name) => builder.with_service_name(name).build(),
        None => builder.build(),
    }
}

/// Keeps the telemetry going. When it is dropped, what is left is sent, within five seconds.
#[derive(Debug)]
#[must_use = "dropping the guard ends the telemetry"]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Guard {
    /// Sends what is left, within five seconds, and says how that went.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where not all could be sent.
    pub fn shutdown(mut self) -> Result<(), SetupError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), SetupError> {
        let Some(provider) = self.provider.take() else { return Ok(()) };
        provider.shutdown_with_timeout(SHUTDOWN).map_err(|error| {
            SetupError::new(format!("not all telemetry could be sent before the end: {error}"))
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("chatlas::otel: {error}");
        }
    }
}

/// Telemetry that could not be set up, or not sent: what was wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupError {
    message: String,
}

impl SetupError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SetupError {}
