//! The client and the server over HTTP, in one process: what is sent, and what is recorded.

use std::time::Duration;

use chatlas::mcp::{McpEndpoint, McpServer, ResourceData, ToolServer};
use chatlas::prelude::*;
use chatlas::testing::{Recorder, Script};
use chatlas::{ToolOutput, ToolSet};
use opentelemetry::trace::{SpanKind, Status};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

#[path = "../examples/tool_server.rs"]
#[allow(dead_code)]
mod tool_server;

/// Serves the tools at a free port, and returns the URL.
async fn serve(server: &ToolServer) -> String {
    let app = axum::Router::new().nest_service("/mcp", server.http_service());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/mcp")
}

async fn connected() -> McpServer {
    let url = serve(&tool_server::server()).await;
    McpServer::connect(url).await.unwrap()
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen within 5 s");
}

#[tokio::test]
async fn tool_call_by_a_chat_has_one_span_per_side_in_one_trace() {
    let server = connected().await;
    let trace = Recorder::new();
    let model = Script::new().calls("add", json!({"a": 1, "b": 2})).says("3");
    let mut chat = Chat::new(model.clone()).with_name("adder").with_tools(server.tools());
    chat.chat("1 + 2?").await.unwrap();

    trace.assert_sound();
    let tree = "\
invoke_agent adder
  chat test-model
  execute_tool add
    tools/call add
  chat test-model
";
    assert_eq!(trace.tree(), tree);
    let call = trace.span("execute_tool add");
    assert_eq!(call.kind(), SpanKind::Internal);
    assert_eq!(call["mcp.method.name"], "tools/call");
    assert_eq!(call["mcp.protocol.version"], "2026-07-28");
    assert_eq!(call["network.transport"], "tcp");
    assert_eq!(call["network.protocol.name"], "http");
    assert_eq!(call["server.address"], "127.0.0.1");
    assert!(call.attributes().get("server.port").is_some());
    assert!(call.attributes().get("jsonrpc.request.id").is_some());
    assert!(call.attributes().get("chatlas.mcp.tool.name").is_none());
    let remote = trace.span("tools/call add");
    assert_eq!(remote.kind(), SpanKind::Server);
    assert_eq!(remote["gen_ai.operation.name"], "execute_tool");
    assert_eq!(remote["jsonrpc.request.id"], call["jsonrpc.request.id"]);

    for metric in ["mcp.client.operation.duration", "mcp.server.operation.duration"] {
        let metric = trace.metric(metric);
        assert_eq!((metric.count(), metric.unit()), (1, "s"));
        assert_eq!(metric.measurements()[0]["mcp.method.name"], "tools/call");
        assert_eq!(metric.measurements()[0]["gen_ai.tool.name"], "add");
        assert!(metric.measurements()[0].attributes().get("jsonrpc.request.id").is_none());
    }
    // The loop's call, and the server's.
    assert_eq!(trace.metric("gen_ai.execute_tool.duration").count(), 2);
    let counted = trace.metric("gen_ai.invoke_agent.tool_calls");
    assert_eq!((counted.count(), format!("{}", counted.sum())), (1, "1".to_owned()));
}

#[tokio::test]
async fn renamed_tool_is_called_by_its_name_on_the_server() {
    let url = serve(&tool_server::server()).await;
    let endpoint = McpEndpoint::from(url).with_tool_prefix("math_");
    let server = McpServer::connect(endpoint).await.unwrap();
    let trace = Recorder::new();
    let model = Script::new().calls("math_add", json!({"a": 1, "b": 2})).says("3");
    Chat::new(model).with_tools(server.tools()).chat("1 + 2?").await.unwrap();
    let call = trace.span("execute_tool math_add");
    assert_eq!(call["gen_ai.tool.name"], "math_add");
    assert_eq!(call["chatlas.mcp.tool.name"], "add");
    assert_eq!(trace.span("tools/call add").parent_id(), call.id());
}

#[tokio::test]
async fn call_outside_a_chat_has_a_client_span() {
    let server = connected().await;
    let trace = Recorder::new();
    let sum = server.call_tool("add", json!({"a": 1, "b": 2})).await.unwrap();
    assert_eq!(sum, ToolOutput::from("3.0"));
    let spans: Vec<_> =
        trace.spans().into_iter().filter(|it| it.name() == "tools/call add").collect();
    let client = spans.iter().find(|span| span.kind() == SpanKind::Client).unwrap();
    let remote = spans.iter().find(|span| span.kind() == SpanKind::Server).unwrap();
    assert_eq!((spans.len(), remote.parent_id()), (2, client.id()));
    assert_eq!(client["gen_ai.operation.name"], "execute_tool");
    assert_eq!(client["gen_ai.tool.name"], "add");
    assert!(client.attributes().get("gen_ai.tool.call.arguments").is_none());
    assert!(trace.spans().iter().all(|span| !span.is_error()));
}

/// Adds numbers by an MCP server, in two calls.
#[tool]
async fn add_twice(#[state] server: &McpServer) -> String {
    server.call_tool("add", json!({"a": 1, "b": 2})).await.unwrap();
    server.call_tool("add", json!({"a": 3, "b": 4})).await.unwrap();
    "done".to_owned()
}

#[tokio::test]
async fn calls_inside_another_tool_have_spans_of_their_own() {
    let server = connected().await;
    let trace = Recorder::new();
    let model = Script::new().calls("add_twice", json!({})).says("ok");
    Chat::new(model).with_tools(tools![with server => add_twice]).chat("go").await.unwrap();
    let outer = trace.span("execute_tool add_twice");
    assert!(outer.attributes().get("mcp.method.name").is_none());
    let inner = trace.children(&outer);
    assert!(inner.len() == 2 && inner.iter().all(|span| span.kind() == SpanKind::Client));
}

#[tokio::test]
async fn failures_reach_the_model_and_are_recorded_by_their_code() {
    let server = connected().await;
    let trace = Recorder::new();
    let error = server.call_tool("fail", json!({})).await.unwrap_err();
    assert_eq!((error.error_type().as_ref(), error.message()), ("tool_error", "it failed"));
    let error = server.call_tool("crash", json!({})).await.unwrap_err();
    assert_eq!(error.message(), "The tool `crash` crashed.");
    let error = server.call_tool("absent", json!({})).await.unwrap_err();
    assert_eq!(error.error_type().as_ref(), "-32602");

    let find = |name: &str, kind: SpanKind| span_of(&trace, name, &kind);
    let failed = find("tools/call fail", SpanKind::Client);
    assert_eq!(failed["error.type"], "tool_error");
    assert_eq!(failed.status(), Status::error("tool_error"));
    assert_eq!(find("tools/call fail", SpanKind::Server)["error.type"], "broken");
    assert_eq!(find("tools/call crash", SpanKind::Server)["error.type"], "panic");
    for kind in [SpanKind::Client, SpanKind::Server] {
        let unknown = find("tools/call absent", kind);
        assert_eq!(unknown["rpc.response.status_code"], "-32602");
        assert_eq!(unknown["error.type"], "-32602");
    }
    let names = trace.metric("mcp.server.operation.duration");
    assert_eq!(names.filter("gen_ai.tool.name", "_OTHER").count(), 1);
}

#[tokio::test]
async fn results_keep_images_and_structure() {
    let server = connected().await;
    let image = server.call_tool("image", json!({})).await.unwrap();
    assert!(matches!(image, ToolOutput::Contents(list) if matches!(list[..], [Content::Image(_)])));
    let structured = server.call_tool("structured", json!({})).await.unwrap();
    assert_eq!(structured, ToolOutput::Value(json!({"t": 3.5})));
}

#[tokio::test]
async fn definitions_have_annotations_and_schema() {
    let server = connected().await;
    let tools = server.tools();
    let add = tools.get("add").unwrap().definition();
    assert_eq!(add.annotations.read_only, Some(true));
    assert_eq!(add.description, "Adds two numbers.");
    assert_eq!(add.parameters["required"], json!(["a", "b"]));
    let info = server.info();
    assert_eq!(info.name.as_deref(), Some("chatlas-tools"));
    assert_eq!(info.protocol_version, "2026-07-28");
    assert_eq!(info.instructions.as_deref(), Some("Use them."));
    let url = serve(&ToolServer::new("plain", tools![])).await;
    let plain = McpServer::connect(url).await.unwrap();
    let error = plain.prompts().await.unwrap_err();
    assert_eq!(error.error_type().as_ref(), "unsupported");
    let error = plain.resources().await.unwrap_err();
    assert_eq!(error.error_type().as_ref(), "unsupported");
}

fn span_of(trace: &Recorder, name: &str, kind: &SpanKind) -> chatlas::testing::RecordedSpan {
    let mut spans = trace.spans().into_iter();
    spans.find(|span| span.name() == name && span.kind() == *kind).unwrap()
}

#[tokio::test]
async fn resources_are_listed_and_read() {
    let server = connected().await;
    let trace = Recorder::new();
    let resources = server.resources().await.unwrap();
    let binary = resources.iter().find(|resource| resource.name == "binary").unwrap();
    assert_eq!(
        (binary.uri.as_str(), binary.mime_type.as_deref()),
        ("test://static-binary", Some("image/png"))
    );
    let read = server.read_resource("test://static-text").await.unwrap();
    let text = "This is the content of the static text resource.";
    assert_eq!(read[0].data, ResourceData::from(text));
    assert_eq!(read[0].mime_type.as_deref(), Some("text/plain"));
    let read = server.read_resource(&binary.uri).await.unwrap();
    assert!(matches!(&read[0].data, ResourceData::Base64(data) if data.starts_with("iVBOR")));

    let listed = span_of(&trace, "resources/list", &SpanKind::Server);
    assert_eq!(listed["mcp.method.name"], "resources/list");
    let client = span_of(&trace, "resources/read", &SpanKind::Client);
    let remote = span_of(&trace, "resources/read", &SpanKind::Server);
    assert_eq!(remote["mcp.resource.uri"], "test://static-text");
    assert_eq!(remote.parent_id(), client.id());
    let metric = trace.metric("mcp.server.operation.duration");
    assert_eq!(metric.filter("mcp.method.name", "resources/read").count(), 2);
    assert!(
        metric.measurements().iter().all(|it| it.attributes().get("mcp.resource.uri").is_none())
    );
}

#[tokio::test]
async fn unreadable_resources_are_errors_with_a_code() {
    let server = connected().await;
    let trace = Recorder::new();
    for (uri, code, message) in [
        ("test://absent", "-32602", "Unknown resource: test://absent"),
        ("test://broken", "-32603", "the disk is gone"),
        ("test://crash", "-32603", "panicked"),
    ] {
        let error = server.read_resource(uri).await.unwrap_err();
        assert_eq!(error.error_type().as_ref(), code, "{uri}");
        assert!(error.to_string().contains(message), "{error}");
        let mut spans = trace.spans().into_iter().filter(|it| it.kind() == SpanKind::Server);
        let span = spans.find(|span| span["mcp.resource.uri"] == uri).unwrap();
        assert_eq!(
            (&span["error.type"], &span["rpc.response.status_code"]),
            (&json!(code), &json!(code))
        );
    }
}

#[tokio::test]
async fn prompts_are_listed_and_expanded() {
    let server = connected().await;
    let trace = Recorder::new();
    let prompts = server.prompts().await.unwrap();
    let prompt = prompts.iter().find(|it| it.name == "test_prompt_with_arguments").unwrap();
    assert_eq!(prompt.description.as_deref(), Some("A prompt with arguments."));
    assert!(prompt.arguments.iter().all(|argument| argument.required));
    let arguments =
        Map::from_iter([("arg1".to_owned(), json!("private")), ("arg2".to_owned(), json!("b"))]);
    let turns = server.prompt(&prompt.name, arguments).await.unwrap();
    assert_eq!(turns[0].text(), "Prompt with arguments: arg1='private', arg2='b'");
    let turns = server.prompt("test_prompt_with_image", Map::new()).await.unwrap();
    assert!(matches!(turns[0].contents(), [Content::Image(_)]), "{turns:?}");
    assert_eq!(turns[1].text(), "Analyze this image.");

    let name = "prompts/get test_prompt_with_arguments";
    let remote = span_of(&trace, name, &SpanKind::Server);
    assert_eq!(remote["gen_ai.prompt.name"], "test_prompt_with_arguments");
    assert_eq!(remote.parent_id(), span_of(&trace, name, &SpanKind::Client).id());
    assert!(!format!("{:?}", trace.spans()).contains("private"), "recorded without capture");
}

#[tokio::test]
async fn unknown_prompts_and_missing_arguments_are_rejected() {
    let server = connected().await;
    let trace = Recorder::new();
    let error = server.prompt("absent", Map::new()).await.unwrap_err();
    assert_eq!(error.error_type().as_ref(), "-32602");
    let error = server.prompt("test_prompt_with_arguments", Map::new()).await.unwrap_err();
    assert!(error.to_string().contains("Missing argument: arg1"), "{error}");
    assert_eq!(span_of(&trace, "prompts/get absent", &SpanKind::Server)["error.type"], "-32602");
    // The names that clients send are no values of metrics.
    let metric = trace.metric("mcp.server.operation.duration");
    assert_eq!(metric.filter("gen_ai.prompt.name", "_OTHER").count(), 1);
    assert_eq!(metric.filter("gen_ai.prompt.name", "absent").count(), 0);
}

async fn impatient(url: String) -> McpServer {
    let endpoint = McpEndpoint::from(url).with_call_timeout(Duration::from_millis(300));
    McpServer::connect(endpoint).await.unwrap()
}

fn was_cancelled(trace: &Recorder, name: &str) -> bool {
    let cancelled = |span: &chatlas::testing::RecordedSpan| {
        span.name() == name
            && span.kind() == SpanKind::Server
            && span.attributes().get("chatlas.cancelled").is_some()
    };
    trace.spans().iter().any(cancelled)
}

#[tokio::test]
async fn call_that_exceeds_its_timeout_is_cancelled_on_the_server() {
    let server = impatient(serve(&tool_server::server()).await).await;
    let trace = Recorder::new();
    let error = server.call_tool("wait", json!({"seconds": 30})).await.unwrap_err();
    assert_eq!(error.error_type().as_ref(), "timeout");
    until("cancellation", || was_cancelled(&trace, "tools/call wait")).await;
}

#[tokio::test]
async fn progress_extends_the_timeout() {
    let server = impatient(serve(&tool_server::server()).await).await;
    let done = server.call_tool("slow", json!({"steps": 6})).await.unwrap();
    assert_eq!(done, ToolOutput::from("done"));
}

#[tokio::test]
async fn progress_is_an_event_of_the_stream() {
    let server = connected().await;
    let model = Script::new().calls("slow", json!({"steps": 2})).says("ok");
    let mut chat = Chat::new(model).with_tools(server.tools());
    let mut stream = chat.stream("go");
    let mut reports = Vec::new();
    while let Some(event) = stream.next().await {
        if let chatlas::StreamEvent::ToolProgress { output, .. } = event.unwrap() {
            reports.push(output);
        }
    }
    let report = |step: f64| json!({"progress": step, "total": 2.0, "message": "step"}).into();
    assert_eq!(reports, [report(1.0), report(2.0)]);
}

#[tokio::test]
async fn dropped_call_is_cancelled_on_the_server() {
    let server = connected().await;
    let trace = Recorder::new();
    let call = server.call_tool("wait", json!({"seconds": 30}));
    tokio::time::timeout(Duration::from_millis(300), call).await.unwrap_err();
    until("cancellation", || was_cancelled(&trace, "tools/call wait")).await;
}

#[tokio::test]
async fn changed_tools_are_listed_again() {
    let tools = tool_server::server();
    let url = serve(&tools).await;
    let (sender, mut changes) = mpsc::unbounded_channel();
    let endpoint = McpEndpoint::from(url).on_tools_changed(move |tools: ToolSet| {
        let _ = sender.send(tools);
    });
    let server = McpServer::connect(endpoint).await.unwrap();
    // The subscription begins after the connection.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut fewer = tool_server::all_tools();
    fewer.remove("echo");
    tools.replace_tools(fewer);
    let new = tokio::time::timeout(Duration::from_secs(5), changes.recv()).await;
    assert!(new.unwrap().unwrap().get("echo").is_none());
    assert!(server.tools().get("echo").is_none());
}

#[tokio::test]
async fn content_is_recorded_with_capture_only() {
    let server = connected().await;
    let trace = Recorder::new();
    let model = || Script::new().calls("echo", json!({"message": "private"})).says("ok");
    Chat::new(model()).with_tools(server.tools()).chat("go").await.unwrap();
    let recorded = format!("{:?}", trace.spans());
    assert!(!recorded.contains("private"), "{recorded}");

    let trace = Recorder::new();
    let mut chat = Chat::new(model()).with_tools(server.tools());
    chat.set_capture(chatlas::telemetry::Capture::Spans);
    chat.chat("go").await.unwrap();
    let call = trace.span("execute_tool echo");
    assert_eq!(call.json("gen_ai.tool.call.arguments"), json!({"message": "private"}));
    assert_eq!(call["gen_ai.tool.call.result"], "private");
    // The server has its own setting.
    let remote = trace.span("tools/call echo");
    assert!(remote.attributes().get("gen_ai.tool.call.arguments").is_none());
}

#[tokio::test]
async fn handshake_and_session_are_recorded() {
    let trace = Recorder::new();
    let server = connected().await;
    let handshake = trace.spans().into_iter().find(|span| span.kind() == SpanKind::Client).unwrap();
    assert_eq!(handshake.name(), "server/discover");
    server.close().await;
    let session = trace.metric("mcp.client.session.duration");
    assert_eq!(session.count(), 1);
    assert_eq!(session.measurements()[0]["mcp.protocol.version"], "2026-07-28");
    assert!(session.measurements()[0].attributes().get("error.type").is_none());
}

#[tokio::test]
async fn calls_after_close_fail() {
    let server = connected().await;
    let tools = server.tools();
    server.close().await;
    let call = chatlas::ToolCall::new("1", json!({"a": 1, "b": 2}));
    let error = tools.get("add").unwrap().call(call).await.unwrap_err();
    assert_eq!(error.error_type().as_ref(), "connection_closed");
}

#[tokio::test]
async fn unreachable_server_is_an_error_without_secrets() {
    let endpoint = McpEndpoint::from("http://127.0.0.1:9/mcp?key=hidden-1")
        .with_bearer_token("hidden-2")
        .with_connect_timeout(Duration::from_secs(5));
    assert!(!format!("{endpoint:?}").contains("hidden-"));
    let error = McpServer::connect(endpoint).await.unwrap_err();
    assert_eq!(error.error_type().as_ref(), "connect_failed");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hidden-"), "{text}");
}

/// Posts a message of a client with a handshake, and returns the session id and the answer.
async fn post(url: &str, session: Option<&str>, message: Value) -> (Option<String>, Value) {
    let mut request = reqwest::Client::new()
        .post(url)
        .header("accept", "application/json, text/event-stream")
        .json(&message);
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    let response = request.send().await.unwrap();
    let session = response.headers().get("mcp-session-id");
    let session = session.map(|id| id.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    let mut data = text.lines().filter_map(|line| line.strip_prefix("data: {"));
    let answer = data.next_back().map(|rest| serde_json::from_str(&format!("{{{rest}")).unwrap());
    (session, answer.unwrap_or_default())
}

#[tokio::test]
async fn client_with_a_handshake_has_a_session() {
    let trace = Recorder::new();
    let url = serve(&tool_server::server()).await;
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    });
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let (session, answer) = post(&url, None, hello).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    let session = session.unwrap();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    post(&url, Some(&session), initialized).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let params = json!({
        "name": "add",
        "arguments": {"a": "1", "b": 2},
        "_meta": {"traceparent": parent},
    });
    let call = json!({"jsonrpc": "2.0", "id": "seven", "method": "tools/call", "params": params});
    let (_, answer) = post(&url, Some(&session), call).await;
    assert_eq!(answer["result"]["content"][0]["text"], "3.0");

    let span = trace.span("tools/call add");
    assert_eq!(span["mcp.session.id"], session);
    assert_eq!(span["jsonrpc.request.id"], "seven");
    assert_eq!(span["mcp.protocol.version"], "2025-11-25");
    assert_eq!(span.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span.parent_id().to_string(), "00f067aa0ba902b7");

    let end = reqwest::Client::new().delete(&url).header("mcp-session-id", &session);
    end.send().await.unwrap();
    let ended = || {
        let mut metrics = trace.metrics().into_iter();
        metrics.any(|metric| metric.name() == "mcp.server.session.duration")
    };
    until("end of the session", ended).await;
}

/// Answers as a server does that returns an empty result for each unknown method.
async fn lenient(
    axum::extract::Json(message): axum::extract::Json<Value>,
) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    let result = match message["method"].as_str().unwrap() {
        "initialize" => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "lenient", "version": "1"},
        }),
        "tools/list" => {
            let next = message["params"]["cursor"].is_null().then_some("2");
            let name = if next.is_some() { "first" } else { "second" };
            json!({"tools": [{"name": name, "inputSchema": {}}], "nextCursor": next})
        }
        "notifications/initialized" => return http::StatusCode::ACCEPTED.into_response(),
        _ => json!({}),
    };
    axum::Json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).into_response()
}

#[tokio::test]
async fn server_that_answers_discovery_with_nothing_gets_a_handshake() {
    let trace = Recorder::new();
    let app = axum::Router::new().route("/", axum::routing::post(lenient));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let server = McpServer::connect(url).await.unwrap();
    assert_eq!(server.info().protocol_version, "2025-06-18");
    // All pages of the list.
    let tools = server.tools();
    assert!(tools.get("first").is_some() && tools.get("second").is_some());
    assert_eq!(trace.span("initialize")["mcp.protocol.version"], "2025-06-18");
    assert_eq!(trace.metric("mcp.client.operation.duration").count(), 3);
}

#[tokio::test]
async fn panics_of_hooks_do_not_end_the_connection() {
    let tools = tool_server::server();
    let endpoint = McpEndpoint::from(serve(&tools).await)
        .with_tool_filter(|tool| {
            assert_ne!(tool.name, "echo");
            true
        })
        .on_tools_changed(|_| panic!("a mistake of the program"));
    let server = McpServer::connect(endpoint).await.unwrap();
    assert!(server.tools().get("echo").is_none());
    tokio::time::sleep(Duration::from_millis(300)).await;
    for name in ["image", "slow"] {
        let mut fewer = tool_server::all_tools();
        fewer.remove(name);
        tools.replace_tools(fewer);
        until("change", || server.tools().get(name).is_none()).await;
    }
}

#[tokio::test]
async fn requests_for_other_hosts_are_rejected() {
    let url = serve(&tool_server::server()).await;
    let status = |host: &str| {
        let request = reqwest::Client::new().post(&url).header("host", host);
        let request = request.header("accept", "application/json, text/event-stream");
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "ping"});
        async move { request.json(&hello).send().await.unwrap().status().as_u16() }
    };
    assert_eq!(status("evil.example.com").await, 403);
    assert_ne!(status("localhost").await, 403);
}
