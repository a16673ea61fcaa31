//! The replies that AWS Bedrock sends: complete responses and streams of frames.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chatlas_core::content::{Citation, Content, Replay, ServerTool, Thinking};
use chatlas_core::{
    Completion, CompletionEvent, FinishReason, Model, Provider as _, ProviderError,
    ProviderErrorKind as Kind, Usage,
};
use chatlas_providers::bedrock::{Bedrock, BedrockApi};
use serde_json::{Value, json};

use super::fixed::{self, Answer, answering, hi, run};

/// The vendor whose items are sent back.
const PROVIDER: &str = "aws.bedrock";
const OUTPUT_TOOL: &str = "_structured_tool_call";
const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

fn model(answer: Answer) -> Bedrock {
    let answer = answer.with_header("x-amzn-requestid", "r-1");
    Bedrock::new("a.model")
        .with_region("us-east-1")
        .with_api_key("k")
        .with_http(answering(vec![answer]).0)
}

/// Returns a frame of an event stream.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for (name, value) in headers {
        written.push(u8::try_from(name.len()).unwrap());
        written.extend_from_slice(name.as_bytes());
        // The type of a string.
        written.push(7);
        written.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        written.extend_from_slice(value.as_bytes());
    }
    let length = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let mut frame = length(written.len() + payload.len() + 16).to_vec();
    frame.extend_from_slice(&length(written.len()));
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&written);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":event-type", kind), (":message-type", "event")];
    frame(&headers, payload.to_string().as_bytes())
}

/// Returns an event of the Messages API in a chunk.
fn chunk(payload: &Value) -> Vec<u8> {
    event("chunk", &json!({"bytes": STANDARD.encode(payload.to_string())}))
}

fn frames(body: &[Vec<u8>]) -> Answer {
    Answer::new(200, CONTENT_TYPE, body.concat())
}

pub(crate) fn complete(response: &Value) -> Result<Completion, ProviderError> {
    run(model(Answer::json(200, response)).chat(hi()))
}

pub(crate) fn stream(events: &[(&str, Value)]) -> Result<Vec<CompletionEvent>, ProviderError> {
    let body: Vec<Vec<u8>> = events.iter().map(|(kind, payload)| event(kind, payload)).collect();
    fixed::events(&model(frames(&body)))
}

fn decoded(events: &[(&str, Value)]) -> Vec<CompletionEvent> {
    stream(events).unwrap()
}

pub(crate) fn delta(index: u64, delta: &Value) -> (&'static str, Value) {
    ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}))
}

fn stop(index: u64) -> (&'static str, Value) {
    ("contentBlockStop", json!({"contentBlockIndex": index}))
}

#[test]
fn a_streamed_reply_equals_the_complete_one() {
    let bytes = STANDARD.encode("secret");
    let note = json!({"title": "A", "location": {"web": {"url": "https://a.example"}},
        "sourceContent": [{"text": "it is "}, {"text": "so"}]});
    let events = decoded(&[
        ("messageStart", json!({"role": "assistant"})),
        delta(0, &json!({"reasoningContent": {"text": "Hm"}})),
        delta(0, &json!({"reasoningContent": {"text": "."}})),
        delta(0, &json!({"reasoningContent": {"signature": "sig"}})),
        stop(0),
        delta(1, &json!({"reasoningContent": {"redactedContent": bytes}})),
        stop(1),
        delta(2, &json!({"text": "It is "})),
        delta(2, &json!({"text": "so."})),
        delta(2, &json!({"novelty": 1})),
        stop(2),
        delta(3, &json!({"text": "Or not."})),
        delta(3, &json!({"citation": note})),
        stop(3),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 4,
                "start": {"toolUse": {"toolUseId": "t1", "name": "look"}}}),
        ),
        delta(4, &json!({"toolUse": {"input": "{\"a\""}})),
        delta(4, &json!({"toolUse": {"input": ": 1}"}})),
        stop(4),
        ("novelty", json!({})),
        ("messageStop", json!({"stopReason": "tool_use"})),
        (
            "metadata",
            json!({"usage": {"inputTokens": 3, "outputTokens": 5, "totalTokens": 20,
                "cacheReadInputTokens": 10, "cacheWriteInputTokens": 2},
                "metrics": {"latencyMs": 1}}),
        ),
    ]);
    let thought = json!({"reasoningText": {"text": "Hm.", "signature": "sig"}});
    let reply = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": thought},
            {"reasoningContent": {"redactedContent": bytes}},
            {"text": "It is so."},
            {"citationsContent": {"content": [{"text": "Or not."}], "citations": [note]}},
            {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"a": 1}}},
        ]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 5, "cacheReadInputTokens": 10,
            "cacheWriteInputTokens": 2},
    });
    let reply = complete(&reply).unwrap();
    assert_eq!(events.last(), Some(&CompletionEvent::Done(reply.clone().into())));
    assert_eq!(reply.text(), "It is so.Or not.");
    assert_eq!(reply.usage.input_tokens, Some(15));
    assert_eq!(reply.finish_reason, Some(FinishReason::ToolCall));
    assert_eq!(reply.response_id.as_deref(), Some("r-1"));
    assert_eq!(reply.model.as_deref(), Some("a.model"));
    let request = reply.tool_requests().next().unwrap().clone();
    assert!(events.contains(&CompletionEvent::Content(Content::ToolRequest(request))));
    let text = |text: &str| CompletionEvent::Text(text.to_owned());
    for event in [text("It is "), text("so."), CompletionEvent::Thinking("Hm".into())] {
        assert!(events.contains(&event), "{event:?}");
    }
    let Content::Thinking(thinking) = &reply.contents[0] else { panic!() };
    let item = json!({"reasoningContent": thought});
    assert_eq!(thinking.replay, Some(Replay::new(PROVIDER, item)));
    let cited = Citation::from_url("https://a.example").with_title("A").with_quote("it is so");
    assert!(reply.contents.contains(&Content::Citation(cited)));
}

#[test]
fn tools_that_aws_runs_are_not_calls_of_the_program() {
    let call = json!({"toolUseId": "t1", "name": "nova_grounding", "type": "server_tool_use"});
    let result = json!({"toolUseId": "t1", "type": "nova_grounding_result", "status": "success"});
    let start = |index: u64, start: Value| {
        ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
    };
    let events = decoded(&[
        start(0, json!({"toolUse": call})),
        delta(0, &json!({"toolUse": {"input": "{\"q\": 1}"}})),
        stop(0),
        start(1, json!({"toolResult": result})),
        delta(1, &json!({"toolResult": [{"text": "a"}]})),
        delta(1, &json!({"toolResult": [{"json": {}}]})),
        stop(1),
        start(2, json!({"image": {"format": "png"}})),
        delta(2, &json!({"image": {"source": {"bytes": "aGk="}}})),
        stop(2),
        delta(3, &json!({"reasoningContent": {"text": "unsigned"}})),
        stop(3),
        ("messageStop", json!({"stopReason": "end_turn"})),
        ("metadata", json!({"usage": {"inputTokens": 1, "outputTokens": 1}})),
    ]);
    let (mut called, mut gave) = (call, result);
    called["input"] = json!({"q": 1});
    gave["content"] = json!([{"text": "a"}, {"json": {}}]);
    let image = json!({"image": {"format": "png", "source": {"bytes": "aGk="}}});
    let reply = json!({"output": {"message": {"content": [
        {"toolUse": called}, {"toolResult": gave}, image,
        {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
    ]}}, "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1}});
    let reply = complete(&reply).unwrap();
    assert_eq!(events.last(), Some(&CompletionEvent::Done(reply.clone().into())));
    let tool = |name: &str, item: Value| {
        Content::ServerTool(ServerTool::new(name, Replay::new(PROVIDER, item)).with_id("t1"))
    };
    let expected = [
        tool("nova_grounding", json!({"toolUse": called})),
        tool("nova_grounding_result", json!({"toolResult": gave})),
        Content::image_base64("image/png", "aGk="),
    ];
    assert_eq!(reply.contents[..3], expected);
    assert_eq!(reply.contents[3], Content::Thinking(Thinking::new("unsigned")));
    assert_eq!(reply.finish_reason, Some(FinishReason::Stop));
    for content in expected {
        assert!(events.contains(&CompletionEvent::Content(content)));
    }
}

#[test]
fn a_stream_ends_with_its_stop_reason_and_not_without() {
    let events = decoded(&[
        delta(0, &json!({"text": "Hi"})),
        ("messageStop", json!({"stopReason": "end_turn"})),
    ]);
    let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
    assert_eq!((done.text().as_str(), done.usage), ("Hi", Usage::default()));
    let error = stream(&[delta(0, &json!({"text": "Hi"}))]).unwrap_err();
    assert_eq!(error.kind(), Kind::TruncatedStream);
}

#[test]
fn a_stop_reason_is_a_finish_reason() {
    for (reason, expected) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("guardrail_intervened", FinishReason::ContentFilter),
        ("content_filtered", FinishReason::ContentFilter),
        ("malformed_tool_use", FinishReason::Other("malformed_tool_use".to_owned())),
    ] {
        let response = json!({"output": {"message": {"content": []}}, "stopReason": reason});
        assert_eq!(complete(&response).unwrap().finish_reason, Some(expected));
    }
}

#[test]
fn unsupported_blocks_are_skipped_and_structured_output_is_text() {
    let response = json!({"output": {"message": {"content": [
        null, 3, {}, {"text": ""}, {"image": {}}, {"reasoningContent": {}},
        {"toolUse": {"toolUseId": "t", "name": OUTPUT_TOOL, "input": {"data": {"a": 1}}}},
    ]}}, "stopReason": "tool_use"});
    let reply = complete(&response).unwrap();
    assert_eq!(reply.contents, [Content::text("{\"a\":1}")]);
    assert_eq!(reply.finish_reason, Some(FinishReason::Stop));
    for response in [json!({}), json!([]), json!({"output": {}})] {
        assert_eq!(complete(&response).unwrap_err().kind(), Kind::MalformedReply);
    }
}

#[test]
fn thinking_without_text_is_kept_with_its_signature() {
    let events = decoded(&[
        delta(0, &json!({"reasoningContent": {"text": ""}})),
        delta(0, &json!({"reasoningContent": {"signature": "sig"}})),
        stop(0),
        ("messageStop", json!({"stopReason": "end_turn"})),
    ]);
    let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
    let item = json!({"reasoningContent": {"reasoningText": {"text": "", "signature": "sig"}}});
    let thinking = Thinking::new("").with_replay(Replay::new(PROVIDER, item));
    assert_eq!(done.contents, [Content::Thinking(thinking)]);
}

#[test]
fn chunks_are_events_of_the_messages_api() {
    let begin = json!({"type": "message_start", "message":
        {"id": "msg_1", "model": "claude-1", "usage": {"input_tokens": 3}}});
    let text = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": "Hel"}});
    let end = json!({"type": "message_stop"});
    let invoke =
        |body: &[Vec<u8>]| fixed::events(&model(frames(body)).with_api(BedrockApi::InvokeModel));
    // A gateway may send an event without its chunk.
    let events =
        invoke(&[chunk(&begin), event("chunk", &text), event("novelty", &json!(3)), chunk(&end)])
            .unwrap();
    let Some(CompletionEvent::Done(done)) = events.last() else { panic!("{events:?}") };
    assert_eq!((done.text().as_str(), done.response_id.as_deref()), ("Hel", Some("msg_1")));
    for payload in [json!({}), json!({"bytes": "%"}), json!({"bytes": "e30x"})] {
        let error = invoke(&[chunk(&begin), event("chunk", &payload)]).unwrap_err();
        assert_eq!(error.kind(), Kind::MalformedReply, "{error}");
        assert_eq!(error.request_id(), Some("r-1"));
    }
    assert_eq!(invoke(&[chunk(&begin)]).unwrap_err().kind(), Kind::TruncatedStream);
    let reply = json!({"content": [{"type": "text", "text": "No."}], "stop_reason": "refusal"});
    let provider = model(Answer::json(200, &reply)).with_api(BedrockApi::InvokeModel);
    let reply = run(provider.chat(hi())).unwrap();
    assert_eq!(reply.response_id.as_deref(), Some("r-1"));
    assert_eq!(reply.model.as_deref(), Some("a.model"));
}

#[test]
fn a_streamed_reply_is_bounded() {
    // Frames of another kind are skipped without being parsed.
    let frame = event("novelty", &json!("x".repeat(1 << 20)));
    let body = frames(&vec![frame; 260]);
    let error = fixed::events(&model(body).with_api(BedrockApi::InvokeModel)).unwrap_err();
    assert_eq!(error.kind(), Kind::MalformedReply);
    assert!(error.message().contains("256 MiB"), "{error}");
}

#[test]
fn a_failure_is_a_kind_that_a_program_can_match() {
    for (status, code, message, kind) in [
        (403, "AccessDeniedException", "no access", Kind::Authentication),
        (403, "ExpiredTokenException", "expired", Kind::Authentication),
        (403, "UnrecognizedClientException", "who?", Kind::Authentication),
        (429, "ThrottlingException", "slow down", Kind::RateLimit),
        (400, "ServiceQuotaExceededException", "too much", Kind::RateLimit),
        (429, "ModelNotReadyException", "not ready", Kind::Overloaded),
        (408, "ModelTimeoutException", "slow", Kind::Timeout),
        (404, "ResourceNotFoundException", "no model", Kind::ModelNotFound),
        (
            400,
            "ValidationException",
            "The provided model identifier is invalid.",
            Kind::ModelNotFound,
        ),
        (
            400,
            "ValidationException",
            "Input is too long for requested model.",
            Kind::ContextTooLong,
        ),
        (400, "ValidationException", "messages: field required", Kind::InvalidRequest),
        (500, "InternalServerException", "boom", Kind::Overloaded),
        (424, "ModelErrorException", "boom", Kind::Overloaded),
        (503, "ServiceUnavailableException", "busy", Kind::Overloaded),
        (424, "NoveltyException", "?", Kind::Overloaded),
        (418, "NoveltyException", "?", Kind::InvalidRequest),
    ] {
        let answer = Answer::json(status, &json!({"message": message})).with_header(
            "x-amzn-errortype",
            &format!("{code}:http://internal.amazon.com/coral/x/"),
        );
        let error = run(model(answer).chat(hi())).unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{message}");
        assert_eq!((error.code(), error.request_id()), (Some(code), Some("r-1")));
        let in_stream = code[..1].to_ascii_lowercase() + &code[1..];
        let payload = json!({"originalMessage": message, "originalStatusCode": status});
        let headers = [(":exception-type", in_stream.as_str()), (":message-type", "exception")];
        let body = [frame(&headers, payload.to_string().as_bytes())];
        let error = fixed::events(&model(frames(&body))).unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{message}");
    }
    let body = json!({"__type": "com.amazon.coral#AccessDeniedException", "Message": "no"});
    let error = run(model(Answer::json(403, &body)).chat(hi())).unwrap_err();
    assert_eq!((error.code(), error.message()), (Some("AccessDeniedException"), "no"));
}

#[test]
fn a_request_with_an_invalid_signature_is_not_quoted() {
    let message = "The request signature we calculated does not match. Check your key.\n\nThe \
        Canonical String for this request should have been\n'POST\nx-amz-security-token:abc'";
    let answer = Answer::json(403, &json!({"message": message}));
    let error = run(model(answer).chat(hi())).unwrap_err();
    let shown = "The request signature we calculated does not match. Check your key.";
    assert_eq!(error.message(), shown);
    let error = run(model(Answer::new(502, "text/html", "<h1>no</h1>")).chat(hi())).unwrap_err();
    assert!(error.message().contains("<h1>no</h1>"));
}

#[test]
fn models_that_write_text_are_listed() {
    let list = json!({"modelSummaries": [
        {"modelId": "a.text", "modelName": "A", "providerName": "Acme",
            "outputModalities": ["TEXT"], "converse": {"maxTokensMaximum": 64},
            "description": {"releaseDate": "2025-11-24T00:00:00Z"}},
        {"modelId": "a.image", "outputModalities": ["IMAGE"]},
        {"modelId": "a.unknown"}, {"modelName": "no id"}, 3,
    ]});
    let models = run(model(Answer::json(200, &list)).list_models()).unwrap();
    let mut text = Model::new("a.text");
    text.name = Some("A".into());
    text.owner = Some("Acme".into());
    text.created = Some(1_763_942_400);
    text.max_output_tokens = Some(64);
    assert_eq!(models, [text, Model::new("a.unknown")]);
    for body in [json!({}), json!("hello"), json!(true), json!(7)] {
        assert!(run(model(Answer::json(200, &body)).list_models()).is_err(), "{body}");
    }
}
