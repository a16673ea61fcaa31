//! The code that the benchmarks measure: a run of four spans (`invoke_agent`, two `chat`, one
//! `execute_tool`), recorded by chatlas and by a program that uses `tracing`; single calls with and
//! without a span; and a complete conversation.

// Each benchmark uses a part of this module. The measured futures are always ready.
#![allow(dead_code, unreachable_pub, clippy::unused_async, clippy::inline_always)]

use std::future::ready;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use chatlas::__private::{async_trait, rehearse};
use chatlas::content::ToolRequest;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::tool::DynTool;
use chatlas::{AssistantTurn, ChatRequest, Completion, FinishReason, ProviderError, ProviderInfo};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter};
use serde_json::json;
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};

/// Returns the output of a future that is ready at its first poll. The future is polled in place, as
/// `.await` does, so that moving it is not measured.
#[inline(always)]
pub fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}

/// A provider that returns fixed replies.
pub struct Canned {
    info: ProviderInfo,
    replies: [Completion; 2],
}

impl Canned {
    pub fn new() -> Self {
        let info =
            ProviderInfo::new("openai").with_model("gpt-4o").with_server("api.openai.com", 443);
        Self { info, replies: replies() }
    }

    fn reply(&self, request: &ChatRequest) -> Completion {
        let has_tool_result = matches!(
            request.turns.last().map(|turn| turn.contents()),
            Some([chatlas::Content::ToolResult(_), ..])
        );
        self.replies[usize::from(has_tool_result)].clone()
    }
}

#[provider]
impl Provider for Canned {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(self.reply(&request))
    }
}

/// The trait of a provider without telemetry.
#[async_trait]
pub trait Bare {
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError>;
}

#[async_trait]
impl Bare for Canned {
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        Ok(self.reply(&request))
    }
}

/// A provider that returns an empty reply, so that a call without telemetry costs almost nothing.
pub struct Quiet(ProviderInfo);

impl Quiet {
    pub fn new() -> Self {
        Self(Canned::new().info)
    }
}

#[provider]
impl Provider for Quiet {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        black_box(&request);
        Ok(Completion::default())
    }
}

#[async_trait]
impl Bare for Quiet {
    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        black_box(&request);
        Ok(Completion::default())
    }
}

/// Get the current weather forecast for a city.
#[tool]
pub async fn get_weather(days: u64) -> u64 {
    black_box(days + 1)
}

/// [`get_weather`] without telemetry.
pub async fn get_weather_bare(days: u64) -> u64 {
    black_box(days + 1)
}

/// Returns two replies: a tool request and an answer.
pub fn replies() -> [Completion; 2] {
    let request = ToolRequest::new("call_1", "get_weather", json!({"days": 3}));
    let reply = |content, reason, id| {
        AssistantTurn::new([content])
            .with_usage(Usage::new(120, 14))
            .with_finish_reason(reason)
            .with_response_id(id)
            .with_model("gpt-4o-2024-08-06")
    };
    [
        reply(chatlas::Content::ToolRequest(request), FinishReason::ToolCall, "resp_1"),
        reply(chatlas::Content::text("Take an umbrella."), FinishReason::Stop, "resp_2"),
    ]
}

/// Returns a reply with that many tool requests.
pub fn tool_requests(calls: usize) -> [Completion; 1] {
    let [mut reply, _] = replies();
    reply.contents = std::iter::repeat_n(reply.contents.swap_remove(0), calls).collect();
    [reply]
}

/// Returns `N` replies without tool requests.
pub fn answers<const N: usize>() -> [Completion; N] {
    std::array::from_fn(|_| {
        let [_, answer] = replies();
        answer
    })
}

pub fn chat() -> Chat {
    Chat::new(Canned::new())
        .with_name("travel")
        .with_conversation_id("conv-1")
        .with_temperature(0.5)
        .with_tools(tools![get_weather])
}

/// Returns a chat and the turns of that many exchanges.
pub fn long_chat(exchanges: usize, capture: Capture) -> (Chat, Vec<Arc<Turn>>) {
    let turns = (0..exchanges).flat_map(|n| {
        let question = format!("Question {n}: what should I pack for a week in the mountains?");
        let answer =
            format!("Answer {n}: something warm, something dry, and boots. {}", "x".repeat(60));
        [Arc::new(Turn::user(question)), Arc::new(Turn::assistant(answer))]
    });
    (chat().with_capture(capture).with_capture_limit(1 << 20), turns.collect())
}

/// Sends one more prompt after those turns.
pub fn send_prompt(chat: &mut Chat, turns: &[Arc<Turn>]) {
    chat.set_turns(turns.iter().cloned());
    done(chat.chat("And now?")).expect("an answer");
}

/// Returns a chat with a history of that many turns, with capture and its default limit.
pub fn captured_chat(turns: usize) -> Chat {
    let (_, history) = long_chat(turns / 2, Capture::Spans);
    chat().with_capture(Capture::Spans).with_turns(history)
}

/// Sends one more prompt.
pub fn send_one(chat: &mut Chat) {
    done(chat.chat("And now?")).expect("an answer");
}

/// Drops all turns but the last `window`, and sends one more prompt.
pub fn send_in_window(chat: &mut Chat, window: usize) {
    let turns = chat.turns();
    let kept = turns[turns.len().saturating_sub(window)..].to_vec();
    chat.set_turns(kept);
    send_one(chat);
}

/// Sends a prompt of that many bytes, without earlier turns.
pub fn send_large(chat: &mut Chat, prompt: String) {
    chat.set_turns::<Turn>([]);
    done(chat.chat(prompt)).expect("an answer");
}

/// Returns that many tools.
pub fn many_tools(count: usize) -> Vec<DynTool> {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let run = async |_| Ok::<_, ToolError>("done");
    let tool = |index| DynTool::new(format!("tool_{index}"), "Does it.", schema.clone(), run);
    (0..count).map(|index| tool(index).expect("a tool")).collect()
}

/// Runs a chat with these replies, with or without telemetry.
pub fn run<const N: usize>(
    chat: &Chat,
    replies: [Completion; N],
    telemetry: bool,
) -> Option<Completion> {
    done(rehearse(chat, replies, telemetry))
}

/// Does the same run with `tracing`: the same spans with the same attributes.
pub fn traced_run(replies: [Completion; 2]) -> Option<Completion> {
    let agent = info_span!(
        "invoke_agent",
        otel.name = "invoke_agent travel",
        otel.kind = "internal",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.provider.name = "openai",
        gen_ai.request.model = "gpt-4o",
        gen_ai.agent.name = "travel",
        gen_ai.conversation.id = "conv-1",
        gen_ai.request.temperature = 0.5,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
    );
    let calls = async {
        let mut last = None;
        for reply in replies {
            let call = info_span!(
                "chat",
                otel.name = "chat gpt-4o",
                otel.kind = "client",
                gen_ai.operation.name = "chat",
                gen_ai.provider.name = "openai",
                gen_ai.request.model = "gpt-4o",
                server.address = "api.openai.com",
                server.port = 443,
                gen_ai.conversation.id = "conv-1",
                gen_ai.request.temperature = 0.5,
                gen_ai.response.id = Empty,
                gen_ai.response.model = Empty,
                gen_ai.response.finish_reasons = Empty,
                gen_ai.usage.input_tokens = Empty,
                gen_ai.usage.output_tokens = Empty,
            );
            let reply = ready(reply).instrument(call.clone()).await;
            call.record("gen_ai.response.id", reply.response_id.as_deref());
            call.record("gen_ai.response.model", reply.model.as_deref());
            call.record("gen_ai.response.finish_reasons", reason(&reply));
            call.record("gen_ai.usage.input_tokens", reply.usage.input_tokens);
            call.record("gen_ai.usage.output_tokens", reply.usage.output_tokens);
            drop(call);
            for request in reply.tool_requests() {
                let tool = info_span!(
                    "execute_tool",
                    otel.name = "execute_tool get_weather",
                    otel.kind = "internal",
                    gen_ai.operation.name = "execute_tool",
                    gen_ai.tool.name = "get_weather",
                    gen_ai.tool.type = "function",
                    gen_ai.tool.description = "Get the current weather forecast for a city.",
                    gen_ai.agent.name = "travel",
                    gen_ai.conversation.id = "conv-1",
                    gen_ai.tool.call.id = request.id,
                );
                ready(()).instrument(tool).await;
            }
            last = Some(reply);
        }
        last
    };
    let last = done(calls.instrument(agent.clone()));
    agent.record("gen_ai.response.finish_reasons", last.as_ref().map(reason));
    agent.record("gen_ai.usage.input_tokens", 240);
    agent.record("gen_ai.usage.output_tokens", 28);
    last
}

fn reason(reply: &Completion) -> &str {
    reply.finish_reason.as_ref().map_or("error", FinishReason::as_str)
}

/// An exporter that discards all spans.
#[derive(Debug)]
pub struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

/// Returns the SDK as programs use it in production: with the batch processor.
pub fn batching() -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(Discard).build())
        .build()
}
