//! The exporters and the receiver that the environment selects: `OTEL_…_EXPORTER` and
//! `OTEL_EXPORTER_OTLP_…`.

use opentelemetry_sdk::metrics::Temporality;

use super::signal::{Protocol, Signal};
use super::target::{DEFAULT_TIMEOUT, NamedFile, Target, TlsFiles, header_map, parse_endpoint};
use crate::env::{self, Env};
use crate::error::SetupError;
use crate::logfire;

/// The default endpoints of the specification.
const HTTP_ENDPOINT: &str = "http://localhost:4318";
const GRPC_ENDPOINT: &str = "http://localhost:4317";

/// An exporter that the environment selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exporter {
    Otlp,
    Console,
}

/// Returns the exporters in `OTEL_…_EXPORTER`. If it is unset, returns OTLP if an endpoint is set.
pub(crate) fn exporters_from_env(
    signal: Signal,
    env: Env<'_>,
) -> Result<Vec<Exporter>, SetupError> {
    let setting = format!("OTEL_{}_EXPORTER", signal.variable_part());
    let Some(list) = env.text(&setting) else {
        let has_endpoint =
            env.first(signal.variables("ENDPOINT")).is_some() || logfire::is_set(env);
        return Ok(if has_endpoint { vec![Exporter::Otlp] } else { Vec::new() });
    };
    let mut exporters = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let exporter = match name.to_ascii_lowercase().as_str() {
            "otlp" => Exporter::Otlp,
            "console" => Exporter::Console,
            "none" => continue,
            _ => return Err(SetupError::UnknownExporter { setting, name: name.to_owned() }),
        };
        if !exporters.contains(&exporter) {
            exporters.push(exporter);
        }
    }
    Ok(exporters)
}

/// Returns the OTLP target of a signal. Values that the SDK would ignore, and then lose all
/// telemetry, are errors.
pub(crate) fn target_from_env(signal: Signal, env: Env<'_>) -> Result<Target, SetupError> {
    let value = |suffix| env.first(signal.variables(suffix));
    let protocol = match value("PROTOCOL") {
        Some((setting, protocol)) => parse_protocol(setting, protocol)?,
        None => Protocol::default(),
    };
    let endpoint = value("ENDPOINT");
    let logfire = if endpoint.is_none() { logfire::receiver(env)? } else { None };
    let [signal_variable, base_variable] = signal.variables("ENDPOINT");
    let default = if protocol == Protocol::Grpc { GRPC_ENDPOINT } else { HTTP_ENDPOINT };
    let (setting, url) = match (&endpoint, &logfire) {
        (Some((setting, url)), _) => (setting.clone(), url.clone()),
        (None, Some(logfire)) => (logfire::BASE_URL.to_owned(), logfire.url.clone()),
        (None, None) => (base_variable, default.to_owned()),
    };
    // The endpoint of a signal is complete, the one of all signals is a base. Over gRPC, the
    // service defines the path.
    let signal_path =
        (setting != signal_variable && protocol != Protocol::Grpc).then(|| signal.path());
    let url = if protocol == Protocol::Grpc && !url.contains("://") {
        // Only such an endpoint has no scheme, and only then does the variable apply:
        // https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options
        let is_insecure = match value("INSECURE") {
            Some((_, insecure)) => insecure.eq_ignore_ascii_case("true"),
            None => false,
        };
        format!("{}://{url}", if is_insecure { "http" } else { "https" })
    } else {
        url
    };
    let endpoint = parse_endpoint(&setting, &url, signal_path)?;
    let mut headers = logfire.map(|logfire| logfire.header).into_iter().collect::<Vec<_>>();
    let mut headers_setting = logfire::TOKEN.to_owned();
    if let Some((setting, list)) = value("HEADERS") {
        headers.extend(env::parse_pairs(&setting, &list)?);
        headers_setting = setting;
    }
    let gzip = match value("COMPRESSION") {
        None => false,
        Some((_, name)) if name.eq_ignore_ascii_case("none") => false,
        Some((_, name)) if name.eq_ignore_ascii_case("gzip") => true,
        Some((setting, _)) => {
            return Err(SetupError::InvalidValue { setting, expected: "`gzip` or `none`" });
        }
    };
    let timeout = match value("TIMEOUT") {
        Some((setting, _)) => env.timeout(&setting)?,
        None => None,
    };
    let file = |suffix| value(suffix).map(|(setting, path)| NamedFile::new(setting, path));
    let tls = TlsFiles {
        trusted: file("CERTIFICATE"),
        certificate: file("CLIENT_CERTIFICATE"),
        key: file("CLIENT_KEY"),
    };
    Ok(Target {
        endpoint,
        protocol,
        headers: header_map(&headers_setting, headers)?,
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        gzip,
        tls: tls.validate()?,
        temporality: temporality(env)?,
    })
}

fn parse_protocol(setting: String, protocol: String) -> Result<Protocol, SetupError> {
    match protocol.to_ascii_lowercase().as_str() {
        "http/protobuf" => Ok(Protocol::HttpProtobuf),
        "http/json" => Ok(Protocol::HttpJson),
        "grpc" if cfg!(feature = "otel-grpc") => Ok(Protocol::Grpc),
        _ => Err(SetupError::UnsupportedProtocol { setting, protocol }),
    }
}

fn temporality(env: Env<'_>) -> Result<Temporality, SetupError> {
    let setting = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    match env.name(setting).as_deref() {
        None | Some("cumulative") => Ok(Temporality::Cumulative),
        Some("delta") => Ok(Temporality::Delta),
        Some("lowmemory") => Ok(Temporality::LowMemory),
        Some(_) => Err(SetupError::InvalidValue {
            setting: setting.to_owned(),
            expected: "`cumulative`, `delta` or `lowmemory`",
        }),
    }
}

/// The buckets of histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Histograms {
    Explicit,
    Exponential,
}

/// Returns the buckets of histograms.
pub(crate) fn histograms_from_env(env: Env<'_>) -> Result<Histograms, SetupError> {
    let setting = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    match env.name(setting).as_deref() {
        None | Some("explicit_bucket_histogram") => Ok(Histograms::Explicit),
        Some("base2_exponential_bucket_histogram") => Ok(Histograms::Exponential),
        Some(_) => Err(SetupError::InvalidValue {
            setting: setting.to_owned(),
            expected: "`explicit_bucket_histogram` or `base2_exponential_bucket_histogram`",
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::env::tests::lookup;

    use super::super::target::NO_LIMIT;
    use super::*;

    const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

    fn target(signal: Signal, pairs: &[(&str, &str)]) -> Result<Target, SetupError> {
        target_from_env(signal, Env::new(&lookup(pairs)))
    }

    fn exporters(signal: Signal, pairs: &[(&str, &str)]) -> Vec<Exporter> {
        exporters_from_env(signal, Env::new(&lookup(pairs))).unwrap()
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        target(Signal::Traces, pairs).err().unwrap().to_string()
    }

    #[test]
    fn endpoint_selects_otlp() {
        assert_eq!(exporters(Signal::Traces, &[]), []);
        assert_eq!(exporters(Signal::Traces, &[(BASE, "http://localhost:4318")]), [Exporter::Otlp]);
        assert_eq!(exporters(Signal::Traces, &[(BASE, " ")]), []);
        let logs_only = [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs/x")];
        assert_eq!(exporters(Signal::Logs, &logs_only), [Exporter::Otlp]);
        assert_eq!(exporters(Signal::Metrics, &logs_only), []);
    }

    #[test]
    fn exporters_are_a_list_and_unknown_names_are_errors() {
        let list = [("OTEL_TRACES_EXPORTER", "console, otlp, console")];
        assert_eq!(exporters(Signal::Traces, &list), [Exporter::Console, Exporter::Otlp]);
        let upper = [("OTEL_TRACES_EXPORTER", "OTLP,Console,NONE")];
        assert_eq!(exporters(Signal::Traces, &upper), [Exporter::Otlp, Exporter::Console]);
        let none = [("OTEL_TRACES_EXPORTER", "none"), (BASE, "http://x")];
        assert_eq!(exporters(Signal::Traces, &none), []);
        let zipkin = lookup(&[("OTEL_TRACES_EXPORTER", "zipkin")]);
        let error = exporters_from_env(Signal::Traces, Env::new(&zipkin)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "OTEL_TRACES_EXPORTER contains the unknown exporter `zipkin`: \
             use `otlp`, `console` or `none`"
        );
    }

    #[test]
    fn invalid_endpoints_are_rejected() {
        for url in ["localhost:4318", "grpc://localhost:4317", "http://", "http://u:secret@a b"] {
            let error = error(&[(BASE, url)]);
            assert!(error.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT must start with"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(error(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml")]).contains("`http/xml`"));
    }

    #[test]
    fn https_requires_tls() {
        let target = target(Signal::Traces, &[(TRACES, "https://collector.test/x")]);
        if cfg!(feature = "_tls") {
            assert_eq!(target.unwrap().endpoint.as_str(), "https://collector.test/x");
        } else {
            let error = target.err().unwrap();
            assert!(matches!(error, SetupError::NoTls { setting } if setting == TRACES));
        }
    }

    #[test]
    fn only_the_base_endpoint_gets_the_path_of_the_signal() {
        let endpoint =
            |pairs: &[(&str, &str)]| target(Signal::Traces, pairs).unwrap().endpoint.to_string();
        assert_eq!(endpoint(&[]), "http://localhost:4318/v1/traces");
        assert_eq!(endpoint(&[(BASE, "http://a:1/b/")]), "http://a:1/b/v1/traces");
        assert_eq!(endpoint(&[(BASE, "http://a"), (TRACES, "HTTP://b/")]), "http://b/");
    }

    #[test]
    fn grpc_requires_the_feature() {
        let target = target(Signal::Traces, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        if cfg!(feature = "otel-grpc") {
            assert_eq!(target.unwrap().endpoint.as_str(), "http://localhost:4317/");
        } else {
            assert!(target.err().unwrap().to_string().contains("`otel-grpc`"));
        }
    }

    /// <https://github.com/open-telemetry/opentelemetry-python/issues/1801>
    #[cfg(feature = "otel-grpc")]
    #[test]
    fn grpc_endpoint_may_lack_a_scheme() {
        const INSECURE: &str = "OTEL_EXPORTER_OTLP_INSECURE";
        const TRACES_INSECURE: &str = "OTEL_EXPORTER_OTLP_TRACES_INSECURE";
        let endpoint = |url: &str, variables: &[(&str, &str)]| {
            let mut pairs = vec![("OTEL_EXPORTER_OTLP_PROTOCOL", "gRPC"), (BASE, url)];
            pairs.extend(variables);
            target(Signal::Traces, &pairs).map(|target| target.endpoint.to_string())
        };
        let bare = "127.0.0.1:4317";
        assert_eq!(endpoint(bare, &[(INSECURE, "TRUE")]).unwrap(), "http://127.0.0.1:4317/");
        let own = [(INSECURE, "false"), (TRACES_INSECURE, "true")];
        assert_eq!(endpoint(bare, &own).unwrap(), "http://127.0.0.1:4317/");
        let kept = endpoint("http://localhost:4317", &[(INSECURE, "false")]);
        assert_eq!(kept.unwrap(), "http://localhost:4317/", "the scheme takes precedence");
        if cfg!(feature = "_tls") {
            assert_eq!(endpoint("localhost:4317", &[]).unwrap(), "https://localhost:4317/");
        }
        assert!(endpoint("grpc://localhost:4317", &[]).is_err());
    }

    #[test]
    fn variables_of_the_signal_override_the_general_ones() {
        let target = target(
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
        let target = target.unwrap();
        assert_eq!(target.timeout, Duration::from_millis(250));
        assert_eq!(target.protocol, Protocol::HttpProtobuf);
        assert!(!target.gzip);
        assert!(!target.headers.contains_key("x-a"));
        assert_eq!(target.headers["x-b"], "Bearer own");
        assert!(!format!("{:?}", target.headers).contains("own"), "values are hidden");
        assert_eq!(target.temporality, Temporality::Delta);
    }

    #[test]
    fn zero_timeout_means_no_limit() {
        let target = target(Signal::Traces, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]);
        assert_eq!(target.unwrap().timeout, NO_LIMIT);
    }

    #[test]
    fn invalid_values_are_errors_without_secrets() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0Ax: y"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"),
        ] {
            let error = error(&[(name, value)]);
            assert!(error.contains(name) && !error.contains("secret"), "{error}");
        }
    }
}
