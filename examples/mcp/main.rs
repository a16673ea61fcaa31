//! A chat with the tools of two MCP servers. Prints the answer and the trace.
//!
//!     cargo run -p chatlas-mcp-example --example mcp
//!
//! Both servers are this program, started again: `mcp rates` serves over standard input and output,
//! `mcp trips` over HTTP. If `OTEL_EXPORTER_OTLP_ENDPOINT` is set, all three processes export to it, and
//! the spans of the servers are in the trace of the chat: each request carries its `traceparent`.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use chatlas::mcp::{McpEndpoint, McpServer, PromptInfo, ResourceData, ResourceInfo, ToolServer};
use chatlas::otel::Telemetry;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Script};
use chatlas::workflow;
use serde_json::{Map, json};

/// Converts an amount between currencies.
#[tool(read_only)]
fn convert(amount: f64, from: String, to: String) -> String {
    let rate = if (from.as_str(), to.as_str()) == ("EUR", "JPY") { 162.0 } else { 1.0 };
    format!("{amount} {from} = {} {to}", amount * rate)
}

/// Deletes all rates. The client's filter hides this tool from the model.
#[tool(destructive)]
fn reset() -> &'static str {
    "deleted"
}

/// Searches trips.
#[tool(read_only)]
fn search(city: String) -> String {
    format!("A ryokan in {city} for 120 EUR a night.")
}

/// Serves one client over standard input and output.
async fn serve_rates() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::new().with_env().with_service_name("rates").install()?;
    ToolServer::new("rates", tools![convert, reset]).serve_stdio().await?;
    telemetry.shutdown()?;
    Ok(())
}

/// Serves over HTTP at a free port until standard input is closed. Writes the URL to standard output.
async fn serve_trips() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::new().with_env().with_service_name("trips").install()?;
    let policy = ResourceInfo::new("trips://policy", "policy").with_mime_type("text/plain");
    let server = ToolServer::new("trips", tools![search])
        .with_resource(policy, || async { Ok("Name the price in yen.") })
        .with_prompt(PromptInfo::new("trip"), |_| async {
            Ok(vec![Turn::user("What does a night in Kyoto cost?")])
        });
    let app = axum::Router::new().nest_service("/mcp", server.http_service());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}/mcp", listener.local_addr()?);
    let stopped = async move {
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
        server.close();
    };
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    telemetry.shutdown()?;
    Ok(())
}

/// Starts the server over HTTP, and returns its process and its URL.
fn start_trips() -> Result<(Child, String), Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("trips").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut url = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut url)?;
    }
    Ok((child, url.trim().to_owned()))
}

/// Plans a trip with the tools of both servers.
#[workflow]
async fn plan(trips_url: &str) -> Result<Reply, Box<dyn Error>> {
    let mut this_program = Command::new(std::env::current_exe()?);
    let rates = McpEndpoint::from(this_program.arg("rates"))
        .with_tool_prefix("rates_")
        .with_tool_filter(|tool| tool.name != "reset");
    let rates = McpServer::connect(rates).await?;
    let trips = McpEndpoint::from(trips_url).with_tool_prefix("trips_");
    let trips = McpServer::connect(trips).await?;

    let mut tools = rates.tools();
    tools.merge(trips.tools())?;
    let contents = trips.read_resource("trips://policy").await?;
    let policy = match contents.first().map(|contents| &contents.data) {
        Some(ResourceData::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let prompt = trips.prompt("trip", Map::new()).await?;
    let prompt = prompt.first().map(Turn::text).unwrap_or_default();

    let mut chat =
        Chat::new(model()).with_name("planner").with_system_prompt(policy).with_tools(tools);
    let reply = chat.chat(prompt).await?;
    rates.close().await;
    trips.close().await;
    Ok(reply)
}

fn model() -> Script {
    Script::new()
        .then(Answer::calls("trips_search", json!({"city": "Kyoto"})).with_tokens(60, 11))
        .then(
            Answer::calls("rates_convert", json!({"amount": 120, "from": "EUR", "to": "JPY"}))
                .with_tokens(95, 18),
        )
        .then(Answer::says("A night costs about 19440 JPY.").with_tokens(130, 9))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("rates") => return serve_rates().await,
        Some("trips") => return serve_trips().await,
        _ => {}
    }
    let telemetry = Telemetry::new().with_console().with_env().install()?;
    let (mut trips, url) = start_trips()?;
    println!("{}", plan(&url).await?);
    // The server ends when its standard input is closed.
    drop(trips.stdin.take());
    trips.wait()?;
    telemetry.shutdown()?;
    Ok(())
}
