//! The same work through `genai`, over Chat Completions.

use std::hint::black_box;

use futures_util::StreamExt as _;
use genai::adapter::AdapterKind;
use genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, Tool, ToolCall, ToolResponse,
};
use genai::resolver::{AuthData, Endpoint, Error, ServiceTargetResolver};
use genai::{Client, ModelIden, ServiceTarget};
use support::{
    DESCRIPTION, MODEL, PROMPT, SYSTEM, Work, hold_idle, runtime, tool_name, tool_schema, weather,
};

fn main() {
    runtime().block_on(run());
}

fn client(url: &str) -> Client {
    let url = format!("{url}/");
    let resolver = ServiceTargetResolver::from_resolver_fn(
        move |target: ServiceTarget| -> Result<ServiceTarget, Error> {
            Ok(ServiceTarget {
                endpoint: Endpoint::from_owned(url.clone()),
                auth: AuthData::from_single("test"),
                model: ModelIden::new(AdapterKind::OpenAI, target.model.model_name),
            })
        },
    );
    Client::builder().with_service_target_resolver(resolver).build().expect("a client")
}

async fn run() {
    let work = Work::from_env();
    let mut client = client(&work.url);
    let tools: Vec<Tool> = (0..work.tools)
        .map(|index| {
            Tool::new(tool_name(index))
                .with_description(DESCRIPTION)
                .with_schema(tool_schema(index))
        })
        .collect();
    let mut messages = Vec::new();
    for (question, answer) in &work.history {
        messages.extend([
            ChatMessage::user(question.as_str()),
            ChatMessage::assistant(answer.as_str()),
        ]);
    }
    messages.push(ChatMessage::user(PROMPT));
    let request = ChatRequest::new(messages).with_system(SYSTEM).with_tools(tools);
    // The options collect the tool calls of a stream.
    let options = ChatOptions::default()
        .with_capture_usage(true)
        .with_capture_content(true)
        .with_capture_tool_calls(true);
    if work.idle > 0 {
        return idle(&client, &request, &options, work.idle).await;
    }
    for _ in 0..work.turns {
        if work.fresh {
            client = self::client(&work.url);
        }
        turn(&client, request.clone(), &options, work.streamed).await;
    }
}

async fn turn(client: &Client, mut request: ChatRequest, options: &ChatOptions, streams: bool) {
    loop {
        let calls = if streams {
            streamed(client, request.clone(), options).await
        } else {
            let reply = client.exec_chat(MODEL, request.clone(), Some(options)).await;
            black_box(reply.expect("a reply")).into_tool_calls()
        };
        if calls.is_empty() {
            return;
        }
        request = request.append_message(ChatMessage::from(calls.clone()));
        for call in calls {
            let result = weather(call.fn_arguments["city"].as_str().expect("a city"));
            request = request.append_message(ToolResponse::new(call.call_id, result));
        }
    }
}

async fn streamed(client: &Client, request: ChatRequest, options: &ChatOptions) -> Vec<ToolCall> {
    let reply = client.exec_chat_stream(MODEL, request, Some(options)).await;
    let mut stream = reply.expect("a stream").stream;
    let mut calls = Vec::new();
    while let Some(event) = stream.next().await {
        match event.expect("an event") {
            ChatStreamEvent::Chunk(chunk) => _ = black_box(chunk.content),
            ChatStreamEvent::End(end) => calls = end.captured_into_tool_calls().unwrap_or_default(),
            _ => {}
        }
    }
    calls
}

async fn idle(client: &Client, request: &ChatRequest, options: &ChatOptions, streams: usize) {
    hold_idle(streams, |pieces| {
        let (client, request, options) = (client.clone(), request.clone(), options.clone());
        tokio::spawn(async move {
            let reply = client.exec_chat_stream(MODEL, request, Some(&options)).await;
            let mut stream = reply.expect("a stream").stream;
            while let Some(event) = stream.next().await {
                if let Ok(ChatStreamEvent::Chunk(chunk)) = event
                    && !chunk.content.is_empty()
                {
                    pieces.send(()).expect("a receiver");
                }
            }
        });
    })
    .await
}
