//! What the standard environment variables say, as far as the SDK does not read them itself.

use super::SetupError;

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
                return Err(SetupError::new(format!(
                    "OTEL_TRACES_EXPORTER names `{other}`; there are `otlp`, `console` and `none`"
                )));
            }
        }
    }
    Ok(exporters)
}

fn endpoint(lookup: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
        .into_iter()
        .find_map(|name| Some((name, set(&lookup, name)?)))
}

/// Whether an OTLP exporter can be made of the environment. What the SDK would pass over in
/// silence, and then lose every span, is an error here.
pub(super) fn check_otlp(lookup: impl Fn(&str) -> Option<String>) -> Result<(), SetupError> {
    if let Some((name, url)) = endpoint(&lookup) {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(SetupError::new(format!("{name} must begin with `http://` or `https://`")));
        }
        if url.starts_with("https://") && !cfg!(feature = "rustls-ring") {
            return Err(SetupError::new(format!(
                "{name} needs TLS, which this build is without: turn on the feature `rustls-ring`"
            )));
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        match set(&lookup, name).as_deref() {
            None => {}
            Some("http/protobuf") => break,
            Some(other) => {
                return Err(SetupError::new(format!(
                    "{name} is `{other}`; this build exports by `http/protobuf`"
                )));
            }
        }
    }
    Ok(())
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
        assert!(error.to_string().contains("`zipkin`"), "{error}");
    }

    #[test]
    fn an_endpoint_that_cannot_work_is_refused() {
        let error =
            check_otlp(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")])).unwrap_err();
        assert!(error.to_string().contains("must begin with `http://`"), "{error}");
        let error = check_otlp(of(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")])).unwrap_err();
        assert!(error.to_string().contains("`grpc`"), "{error}");
        assert_eq!(check_otlp(of(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")])), Ok(()));
    }

    #[test]
    fn the_sdk_is_disabled_by_the_word_true_alone() {
        assert!(is_disabled(of(&[("OTEL_SDK_DISABLED", "TRUE")])));
        assert!(!is_disabled(of(&[("OTEL_SDK_DISABLED", "1")])));
        assert!(!is_disabled(of(&[])));
    }
}
