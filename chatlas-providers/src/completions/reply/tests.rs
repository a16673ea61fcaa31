//! What the decoder makes of whole replies and of chunks.

use super::*;
use chatlas_core::FinishReason;
use chatlas_core::content::{MediaSource, Replay, ToolRequest};
use serde_json::json;

fn reading(replays: Replays) -> Reading {
    Reading { vendor: "acme", is_openai: false, replays, sound: None }
}

fn decoder() -> Decoder {
    Decoder::new(reading(Replays::Nothing))
}

/// The events of chunks, up to the end of the body.
fn decoded(mut decoder: Decoder, chunks: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(decoder.event(&chunk.to_string())?);
    }
    events.extend(decoder.end()?);
    assert!(decoder.is_over());
    Ok(events)
}

fn done(chunks: &[Value]) -> Completion {
    match decoded(decoder(), chunks).unwrap().pop() {
        Some(CompletionEvent::Done(completion)) => completion,
        other => panic!("{other:?}"),
    }
}

fn delta(delta: &Value) -> Value {
    json!({"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn calls(pieces: &[Value]) -> Vec<(String, String, Value)> {
    let mut chunks: Vec<Value> =
        pieces.iter().map(|piece| delta(&json!({"tool_calls": [piece]}))).collect();
    chunks.push(finish("tool_calls"));
    let completion = done(&chunks);
    assert_eq!(completion.finish_reason, Some(FinishReason::ToolCall));
    let requests = completion.tool_requests().cloned();
    requests.map(|request| (request.id, request.name, request.arguments)).collect()
}

#[test]
fn each_chunk_says_what_the_protocol_means() {
    let call = |piece: Value| delta(&json!({"tool_calls": [piece]}));
    let events = decoded(
        decoder(),
        &[
            delta(&json!({"role": "assistant", "content": ""})),
            delta(&json!({"reasoning_content": "Hm."})),
            delta(&json!({"content": "Hel"})),
            delta(&json!({"content": "lo"})),
            call(json!({"index": 0, "id": "c1", "function": {"name": "add", "arguments": ""}})),
            call(json!({"index": 0, "function": {"arguments": "{\"a\":"}})),
            call(json!({"index": 0, "function": {"arguments": "1}"}})),
            finish("tool_calls"),
            json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
        ],
    )
    .unwrap();
    let usage = Usage { input_tokens: Some(3), output_tokens: Some(2), ..Usage::default() };
    let request = Content::ToolRequest(ToolRequest {
        id: "c1".into(),
        name: "add".into(),
        arguments: json!({"a": 1}),
        replay: None,
    });
    let thinking = chatlas_core::content::Thinking { text: "Hm.".into(), replay: None };
    let completion = Completion {
        contents: vec![Content::Thinking(thinking), Content::text("Hello"), request.clone()],
        usage,
        finish_reason: Some(FinishReason::ToolCall),
        response_id: Some("r".into()),
        model: Some("m".into()),
        ..Completion::default()
    };
    assert_eq!(
        events,
        [
            CompletionEvent::Started { response_id: Some("r".into()), model: Some("m".into()) },
            CompletionEvent::Thinking("Hm.".into()),
            CompletionEvent::Text("Hel".into()),
            CompletionEvent::Text("lo".into()),
            CompletionEvent::Content(request),
            CompletionEvent::Usage(usage),
            CompletionEvent::Done(completion),
        ]
    );
}

#[test]
fn a_reply_without_a_reason_to_finish_is_truncated() {
    for data in [&["[DONE]"][..], &[r#"{"choices": []}"#, "[DONE]"], &[]] {
        let mut decoder = decoder();
        let mut result = Ok(Vec::new());
        for data in data {
            result = decoder.event(data);
        }
        let error = result.and_then(|_| decoder.end()).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::TruncatedStream, "{data:?}");
    }
    let error = decoded(decoder(), &[delta(&json!({"content": "Hel"}))]).unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::TruncatedStream);
    // With one, the end of the body is an end.
    assert_eq!(done(&[delta(&json!({"content": "Hello"})), finish("stop")]).text(), "Hello");
}

#[test]
fn tool_calls_come_together_whatever_a_server_leaves_out() {
    let piece = |told: Value| told;
    let one = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    // Without an index; the same index for all; the name with each piece.
    for pieces in [
        [
            piece(json!({"id": "a", "function": one("f", json!("{\"x\""))})),
            piece(json!({"function": {"arguments": ":1}"}})),
            piece(json!({"id": "b", "function": one("f", json!(""))})),
        ],
        [
            piece(json!({"index": 0, "id": "a", "function": one("f", json!("{\"x\":1}"))})),
            piece(json!({"index": 0, "id": "b", "function": one("f", json!("{"))})),
            piece(json!({"index": 0, "function": {"arguments": "}"}})),
        ],
        [
            piece(json!({"index": 0, "id": "a", "function": one("f", json!("{\"x\":"))})),
            piece(json!({"index": 0, "id": "a", "function": one("f", json!("1}"))})),
            piece(json!({"index": 1, "id": "b", "function": one("f", json!("{}"))})),
        ],
        [
            piece(json!({"index": 0, "id": "a", "function": one("f", json!({"x": 1}))})),
            piece(json!({"index": 1, "id": "b", "function": one("", json!(null))})),
            piece(json!({"index": 1, "function": one("f", json!("  "))})),
        ],
    ] {
        let expected = [
            ("a".to_owned(), "f".to_owned(), json!({"x": 1})),
            ("b".to_owned(), "f".to_owned(), json!({})),
        ];
        assert_eq!(calls(&pieces), expected, "{pieces:?}");
    }
    // Without ids: each gets one of its own.
    let named = calls(&[
        json!({"function": one("f", json!("{}"))}),
        json!({"function": one("f", json!("{}"))}),
    ]);
    assert_eq!(named.len(), 2);
    assert!(named[0].0.starts_with("call_") && named[0].0 != named[1].0, "{named:?}");
    // What was no JSON is kept as it came.
    let raw = calls(&[json!({"id": "a", "function": one("f", json!("{\"x\": 1"))})]);
    assert_eq!(raw[0].2, json!("{\"x\": 1"));
}

#[test]
fn an_invented_id_is_the_same_in_the_event_and_in_the_end() {
    let chunks = [
        delta(&json!({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]})),
        finish("stop"),
    ];
    let events = decoded(decoder(), &chunks).unwrap();
    let told = events.iter().find_map(|event| match event {
        CompletionEvent::Content(Content::ToolRequest(request)) => Some(request.clone()),
        _ => None,
    });
    let Some(CompletionEvent::Done(completion)) = events.last() else { panic!("{events:?}") };
    assert_eq!(completion.tool_requests().next(), told.as_ref());
    assert_eq!(completion.finish_reason, Some(FinishReason::ToolCall), "though it said stop");
}

#[test]
fn counts_are_read_wherever_they_stand_and_never_summed() {
    let told = |input: u64, output: Value| {
        let mut chunk = delta(&json!({"content": "x"}));
        chunk["usage"] = json!({"prompt_tokens": input, "completion_tokens": output});
        chunk
    };
    let usage = done(&[told(5, Value::Null), told(5, json!(1)), told(5, json!(2)), finish("stop")]);
    assert_eq!((usage.usage.input_tokens, usage.usage.output_tokens), (Some(5), Some(2)));
    let groq = json!({"x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}});
    let usage = done(&[delta(&json!({"content": "x"})), finish("stop"), groq]).usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(7), Some(3)));
}

#[test]
fn other_choices_are_kept_beside_the_first() {
    let choice = |index: u64, text: &str, reason: Value| {
        json!({"choices": [{"index": index, "delta": {"content": text},
            "finish_reason": reason}]})
    };
    let chunks = [
        choice(1, "B", Value::Null),
        choice(0, "A", json!("stop")),
        choice(1, "b", json!("length")),
    ];
    let completion = done(&chunks);
    assert_eq!(completion.text(), "A");
    let [other] = completion.alternatives.as_slice() else { panic!("{completion:?}") };
    assert_eq!(other.contents, [Content::text("Bb")]);
    assert_eq!(other.finish_reason, Some(FinishReason::Length));
    let events = decoded(decoder(), &chunks).unwrap();
    assert!(!events.contains(&CompletionEvent::Text("B".into())), "only the first is told");
    let far = json!({"choices": [{"index": 4_000_000_000_u64, "delta": {}}]});
    assert!(decoded(decoder(), &[far]).is_err(), "no memory is taken for it");
}

#[test]
fn thoughts_are_kept_as_the_vendor_wants_them_back() {
    let details = [
        json!({"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "H"}]}),
        json!({"reasoning": "Hm.", "reasoning_details": [
            {"index": 0, "type": "reasoning.text", "text": "m.", "signature": "s"}]}),
        json!({"content": "Hello"}),
    ];
    let chunks: Vec<Value> = details.iter().map(delta).chain([finish("stop")]).collect();
    let merged = json!([{"index": 0, "type": "reasoning.text", "text": "Hm.",
        "signature": "s"}]);
    for (replays, item) in [
        (Replays::Nothing, None),
        (Replays::ReasoningContent, Some(json!({"reasoning_content": "Hm."}))),
        (Replays::ReasoningDetails, Some(json!({"reasoning_details": merged}))),
    ] {
        let events = decoded(Decoder::new(reading(replays)), &chunks).unwrap();
        let Some(CompletionEvent::Done(completion)) = events.last() else { panic!() };
        let Content::Thinking(thinking) = &completion.contents[0] else { panic!() };
        assert_eq!(thinking.text, "Hm.");
        let replay = item.map(|item| Replay { provider: "acme".into(), item });
        assert_eq!(thinking.replay, replay);
    }
}

#[test]
fn each_servers_form_of_content_is_understood() {
    let parts = json!({"content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Hello"},
    ]});
    let completion = done(&[delta(&parts), finish("stop")]);
    assert_eq!(completion.text(), "Hello");
    assert!(matches!(&completion.contents[0], Content::Thinking(t) if t.text == "Hm."));
    let json = done(&[delta(&json!({"content": {"a": 1}})), finish("stop")]);
    assert_eq!(json.text(), "{\"a\":1}");
    let refused =
        done(&[delta(&json!({"refusal": "No"})), delta(&json!({"refusal": "."})), finish("stop")]);
    assert!(matches!(&refused.contents[..], [Content::Refusal(refusal)] if refusal.text == "No."));
    assert_eq!(refused.finish_reason, Some(FinishReason::ContentFilter));
    // What is new, and all so far.
    let both = |new: &str, all: &str| {
        json!({"choices": [{"delta": {"content": new}, "message": {"content": all}}],
            "citations": ["https://a.example", "https://b.example"],
            "search_results": [{"title": "A", "url": "https://a.example"}]})
    };
    let found = done(&[both("Hel", "Hel"), both("lo", "Hello"), finish("stop")]);
    assert_eq!(found.text(), "Hello");
    let cited =
        Citation { url: Some("https://a.example".into()), title: Some("A".into()), quote: None };
    assert_eq!(found.contents[1..], [Content::Citation(cited)]);
    let note = json!({"type": "url_citation", "url_citation": {"url": "https://a.example",
        "start_index": 1, "end_index": 3}});
    let noted = done(&[
        delta(&json!({"content": "Häßlich"})),
        delta(&json!({"annotations": [note, {"type": "novelty"}]})),
        finish("stop"),
    ]);
    let Content::Citation(cited) = &noted.contents[1] else { panic!("{noted:?}") };
    assert_eq!(cited.quote.as_deref(), Some("äß"));
    assert_eq!(noted.contents.len(), 2);
}

#[test]
fn sound_comes_with_its_transcript() {
    let sound = |told: Value| delta(&json!({"audio": told}));
    let mut reading = reading(Replays::Nothing);
    reading.sound = Some("audio/mp3".into());
    let events = decoded(
        Decoder::new(reading),
        &[
            sound(json!({"id": "audio_1", "transcript": "Hel"})),
            sound(json!({"transcript": "lo", "data": "AA"})),
            sound(json!({"data": "BB"})),
            finish("stop"),
        ],
    )
    .unwrap();
    assert!(events.contains(&CompletionEvent::Text("Hel".into())));
    let Some(CompletionEvent::Done(completion)) = events.last() else { panic!() };
    let [Content::Text(text), Content::Document(sound)] = completion.contents.as_slice() else {
        panic!("{completion:?}")
    };
    assert_eq!(text.text, "Hello");
    let replay = text.replay.as_ref().map(|replay| &replay.item);
    assert_eq!(replay, Some(&json!({"audio": {"id": "audio_1"}})));
    let source = MediaSource::Base64 { mime_type: "audio/mp3".into(), data: "AABB".into() };
    assert_eq!(sound.source, source);
}

#[test]
fn a_reply_that_stopped_says_why() {
    for (told, reason) in [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("model_length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("error", FinishReason::Error),
        ("boredom", FinishReason::Other("boredom".into())),
    ] {
        let completion = done(&[delta(&json!({"content": "x"})), finish(told)]);
        assert_eq!(completion.finish_reason, Some(reason));
    }
}

#[test]
fn what_is_unknown_or_out_of_shape_is_passed_over() {
    let strange = [
        json!({"choices": [null, 3, {"delta": "x"}, {"delta": {"content": 7}}]}),
        json!({"choices": "none", "id": 4, "model": "", "usage": "much"}),
        json!([1]),
        json!("text"),
        Value::Null,
        delta(&json!({"tool_calls": "none", "annotations": 4, "audio": "loud"})),
        json!({"choices": [{"logprobs": 1, "finish_reason": 9}]}),
    ];
    let mut chunks = strange.to_vec();
    chunks.extend([delta(&json!({"content": "ok"})), finish("stop")]);
    let completion = done(&chunks);
    assert_eq!(completion.contents, [Content::text("ok")]);
    for data in ["{\"choices\": ", "", "<html>"] {
        let error = decoder().event(data).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    }
    for whole in [json!({}), json!([]), json!("no"), json!({"choices": []})] {
        let error = reading(Replays::Nothing).completion(&whole).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    }
}

#[test]
fn a_choice_that_broke_off_is_missed_like_the_first() {
    let choice = |index: u64, reason: Value| json!({"choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": reason}]});
    let error = decoded(decoder(), &[choice(1, Value::Null), choice(0, json!("stop"))]);
    assert_eq!(error.unwrap_err().kind(), ProviderErrorKind::TruncatedStream);
}

#[test]
fn images_that_the_model_made_are_kept() {
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let made = json!({"content": [{"type": "text", "text": "Here."}, {"type": "image_url",
        "image_url": "https://a.example/a.png"}], "images": [image("data:image/png;base64,AA==")]});
    let events = decoded(decoder(), &[delta(&made), finish("stop")]).unwrap();
    let images =
        [Content::image_url("https://a.example/a.png"), Content::image_base64("image/png", "AA==")];
    let Some(CompletionEvent::Done(completion)) = events.last() else { panic!("{events:?}") };
    assert_eq!(completion.contents[1..], images);
    for image in images {
        assert!(events.contains(&CompletionEvent::Content(image)), "{events:?}");
    }
}

#[test]
fn the_one_function_call_of_old_is_a_tool_call() {
    let piece = |told: Value| delta(&json!({"function_call": told}));
    let completion = done(&[
        piece(json!({"name": "add", "arguments": ""})),
        piece(json!({"arguments": "{\"a\":"})),
        piece(json!({"arguments": "1}"})),
        finish("function_call"),
    ]);
    let asked = completion.tool_requests().next().expect("a call");
    assert_eq!((asked.name.as_str(), &asked.arguments), ("add", &json!({"a": 1})));
    assert_eq!(completion.finish_reason, Some(FinishReason::ToolCall));
}

#[test]
fn thoughts_within_the_content_are_kept_as_they_came() {
    let summary = |text: &str, signature: &str| {
        json!({"content": [{"type": "reasoning", "summary": [
            {"type": "summary_text", "text": text, "signature": signature}]}]})
    };
    let mistral = |text: &str| json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]});
    let parts = |told: &[Value]| -> Vec<Value> {
        told.iter().map(|told| told["content"][0].clone()).collect()
    };
    for (pieces, whole) in [
        (vec![summary("H", ""), summary("m.", "s")], parts(&[summary("Hm.", "s")])),
        (
            vec![summary("H", "s"), summary("m.", "t")],
            parts(&[summary("H", "s"), summary("m.", "t")]),
        ),
        (vec![mistral("H"), mistral("m.")], parts(&[mistral("Hm.")])),
    ] {
        let text = json!({"content": [{"type": "text", "text": "Hello"}]});
        let mut chunks: Vec<Value> = pieces.iter().chain([&text]).map(delta).collect();
        chunks.push(finish("stop"));
        let completion = done(&chunks);
        assert_eq!(completion.text(), "Hello");
        let Content::Thinking(thinking) = &completion.contents[0] else { panic!("{completion:?}") };
        assert_eq!(thinking.text, "Hm.");
        let replay = thinking.replay.as_ref().expect("it is wanted back");
        assert_eq!(replay.item, json!({"content": whole}));
    }
}

#[test]
fn counts_and_reasons_are_read_as_each_server_writes_them() {
    let mut last = finish("eos");
    last["usage"] = json!({"prompt_tokens": "3", "completion_tokens": 2.0});
    let completion = done(&[delta(&json!({"content": "x"})), last]);
    assert_eq!(completion.usage.input_tokens, Some(3));
    assert_eq!(completion.usage.output_tokens, Some(2));
    assert_eq!(completion.finish_reason, Some(FinishReason::Stop));
    let call = json!({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "null"}}]});
    for (reason, expected) in [
        ("stop", FinishReason::ToolCall),
        ("max_tokens", FinishReason::Length),
        (
            "insufficient_system_resource",
            FinishReason::Other("insufficient_system_resource".into()),
        ),
    ] {
        let completion = done(&[delta(&call), finish(reason)]);
        assert_eq!(completion.finish_reason, Some(expected));
        assert_eq!(completion.tool_requests().next().expect("a call").arguments, json!({}));
    }
}

#[test]
fn an_empty_error_is_none() {
    for empty in [json!(""), json!({}), json!(null), json!([])] {
        let mut chunk = delta(&json!({"content": "ok"}));
        chunk["error"] = empty;
        assert_eq!(done(&[chunk, finish("stop")]).text(), "ok");
    }
}

#[test]
fn calls_of_a_whole_reply_are_as_many_as_it_lists() {
    let call = |name: &str, arguments: &str| {
        json!({"id": "same", "index": 0, "type": "function",
            "function": {"name": name, "arguments": arguments}})
    };
    let nameless = json!({"function": {"arguments": "{}"}});
    let message = json!({"role": "assistant", "tool_calls": [
        call("add", "{\"a\":1}"), call("add", "{\"a\":2}"), call("sub", "{}"), nameless]});
    let told = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]});
    let completion = reading(Replays::Nothing).completion(&told).unwrap();
    let asked: Vec<_> = completion
        .tool_requests()
        .map(|call| (call.name.as_str(), call.arguments.to_string()))
        .collect();
    let expected = [("add", "{\"a\":1}"), ("add", "{\"a\":2}"), ("sub", "{}"), ("", "{}")];
    assert_eq!(asked, expected.map(|(name, arguments)| (name, arguments.to_owned())));
}
