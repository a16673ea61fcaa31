//! Which agent a model call or a tool call counts for.

#![allow(clippy::float_cmp)] // the metrics are counts
#![allow(clippy::unused_async)] // some tools have nothing to await

use chatlas::agent;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use futures_util::stream;
use opentelemetry::trace::FutureExt as _;
use serde_json::json;

use super::agents::ask;

/// Counts the letters of a word.
#[tool]
async fn count_letters(word: String) -> usize {
    word.len()
}

fn calls(trace: &Recorder, agent: &str) -> (f64, f64) {
    let of = |name: &str| trace.metric(name).filter("gen_ai.agent.name", agent).sum();
    (of("gen_ai.invoke_agent.inference_calls"), of("gen_ai.invoke_agent.tool_calls"))
}

#[agent(name = "direct")]
async fn direct(model: &Script) -> usize {
    ask(model, "a").await.unwrap();
    count_letters("abc".to_owned()).await
}

#[tokio::test]
async fn direct_tool_calls_count_and_have_the_name_of_the_agent() {
    let trace = Recorder::new();
    direct(&Script::new().says("x")).await;
    trace.assert_sound();
    assert_eq!(calls(&trace, "direct"), (1.0, 1.0));
    assert_eq!(trace.span("execute_tool count_letters")["gen_ai.agent.name"], "direct");
}

#[agent(name = "joined")]
async fn joined(model: &Script) {
    let both = futures_util::future::join(ask(model, "a"), ask(model, "b"));
    both.await.0.unwrap();
    let mut buffered = stream::iter(["c", "d"]).map(|prompt| ask(model, prompt)).buffered(2);
    while let Some(reply) = buffered.next().await {
        reply.unwrap();
    }
}

#[tokio::test]
async fn concurrent_calls_of_one_task_all_count() {
    let trace = Recorder::new();
    joined(&Script::new().says("1").says("2").says("3").says("4")).await;
    assert_eq!(calls(&trace, "joined").0, 4.0);
}

#[agent(name = "outer")]
async fn outer(model: &Script) {
    ask(model, "a").await.unwrap();
    Chat::new(model.clone()).with_name("inner").chat("b").await.unwrap();
    direct(model).await;
}

#[tokio::test]
async fn inner_agents_count_for_themselves_only() {
    let trace = Recorder::new();
    let model = Script::new().says("1").then(Answer::says("2").with_tokens(100, 50)).says("3");
    outer(&model).await;
    trace.assert_sound();
    assert_eq!(calls(&trace, "outer"), (1.0, 0.0));
    assert_eq!(calls(&trace, "inner"), (1.0, 0.0));
    assert_eq!(calls(&trace, "direct"), (1.0, 1.0));
    assert_eq!(trace.span("invoke_agent inner")["gen_ai.usage.input_tokens"], 100);
    assert_eq!(trace.span("invoke_agent outer")["gen_ai.usage.output_tokens"], 5);
}

#[tokio::test]
async fn model_asked_inside_a_tool_counts_for_the_chat_around_it() {
    /// Summarizes a text.
    #[tool]
    async fn summarize(#[state] model: &Script, text: String) -> String {
        count_letters(text.clone()).await;
        ask(model, &text).await.unwrap()
    }

    let trace = Recorder::new();
    let inner = Script::new().then(Answer::says("short").with_tokens(40, 8));
    let model = Script::new()
        .then(Answer::calls("summarize", json!({"text": "long"})).with_tokens(10, 1))
        .then(Answer::says("Done.").with_tokens(20, 2));
    let mut chat = Chat::new(model).with_name("writer").with_tools(tools![with inner => summarize]);
    let reply = chat.chat("go").await.unwrap();
    trace.assert_sound();
    // The chat's own call and the direct one inside it.
    assert_eq!(calls(&trace, "writer"), (3.0, 2.0));
    let span = trace.span("invoke_agent writer");
    assert_eq!(span["gen_ai.usage.input_tokens"], 70);
    assert_eq!(span["gen_ai.usage.output_tokens"], 11);
    let last = trace.spans_with_operation("chat")[2].id();
    assert_eq!(reply.id.span_id, last.to_string());
}

#[agent(name = "spawner")]
async fn spawner(model: Script) {
    let (lost, kept) = (model.clone(), model);
    tokio::spawn(async move { ask(&lost, "a").await.unwrap() }).await.unwrap();
    tokio::spawn(async move { ask(&kept, "b").await.unwrap() }.with_current_context())
        .await
        .unwrap();
}

#[tokio::test]
async fn spawned_task_counts_if_it_has_the_context() {
    let trace = Recorder::for_process();
    spawner(Script::new().says("1").says("2")).await;
    assert_eq!(calls(&trace, "spawner").0, 1.0);
}

#[agent(name = "abandons")]
async fn abandons(model: Script) -> tokio::task::JoinHandle<()> {
    let late = async move {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        ask(&model, "a").await.unwrap();
    };
    tokio::spawn(late.with_current_context())
}

#[tokio::test]
async fn call_that_outlives_its_agent_is_harmless() {
    let trace = Recorder::for_process();
    abandons(Script::new().says("1")).await.await.unwrap();
    assert_eq!(calls(&trace, "abandons").0, 0.0);
    assert_eq!(trace.spans_with_operation("chat").len(), 1);
}

#[agent(name = "streamer")]
fn streamer(model: &Script) -> impl stream::Stream<Item = Result<String, ProviderError>> + Send {
    stream::iter(["a", "b"]).then(move |prompt| ask(model, prompt))
}

#[tokio::test]
async fn stream_of_an_agent_counts_the_calls_made_while_it_is_polled() {
    let trace = Recorder::new();
    let model = Script::new().says("1").says("2");
    let replies: Vec<_> = streamer(&model).collect().await;
    assert_eq!(replies.len(), 2);
    trace.assert_sound();
    assert_eq!(calls(&trace, "streamer").0, 2.0);
    assert_eq!(trace.tree(), "invoke_agent streamer\n  chat test-model\n  chat test-model\n");
    let stopped = Script::new().says("1").says("2");
    let mut replies = Box::pin(streamer(&stopped));
    replies.next().await.unwrap().unwrap();
    drop(replies);
    let spans = trace.spans_with_operation("invoke_agent");
    assert_eq!(spans[1]["chatlas.cancelled"], true);
}

#[test]
fn calls_count_with_metrics_alone() {
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

    // The providers of a process are global, so this runs in a child process.
    let variable = "CHATLAS_TEST_METRICS_ALONE";
    if std::env::var_os(variable).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "counting::calls_count_with_metrics_alone"])
            .env(variable, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    opentelemetry::global::set_meter_provider(meters.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(direct(&Script::new().without_recording().says("x")));
    runtime.block_on(outer_of_chat(&Script::new().without_recording().says("x").says("y")));
    meters.force_flush().unwrap();
    let data = format!("{:?}", exporter.get_finished_metrics().unwrap());
    let of = |name: &str| data.split("name: ").find(|part| part.starts_with(&format!("{name:?}")));
    let inference = of("gen_ai.invoke_agent.inference_calls").expect("the metric");
    // The counts of `direct`, of the agent around a chat, and of that chat.
    let sums = |text: &str| -> Vec<String> {
        text.split("sum: ").skip(1).map(|rest| rest.chars().take(1).collect()).collect()
    };
    let mut counted = sums(inference);
    counted.sort();
    assert_eq!(counted, ["1", "1", "1"], "{inference}");
}

#[agent(name = "outer_of_chat")]
async fn outer_of_chat(model: &Script) {
    ask(model, "a").await.unwrap();
    let call = Chat::new(model.clone()).with_name("chat").into_stream("b");
    call.collect::<Vec<_>>().await;
}
