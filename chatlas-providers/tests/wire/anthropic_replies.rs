//! The replies that Anthropic sends: complete messages and streams of events.

use std::sync::Arc;

use chatlas_core::content::{Citation, Content, Refusal, Replay, ServerTool, Text, Thinking};
use chatlas_core::{
    Completion, CompletionEvent, FinishReason, Model, Provider as _, ProviderError,
    ProviderErrorKind as Kind, Usage,
};
use chatlas_providers::anthropic::Anthropic;
use serde_json::{Value, json};

use super::fixed::{self, Answer, answering, hi, run};

const OUTPUT_TOOL: &str = "_structured_tool_call";

fn model(answers: Vec<Answer>) -> Anthropic {
    Anthropic::new("claude-sonnet-4-5").with_api_key("k").with_http(answering(answers).0)
}

/// Reads a complete message.
fn complete(message: &Value) -> Result<Completion, ProviderError> {
    run(model(vec![Answer::json(200, message)]).chat(hi()))
}

/// Reads a streamed message.
fn decoded(events: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    fixed::events(&model(vec![Answer::events(events)]))
}

fn begin(usage: &Value) -> Value {
    json!({"type": "message_start", "message":
        {"id": "msg_1", "model": "claude-1", "content": [], "usage": usage}})
}

fn block(index: u64, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: &Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str, usage: &Value) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}),
        json!({"type": "message_stop"}),
    ]
}

fn done(events: Vec<CompletionEvent>) -> Completion {
    match events.into_iter().last() {
        Some(CompletionEvent::Done(completion)) => Arc::unwrap_or_clone(completion),
        other => panic!("{other:?}"),
    }
}

fn back(item: Value) -> Replay {
    Replay::new("anthropic", item)
}

#[test]
fn thinking_searches_and_citations_are_contents_with_their_items() {
    let call = json!({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "s1",
        "content": [{"type": "web_search_result", "url": "https://a.example",
            "encrypted_content": "enc", "page_age": null}]});
    let note = json!({"type": "web_search_result_location", "url": "https://a.example",
        "title": "A", "cited_text": "it is so", "encrypted_index": "e", "file_id": null});
    let mut events = vec![
        begin(&Value::Null),
        json!({"type": "ping"}),
        block(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "Hm"})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "."})),
        delta(0, &json!({"type": "signature_delta", "signature": "sig"})),
        stop(0),
        block(1, &json!({"type": "redacted_thinking", "data": "xyz"})),
        stop(1),
        block(2, &call),
        delta(2, &json!({"type": "input_json_delta", "partial_json": "{\"query\":"})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": " \"a\"}"})),
        stop(2),
        block(3, &found),
        stop(3),
        block(4, &json!({"type": "text", "text": "", "citations": []})),
        delta(4, &json!({"type": "text_delta", "text": "It is "})),
        delta(4, &json!({"type": "citations_delta", "citation": note})),
        delta(4, &json!({"type": "text_delta", "text": "so."})),
        stop(4),
    ];
    events.extend(end("end_turn", &json!({})));
    let events = decoded(&events).unwrap();
    let completion = done(events.clone());
    let mut searched = call.clone();
    searched["input"] = json!({"query": "a"});
    let mut stripped = found.clone();
    stripped["content"][0].as_object_mut().unwrap().remove("page_age");
    let mut kept = note.clone();
    kept.as_object_mut().unwrap().remove("file_id");
    let thought = json!({"type": "thinking", "thinking": "Hm.", "signature": "sig"});
    let search = Content::ServerTool(
        ServerTool::new("web_search", back(json!([searched, stripped]))).with_id("s1"),
    );
    let source = Content::Citation(
        Citation::from_url("https://a.example").with_title("A").with_quote("it is so"),
    );
    assert_eq!(
        completion.contents,
        [
            Content::Thinking(Thinking::new("Hm.").with_replay(back(thought))),
            Content::Thinking(
                Thinking::new("")
                    .with_replay(back(json!({"type": "redacted_thinking", "data": "xyz"}))),
            ),
            search.clone(),
            Content::Text(Text::new("It is so.").with_replay(back(
                json!({"type": "text", "text": "It is so.", "citations": [kept]}),
            ))),
            source.clone(),
        ]
    );
    let emitted: Vec<&CompletionEvent> =
        events.iter().filter(|e| !matches!(e, CompletionEvent::Usage(_))).collect();
    let text = |text: &str| CompletionEvent::Text(text.to_owned());
    let thought = |text: &str| CompletionEvent::Thinking(text.to_owned());
    assert_eq!(
        emitted,
        [
            &CompletionEvent::Started {
                response_id: Some("msg_1".into()),
                model: Some("claude-1".into()),
            },
            &thought("Hm"),
            &thought("."),
            &CompletionEvent::Content(search),
            &text("It is "),
            &CompletionEvent::Content(source),
            &text("so."),
            &CompletionEvent::Done(completion.clone().into()),
        ]
    );
}

#[test]
fn the_largest_report_of_each_token_count_is_final() {
    let mut events = vec![begin(&json!({"input_tokens": 2247, "output_tokens": 1,
        "cache_read_input_tokens": 7, "cache_creation_input_tokens": 0}))];
    events.extend(end(
        "end_turn",
        &json!({"input_tokens": 19_523, "output_tokens": 9, "cache_read_input_tokens": null,
            "cache_creation_input_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}}),
    ));
    let usage = Usage::new(19_535, 9)
        .with_cache_read_tokens(7)
        .with_cache_write_tokens(5)
        .with_reasoning_tokens(3);
    let events = decoded(&events).unwrap();
    assert!(events.contains(&CompletionEvent::Usage(usage)));
    assert_eq!(done(events).usage, usage);
}

#[test]
fn calls_have_the_arguments_that_the_model_wrote() {
    let mut events = vec![begin(&Value::Null)];
    for (index, pieces) in
        [vec![], vec!["", "{\"a\"", ": 1}"], vec!["{\"a\": "]].into_iter().enumerate()
    {
        let index = index as u64;
        let id = format!("t{index}");
        let call = json!({"type": "tool_use", "id": id, "name": "look", "input": {}});
        events.push(block(index, &call));
        events.extend(pieces.iter().map(|piece| {
            delta(index, &json!({"type": "input_json_delta", "partial_json": piece}))
        }));
        events.push(stop(index));
    }
    events.extend(end("tool_use", &json!({})));
    let completion = done(decoded(&events).unwrap());
    let arguments: Vec<Value> =
        completion.tool_requests().map(|request| request.arguments.clone()).collect();
    assert_eq!(arguments, [json!({}), json!({"a": 1}), json!("{\"a\": ")]);
    assert_eq!(completion.finish_reason, Some(FinishReason::ToolCall));
    assert_eq!(completion.usage, Usage::default());
}

#[test]
fn structured_output_by_a_tool_is_text() {
    let call = |input: Value| {
        json!({"type": "tool_use", "id": "t", "name": OUTPUT_TOOL,
        "input": input})
    };
    let message = json!({"type": "message", "stop_reason": "tool_use",
        "content": [call(json!({"data": {"a": 1}})), call(json!({"b": 2}))]});
    let reply = complete(&message).unwrap();
    assert_eq!(reply.text(), "{\"a\":1}{\"b\":2}");
    assert_eq!(reply.finish_reason, Some(FinishReason::Stop));
    let mut events = vec![begin(&Value::Null), block(0, &call(json!({})))];
    let piece = "{\"data\": {\"a\": 1}}";
    events.push(delta(0, &json!({"type": "input_json_delta", "partial_json": piece})));
    events.push(stop(0));
    events.extend(end("tool_use", &json!({})));
    let events = decoded(&events).unwrap();
    assert!(events.contains(&CompletionEvent::Text("{\"a\":1}".into())));
    assert_eq!(done(events).text(), "{\"a\":1}");
}

#[test]
fn unsupported_events_and_blocks_are_skipped() {
    let mut events = vec![
        json!({"type": "novelty", "x": [1]}),
        json!([]),
        json!(3),
        begin(&Value::Null),
        block(0, &json!({"type": "novelty"})),
        delta(0, &json!({"type": "novelty_delta", "text": "?"})),
        block(1, &Value::Null),
        delta(1, &json!({"type": "text_delta", "text": "It is "})),
        delta(1, &json!({"type": "citations_delta", "citation": null})),
        delta(2, &json!({"type": "text_delta", "text": "ok"})),
        delta(3, &json!({"type": "signature_delta", "signature": 3})),
        delta(4, &json!({})),
        stop(9),
    ];
    events.extend(end("end_turn", &json!("none")));
    let reply = done(decoded(&events).unwrap());
    assert_eq!(reply.text(), "It is ok");
    assert_eq!(reply.finish_reason, Some(FinishReason::Stop));
    let odd = json!({"content": [null, 3, {"type": "tool_use"}, {"type": "novelty"}]});
    // A call without a name is no call.
    assert_eq!(complete(&odd).unwrap().contents.len(), 1);
}

#[test]
fn unsupported_blocks_are_kept_as_items() {
    let kept = |name: &str, item: Value| Content::ServerTool(ServerTool::new(name, back(item)));
    let upload = json!({"type": "container_upload", "file_id": "f-1"});
    let novelty = json!({"type": "novelty", "text": "not the model's", "x": [1]});
    let mut events = vec![
        begin(&Value::Null),
        block(0, &json!({"type": "compaction", "content": "", "signature": "s"})),
        delta(0, &json!({"type": "compaction_delta", "content": "So ", "encrypted_content": null})),
        delta(0, &json!({"type": "compaction_delta", "content": "far.", "encrypted_content": "e"})),
        stop(0),
        block(1, &json!({"type": "compaction", "content": ""})),
        delta(1, &json!({"type": "compaction_delta", "content": null})),
        stop(1),
        block(2, &upload),
        stop(2),
        block(3, &novelty),
        stop(3),
    ];
    events.extend(end("end_turn", &json!({})));
    let all = [
        kept(
            "compaction",
            json!({"type": "compaction", "content": "So far.",
            "encrypted_content": "e", "signature": "s"}),
        ),
        kept("compaction", json!({"type": "compaction"})),
        kept("container_upload", upload),
        kept("novelty", novelty),
    ];
    let events = decoded(&events).unwrap();
    let emitted: Vec<&Content> = events
        .iter()
        .filter_map(|event| match event {
            CompletionEvent::Content(content) => Some(content),
            CompletionEvent::Text(text) => panic!("{text}"),
            _ => None,
        })
        .collect();
    assert_eq!(emitted, all.iter().collect::<Vec<_>>());
    assert_eq!(done(events).contents, all);
}

#[test]
fn other_fields_of_a_call_are_kept_as_its_item() {
    let caller = json!({"type": "code_execution_20250825", "tool_id": "s1"});
    let call = json!({"type": "tool_use", "id": "t1", "name": "look", "input": {},
        "caller": caller, "toolset_name": null});
    let mut events = vec![begin(&Value::Null), block(0, &call), stop(0)];
    events.extend(end("tool_use", &json!({})));
    let reply = done(decoded(&events).unwrap());
    let request = reply.tool_requests().next().unwrap();
    let item = json!({"type": "tool_use", "caller": caller});
    assert_eq!(request.replay, Some(back(item)));
}

#[test]
fn an_error_in_a_reply_is_typed() {
    let error_event = json!({"type": "error", "error":
        {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"});
    let stream = |event: &Value| decoded(std::slice::from_ref(event)).unwrap_err();
    let error = stream(&error_event);
    assert_eq!((error.kind(), error.request_id()), (Kind::Overloaded, Some("req_1")));
    assert_eq!(complete(&error_event).unwrap_err(), error);
    let text = json!({"type": "error", "error": "no room"});
    assert_eq!(stream(&text).message(), "no room");
    let bare = json!({"error": {"type": "rate_limit_error", "message": "slow down"}});
    assert_eq!(stream(&bare).kind(), Kind::RateLimit);
    assert_eq!(stream(&json!({"type": "message_stop"})).kind(), Kind::MalformedReply);
    for data in ["{\"type\": ", "<html>"] {
        let answer = Answer::new(200, "text/event-stream", format!("data: {data}\n\n"));
        let error = fixed::events(&model(vec![answer])).unwrap_err();
        assert_eq!(error.kind(), Kind::MalformedReply, "{data}");
    }
    for body in ["{\"type\": ", "", "<html>"] {
        let answer = Answer::new(200, "application/json", body);
        let error = run(model(vec![answer]).chat(hi())).unwrap_err();
        assert_eq!(error.kind(), Kind::MalformedReply, "{body}");
    }
    for message in [json!({}), json!({"hello": 1}), json!([]), json!("no")] {
        assert_eq!(complete(&message).unwrap_err().kind(), Kind::MalformedReply);
    }
}

#[test]
fn a_stop_reason_is_a_finish_reason() {
    for (reason, expected) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Pause),
    ] {
        let message = json!({"content": [], "stop_reason": reason});
        assert_eq!(complete(&message).unwrap().finish_reason, Some(expected));
    }
    let message = json!({"content": [], "stop_reason": "refusal",
        "stop_details": {"type": "refusal", "explanation": "It is against the rules."}});
    let refusal = Refusal::new("It is against the rules.");
    assert_eq!(complete(&message).unwrap().contents, [Content::Refusal(refusal)]);
}

#[test]
fn a_call_that_has_no_result_yet_is_the_same_in_a_stream() {
    let call = json!({"type": "server_tool_use", "id": "s1", "name": "web_search",
        "input": {"query": "a"}});
    let mut events = vec![begin(&Value::Null), block(0, &call), stop(0)];
    events.extend(end("pause_turn", &json!({})));
    let events = decoded(&events).unwrap();
    let tool = ServerTool::new("web_search", back(json!([call]))).with_id("s1");
    let content = Content::ServerTool(tool);
    assert!(events.contains(&CompletionEvent::Content(content.clone())));
    let reply = done(events);
    assert_eq!(reply.contents, [content]);
    assert_eq!(reply.finish_reason, Some(FinishReason::Pause));
}

#[test]
fn null_arguments_of_a_call_are_kept() {
    let call = json!({"type": "tool_use", "id": "t1", "name": "look",
        "input": {"city": null}, "caller": null});
    let message = json!({"content": [call], "stop_reason": "tool_use"});
    let reply = complete(&message).unwrap();
    let request = reply.tool_requests().next().unwrap();
    assert_eq!((&request.arguments, &request.replay), (&json!({"city": null}), &None));
}

#[test]
fn a_failure_status_is_a_kind_that_a_program_can_match() {
    for (status, code, message, kind) in [
        (401, "authentication_error", "invalid x-api-key", Kind::Authentication),
        (403, "permission_error", "no", Kind::Authentication),
        (404, "not_found_error", "model: claude-9", Kind::ModelNotFound),
        (404, "not_found_error", "Not found", Kind::InvalidRequest),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 3 tokens > 2 maximum",
            Kind::ContextTooLong,
        ),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            Kind::ContextTooLong,
        ),
        (
            400,
            "invalid_request_error",
            "Output blocked by content filtering policy",
            Kind::ContentFilter,
        ),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the API.",
            Kind::RateLimit,
        ),
        (400, "invalid_request_error", "max_tokens: Field required", Kind::InvalidRequest),
        (413, "request_too_large", "too big", Kind::InvalidRequest),
        (429, "rate_limit_error", "slow down", Kind::RateLimit),
        (500, "api_error", "Internal server error", Kind::Overloaded),
        (504, "timeout_error", "slow", Kind::Timeout),
        (529, "overloaded_error", "Overloaded", Kind::Overloaded),
        (418, "novelty", "?", Kind::InvalidRequest),
    ] {
        let event = json!({"type": "error", "error": {"type": code, "message": message},
            "request_id": "req_1"});
        let error = run(model(vec![Answer::json(status, &event)]).chat(hi())).unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{message}");
        assert_eq!((error.code(), error.request_id()), (Some(code), Some("req_1")));
        let error = decoded(&[event]).unwrap_err();
        if !matches!(code, "not_found_error" | "novelty") {
            assert_eq!(error.kind(), kind, "{message}");
        }
    }
}

#[test]
fn a_failure_body_that_is_not_json_is_quoted_in_part() {
    let failure = |body: &str| {
        let answer = Answer::new(502, "text/html", body);
        run(model(vec![answer]).chat(hi())).unwrap_err()
    };
    let error = failure(&"<h1>Bad  gateway</h1>\n".repeat(100));
    assert!(error.message().starts_with("the server answered: <h1>Bad gateway</h1> <h1>"));
    assert!(error.message().len() < 400);
    assert_eq!(error.kind(), Kind::Overloaded);
    assert_eq!(failure("").message(), "the server gave no reason");
}

#[test]
fn the_list_of_models_has_pages() {
    let first = json!({"data": [
        {"id": "claude-9", "display_name": "Claude 9", "created_at": "2025-11-24T00:00:00Z",
            "max_input_tokens": 200_000, "max_tokens": 64_000},
        {"id": "claude-8", "created_at": "1970-01-01T00:00:00Z", "max_tokens": 0},
        {"display_name": "nameless"}, 3,
    ], "has_more": true, "last_id": "claude-8"});
    let last = json!({"data": [], "has_more": true, "last_id": "x"});
    let (http, requests) = answering(vec![Answer::json(200, &first), Answer::json(200, &last)]);
    let models = run(model(Vec::new()).with_http(http).list_models()).unwrap();
    let mut nine = Model::new("claude-9");
    nine.name = Some("Claude 9".into());
    nine.owner = Some("anthropic".into());
    nine.created = Some(1_763_942_400);
    nine.max_input_tokens = Some(200_000);
    nine.max_output_tokens = Some(64_000);
    let mut eight = Model::new("claude-8");
    eight.owner = Some("anthropic".into());
    assert_eq!(models, [nine, eight]);
    let urls: Vec<String> = requests.all().into_iter().map(|request| request.url).collect();
    let url = "https://api.anthropic.com/v1/models".to_owned();
    assert_eq!(urls, [url.clone(), url + "?limit=1000&after_id=claude-8"]);
    for body in [json!({}), json!("hello"), json!(true), json!(7)] {
        assert!(run(model(vec![Answer::json(200, &body)]).list_models()).is_err(), "{body}");
    }
}

#[test]
fn a_list_of_models_that_repeats_a_page_is_an_error() {
    let page = json!({"data": [{"id": "claude-1"}], "has_more": true, "last_id": "claude-1"});
    let other = json!({"data": [{"id": "claude-2"}], "has_more": true, "last_id": "claude-2"});
    let answers = (0..400).map(|n| Answer::json(200, if n % 2 == 0 { &page } else { &other }));
    let (http, requests) = answering(answers.collect::<Vec<_>>());
    let error = run(model(Vec::new()).with_http(http).list_models()).unwrap_err();
    assert!(error.to_string().contains("its list of models repeats a page"), "{error}");
    assert_eq!(requests.all().len(), 3);
}
