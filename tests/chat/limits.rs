//! Usage, cost and the limits of a run.

use std::time::Duration;

use crate::support::timeout::in_time;
use chatlas::cost::{self, Price, Prices};
use chatlas::prelude::*;
use chatlas::provider::ProviderInfo;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{ChatError, LimitError, LimitKind, Limits, ModelCall, Turn, Usage};
use serde_json::json;

/// Returns four.
#[tool]
fn four() -> u8 {
    4
}

/// A model that calls `four` forever, with 10 input and 2 output tokens per call.
fn endless() -> Script {
    Script::from_fn(|_| Answer::calls("four", json!({})).with_tokens(10, 2))
}

fn prices() -> Prices {
    Prices::new("$").with_price("test-model", Price::new(1e5, 5e5))
}

async fn fail(model: Script, limits: Limits) -> (Chat, LimitError) {
    let mut chat = Chat::new(model).with_tools(tools![four]).with_limits(limits);
    let error = in_time(chat.chat("2+2?")).await.unwrap_err();
    let ChatError::Limit(error) = error else { panic!("{error:?}") };
    (chat, error)
}

#[tokio::test]
async fn limits_stop_a_run_before_the_next_model_call() {
    let recorder = Recorder::new();
    for (limits, kind, error_type, calls) in [
        (Limits::new().with_max_input_tokens(15), LimitKind::InputTokens, "token_limit", 2),
        (Limits::new().with_max_output_tokens(5), LimitKind::OutputTokens, "token_limit", 3),
        (Limits::new().with_max_total_tokens(12), LimitKind::TotalTokens, "token_limit", 1),
        (Limits::new().with_max_cost_at(3.5, prices()), LimitKind::Cost, "cost_limit", 2),
    ] {
        let (chat, error) = fail(endless(), limits).await;
        assert_eq!(error.kind(), kind);
        let reply = error.reply().unwrap();
        assert_eq!((reply.rounds, reply.turns.len()), (calls, calls), "{kind:?}");
        let last = chat.last_turn().unwrap();
        assert!(matches!(last, Turn::User(turn) if turn.tool_results().count() == 1), "{last:?}");
        let span = recorder.spans_with_operation("invoke_agent").pop().unwrap();
        assert_eq!(span.attributes().get("error.type"), Some(&error_type.into()));
    }
}

#[tokio::test]
async fn limit_errors_contain_the_limit_and_the_value_that_was_reached() {
    let _recorder = Recorder::new();
    let (_, error) = fail(endless(), Limits::new().with_max_input_tokens(15)).await;
    assert_eq!(
        error.to_string(),
        "the run was stopped by its limit of input tokens: 15, reached: 20; raise the limit with \
         `Chat::with_limits` if that is expected"
    );
}

#[tokio::test]
async fn an_answer_that_exceeds_a_limit_is_returned() {
    let _recorder = Recorder::new();
    let script = Script::new().then(Answer::says("4").with_tokens(100, 100));
    let limits = Limits::new().with_max_total_tokens(1);
    assert_eq!(Chat::new(script).with_limits(limits).chat("2+2?").await.unwrap().text(), "4");
}

#[tokio::test]
async fn tool_calls_over_the_limit_are_not_run() {
    let recorder = Recorder::new();
    let script = Script::new()
        .calls("four", json!({}))
        .then(Answer::calls("four", json!({})).call("four", json!({})));
    let (chat, error) = fail(script, Limits::new().with_max_tool_calls(2)).await;
    assert_eq!(error.kind(), LimitKind::ToolCalls);
    assert_eq!(recorder.spans_with_operation("execute_tool").len(), 1);
    let Some(Turn::User(turn)) = chat.last_turn() else { panic!("no results") };
    assert_eq!(turn.tool_results().filter(|result| result.outcome.is_error()).count(), 2);
}

#[tokio::test]
async fn a_model_without_a_price_is_not_called_under_a_limit_of_cost() {
    let _recorder = Recorder::new();
    let script = Script::new().says("4");
    let (chat, error) = fail(script.clone(), Limits::new().with_max_cost(1.0)).await;
    assert_eq!(error.kind(), LimitKind::UnknownPrice);
    assert!(error.to_string().contains("`test-model` of `scripted` has no price"), "{error}");
    assert!(script.requests().is_empty() && chat.turns().is_empty());
}

#[tokio::test]
async fn a_step_does_not_call_a_model_without_a_price_under_a_limit_of_cost() {
    let _recorder = Recorder::new();
    let info = ProviderInfo::new("other").with_model("unpriced");
    let other = Script::new().with_info(info).says("4");
    let script = other.clone();
    let mut chat = Chat::new(Script::new().says("4"))
        .with_limits(Limits::new().with_max_cost_at(3.5, prices()))
        .on_step(move |step| {
            let script = script.clone();
            async move { Ok(step.with_provider(script)) }
        });
    let error = in_time(chat.chat("2+2?")).await.unwrap_err();
    let ChatError::Limit(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), LimitKind::UnknownPrice);
    assert!(other.requests().is_empty() && chat.turns().is_empty());
}

#[tokio::test]
async fn a_run_that_exceeds_its_time_keeps_the_partial_reply() {
    let _recorder = Recorder::new();
    let script = Script::new().then(Answer::streams(["Hel"]).then_stalls());
    let limits = Limits::new().with_max_time(Duration::from_millis(50));
    let mut chat = Chat::new(script).with_limits(limits);
    let error = in_time(chat.stream("Hi").into_reply()).await.unwrap_err();
    let ChatError::Limit(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), LimitKind::Time);
    assert_eq!(error.reply().unwrap().text(), "Hel");
    assert_eq!(chat.last_turn().unwrap().text(), "Hel");
}

#[tokio::test]
async fn limits_hold_for_streams_and_extractions() {
    let _recorder = Recorder::new();
    let mut chat = Chat::new(endless())
        .with_tools(tools![four])
        .with_limits(Limits::new().with_max_total_tokens(12));
    let streamed = chat.stream("2+2?").into_reply().await;
    assert!(matches!(streamed, Err(ChatError::Limit(_))), "{streamed:?}");
    let extracted = chat.extract::<u8>("2+2?").await;
    assert!(matches!(extracted, Err(ChatError::Limit(_))), "{extracted:?}");
}

#[tokio::test]
async fn usage_and_cost_are_those_of_the_turns() {
    let _recorder = Recorder::new();
    let script = Script::new()
        .with_info(ProviderInfo::new("openai").with_model("gpt-4o"))
        .then(Answer::calls("four", json!({})).with_tokens(1000, 100))
        .then(Answer::says("4").with_tokens(2000, 200).with_model("gpt-4o-2024-08-06"));
    let mut chat = Chat::new(script).with_tools(tools![four]);
    let reply = chat.chat("2+2?").await.unwrap();
    assert_eq!(chat.usage(), Usage::new(3000, 300));
    assert_eq!(reply.cost().to_string(), "$0.0105");
    assert_eq!(chat.cost(), reply.cost());
    let stored = serde_json::to_string(chat.turns()).unwrap();
    let turns: Vec<Turn> = serde_json::from_str(&stored).unwrap();
    let other = Chat::new(Script::new()).with_turns(turns);
    assert_eq!(other.cost(), chat.cost(), "turns keep their vendor and model");
    assert_eq!(other.cost_at(&Prices::new("$")).unknown_calls, 2);
}

#[tokio::test]
async fn streamed_turns_have_their_duration_and_time_to_first_chunk() {
    let _recorder = Recorder::new();
    let mut chat = Chat::new(Script::new().streams(["4", "2"]).says("4"));
    let reply = chat.stream("?").into_reply().await.unwrap();
    let call = reply.turn.call.as_ref().unwrap();
    assert!(call.time_to_first_chunk.unwrap() <= call.duration.unwrap());
    let reply = chat.chat("?").await.unwrap();
    let call = reply.turn.call.as_ref().unwrap();
    assert!(call.duration.is_some() && call.time_to_first_chunk.is_none());
}

#[tokio::test]
async fn the_process_counts_each_reply_once() {
    let _recorder = Recorder::new();
    let info = || ProviderInfo::new("counted-vendor").with_model("counted-model");
    let script = Script::new()
        .with_info(info())
        .then(Answer::says("a").with_tokens(10, 1))
        .then(Answer::says("b").with_tokens(20, 2));
    let mut chat = Chat::new(script);
    chat.chat("?").await.unwrap();
    let mut fork = chat.clone();
    fork.stream("?").into_reply().await.unwrap();
    assert_eq!(fork.usage(), Usage::new(30, 3));
    let usage = cost::usage();
    let counted = usage.iter().find(|usage| usage.vendor == "counted-vendor").unwrap();
    assert_eq!((counted.model.as_str(), counted.calls), ("test-model-2026", 2));
    assert_eq!(counted.usage, Usage::new(30, 3));
}

/// A cache that has one reply.
struct Cache(Script);

#[provider(transparent)]
impl Provider for Cache {
    fn info(&self) -> &ProviderInfo {
        self.0.info()
    }

    async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
        let call = ModelCall::default().with_cached(true);
        let turn = Completion::new([Content::text("4")]).with_usage(Usage::new(10, 1));
        Ok(turn.with_call(call))
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        self.0.chat_stream(request).await
    }
}

#[tokio::test]
async fn cached_replies_add_nothing_to_usage_and_cost() {
    let _recorder = Recorder::new();
    let info = ProviderInfo::new("cached-vendor").with_model("cached-model");
    let mut chat = Chat::new(Cache(Script::new().with_info(info)));
    chat.chat("?").await.unwrap();
    assert_eq!(chat.usage(), Usage::default());
    assert_eq!(chat.cost().to_string(), "$0.0000");
    assert!(cost::usage().iter().all(|usage| usage.vendor != "cached-vendor"));
}

#[tokio::test]
async fn estimates_start_from_the_reported_usage() {
    let _recorder = Recorder::new();
    let script = Script::new().then(Answer::says("4").with_tokens(100, 5));
    let mut chat = Chat::new(script).with_system_prompt("12345678");
    assert_eq!(chat.estimate_tokens("1234"), 2 + 1);
    chat.chat("2+2?").await.unwrap();
    assert_eq!(chat.estimate_tokens("123456789"), 105 + 3);
    chat.add_turn(Turn::user("1234"));
    assert_eq!(chat.estimate_tokens("1234"), 105 + 2);
}

#[tokio::test]
async fn extract_once_adds_no_turns() {
    let recorder = Recorder::new();
    let script = Script::new().says(r#"{"value": 4}"#).says(r#"{"value": 5}"#);
    let chat = Chat::new(script.clone());
    assert_eq!(chat.extract_once::<u8>("2+2?").await.unwrap().value, 4);
    assert_eq!(chat.extract_once::<u8>("2+3?").await.unwrap().value, 5);
    assert!(chat.turns().is_empty());
    assert!(script.requests().iter().all(|request| request.turns.len() == 1));
    assert_eq!(recorder.spans_with_operation("invoke_agent").len(), 2);
}
