//! Where OTLP goes and how: as the program says ([`Otlp`]), or as the environment says.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_sdk::metrics::Temporality;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::SetupError;
use super::env::{self, Env};
use super::logfire;

/// The endpoints of the specification.
const HTTP_ENDPOINT: &str = "http://localhost:4318";
const GRPC_ENDPOINT: &str = "http://localhost:4317";
/// How long an export may take, unless somebody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long that is where there is to be no limit: a century, which every clock can add up.
const NO_LIMIT: Duration = Duration::from_hours(100 * 365 * 24);

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
    /// Log records. The events of the conventions are log records with a name.
    Logs,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    fn path(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }

    /// The variable for that signal, and the one for all.
    fn variables(self, what: &str) -> [String; 2] {
        [format!("OTEL_EXPORTER_OTLP_{}_{what}", self.word()), format!("OTEL_EXPORTER_OTLP_{what}")]
    }
}

/// How an OTLP exporter speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf over HTTP: every receiver takes it.
    #[default]
    HttpProtobuf,
    /// JSON over HTTP.
    HttpJson,
    /// gRPC. With the feature `otel-grpc`.
    Grpc,
}

/// An OTLP receiver, as the program says.
///
/// What is not said here is as the specification has it, whatever the environment says of other
/// receivers: a token in the environment is for the endpoint in the environment.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chatlas::otel::{Otlp, Telemetry};
///
/// let honeycomb = Otlp::to("https://api.honeycomb.io")
///     .header("x-honeycomb-team", std::env::var("HONEYCOMB_API_KEY")?)
///     .gzip();
/// let telemetry = Telemetry::new().service_name("my-app").otlp(honeycomb).install()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it is nothing before `Telemetry::otlp`"]
pub struct Otlp {
    endpoint: String,
    protocol: Protocol,
    headers: Vec<(String, String)>,
    timeout: Duration,
    gzip: bool,
    tls: Tls,
    temporality: Temporality,
    signals: Vec<Signal>,
}

impl Otlp {
    /// A receiver at that base address: over HTTP, `/v1/traces` and the like are put behind it.
    pub fn to(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            protocol: Protocol::default(),
            headers: Vec::new(),
            timeout: TIMEOUT,
            gzip: false,
            tls: Tls::default(),
            temporality: Temporality::Cumulative,
            signals: Signal::ALL.to_vec(),
        }
    }

    /// Speaks that protocol: protobuf over HTTP unless set.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sends a header (over gRPC: metadata) with every export.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long an export may take, repetitions included: 10 seconds unless set. Zero is no limit,
    /// as the
    /// [configuration schema](https://opentelemetry.io/docs/specs/otel-config/types/) has it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Compresses what is sent.
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Trusts the certificates of that PEM file, and no others.
    pub fn certificate(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.trusted = Some(NamedFile::new("Otlp::certificate", file));
        self
    }

    /// Shows that certificate (a PEM file, its chain included), with its key (a PEM file).
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.tls.certificate = Some(NamedFile::new("Otlp::client_certificate", certificate));
        self.tls.key = Some(NamedFile::new("Otlp::client_certificate", key));
        self
    }

    /// Counts metrics from the beginning (the default), or from one reading to the next.
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
        self
    }

    /// Sends those signals alone. Many backends take only traces.
    pub fn only(mut self, signals: &[Signal]) -> Self {
        self.signals = signals.to_vec();
        self
    }

    /// The target of that signal, unless it is not sent.
    pub(super) fn target(&self, signal: Signal) -> Result<Option<Target>, SetupError> {
        if !self.signals.contains(&signal) {
            return Ok(None);
        }
        if self.protocol == Protocol::Grpc && !cfg!(feature = "otel-grpc") {
            let place = "Otlp::protocol".to_owned();
            return Err(SetupError::UnsupportedProtocol { place, protocol: "grpc".to_owned() });
        }
        Ok(Some(Target {
            endpoint: address("Otlp::to", &self.endpoint, self.base_path(signal))?,
            protocol: self.protocol,
            headers: headers("Otlp::header", self.headers.iter().cloned())?,
            timeout: limit(self.timeout),
            gzip: self.gzip,
            tls: self.tls.clone().checked()?,
            temporality: self.temporality,
        }))
    }

    fn base_path(&self, signal: Signal) -> Option<&'static str> {
        (self.protocol != Protocol::Grpc).then(|| signal.path())
    }
}

impl fmt::Debug for Otlp {
    /// Headers and the address may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp")
            .field("protocol", &self.protocol)
            .field("signals", &self.signals)
            .finish_non_exhaustive()
    }
}

/// Where one signal goes, and how.
#[derive(Clone)]
pub(super) struct Target {
    /// The whole address. It may hold a password: it is for no message.
    pub(super) endpoint: Url,
    pub(super) protocol: Protocol,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
    // Without TLS, files are refused before anybody reads them.
    #[cfg_attr(not(any(feature = "rustls-ring", feature = "otel-grpc")), allow(dead_code))]
    pub(super) tls: Tls,
    pub(super) temporality: Temporality,
}

impl Target {
    /// Host and port, for people.
    pub(super) fn receiver(&self) -> String {
        let host = self.endpoint.host_str().unwrap_or_default();
        match self.endpoint.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

/// The files of TLS.
#[derive(Clone, Default)]
pub(super) struct Tls {
    /// Trusted instead of those that the system trusts.
    pub(super) trusted: Option<NamedFile>,
    pub(super) certificate: Option<NamedFile>,
    pub(super) key: Option<NamedFile>,
}

impl Tls {
    /// Whether any of it is set.
    fn named(&self) -> Option<&NamedFile> {
        self.trusted.as_ref().or(self.certificate.as_ref()).or(self.key.as_ref())
    }

    fn checked(self) -> Result<Self, SetupError> {
        if !cfg!(feature = "rustls-ring")
            && let Some(file) = self.named()
        {
            return Err(SetupError::NoTls { place: file.place.clone() });
        }
        match (&self.certificate, &self.key) {
            (Some(alone), None) | (None, Some(alone)) => Err(SetupError::InvalidValue {
                place: alone.place.clone(),
                expected: "accompanied: a client's certificate and its key belong together",
            }),
            _ => Ok(self),
        }
    }
}

/// A file, and where it is named.
#[derive(Clone)]
#[cfg_attr(not(any(feature = "rustls-ring", feature = "otel-grpc")), allow(dead_code))]
pub(super) struct NamedFile {
    pub(super) place: String,
    path: PathBuf,
}

impl NamedFile {
    fn new(place: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { place: place.into(), path: path.into() }
    }

    /// What it holds.
    #[cfg_attr(not(any(feature = "rustls-ring", feature = "otel-grpc")), allow(dead_code))]
    pub(super) fn read(&self) -> Result<Vec<u8>, SetupError> {
        std::fs::read(&self.path).map_err(|error| self.wrong(error.to_string()))
    }

    /// An error about what it holds.
    #[cfg_attr(not(any(feature = "rustls-ring", feature = "otel-grpc")), allow(dead_code))]
    pub(super) fn wrong(&self, why: impl Into<String>) -> SetupError {
        SetupError::File { place: self.place.clone(), path: self.path.clone(), why: why.into() }
    }
}

/// Where a signal goes, by the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exporter {
    Otlp,
    Console,
}

/// `OTEL_…_EXPORTER`; without it, OTLP where the environment names a receiver.
pub(super) fn exporters(signal: Signal, env: Env<'_>) -> Result<Vec<Exporter>, SetupError> {
    let place = format!("OTEL_{}_EXPORTER", signal.word());
    let Some(list) = env.text(&place) else {
        let named = env.first(signal.variables("ENDPOINT")).is_some() || logfire::is_set(env);
        return Ok(if named { vec![Exporter::Otlp] } else { Vec::new() });
    };
    let mut exporters = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let exporter = match name {
            "otlp" => Exporter::Otlp,
            "console" => Exporter::Console,
            "none" => continue,
            other => return Err(SetupError::UnknownExporter { place, name: other.to_owned() }),
        };
        if !exporters.contains(&exporter) {
            exporters.push(exporter);
        }
    }
    Ok(exporters)
}

/// What the environment says of the OTLP exporter. What the SDK would pass over in silence, and
/// then lose everything, is an error here.
pub(super) fn target(signal: Signal, env: Env<'_>) -> Result<Target, SetupError> {
    let value = |what| env.first(signal.variables(what));
    let protocol = match value("PROTOCOL") {
        Some((place, protocol)) => protocol_named(place, protocol)?,
        None => Protocol::default(),
    };
    let said = value("ENDPOINT");
    let logfire = if said.is_none() { logfire::receiver(env)? } else { None };
    let [own, base] = signal.variables("ENDPOINT");
    let default = if protocol == Protocol::Grpc { GRPC_ENDPOINT } else { HTTP_ENDPOINT };
    let (place, url) = match (&said, &logfire) {
        (Some((place, url)), _) => (place.clone(), url.clone()),
        (None, Some(logfire)) => (logfire::BASE_URL.to_owned(), logfire.url.clone()),
        (None, None) => (base, default.to_owned()),
    };
    // The one for a signal is meant as it stands, the one for all signals is their base; and of
    // gRPC the whole path is the service's.
    let base_path = (place != own && protocol != Protocol::Grpc).then(|| signal.path());
    let endpoint = address(&place, &url, base_path)?;
    let mut all = logfire.map(|logfire| logfire.header).into_iter().collect::<Vec<_>>();
    let mut header_place = logfire::TOKEN.to_owned();
    if let Some((place, list)) = value("HEADERS") {
        all.extend(env::pairs(&place, &list)?);
        header_place = place;
    }
    let gzip = match value("COMPRESSION") {
        None => false,
        Some((_, name)) if name.eq_ignore_ascii_case("none") => false,
        Some((_, name)) if name.eq_ignore_ascii_case("gzip") => true,
        Some((place, _)) => {
            return Err(SetupError::InvalidValue { place, expected: "`gzip` or `none`" });
        }
    };
    let timeout = match value("TIMEOUT") {
        Some((place, millis)) => {
            limit(Duration::from_millis(env::parsed(&place, &millis, "milliseconds")?))
        }
        None => TIMEOUT,
    };
    let file = |what| value(what).map(|(place, path)| NamedFile::new(place, path));
    let tls = Tls {
        trusted: file("CERTIFICATE"),
        certificate: file("CLIENT_CERTIFICATE"),
        key: file("CLIENT_KEY"),
    };
    Ok(Target {
        endpoint,
        protocol,
        headers: headers(&header_place, all)?,
        timeout,
        gzip,
        tls: tls.checked()?,
        temporality: temporality(env)?,
    })
}

fn protocol_named(place: String, protocol: String) -> Result<Protocol, SetupError> {
    match protocol.as_str() {
        "http/protobuf" => Ok(Protocol::HttpProtobuf),
        "http/json" => Ok(Protocol::HttpJson),
        "grpc" if cfg!(feature = "otel-grpc") => Ok(Protocol::Grpc),
        _ => Err(SetupError::UnsupportedProtocol { place, protocol }),
    }
}

/// Zero is no limit.
fn limit(timeout: Duration) -> Duration {
    if timeout.is_zero() { NO_LIMIT } else { timeout }
}

fn temporality(env: Env<'_>) -> Result<Temporality, SetupError> {
    let place = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let said = env.text(place).map(|word| word.to_ascii_lowercase());
    match said.as_deref() {
        None | Some("cumulative") => Ok(Temporality::Cumulative),
        Some("delta") => Ok(Temporality::Delta),
        Some("lowmemory") => Ok(Temporality::LowMemory),
        Some(_) => Err(SetupError::InvalidValue {
            place: place.to_owned(),
            expected: "`cumulative`, `delta` or `lowmemory`",
        }),
    }
}

/// The address, with the path of a signal behind it where it is a base.
fn address(place: &str, url: &str, base_path: Option<&str>) -> Result<Url, SetupError> {
    let invalid = || SetupError::InvalidEndpoint { place: place.to_owned() };
    let mut endpoint = Url::parse(url).map_err(|_| invalid())?;
    match endpoint.scheme() {
        "http" => {}
        "https" if cfg!(feature = "rustls-ring") => {}
        "https" => return Err(SetupError::NoTls { place: place.to_owned() }),
        _ => return Err(invalid()),
    }
    if let Some(signal) = base_path
        && let Ok(mut path) = endpoint.path_segments_mut()
    {
        path.pop_if_empty().extend(["v1", signal]);
    }
    Ok(endpoint)
}

/// Headers that hide their values.
fn headers(
    place: &str,
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<HeaderMap, SetupError> {
    let wrong = || SetupError::InvalidValue {
        place: place.to_owned(),
        expected: "made of header names and values without line breaks",
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::super::env::tests::of;
    use super::*;

    const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

    fn made(signal: Signal, pairs: &[(&str, &str)]) -> Result<Target, SetupError> {
        target(signal, Env::new(&of(pairs)))
    }

    fn wanted(signal: Signal, pairs: &[(&str, &str)]) -> Result<Vec<Exporter>, SetupError> {
        exporters(signal, Env::new(&of(pairs)))
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        made(Signal::Traces, pairs).err().unwrap().to_string()
    }

    #[test]
    fn an_endpoint_alone_means_otlp() {
        assert_eq!(wanted(Signal::Traces, &[]), Ok(vec![]));
        assert_eq!(
            wanted(Signal::Traces, &[(BASE, "http://localhost:4318")]),
            Ok(vec![Exporter::Otlp])
        );
        assert_eq!(wanted(Signal::Traces, &[(BASE, " ")]), Ok(vec![]));
        let of_logs = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs/x")];
        assert_eq!(wanted(Signal::Logs, &of_logs), Ok(vec![Exporter::Otlp]));
        assert_eq!(wanted(Signal::Metrics, &of_logs), Ok(vec![]));
    }

    #[test]
    fn exporters_are_a_list_and_unknown_ones_are_named() {
        let list = [("OTEL_TRACES_EXPORTER", "console, otlp, console")];
        assert_eq!(wanted(Signal::Traces, &list), Ok(vec![Exporter::Console, Exporter::Otlp]));
        let none = [("OTEL_TRACES_EXPORTER", "none"), (BASE, "http://x")];
        assert_eq!(wanted(Signal::Traces, &none), Ok(vec![]));
        let error = wanted(Signal::Traces, &[("OTEL_TRACES_EXPORTER", "zipkin")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "OTEL_TRACES_EXPORTER names `zipkin`; there are `otlp`, `console` and `none`"
        );
    }

    #[test]
    fn an_endpoint_that_cannot_work_is_refused() {
        for url in ["localhost:4318", "grpc://localhost:4317", "http://", "http://u:secret@a b"] {
            let said = error(&[(BASE, url)]);
            assert!(said.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT must begin with"), "{said}");
            assert!(!said.contains("secret"), "{said}");
            assert!(Otlp::to(url).target(Signal::Traces).is_err(), "{url}");
        }
        assert!(error(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml")]).contains("`http/xml`"));
    }

    #[test]
    fn https_needs_tls() {
        let made = made(Signal::Traces, &[(TRACES, "https://collector.test/x")]);
        if cfg!(feature = "rustls-ring") {
            assert_eq!(made.ok().unwrap().endpoint.as_str(), "https://collector.test/x");
        } else {
            assert_eq!(made.err(), Some(SetupError::NoTls { place: TRACES.to_owned() }));
        }
    }

    #[test]
    fn an_endpoint_is_a_base_unless_it_is_that_of_the_signal() {
        let endpoint =
            |pairs: &[(&str, &str)]| made(Signal::Traces, pairs).ok().unwrap().endpoint.to_string();
        assert_eq!(endpoint(&[]), "http://localhost:4318/v1/traces");
        assert_eq!(endpoint(&[(BASE, "http://a:1/b/")]), "http://a:1/b/v1/traces");
        assert_eq!(endpoint(&[(BASE, "http://a"), (TRACES, "HTTP://b/")]), "http://b/");
        let of_metrics = Otlp::to("http://a:1/otel").target(Signal::Metrics).ok().unwrap();
        assert_eq!(of_metrics.unwrap().endpoint.path(), "/otel/v1/metrics");
    }

    #[test]
    fn grpc_is_for_builds_that_speak_it() {
        let made = made(Signal::Traces, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        let coded = Otlp::to("http://a").protocol(Protocol::Grpc).target(Signal::Traces);
        if cfg!(feature = "otel-grpc") {
            assert_eq!(made.ok().unwrap().endpoint.as_str(), "http://localhost:4317/");
            assert_eq!(coded.ok().unwrap().unwrap().endpoint.as_str(), "http://a/");
        } else {
            assert!(made.err().unwrap().to_string().contains("`otel-grpc`"));
            assert!(coded.err().unwrap().to_string().contains("`otel-grpc`"));
        }
    }

    #[test]
    fn the_variables_of_a_signal_win() {
        let made = made(
            Signal::Traces,
            &[
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
                ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-a=general"),
                ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-b=Bearer%20own"),
                ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
            ],
        );
        let made = made.ok().unwrap();
        assert_eq!(made.timeout, Duration::from_millis(250));
        assert_eq!(made.protocol, Protocol::HttpProtobuf);
        assert!(!made.gzip);
        assert!(!made.headers.contains_key("x-a"));
        assert_eq!(made.headers["x-b"], "Bearer own");
        assert!(!format!("{:?}", made.headers).contains("own"), "values are hidden");
        assert_eq!(made.temporality, Temporality::Delta);
    }

    #[test]
    fn a_timeout_of_zero_is_no_limit() {
        for made in [
            made(Signal::Traces, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]),
            Otlp::to("http://a").timeout(Duration::ZERO).target(Signal::Traces).map(Option::unwrap),
        ] {
            assert_eq!(made.ok().unwrap().timeout, NO_LIMIT);
        }
    }

    #[test]
    fn wrong_values_are_errors_and_no_silence() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0Ax: y"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
        ] {
            let said = error(&[(name, value)]);
            assert!(said.contains(name) && !said.contains("secret"), "{said}");
        }
    }
}
