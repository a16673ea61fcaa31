//! The errors of this crate: [`SetupError`] from setting telemetry up, [`LostTelemetry`] from
//! flushing it and shutting it down.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, io};

/// An error that prevents telemetry from being set up.
///
/// `setting` names the source of the invalid value: an environment variable, or a method of
/// [`Telemetry`](crate::Telemetry) or [`Otlp`](crate::Otlp). Values that may contain secrets
/// (headers, URLs, keys) are never part of a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// Telemetry is already set up, and its guard has not been dropped.
    AlreadyInstalled,
    /// `OTEL_TRACES_EXPORTER`, or the variable of another signal, contains an unknown exporter.
    #[non_exhaustive]
    UnknownExporter {
        /// The environment variable.
        setting: String,
        /// The name of the exporter.
        name: String,
    },
    /// The endpoint is not an HTTP URL.
    #[non_exhaustive]
    InvalidEndpoint {
        /// The environment variable or method.
        setting: String,
    },
    /// The endpoint is an `https://` URL or certificates are set, but this build includes no TLS.
    #[non_exhaustive]
    NoTls {
        /// The environment variable or method.
        setting: String,
    },
    /// This build does not support the protocol.
    #[non_exhaustive]
    UnsupportedProtocol {
        /// The environment variable or method.
        setting: String,
        /// The name of the protocol.
        protocol: String,
    },
    /// A value is invalid.
    #[non_exhaustive]
    InvalidValue {
        /// The environment variable or method.
        setting: String,
        /// A description of the valid values.
        expected: &'static str,
    },
    /// A file cannot be read or written.
    #[non_exhaustive]
    File {
        /// The environment variable or method that names the file.
        setting: String,
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The address of the live page cannot be bound, for example because the port is in use.
    #[non_exhaustive]
    Listen {
        /// The method that sets the address.
        setting: String,
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The content of a file is invalid.
    #[non_exhaustive]
    InvalidFile {
        /// The environment variable or method that names the file.
        setting: String,
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with the content.
        problem: &'static str,
    },
    /// The OTLP exporter cannot be built.
    #[non_exhaustive]
    Exporter {
        /// The error of the exporter.
        error: Box<dyn Error + Send + Sync>,
    },
}

impl SetupError {
    pub(crate) fn exporter(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Exporter { error: Box::new(error) }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => f.write_str(
                "telemetry is already set up: call `chatlas::otel` once, and keep its guard until \
                 the program ends",
            ),
            Self::UnknownExporter { setting, name } => write!(
                f,
                "{setting} contains the unknown exporter `{name}`: use `otlp`, `console` or `none`"
            ),
            Self::InvalidEndpoint { setting } => {
                write!(f, "{setting} must start with `http://` or `https://` and contain a host")
            }
            Self::NoTls { setting } => write!(
                f,
                "{setting} requires TLS, which this build does not include: enable the feature \
                 `rustls` or `rustls-ring`"
            ),
            Self::UnsupportedProtocol { setting, protocol } => {
                write!(
                    f,
                    "{setting} is `{protocol}`, which is not supported: use `http/protobuf`, \
                     `http/json`"
                )?;
                if cfg!(feature = "otel-grpc") {
                    f.write_str(" or `grpc`")
                } else {
                    f.write_str(", or `grpc` with the feature `otel-grpc`")
                }
            }
            Self::InvalidValue { setting, expected } => write!(f, "{setting} must be {expected}"),
            Self::File { setting, path, error } => {
                write!(f, "{setting}: {}: {error}", path.display())
            }
            Self::Listen { setting, address, error } => write!(
                f,
                "{setting}: cannot listen on {address}: {error}: use another port, or port 0 for \
                 any free one"
            ),
            Self::InvalidFile { setting, path, problem } => {
                write!(f, "{setting}: {}: {problem}", path.display())
            }
            Self::Exporter { error } => write!(f, "cannot build the OTLP exporter: {error}"),
        }
    }
}

impl Error for SetupError {
    /// Returns the source of the underlying error, whose own message is part of this one.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { error, .. } | Self::Listen { error, .. } => error.source(),
            Self::Exporter { error } => error.source(),
            _ => None,
        }
    }
}

/// Telemetry that was not delivered, returned by [`Guard::flush`](crate::Guard::flush) and
/// [`Guard::shutdown`](crate::Guard::shutdown).
///
/// All counts are zero if an exporter failed and the number of lost items is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostTelemetry {
    /// The number of lost spans.
    pub spans: u64,
    /// The number of lost events.
    pub events: u64,
    /// The number of lost exports of all metrics. The next export contains the sums again, so a
    /// lost export is a gap rather than a loss, except with delta temporality or at shutdown.
    pub metric_exports: u64,
    /// What was lost, the receiver, and the error, for each receiver.
    pub reason: String,
}

impl fmt::Display for LostTelemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "telemetry was lost: {}", self.reason)
    }
}

impl Error for LostTelemetry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("invalid certificate")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_chain_contains_each_message_once() {
        let setting = || "OTEL_EXPORTER_OTLP_CERTIFICATE".to_owned();
        let file = SetupError::File {
            setting: setting(),
            path: "/ca.pem".into(),
            error: io::Error::other("no permission"),
        };
        let exporter = SetupError::Exporter { error: Box::new(Outer(io::Error::other("expired"))) };
        for (error, expected) in [
            (&file, &["OTEL_EXPORTER_OTLP_CERTIFICATE: /ca.pem: no permission"][..]),
            (&exporter, &["cannot build the OTLP exporter: invalid certificate", "expired"]),
            (
                &SetupError::InvalidValue { setting: setting(), expected: "a path" },
                &["OTEL_EXPORTER_OTLP_CERTIFICATE must be a path"],
            ),
        ] {
            let chain = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
            let messages: Vec<String> = chain.map(ToString::to_string).collect();
            assert_eq!(messages, expected);
        }
    }
}
