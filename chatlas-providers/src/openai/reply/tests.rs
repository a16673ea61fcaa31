//! What the decoder makes of whole replies and of events.

use super::*;
use chatlas_core::content::Citation;

const PROVIDER: &str = "openai";

fn decoded(events: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    let mut decoder = Decoder::new(PROVIDER);
    let mut all = Vec::new();
    for event in events {
        all.extend(decoder.event(&event.to_string())?);
    }
    assert!(decoder.is_over());
    Ok(all)
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
fn each_event_says_what_the_protocol_means() {
    let note = json!({"type": "url_citation", "url": "https://a.example", "title": "A",
        "start_index": 1, "end_index": 4});
    let text = json!({"type": "output_text", "text": "Häßlich", "annotations": [note]});
    let message = json!({"type": "message", "content": [text]});
    let thought = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gA",
        "summary": [{"type": "summary_text", "text": "Hm."}]});
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let done = |item: &Value| json!({"type": "response.output_item.done", "item": item});
    let events = decoded(&[
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
    let replay = |item: &Value| Replay { provider: PROVIDER.to_owned(), item: item.clone() };
    let cited = Content::Citation(Citation {
        url: Some("https://a.example".to_owned()),
        title: Some("A".to_owned()),
        quote: Some("äßl".to_owned()),
    });
    let searched = Content::ServerTool(ServerTool {
        id: Some("ws_1".to_owned()),
        name: "web_search".to_owned(),
        replay: replay(&search),
    });
    let asked = Content::ToolRequest(ToolRequest {
        id: "call_1".to_owned(),
        name: "add".to_owned(),
        arguments: json!({"a": 1}),
        replay: None,
    });
    let thinking =
        Content::Thinking(Thinking { text: "Hm.".to_owned(), replay: Some(replay(&thought)) });
    let usage = Usage {
        input_tokens: Some(10),
        output_tokens: Some(6),
        cache_read_tokens: Some(4),
        reasoning_tokens: Some(2),
        ..Usage::default()
    };
    let completion = Completion {
        contents: vec![
            thinking,
            searched.clone(),
            Content::text("Häßlich"),
            cited.clone(),
            asked.clone(),
        ],
        usage,
        finish_reason: Some(FinishReason::ToolCall),
        response_id: Some("resp_1".to_owned()),
        model: Some("m-1".to_owned()),
        ..Completion::default()
    };
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
            CompletionEvent::Content(asked),
            CompletionEvent::Usage(usage),
            CompletionEvent::Done(completion),
        ]
    );
}

#[test]
fn items_make_up_for_a_last_event_without_them() {
    let item = json!({"type": "response.output_item.done", "item": call()});
    for output in [json!([]), Value::Null] {
        let events = decoded(&[item.clone(), end("completed", &output)]).unwrap();
        let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
        assert_eq!(done.tool_requests().count(), 1);
        assert_eq!(done.finish_reason, Some(FinishReason::ToolCall));
    }
}

#[test]
fn what_is_unknown_or_out_of_shape_is_passed_over() {
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
    let events = decoded(&events).unwrap();
    let [CompletionEvent::Usage(_), CompletionEvent::Done(done)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(done.contents, [Content::text("ok"), Content::Citation(Citation::default())]);
    assert_eq!(done.finish_reason, Some(FinishReason::Stop));
    let mut decoder = Decoder::new(PROVIDER);
    assert_eq!(decoder.event("[DONE]"), Ok(Vec::new()));
    assert!(!decoder.is_over(), "the last event is one that tells the response");
}

#[test]
fn a_reply_that_stopped_says_why() {
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
        assert_eq!(completion(&response, PROVIDER).unwrap().finish_reason, Some(expected));
    }
}

#[test]
fn arguments_that_are_no_json_are_kept_as_they_came() {
    let mut item = call();
    item["arguments"] = "{\"a\": 1".into();
    assert_eq!(function_call(&item).arguments, json!("{\"a\": 1"));
    item["call_id"] = Value::Null;
    assert_eq!(function_call(&item).id, "fc_1");
}

#[test]
fn a_failure_within_a_stream_is_typed() {
    use chatlas_core::ProviderErrorKind as Kind;
    let told = json!({"code": "rate_limit_exceeded", "message": "slow down"});
    for (event, kind, message) in [
        (
            json!({"type": "error", "code": "server_error", "message": "sorry"}),
            Kind::Overloaded,
            "sorry",
        ),
        (json!({"type": "error", "error": told}), Kind::RateLimit, "slow down"),
        (json!({"error": told}), Kind::RateLimit, "slow down"),
        (
            json!({"type": "response.failed", "response": {"error": told}}),
            Kind::RateLimit,
            "slow down",
        ),
        (
            json!({"type": "response.failed"}),
            Kind::Other,
            "the server reported an error without a word",
        ),
    ] {
        let error = Decoder::new(PROVIDER).event(&event.to_string()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
    }
    for data in ["{\"type\": ", "", "<html>"] {
        let error = Decoder::new(PROVIDER).event(data).unwrap_err();
        assert_eq!(error.kind(), Kind::MalformedReply);
    }
    for response in [json!({}), json!({"hello": 1}), json!([]), json!("no")] {
        assert_eq!(completion(&response, PROVIDER).unwrap_err().kind(), Kind::MalformedReply);
    }
}

#[test]
fn items_of_every_kind_are_kept_for_who_sent_them() {
    let items = [
        ("mcp_list_tools", "mcp_list_tools"),
        ("mcp_approval_request", "mcp_approval_request"),
        ("mcp_call", "mcp"),
        ("shell_call_output", "shell_call_output"),
        ("novelty", "novelty"),
    ];
    for (kind, name) in items {
        let item = json!({"type": kind, "id": "i_1", "tools": []});
        let whole = done_at(0, &item);
        for output in [json!([item]), json!([])] {
            let events = decoded(&[whole.clone(), end("completed", &output)]).unwrap();
            let [CompletionEvent::Content(told), _, CompletionEvent::Done(done)] = &events[..]
            else {
                panic!("{events:?}")
            };
            let replay = Replay { provider: PROVIDER.to_owned(), item: item.clone() };
            let id = Some("i_1".to_owned());
            let kept = Content::ServerTool(ServerTool { id, name: name.to_owned(), replay });
            assert_eq!((told, &done.contents[..]), (&kept, std::slice::from_ref(&kept)));
        }
    }
    let compaction = json!({"type": "compaction", "id": "c_1", "encrypted_content": "gA"});
    let reply = completion(&end("completed", &json!([compaction]))["response"], PROVIDER).unwrap();
    let [Content::Thinking(kept)] = &reply.contents[..] else { panic!("{reply:?}") };
    assert_eq!(kept.replay.as_ref().map(|replay| &replay.item), Some(&compaction));
}

fn said(text: &str) -> Value {
    json!({"type": "message", "content": [{"type": "output_text", "text": text}]})
}

fn done_at(place: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": place, "item": item})
}

#[test]
fn items_stand_in_their_order_whichever_is_whole_first() {
    let events =
        [done_at(1, &said("second")), done_at(0, &said("first, ")), end("completed", &Value::Null)];
    let Some(CompletionEvent::Done(done)) = decoded(&events).unwrap().pop() else { panic!() };
    assert_eq!(done.text(), "first, second");
    // A last event that tells nothing at all, or nothing but that it is the last.
    for response in [json!(null), json!({"id": "resp_1"})] {
        let last = json!({"type": "response.completed", "response": response});
        let error = decoded(&[last]).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    }
    let last = json!({"type": "response.completed", "response": {"id": "resp_1"}});
    let events = decoded(&[done_at(0, &said("Hello")), last]).unwrap();
    let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
    assert_eq!((done.text().as_str(), &done.finish_reason), ("Hello", &Some(FinishReason::Stop)));
}

#[test]
fn text_that_did_not_come_in_pieces_is_told_once() {
    let delta = |place: u64, delta: &str| json!({"type": "response.output_text.delta", "output_index": place, "delta": delta});
    let thought = json!({"type": "reasoning", "summary": [{"text": "Hm."}]});
    for events in [
        vec![],
        vec![done_at(0, &thought), done_at(1, &said("Hello"))],
        vec![delta(1, "Hel"), delta(1, ""), done_at(0, &thought), delta(1, "lo")],
        vec![delta(1, "Hello"), done_at(0, &thought), done_at(1, &said("Hello"))],
    ] {
        let last = [end("completed", &json!([thought, said("Hello")]))];
        let events: Vec<Value> = events.into_iter().chain(last).collect();
        let (mut text, mut thinking) = (String::new(), String::new());
        for event in decoded(&events).unwrap() {
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
fn a_reply_says_of_its_messages_whether_they_are_the_answer() {
    let mut message = said("Let me see.");
    message["phase"] = "commentary".into();
    let done = completion(&end("completed", &json!([message]))["response"], PROVIDER).unwrap();
    let [Content::Text(text)] = &done.contents[..] else { panic!("{done:?}") };
    let replay = Replay { provider: PROVIDER.to_owned(), item: json!({"phase": "commentary"}) };
    assert_eq!(text.replay, Some(replay));
}

#[test]
fn a_response_that_is_not_there_yet_is_no_answer() {
    for status in ["queued", "in_progress"] {
        let response = end(status, &json!([]))["response"].take();
        let error = completion(&response, PROVIDER).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
        assert!(error.message().contains(status), "{error}");
    }
}

#[test]
fn counts_and_arguments_are_read_as_each_server_writes_them() {
    let mut response = end("completed", &json!([call()]))["response"].take();
    response["output"][0]["arguments"] = json!({"a": 1});
    response["usage"] = json!({"input_tokens": "10", "output_tokens": 6.0,
        "input_tokens_details": null, "output_tokens_details": {"reasoning_tokens": -1}});
    let reply = completion(&response, PROVIDER).unwrap();
    assert_eq!(reply.tool_requests().next().unwrap().arguments, json!({"a": 1}));
    let usage = Usage { input_tokens: Some(10), output_tokens: Some(6), ..Usage::default() };
    assert_eq!(reply.usage, usage);
    for none in [json!("null"), json!(null), json!(" ")] {
        response["output"][0]["arguments"] = none;
        let reply = completion(&response, PROVIDER).unwrap();
        assert_eq!(reply.tool_requests().next().unwrap().arguments, json!({}));
    }
}

#[test]
fn a_gateway_reports_in_its_own_words() {
    for told in [
        json!({"error": "no upstream"}),
        json!({"object": "error", "message": "no upstream"}),
        json!({"errors": [{"message": "no upstream"}]}),
    ] {
        let error = Decoder::new(PROVIDER).event(&told.to_string()).unwrap_err();
        assert_eq!(error.message(), "no upstream");
        let error = completion(&told, PROVIDER).unwrap_err();
        assert_eq!(error.message(), "no upstream");
    }
}
