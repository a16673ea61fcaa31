//! `#[agent]`, `#[workflow]` and `#[plan]`: their spans and metrics.

#![allow(clippy::float_cmp)] // the metrics are counts

use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{agent, plan, workflow};
use opentelemetry::trace::SpanKind;
use serde_json::json;

/// Sends one request to a model.
pub(super) async fn ask(model: &impl Provider, prompt: &str) -> Result<String, ProviderError> {
    Ok(model.chat(ChatRequest::new([Turn::user(prompt)])).await?.text())
}

/// Finds facts.
#[agent(name = "researcher", model = "test-model", conversation = session, fields(app.tenant = tenant))]
async fn research(
    model: &Script,
    prompt: &str,
    session: Option<&str>,
    tenant: u32,
) -> Result<String, ProviderError> {
    let draft = ask(model, prompt).await?;
    ask(model, &draft).await
}

#[tokio::test]
async fn agent_has_the_usage_and_the_calls_of_its_body() {
    let trace = Recorder::new();
    let model = Script::new()
        .then(Answer::says("draft").with_tokens(10, 3))
        .then(Answer::says("final").with_tokens(20, 4));
    assert_eq!(research(&model, "gates", Some("s-1"), 7).await.unwrap(), "final");
    trace.assert_sound();
    assert_eq!(trace.tree(), "invoke_agent researcher\n  chat test-model\n  chat test-model\n");
    let span = trace.span("invoke_agent researcher");
    assert_eq!(span.kind(), SpanKind::Internal);
    for (key, value) in [
        ("gen_ai.operation.name", json!("invoke_agent")),
        ("gen_ai.agent.name", json!("researcher")),
        ("gen_ai.agent.description", json!("Finds facts.")),
        ("gen_ai.request.model", json!("test-model")),
        ("gen_ai.conversation.id", json!("s-1")),
        ("gen_ai.usage.input_tokens", json!(30)),
        ("gen_ai.usage.output_tokens", json!(7)),
        ("gen_ai.response.finish_reasons", json!(["stop"])),
        ("app.tenant", json!(7)),
    ] {
        assert_eq!(span[key], value, "{key}");
    }
    for key in ["gen_ai.input.messages", "gen_ai.output.messages", "error.type"] {
        assert!(span.attributes().get(key).is_none(), "{key}");
    }
    assert_eq!(trace.metric("gen_ai.invoke_agent.inference_calls").sum(), 2.0);
    assert_eq!(trace.metric("gen_ai.invoke_agent.tool_calls").sum(), 0.0);
    let duration = trace.metric("gen_ai.invoke_agent.duration");
    assert_eq!(duration.measurements()[0].attributes()["gen_ai.agent.name"], "researcher");
    assert_eq!(duration.measurements()[0].attributes()["gen_ai.request.model"], "test-model");
}

#[tokio::test]
async fn attributes_that_are_none_are_omitted() {
    let trace = Recorder::new();
    research(&Script::new().says("a").says("b"), "x", None, 1).await.unwrap();
    assert!(
        trace.span("invoke_agent researcher").attributes().get("gen_ai.conversation.id").is_none()
    );
}

#[tokio::test]
async fn failed_agent_has_the_error_type_of_the_call_and_counts_it() {
    let trace = Recorder::new();
    let error = ProviderError::new(ProviderErrorKind::RateLimit, "slow down").with_status(429);
    let model = Script::new().then(Answer::says("draft").with_tokens(5, 5)).fails(error);
    research(&model, "gates", None, 1).await.unwrap_err();
    trace.assert_sound();
    let span = trace.span("invoke_agent researcher");
    assert_eq!(span["error.type"], "429");
    assert_eq!(span["gen_ai.usage.input_tokens"], 5);
    assert_eq!(trace.metric("gen_ai.invoke_agent.inference_calls").sum(), 2.0);
    let duration = trace.metric("gen_ai.invoke_agent.duration");
    assert_eq!(duration.measurements()[0].attributes()["error.type"], "429");
}

#[tokio::test]
async fn dropped_agent_ends_its_spans_and_is_marked_as_cancelled() {
    let trace = Recorder::new();
    let model =
        Script::new().then(Answer::says("late").with_delay(std::time::Duration::from_secs(60)));
    let call = research(&model, "gates", None, 1);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(20), call).await.is_err());
    trace.assert_sound();
    let span = trace.span("invoke_agent researcher");
    assert_eq!(span["chatlas.cancelled"], true);
    assert!(!span.is_error());
    assert_eq!(trace.metric("gen_ai.invoke_agent.inference_calls").sum(), 1.0);
}

#[agent]
fn panics() {
    panic!("on purpose")
}

#[test]
fn panicking_agent_is_an_error_of_its_span() {
    let trace = Recorder::new();
    assert!(std::panic::catch_unwind(panics).is_err());
    trace.assert_sound();
    assert_eq!(trace.span("invoke_agent panics")["error.type"], "panic");
}

/// Plans the steps.
#[plan]
async fn make_plan(model: &Script) -> Result<Vec<String>, ProviderError> {
    Ok(vec![ask(model, "plan").await?])
}

/// Travel agency.
#[workflow(name = "book trip", conversation = "c-9")]
async fn book(model: &Script) -> Result<usize, ProviderError> {
    let steps = planner(model).await?;
    research(model, &steps, None, 1).await?;
    Ok(steps.len())
}

#[agent(name = "planner")]
async fn planner(model: &Script) -> Result<String, ProviderError> {
    Ok(make_plan(model).await?.concat())
}

#[tokio::test]
async fn workflow_contains_agents_that_count_their_own_calls() {
    let trace = Recorder::new();
    let model = Script::new().says("steps").says("draft").says("final");
    assert_eq!(book(&model).await.unwrap(), 5);
    trace.assert_sound();
    assert_eq!(
        trace.tree(),
        "\
invoke_workflow book trip
  invoke_agent planner
    plan planner
      chat test-model
  invoke_agent researcher
    chat test-model
    chat test-model
"
    );
    let span = trace.span("invoke_workflow book trip");
    assert_eq!(span.kind(), SpanKind::Internal);
    assert_eq!(span["gen_ai.agent.name"], "book trip");
    assert_eq!(span["gen_ai.conversation.id"], "c-9");
    assert!(span.attributes().get("gen_ai.usage.input_tokens").is_none());
    let calls = trace.metric("gen_ai.invoke_agent.inference_calls");
    assert_eq!(calls.count(), 2);
    assert_eq!(calls.filter("gen_ai.agent.name", "planner").sum(), 1.0);
    assert_eq!(calls.filter("gen_ai.agent.name", "researcher").sum(), 2.0);
    let duration = trace.metric("gen_ai.invoke_agent.duration");
    assert_eq!(duration.filter("gen_ai.agent.name", "book trip").count(), 1);
    let plan = trace.span("plan planner");
    assert_eq!((plan.kind(), &plan["gen_ai.operation.name"]), (SpanKind::Internal, &json!("plan")));
}

#[plan(agent = "scheduler")]
fn plan_alone() -> Result<(), String> {
    Err("no slots".to_owned())
}

#[test]
fn plan_outside_an_agent_has_the_given_name() {
    let trace = Recorder::new();
    plan_alone().unwrap_err();
    let span = trace.span("plan scheduler");
    assert_eq!(span["gen_ai.agent.name"], "scheduler");
    assert_eq!(span["error.type"], "alloc::string::String");
}
