//! OTLP receivers: [`Otlp`] is one set in code, [`target_from_env`] reads one from the environment.

mod from_env;
mod signal;
mod target;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;

use crate::error::SetupError;

pub(crate) use from_env::{
    Exporter, Histograms, exporters_from_env, histograms_from_env, target_from_env,
};
pub use signal::{Protocol, Signal};
pub(crate) use target::{NO_LIMIT, Target, TlsFiles, unlimited_if_zero};

/// An OTLP receiver that is set in code.
///
/// Unset options have the defaults of the specification. Environment variables do not apply: the
/// headers in the environment belong to the endpoint in the environment.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chatlas::otel::{Otlp, Telemetry};
///
/// let honeycomb = Otlp::new("https://api.honeycomb.io")
///     .with_header("x-honeycomb-team", std::env::var("HONEYCOMB_API_KEY")?)
///     .with_gzip(true);
/// let telemetry =
///     Telemetry::new().with_service_name("my-app").with_otlp(honeycomb).install()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a receiver has no effect until it is passed to `Telemetry::with_otlp`"]
pub struct Otlp {
    endpoint: String,
    protocol: Protocol,
    headers: Vec<(String, String)>,
    timeout: Duration,
    gzip: bool,
    tls: TlsFiles,
    temporality: Temporality,
    signals: Vec<Signal>,
}

impl Otlp {
    /// Creates a receiver with a base URL. Over HTTP, the path of the signal (`/v1/traces`,
    /// `/v1/metrics`, `/v1/logs`) is appended.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            protocol: Protocol::default(),
            headers: Vec::new(),
            timeout: target::DEFAULT_TIMEOUT,
            gzip: false,
            tls: TlsFiles::default(),
            temporality: Temporality::Cumulative,
            signals: Signal::ALL.to_vec(),
        }
    }

    /// Sets the protocol. Default: [`Protocol::HttpProtobuf`].
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Adds a header (over gRPC: metadata) to every export.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the maximum duration of an export, including retries. Default: 10 seconds.
    ///
    /// Zero means no limit, as in the
    /// [configuration schema](https://opentelemetry.io/docs/specs/otel-config/types/).
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Enables or disables gzip compression of exports. Default: disabled.
    pub fn with_gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }

    /// Sets a PEM file of certificate authorities to trust instead of the system's.
    pub fn with_certificate(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.trusted = Some(target::NamedFile::new("Otlp::with_certificate", file));
        self
    }

    /// Sets the client certificate (a PEM file with its chain) and its private key (a PEM file).
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        let setting = "Otlp::with_client_certificate";
        self.tls.certificate = Some(target::NamedFile::new(setting, certificate));
        self.tls.key = Some(target::NamedFile::new(setting, key));
        self
    }

    /// Sets the temporality of metrics: sums since the start of the program (cumulative, the
    /// default), or since the previous export (delta).
    pub fn with_temporality(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
        self
    }

    /// Sets the signals to export. Default: all. Many backends accept traces only.
    pub fn with_signals(mut self, signals: &[Signal]) -> Self {
        self.signals = signals.to_vec();
        self
    }

    /// Returns the target of a signal, or `None` if the signal is not exported.
    pub(crate) fn target(&self, signal: Signal) -> Result<Option<Target>, SetupError> {
        if !self.signals.contains(&signal) {
            return Ok(None);
        }
        if self.protocol == Protocol::Grpc && !cfg!(feature = "otel-grpc") {
            return Err(SetupError::UnsupportedProtocol {
                setting: "Otlp::with_protocol".to_owned(),
                protocol: "grpc".to_owned(),
            });
        }
        let signal_path = (self.protocol != Protocol::Grpc).then(|| signal.path());
        Ok(Some(Target {
            endpoint: target::parse_endpoint("Otlp::new", &self.endpoint, signal_path)?,
            protocol: self.protocol,
            headers: target::header_map("Otlp::with_header", self.headers.iter().cloned())?,
            timeout: target::unlimited_if_zero(self.timeout),
            gzip: self.gzip,
            tls: self.tls.clone().validate()?,
            temporality: self.temporality,
        }))
    }
}

impl fmt::Debug for Otlp {
    /// Omits the endpoint and the headers, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp")
            .field("protocol", &self.protocol)
            .field("signals", &self.signals)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_endpoints_in_code_are_rejected() {
        for url in ["localhost:4318", "grpc://localhost:4317", "http://", "http://u:secret@a b"] {
            assert!(Otlp::new(url).target(Signal::Traces).is_err(), "{url}");
        }
    }

    #[test]
    fn signal_path_is_appended_to_the_endpoint() {
        let target = Otlp::new("http://a:1/otel").target(Signal::Metrics).unwrap();
        assert_eq!(target.unwrap().endpoint.path(), "/otel/v1/metrics");
    }

    #[test]
    fn grpc_in_code_requires_the_feature() {
        let target = Otlp::new("http://a").with_protocol(Protocol::Grpc).target(Signal::Traces);
        if cfg!(feature = "otel-grpc") {
            assert_eq!(target.unwrap().unwrap().endpoint.as_str(), "http://a/");
        } else {
            assert!(target.err().unwrap().to_string().contains("`otel-grpc`"));
        }
    }

    #[test]
    fn zero_timeout_in_code_means_no_limit() {
        let target = Otlp::new("http://a").with_timeout(Duration::ZERO).target(Signal::Traces);
        assert_eq!(target.unwrap().unwrap().timeout, target::NO_LIMIT);
    }
}
