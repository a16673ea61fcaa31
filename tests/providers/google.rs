//! Gemini: errors, interrupted streams, and rare parts of the protocol. Errors are typed and
//! recorded on the spans.

use std::time::Duration;

use crate::support::server::{Answer, Server};
use crate::support::stream::{provider_error, read_stream};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{
    ChatRequest, FinishReason, Gemini, HttpOptions, ProviderError, ProviderErrorKind as Kind,
    ToolError,
};
use serde_json::{Value, json};

const MODEL: &str = "gemini-2.5-flash";

fn reply(parts: &Value, reason: Option<&str>) -> Value {
    let mut reply = json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        "modelVersion": MODEL, "responseId": "r-1",
    });
    if let Some(reason) = reason {
        reply["candidates"][0]["finishReason"] = reason.into();
    }
    reply
}

/// Returns an event with CRLF line ends, as Google sends it.
fn event(event: &Value) -> String {
    format!("data: {event}\r\n\r\n")
}

fn begin() -> String {
    event(&reply(&json!([{"text": "Hel"}]), None)) + &event(&json!({"novelty": [1]})) + ": hi\r\n"
}

fn end() -> String {
    event(&reply(&json!([{"text": "lo"}]), Some("STOP")))
}

fn failure(status: u16, code: &str, details: &Value) -> Value {
    json!({"error": {"code": status, "message": "no", "status": code, "details": details}})
}

fn model(server: &Server) -> Gemini {
    Gemini::new(MODEL).with_base_url(server.url()).with_api_key("canary")
}

async fn run(chat: &mut Chat, stream: bool) -> Result<Reply, ProviderError> {
    if stream {
        return read_stream(chat).await.1;
    }
    in_time(chat.chat("hi")).await.map_err(provider_error)
}

async fn failed_stream(answer: Answer) -> ProviderError {
    let recorder = Recorder::new();
    let server = Server::start(vec![answer]);
    let options =
        HttpOptions::default().with_read_timeout(Duration::from_millis(300)).with_max_retries(0);
    let mut chat = Chat::new(model(&server).with_http(options));
    let (text, result) = read_stream(&mut chat).await;
    let error = result.expect_err("the stream fails");
    assert_eq!(text, "Hel");
    // The received text is in the history, and its id on the span.
    assert_eq!(chat.turns()[1].text(), "Hel");
    recorder.assert_sound();
    let spans = recorder.spans();
    let call = spans.iter().find(|span| span.name() == "chat gemini-2.5-flash").expect("a span");
    assert_eq!(call["error.type"], *error.error_type());
    assert_eq!(call["gen_ai.response.id"], "r-1");
    assert_eq!(call["gen_ai.usage.input_tokens"], 3);
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_stream_is_a_reply() {
    let server = Server::start(vec![Answer::events(begin() + &end())]);
    let (text, reply) = read_stream(&mut Chat::new(model(&server))).await;
    let reply = reply.expect("an answer");
    assert_eq!((text.as_str(), reply.text().as_str()), ("Hello", "Hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_stream_is_truncated() {
    let complete = begin() + &end();
    for answer in [
        // The stream ends without a finish reason, between two events or within one.
        Answer::events(begin()),
        Answer::events(&complete[..complete.len() - 40]),
        // The connection is closed.
        Answer::events(begin()).truncated(),
    ] {
        assert_eq!(failed_stream(answer).await.kind(), Kind::TruncatedStream);
    }
    assert_eq!(failed_stream(Answer::events(begin()).stalled()).await.kind(), Kind::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_with_invalid_json_is_malformed() {
    let error = failed_stream(Answer::events(begin() + "data: {\"a\": \r\n\r\n" + &end())).await;
    assert_eq!(error.kind(), Kind::MalformedReply);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_event_is_a_typed_error() {
    let body = failure(503, "UNAVAILABLE", &json!([]));
    for body in [body.clone(), json!([body])] {
        let error = failed_stream(Answer::events(begin() + &event(&body))).await;
        assert_eq!((error.kind(), error.code()), (Kind::Overloaded, Some("UNAVAILABLE")));
        assert_eq!((error.status(), error.message()), (Some(503), "no"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn error_outside_events_in_a_stream_is_a_typed_error() {
    let body = failure(503, "UNAVAILABLE", &json!([]));
    let pretty = serde_json::to_string_pretty(&body).unwrap() + "\n\n";
    for body in [body.to_string(), pretty, json!([body]).to_string()] {
        let body = begin() + "\r\n" + &body;
        let everywhere: Vec<usize> = (1..body.len()).collect();
        for answer in [Answer::events(&body[..]), Answer::events(&body[..]).split_at(&everywhere)] {
            let error = failed_stream(answer).await;
            assert_eq!((error.kind(), error.code()), (Kind::Overloaded, Some("UNAVAILABLE")));
        }
        // A truncated error body is no error message.
        let error = failed_stream(Answer::events(&body[..body.trim_end().len() - 1])).await;
        assert_eq!(error.kind(), Kind::TruncatedStream);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn response_of_another_protocol_is_malformed() {
    for stream in [true, false] {
        for answer in [
            Answer::new(200, "text/html", "<h1>Sign in</h1>"),
            Answer::json(200, &json!({})),
            Answer::json(200, &json!({"candidates": []})),
            Answer::json(200, &json!([])),
            Answer::new(200, "application/json", "{\"candidates\": [{"),
        ] {
            let server = Server::start(vec![answer]);
            let mut chat = Chat::new(model(&server));
            let error = run(&mut chat, stream).await.expect_err("an error");
            assert_eq!(error.kind(), Kind::MalformedReply, "{error}");
            assert!(chat.turns().is_empty());
        }
    }
    // A stream without a candidate has no valid end.
    let server = Server::start(vec![Answer::events(event(&json!({"candidates": []})))]);
    let error = read_stream(&mut Chat::new(model(&server))).await.1.expect_err("an error");
    assert_eq!(error.kind(), Kind::TruncatedStream);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_prompt_is_an_error_with_usage() {
    let blocked = json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8},
        "modelVersion": MODEL, "responseId": "r-1",
    });
    for stream in [true, false] {
        let recorder = Recorder::new();
        let answer =
            if stream { Answer::events(event(&blocked)) } else { Answer::json(200, &blocked) };
        let server = Server::start(vec![answer]);
        let mut chat = Chat::new(model(&server));
        let error = run(&mut chat, stream).await.expect_err("an error");
        assert_eq!((error.kind(), error.code()), (Kind::ContentFilter, Some("PROHIBITED_CONTENT")));
        assert!(chat.turns().is_empty());
        recorder.assert_sound();
        let spans = recorder.spans();
        let call = spans.iter().find(|span| span.name().starts_with("chat ")).expect("a span");
        for (key, value) in [
            ("error.type", json!("PROHIBITED_CONTENT")),
            ("gen_ai.usage.input_tokens", json!(8)),
            ("gen_ai.response.id", json!("r-1")),
            ("gen_ai.response.model", json!(MODEL)),
            ("gen_ai.response.finish_reasons", json!(["content_filter"])),
        ] {
            assert_eq!(call[key], value, "{stream} {key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_without_content_has_a_finish_reason() {
    for (reason, expected) in
        [("SAFETY", FinishReason::ContentFilter), ("MAX_TOKENS", FinishReason::Length)]
    {
        let body = json!({"candidates": [{"finishReason": reason, "index": 0}]});
        let server = Server::start(vec![Answer::json(200, &body), Answer::events(event(&body))]);
        let mut chat = Chat::new(model(&server));
        for stream in [false, true] {
            let reply = run(&mut chat, stream).await.expect("an answer");
            assert_eq!(reply.turn.finish_reason, Some(expected.clone()));
            assert_eq!(reply.text(), "");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_reply_to_a_stream_request_is_read() {
    let chunks =
        [reply(&json!([{"text": "Hel"}]), None), reply(&json!([{"text": "lo"}]), Some("STOP"))];
    for answer in [chunks[1].clone(), json!(chunks)] {
        let server = Server::start(vec![Answer::json(200, &answer)]);
        let (text, reply) = read_stream(&mut Chat::new(model(&server))).await;
        assert!(reply.is_ok() && text.ends_with("lo"), "{text} {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_delay_in_the_error_body_is_honoured() {
    let wait = |text: &str| {
        let details =
            json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": text}]);
        Answer::json(429, &failure(429, "RESOURCE_EXHAUSTED", &details))
    };
    let good = Answer::json(200, &reply(&json!([{"text": "ok"}]), Some("STOP")));
    let server = Server::start(vec![wait("0.01s"), good]);
    let reply = run(&mut Chat::new(model(&server)), false).await.expect("an answer");
    assert_eq!((reply.text().as_str(), server.sent().len()), ("ok", 2));
    // A longer wait is left to the program.
    let server = Server::start(vec![wait("3600s")]);
    let error = run(&mut Chat::new(model(&server)), false).await.expect_err("an error");
    assert_eq!((error.kind(), error.code()), (Kind::RateLimit, Some("RESOURCE_EXHAUSTED")));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(server.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn api_key_is_redacted_everywhere_and_a_missing_one_is_named() {
    let recorder = Recorder::new();
    let mut body = failure(
        400,
        "INVALID_ARGUMENT",
        &json!([
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]),
    );
    body["error"]["message"] = "the key canary is not valid".into();
    let server = Server::start(vec![Answer::json(400, &body)]);
    let model = model(&server).with_http_spans(true);
    let shown = format!("{model:?}");
    let error = run(&mut Chat::new(model), false).await.expect_err("an error");
    assert_eq!(error.kind(), Kind::Authentication);
    let all = format!("{shown} {error} {error:?} {:?}", recorder.spans());
    assert!(!all.contains("canary"), "{all}");
    let line = server.sent()[0].head.lines().next().expect("a line").to_owned();
    assert!(!line.contains("canary"), "{line}");

    let model = Gemini::new(MODEL).with_api_key("");
    let error = run(&mut Chat::new(model), false).await.expect_err("an error");
    assert_eq!(error.kind(), Kind::Authentication);
    assert!(error.message().contains("GOOGLE_API_KEY or GEMINI_API_KEY"), "{error}");
}

/// Adds two numbers.
#[tool]
fn add(
    /// One.
    a: i64,
    /// The other.
    b: i64,
) -> Result<i64, ToolError> {
    a.checked_add(b)
        .filter(|sum| *sum < 100)
        .ok_or_else(|| ToolError::new("too_large", "Too large."))
}

/// Two calls of one function without ids are distinct; the error of a failing tool is sent to the
/// model, and the conversation continues.
#[tokio::test(flavor = "multi_thread")]
async fn calls_without_ids_are_distinct() {
    let call = |a: i64, signature: Option<&str>| {
        let mut part = json!({"functionCall": {"name": "add", "args": {"a": a, "b": 1}}});
        if let Some(signature) = signature {
            part["thoughtSignature"] = signature.into();
        }
        part
    };
    let parts = json!([call(1, Some("s1")), call(99, None)]);
    let calls = reply(&parts, Some("STOP"));
    let text = reply(&json!([{"text": "2"}]), Some("STOP"));
    for stream in [false, true] {
        let recorder = Recorder::new();
        let answers = [&calls, &text].map(|reply| {
            if stream { Answer::events(event(reply)) } else { Answer::json(200, reply) }
        });
        let server = Server::start(answers.to_vec());
        let mut chat = Chat::new(model(&server)).with_tools(tools![add]);
        let reply = run(&mut chat, stream).await.expect("an answer");
        assert_eq!((reply.text().as_str(), reply.rounds), ("2", 2));
        let contents = &server.sent()[1].body["contents"];
        assert_eq!(contents[1], json!({"role": "model", "parts": parts}));
        let answered = json!({"role": "user", "parts": [
            {"functionResponse": {"name": "add", "response": {"result": 2}}},
            {"functionResponse": {"name": "add", "response": {"error": "Too large."}}},
        ]});
        assert_eq!(contents[2], answered);
        let spans = recorder.spans();
        let calls = spans.iter().filter(|span| span.name() == "execute_tool add");
        let ids: Vec<_> = calls.map(|span| span["gen_ai.tool.call.id"].clone()).collect();
        assert_eq!(ids.len(), 2);
        assert!(ids[0] != ids[1] && !ids.contains(&json!("add")), "{ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_count_includes_system_prompt_and_tools() {
    let recorder = Recorder::new();
    let server = Server::start(vec![
        Answer::json(200, &json!({"totalTokens": 31})),
        Answer::json(200, &json!({"total": 31})),
        Answer::json(404, &failure(404, "NOT_FOUND", &json!([]))),
    ]);
    let model = model(&server);
    let mut request = ChatRequest::new([Turn::user("hi")]);
    request.system_prompt = Some("Be brief.".into());
    request.tools = tools![add].iter().map(|tool| tool.definition().clone()).collect();
    assert_eq!(model.count_tokens(request.clone()).await, Ok(31));
    let error = model.count_tokens(request.clone()).await.expect_err("an error");
    assert_eq!(error.kind(), Kind::MalformedReply);
    let error = model.count_tokens(request).await.expect_err("an error");
    assert_eq!(error.kind(), Kind::ModelNotFound);
    let sent = &server.sent()[0];
    assert!(sent.head.starts_with("POST /v1/models/gemini-2.5-flash:countTokens "));
    let counted = &sent.body["generateContentRequest"];
    assert_eq!(counted["model"], "models/gemini-2.5-flash");
    assert_eq!(counted["systemInstruction"]["parts"][0]["text"], "Be brief.");
    let function = &counted["tools"][0]["functionDeclarations"][0];
    assert_eq!(function["parameters"]["properties"]["a"]["type"], "INTEGER");
    recorder.assert_sound();
    let spans = recorder.spans();
    assert_eq!(spans.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_model_list_is_an_error() {
    let page = json!({"models": [{"name": "models/a"}], "nextPageToken": "again"});
    let server = Server::start(vec![Answer::json(200, &page)]);
    let error = in_time(model(&server).list_models()).await.expect_err("an error");
    assert_eq!(error.kind(), Kind::MalformedReply);
    assert_eq!(server.sent().len(), 2);
}
