//! The signals of OpenTelemetry and the protocols of OTLP.

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
    /// Log records, which include the events of the conventions.
    Logs,
}

impl Signal {
    /// All signals.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// Returns the last segment of the signal's URL.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// Returns the signal's name in environment variables.
    pub(super) fn variable_part(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }

    /// Returns the variable of this signal and the variable of all signals.
    pub(super) fn variables(self, suffix: &str) -> [String; 2] {
        [
            format!("OTEL_EXPORTER_OTLP_{}_{suffix}", self.variable_part()),
            format!("OTEL_EXPORTER_OTLP_{suffix}"),
        ]
    }
}

/// The transport of an OTLP exporter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// Protobuf over HTTP, which every receiver supports.
    #[default]
    HttpProtobuf,
    /// JSON over HTTP.
    HttpJson,
    /// gRPC. Requires the feature `otel-grpc`.
    Grpc,
}
