//! The same work through `async-openai`.

use std::hint::black_box;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls,
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestToolMessage,
    ChatCompletionRequestUserMessage, ChatCompletionTool, ChatCompletionTools,
    CreateChatCompletionRequest, FunctionObject,
};
use futures_util::StreamExt as _;
use support::{
    DESCRIPTION, MODEL, PROMPT, SYSTEM, Work, hold_idle, runtime, tool_name, tool_schema, weather,
};

fn main() {
    runtime().block_on(run());
}

async fn run() {
    let work = Work::from_env();
    let config = OpenAIConfig::new().with_api_base(&work.url).with_api_key("test");
    let mut client = Client::with_config(config.clone());
    let tools: Vec<ChatCompletionTools> = (0..work.tools)
        .map(|index| {
            let function = FunctionObject {
                name: tool_name(index),
                description: Some(DESCRIPTION.to_owned()),
                parameters: Some(tool_schema(index)),
                strict: None,
            };
            ChatCompletionTools::Function(ChatCompletionTool { function })
        })
        .collect();
    let mut messages: Vec<ChatCompletionRequestMessage> =
        vec![ChatCompletionRequestSystemMessage::from(SYSTEM).into()];
    for (question, answer) in &work.history {
        messages.push(ChatCompletionRequestUserMessage::from(question.as_str()).into());
        let content = Some(answer.as_str().into());
        messages
            .push(ChatCompletionRequestAssistantMessage { content, ..Default::default() }.into());
    }
    messages.push(ChatCompletionRequestUserMessage::from(PROMPT).into());
    if work.idle > 0 {
        idle(&client, &request(messages, &tools), work.idle).await;
        return;
    }
    for _ in 0..work.turns {
        if work.fresh {
            client = Client::with_config(config.clone());
        }
        turn(&client, messages.clone(), &tools, work.streamed).await;
    }
}

fn request(
    messages: Vec<ChatCompletionRequestMessage>,
    tools: &[ChatCompletionTools],
) -> CreateChatCompletionRequest {
    let tools = Some(tools.to_vec());
    CreateChatCompletionRequest { model: MODEL.to_owned(), messages, tools, ..Default::default() }
}

async fn turn(
    client: &Client<OpenAIConfig>,
    mut messages: Vec<ChatCompletionRequestMessage>,
    tools: &[ChatCompletionTools],
    streams: bool,
) {
    loop {
        let request = request(messages.clone(), tools);
        let calls = if streams {
            streamed(client, request).await
        } else {
            let reply = client.chat().create(request).await.expect("a reply");
            let message = reply.choices.into_iter().next().expect("a choice").message;
            let function = |call| match call {
                ChatCompletionMessageToolCalls::Function(call) => Some(call),
                _ => None,
            };
            black_box(message.content);
            message.tool_calls.unwrap_or_default().into_iter().filter_map(function).collect()
        };
        if calls.is_empty() {
            return;
        }
        let tool_calls = Some(calls.iter().cloned().map(Into::into).collect());
        messages.push(
            ChatCompletionRequestAssistantMessage { tool_calls, ..Default::default() }.into(),
        );
        for call in calls {
            let arguments: serde_json::Value =
                serde_json::from_str(&call.function.arguments).expect("arguments");
            let content = weather(arguments["city"].as_str().expect("a city")).into();
            messages
                .push(ChatCompletionRequestToolMessage { content, tool_call_id: call.id }.into());
        }
    }
}

async fn streamed(
    client: &Client<OpenAIConfig>,
    request: CreateChatCompletionRequest,
) -> Vec<ChatCompletionMessageToolCall> {
    let mut stream = client.chat().create_stream(request).await.expect("a stream");
    let mut text = String::new();
    let mut calls: Vec<ChatCompletionMessageToolCall> = Vec::new();
    while let Some(chunk) = stream.next().await {
        for choice in chunk.expect("a chunk").choices {
            text.push_str(&choice.delta.content.unwrap_or_default());
            for piece in choice.delta.tool_calls.unwrap_or_default() {
                let index = piece.index as usize;
                if calls.len() <= index {
                    calls.resize_with(index + 1, Default::default);
                }
                let call = &mut calls[index];
                if let Some(id) = piece.id {
                    call.id = id;
                }
                if let Some(function) = piece.function {
                    call.function.name.push_str(&function.name.unwrap_or_default());
                    call.function.arguments.push_str(&function.arguments.unwrap_or_default());
                }
            }
        }
    }
    black_box(text);
    calls
}

async fn idle(
    client: &Client<OpenAIConfig>,
    request: &CreateChatCompletionRequest,
    streams: usize,
) {
    hold_idle(streams, |pieces| {
        let (client, request) = (client.clone(), request.clone());
        tokio::spawn(async move {
            let mut stream = client.chat().create_stream(request).await.expect("a stream");
            while let Some(chunk) = stream.next().await {
                let text = |delta: &str| !delta.is_empty();
                let choices = chunk.expect("a chunk").choices;
                if choices.iter().any(|choice| choice.delta.content.as_deref().is_some_and(text)) {
                    pieces.send(()).expect("a receiver");
                }
            }
        });
    })
    .await
}
