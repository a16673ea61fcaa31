//! A real OTLP collector, over HTTP and gRPC, and a real backend that stores traces. `.ci/live` sets
//! the variables with their addresses; without these the tests are skipped.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::programs::{example, run};
use serde_json::Value;

fn named(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    if value.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    value
}

/// Returns a service name that is unique for each run.
fn service(name: &str) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    format!("chatlas-{name}-{}-{now}", std::process::id())
}

fn sent(command: &mut Command) {
    let (output, _, err) = run(command);
    assert!(output.status.success(), "{err}");
}

/// Calls `poll` until it returns a value.
fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = poll() {
            return answer;
        }
        assert!(Instant::now() < end, "no {what} within 30 seconds");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Returns the collector's log of a service.
fn printed(log: &str, service: &str) -> String {
    let of_service = format!("service.name: Str({service})");
    until(service, || {
        let text = std::fs::read_to_string(log).ok()?;
        let mut parts: Vec<&str> = text.split("ResourceSpans #0").collect();
        parts.retain(|part| part.contains(&of_service));
        let text = parts.concat();
        text.contains("invoke_agent").then_some(text)
    })
}

fn assert_the_trace_of_the_guide(text: &str) {
    for (name, count) in [
        ("Name           : invoke_agent\n", 1),
        ("Name           : chat gpt-4o\n", 2),
        ("Name           : execute_tool get_weather\n", 1),
        ("Name           : fetch_forecast\n", 1),
        ("Name           : POST\n", 2),
        ("gen_ai.usage.input_tokens: Int(76)", 1),
        ("gen_ai.usage.output_tokens: Int(24)", 1),
        ("gen_ai.input.messages", 0),
    ] {
        assert_eq!(text.matches(name).count(), count, "{name}\n{text}");
    }
    let ids: std::collections::HashSet<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("Trace ID       : ")).collect();
    assert_eq!(ids.len(), 1, "one trace: {ids:?}");
}

/// `CHATLAS_ROTEL_HTTP`, `CHATLAS_ROTEL_GRPC`: addresses; `CHATLAS_ROTEL_LOG`: the log file.
#[test]
fn collector_receives_the_complete_trace_over_http_and_grpc() {
    let Some(log) = named("CHATLAS_ROTEL_LOG") else { return };
    for (variable, protocol) in [
        ("CHATLAS_ROTEL_HTTP", "http/protobuf"),
        ("CHATLAS_ROTEL_HTTP", "http/json"),
        ("CHATLAS_ROTEL_GRPC", "grpc"),
    ] {
        let Some(address) = named(variable) else { continue };
        if protocol == "grpc" && !cfg!(feature = "otel-grpc") {
            continue;
        }
        let service = service("collector");
        let mut command = example("travel_assistant");
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", address)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .env("OTEL_SERVICE_NAME", &service);
        sent(&mut command);
        assert_the_trace_of_the_guide(&printed(&log, &service));
    }
}

fn get(url: &str) -> Option<Value> {
    // The client needs a provider even without TLS. Another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = reqwest::blocking::get(url).ok()?.text().ok()?;
    serde_json::from_str(&text).ok()
}

/// Returns the stored trace of a service once it has this number of spans.
fn stored(base: &str, service: &str, spans: usize) -> Value {
    until(service, || {
        let traces = get(&format!("{base}/api/traces"))?;
        let trace =
            traces.as_array()?.iter().find(|trace| trace["service_name"] == service)?.clone();
        let id = trace["trace_id"].as_str()?;
        let trace = get(&format!("{base}/api/traces/{id}"))?;
        (trace["spans"].as_array()?.len() == spans).then_some(trace)
    })
}

fn assistant(base: &str, service: &str) -> Command {
    let mut command = example("travel_assistant");
    command
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{base}/v1/traces"))
        .env("OTEL_SERVICE_NAME", service)
        .env("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true");
    command
}

/// `CHATLAS_AGENTMESH`: the address of the backend.
#[test]
fn backend_stores_tokens_tools_and_messages() {
    let Some(base) = named("CHATLAS_AGENTMESH") else { return };
    let service = service("backend");
    sent(&mut assistant(&base, &service));
    let trace = stored(&base, &service, 7);
    assert_eq!(trace["trace"]["total_tokens"], 192 + 39, "the agent's sums are not counted twice");
    assert_eq!(trace["trace"]["status"], "succeeded");
    let spans = trace["spans"].as_array().unwrap();
    let of =
        |kind: &str| spans.iter().filter(|span| span["event_type"] == kind).collect::<Vec<_>>();
    let agent = of("agent.invoke")[0];
    let prompt = "I'm headed to Tokyo this weekend: what should I pack?";
    assert_eq!(agent["input"][0]["parts"][0]["content"], prompt);
    let calls = of("model.chat");
    let tokens: Vec<_> =
        calls.iter().map(|call| (&call["prompt_tokens"], &call["completion_tokens"])).collect();
    assert_eq!(tokens, [(&76.into(), &15.into()), (&116.into(), &24.into())]);
    assert_eq!(calls[0]["model"], "gpt-4o-2024-08-06");
    assert_eq!(calls[0]["output"][0]["parts"][0]["name"], "get_weather");
    let answer = calls[1]["output"][0]["parts"][0]["content"].as_str().unwrap();
    assert!(answer.starts_with("Pack a light rain jacket"), "{answer}");
    let tool = of("tool.execute")[0];
    assert_eq!(tool["tool_name"], "get_weather");
    assert_eq!(tool["input"]["city"], "Tokyo");
    assert_eq!(tool["output"], "Tokyo: 14°C, light rain, breezy this weekend.");
    for span in calls.iter().chain([&tool]) {
        assert_eq!(span["parent_span_id"], agent["span_id"]);
    }
}

#[test]
fn backend_stores_errors() {
    let Some(base) = named("CHATLAS_AGENTMESH") else { return };
    let service = service("errors");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = assistant(&base, &service);
    let (output, ..) = run(command.env("OPENAI_BASE_URL", format!("http://{closed}/v1")));
    assert_eq!(output.status.code(), Some(1), "the model cannot be reached");
    let trace = until(&service, || {
        let traces = get(&format!("{base}/api/traces"))?;
        let trace =
            traces.as_array()?.iter().find(|trace| trace["service_name"] == *service)?.clone();
        get(&format!("{base}/api/traces/{}", trace["trace_id"].as_str()?))
    });
    assert_eq!(trace["trace"]["status"], "failed");
    let spans = trace["spans"].as_array().unwrap();
    let call = spans.iter().find(|span| span["event_type"] == "model.chat").unwrap();
    assert_eq!(call["status"], "failed");
    assert!(call["error_type"].as_str().is_some_and(|kind| !kind.is_empty()), "{call}");
}
