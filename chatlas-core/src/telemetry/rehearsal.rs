//! The telemetry of a run without the run: the calls that the loop makes, in their order, around
//! work that is done already. The benchmarks measure what telemetry costs by it.

use std::future::ready;

use opentelemetry::Context;
use serde_json::Value;

use super::agent::AgentSpan;
use super::inference::traced_chat;
use super::tool::{Facts, Subject, ToolSpan};
use super::{Run, carries, in_context};
use crate::chat::{Chat, ChatError};
use crate::provider::{ChatRequest, Completion, ProviderError};
use crate::tool::{BoxFuture, ToolOutput};

/// A run of `chat` with those replies: a tool call for each request in them. `telemetry` is what
/// this is about: without it only the work is done.
pub async fn rehearse<const N: usize>(
    chat: &Chat,
    replies: [Completion; N],
    telemetry: bool,
) -> Option<Completion> {
    let mut replies = replies.into_iter();
    if !telemetry {
        return bare(chat, &mut replies).await;
    }
    let parent = Context::current();
    let run = Run::of_chat(chat.telemetry_settings(), chat.telemetry_written());
    let mut span = AgentSpan::start(&run, &parent, chat, false);
    let context = span.context().cloned().or_else(|| carries(&parent).then_some(parent));
    span.input(None, chat.turns(), &[], &[]);
    let result = match &context {
        Some(context) => {
            let talking = Box::pin(talk(chat, &mut replies, &run, &mut span));
            in_context(Some(context), talking).await
        }
        None => talk(chat, &mut replies, &run, &mut span).await,
    };
    span.finish(&result);
    result.ok().flatten()
}

async fn talk(
    chat: &Chat,
    replies: &mut impl Iterator<Item = Completion>,
    run: &Run,
    span: &mut AgentSpan,
) -> Result<Option<Completion>, ChatError> {
    let info = chat.provider().info();
    let mut last = None;
    for reply in replies {
        span.asks();
        let request = request(chat, Some(run.clone()));
        let reply = traced_chat(info, request, move |_| ready(Ok(reply))).await?;
        span.count(&reply.usage, &reply);
        for asked in reply.tool_requests() {
            let tool = chat.tool_set().get(&asked.name);
            let facts = || Facts {
                subject: tool
                    .map_or(Subject::Unknown(&asked.name), |tool| Subject::Tool(tool.definition())),
                call: Some((&asked.id, &asked.arguments)),
                agent_name: chat.agent_name(),
                conversation_id: chat.conversation(),
            };
            let tool = ToolSpan::start(run, facts);
            let output = in_context(tool.context(), work()).await;
            tool.finish(Ok(Some(&output)));
        }
        last = Some(reply);
    }
    Ok(last)
}

/// The work alone.
async fn bare(chat: &Chat, replies: &mut impl Iterator<Item = Completion>) -> Option<Completion> {
    let mut last = None;
    for reply in replies {
        let reply = ask(request(chat, None), reply).await.ok()?;
        for asked in reply.tool_requests() {
            std::hint::black_box(chat.tool_set().get(&asked.name));
            std::hint::black_box(work().await);
        }
        last = Some(reply);
    }
    last
}

/// A provider's answer, in the box in which the trait hands it over.
fn ask(
    request: ChatRequest,
    reply: Completion,
) -> BoxFuture<'static, Result<Completion, ProviderError>> {
    let answer = move |_: ChatRequest| ready(Ok(reply));
    Box::pin(answer(request))
}

async fn work() -> ToolOutput {
    ready(ToolOutput::Value(Value::Null)).await
}

fn request(chat: &Chat, run: Option<Run>) -> ChatRequest {
    ChatRequest {
        run: run.map(|run| run.extension()),
        params: chat.shared_params(),
        conversation_id: chat.conversation().cloned(),
        ..ChatRequest::default()
    }
}
