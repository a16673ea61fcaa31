//! Replies that deviate from the documentation of Anthropic, Gemini and Bedrock, as gateways and
//! compatible servers send them: nothing of them is lost.

use chatlas_core::content::{Content, Replay};
use chatlas_core::{
    Completion, CompletionEvent, FinishReason, Provider as _, ProviderError,
    ProviderErrorKind as Kind, Usage,
};
use chatlas_providers::anthropic::Anthropic;
use chatlas_providers::google::Gemini;
use serde_json::{Value, json};

use super::bedrock_replies as bedrock;
use super::fixed::{Answer, answering, done, events, reply, run};

fn anthropic(answer: Answer) -> Anthropic {
    Anthropic::new("claude-1").with_api_key("k").with_http(answering([answer]).0)
}

fn gemini(answer: Answer) -> Gemini {
    Gemini::new("gemini-1").with_api_key("k").with_http(answering([answer]).0)
}

/// Reads a complete message.
fn message(message: &Value) -> Result<Completion, ProviderError> {
    reply(&anthropic(Answer::json(200, message)))
}

/// Reads a streamed message. The events begin with `message_start`.
fn messages(rest: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    let begin = json!({"type": "message_start", "message": {"id": "m-1", "content": []}});
    events(&anthropic(Answer::events([begin].iter().chain(rest))))
}

fn block(index: u64, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, kind: &str, field: &str, piece: &str) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}})
}

fn text(index: u64, piece: &str) -> Value {
    delta(index, "text_delta", "text", piece)
}

fn input(index: u64, piece: &str) -> Value {
    delta(index, "input_json_delta", "partial_json", piece)
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn stopped(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}})
}

fn over() -> Value {
    json!({"type": "message_stop"})
}

fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "look", "input": {}})
}

/// The id, the arguments and the item of each call.
fn calls(completion: &Completion) -> Vec<(&str, &Value, Option<&Replay>)> {
    let requests = completion.tool_requests();
    requests.map(|call| (&*call.id, &call.arguments, call.replay.as_ref())).collect()
}

/// A call, followed by a text that is not empty, in any order.
#[test]
fn text_inside_a_call_is_a_text_beside_it() {
    let with_text = |text: &str| {
        json!({"content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1},
            "text": text}], "stop_reason": "tool_use"})
    };
    let streamed = |piece: &str| {
        messages(&[
            block(0, &call("t")),
            input(0, "{\"a\""),
            text(0, piece),
            input(0, ": 1}"),
            stop(0),
            stopped("tool_use"),
            over(),
        ])
    };
    for (piece, expected) in [("\n", ""), ("I look.", "I look.")] {
        let streamed = streamed(piece).expect("a reply");
        for completion in [&message(&with_text(piece)).expect("a reply"), done(&streamed)] {
            assert_eq!(calls(completion), [("t", &json!({"a": 1}), None)]);
            assert_eq!(completion.text(), expected);
        }
    }
}

#[test]
fn a_piece_that_does_not_fit_its_block_is_kept() {
    let streamed = messages(&[
        block(0, &json!({"type": "thinking", "thinking": ""})),
        delta(0, "thinking_delta", "thinking", "Hm."),
        text(0, "Hel"),
        delta(0, "signature_delta", "signature", "s"),
        stop(0),
        block(1, &json!({"type": "text", "text": ""})),
        delta(1, "thinking_delta", "thinking", "So."),
        delta(1, "signature_delta", "signature", "t"),
        text(1, "lo"),
        stop(1),
        stopped("end_turn"),
        over(),
    ]);
    let streamed = streamed.expect("a reply");
    let completion = done(&streamed);
    assert_eq!(completion.text(), "Hello");
    let thoughts: Vec<(&str, Option<&Value>)> = completion
        .contents
        .iter()
        .filter_map(|content| match content {
            Content::Thinking(thought) => {
                Some((&*thought.text, thought.replay.as_ref().map(|replay| &replay.item)))
            }
            _ => None,
        })
        .collect();
    let item = json!({"type": "thinking", "thinking": "Hm.", "signature": "s"});
    assert_eq!(thoughts, [("Hm.", Some(&item)), ("So.", None)]);
}

#[test]
fn arguments_in_a_string_are_read_as_json() {
    let arguments = "{\"a\": 1}";
    let expected = json!({"a": 1});
    let mut tool = call("t");
    tool["input"] = arguments.into();
    let complete = message(&json!({"content": [tool], "stop_reason": "tool_use"}));
    assert_eq!(calls(&complete.expect("a reply")), [("t", &expected, None)]);
    let streamed = messages(&[block(0, &tool), stop(0), stopped("tool_use"), over()]);
    assert_eq!(calls(done(&streamed.expect("a reply"))), [("t", &expected, None)]);

    let call = json!({"functionCall": {"id": "t", "name": "look", "args": arguments}});
    let candidate = json!({"content": {"parts": [call]}, "finishReason": "STOP"});
    let complete = reply(&gemini(Answer::json(200, &json!({"candidates": [candidate]}))));
    assert_eq!(calls(&complete.expect("a reply")), [("t", &expected, None)]);

    let call = json!({"toolUse": {"toolUseId": "t", "name": "look", "input": arguments}});
    let output = json!({"message": {"content": [call]}});
    let complete = bedrock::complete(&json!({"output": output, "stopReason": "tool_use"}));
    assert_eq!(calls(&complete.expect("a reply")), [("t", &expected, None)]);

    // Text that is not JSON is what the model wrote.
    tool["input"] = "{\"a\": ".into();
    let complete = message(&json!({"content": [tool], "stop_reason": "tool_use"}));
    assert_eq!(calls(&complete.expect("a reply")), [("t", &json!("{\"a\": "), None)]);
}

#[test]
fn content_may_be_a_text_or_missing_if_the_reply_has_a_stop_reason() {
    for (content, expected) in [
        (json!("Hello"), "Hello"),
        (json!(["Hel", "lo"]), "Hello"),
        (json!([{"text": "Hello"}]), "Hello"),
        (Value::Null, ""),
    ] {
        let read = message(&json!({"content": content, "stop_reason": "end_turn"}));
        assert_eq!(read.expect("a reply").text(), expected);
        let output = json!({"message": {"content": content}});
        let read = bedrock::complete(&json!({"output": output, "stopReason": "end_turn"}));
        assert_eq!(read.expect("a reply").text(), expected);
    }
    let read = message(&json!({"type": "message", "content": null})).expect("a reply");
    assert_eq!(read.finish_reason, Some(FinishReason::Stop));
    for none in [json!({}), json!({"content": 3}), json!({"content": null, "hello": 1})] {
        assert_eq!(message(&none).expect_err("no reply").kind(), Kind::MalformedReply);
    }
}

#[test]
fn an_error_in_a_reply_keeps_its_message_in_every_form() {
    for error in [json!("out of money"), json!({"message": "out of money"})] {
        let complete = message(&json!({"status": "FAILED", "error": error}));
        let streamed = messages(&[json!({"error": error})]);
        for error in [complete.expect_err("an error"), streamed.expect_err("an error")] {
            assert_eq!(error.message(), "out of money");
        }
    }
    for body in [
        json!([{"error": {"message": "out of money", "type": "billing_error"}}]),
        json!({"errors": [{"message": "out of money", "type": "billing_error"}]}),
        json!({"errors": {"message": "out of money", "type": "billing_error"}}),
        json!({"detail": "out of money", "type": "billing_error"}),
        json!({"message": "out of money", "type": "billing_error"}),
    ] {
        let error = reply(&anthropic(Answer::json(402, &body))).expect_err("an error");
        assert_eq!((error.message(), error.code()), ("out of money", Some("billing_error")));
        assert_eq!(error.kind(), Kind::RateLimit);
    }
    // The status is in the message: a program that does not match on it reads the reason.
    let plain = Answer::new(502, "text/html", "<h1>no</h1>");
    let error = reply(&anthropic(plain)).expect_err("an error");
    assert_eq!(error.message(), "the server answered: <h1>no</h1>");
}

#[test]
fn a_stream_that_stopped_is_complete_without_its_last_event() {
    let begun = [block(0, &json!({"type": "text", "text": ""})), text(0, "Hello")];
    let error = messages(&begun).expect_err("it broke off");
    assert_eq!(error.kind(), Kind::TruncatedStream);
    let stopped = messages(&[&begun[..], &[stopped("max_tokens")]].concat()).expect("a reply");
    let completion = done(&stopped);
    assert_eq!(completion.text(), "Hello");
    assert_eq!(completion.finish_reason, Some(FinishReason::Length));
}

#[test]
fn events_that_a_gateway_repeats_are_read_once() {
    let begin = json!({"type": "message_start", "message": {"id": "m-2", "content": [],
        "usage": {"input_tokens": 3}}});
    let streamed = messages(&[
        begin,
        block(0, &json!({"type": "text", "text": ""})),
        block(0, &json!({"type": "text", "text": ""})),
        text(0, "Hello"),
        stop(0),
        stop(0),
        // All further blocks have the same index.
        block(0, &call("t1")),
        block(0, &call("t1")),
        input(0, "{\"a\": 1}"),
        stop(0),
        block(0, &call("t2")),
        block(0, &call("t3")),
        input(0, "{\"a\": 3}"),
        stopped("tool_use"),
        over(),
        over(),
    ]);
    let streamed = streamed.expect("a reply");
    let completion = done(&streamed);
    assert_eq!(completion.text(), "Hello");
    assert_eq!(completion.response_id.as_deref(), Some("m-1"));
    assert_eq!(completion.usage.input_tokens, Some(3));
    assert_eq!(
        calls(completion),
        [("t1", &json!({"a": 1}), None), ("t2", &json!({}), None), ("t3", &json!({"a": 3}), None)]
    );
    let started = |event: &&CompletionEvent| matches!(event, CompletionEvent::Started { .. });
    assert_eq!(streamed.iter().filter(started).count(), 1);
}

#[test]
fn stop_reasons_of_chat_completions_are_understood() {
    for (reason, expected) in [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
    ] {
        let read = message(&json!({"content": [], "stop_reason": reason})).expect("a reply");
        assert_eq!(read.finish_reason, Some(expected));
    }
    let read = message(&json!({"content": [call("t")], "stop_reason": "tool_calls"}));
    assert_eq!(read.expect("a reply").finish_reason, Some(FinishReason::ToolCall));
}

/// A tool that runs inside the code of another tool is called and answered between the call of that
/// tool and its result. The API requires the blocks back in the order in which it sent them.
#[test]
fn calls_inside_a_call_keep_the_order_of_their_blocks() {
    let used = |id: &str, name: &str| json!({"type": "server_tool_use", "id": id, "name": name, "input": {"q": id}});
    let result = |id: &str, kind: &str| json!({"type": format!("{kind}_tool_result"), "tool_use_id": id, "content": []});
    let mut inner = used("b", "web_search");
    inner["caller"] = json!({"type": "code_execution_20250825", "tool_id": "a"});
    let blocks = [
        used("a", "code_execution"),
        inner,
        result("b", "web_search"),
        json!({"type": "text", "text": "So far."}),
        result("a", "code_execution"),
        used("c", "web_search"),
    ];
    let mut stream = Vec::new();
    for (index, item) in (0..).zip(&blocks) {
        stream.extend([block(index, item), stop(index)]);
    }
    stream.extend([stopped("pause_turn"), over()]);
    let streamed = messages(&stream).expect("a reply");
    let completion = done(&streamed);
    assert_eq!(
        &message(&json!({"id": "m-1", "content": blocks, "stop_reason": "pause_turn"})).unwrap(),
        completion
    );
    let items = |content: &Content| match content {
        Content::ServerTool(tool) => match &tool.replay.item {
            Value::Array(items) => items.clone(),
            item => vec![item.clone()],
        },
        Content::Text(text) => vec![json!({"type": "text", "text": text.text})],
        other => panic!("{other:?}"),
    };
    let received: Vec<Value> = completion.contents.iter().flat_map(items).collect();
    assert_eq!(received, blocks);
    let names: Vec<(&str, Option<&str>)> = completion
        .contents
        .iter()
        .filter_map(|content| match content {
            Content::ServerTool(tool) => Some((&*tool.name, tool.id.as_deref())),
            _ => None,
        })
        .collect();
    assert_eq!(
        names,
        [
            ("code_execution", Some("a")),
            ("web_search", Some("b")),
            ("code_execution", Some("a")),
            ("web_search", Some("c")),
        ]
    );
    // The stream emits the same contents, in the same order.
    let emitted = streamed.iter().filter_map(|event| match event {
        CompletionEvent::Content(content) => Some(content),
        _ => None,
    });
    let tools = completion.contents.iter().filter(|c| matches!(c, Content::ServerTool(_)));
    assert!(emitted.eq(tools));
}

// Gemini.

fn chunk(parts: &Value, reason: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"parts": parts}, "finishReason": reason}]})
}

fn chunks(chunks: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    events(&gemini(Answer::events(chunks)))
}

#[test]
fn a_function_call_without_a_name_continues_the_call_before_it() {
    let begun = json!({"functionCall": {"id": "t", "name": "look", "args": {"a": 1}}});
    let more = json!({"functionCall": {"args": {"b": 2}}, "thoughtSignature": "s"});
    let last = json!({"functionCall": {"args": {"c": 3}}});
    let next = json!({"functionCall": {"id": "u", "name": "look"}});
    let streamed = chunks(&[
        chunk(&json!([last.clone(), begun]), None),
        chunk(&json!([{"text": ""}, more]), Some("STOP")),
        chunk(&json!([last, next]), Some("STOP")),
    ]);
    let streamed = streamed.expect("a reply");
    let replay = Replay::new("gcp.gemini", json!({"thoughtSignature": "s"}));
    assert_eq!(
        calls(done(&streamed)),
        [("t", &json!({"a": 1, "b": 2, "c": 3}), Some(&replay)), ("u", &json!({}), None)]
    );
    // Each call is emitted once, with all of its arguments.
    let emitted = streamed.iter().filter_map(|event| match event {
        CompletionEvent::Content(content) => Some(content),
        _ => None,
    });
    assert!(emitted.eq(&done(&streamed).contents));
}

#[test]
fn counts_of_a_stream_are_cumulative_and_the_total_decides() {
    let counts = |prompt: u64, tools: u64, answer: u64, thoughts: u64, total: u64| {
        let mut counts = json!({});
        for (key, count) in [
            ("promptTokenCount", prompt),
            ("toolUsePromptTokenCount", tools),
            ("candidatesTokenCount", answer),
            ("thoughtsTokenCount", thoughts),
            ("totalTokenCount", total),
        ] {
            if count > 0 {
                counts[key] = count.into();
            }
        }
        json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts})
    };
    for (reports, input, output) in [
        // Beside, as documented.
        (vec![counts(20, 0, 7, 3, 30)], 20, 10),
        (vec![counts(20, 5, 7, 3, 35)], 25, 10),
        (vec![counts(20, 0, 7, 3, 0)], 20, 10),
        // Inside, by the total.
        (vec![counts(20, 0, 7, 3, 27)], 20, 7),
        (vec![counts(20, 5, 7, 3, 30)], 20, 10),
        (vec![counts(20, 5, 7, 3, 27)], 20, 7),
        // The total alone contains the thoughts.
        (vec![counts(35, 0, 12, 0, 109)], 35, 74),
        // In each chunk, in the last one, or less in the last one.
        (vec![counts(20, 0, 2, 0, 22), counts(20, 0, 7, 3, 30)], 20, 10),
        (vec![counts(0, 0, 0, 0, 0), counts(20, 0, 7, 3, 30)], 20, 10),
        (vec![counts(20, 0, 7, 3, 30), counts(20, 0, 0, 0, 20)], 20, 10),
    ] {
        let streamed = chunks(&reports).expect("a reply");
        let usage = done(&streamed).usage;
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(input), Some(output)));
    }
}

#[test]
fn finish_reasons_of_gemini_are_read_in_any_spelling() {
    for (reason, expected) in [
        ("stop", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("FINISH_REASON_SAFETY", FinishReason::ContentFilter),
        ("FINISH_REASON_MAX_TOKENS", FinishReason::Length),
    ] {
        let streamed = chunks(&[chunk(&json!([{"text": "a"}]), Some(reason))]).expect("a reply");
        assert_eq!(done(&streamed).finish_reason, Some(expected));
    }
    let broken = chunk(&Value::Null, Some("malformed_function_call"));
    let error = chunks(&[broken]).expect_err("an error");
    assert_eq!(
        (error.kind(), error.code()),
        (Kind::MalformedReply, Some("MALFORMED_FUNCTION_CALL"))
    );
}

#[test]
fn only_a_block_reason_blocks_a_prompt() {
    for reason in [json!(null), json!(""), json!("BLOCK_REASON_UNSPECIFIED")] {
        let mut answer = chunk(&json!([{"text": "Hello"}]), Some("STOP"));
        answer["promptFeedback"] = json!({"blockReason": reason, "safetyRatings": []});
        assert_eq!(done(&chunks(&[answer]).expect("a reply")).text(), "Hello");
    }
    let blocked =
        json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "candidates": []});
    assert_eq!(chunks(&[blocked]).expect_err("blocked").kind(), Kind::ContentFilter);
}

#[test]
fn a_list_is_a_streamed_reply() {
    let list = json!([
        chunk(&json!([{"text": "Hel"}]), None),
        chunk(&Value::Null, None),
        {"candidates": [], "usageMetadata": {"promptTokenCount": 3}},
        chunk(&json!([{"text": "lo"}]), Some("STOP")),
    ]);
    for answer in [Answer::json(200, &list), Answer::events([&list])] {
        let read = events(&gemini(answer)).expect("a reply");
        assert_eq!(done(&read).text(), "Hello");
        assert_eq!(done(&read).usage.input_tokens, Some(3));
    }
}

#[test]
fn an_error_beside_token_counts_keeps_them() {
    let counts = json!({"promptTokenCount": 3, "candidatesTokenCount": 2});
    let error = json!({"error": {"code": 503, "message": "full"}, "usageMetadata": counts});
    let streamed = chunks(std::slice::from_ref(&error)).expect_err("an error");
    let complete = reply(&gemini(Answer::json(200, &error))).expect_err("an error");
    for error in [streamed, complete] {
        assert_eq!((error.kind(), error.message()), (Kind::Overloaded, "full"));
        assert_eq!(error.partial().map(|partial| partial.usage), Some(Usage::new(3, 2)));
    }
}

#[test]
fn a_page_without_models_is_not_the_end_of_the_list() {
    let answers = [
        Answer::json(200, &json!({"nextPageToken": "b"})),
        Answer::json(200, &json!({"models": [{"name": "models/a"}]})),
    ];
    let model = Gemini::new("m").with_api_key("k").with_http(answering(answers).0);
    let models = run(model.list_models()).expect("models");
    assert_eq!(models.iter().map(|model| &*model.id).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn bodies_that_are_no_lists_or_counts_are_errors() {
    for body in [json!("hello"), json!(true), json!(7), json!(null), json!([]), json!({})] {
        let model = anthropic(Answer::json(200, &body));
        let gemini = gemini(Answer::json(200, &body));
        for error in [
            run(model.list_models()).map(drop).expect_err("no list"),
            run(gemini.list_models()).map(drop).expect_err("no list"),
            run(model.count_tokens(super::fixed::hi())).map(drop).expect_err("no count"),
            run(gemini.count_tokens(super::fixed::hi())).map(drop).expect_err("no count"),
        ] {
            assert_eq!(error.kind(), Kind::MalformedReply, "{body}: {error}");
        }
    }
}

// Bedrock.

#[test]
fn a_block_with_several_members_keeps_all_of_them() {
    let block =
        json!({"text": "Hello", "toolUse": {"toolUseId": "t", "name": "look", "input": {}}});
    let output = json!({"message": {"content": [block]}});
    let read = bedrock::complete(&json!({"output": output, "stopReason": "tool_use"}));
    let read = read.expect("a reply");
    assert_eq!((read.text().as_str(), calls(&read).len()), ("Hello", 1));
}

#[test]
fn a_stream_of_converse_needs_no_start_and_no_metadata() {
    let streamed = bedrock::stream(&[
        bedrock::delta(0, &json!({"text": "Hello", "novelty": {"x": 1}})),
        ("novelty", json!({"x": 1})),
        ("messageStop", json!({"stopReason": "end_turn"})),
    ]);
    let streamed = streamed.expect("a reply");
    assert_eq!(done(&streamed).text(), "Hello");
    assert_eq!(done(&streamed).usage, Usage::default());
}
