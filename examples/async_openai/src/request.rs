//! Converts a request of chatlas to the types of `async-openai`.

use async_openai::types::chat::{
    ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls,
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestToolMessage,
    ChatCompletionRequestUserMessage, ChatCompletionStreamOptions, ChatCompletionTool,
    ChatCompletionTools, CreateChatCompletionRequest, FunctionCall, FunctionObject,
};
use chatlas::content::{ToolRequest, ToolResult};
use chatlas::{
    ChatRequest, Content, ProviderError, ProviderErrorKind, ProviderInfo, ToolDefinition, Turn,
};

/// Converts the conversation, the tools, and two parameters. A complete provider would convert all
/// parameters.
pub(crate) fn to_openai(
    info: &ProviderInfo,
    request: &ChatRequest,
) -> Result<CreateChatCompletionRequest, ProviderError> {
    let mut messages: Vec<ChatCompletionRequestMessage> = Vec::new();
    if let Some(prompt) = &request.system_prompt {
        messages.push(ChatCompletionRequestSystemMessage::from(&**prompt).into());
    }
    for turn in &request.turns {
        match &**turn {
            Turn::User(turn) => {
                for content in &turn.contents {
                    messages.push(user_message(content)?);
                }
            }
            Turn::Assistant(turn) => {
                let calls: Vec<_> = turn.tool_requests().map(tool_call).collect();
                messages.push(
                    ChatCompletionRequestAssistantMessage {
                        content: (!turn.text().is_empty()).then(|| turn.text().into()),
                        tool_calls: (!calls.is_empty()).then_some(calls),
                        ..Default::default()
                    }
                    .into(),
                );
            }
            _ => {}
        }
    }
    let tools: Vec<_> = request.tools.iter().map(tool_definition).collect();
    #[allow(clippy::cast_possible_truncation)] // async-openai uses `f32`
    let temperature = request.params.temperature.map(|temperature| temperature as f32);
    Ok(CreateChatCompletionRequest {
        model: info.model.as_deref().unwrap_or_default().to_owned(),
        messages,
        tools: (!tools.is_empty()).then_some(tools),
        temperature,
        max_completion_tokens: request.params.max_tokens,
        ..Default::default()
    })
}

/// Returns the option without which a stream does not report its token usage.
pub(crate) fn include_usage() -> ChatCompletionStreamOptions {
    ChatCompletionStreamOptions { include_usage: Some(true), include_obfuscation: None }
}

fn user_message(content: &Content) -> Result<ChatCompletionRequestMessage, ProviderError> {
    match content {
        Content::Text(text) => {
            Ok(ChatCompletionRequestUserMessage::from(text.text.as_str()).into())
        }
        Content::ToolResult(result) => Ok(tool_message(result).into()),
        other => Err(ProviderError::new(
            ProviderErrorKind::InvalidRequest,
            format!("this example supports only text and tool results, not {other:?}"),
        )),
    }
}

fn tool_message(result: &ToolResult) -> ChatCompletionRequestToolMessage {
    ChatCompletionRequestToolMessage {
        content: result.outcome.to_model_text().into(),
        tool_call_id: result.id.clone(),
    }
}

fn tool_call(request: &ToolRequest) -> ChatCompletionMessageToolCalls {
    let arguments = match &request.arguments {
        serde_json::Value::String(raw) => raw.clone(),
        other => other.to_string(),
    };
    let function = FunctionCall { name: request.name.clone(), arguments };
    ChatCompletionMessageToolCall { id: request.id.clone(), function }.into()
}

fn tool_definition(tool: &ToolDefinition) -> ChatCompletionTools {
    ChatCompletionTools::Function(ChatCompletionTool {
        function: FunctionObject {
            name: tool.name.to_string(),
            description: Some(tool.description.to_string()),
            parameters: Some((*tool.parameters).clone()),
            strict: None,
        },
    })
}
