//! The feature `auto-init`: programs that say nothing of telemetry. Each runs in a process of its
//! own, which is this one again, with the name of the program in a variable: so its main thread is
//! one that ends.

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
        "a thread of its own" => {
            std::thread::spawn(|| current().block_on(chat())).join().expect("it ends");
        }
        "goes on" => {
            current().block_on(chat());
            // It never comes to an end: what is queued is sent by and by.
            loop {
                std::thread::sleep(Duration::from_mins(1));
            }
        }
        "with a setup of its own" => {
            let telemetry = chatlas::otel::console().expect("nobody was faster");
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

fn programs_that_only_chat_are_exported_whole() {
    for (name, code) in [
        ("one thread", 0),
        ("several threads", 0),
        ("a task", 0),
        ("exit", 7),
        ("a thread of its own", 0),
    ] {
        let (model, receiver) = (model(), Receiver::start());
        let mut command = command(name, &model);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
        command.env("OTEL_BSP_SCHEDULE_DELAY", "60000"); // only their end sends
        let (output, out, err) = run(&mut command);
        assert_eq!(
            (output.status.code(), out.as_str(), err.as_str()),
            (Some(code), "Hello.\n", "")
        );
        assert_eq!(names(&receiver), ["chat gpt-4o", "invoke_agent"], "{name}");
    }
}

fn a_program_that_goes_on_is_exported_soon() {
    let (model, receiver) = (model(), Receiver::start());
    let mut command = command("goes on", &model);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it runs");
    receiver.wait_for("/v1/traces");
    child.kill().expect("it went on");
    child.wait().expect("it ended");
}

fn without_variables_nothing_is_set_up() {
    let model = model();
    let (output, out, err) = run(&mut command("one thread", &model));
    assert!(output.status.success());
    assert_eq!((out.as_str(), err.as_str()), ("Hello.\n", ""));
}

fn a_wrong_variable_is_told_once_and_disturbs_nobody() {
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

fn a_receiver_that_is_not_there_is_told_and_holds_nobody_for_long() {
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

fn a_program_that_sets_up_telemetry_itself_is_left_alone() {
    let (model, receiver) = (model(), Receiver::start());
    let mut command = command("with a setup of its own", &model);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    let (output, out, err) = run(&mut command);
    assert!(output.status.success(), "{err}");
    assert_eq!(err, "");
    assert!(out.contains("└── chat gpt-4o"), "{out}");
    assert!(names(&receiver).is_empty());
}

fn main() {
    if let Ok(name) = std::env::var(PROGRAM) {
        return program(&name);
    }
    let tests: [(&str, fn()); 6] = [
        ("programs_that_only_chat_are_exported_whole", programs_that_only_chat_are_exported_whole),
        ("a_program_that_goes_on_is_exported_soon", a_program_that_goes_on_is_exported_soon),
        ("without_variables_nothing_is_set_up", without_variables_nothing_is_set_up),
        (
            "a_wrong_variable_is_told_once_and_disturbs_nobody",
            a_wrong_variable_is_told_once_and_disturbs_nobody,
        ),
        (
            "a_receiver_that_is_not_there_is_told_and_holds_nobody_for_long",
            a_receiver_that_is_not_there_is_told_and_holds_nobody_for_long,
        ),
        (
            "a_program_that_sets_up_telemetry_itself_is_left_alone",
            a_program_that_sets_up_telemetry_itself_is_left_alone,
        ),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}
