//! Our client with servers of others. `.ci/mcp/run` installs and starts them, and runs these tests.

use std::process::Command;
use std::time::{Duration, Instant};

use chatlas::ToolOutput;
use chatlas::mcp::{McpEndpoint, McpServer, ResourceData};
use chatlas::prelude::*;
use chatlas::testing::{Recorder, Script};
use serde_json::{Map, Value, json};

/// Returns the URL, or the command with its arguments, in an environment variable.
fn endpoint(variable: &str) -> McpEndpoint {
    let text = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set"));
    if text.starts_with("http") {
        return McpEndpoint::from(text);
    }
    let mut words = text.split_whitespace();
    McpEndpoint::from(Command::new(words.next().unwrap()).args(words))
}

async fn call(server: &McpServer, tool: &str, arguments: Value) -> ToolOutput {
    server.call_tool(tool, arguments).await.unwrap()
}

fn text(output: &ToolOutput) -> String {
    match output {
        ToolOutput::Value(Value::String(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

async fn check_everything(variable: &str) {
    let server = McpServer::connect(endpoint(variable)).await.unwrap();
    assert_eq!(server.info().protocol_version, "2025-11-25");
    assert_eq!(text(&call(&server, "echo", json!({"message": "hi"})).await), "Echo: hi");
    let image = call(&server, "get-tiny-image", json!({})).await;
    let ToolOutput::Contents(contents) = image else { panic!("{image:?}") };
    assert!(contents.iter().any(|content| matches!(content, Content::Image(_))));
    let weather = json!({"location": "New York"});
    let structured = call(&server, "get-structured-content", weather).await;
    assert!(matches!(structured, ToolOutput::Value(Value::Object(_))), "{structured:?}");
    let links = call(&server, "get-resource-links", json!({"count": 2})).await;
    assert!(format!("{links:?}").contains("uri"), "{links:?}");

    let wrong = server.call_tool("echo", json!({"wrong": 1})).await.unwrap_err();
    assert_eq!(wrong.error_type().as_ref(), "tool_error");
    assert!(wrong.message().contains("-32602"), "{wrong}");

    let started = Instant::now();
    let long = json!({"duration": 30, "steps": 10});
    let running = server.call_tool("trigger-long-running-operation", long);
    tokio::time::timeout(Duration::from_millis(500), running).await.unwrap_err();
    assert_eq!(text(&call(&server, "echo", json!({"message": "hi"})).await), "Echo: hi");
    assert!(started.elapsed() < Duration::from_secs(5));

    let resources = server.resources().await.unwrap();
    let contents = server.read_resource(&resources[0].uri).await.unwrap();
    assert!(matches!(&contents[0].data, ResourceData::Text(text) if !text.is_empty()));
    let prompts = server.prompts().await.unwrap();
    assert!(prompts.iter().any(|prompt| prompt.arguments.iter().any(|it| it.required)));
    let simple = prompts.iter().find(|prompt| prompt.arguments.is_empty()).unwrap();
    assert!(!server.prompt(&simple.name, Map::new()).await.unwrap().is_empty());
    let missing = server.read_resource("demo://no/such/resource").await.unwrap_err();
    assert!(missing.error_type().starts_with('-'), "{missing:?}");
    server.close().await;
}

#[tokio::test]
#[ignore = "needs the server of others: run .ci/mcp/run"]
async fn everything_server_over_stdio() {
    check_everything("MCP_EVERYTHING_COMMAND").await;
}

#[tokio::test]
#[ignore = "needs the server of others: run .ci/mcp/run"]
async fn everything_server_over_http() {
    check_everything("MCP_EVERYTHING_URL").await;
}

async fn check_fastmcp(variable: &str) {
    let endpoint = endpoint(variable).with_tool_prefix("py_");
    let server = McpServer::connect(endpoint).await.unwrap();
    let trace = Recorder::new();
    let model = Script::new().calls("py_trace", json!({})).calls("py_fail", json!({})).says("ok");
    let mut chat = Chat::new(model.clone()).with_tools(server.tools());
    chat.chat("go").await.unwrap();
    trace.assert_sound();
    let call = trace.span("execute_tool py_trace");
    let received = &model.requests()[1];
    let received = format!("{:?}", received.turns.last().unwrap());
    let sent = format!("00-{}-{}-01", call.trace_id(), call.id());
    assert!(received.contains(&sent), "{sent} in {received}");
    assert_eq!(call["chatlas.mcp.tool.name"], "trace");
    assert_eq!(trace.span("execute_tool py_fail")["error.type"], "tool_error");
    assert_eq!(call_by_name(&server).await, ToolOutput::Value(json!({"result": 3.0})),);
    let unknown = server.call_tool("absent", json!({})).await.unwrap_err();
    assert!(unknown.message().to_lowercase().contains("unknown tool"), "{unknown:?}");
    let contents = server.read_resource("data://config").await.unwrap();
    assert_eq!(contents[0].data, ResourceData::Text("configured".into()));
    let arguments = Map::from_iter([("topic".to_owned(), json!("rain"))]);
    let turns = server.prompt("ask", arguments).await.unwrap();
    assert_eq!(turns[0].text(), "about rain");
    server.close().await;
}

async fn call_by_name(server: &McpServer) -> ToolOutput {
    call(server, "add", json!({"a": 1, "b": 2})).await
}

#[tokio::test]
#[ignore = "needs the server of others: run .ci/mcp/run"]
async fn fastmcp_server_over_stdio() {
    check_fastmcp("MCP_FASTMCP_COMMAND").await;
}

#[tokio::test]
#[ignore = "needs the server of others: run .ci/mcp/run"]
async fn fastmcp_server_over_http() {
    check_fastmcp("MCP_FASTMCP_URL").await;
}
