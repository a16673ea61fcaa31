//! An MCP server with tools of all kinds, resources and prompts: `tool_server stdio`, or `tool_server http 8000`.
//!
//! The tests and the checks with other clients use it, too. The conformance suite of the protocol
//! uses the names that begin with `test`.

// Tools are usually async.
#![allow(clippy::unused_async)]

use std::sync::OnceLock;
use std::time::Duration;

use chatlas::mcp::{PromptArgument, PromptInfo, ResourceData, ResourceInfo, ToolServer};
use chatlas::prelude::*;
use chatlas::{ToolSet, UserTurn};
use serde_json::{Value, json};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Adds two numbers.
#[tool(read_only)]
async fn add(a: f64, b: f64) -> f64 {
    a + b
}

/// Returns the message.
#[tool]
async fn echo(message: String) -> String {
    message
}

/// Fails.
#[tool]
async fn fail() -> Result<String, ToolError> {
    Err(ToolError::new("broken", "it failed"))
}

/// Panics.
#[tool]
async fn crash() -> String {
    panic!("the tool crashed")
}

/// Returns an image.
#[tool]
async fn image() -> Content {
    Content::image_base64("image/png", PNG)
}

/// Returns an object.
#[tool]
async fn structured() -> Value {
    json!({"t": 3.5})
}

/// Takes `steps` times 100 ms, and reports its progress.
#[tool]
async fn slow(context: &ToolContext, steps: u32) -> String {
    for step in 1..=steps {
        tokio::time::sleep(Duration::from_millis(100)).await;
        context.progress(json!({"progress": step, "total": steps, "message": "step"}));
    }
    "done".to_owned()
}

/// Takes `seconds`, without progress.
#[tool]
async fn wait(seconds: f64) -> String {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    "done".to_owned()
}

/// Ends the process.
#[tool]
async fn die() -> String {
    eprintln!("the last words");
    std::process::exit(3)
}

/// Adds the tool `late`.
#[tool]
async fn add_tool() -> String {
    if let Some(server) = SERVER.get() {
        let mut tools = all_tools();
        let _ = tools.merge(tools![late]);
        server.replace_tools(tools);
    }
    "added".to_owned()
}

/// Was added later.
#[tool]
async fn late() -> String {
    "late".to_owned()
}

/// Returns a text.
#[tool]
async fn test_simple_text() -> String {
    "This is a simple text response for testing.".to_owned()
}

/// Returns an image.
#[tool]
async fn test_image_content() -> Content {
    Content::image_base64("image/png", PNG)
}

/// Returns a document.
#[tool]
async fn test_embedded_resource() -> Content {
    Content::document_base64("a.pdf", "application/pdf", "JVBERi0xLjQK")
}

/// Returns contents of several kinds.
#[tool]
async fn test_multiple_content_types() -> Vec<Content> {
    let text = Content::text("Multiple content types test:");
    let image = Content::image_base64("image/png", PNG);
    vec![text, image, Content::document_base64("a.json", "application/json", "e30=")]
}

/// Fails.
#[tool]
async fn test_error_handling() -> Result<String, ToolError> {
    Err(ToolError::new("test", "This tool intentionally returns an error for testing"))
}

/// Reports its progress.
#[tool]
async fn test_tool_with_progress(context: &ToolContext) -> String {
    for progress in [0, 50, 100] {
        context.progress(json!({"progress": progress, "total": 100}));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    "done".to_owned()
}

static SERVER: OnceLock<ToolServer> = OnceLock::new();

/// Returns all tools but `late`.
pub(crate) fn all_tools() -> ToolSet {
    tools![
        add,
        echo,
        fail,
        crash,
        image,
        structured,
        slow,
        wait,
        die,
        add_tool,
        test_simple_text,
        test_image_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_error_handling,
        test_tool_with_progress
    ]
}

/// Returns the server.
pub(crate) fn server() -> ToolServer {
    let text = ResourceInfo::new("test://static-text", "text").with_mime_type("text/plain");
    let binary = ResourceInfo::new("test://static-binary", "binary").with_mime_type("image/png");
    let broken = ResourceInfo::new("test://broken", "broken");
    let crash = ResourceInfo::new("test://crash", "crash");
    // The conformance suite requires the descriptions, which the protocol does not.
    let prompt = |name: &str| PromptInfo::new(name).with_description("A prompt.");
    let simple = prompt("test_simple_prompt");
    let with_image = prompt("test_prompt_with_image");
    let argument = |name: &str| PromptArgument::new(name).with_required(true);
    let with_arguments = PromptInfo::new("test_prompt_with_arguments")
        .with_description("A prompt with arguments.")
        .with_argument(argument("arg1"))
        .with_argument(argument("arg2"));
    ToolServer::new("chatlas-tools", all_tools())
        .with_version("1.0")
        .with_instructions("Use them.")
        .with_resource(text, || async { Ok("This is the content of the static text resource.") })
        .with_resource(binary, || async { Ok(ResourceData::Base64(PNG.to_owned())) })
        .with_resource(broken, || async {
            Err::<String, _>(ToolError::new("broken", "the disk is gone"))
        })
        .with_resource(crash, || async {
            panic!("the function crashed");
            #[allow(unreachable_code)]
            Ok("")
        })
        .with_prompt(simple, |_| async {
            Ok(vec![Turn::user("This is a simple prompt for testing.")])
        })
        .with_prompt(with_image, |_| async {
            let image = Content::image_base64("image/png", PNG);
            Ok(vec![Turn::User(UserTurn::new([image, Content::text("Analyze this image.")]))])
        })
        .with_prompt(with_arguments, |arguments| async move {
            let argument = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
            let (first, second) = (argument("arg1"), argument("arg2"));
            let text = format!("Prompt with arguments: arg1='{first}', arg2='{second}'");
            Ok(vec![Turn::user(text)])
        })
}

/// Serves over standard input and output, or over HTTP at a port.
pub(crate) async fn serve(port: Option<u16>) -> std::io::Result<()> {
    let server = SERVER.get_or_init(server).clone();
    let Some(port) = port else { return server.serve_stdio().await };
    let app = axum::Router::new().nest_service("/mcp", server.http_service());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, app).await
}

#[tokio::main(flavor = "current_thread")]
#[allow(dead_code)]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(2).and_then(|port| port.parse().ok());
    serve(port).await
}
