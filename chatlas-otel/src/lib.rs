//! `chatlas::otel`: the OpenTelemetry SDK, set up in one line. Programs use it as that module of
//! the crate `chatlas`, with its feature `otel`.
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
//! [`set_event_sink`](chatlas_core::telemetry::set_event_sink) was given.

#![forbid(unsafe_code)]

mod auto;
mod batching;
mod console;
mod env;
mod error;
mod exporters;
mod facts;
mod file;
mod guard;
mod html;
mod json;
mod limits;
mod logfire;
mod losses;
mod messages;
mod otlp;
mod output;
mod prices;
mod propagation;
mod resource;
mod sampling;
mod telemetry;
mod tree;
mod waterfall;

use std::path::PathBuf;

pub use opentelemetry_sdk as sdk;

#[doc(hidden)]
pub use auto::auto_init;
pub use error::{Lost, SetupError};
pub use guard::Guard;
pub use otlp::{Otlp, Protocol, Signal};
pub use prices::{Price, Prices};
pub use propagation::context_of;
pub use telemetry::Telemetry;

/// Draws each finished trace as a waterfall on standard output: as wide as the terminal (or as
/// `COLUMNS` says), in colour where that is a terminal and `NO_COLOR` is not set.
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

/// Writes a report of all traces to that file: one HTML file that needs no network, with the
/// waterfalls, the tokens and times of each model and tool, the errors, and the conversations as
/// far as they are captured. It is written anew while spans come in, every few seconds (a large one
/// less often), and at the end. It holds 64 MiB of spans, and is kept in memory: of a program that
/// runs for days, the oldest ones are left out, and the report says how many. Its owner alone may
/// read it, unless a file with other permissions is there.
///
/// # Errors
///
/// As [`console`]; and where the file cannot be written.
pub fn html(path: impl Into<PathBuf>) -> Result<Guard, SetupError> {
    Telemetry::new().html(path).install()
}

/// Appends traces, metrics and events to that file, as OTLP in lines of JSON: the form that the
/// collector's file exporter writes and its file receiver reads.
///
/// The file grows for as long as programs write to it. What rotates logs may rotate it, where it
/// copies the file and empties it in place (`copytruncate` of logrotate).
///
/// A file that is made here may be read by its owner alone, for it may hold what people said; one
/// that is there keeps its permissions.
///
/// # Errors
///
/// As [`console`]; and where the file cannot be written.
pub fn file(path: impl Into<PathBuf>) -> Result<Guard, SetupError> {
    Telemetry::new().file(path).install()
}

/// Exports traces, metrics and events as the standard environment variables say: by OTLP where
/// `OTEL_EXPORTER_OTLP_ENDPOINT` (or that of a signal) is set or `OTEL_TRACES_EXPORTER`,
/// `OTEL_METRICS_EXPORTER`, `OTEL_LOGS_EXPORTER` name `otlp`; on the console where they name
/// `console`. Where they say nothing, nothing is exported.
///
/// The protocol is that of `OTEL_EXPORTER_OTLP_PROTOCOL`: `http/protobuf` unless set, `http/json`,
/// or, with the feature `otel-grpc`, `grpc`.
///
/// With `LOGFIRE_TOKEN` and no endpoint, they go to Logfire, in the region of the token or to
/// `LOGFIRE_BASE_URL`.
///
/// # Errors
///
/// As [`console`].
pub fn init() -> Result<Guard, SetupError> {
    Telemetry::new().from_env().install()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use opentelemetry::trace::{Tracer as _, TracerProvider as _};

    use super::env::Env;
    use super::env::tests::of;
    use super::output::tests::Shared;
    use super::*;

    fn unset(telemetry: Telemetry) -> Guard {
        telemetry.build(Env::new(&of(&[]))).unwrap()
    }

    fn otlp_to(address: &str) -> Guard {
        let url = format!("http://{address}");
        let pairs = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
        Telemetry::new().from_env().build(Env::new(&of(&pairs))).unwrap()
    }

    fn span(guard: &Guard, name: &'static str) {
        drop(guard.traces.as_ref().unwrap().tracer("test").start(name));
    }

    #[test]
    fn console_and_json_write_where_they_are_told() {
        let written = Shared::default();
        let telemetry = Telemetry::new().console().json().writer(written.clone());
        let guard = unset(telemetry);
        span(&guard, "work");
        let text = written.text();
        assert!(text.contains("\nwork  "), "{text}");
        assert!(text.contains(r#""name":"work""#), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(guard.shutdown(), Ok(()));
    }

    #[test]
    fn a_disabled_sdk_is_no_sdk() {
        let lookup = of(&[("OTEL_SDK_DISABLED", "TRUE")]);
        let guard = Telemetry::new().console().build(Env::new(&lookup)).unwrap();
        assert!(guard.traces.is_none());
        assert_eq!(guard.shutdown(), Ok(()));
        let lookup = of(&[("OTEL_SDK_DISABLED", "1")]);
        let guard = Telemetry::new().console().build(Env::new(&lookup)).unwrap();
        assert!(guard.traces.is_some(), "the word is `true`");
    }

    #[test]
    fn where_nothing_is_to_be_done_there_is_no_sdk() {
        let guard = unset(Telemetry::new().from_env());
        assert!(guard.traces.is_none() && guard.metrics.is_none() && guard.logs.is_none());
    }

    #[test]
    fn a_guard_ends_in_any_runtime_and_in_none() {
        let use_it = || {
            let guard = unset(Telemetry::new().console().writer(std::io::sink()));
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
    fn a_timeout_beyond_all_time_is_no_panic() {
        let longest = Telemetry::new().shutdown_timeout(Duration::MAX);
        let guard = unset(longest.console().writer(std::io::sink()));
        span(&guard, "work");
        assert_eq!(guard.flush(), Ok(()));
        assert_eq!(guard.shutdown(), Ok(()));
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let receiver = Otlp::to(format!("http://{closed}")).timeout(Duration::MAX);
        let guard = unset(Telemetry::new().otlp(receiver));
        span(&guard, "work");
        let error = guard.shutdown().unwrap_err();
        assert!(error.to_string().contains("could not be sent"), "{error}");
    }

    #[test]
    fn spans_that_reach_nobody_are_told() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let guard = otlp_to(&format!("user:secret@{closed}/?key=secret"));
        span(&guard, "one");
        span(&guard, "two");
        let error = guard.shutdown().unwrap_err();
        assert!(matches!(error, SetupError::Unsent { .. }));
        let told = format!("2 spans could not be sent to {closed}: ");
        assert!(error.to_string().contains(&told), "{error}");
        assert!(error.to_string().contains("refused"), "the network's reason: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_receiver_that_never_answers_does_not_hold_the_program() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let guard = otlp_to(&silent.local_addr().unwrap().to_string());
        span(&guard, "work");
        let begin = Instant::now();
        let error = guard.shutdown().unwrap_err();
        let SetupError::Unsent { lost, why } = error else { panic!("{error}") };
        assert_eq!((lost.spans, lost.events), (1, 0));
        assert!(why.ends_with("the receiver did not take them in time"), "{why}");
        assert!(begin.elapsed() > Duration::from_secs(1), "it was asked, and waited for");
        assert!(
            begin.elapsed() < guard::SHUTDOWN + Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
    }
}
