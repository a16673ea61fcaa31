//! The backends of `docs/backends.md`: the variables on the page, and the same settings in code, send
//! to the path and with the headers that the vendor documents.

use crate::support::otlp::{Payload, Received, Receiver, attribute};
use crate::support::programs::{example, run};

/// Returns the variables in the shell blocks of a section, one list for each block.
fn variables(section: &str) -> Vec<Vec<(String, String)>> {
    let page = std::fs::read_to_string("docs/backends.md").unwrap();
    let heading = format!("\n## {section}\n");
    let text = page.split_once(&heading).unwrap_or_else(|| panic!("no section {section}")).1;
    let text = text.split("\n## ").next().unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks
        .map(|block| {
            let lines = block.lines().map(|line| line.strip_prefix("export ").expect(line));
            lines
                .map(|line| {
                    let (name, value) = line.split_once('=').expect(line);
                    (name.to_owned(), value.trim_matches('"').to_owned())
                })
                .collect()
        })
        .collect()
}

/// Returns the value for a server on loopback: with its host instead of the vendor's, and test keys.
fn local(value: &str, receiver: &Receiver) -> String {
    let mut value = value.to_owned();
    for scheme in ["https://", "http://"] {
        if let Some(rest) = value.strip_prefix(scheme) {
            let path = rest.find('/').map_or("", |at| &rest[at..]);
            value = format!("{}{path}", receiver.url());
        }
    }
    for (placeholder, secret) in [
        ("<token>", "abc"),
        ("<write-token>", "wt-1"),
        ("<api-key>", "key-1"),
        ("<space>", "me"),
        ("<id>", "7"),
        ("<base64>", "cGs6c2s="),
    ] {
        value = value.replace(placeholder, secret);
    }
    assert!(!value.contains('<'), "{value}");
    value
}

/// Runs the travel assistant with a block of variables. Returns the received requests and stdout.
fn sent(section: &str, block: usize) -> (Vec<Received>, String) {
    let receiver = Receiver::start();
    let mut command = example("travel_assistant");
    for (name, value) in &variables(section)[block] {
        command.env(name, local(value, &receiver));
    }
    if section == "Logfire" {
        command.env("LOGFIRE_BASE_URL", receiver.url());
    }
    let (output, out, err) = run(&mut command);
    assert!(output.status.success(), "{section}: {err}");
    assert_eq!(err, "", "{section}");
    (receiver.received(), out)
}

/// A vendor's documentation: the path and the headers of traces, and the supported signals.
struct Documented {
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    signals: &'static [&'static str],
}

const ALL: &[&str] = &["traces", "metrics", "logs"];
const TRACES: &[&str] = &["traces"];

fn assert_sent(received: &[Received], documented: &Documented) {
    let traces: Vec<_> =
        received.iter().filter(|one| matches!(one.payload, Payload::Traces(_))).collect();
    let spans: Vec<_> = traces.iter().flat_map(|one| one.spans()).collect();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    assert_eq!(named("invoke_agent").len(), 1);
    assert_eq!(named("chat gpt-4o").len(), 2);
    assert_eq!(named("execute_tool get_weather").len(), 1);
    let call = named("chat gpt-4o")[0];
    assert_eq!(attribute(&call.attributes, "gen_ai.usage.input_tokens").unwrap(), "76");
    assert_eq!(attribute(&call.attributes, "gen_ai.input.messages"), None, "capture is off");
    for request in &traces {
        assert_eq!(request.path, documented.path);
        for (name, value) in documented.headers {
            assert_eq!(request.header(name), Some(*value), "{}", request.path);
        }
    }
    for signal in ALL {
        let came = received.iter().any(|one| one.path.ends_with(&format!("/v1/{signal}")));
        assert_eq!(came, documented.signals.contains(signal), "{signal}");
    }
    let is_otlp = |one: &&Received| !matches!(one.payload, Payload::Unknown);
    assert_eq!(received.iter().filter(is_otlp).count(), received.len(), "all of it is OTLP");
}

type Headers = &'static [(&'static str, &'static str)];

/// Each block of the page: its section, its index in it, and the vendor's documentation.
const BLOCKS: &[(&str, usize, &str, Headers, &[&str])] = &[
    ("OpenTelemetry Collector", 0, "/v1/traces", &[], ALL),
    ("Jaeger", 0, "/v1/traces", &[], TRACES),
    ("Logfire", 0, "/v1/traces", &[("authorization", "pylf_v1_eu_abc")], ALL),
    ("Logfire", 1, "/v1/traces", &[("authorization", "wt-1")], ALL),
    (
        "Datadog",
        0,
        "/v1/traces",
        &[
            ("dd-api-key", "key-1"),
            ("dd-otlp-source", "llmobs"),
            ("content-type", "application/x-protobuf"),
        ],
        TRACES,
    ),
    ("Datadog", 1, "/v1/traces", &[], ALL),
    ("Honeycomb", 0, "/v1/traces", &[("x-honeycomb-team", "key-1")], ALL),
    ("Traceloop", 0, "/v1/traces", &[("authorization", "Bearer key-1")], &["traces", "metrics"]),
    ("Phoenix", 0, "/v1/traces", &[], TRACES),
    ("Phoenix", 1, "/s/me/v1/traces", &[("authorization", "Bearer key-1")], TRACES),
    ("MLflow", 0, "/v1/traces", &[("x-mlflow-experiment-id", "7")], TRACES),
    (
        "Langfuse",
        0,
        "/api/public/otel/v1/traces",
        &[("authorization", "Basic cGs6c2s="), ("x-langfuse-ingestion-version", "4")],
        TRACES,
    ),
    ("Posit Connect", 0, "/v1/traces", &[("authorization", "wt-1")], ALL),
];

#[test]
fn variables_of_each_backend_send_as_it_documents() {
    for &(section, block, path, headers, signals) in BLOCKS {
        println!("{section}, block {block}");
        let (all, _) = sent(section, block);
        assert_sent(&all, &Documented { path, headers, signals });
        if section == "Honeycomb" {
            let metrics = all.iter().find(|one| one.path == "/v1/metrics").unwrap();
            assert_eq!(metrics.header("x-honeycomb-dataset"), Some("metrics"));
        }
        if section == "Posit Connect" {
            assert_eq!(all[0].resource("service.name").as_deref(), Some("my-chatlas-app"));
        }
    }
}

#[test]
fn console_needs_one_variable() {
    let (all, out) = sent("Console", 0);
    assert!(all.is_empty());
    assert!(out.contains("└── chat gpt-4o"), "{out}");
}

#[test]
fn settings_in_code_send_the_same_headers() {
    for (name, keys, path, headers, signals) in [
        ("collector", &[][..], "/v1/traces", &[("content-encoding", "gzip")][..], ALL),
        ("jaeger", &[], "/v1/traces", &[], TRACES),
        ("logfire", &["LOGFIRE_TOKEN"], "/v1/traces", &[("authorization", "key-1")], ALL),
        (
            "datadog",
            &["DD_API_KEY"],
            "/v1/traces",
            &[("dd-api-key", "key-1"), ("dd-otlp-source", "llmobs")],
            TRACES,
        ),
        ("honeycomb", &["HONEYCOMB_API_KEY"], "/v1/traces", &[("x-honeycomb-team", "key-1")], ALL),
        (
            "traceloop",
            &["TRACELOOP_API_KEY"],
            "/v1/traces",
            &[("authorization", "Bearer key-1")],
            &["traces", "metrics"],
        ),
        (
            "phoenix",
            &["PHOENIX_API_KEY"],
            "/v1/traces",
            &[("authorization", "Bearer key-1")],
            TRACES,
        ),
        (
            "mlflow",
            &["MLFLOW_EXPERIMENT_ID"],
            "/v1/traces",
            &[("x-mlflow-experiment-id", "key-1")],
            TRACES,
        ),
        (
            "langfuse",
            &["LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"],
            "/api/public/otel/v1/traces",
            &[("authorization", "Basic a2V5LTE6a2V5LTE=")],
            TRACES,
        ),
    ] {
        let receiver = Receiver::start();
        let base = path.strip_suffix("/v1/traces").unwrap();
        let mut command = example("backends");
        command.args([name, &format!("{}{base}", receiver.url())]);
        // Settings in code override the variables of another receiver.
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=other,x-other=1");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        command.envs(keys.iter().map(|key| (key, "key-1")));
        let (output, _, err) = run(&mut command);
        assert!(output.status.success(), "{name}: {err}");
        let all = receiver.received();
        assert_sent(&all, &Documented { path, headers, signals });
        assert!(all.iter().all(|one| one.header("x-other").is_none()), "{name}");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            assert!(all.iter().all(|one| one.header("authorization").is_none()), "{name}");
        }
        assert_eq!(all[0].resource("service.name").as_deref(), Some("travel"));
    }
    let (output, _, err) = run(example("backends").arg("honeycomb"));
    assert!(!output.status.success());
    assert_eq!(err, "error: HONEYCOMB_API_KEY is not set\n");
}

#[test]
fn other_variables_are_honoured() {
    let assistant = |variables: &[(&str, &str)]| {
        let receiver = Receiver::start();
        let mut command = example("travel_assistant");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
        command.envs(variables.iter().copied());
        let (output, _, err) = run(&mut command);
        (output.status.success(), err, receiver.received())
    };
    let (_, err, all) = assistant(&[
        ("OTEL_SERVICE_NAME", "named"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=a%20b"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ]);
    assert_eq!(err, "");
    let traces = all.iter().find(|one| one.path == "/v1/traces").unwrap();
    assert_eq!(traces.resource("service.name").as_deref(), Some("named"));
    assert_eq!(traces.resource("team").as_deref(), Some("a b"));
    assert_eq!(traces.header("content-type"), Some("application/json"));
    assert_eq!(traces.header("content-encoding"), Some("gzip"));
    let spans = traces.spans();
    let call = spans.iter().find(|span| span.name == "chat gpt-4o").unwrap();
    assert_eq!(attribute(&call.attributes, "gen_ai.response.model").as_deref(), Some("gpt-4"));
    let logs = all.iter().find(|one| one.path == "/v1/logs").unwrap();
    assert_eq!(logs.header("content-type"), Some("application/x-protobuf"));

    let (_, _, all) = assistant(&[("OTEL_TRACES_SAMPLER", "always_off")]);
    assert!(all.iter().all(|one| one.spans().is_empty()));
    let (_, _, all) = assistant(&[("OTEL_SDK_DISABLED", "true")]);
    assert!(all.is_empty());
    for (name, value) in [
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/secret"),
    ] {
        let (success, err, all) = assistant(&[(name, value)]);
        assert!(!success && all.is_empty(), "{name}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.starts_with(&format!("error: {name}")), "{err}");
    }
}
