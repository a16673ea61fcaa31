//! What each part of a reply means.

use super::*;
use chatlas_core::content::Citation;
use chatlas_core::{Modalities, Usage};

const PROVIDER: &str = "gcp.gemini";

fn chunk(parts: &Value, reason: Option<&str>) -> Value {
    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    if let Some(reason) = reason {
        candidate["finishReason"] = reason.into();
    }
    json!({"candidates": [candidate], "responseId": "r-1", "modelVersion": "m-1"})
}

fn decoded(chunks: &[Value]) -> Result<Vec<CompletionEvent>, ProviderError> {
    let mut decoder = Decoder::new(PROVIDER);
    let mut all = Vec::new();
    for chunk in chunks {
        all.extend(decoder.event(&chunk.to_string())?);
        assert!(!decoder.is_over());
    }
    all.extend(decoder.end()?);
    assert!(decoder.is_over());
    Ok(all)
}

fn whole(reply: &Value) -> Result<Completion, ProviderError> {
    Decoder::new(PROVIDER).whole(reply)
}

/// The reply to chunks: the same as a stream, as one piece, and as a list.
fn done(chunks: &[Value]) -> Completion {
    let Some(CompletionEvent::Done(done)) = decoded(chunks).unwrap().pop() else {
        panic!("no end")
    };
    assert_eq!(whole(&json!(chunks)).unwrap(), done);
    done
}

fn replay(item: Value) -> Replay {
    Replay { provider: PROVIDER.to_owned(), item }
}

fn tokens() -> Value {
    json!({
        "promptTokenCount": 10, "toolUsePromptTokenCount": 5, "cachedContentTokenCount": 4,
        "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 20,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7},
            {"modality": "IMAGE", "tokenCount": 3}, {"modality": "SMELL", "tokenCount": 1}],
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
    })
}

#[test]
fn each_part_says_what_the_protocol_means() {
    let code =
        json!({"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "s4"});
    let search = json!({"toolCall": {"id": "t-1", "toolType": "GOOGLE_SEARCH_WEB"}});
    let mut last = chunk(
        &json!([
            {"functionCall": {"name": "add", "args": {"a": 1}, "id": "c-1"}, "thoughtSignature": "s2"},
            {"inlineData": {"mimeType": "image/png", "data": "aGk="}, "thoughtSignature": "s3"},
            {"inlineData": {"mimeType": "image/png", "data": "draft"}, "thought": true},
            code, search,
            {"novelty": 1}, null, 3,
            {"text": "", "thoughtSignature": "s5"},
        ]),
        Some("STOP"),
    );
    last["usageMetadata"] = tokens();
    let chunks = [
        chunk(&json!([{"text": "H", "thought": true}]), None),
        chunk(&json!([{"text": "m.", "thought": true}]), None),
        chunk(&json!([{"text": "", "thought": true, "thoughtSignature": "s0"}]), None),
        chunk(&json!([{"text": "Hel"}]), None),
        chunk(&json!([{"text": "lo"}, {"text": "!", "thoughtSignature": "s1"}]), None),
        last,
    ];
    let image = Content::image_base64("image/png", "aGk=");
    let call = Content::ToolRequest(ToolRequest {
        id: "c-1".to_owned(),
        name: "add".to_owned(),
        arguments: json!({"a": 1}),
        replay: Some(replay(json!({"thoughtSignature": "s2"}))),
    });
    let tool = |name: &str, id: Option<&str>, item: &Value| {
        Content::ServerTool(ServerTool {
            id: id.map(str::to_owned),
            name: name.to_owned(),
            replay: Replay { provider: PROVIDER.to_owned(), item: item.clone() },
        })
    };
    let thought = Thinking { text: "Hm.".to_owned(), replay: None };
    let signed = Text {
        text: "!".to_owned(),
        replay: Some(replay(json!({"thoughtSignature": "s1"}))),
        ..Text::default()
    };
    let usage = Usage {
        input_tokens: Some(15),
        output_tokens: Some(5),
        cache_read_tokens: Some(4),
        reasoning_tokens: Some(2),
        input_by_modality: Modalities { text: Some(12), image: Some(3), ..Default::default() },
        output_by_modality: Modalities { audio: Some(3), ..Default::default() },
        cache_read_by_modality: Modalities { text: Some(4), ..Default::default() },
        ..Usage::default()
    };
    let completion = Completion {
        contents: vec![
            Content::Thinking(thought),
            opaque(replay(json!({"thought": true, "thoughtSignature": "s0"}))),
            Content::text("Hello"),
            Content::Text(signed),
            call.clone(),
            opaque(replay(json!({"thoughtSignature": "s3"}))),
            image.clone(),
            tool("code_execution", None, &code),
            tool("web_search", Some("t-1"), &search),
            opaque(replay(json!({"text": "", "thoughtSignature": "s5"}))),
        ],
        usage,
        finish_reason: Some(FinishReason::ToolCall),
        response_id: Some("r-1".to_owned()),
        model: Some("m-1".to_owned()),
        ..Completion::default()
    };
    assert_eq!(done(&chunks), completion);
    let started = CompletionEvent::Started {
        response_id: Some("r-1".to_owned()),
        model: Some("m-1".to_owned()),
    };
    assert_eq!(
        decoded(&chunks).unwrap(),
        [
            started,
            CompletionEvent::Thinking("H".to_owned()),
            CompletionEvent::Thinking("m.".to_owned()),
            CompletionEvent::Text("Hel".to_owned()),
            CompletionEvent::Text("lo".to_owned()),
            CompletionEvent::Text("!".to_owned()),
            CompletionEvent::Usage(usage),
            CompletionEvent::Content(call),
            CompletionEvent::Content(image),
            CompletionEvent::Content(tool("code_execution", None, &code)),
            CompletionEvent::Content(tool("web_search", Some("t-1"), &search)),
            CompletionEvent::Done(completion),
        ]
    );
}

#[test]
fn calls_without_an_id_get_one_each() {
    let call = json!({"functionCall": {"name": "now"}});
    let reply = done(&[chunk(&json!([call, call]), None), chunk(&json!([call]), Some("STOP"))]);
    let ids: Vec<&str> = reply.tool_requests().map(|request| request.id.as_str()).collect();
    assert_eq!(ids, ["invented_call_r-1_1", "invented_call_r-1_2", "invented_call_r-1_3"]);
    assert!(reply.tool_requests().all(|request| request.arguments == json!({})));
    let without = json!({"functionCall": {"name": "now", "args": null}});
    let reply = done(&[chunk(&json!([without]), Some("STOP"))]);
    assert_eq!(reply.tool_requests().next().unwrap().arguments, json!({}));
    let mut nameless = chunk(&json!([call]), Some("STOP"));
    nameless["responseId"] = Value::Null;
    let id = |reply: &Value| whole(reply).unwrap().tool_requests().next().unwrap().id.clone();
    assert_ne!(id(&nameless), id(&nameless));
}

#[test]
fn sources_come_with_the_words_that_they_support() {
    let web = |uri: &str| json!({"web": {"uri": uri, "title": "T"}});
    let mut last = chunk(&json!([{"text": "A and B."}]), Some("STOP"));
    let candidate = &mut last["candidates"][0];
    candidate["groundingMetadata"] = json!({
        "webSearchQueries": ["q"],
        "groundingChunks": [web("https://a"), web("https://b"), web("https://c"), null],
        "groundingSupports": [
            {"segment": {"text": "A"}, "groundingChunkIndices": [0, 1]},
            {"segment": {"text": "B"}, "groundingChunkIndices": [1, 99, "x"]},
        ],
    });
    candidate["urlContextMetadata"] = json!({"urlMetadata": [{"retrievedUrl": "https://d"}]});
    candidate["citationMetadata"] = json!({"citationSources": [{"uri": "https://e"}]});
    let reply = done(std::slice::from_ref(&last));
    let cited = |url: &str, title: Option<&str>, quote: Option<&str>| {
        Content::Citation(Citation {
            url: Some(url.to_owned()),
            title: title.map(str::to_owned),
            quote: quote.map(str::to_owned),
        })
    };
    assert_eq!(
        reply.contents[3..],
        [
            cited("https://a", Some("T"), Some("A")),
            cited("https://b", Some("T"), Some("A")),
            cited("https://b", Some("T"), Some("B")),
            cited("https://c", Some("T"), None),
            cited("https://e", None, None),
        ]
    );
    let names: Vec<&str> = reply.contents[1..3]
        .iter()
        .map(|content| match content {
            Content::ServerTool(tool) => tool.name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["web_search", "web_fetch"]);
    let events = decoded(&[last]).unwrap();
    let told = events.iter().filter(|e| matches!(e, CompletionEvent::Content(_))).count();
    assert_eq!(told, 7);
}

#[test]
fn each_chunk_cites_for_its_own_words() {
    let cites = |text: &str, uris: &[&str], reason: Option<&str>| {
        let sources: Vec<Value> = uris.iter().map(|uri| json!({"uri": uri})).collect();
        let mut chunk = chunk(&json!([{"text": text}]), reason);
        chunk["candidates"][0]["citationMetadata"] = json!({"citationSources": sources});
        chunk
    };
    let reply = done(&[cites("a", &["x", "y"], None), cites("b", &["y", "z"], Some("STOP"))]);
    let urls: Vec<_> = reply.contents[1..]
        .iter()
        .map(|content| match content {
            Content::Citation(citation) => citation.url.as_deref().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(urls, ["x", "y", "z"]);
}

#[test]
fn other_candidates_are_alternatives() {
    let candidate = |index: u64, text: &str, reason: &str| {
        json!({"index": index, "finishReason": reason,
            "content": {"parts": [{"text": text}]}})
    };
    let reply =
        json!({"candidates": [candidate(1, "no", "MAX_TOKENS"), candidate(0, "yes", "STOP")]});
    let completion = done(std::slice::from_ref(&reply));
    assert_eq!(completion.text(), "yes");
    let [other] = completion.alternatives.as_slice() else { panic!("{completion:?}") };
    assert_eq!(other.contents, [Content::text("no")]);
    assert_eq!(other.finish_reason, Some(FinishReason::Length));
    let texts = decoded(&[reply]).unwrap();
    let texts: Vec<_> =
        texts.iter().filter(|event| matches!(event, CompletionEvent::Text(_))).collect();
    assert_eq!(texts, [&CompletionEvent::Text("yes".to_owned())]);
}

#[test]
fn a_reply_that_stopped_says_why() {
    for (reason, expected) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("IMAGE_SAFETY", FinishReason::ContentFilter),
        ("ESCALATION", FinishReason::ContentFilter),
        ("OTHER", FinishReason::Other("OTHER".to_owned())),
        ("BOREDOM", FinishReason::Other("BOREDOM".to_owned())),
    ] {
        // Google leaves out the content of a reply that it filtered.
        let reply = json!({"candidates": [{"finishReason": reason}]});
        assert_eq!(whole(&reply).unwrap().finish_reason, Some(expected));
    }
    let call = chunk(&json!([{"functionCall": {"name": "a"}}]), Some("FUNCTION_CALL"));
    assert_eq!(done(&[call]).finish_reason, Some(FinishReason::ToolCall));
}

#[test]
fn what_is_no_reply_is_an_error_that_keeps_the_count() {
    use ProviderErrorKind as Kind;
    let usage = json!({"promptTokenCount": 8, "totalTokenCount": 8});
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage,
        "responseId": "r-1"});
    let mut broken = chunk(&json!([{"text": "I add."}]), Some("MALFORMED_FUNCTION_CALL"));
    broken["usageMetadata"] = usage.clone();
    broken["candidates"][0]["finishMessage"] = "Malformed function call: add(".into();
    for (reply, kind, code, message) in [
        (&blocked, Kind::ContentFilter, "SAFETY", "the prompt was blocked (SAFETY)"),
        (&broken, Kind::MalformedReply, "MALFORMED_FUNCTION_CALL", "Malformed function call: add("),
    ] {
        let error = whole(reply).unwrap_err();
        assert_eq!(decoded(std::slice::from_ref(reply)).unwrap_err(), error);
        assert_eq!((error.kind(), error.code()), (kind, Some(code)));
        assert_eq!(error.message(), message);
        let partial = error.partial().unwrap();
        assert_eq!(partial.usage.input_tokens, Some(8));
        assert_eq!(partial.response_id.as_deref(), Some("r-1"));
    }
    assert_eq!(whole(&broken).unwrap_err().partial().unwrap().text(), "I add.");
    let error = whole(&json!({"usageMetadata": usage, "responseId": "r-1"})).unwrap_err();
    assert_eq!(error.partial().unwrap().usage.input_tokens, Some(8));
    let error = json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "full"}});
    for reply in [error.clone(), json!([error])] {
        let error = whole(&reply).unwrap_err();
        assert_eq!(decoded(&[reply]).unwrap_err(), error);
        assert_eq!((error.kind(), error.code()), (Kind::Overloaded, Some("UNAVAILABLE")));
    }
    for reply in [json!({}), json!({"candidates": []}), json!([]), json!("no")] {
        assert_eq!(whole(&reply).unwrap_err().kind(), Kind::MalformedReply, "{reply}");
    }
}

#[test]
fn a_stream_ends_when_each_candidate_says_why() {
    let begun = chunk(&json!([{"text": "Hel"}]), None);
    let going = chunk(&json!([{"text": "Hel"}]), Some("FINISH_REASON_UNSPECIFIED"));
    for chunks in [vec![], vec![begun.clone()], vec![going], vec![json!({"usageMetadata": {}})]] {
        let error = decoded(&chunks).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::TruncatedStream);
    }
    let end = json!({"candidates": [{"finishReason": "STOP"}]});
    let more = json!({"usageMetadata": {"promptTokenCount": 3}});
    let Some(CompletionEvent::Done(done)) = decoded(&[begun, end, more]).unwrap().pop() else {
        panic!("no end")
    };
    assert_eq!((done.text().as_str(), done.usage.input_tokens), ("Hel", Some(3)));
    for data in ["{\"candidates\": ", "", "<html>"] {
        let error = Decoder::new(PROVIDER).event(data).unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::MalformedReply);
    }
}
