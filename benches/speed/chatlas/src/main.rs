//! The same work through chatlas. `TELEMETRY` is `off`, `sdk` (batches that are discarded),
//! `capture` (the same with message content), `signals` (all signals, discarded), `bytes` and
//! `bytes-content` (batches whose size is printed), `console`, `file` or `html`.

mod exporters;

use std::hint::black_box;
use std::sync::Arc;

use chatlas::otel::Telemetry;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::tool::DynTool;
use chatlas::{Anthropic, Gemini, OpenAi, OpenAiCompletions, ToolSet, Turn};
use exporters::{Bytes, Discard, DiscardMetrics, DiscardRecords};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanExporter};
use support::{
    DESCRIPTION, MODEL, PROMPT, SYSTEM, Work, hold_idle, runtime, text, tool_name, tool_schema,
    weather,
};

/// Returns the weather of a city for the next days.
#[tool]
async fn get_weather(city: String) -> String {
    weather(&city)
}

fn main() {
    let kind = text("TELEMETRY", "off");
    let capture = matches!(kind.as_str(), "capture" | "bytes-content");
    let path = text("OUTPUT", "/dev/null");
    let telemetry = Telemetry::new();
    let telemetry = match kind.as_str() {
        "console" => {
            let output = std::fs::File::create(&path).expect("a file");
            Some(telemetry.with_console().with_writer(output))
        }
        "file" => Some(telemetry.with_file(&path)),
        "html" => Some(telemetry.with_html(&path)),
        // What a file receives, discarded.
        "signals" => Some(
            telemetry
                .with_span_exporter(Discard)
                .with_log_processor(DiscardRecords)
                .with_metric_exporter(DiscardMetrics),
        ),
        _ => None,
    };
    let guard = telemetry.map(|telemetry| telemetry.install().expect("an SDK"));
    let sent = Bytes::default();
    let sdk = match kind.as_str() {
        "sdk" | "capture" => Some(batching(Discard)),
        "bytes" | "bytes-content" => Some(batching(sent.clone())),
        _ => None,
    };
    runtime().block_on(run(capture));
    if let Some(provider) = sdk {
        provider.shutdown().expect("the spans are exported");
    }
    if let Some(guard) = guard {
        guard.shutdown().expect("the spans are written");
    }
    if kind.starts_with("bytes") {
        println!("{sent}");
    }
}

fn batching(exporter: impl SpanExporter + 'static) -> SdkTracerProvider {
    let batches = BatchSpanProcessor::builder(exporter).build();
    let provider = SdkTracerProvider::builder().with_span_processor(batches).build();
    opentelemetry::global::set_tracer_provider(provider.clone());
    provider
}

fn chat(work: &Work) -> Chat {
    let url = work.url.as_str();
    match text("API", "completions").as_str() {
        "responses" => Chat::new(OpenAi::new(MODEL).with_base_url(url).with_api_key("test")),
        "messages" => {
            // The dialect appends the version to the root of the server.
            let root = url.trim_end_matches("/v1");
            Chat::new(Anthropic::new("claude-sonnet-4-5").with_base_url(root).with_api_key("test"))
        }
        "gemini" => {
            Chat::new(Gemini::new("gemini-2.5-flash").with_base_url(url).with_api_key("test"))
        }
        _ => Chat::new(OpenAiCompletions::new(MODEL).with_base_url(url).with_api_key("test")),
    }
}

async fn run(capture: bool) {
    let work = Work::from_env();
    let run = async |_| Ok::<_, ToolError>("done");
    let tools: ToolSet = (1..work.tools)
        .map(|index| {
            DynTool::new(tool_name(index), DESCRIPTION, tool_schema(index), run).expect("a tool")
        })
        .collect();
    let mut all = tools![get_weather];
    all.merge(tools).expect("distinct names");
    let history: Vec<Arc<Turn>> = work
        .history
        .iter()
        .flat_map(|(question, answer)| [Turn::user(question), Turn::assistant(answer)])
        .map(Arc::new)
        .collect();
    let prepared = |chat: Chat| {
        let chat = chat.with_system_prompt(SYSTEM).with_tools(all.clone());
        if capture { chat.with_capture(Capture::Spans) } else { chat }
    };
    let mut chat = prepared(self::chat(&work));
    if work.idle > 0 {
        return idle(&chat, work.idle).await;
    }
    for _ in 0..work.turns {
        if work.fresh {
            chat = prepared(self::chat(&work));
        }
        chat.set_turns(history.iter().cloned());
        if work.streamed {
            let mut stream = chat.stream(PROMPT);
            while let Some(event) = stream.next().await {
                if let StreamEvent::Text(text) = event.expect("an event") {
                    black_box(text);
                }
            }
        } else {
            black_box(chat.chat(PROMPT).await.expect("a reply"));
        }
    }
}

async fn idle(chat: &Chat, streams: usize) {
    hold_idle(streams, |pieces| {
        let mut chat = chat.clone();
        tokio::spawn(async move {
            let mut stream = chat.stream(PROMPT);
            while let Some(event) = stream.next().await {
                if let Ok(StreamEvent::Text(_)) = event {
                    pieces.send(()).expect("a receiver");
                }
            }
        });
    })
    .await
}
