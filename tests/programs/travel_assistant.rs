//! The worked example as a person runs it: its output, its exit code, its export.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const TREE: [&str; 7] = [
    "invoke_agent ",
    "├── chat gpt-4o ",
    "│   └── POST ",
    "├── execute_tool get_weather ",
    "│   └── fetch_forecast ",
    "└── chat gpt-4o ",
    "    └── POST ",
];

/// Runs the example with a separate environment. Cargo builds examples beside the tests.
fn example() -> Command {
    let test = std::env::current_exe().unwrap();
    let built: PathBuf = test.parent().unwrap().with_file_name("examples").join("travel_assistant");
    let mut command = Command::new(built);
    for (name, _) in std::env::vars() {
        if name.starts_with("OTEL_") || name.starts_with("OPENAI_") || name == "COLUMNS" {
            command.env_remove(name);
        }
    }
    command
}

fn run(command: &mut Command) -> (Output, String, String) {
    let output = command.output().expect("the example is built");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// A server that sends the same response to every request and records the requests.
fn server(status: &'static str, body: &'static str) -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = BufReader::new(connection.unwrap());
            let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
            while connection.read_line(&mut line).unwrap_or(0) > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
                line.clear();
            }
            let mut sent = vec![0; length];
            connection.read_exact(&mut sent).unwrap();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = connection.get_mut().write_all(answer.as_bytes());
            let _ = sender.send((head, sent));
        }
    });
    (url, receiver)
}

fn assert_one_clear_error(output: &Output, err: &str) {
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.starts_with("error: "), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn it_answers_and_draws_the_trace() {
    let (output, out, err) = run(&mut example());
    assert!(output.status.success(), "{err}");
    assert_eq!(err, "");
    assert!(out.contains("Pack a light rain jacket"), "{out}");
    let drawn: Vec<&str> =
        out.lines().skip_while(|line| !line.starts_with("invoke_agent")).collect();
    for (line, name) in drawn.iter().zip(TREE) {
        assert!(line.starts_with(name), "`{line}` is not `{name}`\n{out}");
    }
    assert_eq!(drawn.len(), TREE.len());
    assert!(!out.contains('\u{1b}'), "no colour without a terminal");
    assert!(drawn[1].ends_with("76 in → 15 out") && drawn[5].ends_with("116 in → 24 out"), "{out}");
    assert!(!drawn[0].contains("out"), "tokens stand at model calls alone: {out}");
    assert!(out.contains(" · 7 spans · 192 in → 39 out · ◆ first chunk\n"), "{out}");
}

#[test]
fn a_wrong_key_is_one_clear_message_without_the_key() {
    let (url, _requests) = server(
        "401 Unauthorized",
        r#"{"error": {"message": "Incorrect API key provided: sk-canary-1.", "type": "x", "code": "invalid_api_key"}}"#,
    );
    let (output, out, err) =
        run(example().env("OPENAI_BASE_URL", url).env("OPENAI_API_KEY", "sk-canary-1"));
    assert_one_clear_error(&output, &err);
    assert!(err.contains("Incorrect API key provided"), "{err}");
    assert!(!format!("{out}{err}").contains("canary"), "{out}{err}");
    assert!(out.contains("✗ invalid_api_key"), "the trace is drawn all the same: {out}");
}

#[test]
fn an_unknown_model_is_one_clear_message() {
    let (url, _requests) = server(
        "404 Not Found",
        r#"{"error": {"message": "The model `gpt-4o` does not exist", "code": "model_not_found"}}"#,
    );
    let (output, _, err) = run(example().env("OPENAI_BASE_URL", url));
    assert_one_clear_error(&output, &err);
    assert!(err.contains("does not exist") && err.contains("model_not_found"), "{err}");
}

#[test]
fn an_unreachable_host_is_one_clear_message() {
    let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let (output, _, err) = run(example().env("OPENAI_BASE_URL", format!("http://{closed}/v1")));
    assert_one_clear_error(&output, &err);
    assert!(err.contains("cannot reach 127.0.0.1"), "{err}");
}

#[test]
fn a_missing_key_for_openai_itself_names_the_variable() {
    let (output, _, err) = run(example().env("OPENAI_BASE_URL", "https://api.openai.com/v1"));
    assert_one_clear_error(&output, &err);
    assert!(err.contains("OPENAI_API_KEY"), "{err}");
}

#[test]
fn with_an_endpoint_all_signals_are_exported_too() {
    let (url, requests) = server("200 OK", "");
    let (output, out, err) = run(example()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
        .env("OTEL_SERVICE_NAME", "travel-service"));
    assert!(output.status.success(), "{err}");
    assert!(out.contains("invoke_agent"));
    let mut expected = HashMap::from([
        ("/v1/traces", ["invoke_agent", "execute_tool get_weather", "fetch_forecast"]),
        ("/v1/metrics", ["gen_ai.client.inference.duration", "gpt-4o", "gen_ai.token.modality"]),
        ("/v1/logs", ["gen_ai.client.inference.operation.details", "gpt-4o", "chat"]),
    ]);
    while !expected.is_empty() {
        let (head, body) = requests.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(head.contains("authorization: Bearer abc"), "{head}");
        let contains = |text: &str| body.windows(text.len()).any(|at| at == text.as_bytes());
        let path = head.split(' ').nth(1).unwrap();
        for text in expected.remove(path).into_iter().flatten() {
            assert!(contains(text), "{path}: {text}");
        }
        assert!(contains("travel-service"), "{path}");
        assert!(!contains("packing") && !contains("umbrella"), "capture is off");
    }
}

#[test]
fn an_endpoint_that_cannot_work_is_one_clear_message() {
    let (output, _, err) = run(example().env("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"));
    assert_one_clear_error(&output, &err);
    assert!(err.contains("OTEL_EXPORTER_OTLP_ENDPOINT must start with"), "{err}");
}

#[test]
fn spans_that_a_collector_does_not_take_are_told() {
    let (url, _requests) = server("401 Unauthorized", "");
    let (output, out, err) = run(example().env("OTEL_EXPORTER_OTLP_ENDPOINT", url));
    assert_one_clear_error(&output, &err);
    assert!(err.contains("7 spans, ") && err.contains(" could not be sent to 127.0.0.1:"), "{err}");
    assert!(out.contains("Pack a light rain jacket") && out.contains("invoke_agent"), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child =
        example().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is built");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    assert_one_clear_error(&output, &err);
}
