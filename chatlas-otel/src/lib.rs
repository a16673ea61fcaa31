//! Sets up the OpenTelemetry SDK in one line. Programs use this crate as the module
//! `chatlas::otel`, behind the feature `otel`.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let telemetry = chatlas::otel::console()?; // draws each finished trace on standard output
//! // … chats …
//! telemetry.shutdown()?;
//! # Ok(())
//! # }
//! ```
//!
//! A program that sets up the SDK itself does not need this crate: chatlas records to the global
//! tracer provider, to the global meter provider, and to the event sink passed to
//! [`set_event_sink`](chatlas_core::telemetry::set_event_sink).
//!
//! # Features
//!
//! - `rustls` (default): TLS by rustls with aws-lc.
//! - `rustls-ring`: TLS by rustls with ring. This feature enables `reqwest/rustls-no-provider`, so
//!   where no other crate enables `reqwest/rustls` or reqwest's default features, a program that
//!   builds a `reqwest::Client` itself must first install a default cryptography provider:
//!   `rustls::crypto::ring::default_provider().install_default()`.
//! - `otel-grpc`: OTLP over gRPC.
//! - `live`: a page that shows the traces of the running program.
//!
//! An exporter uses the process-wide cryptography provider if the program has installed one, and
//! the provider of the feature otherwise. This crate never installs one: it changes no state that
//! the rest of the program sees.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod attributes;
mod auto;
mod batching;
mod compatibility;
mod console;
mod destination;
mod details;
mod env;
mod error;
mod export;
mod facts;
mod feedback;
mod file;
mod format;
mod guard;
mod health;
mod html;
mod json;
mod limits;
mod lines;
#[cfg(feature = "live")]
mod live;
mod logfire;
mod losses;
mod messages;
mod otlp;
mod output;
mod propagation;
mod providers;
mod resource;
mod sampling;
mod signal;
mod telemetry;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;
#[cfg(test)]
mod variables;
mod waterfall;

use std::path::PathBuf;

pub use opentelemetry_sdk as sdk;

#[doc(hidden)]
pub use auto::auto_init;
pub use chatlas_core::cost::{Price, Prices};
pub use compatibility::Compatibility;
pub use error::{LostTelemetry, SetupError};
pub use guard::Guard;
pub use otlp::{Otlp, Protocol, Signal};
pub use propagation::context_from_headers;
pub use signal::shutdown_signal;
pub use telemetry::Telemetry;

/// Draws each finished trace as a waterfall on standard output.
///
/// The drawing is as wide as the environment variable `COLUMNS` or the terminal, else 100 columns.
/// It is in colour if standard output is a terminal and `NO_COLOR` is unset.
///
/// # Errors
///
/// Returns a [`SetupError`] if an environment variable has an invalid value, or if telemetry is
/// already set up.
pub fn console() -> Result<Guard, SetupError> {
    Telemetry::new().with_console().install()
}

/// Writes each finished span and each event as a line of JSON to standard output. Metrics follow
/// once a minute and at shutdown.
///
/// # Errors
///
/// Returns the same errors as [`console`].
pub fn json() -> Result<Guard, SetupError> {
    Telemetry::new().with_json().install()
}

/// Writes a report of all traces to an HTML file.
///
/// The report contains the waterfalls, the tokens, durations and costs per model and tool, the
/// errors, the feedback, and the captured conversations. It can be searched, and grouped by user,
/// session, conversation, agent, model and error. A browser shows it without network access.
///
/// The file is rewritten every few seconds while spans end (less often if it is large), and at
/// shutdown. The report keeps at most 64 MiB of spans in memory; beyond that it drops the oldest
/// spans and states how many. A new file is readable by its owner only; an existing file keeps its
/// permissions.
///
/// # Errors
///
/// Returns the same errors as [`console`], and an error if the file cannot be written.
pub fn html(path: impl Into<PathBuf>) -> Result<Guard, SetupError> {
    Telemetry::new().with_html(path).install()
}

/// Serves a page with the traces of the running program, on `http://127.0.0.1:4400`.
///
/// The page is that of the [HTML report](html()). New traces appear when they start, and their spans
/// grow until they end. The URL is written to standard error: it contains a random token, so that
/// other users of the machine cannot read the page. The page and its port are closed at shutdown; an
/// open page keeps what it shows.
///
/// The server runs on a separate thread and listens on the loopback interface only. It keeps at
/// most 64 MiB of spans in memory; beyond that it drops the oldest. It is meant for development:
/// traces of a deployed service belong in a backend.
///
/// Requires the feature `live` (in `chatlas`: `otel-live`).
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let telemetry = chatlas::otel::live()?;
/// // … chats …
/// telemetry.shutdown()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns the same errors as [`console`], and an error if port 4400 is in use: select another with
/// [`Telemetry::with_live`].
#[cfg(feature = "live")]
pub fn live() -> Result<Guard, SetupError> {
    Telemetry::new().with_live("127.0.0.1:4400").install()
}

/// Appends traces, metrics and events to a file as lines of OTLP JSON, the format of the
/// collector's file exporter and file receiver.
///
/// Each span is in the file when it ends. The file grows without limit. A tool that rotates logs may rotate it by copying and truncating
/// (`copytruncate` of logrotate). A new file is readable by its owner only, because it may contain
/// conversations; an existing file keeps its permissions.
///
/// # Errors
///
/// Returns the same errors as [`console`], and an error if the file cannot be opened.
pub fn file(path: impl Into<PathBuf>) -> Result<Guard, SetupError> {
    Telemetry::new().with_file(path).install()
}

/// Exports traces, metrics and events as configured by the standard environment variables.
///
/// A signal is exported over OTLP if `OTEL_EXPORTER_OTLP_ENDPOINT` (or the variable of the signal)
/// is set, or if `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` or `OTEL_LOGS_EXPORTER` contains
/// `otlp`. It is written to standard output if the variable contains `console`. Without these
/// variables, nothing is exported.
///
/// `OTEL_EXPORTER_OTLP_PROTOCOL` selects the protocol: `http/protobuf` (the default), `http/json`,
/// or, with the feature `otel-grpc`, `grpc`.
///
/// If `LOGFIRE_TOKEN` is set and no endpoint is, telemetry is sent to Logfire: to
/// `LOGFIRE_BASE_URL`, or to the region encoded in the token.
///
/// # Errors
///
/// Returns the same errors as [`console`].
pub fn init() -> Result<Guard, SetupError> {
    Telemetry::new().with_env().install()
}
