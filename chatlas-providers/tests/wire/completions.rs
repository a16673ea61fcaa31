//! Replies of Chat Completions: what the provider makes of complete replies and of chunks.

use chatlas_core::content::{Citation, Content, MediaSource, Replay, Thinking, ToolRequest};
use chatlas_core::provider::{Protocol as _, Vendor};
use chatlas_core::{
    ChatRequest, Completion, CompletionEvent, FinishReason, Provider as _, ProviderError,
    ProviderErrorKind, Turn, Usage,
};
use chatlas_providers::completions::{OpenAiCompletions, Quirks, ThinkingReplay};
use chatlas_providers::http::HttpOptions;
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

static ACME: Vendor = Vendor::new("acme", "http://acme.example/v1");

/// A provider whose server sends this response.
fn acme(quirks: Quirks, content_type: &'static str, body: String) -> OpenAiCompletions {
    let options = HttpOptions::default().with_sender(move |_| {
        let response = http::Response::builder().header("content-type", content_type);
        let response = response.body(body.clone()).expect("a response");
        std::future::ready(Ok::<_, std::io::Error>(response.into()))
    });
    OpenAiCompletions::of_vendor(&ACME, quirks).with_http(options)
}

/// The events of a stream with these data, up to the end of the body.
async fn events(
    request: ChatRequest,
    quirks: Quirks,
    data: &[String],
) -> Result<Vec<CompletionEvent>, ProviderError> {
    let body = data.iter().flat_map(|data| ["data: ", data, "\n\n"]).collect();
    let provider = acme(quirks, "text/event-stream", body);
    provider.chat_stream(request).await?.try_collect().await
}

fn hi() -> ChatRequest {
    ChatRequest::new([Turn::user("hi")])
}

async fn decoded_with(
    quirks: Quirks,
    chunks: &[Value],
) -> Result<Vec<CompletionEvent>, ProviderError> {
    let data: Vec<String> = chunks.iter().map(Value::to_string).collect();
    events(hi(), quirks, &data).await
}

async fn decoded(chunks: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    decoded_with(Quirks::new(), chunks).await
}

/// What the provider makes of a complete reply.
async fn complete(reply: &Value) -> Result<Completion, ProviderError> {
    acme(Quirks::new(), "application/json", reply.to_string()).chat(hi()).await
}

async fn done(chunks: &[Value]) -> Completion {
    match decoded(chunks).await.unwrap().pop() {
        Some(CompletionEvent::Done(completion)) => (*completion).clone(),
        other => panic!("{other:?}"),
    }
}

fn delta(delta: &Value) -> Value {
    json!({"id": "r", "model": "m", "choices": [{"index": 0, "delta": delta}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

async fn calls(pieces: &[Value]) -> Vec<(String, String, Value)> {
    let mut chunks: Vec<Value> =
        pieces.iter().map(|piece| delta(&json!({"tool_calls": [piece]}))).collect();
    chunks.push(finish("tool_calls"));
    let completion = done(&chunks).await;
    assert_eq!(completion.finish_reason, Some(FinishReason::ToolCall));
    let requests = completion.tool_requests().cloned();
    requests.map(|request| (request.id, request.name, request.arguments)).collect()
}

#[tokio::test]
async fn chunks_become_events_and_the_final_turn() {
    let call = |piece: Value| delta(&json!({"tool_calls": [piece]}));
    let events = decoded(&[
        delta(&json!({"role": "assistant", "content": ""})),
        delta(&json!({"reasoning_content": "Hm."})),
        delta(&json!({"content": "Hel"})),
        delta(&json!({"content": "lo"})),
        call(json!({"index": 0, "id": "c1", "function": {"name": "add", "arguments": ""}})),
        call(json!({"index": 0, "function": {"arguments": "{\"a\":"}})),
        call(json!({"index": 0, "function": {"arguments": "1}"}})),
        finish("tool_calls"),
        json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
    ])
    .await
    .unwrap();
    let usage = Usage::new(3, 2);
    let request = Content::ToolRequest(ToolRequest::new("c1", "add", json!({"a": 1})));
    let thinking = Content::Thinking(Thinking::new("Hm."));
    let completion = Completion::new([thinking, Content::text("Hello"), request.clone()])
        .with_usage(usage)
        .with_finish_reason(FinishReason::ToolCall)
        .with_response_id("r")
        .with_model("m");
    assert_eq!(
        events,
        [
            CompletionEvent::Started { response_id: Some("r".into()), model: Some("m".into()) },
            CompletionEvent::Thinking("Hm.".into()),
            CompletionEvent::Text("Hel".into()),
            CompletionEvent::Text("lo".into()),
            CompletionEvent::Content(request),
            CompletionEvent::Usage(usage),
            CompletionEvent::Done(completion.into()),
        ]
    );
}

#[tokio::test]
async fn a_reply_without_a_finish_reason_is_truncated() {
    for data in [&["[DONE]"][..], &[r#"{"choices": []}"#, "[DONE]"], &[]] {
        let data: Vec<String> = data.iter().map(ToString::to_string).collect();
        let error = events(hi(), Quirks::new(), &data).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::TruncatedStream, "{data:?}");
    }
    let error = decoded(&[delta(&json!({"content": "Hel"}))]).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::TruncatedStream);
    // With one, the end of the body is an end.
    assert_eq!(done(&[delta(&json!({"content": "Hello"})), finish("stop")]).await.text(), "Hello");
}

#[tokio::test]
async fn tool_calls_are_assembled_from_incomplete_pieces() {
    let piece = |reported: Value| reported;
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
        assert_eq!(calls(&pieces).await, expected, "{pieces:?}");
    }
    // Without ids: each gets one of its own.
    let named = calls(&[
        json!({"function": one("f", json!("{}"))}),
        json!({"function": one("f", json!("{}"))}),
    ])
    .await;
    assert_eq!(named.len(), 2);
    assert!(named[0].0.starts_with("call_") && named[0].0 != named[1].0, "{named:?}");
    // Invalid JSON is kept verbatim.
    let raw = calls(&[json!({"id": "a", "function": one("f", json!("{\"x\": 1"))})]).await;
    assert_eq!(raw[0].2, json!("{\"x\": 1"));
}

#[tokio::test]
async fn an_invented_call_id_is_the_same_in_the_event_and_the_turn() {
    let chunks = [
        delta(&json!({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]})),
        finish("stop"),
    ];
    let events = decoded(&chunks).await.unwrap();
    let reported = events.iter().find_map(|event| match event {
        CompletionEvent::Content(Content::ToolRequest(request)) => Some(request.clone()),
        _ => None,
    });
    let Some(CompletionEvent::Done(completion)) = events.last() else { panic!("{events:?}") };
    assert_eq!(completion.tool_requests().next(), reported.as_ref());
    assert_eq!(
        completion.finish_reason,
        Some(FinishReason::ToolCall),
        "although the server reported stop"
    );
}

#[tokio::test]
async fn token_counts_are_read_from_every_field_and_not_added_up() {
    let reported = |input: u64, output: Value| {
        let mut chunk = delta(&json!({"content": "x"}));
        chunk["usage"] = json!({"prompt_tokens": input, "completion_tokens": output});
        chunk
    };
    let usage = done(&[
        reported(5, Value::Null),
        reported(5, json!(1)),
        reported(5, json!(2)),
        finish("stop"),
    ])
    .await;
    assert_eq!((usage.usage.input_tokens, usage.usage.output_tokens), (Some(5), Some(2)));
    let groq = json!({"x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}});
    let usage = done(&[delta(&json!({"content": "x"})), finish("stop"), groq]).await.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(7), Some(3)));
}

#[tokio::test]
async fn further_choices_become_alternatives() {
    let choice = |index: u64, text: &str, reason: Value| {
        json!({"choices": [{"index": index, "delta": {"content": text},
            "finish_reason": reason}]})
    };
    let chunks = [
        choice(1, "B", Value::Null),
        choice(0, "A", json!("stop")),
        choice(1, "b", json!("length")),
    ];
    let completion = done(&chunks).await;
    assert_eq!(completion.text(), "A");
    let [other] = completion.alternatives.as_slice() else { panic!("{completion:?}") };
    assert_eq!(other.contents, [Content::text("Bb")]);
    assert_eq!(other.finish_reason, Some(FinishReason::Length));
    let events = decoded(&chunks).await.unwrap();
    assert!(
        !events.contains(&CompletionEvent::Text("B".into())),
        "only the first choice is streamed"
    );
    let far = json!({"choices": [{"index": 4_000_000_000_u64, "delta": {}}]});
    assert!(decoded(&[far]).await.is_err(), "no memory is allocated for it");
}

#[tokio::test]
async fn thinking_is_kept_in_the_form_that_the_vendor_requires_back() {
    let details = [
        json!({"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "H"}]}),
        json!({"reasoning": "Hm.", "reasoning_details": [
            {"index": 0, "type": "reasoning.text", "text": "m.", "signature": "s"}]}),
        json!({"content": "Hello"}),
    ];
    let chunks: Vec<Value> = details.iter().map(delta).chain([finish("stop")]).collect();
    let merged = json!([{"index": 0, "type": "reasoning.text", "text": "Hm.",
        "signature": "s"}]);
    for (replay, item) in [
        (ThinkingReplay::None, None),
        (ThinkingReplay::ReasoningContent, Some(json!({"reasoning_content": "Hm."}))),
        (ThinkingReplay::ReasoningDetails, Some(json!({"reasoning_details": merged}))),
    ] {
        let quirks = Quirks::new().with_thinking_replay(replay);
        let events = decoded_with(quirks, &chunks).await.unwrap();
        let Some(CompletionEvent::Done(completion)) = events.last() else { panic!() };
        let Content::Thinking(thinking) = &completion.contents[0] else { panic!() };
        assert_eq!(thinking.text, "Hm.");
        let replay = item.map(|item| Replay::new("acme", item));
        assert_eq!(thinking.replay, replay);
    }
}

#[tokio::test]
async fn the_content_of_each_server_is_read() {
    let parts = json!({"content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Hello"},
    ]});
    let completion = done(&[delta(&parts), finish("stop")]).await;
    assert_eq!(completion.text(), "Hello");
    assert!(matches!(&completion.contents[0], Content::Thinking(t) if t.text == "Hm."));
    let json = done(&[delta(&json!({"content": {"a": 1}})), finish("stop")]).await;
    assert_eq!(json.text(), "{\"a\":1}");
    let refused =
        done(&[delta(&json!({"refusal": "No"})), delta(&json!({"refusal": "."})), finish("stop")])
            .await;
    assert!(matches!(&refused.contents[..], [Content::Refusal(refusal)] if refusal.text == "No."));
    assert_eq!(refused.finish_reason, Some(FinishReason::ContentFilter));
    // The new text, and everything so far.
    let both = |new: &str, all: &str| {
        json!({"choices": [{"delta": {"content": new}, "message": {"content": all}}],
            "citations": ["https://a.example", "https://b.example"],
            "search_results": [{"title": "A", "url": "https://a.example"}]})
    };
    let found = done(&[both("Hel", "Hel"), both("lo", "Hello"), finish("stop")]).await;
    assert_eq!(found.text(), "Hello");
    let cited = Citation::from_url("https://a.example").with_title("A");
    assert_eq!(found.contents[1..], [Content::Citation(cited)]);
    let note = json!({"type": "url_citation", "url_citation": {"url": "https://a.example",
        "start_index": 1, "end_index": 3}});
    let noted = done(&[
        delta(&json!({"content": "Häßlich"})),
        delta(&json!({"annotations": [note, {"type": "novelty"}]})),
        finish("stop"),
    ])
    .await;
    let Content::Citation(cited) = &noted.contents[1] else { panic!("{noted:?}") };
    assert_eq!(cited.quote.as_deref(), Some("äß"));
    assert_eq!(noted.contents.len(), 2);
}

#[tokio::test]
async fn audio_is_returned_with_its_transcript() {
    let sound = |reported: Value| delta(&json!({"audio": reported}));
    let mut request = hi();
    let params = std::sync::Arc::make_mut(&mut request.params);
    params.extra.insert("audio".to_owned(), json!({"format": "mp3"}));
    let data = [
        sound(json!({"id": "audio_1", "transcript": "Hel"})),
        sound(json!({"transcript": "lo", "data": "AA"})),
        sound(json!({"data": "BB"})),
        finish("stop"),
    ];
    let data = data.map(|chunk| chunk.to_string());
    let events = events(request, Quirks::new(), &data).await.unwrap();
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

#[tokio::test]
async fn finish_reasons_are_mapped() {
    for (reported, reason) in [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("model_length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("error", FinishReason::Error),
        ("boredom", FinishReason::Other("boredom".into())),
    ] {
        let completion = done(&[delta(&json!({"content": "x"})), finish(reported)]).await;
        assert_eq!(completion.finish_reason, Some(reason));
    }
}

#[tokio::test]
async fn unknown_and_malformed_fields_are_ignored() {
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
    let completion = done(&chunks).await;
    assert_eq!(completion.contents, [Content::text("ok")]);
    for data in ["{\"choices\": ", "<html>"] {
        let error = events(hi(), Quirks::new(), &[data.to_owned()]).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    }
    for body in [json!({}), json!([]), json!("no"), json!({"choices": []})] {
        let error = complete(&body).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    }
}

#[tokio::test]
async fn a_further_choice_without_a_finish_reason_is_truncated() {
    let choice = |index: u64, reason: Value| json!({"choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": reason}]});
    let error = decoded(&[choice(1, Value::Null), choice(0, json!("stop"))]).await;
    assert_eq!(error.unwrap_err().kind(), ProviderErrorKind::TruncatedStream);
}

#[tokio::test]
async fn generated_images_are_kept() {
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let made = json!({"content": [{"type": "text", "text": "Here."}, {"type": "image_url",
        "image_url": "https://a.example/a.png"}], "images": [image("data:image/png;base64,AA==")]});
    let events = decoded(&[delta(&made), finish("stop")]).await.unwrap();
    let images =
        [Content::image_url("https://a.example/a.png"), Content::image_base64("image/png", "AA==")];
    let Some(CompletionEvent::Done(completion)) = events.last() else { panic!("{events:?}") };
    assert_eq!(completion.contents[1..], images);
    for image in images {
        assert!(events.contains(&CompletionEvent::Content(image)), "{events:?}");
    }
}

#[tokio::test]
async fn a_legacy_function_call_is_a_tool_call() {
    let piece = |reported: Value| delta(&json!({"function_call": reported}));
    let completion = done(&[
        piece(json!({"name": "add", "arguments": ""})),
        piece(json!({"arguments": "{\"a\":"})),
        piece(json!({"arguments": "1}"})),
        finish("function_call"),
    ])
    .await;
    let asked = completion.tool_requests().next().expect("a call");
    assert_eq!((asked.name.as_str(), &asked.arguments), ("add", &json!({"a": 1})));
    assert_eq!(completion.finish_reason, Some(FinishReason::ToolCall));
}

#[tokio::test]
async fn thinking_inside_the_content_is_kept_verbatim() {
    let summary = |text: &str, signature: &str| {
        json!({"content": [{"type": "reasoning", "summary": [
            {"type": "summary_text", "text": text, "signature": signature}]}]})
    };
    let mistral = |text: &str| json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]});
    let parts = |reported: &[Value]| -> Vec<Value> {
        reported.iter().map(|reported| reported["content"][0].clone()).collect()
    };
    for (pieces, joined) in [
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
        let completion = done(&chunks).await;
        assert_eq!(completion.text(), "Hello");
        let Content::Thinking(thinking) = &completion.contents[0] else { panic!("{completion:?}") };
        assert_eq!(thinking.text, "Hm.");
        let replay = thinking.replay.as_ref().expect("it is required back");
        assert_eq!(replay.item, json!({"content": joined}));
    }
}

#[tokio::test]
async fn counts_and_finish_reasons_of_each_server_are_read() {
    let mut last = finish("eos");
    last["usage"] = json!({"prompt_tokens": "3", "completion_tokens": 2.0});
    let completion = done(&[delta(&json!({"content": "x"})), last]).await;
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
        let completion = done(&[delta(&call), finish(reason)]).await;
        assert_eq!(completion.finish_reason, Some(expected));
        assert_eq!(completion.tool_requests().next().expect("a call").arguments, json!({}));
    }
}

#[tokio::test]
async fn an_empty_error_is_ignored() {
    for empty in [json!(""), json!({}), json!(null), json!([])] {
        let mut chunk = delta(&json!({"content": "ok"}));
        chunk["error"] = empty;
        assert_eq!(done(&[chunk, finish("stop")]).await.text(), "ok");
    }
}

#[tokio::test]
async fn every_listed_call_with_a_name_of_a_complete_reply_is_kept() {
    let call = |name: &str, arguments: &str| {
        json!({"id": "same", "index": 0, "type": "function",
            "function": {"name": name, "arguments": arguments}})
    };
    let nameless = json!({"function": {"arguments": "{}"}});
    let message = json!({"role": "assistant", "tool_calls": [
        call("add", "{\"a\":1}"), call("add", "{\"a\":2}"), call("sub", "{}"), nameless]});
    let reported = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]});
    let completion = complete(&reported).await.unwrap();
    let asked: Vec<_> = completion
        .tool_requests()
        .map(|call| (call.name.as_str(), call.arguments.to_string()))
        .collect();
    let expected = [("add", "{\"a\":1}"), ("add", "{\"a\":2}"), ("sub", "{}")];
    assert_eq!(asked, expected.map(|(name, arguments)| (name, arguments.to_owned())));
}
