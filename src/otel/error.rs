//! `SetupError`: what can be wrong with telemetry, and what to do about it.

use std::fmt;

/// Telemetry that could not be set up, or not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// `OTEL_TRACES_EXPORTER`, or that of another signal, names an exporter that there is not.
    UnknownExporter {
        /// The environment variable that it stands in.
        variable: &'static str,
        /// The name.
        name: String,
    },
    /// The endpoint is no address of a web server.
    InvalidEndpoint {
        /// The environment variable that it stands in.
        variable: &'static str,
    },
    /// The endpoint is an `https://` one, and this build has no TLS.
    NoTls {
        /// The environment variable that it stands in.
        variable: &'static str,
    },
    /// The protocol is one that this build does not speak.
    UnsupportedProtocol {
        /// The environment variable that it stands in.
        variable: &'static str,
        /// The protocol.
        protocol: String,
    },
    /// The exporter could not be made.
    Exporter {
        /// What the exporter says.
        why: String,
    },
    /// Some telemetry did not arrive.
    Unsent {
        /// How much, and what the exporter says.
        why: String,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownExporter { variable, name } => {
                write!(f, "{variable} names `{name}`; there are `otlp`, `console` and `none`")
            }
            Self::InvalidEndpoint { variable } => {
                write!(f, "{variable} must begin with `http://` or `https://`, and name a host")
            }
            Self::NoTls { variable } => write!(
                f,
                "{variable} needs TLS, which this build is without: turn on the feature \
                 `rustls-ring`"
            ),
            Self::UnsupportedProtocol { variable, protocol } => {
                write!(f, "{variable} is `{protocol}`; there are `http/protobuf`, `http/json`")?;
                if cfg!(feature = "otel-grpc") {
                    f.write_str(" and `grpc`")
                } else {
                    f.write_str(", and `grpc` with the feature `otel-grpc`")
                }
            }
            Self::Exporter { why } => write!(f, "the OTLP exporter cannot be made: {why}"),
            Self::Unsent { why } => write!(f, "telemetry is lost: {why}"),
        }
    }
}

impl std::error::Error for SetupError {}
