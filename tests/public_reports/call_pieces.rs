//! Tool calls that arrive in pieces: which pieces belong to one call.

use chatlas::HttpOptions;
use chatlas::prelude::*;
use serde_json::{Value, json};

use crate::support::protocols::{COMPLETIONS, Protocol, RESPONSES};
use crate::support::server::{Answer, Server};
use crate::support::stream::{events, read_stream};
use crate::support::timeout::in_time;

/// Returns the calls of a streamed reply of Chat Completions with these lists of pieces.
async fn calls(lists: &[Value]) -> Vec<(String, String)> {
    let chunk = |list| json!({"choices": [{"index": 0, "delta": {"tool_calls": list}}]});
    let mut chunks: Vec<Value> = lists.iter().map(chunk).collect();
    chunks.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
    requests(&COMPLETIONS, &chunks).await
}

/// Returns the tool calls that a chat keeps of a streamed reply with these events.
async fn requests(protocol: &Protocol, chunks: &[Value]) -> Vec<(String, String)> {
    let server = Server::start(vec![Answer::events(events(chunks))]);
    let options = HttpOptions::default().with_max_retries(0);
    let mut chat = (protocol.chat)(server.root(), options).with_max_rounds(1);
    let mut stream = chat.stream("hi");
    // It ends with the limit of rounds.
    while let Some(Ok(_)) = in_time(stream.next()).await {}
    drop(stream);
    let mut turns = chat.turns().iter();
    let turn = turns.find_map(|turn| match &**turn {
        Turn::Assistant(turn) => Some(turn),
        _ => None,
    });
    let calls = turn.expect("a reply").tool_requests();
    calls.map(|call| (call.name.clone(), call.arguments.to_string())).collect()
}

fn owned(calls: &[(&str, &str)]) -> Vec<(String, String)> {
    calls.iter().map(|(name, json)| ((*name).to_owned(), (*json).to_owned())).collect()
}

/// Two calls of different tools in one chunk are two calls although they share the index.
/// Source: <https://github.com/omnigent-ai/omnigent/pull/28>
#[tokio::test]
async fn two_names_in_one_list_are_two_calls() {
    for (first, second) in [("{\"x\":1}", "{\"y\":2}"), ("", "{}"), ("", "")] {
        let list = json!([
            {"index": 0, "function": {"name": "open", "arguments": first}},
            {"index": 0, "function": {"name": "close", "arguments": second}},
        ]);
        let or_empty = |json: &'static str| if json.is_empty() { "{}" } else { json };
        let expected = owned(&[("open", or_empty(first)), ("close", or_empty(second))]);
        assert_eq!(calls(&[list]).await, expected);
    }
}

/// A new name, or more arguments after complete ones, begins a new call although the index and the id
/// are those of the call before it.
/// Source: <https://github.com/skye-harris/hass_local_openai_llm/pull/92>
#[tokio::test]
async fn a_new_name_or_arguments_after_complete_ones_begin_a_new_call() {
    let piece = |name: &str, arguments: &str| {
        json!([{"index": 0, "id": "same", "type": "function",
            "function": {"name": name, "arguments": arguments}}])
    };
    for (pieces, expected) in [
        (vec![piece("open", "{\"x\":1}"), piece("close", "{\"x\":1}")], vec!["open", "close"]),
        (vec![piece("open", "{\"x\":1}"), piece("open", "{\"x\":2}")], vec!["open", "open"]),
        (
            vec![piece("open", "{\"x\":"), piece("open", "1}"), piece("close", "{}")],
            vec!["open", "close"],
        ),
        // The same call again, and the empty piece at the end, add nothing.
        (vec![piece("open", "{\"x\":1}"), piece("open", "{\"x\":1}")], vec!["open"]),
        (vec![piece("open", "{\"x\":1}"), piece("open", "")], vec!["open"]),
    ] {
        let names: Vec<String> = calls(&pieces).await.into_iter().map(|call| call.0).collect();
        assert_eq!(names, expected, "{pieces:?}");
    }
}

/// A name may arrive in pieces, as the part so far, or complete with each piece.
/// Source: <https://github.com/spring-projects/spring-ai/pull/5973>
#[tokio::test]
async fn a_name_arrives_in_pieces_or_with_each_piece() {
    let piece = |name: &str, arguments: &str| json!([{"index": 0, "function": {"name": name, "arguments": arguments}}]);
    for pieces in [
        [piece("get_", ""), piece("time", ""), piece("", "{}")],
        [piece("get", ""), piece("get_time", ""), piece("", "{}")],
        [piece("get_time", ""), piece("get_time", "{"), piece("get_time", "}")],
    ] {
        assert_eq!(calls(&pieces).await, owned(&[("get_time", "{}")]), "{pieces:?}");
    }
}

/// An id may be a number, an index a string, the list an object, the arguments an object, and the
/// fields of the function may be those of the call.
/// Source: <https://github.com/earendil-works/pi/issues/2017>
#[tokio::test]
async fn calls_of_other_types_are_read() {
    for list in [
        json!({"index": 0, "id": 7, "function": {"name": "f", "arguments": {"x": 1}}}),
        json!([{"index": "0", "id": 7, "name": "f", "arguments": {"x": 1}}]),
        json!([{"id": null, "function": {"name": "f", "arguments": "{\"x\":1}"}}]),
        json!([null, {"id": "", "function": {"name": "f", "arguments": "{\"x\":1}"}}]),
    ] {
        assert_eq!(
            calls(std::slice::from_ref(&list)).await,
            owned(&[("f", "{\"x\":1}")]),
            "{list}"
        );
    }
}

/// An empty object before the pieces of the arguments is replaced by them.
/// Source: <https://github.com/BerriAI/litellm/issues/27144>
#[tokio::test]
async fn an_empty_object_before_the_arguments_is_replaced() {
    let pieces = [
        json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]),
        json!([{"index": 0, "function": {"arguments": "{\"x\":"}}]),
        json!([{"index": 0, "function": {"arguments": "1}"}}]),
    ];
    assert_eq!(calls(&pieces).await, owned(&[("f", "{\"x\":1}")]));
}

/// An empty call in a reply (recorded of Snowflake Cortex) is no call, and an empty finish reason is
/// none: the reply is a text.
/// Source: <https://docs.snowflake.com/en/user-guide/snowflake-cortex/open_ai_sdk>
#[tokio::test]
async fn a_call_without_a_name_is_no_call() {
    let empty = json!({"arguments": "", "name": ""});
    for message in [
        json!({"content": "9", "function_call": empty, "tool_calls": null}),
        json!({"content": "9", "tool_calls": [{"id": "", "function": empty}]}),
        json!({"content": "9", "tool_calls": {}}),
    ] {
        let body = json!({"choices": [{"message": message, "finish_reason": ""}]});
        let server = Server::start(vec![Answer::json(200, &body)]);
        let mut chat = (COMPLETIONS.chat)(server.root(), HttpOptions::default());
        let reply = chat.chat("hi").await.expect("a reply");
        assert_eq!((reply.text().as_str(), server.sent().len()), ("9", 1));
        let (text, reply) = read_stream(&mut chat).await;
        assert_eq!((text.as_str(), reply.expect("a reply").text().as_str()), ("9", "9"));
    }
}

/// The arguments of a call of the Responses API may arrive in their own events alone.
/// Source: <https://github.com/BerriAI/litellm/issues/27144>
#[tokio::test]
async fn arguments_in_events_of_their_own_are_kept() {
    let item = json!({"type": "function_call", "id": "fc_9", "call_id": "c_9", "name": "f",
        "arguments": ""});
    let added = json!({"type": "response.output_item.added", "output_index": 0, "item": item});
    let piece = |text: &str| {
        json!({"type": "response.function_call_arguments.delta",
        "output_index": 0, "item_id": "fc_9", "delta": text})
    };
    let complete = json!({"type": "response.function_call_arguments.done", "output_index": 0,
        "item_id": "fc_9", "arguments": "{\"x\":1}"});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    let end = |output: Value| {
        json!({"type": "response.completed",
        "response": {"id": "r", "status": "completed", "output": output}})
    };
    for events in [
        vec![added.clone(), complete.clone(), done.clone(), end(json!([]))],
        vec![added.clone(), piece("{\"x\""), piece(":1}"), done, end(json!([item]))],
        vec![added.clone(), complete.clone(), end(json!([]))],
        vec![added, complete, end(json!([item]))],
    ] {
        assert_eq!(requests(&RESPONSES, &events).await, owned(&[("f", "{\"x\":1}")]), "{events:?}");
    }
}
