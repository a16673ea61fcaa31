//! The requests that the Responses API receives, and the meaning of its replies.

use std::sync::Arc;

use chatlas_core::content::{
    Citation, Replay, ServerTool, Text, Thinking, ToolOutcome, ToolRequest, ToolResult,
};
use chatlas_core::{
    AssistantTurn, ChatRequest, Completion, CompletionEvent, Content, FinishReason, Provider as _,
    ProviderError, ProviderErrorKind, ToolDefinition, Turn, Usage, UserTurn,
};
use chatlas_providers::openai::OpenAi;
use serde_json::{Value, json};

use super::fixed::{events, hi, partial, replying, run, server, set, streaming};

const VENDOR: &str = "openai";

fn openai() -> OpenAi {
    OpenAi::new("gpt-4o").with_api_key("k")
}

// Requests.

/// Returns the body of a request.
fn sent(openai: OpenAi, request: ChatRequest) -> Value {
    let reply = json!({"status": "completed", "output": []});
    let (options, sent) = server(200, "application/json", reply.to_string());
    run(openai.with_http(options).chat(request)).expect("a reply");
    sent.body()
}

/// Returns the input of a request.
fn input(request: ChatRequest) -> Value {
    sent(openai(), request)["input"].clone()
}

#[test]
fn reasoning_models_are_recognised_by_their_names() {
    let reasons = |model: &str| {
        let body = sent(openai().with_model(model), hi());
        body["include"] == json!(["reasoning.encrypted_content"])
    };
    for model in ["gpt-5.4", "gpt-5", "gpt-6-mini", "gpt-10", "o1", "o4-mini", "ft:o4-mini:a::b"] {
        assert!(reasons(model), "{model}");
    }
    for model in ["gpt-4o", "gpt-4.1", "omni", "chatgpt-4o", "gpt-5-chat-latest", "gpt-oss", ""] {
        assert!(!reasons(model), "{model}");
    }
}

#[test]
fn an_unsupported_parameter_is_refused_by_name() {
    let mut request = hi();
    set(&mut request, |params| params.seed = Some(1));
    let (options, sent) = server(200, "application/json", String::new());
    let error = run(openai().with_http(options).chat(request)).expect_err("an error");
    assert!(error.message().contains("`seed`"), "{error}");
    assert!(sent.all().is_empty());
}

#[test]
fn the_turns_of_a_continued_response_are_not_sent_again() {
    let answered = |id: &str| {
        let mut turn = AssistantTurn::new([Content::text(id)]);
        turn.response_id = Some(id.to_owned());
        Turn::from(turn)
    };
    let turns = [Turn::user("a"), answered("resp_1"), Turn::user("b"), answered("resp_2")];
    let mut request = ChatRequest::new(turns.into_iter().chain([Turn::user("c")]));
    request.system_prompt = Some("Be kind.".into());
    let texts = |request: &ChatRequest| -> Vec<String> {
        let input = input(request.clone());
        let items = input.as_array().unwrap().iter();
        let text = |item: &Value| item["content"].as_str().map(str::to_owned);
        let part = |item: &Value| item["content"][0]["text"].as_str().unwrap().to_owned();
        items.map(|item| text(item).unwrap_or_else(|| part(item))).collect()
    };
    let all = ["Be kind.", "a", "resp_1", "b", "resp_2", "c"];
    assert_eq!(texts(&request), all);
    for (id, sent) in [("resp_2", &all[5..]), ("resp_1", &all[3..]), ("unknown", &all)] {
        set(&mut request, |params| params.previous_response_id = Some(id.to_owned()));
        assert_eq!(texts(&request), sent, "{id}");
    }
}

#[test]
fn the_phase_of_a_message_is_sent_back_to_its_vendor_only() {
    let turn = |vendor: &str| {
        let text =
            Text::new("Hm.").with_replay(Replay::new(vendor, json!({"phase": "commentary"})));
        Turn::from(AssistantTurn::new([Content::Text(text)]))
    };
    let input = input(ChatRequest::new([turn("openai"), Turn::user("a"), turn("google")]));
    assert_eq!(input[0]["phase"], "commentary");
    assert_eq!(input[2].get("phase"), None);
}

#[test]
fn images_and_documents_of_a_tool_are_sent_in_its_result() {
    let outcome = ToolOutcome::Contents(vec![
        Content::text("a chart"),
        Content::image_base64("image/png", "AA=="),
        Content::document_url("https://a.example/b.pdf"),
    ]);
    let result = ToolResult::new("call_1", "draw", outcome);
    let call = Content::ToolRequest(ToolRequest::new("call_1", "draw", json!({})));
    let request = ChatRequest::new([
        AssistantTurn::new([call]).into(),
        Turn::User(UserTurn::new([Content::ToolResult(result)])),
    ]);
    assert_eq!(
        input(request)[1],
        json!({"type": "function_call_output", "call_id": "call_1", "output": [
            {"type": "input_text", "text": "a chart"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA==",
                "detail": "auto"},
            {"type": "input_file", "file_url": "https://a.example/b.pdf"},
        ]})
    );
}

#[test]
fn a_tool_decides_whether_its_schema_is_strict() {
    let closed = json!({"type": "object", "additionalProperties": false, "properties": {},
        "required": []});
    for (schema, strict, sent_strict) in [
        (&closed, None, true),
        (&closed, Some(false), false),
        (&json!({"type": "object"}), None, false),
        (&json!({"type": "object"}), Some(true), true),
    ] {
        let mut tool = ToolDefinition::new("a", "b", schema.clone());
        tool.strict = strict;
        let mut request = hi();
        request.tools = Arc::new([tool]);
        assert_eq!(sent(openai(), request)["tools"][0]["strict"], sent_strict);
    }
}

// Replies.

fn streamed(events: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    super::fixed::events(&openai().with_http(streaming(events)))
}

fn complete(response: &Value) -> Result<Completion, ProviderError> {
    super::fixed::reply(&openai().with_http(replying(response)))
}

/// Returns the error of a stream with that event.
fn error_of(event: impl ToString) -> ProviderError {
    events(&openai().with_http(streaming([event]))).expect_err("an error")
}

fn replay(item: &Value) -> Replay {
    Replay::new(VENDOR, item.clone())
}

fn end(status: &str, output: &Value) -> Value {
    json!({"type": format!("response.{status}"), "response": {
        "id": "resp_1", "model": "m-1", "status": status, "output": output, "usage": {
            "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 2},
        },
    }})
}

fn call() -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add",
        "arguments": "{\"a\":1}"})
}

#[test]
fn each_event_becomes_its_content() {
    let note = json!({"type": "url_citation", "url": "https://a.example", "title": "A",
        "start_index": 1, "end_index": 4});
    let text = json!({"type": "output_text", "text": "Häßlich", "annotations": [note]});
    let message = json!({"type": "message", "content": [text]});
    let thought = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gA",
        "summary": [{"type": "summary_text", "text": "Hm."}]});
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let done = |item: &Value| json!({"type": "response.output_item.done", "item": item});
    let events = streamed(&[
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m-1"}}),
        json!({"type": "response.reasoning_summary_text.delta", "delta": "Hm."}),
        done(&thought),
        done(&search),
        json!({"type": "response.output_text.delta", "delta": "Häß"}),
        json!({"type": "response.output_text.delta", "delta": "lich"}),
        done(&message),
        done(&call()),
        end("completed", &json!([thought, search, message, call()])),
    ])
    .unwrap();
    let cited = Content::Citation(
        Citation::from_url("https://a.example").with_title("A").with_quote("äßl"),
    );
    let searched =
        Content::ServerTool(ServerTool::new("web_search", replay(&search)).with_id("ws_1"));
    let called = Content::ToolRequest(ToolRequest::new("call_1", "add", json!({"a": 1})));
    let thinking = Content::Thinking(Thinking::new("Hm.").with_replay(replay(&thought)));
    let usage = Usage::new(10, 6).with_cache_read_tokens(4).with_reasoning_tokens(2);
    let mut completion = Completion::new(vec![
        thinking,
        searched.clone(),
        Content::text("Häßlich"),
        cited.clone(),
        called.clone(),
    ]);
    completion.usage = usage;
    completion.finish_reason = Some(FinishReason::ToolCall);
    completion.response_id = Some("resp_1".to_owned());
    completion.model = Some("m-1".to_owned());
    assert_eq!(
        events,
        [
            CompletionEvent::Started {
                response_id: Some("resp_1".to_owned()),
                model: Some("m-1".to_owned()),
            },
            CompletionEvent::Thinking("Hm.".to_owned()),
            CompletionEvent::Content(searched),
            CompletionEvent::Text("Häß".to_owned()),
            CompletionEvent::Text("lich".to_owned()),
            CompletionEvent::Content(cited),
            CompletionEvent::Content(called),
            CompletionEvent::Usage(usage),
            CompletionEvent::Done(Arc::new(completion)),
        ]
    );
}

#[test]
fn items_replace_the_output_of_a_last_event_without_it() {
    let item = json!({"type": "response.output_item.done", "item": call()});
    for output in [json!([]), Value::Null] {
        let events = streamed(&[item.clone(), end("completed", &output)]).unwrap();
        let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
        assert_eq!(done.tool_requests().count(), 1);
        assert_eq!(done.finish_reason, Some(FinishReason::ToolCall));
    }
}

#[test]
fn unknown_and_invalid_values_are_skipped() {
    let strange = [
        json!({"type": "response.of_the_future", "novelty": [1]}),
        json!({"type": 7}),
        json!([1, 2]),
        json!("text"),
        Value::Null,
        json!({"type": "response.output_text.delta"}),
        json!({"type": "response.output_text.delta", "delta": {"text": "x"}}),
        json!({"type": "response.output_item.done"}),
        json!({"type": "response.output_item.done", "item": {"novelty": 1}}),
    ];
    let note = json!({"type": "url_citation", "start_index": 9, "end_index": 3});
    let output = json!([
        {"novelty": 1}, null, 3, {"type": "message"},
        {"type": "message", "content": [{"type": "output_audio"}, null,
            {"type": "output_text", "text": "ok", "annotations": [note, {"type": "novelty"}]}]},
    ]);
    let mut events = strange.to_vec();
    events.push(end("completed", &output));
    let events = streamed(&events).unwrap();
    let [
        CompletionEvent::Text(_),
        CompletionEvent::Content(Content::Citation(_)),
        CompletionEvent::Usage(_),
        CompletionEvent::Done(done),
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!(done.contents, [Content::text("ok"), Content::Citation(Citation::default())]);
    assert_eq!(done.finish_reason, Some(FinishReason::Stop));
    // The last event is one with the response.
    assert_eq!(error_of("[DONE]").kind(), ProviderErrorKind::TruncatedStream);
}

#[test]
fn finish_reasons_are_those_of_the_conventions() {
    for (status, reason, expected) in [
        ("incomplete", "max_output_tokens", FinishReason::Length),
        ("incomplete", "content_filter", FinishReason::ContentFilter),
        ("incomplete", "boredom", FinishReason::Other("boredom".to_owned())),
        ("cancelled", "", FinishReason::Other("cancelled".to_owned())),
    ] {
        let mut response = end(status, &json!([]))["response"].take();
        if !reason.is_empty() {
            response["incomplete_details"] = json!({"reason": reason});
        }
        assert_eq!(complete(&response).unwrap().finish_reason, Some(expected));
    }
}

#[test]
fn invalid_arguments_are_kept_verbatim() {
    let request = |item: &Value| {
        let reply = complete(&end("completed", &json!([item]))["response"]).unwrap();
        reply.tool_requests().next().unwrap().clone()
    };
    let mut item = call();
    item["arguments"] = "{\"a\": 1".into();
    assert_eq!(request(&item).arguments, json!("{\"a\": 1"));
    item["call_id"] = Value::Null;
    assert_eq!(request(&item).id, "fc_1");
}

#[test]
fn an_error_in_a_stream_has_a_kind() {
    use chatlas_core::ProviderErrorKind as Kind;
    let error = json!({"code": "rate_limit_exceeded", "message": "slow down"});
    for (event, kind, message) in [
        (
            json!({"type": "error", "code": "server_error", "message": "sorry"}),
            Kind::Overloaded,
            "sorry",
        ),
        (json!({"type": "error", "error": error}), Kind::RateLimit, "slow down"),
        (json!({"error": error}), Kind::RateLimit, "slow down"),
        (
            json!({"type": "response.failed", "response": {"error": error}}),
            Kind::RateLimit,
            "slow down",
        ),
        (
            json!({"type": "response.failed"}),
            Kind::Other,
            "the server reported an error without a message",
        ),
    ] {
        let error = error_of(event);
        assert_eq!((error.kind(), error.message()), (kind, message));
    }
    for data in ["{\"type\": ", "<html>"] {
        let error = error_of(data);
        assert_eq!(error.kind(), Kind::MalformedReply);
    }
    for response in [json!({}), json!({"hello": 1}), json!([]), json!("no")] {
        assert_eq!(complete(&response).unwrap_err().kind(), Kind::MalformedReply);
    }
}

#[test]
fn unknown_items_are_kept_for_their_vendor() {
    let items = [
        ("mcp_list_tools", "mcp_list_tools"),
        ("mcp_approval_request", "mcp_approval_request"),
        ("mcp_call", "mcp"),
        ("shell_call_output", "shell_call_output"),
        ("novelty", "novelty"),
    ];
    for (kind, name) in items {
        let item = json!({"type": kind, "id": "i_1", "tools": []});
        let complete = done_at(0, &item);
        for output in [json!([item]), json!([])] {
            let events = streamed(&[complete.clone(), end("completed", &output)]).unwrap();
            let [CompletionEvent::Content(emitted), _, CompletionEvent::Done(done)] = &events[..]
            else {
                panic!("{events:?}")
            };
            let kept = Content::ServerTool(ServerTool::new(name, replay(&item)).with_id("i_1"));
            assert_eq!((emitted, &done.contents[..]), (&kept, std::slice::from_ref(&kept)));
        }
    }
    let compaction = json!({"type": "compaction", "id": "c_1", "encrypted_content": "gA"});
    let reply = complete(&end("completed", &json!([compaction]))["response"]).unwrap();
    let [Content::Thinking(kept)] = &reply.contents[..] else { panic!("{reply:?}") };
    assert_eq!(kept.replay.as_ref().map(|replay| &replay.item), Some(&compaction));
}

fn message(text: &str) -> Value {
    json!({"type": "message", "content": [{"type": "output_text", "text": text}]})
}

fn done_at(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

#[test]
fn items_are_sorted_by_their_index() {
    let events = [
        done_at(1, &message("second")),
        done_at(0, &message("first, ")),
        end("completed", &Value::Null),
    ];
    let Some(CompletionEvent::Done(done)) = streamed(&events).unwrap().pop() else { panic!() };
    assert_eq!(done.text(), "first, second");
    // A last event without a response, or without its status and items.
    for response in [json!(null), json!({"id": "resp_1"})] {
        let last = json!({"type": "response.completed", "response": response});
        let error = streamed(&[last]).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    }
    let last = json!({"type": "response.completed", "response": {"id": "resp_1"}});
    let events = streamed(&[done_at(0, &message("Hello")), last]).unwrap();
    let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
    assert_eq!((done.text().as_str(), &done.finish_reason), ("Hello", &Some(FinishReason::Stop)));
}

#[test]
fn text_is_emitted_once() {
    let delta = |index: u64, delta: &str| json!({"type": "response.output_text.delta", "output_index": index, "delta": delta});
    let thought = json!({"type": "reasoning", "summary": [{"text": "Hm."}]});
    for events in [
        vec![],
        vec![done_at(0, &thought), done_at(1, &message("Hello"))],
        vec![delta(1, "Hel"), delta(1, ""), done_at(0, &thought), delta(1, "lo")],
        vec![delta(1, "Hello"), done_at(0, &thought), done_at(1, &message("Hello"))],
    ] {
        let last = [end("completed", &json!([thought, message("Hello")]))];
        let events: Vec<Value> = events.into_iter().chain(last).collect();
        let (mut text, mut thinking) = (String::new(), String::new());
        for event in streamed(&events).unwrap() {
            match event {
                CompletionEvent::Text(more) => text.push_str(&more),
                CompletionEvent::Thinking(more) => thinking.push_str(&more),
                _ => {}
            }
        }
        assert_eq!((text.as_str(), thinking.as_str()), ("Hello", "Hm."), "{events:?}");
    }
}

#[test]
fn the_phase_of_a_message_is_kept() {
    let mut message = message("Let me see.");
    message["phase"] = "commentary".into();
    let done = complete(&end("completed", &json!([message]))["response"]).unwrap();
    let [Content::Text(text)] = &done.contents[..] else { panic!("{done:?}") };
    assert_eq!(text.replay, Some(replay(&json!({"phase": "commentary"}))));
}

#[test]
fn an_incomplete_response_is_an_error() {
    for status in ["queued", "in_progress"] {
        let response = end(status, &json!([]))["response"].take();
        let error = complete(&response).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
        assert!(error.message().contains(status), "{error}");
    }
}

#[test]
fn counts_and_arguments_are_read_in_every_form() {
    let mut response = end("completed", &json!([call()]))["response"].take();
    response["output"][0]["arguments"] = json!({"a": 1});
    response["usage"] = json!({"input_tokens": "10", "output_tokens": 6.0,
        "input_tokens_details": null, "output_tokens_details": {"reasoning_tokens": -1}});
    let reply = complete(&response).unwrap();
    assert_eq!(reply.tool_requests().next().unwrap().arguments, json!({"a": 1}));
    assert_eq!(reply.usage, Usage::new(10, 6));
    for none in [json!("null"), json!(null), json!(" ")] {
        response["output"][0]["arguments"] = none;
        let reply = complete(&response).unwrap();
        assert_eq!(reply.tool_requests().next().unwrap().arguments, json!({}));
    }
}

#[test]
fn errors_of_gateways_are_read() {
    for error in [
        json!({"error": "no upstream"}),
        json!({"object": "error", "message": "no upstream"}),
        json!({"errors": [{"message": "no upstream"}]}),
    ] {
        assert_eq!(error_of(&error).message(), "no upstream");
        assert_eq!(complete(&error).unwrap_err().message(), "no upstream");
    }
}

#[test]
fn pieces_and_items_without_an_index_belong_together() {
    let delta = |text: &str| json!({"type": "response.output_text.delta", "delta": text});
    let with_index = |mut event: Value, index: u64| {
        event["output_index"] = index.into();
        event
    };
    let item = |item: &Value| json!({"type": "response.output_item.done", "item": item});
    let thought = json!({"type": "reasoning", "summary": [{"text": "Hm."}]});
    for events in [
        [item(&thought), delta("Hel"), delta("lo"), item(&message("Hello"))],
        [item(&thought), delta("Hel"), delta("lo"), with_index(item(&message("Hello")), 4)],
        [
            item(&thought),
            with_index(delta("Hel"), 4),
            with_index(delta("lo"), 4),
            item(&message("Hello")),
        ],
    ] {
        let last = end("completed", &Value::Null);
        let events = streamed(&[events.as_slice(), &[item(&call()), last]].concat()).unwrap();
        let texts = events.iter().filter_map(|event| match event {
            CompletionEvent::Text(text) => Some(text.as_str()),
            _ => None,
        });
        assert_eq!(texts.collect::<String>(), "Hello");
        let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
        let [Content::Thinking(_), Content::Text(text), Content::ToolRequest(_)] =
            done.contents.as_slice()
        else {
            panic!("{done:?}")
        };
        assert_eq!(text.text, "Hello");
    }
}

#[test]
fn a_partial_reply_contains_what_was_taken() {
    let delta = |text: &str| json!({"type": "response.output_text.delta", "output_index": 0, "delta": text});
    let events = [
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m-1"}}),
        delta("a"),
        delta("b"),
        delta("c"),
        end("completed", &json!([message("abc")])),
    ];
    let partial = partial(&openai().with_http(streaming(&events)), 3).expect("a partial reply");
    assert_eq!(partial.text(), "ab");
    assert_eq!(partial.response_id.as_deref(), Some("resp_1"));
}
