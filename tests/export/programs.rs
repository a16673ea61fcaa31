//! Programs in child processes: signals, standard error, machines without certificates, and
//! `tracing` without a filter. Each is this test binary, selected by a variable.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider as _;
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::otlp::Receiver;
#[cfg(feature = "otel-grpc")]
use super::otlp_grpc::GrpcReceiver;
use super::server::{Answer, Server};
use super::span_with_text;

const PROGRAM: &str = "CHATLAS_TEST_PROGRAM";

/// The programs.
#[test]
#[ignore = "the body of the child processes"]
fn program() {
    let Ok(name) = std::env::var(PROGRAM) else { return };
    match name.as_str() {
        "waits for a signal" => {
            let _telemetry = chatlas::otel::init().unwrap().shutdown_on_signal().unwrap();
            span_with_text(10);
            println!("ready");
            loop {
                std::thread::park();
            }
        }
        "finishes before it ends" => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let telemetry = chatlas::otel::init().unwrap();
                let stop = tokio::spawn(chatlas::otel::shutdown_signal());
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                println!("ready");
                stop.await.unwrap();
                span_with_text(10);
                telemetry.shutdown().unwrap();
            });
        }
        "continues after its telemetry" => {
            let telemetry = chatlas::otel::init().unwrap().shutdown_on_signal().unwrap();
            span_with_text(10);
            telemetry.shutdown().unwrap();
            println!("ready");
            loop {
                std::thread::park();
            }
        }
        "works all the time" => {
            let _telemetry = chatlas::otel::init().unwrap();
            loop {
                span_with_text(10);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        "asks a model" => {
            let telemetry = chatlas::otel::init().unwrap();
            let provider = chatlas::OpenAi::new("gpt-4o").with_api_key("k");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let asked = runtime.unwrap().block_on(async {
                chatlas::Chat::new(provider).chat("Hello").await.map(|reply| reply.to_string())
            });
            match asked {
                Ok(reply) => println!("reply: {reply}"),
                Err(error) => println!("error: {error}"),
            }
            telemetry.shutdown().unwrap();
        }
        "sets telemetry up" => match chatlas::otel::init() {
            Ok(_) => println!("set up"),
            Err(error) => println!("error: {error}"),
        },
        "has no receiver" => {
            let telemetry = chatlas::otel::init().unwrap();
            span_with_text(10);
            opentelemetry::global::meter("test").u64_counter("calls").build().add(1, &[]);
            drop(telemetry);
            std::thread::sleep(Duration::from_millis(500));
        }
        "traces everything" => {
            let telemetry = chatlas::otel::init().unwrap();
            let tracer = telemetry.tracer_provider().unwrap().tracer("tracing");
            let layer = tracing_opentelemetry::layer().with_tracer(tracer);
            tracing_subscriber::registry().with(layer).init();
            for _ in 0..10 {
                tracing::info_span!("work").in_scope(|| {});
                telemetry.flush().unwrap();
                std::thread::sleep(Duration::from_millis(100));
            }
            telemetry.shutdown().unwrap();
        }
        other => panic!("no program: {other}"),
    }
}

fn command(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (variable, _) in std::env::vars_os() {
        let variable = variable.to_string_lossy().into_owned();
        if variable.starts_with("OTEL_") || variable.starts_with("LOGFIRE_") {
            command.env_remove(variable);
        }
    }
    command.args(["--exact", "programs::program", "--ignored", "--nocapture"]);
    command.env(PROGRAM, name).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until the program has written `ready`.
fn wait_until_ready(child: &mut Child) {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    for line in lines {
        if line.unwrap().ends_with("ready") {
            return;
        }
    }
    panic!("the program has ended");
}

fn send_signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn wait(child: &mut Child) -> Option<i32> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("the program does not end");
}

#[test]
fn signals_flush_telemetry_and_end_the_program() {
    for (signal, status) in [("-TERM", 143), ("-INT", 130)] {
        let receiver = Receiver::start();
        let mut command = command("waits for a signal");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
        command.env("OTEL_BSP_SCHEDULE_DELAY", "60000"); // only the shutdown sends
        let mut child = command.spawn().unwrap();
        wait_until_ready(&mut child);
        assert!(receiver.spans().is_empty());
        send_signal(&child, signal);
        assert_eq!(wait(&mut child), Some(status));
        assert_eq!(receiver.spans().len(), 1, "{signal}");
    }
}

#[test]
fn server_finishes_its_work_when_it_receives_a_signal() {
    let receiver = Receiver::start();
    let mut command = command("finishes before it ends");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    let mut child = command.spawn().unwrap();
    wait_until_ready(&mut child);
    send_signal(&child, "-TERM");
    assert_eq!(wait(&mut child), Some(0));
    assert_eq!(receiver.spans().len(), 1);
}

#[test]
fn signals_end_a_program_whose_telemetry_is_shut_down() {
    let receiver = Receiver::start();
    let mut command = command("continues after its telemetry");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    let mut child = command.spawn().unwrap();
    wait_until_ready(&mut child);
    assert_eq!(receiver.spans().len(), 1);
    send_signal(&child, "-TERM");
    assert_eq!(wait(&mut child), Some(143));
}

#[test]
fn standard_error_states_when_exports_fail_and_when_they_work_again() {
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let receiver = Receiver::deciding(move |_| {
        if failing.load(Ordering::Relaxed) { "401 Unauthorized" } else { "200 OK" }
    });
    let mut command = command("works all the time");
    let url = format!("http://user:secret@{}/v1/traces?key=secret", receiver.address);
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret");
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let address = &receiver.address;
    let expected = format!(
        "chatlas::otel: cannot export spans to {address}: the receiver answered with the HTTP \
         status 401\n"
    );
    assert_eq!(line, expected);
    std::thread::sleep(Duration::from_millis(500)); // more failures
    fails.store(false, Ordering::Relaxed);
    line.clear();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, format!("chatlas::otel: exports to {address} work again\n"));
    fails.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(500)); // at most one report a minute
    child.kill().unwrap();
    line.clear();
    lines.read_to_string(&mut line).unwrap();
    assert_eq!(line, "");
    child.wait().unwrap();
}

#[test]
fn failures_during_a_shutdown_are_reported_once() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = command("has no receiver");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{closed}"));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let expected = format!(
        "chatlas::otel: telemetry was lost: 1 span, 1 metric export could not be sent to {closed}: \
         Connection refused"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

/// Runs a program on a machine without certificates.
fn run_without_certificates(name: &str, variables: &[(&str, &str)]) -> String {
    let mut command = command(name);
    command.env("SSL_CERT_FILE", "/no/such/file").env("SSL_CERT_DIR", "/no/such/directory");
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// <https://github.com/rustic-rs/rustic/issues/1777>
#[test]
fn plain_http_needs_no_certificates() {
    let receiver = Receiver::start();
    let url = receiver.url();
    let model = model();
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OPENAI_BASE_URL", model.url())];
    let output = run_without_certificates("asks a model", &variables);
    assert!(output.contains("reply: Hello."), "{output}");
    assert!(!receiver.spans().is_empty());
}

#[cfg(any(feature = "rustls", feature = "rustls-ring"))]
#[test]
fn https_without_certificates_is_an_error_that_names_the_cause() {
    let https = [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:4318")];
    let output = run_without_certificates("sets telemetry up", &https);
    assert!(output.contains("error: cannot build the OTLP exporter: "), "{output}");
    assert!(output.contains("No CA certificates were loaded"), "{output}");
    let https =
        [("OTEL_TRACES_EXPORTER", "console"), ("OPENAI_BASE_URL", "https://localhost:9/v1")];
    let output = run_without_certificates("asks a model", &https);
    assert!(output.contains("No CA certificates were loaded"), "{output}");
}

/// Starts a model server over plain HTTP.
fn model() -> Server {
    let text = json!({"type": "output_text", "text": "Hello.", "annotations": []});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant",
        "status": "completed", "content": [text]});
    let response = json!({"id": "resp_1", "object": "response", "status": "completed",
        "model": "gpt-4o", "output": [message],
        "usage": {"input_tokens": 7, "output_tokens": 3}});
    Server::start(vec![Answer::json(200, &response)])
}

/// <https://github.com/open-telemetry/opentelemetry-rust/issues/2877>
#[test]
fn exporter_over_http_does_not_trace_itself() {
    let receiver = Receiver::start();
    let mut command = command("traces everything");
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.url() + "/v1/traces");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["work"; 10]);
}

#[cfg(feature = "otel-grpc")]
#[test]
fn exporter_over_grpc_does_not_trace_itself() {
    let receiver = GrpcReceiver::start(tonic::transport::Server::builder(), |_| {
        Ok(opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse::default())
    });
    let mut command = command("traces everything");
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.url());
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(receiver.span_count(), 10);
}
