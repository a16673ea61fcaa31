//! Structured output: the requested schema, and replies that do not match it.

use crate::support::timeout::in_time;
use chatlas::chat::{ExtractEvent, OutputErrorKind};
use chatlas::content::Refusal;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{FinishReason, OutputSchema, ProviderError, ProviderErrorKind};
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

/// A person of whom anything may be missing.
#[derive(Debug, PartialEq, Deserialize)]
struct PartialPerson {
    name: Option<String>,
    age: Option<u8>,
}

#[tokio::test]
async fn partial_values_are_streamed_before_the_value() {
    let recorder = Recorder::new();
    let chunks = [r#"{"na"#, r#"me": "Ad"#, r#"a", "age": 3"#, "6}"];
    let model = Script::new().calls("age_of", json!({"name": "Ada"})).streams(chunks);
    let mut chat = Chat::new(model).with_tools(tools![age_of]);
    let mut events = chat.stream_extract::<Person>("Ada").with_partial::<PartialPerson>();
    let (mut partial, mut others) = (Vec::new(), 0);
    let mut value = None;
    while let Some(event) = in_time(events.next()).await {
        match event.unwrap() {
            ExtractEvent::Partial(PartialPerson { name, age }) => partial.push((name, age)),
            ExtractEvent::Done(done) => value = Some(done.value),
            _ => others += 1,
        }
    }
    drop(events);
    let name = |name: &str| Some(name.to_owned());
    let expected = [(None, None), (name("Ad"), None), (name("Ada"), None), (name("Ada"), Some(36))];
    assert_eq!(partial, expected);
    assert_eq!(value, Some(ada()));
    assert_eq!(others, 2, "a request and a result");
    assert_eq!(chat.turns().len(), 4);
    recorder.assert_sound();
}

#[tokio::test]
async fn partial_values_of_a_list_are_unwrapped() {
    let _recorder = Recorder::new();
    let model = Script::new().streams([r#"{"value": ["a", "#, r#""b"]}"#]);
    let mut chat = Chat::new(model);
    let events: Vec<_> = chat.stream_extract::<Vec<String>>("letters").collect().await;
    let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
    let [ExtractEvent::Partial(first), ExtractEvent::Partial(second), ExtractEvent::Done(done)] =
        &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((first, second), (&json!(["a"]), &json!(["a", "b"])));
    assert_eq!(done.value, ["a", "b"]);
}

#[tokio::test]
async fn dropped_extraction_ends_its_spans() {
    let recorder = Recorder::new();
    let model = Script::new().then(Answer::streams([r#"{"name": "Ad"#]).then_stalls());
    let mut chat = Chat::new(model);
    let mut events = chat.stream_extract::<Person>("Ada");
    let first = in_time(events.next()).await.unwrap().unwrap();
    assert_eq!(first, ExtractEvent::Partial(json!({"name": "Ad"})));
    drop(events);
    assert_eq!(recorder.span("invoke_agent")["chatlas.cancelled"], json!(true));
    recorder.assert_sound();
}

#[tokio::test]
async fn retry_informs_the_model_of_the_error() {
    let recorder = Recorder::new();
    let model = Script::new()
        .then(Answer::says("Ada is 36.").with_tokens(10, 5))
        .then(Answer::says(r#"{"name": "Ada", "age": 36}"#).with_tokens(30, 5));
    let mut chat = Chat::new(model.clone()).with_extract_retries(1);
    let found = in_time(chat.extract::<Person>("Ada")).await.unwrap();
    assert_eq!(found.value, ada());
    assert_eq!((found.reply.rounds, found.reply.usage), (2, Usage::new(40, 10)));
    let message = model.requests()[1].turns[2].text();
    assert!(message.contains("`Person`, an object with `age`, `name`"), "{message}");
    assert_eq!(chat.turns().len(), 4);
    let calls = recorder.spans_with_operation("chat");
    let retried = |index: usize| {
        let keys = ["chatlas.extract.retry.count", "chatlas.extract.retry.reason"];
        keys.map(|key| calls[index][key].clone())
    };
    assert_eq!(retried(0), [Value::Null, Value::Null]);
    assert_eq!(retried(1), [json!(1), json!("output_invalid")]);
    assert_eq!(recorder.spans_with_operation("invoke_agent").len(), 1);
    assert_eq!(recorder.span("invoke_agent").status(), Status::Unset);
    recorder.assert_sound();
}

#[tokio::test]
async fn retries_stop_at_their_maximum() {
    let _recorder = Recorder::new();
    let model = Script::new().says("Ada.").says("36.").says("Unused.");
    let mut chat = Chat::new(model.clone()).with_extract_retries(1);
    let error = in_time(chat.extract::<Person>("Ada")).await.unwrap_err();
    let ChatError::Output(output) = &error else { panic!("{error}") };
    assert_eq!((output.kind(), output.reply().rounds), (OutputErrorKind::Invalid, 2));
    let mut chat = Chat::new(Script::new().then(cut_off())).with_extract_retries(3);
    let error = in_time(chat.extract::<Person>("Ada")).await.unwrap_err();
    assert_eq!(error.error_type(), "output_truncated", "another answer would be cut off, too");
}

#[tokio::test]
async fn rejected_answer_voids_the_partial_values() {
    let _recorder = Recorder::new();
    let model = Script::new().streams([r#"{"age": 36}"#]).streams([r#"{"name": "Ada"}"#]);
    let mut chat = Chat::new(model).with_extract_retries(1);
    let events: Vec<_> = chat.stream_extract::<Person>("Ada").collect().await;
    let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
    let [
        ExtractEvent::Partial(first),
        ExtractEvent::Other(StreamEvent::OutputRejected(message)),
        ExtractEvent::Partial(second),
        ExtractEvent::Done(_),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((first, second), (&json!({"age": 36}), &json!({"name": "Ada"})));
    assert!(message.contains("missing field `name`"), "{message}");
}

#[tokio::test]
async fn failed_retry_leaves_no_open_message() {
    let _recorder = Recorder::new();
    let failure = ProviderError::new(ProviderErrorKind::RateLimit, "slow down");
    let model = Script::new().says("Ada.").fails(failure);
    let mut chat = Chat::new(model).with_extract_retries(1);
    in_time(chat.extract::<Person>("Ada")).await.unwrap_err();
    let texts: Vec<String> = chat.turns().iter().map(|turn| turn.text()).collect();
    assert_eq!(texts, ["Ada", "Ada."]);
}

#[tokio::test]
async fn extract_once_leaves_the_conversation_unchanged() {
    let recorder = Recorder::new();
    let answer = r#"{"name": "Ada", "age": 36}"#;
    let model = Script::new().says("Hello.").says(answer).says(answer);
    let mut chat = Chat::new(model.clone());
    in_time(chat.chat("Hi.")).await.unwrap();
    for _ in 0..2 {
        let found = in_time(chat.extract_once::<Person>("Ada")).await.unwrap();
        assert_eq!(found.value, ada());
    }
    assert_eq!(chat.turns().len(), 2);
    let sent: Vec<usize> = model.requests().iter().map(|request| request.turns.len()).collect();
    assert_eq!(sent, [1, 3, 3]);
    recorder.assert_sound();
}

#[tokio::test]
async fn parallel_extract_returns_values_in_the_order_of_the_prompts() {
    let recorder = Recorder::new();
    let model = Script::from_fn(|request| match request.turns[0].text().as_str() {
        "bad" => Answer::says("no number"),
        text => Answer::says(format!("{{\"value\": {}}}", text.len())),
    });
    let chat = Chat::new(model);
    let found = in_time(chat.parallel_extract::<usize, _>(["a", "bad", "abc"], 2)).await;
    let values: Vec<Option<usize>> =
        found.into_iter().map(|found| found.ok().map(|found| found.value)).collect();
    assert_eq!(values, [Some(1), None, Some(3)]);
    assert!(chat.turns().is_empty());
    assert_eq!(recorder.spans_with_operation("invoke_agent").len(), 3);
    recorder.assert_sound();
}
