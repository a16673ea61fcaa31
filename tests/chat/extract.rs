//! Structured output: the requested schema, and replies that do not match it.

use crate::support::timeout::in_time;
use chatlas::chat::OutputErrorKind;
use chatlas::content::Refusal;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{FinishReason, OutputSchema};
use opentelemetry::trace::Status;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Person {
    name: String,
    /// In years.
    age: Option<u8>,
}

/// Returns the age of a person.
#[tool]
fn age_of(name: &str) -> usize {
    name.len() * 12
}

fn ada() -> Person {
    Person { name: "Ada".into(), age: Some(36) }
}

#[tokio::test]
async fn reply_is_parsed_into_the_requested_type() {
    let recorder = Recorder::new();
    let model = Script::new()
        .then(Answer::calls("age_of", json!({"name": "Ada"})).with_tokens(10, 3))
        .then(Answer::says(r#"{"name": "Ada", "age": 36}"#).with_tokens(20, 5))
        .says("You are welcome.");
    let mut chat = Chat::new(model.clone()).with_tools(tools![age_of]);
    let person = in_time(chat.extract::<Person>("Ada")).await.unwrap();
    assert_eq!(person.value, ada());
    assert_eq!(person.reply.usage, Usage::new(30, 8));
    let requests = model.requests();
    let schema = requests[0].output.as_ref().unwrap();
    assert_eq!(**schema, OutputSchema::for_type::<Person>());
    assert!(schema.strict);
    assert_eq!(requests[1].output.as_ref(), Some(schema), "in each round");
    for span in &recorder.spans() {
        let tool = span.name().starts_with("execute_tool");
        let kind = if tool { Value::Null } else { "json".into() };
        assert_eq!(span["gen_ai.output.type"], kind, "{}", span.name());
    }
    recorder.assert_sound();
    // The next reply is text again.
    assert_eq!(in_time(chat.chat("Thanks.")).await.unwrap().text(), "You are welcome.");
    assert_eq!(model.requests()[2].output, None);
    assert_eq!(model.requests()[2].turns.len(), 5);
}

#[tokio::test]
async fn lists_and_plain_values_can_be_extracted() {
    let _recorder = Recorder::new();
    let model = Script::new()
        .says(r#"{"value": [{"name": "Ada", "age": 36}]}"#)
        .says("```json\n{\"value\": 7}\n```")
        .says("8")
        .says("{\"value\": null}");
    let mut chat = Chat::new(model);
    assert_eq!(chat.extract::<Vec<Person>>("who?").await.unwrap().value, [ada()]);
    assert_eq!(chat.extract::<u32>("how many?").await.unwrap().value, 7);
    assert_eq!(chat.extract::<u32>("and now?").await.unwrap().value, 8);
    assert_eq!(chat.extract::<Option<u32>>("and now?").await.unwrap().value, None);
}

fn cut_off() -> Answer {
    Answer::says(r#"{"name": "Ad"#).with_finish_reason(FinishReason::Length)
}

fn refused() -> Answer {
    let refusal = Refusal::new("No personal data.");
    Answer::new().content(Content::Refusal(refusal))
}

#[tokio::test]
async fn invalid_reply_is_an_error_that_keeps_usage_and_history() {
    for (answer, kind, word, message) in [
        (
            cut_off(),
            OutputErrorKind::Truncated,
            "output_truncated",
            "the token limit cut the answer off",
        ),
        (
            Answer::says("Ada is 36."),
            OutputErrorKind::Invalid,
            "output_invalid",
            "not the requested JSON",
        ),
        (
            Answer::says(r#"{"name": "Ada", "age": "secret-canary"}"#),
            OutputErrorKind::Invalid,
            "output_invalid",
            "invalid type",
        ),
        (refused(), OutputErrorKind::Refused, "output_refused", "No personal data."),
    ] {
        let recorder = Recorder::new();
        let mut chat = Chat::new(Script::new().then(answer.with_tokens(20, 5)).says("ok"));
        let error = in_time(chat.extract::<Person>("Ada")).await.unwrap_err();
        let ChatError::Output(output) = &error else { panic!("{error:?}") };
        assert_eq!((output.kind(), error.error_type().as_ref()), (kind, word));
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(output.reply().usage, Usage::new(20, 5));
        assert_eq!(chat.turns().len(), 2, "the history keeps the reply");
        let agent = recorder.span("invoke_agent");
        assert_eq!(agent["error.type"], word);
        assert_eq!(agent["gen_ai.usage.output_tokens"], 5);
        // The model call itself succeeded.
        assert_eq!(recorder.span("chat test-model").status(), Status::Unset);
        recorder.assert_sound();
        assert!(!format!("{:?}", recorder.spans()).contains("secret-canary"));
        assert_eq!(in_time(chat.chat("never mind")).await.unwrap().text(), "ok");
    }
}

/// A type whose `Deserialize` panics.
#[derive(Debug, JsonSchema)]
struct Unreadable;

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn panic_in_deserialize_is_recorded_as_a_panic() {
    let recorder = Recorder::new();
    let mut chat = Chat::new(Script::new().says("null"));
    let reading = std::panic::AssertUnwindSafe(chat.extract::<Unreadable>("Ada"));
    let outcome = in_time(futures_util::FutureExt::catch_unwind(reading)).await;
    assert!(outcome.is_err());
    let agent = recorder.span("invoke_agent");
    assert_eq!((&agent["error.type"], agent.is_error()), (&json!("panic"), true));
    assert!(agent["chatlas.cancelled"].is_null());
    assert_eq!(chat.turns().len(), 2, "the history keeps the reply");
    recorder.assert_sound();
}
