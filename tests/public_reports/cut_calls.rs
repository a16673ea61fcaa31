//! Tool calls that the token limit cut off, in every protocol.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chatlas::content::{ToolOutcome, ToolRequest};
use chatlas::prelude::*;
use chatlas::testing::{Answer as Reply, Recorder, Script};
use chatlas::{DynTool, FinishReason, HttpOptions};
use serde_json::{Value, json};

use super::support::protocols::{PROTOCOLS, Protocol};
use super::support::server::{Answer, Server};
use super::support::timeout::in_time;

/// The arguments that had arrived when the limit was reached.
const PIECES: [&str; 2] = ["", r#"{"path": "/tmp", "for"#];

/// A tool whose parameters are all optional, and the number of its calls.
fn wipe() -> (ToolSet, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let schema = json!({"type": "object", "properties": {
        "path": {"type": "string"}, "force": {"type": "boolean"}}});
    let tool = DynTool::new("wipe", "Wipes a folder.", schema, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok("wiped") }
    });
    let mut tools = ToolSet::new();
    tools.add(tool.unwrap()).unwrap();
    (tools, runs)
}

/// Returns the complete reply of a protocol that ends within a call of `wipe`. Where the arguments
/// are an object, `piece` is not used: vendors send what they could parse.
fn complete(protocol: &Protocol, piece: &str) -> Value {
    let mut reply = (protocol.tool_call)("wipe");
    match protocol.name {
        "OpenAI Responses" => {
            reply["status"] = "incomplete".into();
            reply["incomplete_details"] = json!({"reason": "max_output_tokens"});
            reply["output"][0]["status"] = "incomplete".into();
            reply["output"][0]["arguments"] = piece.into();
        }
        "OpenAI Chat Completions" => {
            let choice = &mut reply["choices"][0];
            choice["finish_reason"] = "length".into();
            choice["message"]["tool_calls"][0]["function"]["arguments"] = piece.into();
        }
        "Gemini" => reply["candidates"][0]["finishReason"] = "MAX_TOKENS".into(),
        "Bedrock Converse" => reply["stopReason"] = "max_tokens".into(),
        _ => reply["stop_reason"] = "max_tokens".into(),
    }
    reply
}

/// Returns the events of that reply.
fn stream(protocol: &Protocol, piece: &str) -> Vec<u8> {
    let event = |payload: Value| (protocol.event)(&payload.to_string());
    match protocol.name {
        "OpenAI Responses" => {
            let item = json!({"type": "function_call", "id": "fc-1", "call_id": "call-1",
                "name": "wipe", "arguments": "", "status": "in_progress"});
            [
                event(json!({"type": "response.output_item.added", "output_index": 0,
                    "item": item})),
                event(json!({"type": "response.function_call_arguments.delta", "output_index": 0,
                    "item_id": "fc-1", "delta": piece})),
                event(json!({"type": "response.incomplete",
                    "response": complete(protocol, piece)})),
            ]
            .concat()
        }
        "OpenAI Chat Completions" => {
            let call = json!({"index": 0, "id": "call-1", "type": "function",
                "function": {"name": "wipe", "arguments": piece}});
            [
                event(json!({"id": "reply-1", "choices": [{"delta": {"tool_calls": [call]}}]})),
                event(json!({"id": "reply-1",
                    "choices": [{"delta": {}, "finish_reason": "length"}]})),
            ]
            .concat()
        }
        "Gemini" => event(complete(protocol, piece)),
        #[cfg(feature = "bedrock")]
        "Bedrock Converse" => {
            use super::support::frames::event;
            let call = json!({"toolUse": {"toolUseId": "call-1", "name": "wipe"}});
            let delta = json!({"toolUse": {"input": piece}});
            [
                event("messageStart", &json!({"role": "assistant"})),
                event("contentBlockStart", &json!({"contentBlockIndex": 0, "start": call})),
                event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": delta})),
                event("contentBlockStop", &json!({"contentBlockIndex": 0})),
                event("messageStop", &json!({"stopReason": "max_tokens"})),
            ]
            .concat()
        }
        _ => messages_stream(protocol, piece),
    }
}

fn messages_stream(protocol: &Protocol, piece: &str) -> Vec<u8> {
    let block = json!({"type": "tool_use", "id": "call-1", "name": "wipe", "input": {}});
    let delta = json!({"type": "input_json_delta", "partial_json": piece});
    let events = [
        json!({"type": "message_start", "message": {"id": "reply-1", "content": [],
            "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"},
            "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    #[cfg(feature = "bedrock")]
    if protocol.name == "Bedrock InvokeModel" {
        return events.iter().flat_map(super::support::frames::chunk).collect();
    }
    events.iter().flat_map(|event| (protocol.event)(&event.to_string())).collect()
}

/// Sends a prompt. Returns the text of the reply.
async fn send(chat: &mut Chat, streams: bool) -> Result<String, ChatError> {
    if !streams {
        return in_time(chat.chat("go")).await.map(|reply| reply.text());
    }
    let events: Vec<_> = in_time(chat.stream("go").collect()).await;
    match events.into_iter().last() {
        Some(Ok(StreamEvent::Done(reply))) => Ok(reply.text()),
        Some(Err(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

/// Runs `check` for each protocol, streamed and not, with the answers that cut a call off.
async fn for_each_cut<F: Future>(check: impl Fn(&'static Protocol, bool, Answer) -> F) {
    for protocol in PROTOCOLS {
        for streams in [false, true] {
            for piece in PIECES {
                let answer = if streams {
                    protocol.stream(stream(protocol, piece))
                } else {
                    Answer::json(200, &complete(protocol, piece))
                };
                check(protocol, streams, answer).await;
            }
        }
    }
}

fn done(protocol: &Protocol, streams: bool) -> Answer {
    if streams { protocol.valid_stream() } else { Answer::json(200, &(protocol.complete)("Hello")) }
}

/// A call whose arguments the token limit cut off is not run; the model learns why, and goes on.
/// <https://github.com/ahwurm/localharness/issues/77>,
/// <https://github.com/jaseci-labs/jac/pull/6766>
#[tokio::test]
async fn a_call_that_the_token_limit_cut_off_is_not_run() {
    for_each_cut(async |protocol, streams, cut| {
        let case = format!("{}, streams: {streams}", protocol.name);
        let server = Server::start(vec![cut, done(protocol, streams)]);
        let (tools, runs) = wipe();
        let mut chat = (protocol.chat)(server.root(), HttpOptions::default()).with_tools(tools);
        assert_eq!(send(&mut chat, streams).await.as_deref(), Ok("Hello"), "{case}");
        assert_eq!(runs.load(Ordering::SeqCst), 0, "{case}");
        let sent = server.sent()[1].body.to_string();
        assert!(sent.contains("reached the token limit"), "{case}: {sent}");
        assert!(!sent.contains("EOF"), "{case}: {sent}");
    })
    .await;
}

/// A second cut in succession is an error that names the limit; the chat works on.
/// <https://github.com/ahwurm/localharness/issues/77>
#[tokio::test]
async fn a_second_cut_in_succession_is_an_error_that_names_the_limit() {
    for_each_cut(async |protocol, streams, cut| {
        let case = format!("{}, streams: {streams}", protocol.name);
        let server = Server::start(vec![cut.clone(), cut, done(protocol, streams)]);
        let (tools, runs) = wipe();
        let mut chat = (protocol.chat)(server.root(), HttpOptions::default()).with_tools(tools);
        let error = send(&mut chat, streams).await.unwrap_err();
        assert_eq!(error, ChatError::TruncatedCall, "{case}");
        let message = error.to_string();
        assert!(
            message.contains("token limit") && message.contains("with_max_tokens"),
            "{message}"
        );
        assert_eq!(chat.turns().len(), 5, "{case}: both replies and their results are kept");
        assert_eq!(send(&mut chat, streams).await.as_deref(), Ok("Hello"), "{case}");
        assert_eq!(runs.load(Ordering::SeqCst), 0, "{case}");
    })
    .await;
}

/// The calls before the one that was cut off are run.
/// <https://github.com/jaseci-labs/jac/pull/6766>
#[tokio::test]
async fn calls_before_the_one_that_was_cut_off_are_run() {
    let recorder = Recorder::new();
    let cut = Reply::new()
        .call_with_id("a", "wipe", json!({"path": "/tmp"}))
        .call_with_id("b", "wipe", json!({}))
        .call_with_id("c", "wipe", json!({}))
        .with_finish_reason(FinishReason::Length);
    let (tools, runs) = wipe();
    let mut chat = Chat::new(Script::new().then(cut).says("done")).with_tools(tools);
    assert_eq!(in_time(chat.chat("go")).await.unwrap().text(), "done");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    let outcomes: Vec<bool> = chat.turns()[2]
        .contents()
        .iter()
        .map(|content| matches!(content, Content::ToolResult(r) if r.outcome.is_error()))
        .collect();
    assert_eq!(outcomes, [false, false, true]);
    let spans = recorder.spans_with_operation("execute_tool");
    let errors: Vec<_> = spans.iter().filter(|span| span.is_error()).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["error.type"], "arguments_truncated");
    assert!(!recorder.span("invoke_agent").is_error());
    recorder.assert_sound();
}

/// A call in a reply at the limit is complete if a text follows it, or if it has all arguments of the
/// tool: vendors that parse the arguments send the fields that had arrived.
/// <https://docs.claude.com/en/api/handling-stop-reasons>
#[tokio::test]
async fn a_complete_call_of_a_reply_at_the_limit_is_run() {
    let all = json!({"path": "/tmp", "force": true});
    let call = |arguments| Content::ToolRequest(ToolRequest::new("a", "wipe", arguments));
    for (contents, is_run) in [
        (vec![call(all.clone())], true),
        (vec![call(json!({})), Content::text("And then")], true),
        (vec![call(json!({"path": "/tmp"}))], false),
        (vec![call(json!("{\"path\"")), Content::text("And then")], false),
    ] {
        let answer = contents.iter().cloned().fold(Reply::new(), Reply::content);
        let model =
            Script::new().then(answer.with_finish_reason(FinishReason::Length)).says("done");
        let (tools, runs) = wipe();
        in_time(Chat::new(model).with_tools(tools).chat("go")).await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst) == 1, is_run, "{contents:?}");
    }
}

/// `extract` that is cut off within a call, or within its answer, reports the limit.
/// <https://github.com/jaseci-labs/jac/pull/6766>
#[tokio::test]
async fn extract_that_is_cut_off_names_the_limit() {
    let cut = || Reply::calls("wipe", json!({})).with_finish_reason(FinishReason::Length);
    let answer = Reply::says("{\"value\": 1").with_finish_reason(FinishReason::Length);
    for model in [Script::new().then(cut()).then(cut()), Script::new().then(cut()).then(answer)] {
        let (tools, _) = wipe();
        let mut chat = Chat::new(model).with_tools(tools);
        let error = in_time(chat.extract::<u8>("go")).await.unwrap_err();
        assert!(error.to_string().contains("token limit"), "{error}");
    }
}

/// A call that a content filter cut off is not run, either.
#[tokio::test]
async fn a_call_that_a_content_filter_cut_off_is_not_run() {
    let cut = Reply::calls("wipe", json!({})).with_finish_reason(FinishReason::ContentFilter);
    let (tools, runs) = wipe();
    let mut chat = Chat::new(Script::new().then(cut).says("done")).with_tools(tools);
    in_time(chat.chat("go")).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    let Content::ToolResult(result) = &chat.turns()[2].contents()[0] else { panic!("a result") };
    assert!(matches!(&result.outcome, ToolOutcome::Error(text) if text.contains("filter")));
}
