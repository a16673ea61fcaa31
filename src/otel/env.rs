//! What the standard environment variables say, as far as the SDK does not read them itself.

use std::time::Duration;

use reqwest::Url;

use super::SetupError;

const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const BASE_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The endpoint of the specification, and the path of traces below an endpoint for all signals.
const OTLP_ENDPOINT: &str = "http://localhost:4318";
const TRACES_PATH: [&str; 2] = ["v1", "traces"];
/// How long an export may take, unless the environment says otherwise.
const OTLP_TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exporter {
    Otlp,
    Console,
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

/// `OTEL_TRACES_EXPORTER`; without it, OTLP where an endpoint is given.
pub(super) fn exporters(
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Exporter>, SetupError> {
    let Some(list) = set(&lookup, "OTEL_TRACES_EXPORTER") else {
        return Ok(if endpoint(&lookup).is_some() { vec![Exporter::Otlp] } else { Vec::new() });
    };
    let mut exporters = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "otlp" => exporters.push(Exporter::Otlp),
            "console" => exporters.push(Exporter::Console),
            "none" => {}
            other => {
                return Err(SetupError::UnknownExporter { name: other.to_owned() });
            }
        }
    }
    Ok(exporters)
}

fn endpoint(lookup: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    [TRACES_ENDPOINT, BASE_ENDPOINT].into_iter().find_map(|name| Some((name, set(&lookup, name)?)))
}

/// Where and how an OTLP exporter sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Otlp {
    /// The whole address. It may hold a password: it is for no message.
    pub(super) endpoint: Url,
    pub(super) timeout: Duration,
}

/// What the environment says of the OTLP exporter. What the SDK would pass over in silence, and
/// then lose every span, is an error here.
pub(super) fn otlp(lookup: impl Fn(&str) -> Option<String>) -> Result<Otlp, SetupError> {
    for variable in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        match set(&lookup, variable) {
            None => {}
            Some(protocol) if protocol == "http/protobuf" => break,
            Some(protocol) => {
                return Err(SetupError::UnsupportedProtocol { variable, protocol });
            }
        }
    }
    let (variable, url) =
        endpoint(&lookup).unwrap_or_else(|| (BASE_ENDPOINT, OTLP_ENDPOINT.to_owned()));
    let mut endpoint = Url::parse(&url).map_err(|_| SetupError::InvalidEndpoint { variable })?;
    // The one for traces is meant as it stands, the one for all signals is their base.
    if variable == BASE_ENDPOINT
        && let Ok(mut path) = endpoint.path_segments_mut()
    {
        path.pop_if_empty().extend(TRACES_PATH);
    }
    match endpoint.scheme() {
        "http" => {}
        "https" if cfg!(feature = "rustls-ring") => {}
        "https" => return Err(SetupError::NoTls { variable }),
        _ => return Err(SetupError::InvalidEndpoint { variable }),
    }
    let timeout = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]
        .into_iter()
        .find_map(|name| set(&lookup, name)?.parse().ok())
        .map_or(OTLP_TIMEOUT, Duration::from_millis);
    Ok(Otlp { endpoint, timeout })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> + Copy {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn an_endpoint_alone_means_otlp() {
        assert_eq!(exporters(of(&[])), Ok(vec![]));
        let endpoint = of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")]);
        assert_eq!(exporters(endpoint), Ok(vec![Exporter::Otlp]));
        assert_eq!(exporters(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")])), Ok(vec![]));
    }

    #[test]
    fn exporters_are_a_list_and_unknown_ones_are_named() {
        let list = of(&[("OTEL_TRACES_EXPORTER", "console, otlp")]);
        assert_eq!(exporters(list), Ok(vec![Exporter::Console, Exporter::Otlp]));
        let none =
            of(&[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x")]);
        assert_eq!(exporters(none), Ok(vec![]));
        let error = exporters(of(&[("OTEL_TRACES_EXPORTER", "zipkin")])).unwrap_err();
        assert_eq!(error, SetupError::UnknownExporter { name: "zipkin".to_owned() });
        assert!(error.to_string().contains("`zipkin`"), "{error}");
    }

    #[test]
    fn an_endpoint_that_cannot_work_is_refused() {
        for url in ["localhost:4318", "grpc://localhost:4317", "http://", "http://u:secret@a b"] {
            let error = otlp(|name| (name == BASE_ENDPOINT).then(|| url.to_owned())).unwrap_err();
            assert_eq!(error, SetupError::InvalidEndpoint { variable: BASE_ENDPOINT });
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let error = otlp(of(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")])).unwrap_err();
        assert!(error.to_string().contains("`grpc`"), "{error}");
    }

    #[test]
    fn https_needs_tls() {
        let made = otlp(of(&[(TRACES_ENDPOINT, "https://collector.test/x")]));
        if cfg!(feature = "rustls-ring") {
            assert_eq!(made.unwrap().endpoint.as_str(), "https://collector.test/x");
        } else {
            assert_eq!(made, Err(SetupError::NoTls { variable: TRACES_ENDPOINT }));
        }
    }

    #[test]
    fn an_endpoint_is_a_base_unless_it_is_that_of_traces() {
        let endpoint = |pairs| otlp(of(pairs)).unwrap().endpoint.to_string();
        assert_eq!(endpoint(&[]), "http://localhost:4318/v1/traces");
        assert_eq!(endpoint(&[(BASE_ENDPOINT, "http://a:1/b/")]), "http://a:1/b/v1/traces");
        let both = &[(BASE_ENDPOINT, "http://a"), (TRACES_ENDPOINT, "HTTP://b/")];
        assert_eq!(endpoint(both), "http://b/");
    }

    #[test]
    fn the_traces_own_settings_win() {
        let made = otlp(of(&[
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ]));
        assert_eq!(made.unwrap().timeout, Duration::from_millis(250));
        let nonsense = otlp(of(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")]));
        assert_eq!(nonsense.unwrap().timeout, OTLP_TIMEOUT);
    }

    #[test]
    fn the_sdk_is_disabled_by_the_word_true_alone() {
        assert!(is_disabled(of(&[("OTEL_SDK_DISABLED", "TRUE")])));
        assert!(!is_disabled(of(&[("OTEL_SDK_DISABLED", "1")])));
        assert!(!is_disabled(of(&[])));
    }
}
