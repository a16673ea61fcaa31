//! Tool calls and their arguments, and structured output, as models and gateways really write them.

use std::sync::{Arc, Mutex};

use chatlas::chat::OutputErrorKind;
use chatlas::content::{ToolOutcome, ToolRequest, ToolResult};
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{AssistantTurn, DynTool, Turn, UserTurn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::timeout::in_time;

/// Returns the number after this one.
#[tool]
fn after(number: u32) -> u32 {
    number + 1
}

/// Rings.
#[tool]
fn ring() -> &'static str {
    "ding"
}

/// Counts the guests.
#[tool]
fn count_guests(names: Vec<String>, tables: Option<Vec<Table>>) -> String {
    let seats: u32 = tables.iter().flatten().map(|table| table.seats).sum();
    format!("{} of {seats}", names.len())
}

#[derive(Deserialize, JsonSchema)]
struct Table {
    seats: u32,
}

/// Sets an alarm.
#[tool]
fn set_alarm(minutes: u32, loud: bool, label: String) -> String {
    format!("{minutes} {loud} {label}")
}

/// Returns the result that the model receives for a call with these arguments.
async fn result_of(tool: &str, arguments: Value) -> ToolOutcome {
    let tools = tools![after, ring, count_guests, set_alarm];
    let model = Script::new().then(Answer::calls(tool, arguments)).says("done");
    let mut chat = Chat::new(model).with_tools(tools);
    in_time(chat.chat("go")).await.unwrap();
    let Content::ToolResult(result) = &chat.turns()[2].contents()[0] else { panic!("a result") };
    result.outcome.clone()
}

async fn assert_result(tool: &str, arguments: Value, expected: Value) {
    let outcome = result_of(tool, arguments.clone()).await;
    assert_eq!(outcome, ToolOutcome::Value(expected), "{arguments}");
}

async fn refusal(tool: &str, arguments: Value) -> String {
    match result_of(tool, arguments).await {
        ToolOutcome::Error(message) => message,
        other => panic!("{other:?}"),
    }
}

/// An integer with a decimal point is an integer.
/// <https://github.com/tontinton/maki/pull/142>
#[tokio::test]
async fn integers_may_have_a_decimal_point() {
    assert_result("after", json!({"number": 41.0}), json!(42)).await;
    assert!(refusal("after", json!({"number": 41.5})).await.contains("number"));
    assert!(refusal("after", json!({"number": -1.0})).await.contains("number"));
}

/// A list or an object in a string of JSON is read where the schema has no string.
/// <https://github.com/anomalyco/opencode/issues/7512>
#[tokio::test]
async fn lists_and_objects_may_be_strings_of_json() {
    let names = json!("[\"Ada\", \"Bo\"]");
    assert_result("count_guests", json!({"names": names}), json!("2 of 0")).await;
    let tables = json!("[{\"seats\": 4}, {\"seats\": \"2\"}]");
    let arguments = json!({"names": ["Ada"], "tables": tables});
    assert_result("count_guests", arguments, json!("1 of 6")).await;
    let tables = json!([{"seats": 4.0}, "{\"seats\": 2}"]);
    let arguments = json!({"names": ["Ada"], "tables": tables});
    assert_result("count_guests", arguments, json!("1 of 6")).await;
    let message = refusal("count_guests", json!({"names": "Ada and Bo"})).await;
    assert!(message.starts_with("argument `names`"), "{message}");
}

/// A number or a boolean in a string is read where the schema has no string; a string is kept.
/// <https://github.com/anomalyco/opencode/pull/7513>
#[tokio::test]
async fn numbers_and_booleans_may_be_strings() {
    let arguments = json!({"minutes": "15", "loud": "true", "label": "30"});
    assert_result("set_alarm", arguments, json!("15 true 30")).await;
    let message = refusal("set_alarm", json!({"minutes": "soon", "loud": true, "label": ""})).await;
    assert!(message.starts_with("argument `minutes`"), "{message}");
    let message = refusal("set_alarm", json!({"minutes": 1, "loud": 1, "label": ""})).await;
    assert!(message.starts_with("argument `loud`"), "{message}");
}

/// A tool without parameters accepts every way to write no arguments.
/// <https://github.com/tambo-ai/tambo-cloud/pull/1012>
#[tokio::test]
async fn no_arguments_may_be_an_empty_list_or_string() {
    for nothing in [json!({}), json!([]), json!(""), Value::Null, json!("{}"), json!("null")] {
        assert_result("ring", nothing, json!("ding")).await;
    }
    let message = refusal("after", json!([])).await;
    assert_eq!(message, "argument `number` is missing");
    assert!(refusal("ring", json!([1])).await.contains("not an array"));
}

/// Arguments may be a string of JSON that is a string of JSON.
/// <https://github.com/quarkiverse/quarkus-langchain4j/pull/2642>
#[tokio::test]
async fn arguments_may_be_encoded_twice() {
    let once = json!({"number": 1}).to_string();
    let twice = json!(once).to_string();
    assert_result("after", json!(once), json!(2)).await;
    assert_result("after", json!(twice), json!(2)).await;
    assert!(refusal("after", json!("{\"number\": 1")).await.contains("not a JSON object"));
}

/// A tool that is defined at run time receives the same conversions, and its span names them.
/// <https://github.com/anomalyco/opencode/issues/7512>
#[tokio::test]
async fn tools_of_run_time_schemas_receive_converted_arguments() {
    let recorder = Recorder::new();
    let schema = json!({
        "type": "object",
        "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}}},
        "properties": {
            "at": {"$ref": "#/$defs/Point"},
            "ids": {"type": "array", "items": {"type": "integer"}},
            "name": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "labels": {"type": "object", "additionalProperties": {"type": "boolean"}},
        },
    });
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let log = Arc::clone(&seen);
    let tool = DynTool::new("place", "Places.", schema, move |call| {
        log.lock().unwrap().push(call.arguments);
        async { Ok("placed") }
    });
    let mut tools = ToolSet::new();
    tools.add(tool.unwrap()).unwrap();
    let arguments = json!({"at": "{\"x\": \"1.5\"}", "ids": ["7", 8.0], "name": "9",
        "labels": {"canary": "True"}, "other": "10"});
    let model = Script::new().then(Answer::calls("place", arguments)).says("done");
    in_time(Chat::new(model).with_tools(tools).chat("go")).await.unwrap();
    let expected = json!({"at": {"x": 1.5}, "ids": [7, 8], "name": "9",
        "labels": {"canary": true}, "other": "10"});
    assert_eq!(*seen.lock().unwrap(), [expected]);
    let notes = format!("{:?}", recorder.span("execute_tool place")["chatlas.coerced"]);
    assert!(notes.contains("$.at: a string to an object"), "{notes}");
    assert!(notes.contains("$.labels.*: a string to a boolean"), "{notes}");
    assert!(!notes.contains("canary") && !notes.contains('7'), "{notes}");
    recorder.assert_sound();
}

/// Keeps a note.
#[tool]
fn keep(note: Value) -> Value {
    note
}

/// Arguments that a stored conversation could not be read back with are invalid, and the conversation
/// that contains them round-trips.
#[tokio::test]
async fn arguments_of_more_than_100_levels_are_invalid() {
    for (levels, is_accepted) in [(99, true), (100, false), (124, false)] {
        let note = (0..levels).fold(json!(1), |inner, _| json!([inner]));
        let model = Script::new().then(Answer::calls("keep", json!({"note": note}))).says("done");
        let mut chat = Chat::new(model).with_tools(tools![keep]);
        in_time(chat.chat("go")).await.unwrap();
        let Content::ToolResult(result) = &chat.turns()[2].contents()[0] else {
            panic!("a result")
        };
        match &result.outcome {
            ToolOutcome::Value(value) => assert!(is_accepted && *value == note, "{levels}"),
            ToolOutcome::Error(error) => assert!(!is_accepted && error.contains("100 levels")),
            other => panic!("{other:?}"),
        }
        let stored = serde_json::to_string(chat.turns()).unwrap();
        let read: Vec<Arc<Turn>> = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, chat.turns());
    }
}

/// A hook that approves calls sees the arguments that the tool receives.
/// <https://github.com/quarkiverse/quarkus-langchain4j/pull/2642>
#[tokio::test]
async fn hooks_see_the_converted_arguments() {
    let twice = json!(json!({"number": "1"}).to_string());
    let model = Script::new().then(Answer::calls("after", twice)).says("done");
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let log = Arc::clone(&seen);
    let mut chat = Chat::new(model).with_tools(tools![after]).on_tool_request(move |call| {
        log.lock().unwrap().push(call.request.arguments);
        async {}
    });
    in_time(chat.chat("go")).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [json!({"number": 1})]);
}

/// A result in the prompt answers the call: no second result is added for it.
#[tokio::test]
async fn a_result_in_the_prompt_is_the_only_result_of_its_call() {
    let model = Script::new().says("fine");
    let call = Content::ToolRequest(ToolRequest::new("call-1", "ring", json!({})));
    let mut chat = Chat::new(model.clone())
        .with_turns([Turn::user("go"), Turn::from(AssistantTurn::new([call]))]);
    let result = ToolResult::new("call-1", "ring", ToolOutcome::Value(json!("dong")));
    let prompt = [Content::ToolResult(result.clone()), Content::text("What was that?")];
    in_time(chat.chat(prompt.clone())).await.unwrap();
    let sent = &model.requests()[0].turns;
    assert_eq!(*sent[2], Turn::from(UserTurn::new(prompt)));
    assert_eq!(sent.len(), 3);
}

/// A call without a name, which gateways send beside a text, is no call: the reply is its text.
#[tokio::test]
async fn a_call_without_a_name_is_no_call() {
    for streams in [false, true] {
        let answer = Answer::says("4").call("", json!({}));
        let model = Script::from_fn(move |_| answer.clone());
        let mut chat = Chat::new(model.clone()).with_tools(tools![ring]);
        let reply = if streams {
            let events: Vec<_> = in_time(chat.stream("2 + 2?").collect()).await;
            let Some(Ok(StreamEvent::Done(reply))) = events.into_iter().last() else { panic!() };
            *reply
        } else {
            in_time(chat.chat("2 + 2?")).await.unwrap()
        };
        assert_eq!((reply.text().as_str(), reply.rounds), ("4", 1));
        assert_eq!(chat.turns()[1].contents(), [Content::text("4")]);
        assert_eq!(model.requests().len(), 1);
    }
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Book {
    title: String,
    pages: u32,
    #[serde(default)]
    sold_out: bool,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Room {
    n: u8,
}

async fn extract(text: &str) -> Result<Book, ChatError> {
    let mut chat = Chat::new(Script::new().says(text));
    in_time(chat.extract("Which book?")).await.map(|extracted| extracted.value)
}

const BOOK: &str = r#"{"title": "Emma", "pages": 474, "sold_out": true}"#;

/// The answer is read after the thinking that a server left in the text, never in it.
/// <https://github.com/msu-denver/bili-core/issues/289>
#[tokio::test]
async fn extract_skips_thinking() {
    let emma = || Book { title: "Emma".into(), pages: 474, sold_out: true };
    let draft = r#"{"title": "Persuasion", "pages": 249, "sold_out": true}"#;
    for text in [
        format!("<think>\nA novel {{perhaps}}.\n</think>\n\n{BOOK}"),
        format!("<think>{draft}?</think>{BOOK}"),
        format!("First {draft}.\n</think>\n{BOOK}"),
        format!("<think>```json\n{draft}\n```</think>Here:\n```json\n{BOOK}\n```"),
    ] {
        assert_eq!(extract(&text).await.unwrap(), emma(), "{text}");
    }
    for text in [format!("<think>{draft}"), format!("<think>{draft}</think>\nI cannot decide.")] {
        let error = extract(&text).await.unwrap_err();
        let ChatError::Output(output) = &error else { panic!("{error:?}") };
        assert_eq!(output.kind(), OutputErrorKind::Invalid);
    }
}

/// The answer is read from a fence of any kind, and between sentences.
/// <https://github.com/garrytan/gbrain/pull/3378>,
/// <https://github.com/interviewstreet/hiring-agent/issues/345>
#[tokio::test]
async fn extract_reads_fences_and_sentences() {
    for text in [
        format!("Here is the book:\n\n```json\n{BOOK}\n```\n\nEnjoy [1]!"),
        format!("```JSON\r\n{BOOK}\r\n```\r\n"),
        format!("~~~\n{BOOK}\n~~~"),
        format!("The book is {BOOK}. Is {{title}} right?"),
        format!("{BOOK}\nSee [1]."),
        format!("```json\n{{\"title\": \"An outline\"}}\n```\nso\n```json\n{BOOK}\n```"),
        format!("```json\n{BOOK}\n```\nOther fields: {{\"author\": \"Jane Austen\"}}"),
    ] {
        let book = extract(&text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((book.title.as_str(), book.pages, book.sold_out), ("Emma", 474, true));
    }
}

/// Values of an answer are converted like arguments; what does not fit is an error that names the
/// requested type.
/// <https://github.com/tontinton/maki/pull/142>
#[tokio::test]
async fn extract_converts_values_where_the_schema_leaves_no_doubt() {
    let recorder = Recorder::new();
    let book =
        extract(r#"{"title": "1984", "pages": "328.0", "sold_out": "False"}"#).await.unwrap();
    assert_eq!(book, Book { title: "1984".into(), pages: 328, sold_out: false });
    let notes = format!("{:?}", recorder.span("invoke_agent")["chatlas.coerced"]);
    assert!(notes.contains("$.pages: a string to an integer"), "{notes}");
    recorder.assert_sound();
    let mut chat =
        Chat::new(Script::new().says("```\n[\"1\", 2.0]\n```").says("{\"value\": \"3\"}"));
    assert_eq!(in_time(chat.extract::<Vec<u8>>("list")).await.unwrap().value, [1, 2]);
    assert_eq!(in_time(chat.extract::<u8>("one")).await.unwrap().value, 3);
    // A footnote is no value, although serde reads a struct from an array.
    let mut chat =
        Chat::new(Script::new().says("It has 12 [1].").says("Room 4 [1]: {\"n\": \"4\"}"));
    assert!(in_time(chat.extract::<Room>("room")).await.is_err());
    let room = in_time(chat.extract::<Option<Room>>("room")).await.unwrap().value;
    assert_eq!(room, Some(Room { n: 4 }));
    for text in
        [r#"{"title": 1984, "pages": 328}"#, "[\"Emma\", 474, true]", "Emma", "{\"title\": \"Em"]
    {
        let error = extract(&format!("So: {text}")).await.unwrap_err().to_string();
        assert!(error.contains("`Book`, an object with `pages`, `sold_out`, `title`"), "{error}");
    }
}
