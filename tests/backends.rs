//! Every backend of `docs/backends.md`: its variables, taken from the page as they stand there,
//! send to the path and with the headers that the vendor documents; and so does the same in code.

#[path = "support/otlp.rs"]
mod otlp;
#[path = "support/programs.rs"]
mod programs;

use otlp::{Payload, Received, Receiver, attribute};
use programs::{example, run};

/// The variables in the blocks of a section that are for a shell, one list for each block.
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

/// The value for a server on loopback: its host instead of the vendor's, and keys.
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

/// Runs the travel assistant with a block of variables, and tells what a server received.
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

/// What a vendor documents: path and headers of traces, and which signals it takes.
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
    let known = |one: &&Received| !matches!(one.payload, Payload::Unknown);
    assert_eq!(received.iter().filter(known).count(), received.len(), "all of it is OTLP");
}

#[test]
fn the_variables_of_each_backend_send_where_and_how_it_documents() {
    for (section, block, documented) in [
        (
            "OpenTelemetry Collector",
            0,
            Documented { path: "/v1/traces", headers: &[], signals: ALL },
        ),
        ("Jaeger", 0, Documented { path: "/v1/traces", headers: &[], signals: TRACES }),
        (
            "Logfire",
            0,
            Documented {
                path: "/v1/traces",
                headers: &[("authorization", "pylf_v1_eu_abc")],
                signals: ALL,
            },
        ),
        (
            "Logfire",
            1,
            Documented { path: "/v1/traces", headers: &[("authorization", "wt-1")], signals: ALL },
        ),
        (
            "Datadog",
            0,
            Documented {
                path: "/v1/traces",
                headers: &[
                    ("dd-api-key", "key-1"),
                    ("dd-otlp-source", "llmobs"),
                    ("content-type", "application/x-protobuf"),
                ],
                signals: TRACES,
            },
        ),
        ("Datadog", 1, Documented { path: "/v1/traces", headers: &[], signals: ALL }),
        (
            "Honeycomb",
            0,
            Documented {
                path: "/v1/traces",
                headers: &[("x-honeycomb-team", "key-1")],
                signals: ALL,
            },
        ),
        (
            "Traceloop",
            0,
            Documented {
                path: "/v1/traces",
                headers: &[("authorization", "Bearer key-1")],
                signals: &["traces", "metrics"],
            },
        ),
        ("Phoenix", 0, Documented { path: "/v1/traces", headers: &[], signals: TRACES }),
        (
            "Phoenix",
            1,
            Documented {
                path: "/s/me/v1/traces",
                headers: &[("authorization", "Bearer key-1")],
                signals: TRACES,
            },
        ),
        (
            "MLflow",
            0,
            Documented {
                path: "/v1/traces",
                headers: &[("x-mlflow-experiment-id", "7")],
                signals: TRACES,
            },
        ),
        (
            "Langfuse",
            0,
            Documented {
                path: "/api/public/otel/v1/traces",
                headers: &[
                    ("authorization", "Basic cGs6c2s="),
                    ("x-langfuse-ingestion-version", "4"),
                ],
                signals: TRACES,
            },
        ),
        (
            "Posit Connect",
            0,
            Documented { path: "/v1/traces", headers: &[("authorization", "wt-1")], signals: ALL },
        ),
    ] {
        println!("{section}, block {block}");
        let (received, _) = sent(section, block);
        assert_sent(&received, &documented);
        if section == "Honeycomb" {
            let metrics = received.iter().find(|one| one.path == "/v1/metrics").unwrap();
            assert_eq!(metrics.header("x-honeycomb-dataset"), Some("metrics"));
        }
        if section == "Posit Connect" {
            assert_eq!(received[0].resource("service.name").as_deref(), Some("my-chatlas-app"));
        }
    }
}

#[test]
fn the_console_needs_one_variable() {
    let (received, out) = sent("Console", 0);
    assert!(received.is_empty());
    assert!(out.contains("└── chat gpt-4o"), "{out}");
}

#[test]
fn the_same_in_code_has_the_same_headers() {
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
        // What the environment says of another receiver is not for this one.
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=other,x-other=1");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        command.envs(keys.iter().map(|key| (key, "key-1")));
        let (output, _, err) = run(&mut command);
        assert!(output.status.success(), "{name}: {err}");
        let received = receiver.received();
        assert_sent(&received, &Documented { path, headers, signals });
        assert!(received.iter().all(|one| one.header("x-other").is_none()), "{name}");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            assert!(received.iter().all(|one| one.header("authorization").is_none()), "{name}");
        }
        assert_eq!(received[0].resource("service.name").as_deref(), Some("travel"));
    }
    let (output, _, err) = run(example("backends").arg("honeycomb"));
    assert!(!output.status.success());
    assert_eq!(err, "error: HONEYCOMB_API_KEY is not set\n");
}
