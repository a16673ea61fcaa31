//! Connects to an MCP server and calls its tools: `mcp_client http://localhost:8000/mcp`, or
//! `mcp_client npx -y @modelcontextprotocol/server-everything`.
//!
//! Each tool whose required arguments are numbers or strings is called once.

use std::process::Command;

use chatlas::mcp::{McpEndpoint, McpServer};
use serde_json::{Map, Value, json};

/// Returns arguments that fit a simple schema.
fn arguments(schema: &Value) -> Option<Value> {
    let mut arguments = Map::new();
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str()?;
        let value = match schema["properties"][name]["type"].as_str()? {
            "number" | "integer" => json!(2),
            "string" => json!("text"),
            _ => return None,
        };
        arguments.insert(name.to_owned(), value);
    }
    Some(Value::Object(arguments))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let endpoint = match words.split_first() {
        Some((url, [])) if url.starts_with("http") => McpEndpoint::from(url.as_str()),
        Some((program, rest)) => McpEndpoint::from(Command::new(program).args(rest)),
        None => return Err("usage: mcp_client URL, or mcp_client PROGRAM [ARGUMENT…]".into()),
    };
    let server = McpServer::connect(endpoint).await?;
    println!("{:?}", server.info());
    for tool in server.tools().iter() {
        let definition = tool.definition();
        let Some(arguments) = arguments(&definition.parameters) else { continue };
        match server.call_tool(&definition.name, arguments).await {
            Ok(output) => println!("{}: {output:?}", definition.name),
            Err(error) => println!("{}: failed: {error}", definition.name),
        }
    }
    server.close().await;
    Ok(())
}
