//! The model calls of a run: the hook before each, the conditions that end the run, the tool choice.

use crate::support::timeout::in_time;
use chatlas::chat::ExtractEvent;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{ModelParams, ProviderError, ProviderErrorKind, ToolChoice};
use serde_json::{Value, json};

/// Searches.
#[tool]
fn search() -> &'static str {
    "found"
}

/// Submits.
#[tool]
fn submit() -> &'static str {
    "done"
}

fn calling(tool: &str) -> Answer {
    Answer::calls(tool, json!({})).with_tokens(10, 5)
}

#[tokio::test]
async fn step_changes_one_model_call() {
    let recorder = Recorder::new();
    let model = Script::new().then(calling("search")).says("The answer.").says("Hello.");
    let mut chat = Chat::new(model.clone())
        .with_tools(tools![search, submit])
        .with_temperature(0.5)
        .on_step(|mut step| async move {
            if step.number == 1 {
                return Ok(step.with_tools(["search"]));
            }
            assert_eq!(step.usage, Usage::new(10, 5));
            assert_eq!(step.last_reply().unwrap().tool_requests().count(), 1);
            step.request.params_mut().temperature = Some(0.0);
            Ok(step.with_tools([]).with_system_prompt("Be brief."))
        });
    in_time(chat.chat("Who?")).await.unwrap();
    in_time(chat.chat("Hi.")).await.unwrap();
    let sent: Vec<_> = model
        .requests()
        .into_iter()
        .map(|request| {
            let tools: Vec<_> = request.tools.iter().map(|tool| tool.name.to_string()).collect();
            (tools, request.params.temperature, request.system_prompt)
        })
        .collect();
    let search = || vec!["search".to_owned()];
    assert_eq!(
        sent,
        [
            (search(), Some(0.5), None),
            (vec![], Some(0.0), Some("Be brief.".into())),
            (search(), Some(0.5), None)
        ]
    );
    let calls = recorder.spans_with_operation("chat");
    assert_eq!(calls[1]["gen_ai.request.temperature"], json!(0.0));
    recorder.assert_sound();
}

#[tokio::test]
async fn call_of_a_tool_that_a_step_does_not_offer_is_an_error() {
    let _recorder = Recorder::new();
    let model = Script::new().then(calling("submit")).says("Sorry.");
    let mut chat = Chat::new(model)
        .with_tools(tools![search, submit])
        .on_step(|step| async move { Ok(step.with_tools(["search"])) });
    in_time(chat.chat("Go.")).await.unwrap();
    let Turn::User(results) = &*chat.turns()[2] else { panic!("no results") };
    let text = results.tool_results().next().unwrap().outcome.to_model_text();
    assert_eq!(text, "There is no tool named `submit`. The tools are: search.");
}

#[tokio::test]
async fn step_calls_another_provider_and_its_span_shows_it() {
    let recorder = Recorder::new();
    let first = Script::new().then(calling("search"));
    let info = chatlas::ProviderInfo::new("other").with_model("large");
    let second = Script::new().with_info(info).says("The answer.");
    let mut chat = Chat::new(first).with_tools(tools![search]).on_step(move |step| {
        let second = second.clone();
        async move { Ok(if step.number == 1 { step } else { step.with_provider(second) }) }
    });
    let reply = in_time(chat.chat("Who?")).await.unwrap();
    assert_eq!(reply.text(), "The answer.");
    assert_eq!(recorder.span("chat large")["gen_ai.provider.name"], "other");
    recorder.assert_sound();
}

#[tokio::test]
async fn failed_step_ends_the_run_and_removes_the_prompt() {
    let recorder = Recorder::new();
    let model = Script::new().says("Unused.");
    let mut chat = Chat::new(model.clone()).on_step(|_| async {
        Err(ProviderError::new(ProviderErrorKind::InvalidRequest, "no budget is left"))
    });
    let error = in_time(chat.chat("Hi.")).await.unwrap_err();
    assert_eq!(error.to_string(), "no budget is left");
    assert_eq!((model.request_count(), chat.turns().len()), (0, 0));
    assert_eq!(recorder.spans().len(), 1);
    recorder.assert_sound();
}

#[tokio::test]
async fn condition_ends_the_run_after_the_tools() {
    let recorder = Recorder::new();
    let model =
        Script::new().then(calling("search")).then(calling("submit")).says("You are welcome.");
    let mut chat = Chat::new(model.clone())
        .with_tools(tools![search, submit])
        .with_stop_when(|step| step.number == 10)
        .with_stop_when(|step| step.has_called("submit"));
    let reply = in_time(chat.chat("Go.")).await.unwrap();
    assert_eq!((reply.rounds, reply.usage), (2, Usage::new(20, 10)));
    assert_eq!(reply.turn.tool_requests().count(), 1);
    let agent = recorder.span("invoke_agent");
    assert_eq!(agent["error.type"], Value::Null);
    assert_eq!(agent["gen_ai.response.finish_reasons"], json!(["tool_call"]));
    recorder.assert_sound();
    // The results are in the history, and the next prompt is added to them.
    in_time(chat.chat("Thanks.")).await.unwrap();
    let Turn::User(last) = &*model.requests()[2].turns[4] else { panic!("no user turn") };
    assert_eq!((last.tool_results().count(), chat.turns().len()), (1, 6));
}

#[tokio::test]
async fn condition_ends_a_stream() {
    let _recorder = Recorder::new();
    let model = Script::new().then(calling("submit")).says("Unused.");
    let mut chat = Chat::new(model)
        .with_tools(tools![submit])
        .with_stop_when(|step| step.has_called("submit"));
    let events: Vec<_> = chat.stream("Go.").collect().await;
    assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(reply))) if reply.rounds == 1));
    // An answer that a condition ends is not the requested value.
    let mut chat = Chat::new(Script::new().then(calling("submit")))
        .with_tools(tools![submit])
        .with_stop_when(|step| step.has_called("submit"));
    let events: Vec<_> = chat.stream_extract::<Vec<u8>>("Go.").collect().await;
    let done = events.iter().any(|event| matches!(event, Ok(ExtractEvent::Done(_))));
    assert!(!done && matches!(events.last(), Some(Err(ChatError::Output(_)))));
}

#[tokio::test]
async fn forced_tool_choice_applies_to_the_first_model_call() {
    let _recorder = Recorder::new();
    let model = Script::new().then(calling("search")).says("Done.").says("Hello.").says("Bye.");
    let mut chat =
        Chat::new(model.clone()).with_tools(tools![search]).with_tool_choice(ToolChoice::Required);
    in_time(chat.chat("Go.")).await.unwrap();
    in_time(chat.chat("Again.")).await.unwrap();
    chat.set_params(ModelParams::default());
    in_time(chat.chat("Bye.")).await.unwrap();
    let choices: Vec<_> =
        model.requests().iter().map(|request| request.params.tool_choice.clone()).collect();
    assert_eq!(choices, [Some(ToolChoice::Required), None, Some(ToolChoice::Required), None]);
}
