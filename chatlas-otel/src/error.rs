//! `SetupError`: what can be wrong with telemetry, and what to do about it.

use std::fmt;

/// Telemetry that could not be set up, or not sent.
///
/// `place` is where the wrong value stands: an environment variable, or a method of
/// [`Telemetry`](super::Telemetry) or [`Otlp`](super::Otlp). Values that may be secrets (headers,
/// addresses with passwords, keys) are never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// Telemetry is set up already, and its guard is alive.
    AlreadyInstalled,
    /// `OTEL_TRACES_EXPORTER`, or that of another signal, names an exporter that there is not.
    UnknownExporter {
        /// The environment variable.
        place: String,
        /// The name.
        name: String,
    },
    /// The endpoint is no address of a web server.
    InvalidEndpoint {
        /// Where it stands.
        place: String,
    },
    /// The endpoint is an `https://` one, or certificates are given, and this build has no TLS.
    NoTls {
        /// Where it stands.
        place: String,
    },
    /// The protocol is one that this build does not speak.
    UnsupportedProtocol {
        /// Where it stands.
        place: String,
        /// The protocol.
        protocol: String,
    },
    /// A value means nothing there.
    InvalidValue {
        /// Where it stands.
        place: String,
        /// What would mean something.
        expected: &'static str,
    },
    /// A file cannot be read or written, or holds something else than it should.
    File {
        /// Where it is named.
        place: String,
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The exporter could not be made.
    Exporter {
        /// What the exporter says.
        why: String,
    },
    /// Some telemetry did not arrive.
    Unsent {
        /// How much.
        lost: Lost,
        /// How much, where it should have gone, and what the receiver or the exporter says.
        why: String,
    },
}

/// How much telemetry did not arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Spans.
    pub spans: u64,
    /// Events.
    pub events: u64,
    /// Readings of all metrics. The next one has their sums again, so a lost one in the middle of
    /// a program is a gap and no loss, unless temporality is delta.
    pub metric_readings: u64,
}

impl Lost {
    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            spans: self.spans.saturating_add(other.spans),
            events: self.events.saturating_add(other.events),
            metric_readings: self.metric_readings.saturating_add(other.metric_readings),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.spans, "span"),
            (self.metric_readings, "metric reading"),
            (self.events, "event"),
        ];
        let mut first = true;
        for (count, noun) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let comma = if std::mem::take(&mut first) { "" } else { ", " };
            write!(f, "{comma}{count} {noun}{}", if count == 1 { "" } else { "s" })?;
        }
        if first { f.write_str("nothing") } else { Ok(()) }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => f.write_str(
                "telemetry is set up already: call `chatlas::otel` once, and keep its guard until \
                 the program ends",
            ),
            Self::UnknownExporter { place, name } => {
                write!(f, "{place} names `{name}`; there are `otlp`, `console` and `none`")
            }
            Self::InvalidEndpoint { place } => {
                write!(f, "{place} must begin with `http://` or `https://`, and name a host")
            }
            Self::NoTls { place } => write!(
                f,
                "{place} needs TLS, which this build is without: turn on the feature `rustls-ring`"
            ),
            Self::UnsupportedProtocol { place, protocol } => {
                write!(f, "{place} is `{protocol}`; there are `http/protobuf`, `http/json`")?;
                if cfg!(feature = "otel-grpc") {
                    f.write_str(" and `grpc`")
                } else {
                    f.write_str(", and `grpc` with the feature `otel-grpc`")
                }
            }
            Self::InvalidValue { place, expected } => write!(f, "{place} must be {expected}"),
            Self::File { place, path, why } => write!(f, "{place}: {}: {why}", path.display()),
            Self::Exporter { why } => write!(f, "the OTLP exporter cannot be made: {why}"),
            Self::Unsent { why, .. } => write!(f, "telemetry is lost: {why}"),
        }
    }
}

impl std::error::Error for SetupError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_counted_in_words() {
        let said =
            |spans, events, metric_readings| Lost { spans, events, metric_readings }.to_string();
        assert_eq!(said(0, 0, 0), "nothing");
        assert_eq!(said(1, 0, 0), "1 span");
        assert_eq!(said(2, 1, 3), "2 spans, 3 metric readings, 1 event");
    }
}
