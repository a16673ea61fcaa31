//! Every variable of the
//! [specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
//! and of [its OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/) is
//! honoured, refused, or documented as unsupported in `docs/environment.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use opentelemetry::propagation::TextMapPropagator as _;

use crate::batching::Batching;
use crate::env::Env;
use crate::env::tests::lookup;
use crate::error::SetupError;
use crate::limits::Limits;
use crate::otlp::{Signal, exporters_from_env, histograms_from_env, target_from_env};
use crate::{Telemetry, propagation, resource, sampling};

/// What happens to a variable.
enum Row {
    /// The first value has an effect. The second one, if any, is an error that names the variable.
    Honoured(&'static str, Option<&'static str>),
    /// Any value is an error that names the variable.
    Refused(&'static str),
    /// No value has an effect, as documented.
    Unsupported(&'static str),
}
use Row::{Honoured, Refused, Unsupported};

const ROWS: &[(&str, Row)] = &[
    // General.
    ("OTEL_SDK_DISABLED", Honoured("TRUE", None)),
    ("OTEL_ENTITIES", Unsupported("service{service.name=a}")),
    ("OTEL_RESOURCE_ATTRIBUTES", Honoured("team=a%20b", Some("d=%zz"))),
    ("OTEL_SERVICE_NAME", Honoured("travel", None)),
    ("OTEL_LOG_LEVEL", Unsupported("debug")),
    ("OTEL_PROPAGATORS", Honoured("TraceContext", Some("b3"))),
    ("OTEL_TRACES_SAMPLER", Honoured("Always_Off", Some("jaeger_remote"))),
    ("OTEL_TRACES_SAMPLER_ARG", Honoured("0.25", Some("2"))),
    ("OTEL_CONFIG_FILE", Refused("/etc/otel.yaml")),
    // Batches.
    ("OTEL_BSP_SCHEDULE_DELAY", Honoured("100", Some("0"))),
    ("OTEL_BSP_EXPORT_TIMEOUT", Honoured("300", Some("abc"))),
    ("OTEL_BSP_MAX_QUEUE_SIZE", Honoured("100", Some("0"))),
    ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Honoured("100", Some("99999999999999999999"))),
    ("OTEL_BLRP_SCHEDULE_DELAY", Honoured("100", Some("-1"))),
    ("OTEL_BLRP_EXPORT_TIMEOUT", Honoured("300", Some("1.5"))),
    ("OTEL_BLRP_MAX_QUEUE_SIZE", Honoured("100", Some("many"))),
    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", Honoured("100", Some("0"))),
    // Limits.
    ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", Honoured("100", Some("-1"))),
    ("OTEL_ATTRIBUTE_COUNT_LIMIT", Honoured("10", Some("few"))),
    ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", Honoured("100", Some("long"))),
    ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", Honoured("10", Some("few"))),
    ("OTEL_SPAN_EVENT_COUNT_LIMIT", Honoured("10", Some("few"))),
    ("OTEL_SPAN_LINK_COUNT_LIMIT", Honoured("10", Some("few"))),
    ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", Honoured("10", Some("few"))),
    ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", Honoured("10", Some("few"))),
    ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", Honoured("100", Some("long"))),
    ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", Honoured("10", Some("few"))),
    // Exporters.
    ("OTEL_TRACES_EXPORTER", Honoured("OTLP", Some("zipkin"))),
    ("OTEL_METRICS_EXPORTER", Honoured("Console", Some("prometheus"))),
    ("OTEL_LOGS_EXPORTER", Honoured("otlp,console", Some("file"))),
    ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", Unsupported("http://localhost:9411")),
    ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", Unsupported("1")),
    ("OTEL_EXPORTER_PROMETHEUS_HOST", Unsupported("localhost")),
    ("OTEL_EXPORTER_PROMETHEUS_PORT", Unsupported("9464")),
    // Metrics.
    ("OTEL_METRICS_EXEMPLAR_FILTER", Unsupported("always_on")),
    ("OTEL_METRIC_EXPORT_INTERVAL", Honoured("2000", Some("0"))),
    ("OTEL_METRIC_EXPORT_TIMEOUT", Honoured("300", Some("abc"))),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", Honoured("LowMemory", Some("sometimes"))),
    (
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        Honoured("BASE2_exponential_bucket_histogram", Some("linear")),
    ),
    // Obsolete names of `…_TRACES_INSECURE` and `…_METRICS_INSECURE`.
    ("OTEL_EXPORTER_OTLP_SPAN_INSECURE", Unsupported("true")),
    ("OTEL_EXPORTER_OTLP_METRIC_INSECURE", Unsupported("true")),
];

/// The variables of the OTLP exporter, which exist for each signal, too.
fn otlp_rows() -> Vec<(String, Row)> {
    let signals = ["", "TRACES_", "METRICS_", "LOGS_"];
    let rows = |signal: &'static str| {
        let mut rows = vec![
            ("ENDPOINT", Honoured("http://a:1", Some("a b"))),
            ("HEADERS", Honoured("x-key=a", Some("secret"))),
            ("TIMEOUT", Honoured("100", Some("soon"))),
        ];
        if cfg!(feature = "otel-grpc") {
            rows.push(("INSECURE", Honoured("TRUE", None)));
            rows.push(("PROTOCOL", Honoured("http/JSON", Some("http/xml"))));
        }
        rows.push(("COMPRESSION", Honoured("GZIP", Some("zip"))));
        if cfg!(feature = "_tls") {
            rows.extend([
                ("CERTIFICATE", Honoured("/ca.pem", None)),
                ("CLIENT_CERTIFICATE", Honoured("/client.pem", None)),
                ("CLIENT_KEY", Honoured("/client.key", None)),
            ]);
        }
        rows.into_iter().map(move |(name, row)| (format!("OTEL_EXPORTER_OTLP_{signal}{name}"), row))
    };
    signals.into_iter().flat_map(rows).collect()
}

fn all_rows() -> Vec<(String, Row)> {
    let others = ROWS.iter().map(|(name, row)| {
        let row = match row {
            Honoured(value, invalid) => Honoured(value, *invalid),
            Refused(value) => Refused(value),
            Unsupported(value) => Unsupported(value),
        };
        ((*name).to_owned(), row)
    });
    others.chain(otlp_rows()).collect()
}

/// The variables without which another one has no effect.
fn context(name: &str) -> Vec<(&'static str, &'static str)> {
    let mut pairs = vec![("OTEL_TRACES_SAMPLER", "traceidratio")];
    if name.ends_with("_INSECURE") {
        pairs.push(("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"));
        pairs.push(("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317"));
    }
    if name.ends_with("CLIENT_KEY") {
        pairs.push(("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/other.pem"));
        pairs.push(("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/other.key"));
    }
    if name.ends_with("CLIENT_CERTIFICATE") {
        pairs.push(("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/other.key"));
        pairs.push(("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/other.pem"));
    }
    pairs
}

/// Returns everything that the environment configures, as text.
fn describe(pairs: &[(&str, &str)]) -> Result<String, SetupError> {
    let lookup = lookup(pairs);
    let env = Env::new(&lookup);
    let mut text = format!(
        "{} {:?} {:?} {:?} {:?} {:?}",
        env.is_true("OTEL_SDK_DISABLED"),
        Batching::from_env(env, false)?,
        Limits::from_env(env)?,
        sampling::sampler(env)?,
        propagation::propagator(env)?.fields().collect::<BTreeSet<_>>(),
        histograms_from_env(env)?,
    );
    let resource: BTreeMap<_, _> = resource::resource(None, &[], env)?
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    let _ = write!(text, " {resource:?}");
    for signal in Signal::ALL {
        let target = target_from_env(signal, env)?;
        let exporters = exporters_from_env(signal, env)?;
        let _ = write!(text, " {exporters:?} {}", target.describe());
    }
    // Refuses what only the complete setup reads.
    if env.text("OTEL_CONFIG_FILE").is_some() {
        drop(Telemetry::new().with_env().build(env)?);
    }
    Ok(text)
}

#[test]
fn every_variable_is_honoured_refused_or_has_no_effect_as_documented() {
    for (name, row) in all_rows() {
        let with = |value: &'static str| {
            let mut pairs: Vec<(&str, &str)> = context(&name);
            pairs.retain(|(other, _)| *other != name);
            let own = (name.as_str(), value);
            describe(&pairs.into_iter().chain([own]).collect::<Vec<_>>())
        };
        let without = describe(&context(&name)).unwrap();
        let refuses = |value| {
            let error = with(value).expect_err(&name).to_string();
            assert!(error.contains(&name) && !error.contains("secret"), "{name}: {error}");
        };
        match row {
            Honoured(value, invalid) => {
                assert_ne!(with(value).unwrap(), without, "{name} has an effect");
                if let Some(invalid) = invalid {
                    refuses(invalid);
                }
            }
            Refused(value) => refuses(value),
            Unsupported(value) => assert_eq!(with(value).unwrap(), without, "{name}"),
        }
    }
}

#[test]
fn documentation_lists_every_variable_with_its_support() {
    if !cfg!(all(feature = "otel-grpc", feature = "_tls")) {
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/environment.md");
    let Ok(text) = std::fs::read_to_string(path) else { return }; // a packaged crate
    let mut documented = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `OTEL_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let support = cells[2];
        for name in cells[1].split(", ").map(|name| name.trim_matches('`')) {
            let signals = if name.contains("_<SIGNAL>") {
                vec!["", "_TRACES", "_METRICS", "_LOGS"]
            } else {
                vec![""]
            };
            for signal in signals {
                documented.insert(name.replace("_<SIGNAL>", signal), support.to_owned());
            }
        }
    }
    let tested: BTreeMap<String, String> = all_rows()
        .into_iter()
        .map(|(name, row)| {
            let support = match row {
                Honoured(..) => "honoured",
                Refused(_) => "refused",
                Unsupported(_) => "unsupported",
            };
            (name, support.to_owned())
        })
        .collect();
    assert_eq!(documented, tested);
}
