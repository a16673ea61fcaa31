//! The operations of a hosted agent: `create_agent` and `invoke_agent` spans of the kind client, and
//! their metric. Called by the expansion of `#[hosted_agent]`.
//!
//! The metric is that of other client operations: release 0.1.0 of the conventions has one of its
//! own, whose name is not published here.

use std::future::Future;
use std::sync::Arc;

use opentelemetry::KeyValue;

use super::attributes::{finish_reasons, push, push_params, push_usage};
use super::names::{self, agent, content, operation, request as key};
use super::operation::Operation;
use super::run::Run;
use crate::operations::{AgentInfo, NewAgent};
use crate::provider::{ChatRequest, Completion, ProviderError, ProviderInfo};
use crate::turn::Usage;

/// Calls `create` of a hosted agent inside its span.
pub async fn traced_create_agent<Fut>(
    provider: &ProviderInfo,
    new: NewAgent,
    body: impl FnOnce(NewAgent) -> Fut + Send,
) -> Result<AgentInfo, ProviderError>
where
    Fut: Future<Output = Result<AgentInfo, ProviderError>> + Send,
{
    let model = new.model.clone().or_else(|| provider.model.clone());
    let mut list = of_agent(&new.info);
    push(&mut list, key::MODEL, model);
    let span = Operation::start_agent(
        Run::for_single_call(),
        provider,
        (operation::CREATE_AGENT, new.info.name.as_deref()),
        list,
    );
    if let Some((live, scope)) = span.recording_content()
        && let Some(instructions) = &new.instructions
    {
        let text = live.writer.system_instructions(instructions);
        scope.set_content(content::SYSTEM_INSTRUCTIONS, text);
    }
    let has_id = new.info.id.is_some();
    let created = move |created: &AgentInfo| {
        let mut list = Vec::with_capacity(1);
        push(&mut list, agent::ID, created.id.clone().filter(|_| !has_id));
        list
    };
    span.run(async move { body(new).await }, |_, info| created(info)).await
}

/// Calls `invoke` of a hosted agent inside its span.
pub async fn traced_invoke_agent<Fut>(
    provider: &ProviderInfo,
    info: &AgentInfo,
    request: ChatRequest,
    body: impl FnOnce(ChatRequest) -> Fut + Send,
) -> Result<Completion, ProviderError>
where
    Fut: Future<Output = Result<Completion, ProviderError>> + Send,
{
    let mut list = of_agent(info);
    push(&mut list, key::MODEL, provider.model.clone());
    push(&mut list, names::CONVERSATION_ID, request.conversation_id.clone());
    push_params(&mut list, &request.params, request.output.is_some());
    push(&mut list, key::PREVIOUS_RESPONSE_ID, request.params.previous_response_id.clone());
    let span = Operation::start_agent(
        Run::for_request(&request),
        provider,
        (operation::INVOKE_AGENT, info.name.as_deref()),
        list,
    );
    if let Some((live, scope)) = span.recording_content() {
        let writer = &live.writer;
        if let Some(prompt) = &request.system_prompt {
            scope.set_content(content::SYSTEM_INSTRUCTIONS, writer.system_instructions(prompt));
        }
        scope.set_content(
            content::INPUT_MESSAGES,
            writer.input(&request.turns, &request.tools).text(),
        );
        if let Some(tools) = writer.tool_definitions(&request.tools, &provider.server_tools) {
            scope.set_content(names::tool::DEFINITIONS, tools.to_string());
        }
    }
    let tools = Arc::clone(&request.tools);
    span.run(async move { body(request).await }, |recording, reply| {
        let mut list = vec![finish_reasons(Some(reply))];
        // The conventions list no reasoning tokens for hosted agents.
        push_usage(&mut list, &Usage { reasoning_tokens: None, ..reply.usage });
        if let Some((live, _)) = recording {
            list.push(KeyValue::new(content::OUTPUT_MESSAGES, live.writer.output(reply, &tools)));
        }
        list
    })
    .await
}

fn of_agent(info: &AgentInfo) -> Vec<KeyValue> {
    let mut list = Vec::with_capacity(8);
    push(&mut list, agent::ID, info.id.clone());
    push(&mut list, agent::NAME, info.name.clone());
    push(&mut list, agent::DESCRIPTION, info.description.clone());
    push(&mut list, agent::VERSION, info.version.clone());
    list
}
