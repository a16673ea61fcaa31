//! Metrics of model calls, tools and agents, and the metric names of 2025, which are opt-in.

// Some tools have nothing to wait for; what was added up is exact.
#![allow(clippy::unused_async, clippy::float_cmp)]

use std::time::Duration;

use chatlas::prelude::*;
use chatlas::telemetry::{SEMCONV_OPT_IN, SEMCONV_OPT_IN_VARIABLE};
use chatlas::testing::{Answer, MetricKind, Recorder, Script};
use chatlas::{
    AssistantTurn, ChatRequest, Content, Modalities, ProviderError, ProviderErrorKind,
    ProviderInfo, Usage,
};
use serde_json::{Value, json};

/// Looks something up.
#[tool]
async fn look_up(word: String) -> Result<String, String> {
    if word.is_empty() { Err("nothing".to_owned()) } else { Ok(word) }
}

fn word(word: &str) -> Value {
    json!({"word": word})
}

fn busy() -> ProviderError {
    ProviderError::new(ProviderErrorKind::RateLimit, "no").with_status(429)
}

const COUNTERS: [(&str, u64); 5] = [
    ("gen_ai.client.inference.usage.input_tokens", 110),
    ("gen_ai.client.inference.usage.output_tokens", 55),
    ("gen_ai.client.inference.usage.cache_read.input_tokens", 40),
    ("gen_ai.client.inference.usage.cache_write.input_tokens", 10),
    ("gen_ai.client.inference.usage.reasoning.output_tokens", 20),
];

#[tokio::test]
async fn tokens_are_counted_by_type_and_modality() {
    let trace = Recorder::new();
    let full = Usage::new(100, 50)
        .with_cache_read_tokens(40)
        .with_cache_write_tokens(10)
        .with_reasoning_tokens(20)
        .with_input_by_modality(Modalities::new().with_text(70).with_image(20));
    let model = Script::new().then(Answer::calls("look_up", word("x")).with_usage(full)).says("ok");
    Chat::new(model).with_tools(tools![look_up]).chat("go").await.unwrap();
    for (name, total) in COUNTERS {
        let metric = trace.metric(name);
        assert_eq!((metric.kind(), metric.unit()), (MetricKind::Counter, "{token}"), "{name}");
        assert_eq!(metric.sum(), f64::from(u32::try_from(total).unwrap()), "{name}");
    }
    let input = trace.metric("gen_ai.client.inference.usage.input_tokens");
    let of = |modality: &str| input.filter("gen_ai.token.modality", modality).sum();
    // Tokens without a reported modality are `unknown`; those of a text-only call are `text`.
    assert_eq!((of("text"), of("image"), of("unknown")), (80.0, 20.0, 10.0));
    let per_call = trace.metric("gen_ai.client.inference.operation.input_tokens");
    assert_eq!((per_call.count(), per_call.sum()), (2, 110.0));
    assert!(
        per_call.measurements().iter().all(|m| m.attributes()["gen_ai.token.modality"].is_null())
    );
}

#[tokio::test]
async fn tokens_of_a_call_with_images_have_an_unknown_modality() {
    let trace = Recorder::new();
    let image = Content::image_url("https://a.example/x.png");
    Chat::new(Script::new().says("a cat")).chat([image]).await.unwrap();
    let input = trace.metric("gen_ai.client.inference.usage.input_tokens");
    assert_eq!(input.filter("gen_ai.token.modality", "unknown").sum(), 10.0);
    let output = trace.metric("gen_ai.client.inference.usage.output_tokens");
    assert_eq!(output.filter("gen_ai.token.modality", "text").sum(), 5.0);
}

#[tokio::test]
async fn unreported_tokens_are_not_counted() {
    let trace = Recorder::new();
    let model = Script::new().then(Answer::says("ok").with_usage(Usage::default())).fails(busy());
    let mut chat = Chat::new(model);
    chat.chat("a").await.unwrap();
    chat.chat("b").await.unwrap_err();
    assert!(trace.metrics().iter().all(|metric| !metric.name().contains("tokens")));
    for span in trace.spans() {
        assert!(span.attributes().keys().all(|key| !key.contains("usage")), "{}", span.name());
    }
}

#[tokio::test]
async fn durations_match_the_spans_and_have_the_error_type() {
    let trace = Recorder::new();
    let slow = Answer::says("ok").with_delay(Duration::from_millis(60));
    let model = Script::new().then(slow).fails(busy());
    let mut chat = Chat::new(model).with_name("slow");
    chat.chat("a").await.unwrap();
    chat.chat("b").await.unwrap_err();
    for (metric, operation) in [
        ("gen_ai.client.inference.duration", "chat"),
        ("gen_ai.invoke_agent.duration", "invoke_agent"),
    ] {
        let metric = trace.metric(metric);
        assert_eq!((metric.kind(), metric.unit(), metric.count()), (MetricKind::Histogram, "s", 2));
        assert_eq!(metric.filter("error.type", "429").count(), 1);
        let lasted: f64 = trace
            .spans_with_operation(operation)
            .iter()
            .map(|span| span.data().end_time.duration_since(span.data().start_time).unwrap())
            .map(|time| time.as_secs_f64())
            .sum();
        let sum = metric.sum();
        assert!((0.06..lasted + 0.001).contains(&sum), "{operation}: {sum} of {lasted}");
    }
}

#[tokio::test]
async fn chunk_metrics_are_recorded_for_streams_only() {
    let trace = Recorder::new();
    let mut chat = Chat::new(Script::new().says("a").streams(["b", "c", "d"]));
    chat.chat("a").await.unwrap();
    let chunks = |name: &str| trace.metrics().iter().any(|metric| metric.name().contains(name));
    assert!(!chunks("chunk"));
    chat.stream("b").collect::<Vec<_>>().await;
    assert_eq!(trace.metric("gen_ai.client.inference.time_to_first_chunk").count(), 1);
    // The first chunk is the start of the response; three pieces follow.
    assert_eq!(trace.metric("gen_ai.client.inference.time_per_output_chunk").count(), 3);
}

#[tokio::test]
async fn agent_counts_its_calls_and_unknown_tools_share_one_series() {
    let trace = Recorder::new();
    let model = Script::new()
        .then(Answer::calls("look_up", word("x")).call("look_up", word("")))
        .calls("no_such_tool_4711", json!({}))
        .fails(busy());
    Chat::new(model).with_name("finder").with_tools(tools![look_up]).chat("go").await.unwrap_err();
    let one = |name: &str| {
        let metric = trace.metric(name);
        assert_eq!(metric.count(), 1, "{name}");
        let measured = &metric.measurements()[0];
        assert_eq!(measured.attributes()["gen_ai.agent.name"], "finder");
        assert_eq!(measured.attributes().len(), 1, "{name}: {}", measured.attributes());
        measured.value()
    };
    assert_eq!(one("gen_ai.invoke_agent.inference_calls"), 3.0, "failed ones included");
    assert_eq!(one("gen_ai.invoke_agent.tool_calls"), 3.0);
    let tools = trace.metric("gen_ai.execute_tool.duration");
    assert_eq!(tools.filter("gen_ai.tool.name", "look_up").count(), 2);
    assert_eq!(tools.filter("error.type", "alloc::string::String").count(), 1);
    assert_eq!(
        tools.filter("gen_ai.tool.name", "_OTHER").filter("error.type", "unknown_tool").count(),
        1
    );
    assert_eq!(trace.span("execute_tool no_such_tool_4711")["error.type"], "unknown_tool");
}

#[tokio::test]
async fn attributes_of_a_chat_are_on_no_metric() {
    let trace = Recorder::new();
    let chat =
        Chat::new(Script::new().says("ok")).with_attribute("user.id", "u-1").with_session_id("s-1");
    chat.with_conversation_id("c-1").chat("go").await.unwrap();
    for metric in trace.metrics() {
        for measured in metric.measurements() {
            for key in ["user.id", "session.id", "gen_ai.conversation.id"] {
                assert!(measured.attributes()[key].is_null(), "{key} on {}", metric.name());
            }
        }
    }
}

const OLD: [&str; 4] = [
    "gen_ai.client.token.usage",
    "gen_ai.client.operation.duration",
    "gen_ai.client.operation.time_to_first_chunk",
    "gen_ai.client.operation.time_per_output_chunk",
];

/// The variable applies to the whole process, so a child process records the names of 2025.
#[test]
fn names_of_2025_are_recorded_on_request() {
    let inside = std::env::var(SEMCONV_OPT_IN_VARIABLE).is_ok();
    if !inside {
        let name = "metrics::names_of_2025_are_recorded_on_request";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child
            .args([name, "--exact"])
            .env(SEMCONV_OPT_IN_VARIABLE, format!("http, {SEMCONV_OPT_IN}"));
        assert!(child.status().unwrap().success());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let trace = Recorder::new();
        let model = Script::new().then(Answer::streams(["a", "b"]).with_usage(Usage::new(7, 2)));
        Chat::new(model).stream("go").collect::<Vec<_>>().await;
        let written: Vec<_> = trace.metrics().iter().map(|m| m.name().to_owned()).collect();
        for old in OLD {
            assert_eq!(written.iter().any(|name| name == old), inside, "{old} in {written:?}");
        }
        // The current names are always recorded.
        assert_eq!(trace.metric("gen_ai.client.inference.duration").count(), 1);
        if inside {
            let tokens = trace.metric("gen_ai.client.token.usage");
            assert_eq!((tokens.kind(), tokens.unit()), (MetricKind::Histogram, "{token}"));
            assert_eq!(tokens.filter("gen_ai.token.type", "input").sum(), 7.0);
            assert_eq!(tokens.filter("gen_ai.token.type", "output").sum(), 2.0);
        }
    });
}

/// Calls the second provider if the first one fails.
struct Fallback(Script, Script);

#[provider(transparent)]
impl Provider for Fallback {
    fn info(&self) -> &ProviderInfo {
        Provider::info(&self.0)
    }

    async fn chat(&self, request: ChatRequest) -> Result<AssistantTurn, ProviderError> {
        match self.0.chat(request.clone()).await {
            Err(_) => self.1.chat(request).await,
            reply => reply,
        }
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        match self.0.chat_stream(request.clone()).await {
            Err(_) => self.1.chat_stream(request).await,
            reply => reply,
        }
    }
}

#[tokio::test]
async fn calls_of_a_wrapper_are_counted_once() {
    let trace = Recorder::new();
    let (first, second) = (Script::new().fails(busy()), Script::new().says("Hi"));
    let mut chat = Chat::new(Fallback(first, second));
    let reply = chat.chat("Hi").await.unwrap();
    assert_eq!(trace.spans_with_operation("chat").len(), 2);
    assert_eq!(trace.metric("gen_ai.invoke_agent.inference_calls").sum(), 2.0);
    assert_eq!(trace.metric("gen_ai.client.inference.duration").count(), 2);
    assert_eq!(reply.id.span_id, trace.spans_with_operation("chat")[1].id().to_string());
}
