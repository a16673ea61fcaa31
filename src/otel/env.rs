//! What the standard environment variables say, as far as the SDK does not read them itself.

use std::time::Duration;

use reqwest::Url;

use super::SetupError;

const BASE_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The endpoints of the specification.
const HTTP_ENDPOINT: &str = "http://localhost:4318";
const GRPC_ENDPOINT: &str = "http://localhost:4317";
/// How long an export may take, unless the environment says otherwise.
const OTLP_TIMEOUT: Duration = Duration::from_secs(10);

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    /// Events are log records with a name.
    Logs,
}

/// The variables of a signal.
struct Variables {
    exporter: &'static str,
    endpoint: &'static str,
    protocol: &'static str,
    timeout: &'static str,
    path: &'static str,
}

impl Signal {
    fn variables(self) -> Variables {
        match self {
            Self::Traces => Variables {
                exporter: "OTEL_TRACES_EXPORTER",
                endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                timeout: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                path: "traces",
            },
            Self::Metrics => Variables {
                exporter: "OTEL_METRICS_EXPORTER",
                endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                protocol: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
                timeout: "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
                path: "metrics",
            },
            Self::Logs => Variables {
                exporter: "OTEL_LOGS_EXPORTER",
                endpoint: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
                protocol: "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
                timeout: "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
                path: "logs",
            },
        }
    }
}

/// Where a signal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exporter {
    Otlp,
    Console,
}

/// How an OTLP exporter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    HttpProtobuf,
    HttpJson,
    Grpc,
}

fn set(lookup: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    // An empty variable is an unset one, says the specification.
    lookup(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// `OTEL_SDK_DISABLED`.
pub(super) fn is_disabled(lookup: impl Fn(&str) -> Option<String>) -> bool {
    set(lookup, "OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// `OTEL_SERVICE_NAME`.
pub(super) fn service_name(lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
    set(lookup, "OTEL_SERVICE_NAME")
}

/// `OTEL_…_EXPORTER`; without it, OTLP where an endpoint is given.
pub(super) fn exporters(
    signal: Signal,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Exporter>, SetupError> {
    let variable = signal.variables().exporter;
    let Some(list) = set(&lookup, variable) else {
        let otlp = endpoint(signal, &lookup).is_some();
        return Ok(if otlp { vec![Exporter::Otlp] } else { Vec::new() });
    };
    let mut exporters = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "otlp" => exporters.push(Exporter::Otlp),
            "console" => exporters.push(Exporter::Console),
            "none" => {}
            other => {
                return Err(SetupError::UnknownExporter { variable, name: other.to_owned() });
            }
        }
    }
    Ok(exporters)
}

fn endpoint(
    signal: Signal,
    lookup: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    [signal.variables().endpoint, BASE_ENDPOINT]
        .into_iter()
        .find_map(|name| Some((name, set(&lookup, name)?)))
}

/// Where and how an OTLP exporter sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Otlp {
    /// The whole address. It may hold a password: it is for no message.
    pub(super) endpoint: Url,
    pub(super) protocol: Protocol,
    pub(super) timeout: Duration,
}

/// What the environment says of the OTLP exporter. What the SDK would pass over in silence, and
/// then lose everything, is an error here.
pub(super) fn otlp(
    signal: Signal,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Otlp, SetupError> {
    let variables = signal.variables();
    let protocol = protocol(&variables, &lookup)?;
    let default = if protocol == Protocol::Grpc { GRPC_ENDPOINT } else { HTTP_ENDPOINT };
    let (variable, url) =
        endpoint(signal, &lookup).unwrap_or_else(|| (BASE_ENDPOINT, default.to_owned()));
    let mut endpoint = Url::parse(&url).map_err(|_| SetupError::InvalidEndpoint { variable })?;
    // The one for a signal is meant as it stands, the one for all signals is their base; and of
    // gRPC the whole path is the service's.
    if variable == BASE_ENDPOINT
        && protocol != Protocol::Grpc
        && let Ok(mut path) = endpoint.path_segments_mut()
    {
        path.pop_if_empty().extend(["v1", variables.path]);
    }
    match endpoint.scheme() {
        "http" => {}
        "https" if cfg!(feature = "rustls-ring") => {}
        "https" => return Err(SetupError::NoTls { variable }),
        _ => return Err(SetupError::InvalidEndpoint { variable }),
    }
    let timeout = [variables.timeout, "OTEL_EXPORTER_OTLP_TIMEOUT"]
        .into_iter()
        .find_map(|name| set(&lookup, name)?.parse().ok())
        .map_or(OTLP_TIMEOUT, Duration::from_millis);
    Ok(Otlp { endpoint, protocol, timeout })
}

fn protocol(
    variables: &Variables,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Protocol, SetupError> {
    let said = [variables.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL"]
        .into_iter()
        .find_map(|variable| Some((variable, set(&lookup, variable)?)));
    let Some((variable, protocol)) = said else { return Ok(Protocol::HttpProtobuf) };
    match protocol.as_str() {
        "http/protobuf" => Ok(Protocol::HttpProtobuf),
        "http/json" => Ok(Protocol::HttpJson),
        "grpc" if cfg!(feature = "otel-grpc") => Ok(Protocol::Grpc),
        _ => Err(SetupError::UnsupportedProtocol { variable, protocol }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

    fn of(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> + Copy {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn an_endpoint_alone_means_otlp() {
        assert_eq!(exporters(Signal::Traces, of(&[])), Ok(vec![]));
        let endpoint = of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")]);
        assert_eq!(exporters(Signal::Traces, endpoint), Ok(vec![Exporter::Otlp]));
        assert_eq!(
            exporters(Signal::Traces, of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")])),
            Ok(vec![])
        );
    }

    #[test]
    fn exporters_are_a_list_and_unknown_ones_are_named() {
        let list = of(&[("OTEL_TRACES_EXPORTER", "console, otlp")]);
        assert_eq!(exporters(Signal::Traces, list), Ok(vec![Exporter::Console, Exporter::Otlp]));
        let none =
            of(&[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x")]);
        assert_eq!(exporters(Signal::Traces, none), Ok(vec![]));
        let error =
            exporters(Signal::Traces, of(&[("OTEL_TRACES_EXPORTER", "zipkin")])).unwrap_err();
        assert_eq!(
            error,
            SetupError::UnknownExporter {
                variable: "OTEL_TRACES_EXPORTER",
                name: "zipkin".to_owned(),
            }
        );
        assert!(error.to_string().contains("`zipkin`"), "{error}");
    }

    #[test]
    fn an_endpoint_that_cannot_work_is_refused() {
        for url in ["localhost:4318", "grpc://localhost:4317", "http://", "http://u:secret@a b"] {
            let error =
                otlp(Signal::Traces, |name| (name == BASE_ENDPOINT).then(|| url.to_owned()))
                    .unwrap_err();
            assert_eq!(error, SetupError::InvalidEndpoint { variable: BASE_ENDPOINT });
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let unknown = of(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml")]);
        let error = otlp(Signal::Metrics, unknown).unwrap_err();
        assert!(error.to_string().contains("`http/xml`"), "{error}");
    }

    #[test]
    fn https_needs_tls() {
        let made = otlp(Signal::Traces, of(&[(TRACES_ENDPOINT, "https://collector.test/x")]));
        if cfg!(feature = "rustls-ring") {
            assert_eq!(made.unwrap().endpoint.as_str(), "https://collector.test/x");
        } else {
            assert_eq!(made, Err(SetupError::NoTls { variable: TRACES_ENDPOINT }));
        }
    }

    #[test]
    fn an_endpoint_is_a_base_unless_it_is_that_of_traces() {
        let endpoint = |pairs| otlp(Signal::Traces, of(pairs)).unwrap().endpoint.to_string();
        assert_eq!(endpoint(&[]), "http://localhost:4318/v1/traces");
        assert_eq!(endpoint(&[(BASE_ENDPOINT, "http://a:1/b/")]), "http://a:1/b/v1/traces");
        let both = &[(BASE_ENDPOINT, "http://a"), (TRACES_ENDPOINT, "HTTP://b/")];
        assert_eq!(endpoint(both), "http://b/");
    }

    #[test]
    fn each_signal_has_its_own_variables() {
        let of_logs = of(&[
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs/x"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json"),
        ]);
        assert_eq!(exporters(Signal::Logs, of_logs), Ok(vec![Exporter::Otlp]));
        assert_eq!(exporters(Signal::Metrics, of_logs), Ok(vec![]));
        let made = otlp(Signal::Logs, of_logs).unwrap();
        assert_eq!((made.endpoint.as_str(), made.protocol), ("http://logs/x", Protocol::HttpJson));
        let base = of(&[(BASE_ENDPOINT, "http://a:1")]);
        assert_eq!(otlp(Signal::Metrics, base).unwrap().endpoint.path(), "/v1/metrics");
    }

    #[test]
    fn grpc_is_for_builds_that_speak_it() {
        let grpc = of(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        let made = otlp(Signal::Traces, grpc);
        if cfg!(feature = "otel-grpc") {
            assert_eq!(made.unwrap().endpoint.as_str(), "http://localhost:4317/");
        } else {
            assert!(made.unwrap_err().to_string().contains("`otel-grpc`"));
        }
    }

    #[test]
    fn the_traces_own_settings_win() {
        let made = otlp(
            Signal::Traces,
            of(&[
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
                ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ]),
        );
        assert_eq!(made.unwrap().timeout, Duration::from_millis(250));
        let nonsense = otlp(Signal::Traces, of(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")]));
        assert_eq!(nonsense.unwrap().timeout, OTLP_TIMEOUT);
    }

    #[test]
    fn the_sdk_is_disabled_by_the_word_true_alone() {
        assert!(is_disabled(of(&[("OTEL_SDK_DISABLED", "TRUE")])));
        assert!(!is_disabled(of(&[("OTEL_SDK_DISABLED", "1")])));
        assert!(!is_disabled(of(&[])));
    }
}
