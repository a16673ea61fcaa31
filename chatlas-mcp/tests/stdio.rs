//! A server that is a process: this program, started again.

use std::process::Command;
use std::time::{Duration, Instant};

use chatlas::ToolOutput;
use chatlas::mcp::{McpEndpoint, McpError, McpServer};
use libtest_mimic::{Arguments, Trial};
use serde_json::json;

#[path = "../examples/tool_server.rs"]
#[allow(dead_code)]
mod tool_server;

/// Makes this program a server.
const SERVE: &str = "CHATLAS_MCP_TEST_SERVER";

fn main() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::var_os(SERVE).is_some() {
        return runtime().block_on(tool_server::serve(None)).unwrap();
    }
    macro_rules! trials {
        ($($name:ident),*) => {
            vec![$(Trial::test(stringify!($name), move || {
                runtime().block_on($name());
                Ok(())
            })),*]
        };
    }
    let trials = trials![
        tools_of_a_process_are_called,
        ended_process_is_started_again,
        missing_program_is_an_error,
        silent_process_times_out,
        output_of_a_failed_process_is_in_the_error,
        closed_process_ends
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn this_program() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(SERVE, "1");
    command
}

async fn tools_of_a_process_are_called() {
    let server = McpServer::connect(this_program()).await.unwrap();
    assert_eq!(server.info().protocol_version, "2026-07-28");
    let sum = server.call_tool("add", json!({"a": 1, "b": 2})).await.unwrap();
    assert_eq!(sum, ToolOutput::from("3.0"));
    let all = (0..20).map(|_| server.call_tool("slow", json!({"steps": 2})));
    let started = Instant::now();
    for done in futures_util::future::join_all(all).await {
        assert_eq!(done.unwrap(), ToolOutput::from("done"));
    }
    assert!(started.elapsed() < Duration::from_secs(3), "calls run one after another");
    follow_a_change(&server).await;
}

/// Adds a tool on the server until the client has it. A change before the subscription is missed.
async fn follow_a_change(server: &McpServer) {
    for _ in 0..100 {
        server.call_tool("add_tool", json!({})).await.unwrap();
        if server.tools().get("late").is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the change of the tools was not followed");
}

async fn ended_process_is_started_again() {
    let server = McpServer::connect(this_program()).await.unwrap();
    let error = server.call_tool("die", json!({})).await.unwrap_err();
    assert_eq!(error.error_type().as_ref(), "connection_closed");
    assert!(!error.message().contains("last words"), "not for the model: {error}");
    // The call waits for the new process.
    let sum = server.call_tool("add", json!({"a": 1, "b": 2})).await.unwrap();
    assert_eq!(sum, ToolOutput::from("3.0"));
}

async fn missing_program_is_an_error() {
    let error = McpServer::connect(Command::new("/no/such/program")).await.unwrap_err();
    assert!(matches!(error, McpError::Spawn { .. }), "{error:?}");
}

async fn silent_process_times_out() {
    let endpoint = McpEndpoint::from(Command::new("sleep").arg("60"))
        .with_connect_timeout(Duration::from_millis(300));
    let error = McpServer::connect(endpoint).await.unwrap_err();
    assert!(matches!(error, McpError::Timeout { .. }), "{error:?}");
}

async fn output_of_a_failed_process_is_in_the_error() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo 'no token is set' >&2; sleep 0.2; exit 1"]);
    let error = McpServer::connect(command).await.unwrap_err();
    assert!(matches!(error, McpError::Connect { .. }), "{error:?}");
    assert!(error.to_string().ends_with("no token is set"), "{error}");
}

async fn closed_process_ends() {
    let server = McpServer::connect(this_program()).await.unwrap();
    // The open subscription must not keep the process alive.
    follow_a_change(&server).await;
    let started = Instant::now();
    server.close().await;
    // It ends by itself when its standard input is closed, and is not killed after 3 s.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}
