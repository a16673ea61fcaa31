//! The feature `auto-init`: programs without any telemetry code. Each is this test binary in a child
//! process, selected by a variable, so that its main thread ends like that of a program.

#[path = "support/otlp.rs"]
mod otlp;
#[path = "support/server.rs"]
mod server;

use std::process::{Command, Output};
use std::time::Duration;

use chatlas::prelude::*;
use otlp::Receiver;
use serde_json::json;
use server::{Answer, Server};

const PROGRAM: &str = "CHATLAS_TEST_PROGRAM";

async fn chat() {
    let mut chat = Chat::new(chatlas::OpenAi::new("gpt-4o"));
    let reply = chat.chat("Hello world!").await.expect("the server answers");
    println!("{reply}");
}

fn current() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn several() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The programs.
fn program(name: &str) {
    match name {
        "one thread" => current().block_on(chat()),
        "several threads" => several().block_on(chat()),
        "a task" => several().block_on(async { tokio::spawn(chat()).await.expect("it ends") }),
        "exit" => {
            current().block_on(chat());
            std::process::exit(7);
        }
        "a new thread" => {
            std::thread::spawn(|| current().block_on(chat())).join().expect("the task ends");
        }
        "keeps running" => {
            current().block_on(chat());
            // The program never ends: queued spans are sent periodically.
            loop {
                std::thread::sleep(Duration::from_secs(60));
            }
        }
        "with a late setup" => {
            current().block_on(chat());
            let telemetry = chatlas::otel::console().expect("it replaces the automatic setup");
            current().block_on(chat());
            telemetry.shutdown().expect("a console takes everything");
        }
        "with an explicit setup" => {
            let telemetry = chatlas::otel::console().expect("no other setup");
            current().block_on(chat());
            telemetry.shutdown().expect("a console takes everything");
        }
        other => panic!("no program {other}"),
    }
}

fn model() -> Server {
    let text = json!({"type": "output_text", "text": "Hello.", "annotations": []});
    let message = json!({"id": "msg_1", "type": "message", "status": "completed",
        "role": "assistant", "content": [text]});
    let response = json!({"id": "resp_1", "object": "response", "status": "completed",
        "model": "gpt-4o-2024-08-06", "output": [message],
        "usage": {"input_tokens": 7, "output_tokens": 3}});
    Server::start(vec![Answer::json(200, &response)])
}

fn command(name: &str, model: &Server) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    for (name, _) in std::env::vars() {
        if name.starts_with("OTEL_") || name.starts_with("LOGFIRE_") {
            command.env_remove(name);
        }
    }
    command.env(PROGRAM, name).env("OPENAI_BASE_URL", model.url()).env("OPENAI_API_KEY", "k");
    command
}

fn run(command: &mut Command) -> (Output, String, String) {
    let output = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

fn names(receiver: &Receiver) -> Vec<String> {
    let mut names: Vec<_> = receiver.spans().into_iter().map(|span| span.name).collect();
    names.sort();
    names
}

fn telemetry_of_programs_without_setup_is_exported_completely() {
    for (name, code) in
        [("one thread", 0), ("several threads", 0), ("a task", 0), ("exit", 7), ("a new thread", 0)]
    {
        let (model, receiver) = (model(), Receiver::start());
        let mut command = command(name, &model);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
        command.env("OTEL_BSP_SCHEDULE_DELAY", "60000"); // only the shutdown sends
        let (output, out, err) = run(&mut command);
        assert_eq!(
            (output.status.code(), out.as_str(), err.as_str()),
            (Some(code), "Hello.\n", "")
        );
        assert_eq!(names(&receiver), ["chat gpt-4o", "invoke_agent"], "{name}");
    }
}

fn telemetry_of_a_running_program_is_exported_periodically() {
    let (model, receiver) = (model(), Receiver::start());
    let mut command = command("keeps running", &model);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it runs");
    receiver.wait_for("/v1/traces");
    child.kill().expect("it is running");
    child.wait().expect("it has ended");
}

fn no_sdk_is_set_up_without_variables() {
    let model = model();
    let (output, out, err) = run(&mut command("one thread", &model));
    assert!(output.status.success());
    assert_eq!((out.as_str(), err.as_str()), ("Hello.\n", ""));
}

fn invalid_variable_is_reported_once() {
    let model = model();
    let (output, out, err) =
        run(command("one thread", &model).env("OTEL_TRACES_EXPORTER", "zipkin"));
    assert!(output.status.success());
    assert_eq!(out, "Hello.\n");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(
        err.starts_with(
            "chatlas::otel: OTEL_TRACES_EXPORTER contains the unknown exporter `zipkin`"
        ),
        "{err}"
    );
}

fn unreachable_receiver_is_reported_without_delay() {
    let model = model();
    let begin = std::time::Instant::now();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let (output, out, err) =
        run(command("one thread", &model).env("OTEL_EXPORTER_OTLP_ENDPOINT", url));
    assert!(output.status.success());
    assert_eq!(out, "Hello.\n");
    assert!(err.starts_with("chatlas::otel: telemetry was lost: 2 spans, "), "{err}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

fn explicit_setup_takes_precedence() {
    let (model, receiver) = (model(), Receiver::start());
    let mut command = command("with an explicit setup", &model);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    let (output, out, err) = run(&mut command);
    assert!(output.status.success(), "{err}");
    assert_eq!(err, "");
    assert!(out.contains("└── chat gpt-4o"), "{out}");
    assert!(names(&receiver).is_empty());
}

/// <https://github.com/langfuse/langfuse/issues/6885>
fn late_setup_replaces_the_automatic_one() {
    let (model, receiver) = (model(), Receiver::start());
    let mut command = command("with a late setup", &model);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    let (output, out, err) = run(&mut command);
    assert!(output.status.success(), "{err}");
    assert_eq!(err, "");
    assert_eq!(names(&receiver), ["chat gpt-4o", "invoke_agent"], "the first chat");
    assert_eq!(out.matches("└── chat gpt-4o").count(), 1, "the second chat: {out}");
}

fn main() {
    if let Ok(name) = std::env::var(PROGRAM) {
        return program(&name);
    }
    let tests: [(&str, fn()); 7] = [
        (
            "telemetry_of_programs_without_setup_is_exported_completely",
            telemetry_of_programs_without_setup_is_exported_completely,
        ),
        (
            "telemetry_of_a_running_program_is_exported_periodically",
            telemetry_of_a_running_program_is_exported_periodically,
        ),
        ("no_sdk_is_set_up_without_variables", no_sdk_is_set_up_without_variables),
        ("invalid_variable_is_reported_once", invalid_variable_is_reported_once),
        (
            "unreachable_receiver_is_reported_without_delay",
            unreachable_receiver_is_reported_without_delay,
        ),
        ("explicit_setup_takes_precedence", explicit_setup_takes_precedence),
        ("late_setup_replaces_the_automatic_one", late_setup_replaces_the_automatic_one),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}
