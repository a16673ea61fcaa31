//! Answers as values: what the model is asked for, and what becomes of answers that are none.

mod support;

use chatlas::chat::OutputErrorKind;
use chatlas::content::Refusal;
use chatlas::prelude::*;
use chatlas::{AssistantTurn, Completion, FinishReason, OutputSchema};
use opentelemetry::trace::Status;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use support::{Scripted, Step, asks, assert_sound, attribute, in_time, record, says};

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Person {
    name: String,
    /// In years.
    age: Option<u8>,
}

/// Looks up how old somebody is.
#[tool]
fn age_of(name: &str) -> usize {
    name.len() * 12
}

fn ada() -> Person {
    Person { name: "Ada".into(), age: Some(36) }
}

#[tokio::test]
async fn an_answer_is_read_into_the_type_asked_for() {
    let recorder = record();
    let model = Scripted::new([
        Step::Reply(asks(&[("c1", "age_of", json!({"name": "Ada"}))])),
        Step::Reply(says(r#"{"name": "Ada", "age": 36}"#)),
        Step::Reply(says("You are welcome.")),
    ]);
    let mut chat = Chat::new(model.clone()).tools(tools![age_of]);
    let person = in_time(chat.extract::<Person>("Ada")).await.unwrap();
    assert_eq!(person.value, ada());
    assert_eq!(person.reply.usage, support::usage(30, 8));
    let asked = model.asked.lock().unwrap().clone();
    let schema = asked[0].output.as_ref().unwrap();
    assert_eq!(*schema, OutputSchema::of::<Person>());
    assert!(schema.strict);
    assert_eq!(asked[1].output.as_ref(), Some(schema), "in each round");
    for span in &recorder.spans() {
        let json = (!span.name.starts_with("execute_tool")).then_some("json");
        assert_eq!(attribute(span, "gen_ai.output.type").as_deref(), json, "{}", span.name);
    }
    assert_sound(&recorder.spans());
    // The conversation goes on, in words again.
    assert_eq!(in_time(chat.chat("Thanks.")).await.unwrap().text(), "You are welcome.");
    assert_eq!(model.asked.lock().unwrap()[2].output, None);
    assert_eq!(model.asked.lock().unwrap()[2].turns.len(), 5);
}

#[tokio::test]
async fn lists_and_plain_values_can_be_asked_for() {
    let _alone = record();
    let model = Scripted::new([
        Step::Reply(says(r#"{"value": [{"name": "Ada", "age": 36}]}"#)),
        Step::Reply(says("```json\n{\"value\": 7}\n```")),
        Step::Reply(says("8")),
        Step::Reply(says("{\"value\": null}")),
    ]);
    let mut chat = Chat::new(model);
    assert_eq!(chat.extract::<Vec<Person>>("who?").await.unwrap().value, [ada()]);
    assert_eq!(chat.extract::<u32>("how many?").await.unwrap().value, 7);
    assert_eq!(chat.extract::<u32>("and now?").await.unwrap().value, 8);
    assert_eq!(chat.extract::<Option<u32>>("and now?").await.unwrap().value, None);
}

fn cut_off() -> Completion {
    AssistantTurn { finish_reason: Some(FinishReason::Length), ..says(r#"{"name": "Ad"#) }
}

fn refused() -> Completion {
    let refusal = Content::Refusal(Refusal { text: "I do not talk about people.".into() });
    AssistantTurn { contents: vec![refusal], ..says("") }
}

#[tokio::test]
async fn an_answer_that_is_no_value_is_a_clear_error_that_keeps_what_it_cost() {
    for (completion, kind, word, message) in [
        (cut_off(), OutputErrorKind::Truncated, "output_truncated", "cut off at the token limit"),
        (says("Ada is 36."), OutputErrorKind::Invalid, "output_invalid", "not the JSON"),
        (
            says(r#"{"name": "Ada", "age": "secret-canary"}"#),
            OutputErrorKind::Invalid,
            "output_invalid",
            "invalid type",
        ),
        (refused(), OutputErrorKind::Refused, "output_refused", "I do not talk about people."),
    ] {
        let recorder = record();
        let mut chat = Chat::new(Scripted::new([Step::Reply(completion), Step::Reply(says("ok"))]));
        let error = in_time(chat.extract::<Person>("Ada")).await.unwrap_err();
        let ChatError::Output(output) = &error else { panic!("{error:?}") };
        assert_eq!((output.kind(), error.error_type().as_ref()), (kind, word));
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(output.reply().usage, support::usage(20, 5));
        assert_eq!(chat.turns().len(), 2, "the history has what was paid for");
        let agent = recorder.span("invoke_agent");
        assert_eq!(attribute(&agent, "error.type").as_deref(), Some(word));
        assert_eq!(attribute(&agent, "gen_ai.usage.output_tokens").as_deref(), Some("5"));
        // The model call itself was a success.
        assert_eq!(recorder.span("chat test-model").status, Status::Unset);
        assert_sound(&recorder.spans());
        assert!(!format!("{:?}", recorder.spans()).contains("secret-canary"));
        assert_eq!(in_time(chat.chat("never mind")).await.unwrap().text(), "ok");
    }
}
