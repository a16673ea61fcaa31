//! The conversation with the crate `genai`. Its feature `otel` records the `chat` spans, and the helpers
//! from its documentation record the others.

mod telemetry;

use futures::StreamExt as _;
use genai::adapter::AdapterKind;
use genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, Tool, ToolCall, ToolResponse,
};
use genai::otel::agent::{self, AgentSpan, ExecuteToolSpan};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ModelIden, ServiceTarget};
use telemetry::setting;
use tracing::Instrument as _;

const DESCRIPTION: &str = "Get the current weather in a city.";

#[tracing::instrument(skip_all)]
async fn fetch_forecast(city: &str) -> std::io::Result<String> {
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    if setting("PEERS_SCENARIO") == "tool_fails" {
        return Err(std::io::Error::other(setting("PEERS_TOOL_ERROR")));
    }
    Ok(format!("{city}: {}", setting("PEERS_RESULT")))
}

async fn execute(call: &ToolCall) -> String {
    let span = ExecuteToolSpan::new(call.fn_name.clone())
        .with_call_id(call.call_id.clone())
        .with_tool_type("function")
        .with_description(DESCRIPTION)
        .with_arguments(call.fn_arguments.to_string())
        .start();
    let city = call.fn_arguments["city"].as_str().unwrap_or_default();
    match fetch_forecast(city).instrument(span.clone()).await {
        Ok(result) => {
            ExecuteToolSpan::record_result(&span, &result);
            result
        }
        Err(error) => {
            agent::set_error(&span, "std::io::Error");
            error.to_string()
        }
    }
}

fn client() -> genai::Result<Client> {
    let resolver = ServiceTargetResolver::from_resolver_fn(
        |target: ServiceTarget| -> Result<ServiceTarget, genai::resolver::Error> {
            let kind = match setting("PEERS_API").as_str() {
                "responses" => AdapterKind::OpenAIResp,
                _ => AdapterKind::OpenAI,
            };
            Ok(ServiceTarget {
                endpoint: Endpoint::from_owned(format!("{}/", setting("OPENAI_BASE_URL"))),
                auth: AuthData::from_env("OPENAI_API_KEY"),
                model: ModelIden::new(kind, target.model.model_name),
            })
        },
    );
    Client::builder().with_service_target_resolver(resolver).build()
}

async fn converse() -> genai::Result<()> {
    let (client, model, scenario) = (client()?, setting("PEERS_MODEL"), setting("PEERS_SCENARIO"));
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
    });
    let tool = Tool::new("get_weather").with_description(DESCRIPTION).with_schema(schema);
    let options = ChatOptions::default()
        .with_temperature(0.5)
        .with_max_tokens(256)
        .with_capture_usage(true)
        .with_capture_content(true)
        .with_capture_tool_calls(true);
    let mut request = ChatRequest::new(vec![ChatMessage::user(setting("PEERS_PROMPT"))])
        .with_system(setting("PEERS_SYSTEM"))
        .with_tools(vec![tool]);
    loop {
        let calls: Vec<ToolCall> = if ["streamed", "torn", "dropped"].contains(&scenario.as_str()) {
            let answer = client.exec_chat_stream(&model, request.clone(), Some(&options)).await?;
            let mut stream = answer.stream;
            let mut calls = Vec::new();
            while let Some(event) = stream.next().await {
                match event? {
                    ChatStreamEvent::Chunk(chunk) => {
                        print!("{}", chunk.content);
                        if scenario == "dropped" && !chunk.content.is_empty() {
                            return Ok(());
                        }
                    }
                    ChatStreamEvent::End(end) => {
                        calls = end.captured_into_tool_calls().unwrap_or_default();
                    }
                    _ => {}
                }
            }
            calls
        } else {
            client.exec_chat(&model, request.clone(), Some(&options)).await?.into_tool_calls()
        };
        if calls.is_empty() {
            return Ok(());
        }
        request = request.append_message(ChatMessage::from(calls.clone()));
        for call in calls {
            let result = execute(&call).await;
            request = request.append_message(ToolResponse::new(call.call_id, result));
        }
    }
}

#[tokio::main]
async fn main() {
    let provider = telemetry::install();
    let span = AgentSpan::invoke_agent()
        .internal()
        .with_name("concierge")
        .with_model(setting("PEERS_MODEL"))
        .start();
    if let Err(error) = converse().instrument(span.clone()).await {
        agent::set_genai_error(&span, &error);
        println!("failed: {error}");
    }
    drop(span);
    provider.shutdown().expect("spans are sent");
}
