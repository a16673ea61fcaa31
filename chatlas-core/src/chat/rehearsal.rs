//! A run of a chat with given replies, for the benchmarks: the work of the loop is done already, so
//! that what is measured is its telemetry.

use std::future::ready;
use std::sync::Arc;

use opentelemetry::Context;
use serde_json::Value;

use super::chat::Chat;
use super::error::ChatError;
use super::run::agent_failure;
use crate::provider::{ChatRequest, Completion, ProviderError};
use crate::telemetry::agent::{AgentFacts, AgentSpan};
use crate::telemetry::tool::{Subject, ToolFacts, ToolSpan};
use crate::telemetry::traced::traced_chat;
use crate::telemetry::{Run, carries, in_context};
use crate::tool::{BoxFuture, ToolOutput};

/// Runs `chat` with these replies, one model call for each, and a tool call for each tool request in
/// them. If `telemetry` is false, only the work is done.
pub async fn rehearse<const N: usize>(
    chat: &Chat,
    replies: [Completion; N],
    telemetry: bool,
) -> Option<Completion> {
    let mut replies = replies.into_iter();
    if !telemetry {
        return run_bare(chat, &mut replies).await;
    }
    let parent = Context::current();
    let run = Run::for_chat(&chat.settings, &chat.message_cache);
    let facts = || AgentFacts {
        info: chat.provider.info(),
        name: chat.name.as_ref(),
        description: chat.description.as_ref(),
        conversation_id: chat.conversation_id.as_ref(),
        params: &chat.params,
        json: false,
    };
    let mut span = AgentSpan::start(&run, &parent, facts);
    let context = span.context().cloned().or_else(|| carries(&parent).then_some(parent));
    span.record_input(None, &chat.turns, &Arc::default(), &[]);
    let result = match &context {
        Some(context) => {
            let calls = Box::pin(run_calls(chat, &mut replies, &run, &mut span));
            in_context(Some(context), calls).await
        }
        None => run_calls(chat, &mut replies, &run, &mut span).await,
    };
    span.finish(result.as_ref().err().map(agent_failure));
    result.ok().flatten()
}

async fn run_calls(
    chat: &Chat,
    replies: &mut impl Iterator<Item = Completion>,
    run: &Run,
    span: &mut AgentSpan,
) -> Result<Option<Completion>, ChatError> {
    let info = chat.provider.info();
    let mut last = None;
    for reply in replies {
        span.begin_model_call();
        let request = request(chat, Some(run));
        let reply = traced_chat(info, request, move |_| ready(Ok(reply))).await?;
        span.record_reply(&reply);
        for call in reply.tool_requests() {
            let tool = chat.tools.get(&call.name);
            let facts = || ToolFacts {
                subject: tool
                    .map_or(Subject::Unknown(&call.name), |tool| Subject::Tool(tool.definition())),
                call: Some((&call.id, &call.arguments)),
                agent_name: chat.name.as_ref(),
                conversation_id: chat.conversation_id.as_ref(),
            };
            let tool_span = ToolSpan::start(run, facts);
            let output = in_context(tool_span.context(), call_tool()).await;
            tool_span.finish(Ok(&output));
        }
        last = Some(reply);
    }
    Ok(last)
}

/// Does the same work without telemetry.
async fn run_bare(
    chat: &Chat,
    replies: &mut impl Iterator<Item = Completion>,
) -> Option<Completion> {
    let mut last = None;
    for reply in replies {
        let reply = call_model(request(chat, None), reply).await.ok()?;
        for call in reply.tool_requests() {
            std::hint::black_box(chat.tools.get(&call.name));
            std::hint::black_box(call_tool().await);
        }
        last = Some(reply);
    }
    last
}

/// Returns the reply in a box, as the provider trait does.
fn call_model(
    request: ChatRequest,
    reply: Completion,
) -> BoxFuture<'static, Result<Completion, ProviderError>> {
    let reply = move |_: ChatRequest| ready(Ok(reply));
    Box::pin(reply(request))
}

async fn call_tool() -> ToolOutput {
    ready(ToolOutput::Value(Value::Null)).await
}

fn request(chat: &Chat, run: Option<&Run>) -> ChatRequest {
    ChatRequest {
        run: run.map(Run::extension),
        params: Arc::clone(&chat.params),
        conversation_id: chat.conversation_id.clone(),
        ..ChatRequest::default()
    }
}
