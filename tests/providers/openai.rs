//! The OpenAI Responses API: errors, interrupted streams, retries and secrets. Errors are typed and
//! recorded on the spans.

use std::time::{Duration, Instant, SystemTime};

use crate::support::server::{Answer, Server};
use crate::support::stream::{provider_error, read_stream};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::{RecordedSpan, Recorder};
use chatlas::{HttpOptions, OpenAi, ProviderError, ProviderErrorKind as Kind};
use opentelemetry::trace::Status;
use serde_json::{Value, json};

fn done(text: &str) -> Value {
    json!({
        "id": "resp_1", "status": "completed", "model": "gpt-4o-2024-08-06",
        "output": [{"type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": text}]}],
        "usage": {"input_tokens": 3, "output_tokens": 2},
    })
}

fn event(event: &Value) -> String {
    format!("event: x\ndata: {event}\n\n")
}

fn begin() -> String {
    event(&json!({"type": "response.created",
        "response": {"id": "resp_1", "model": "gpt-4o-2024-08-06"}}))
        + &event(&json!({"type": "response.output_text.delta", "delta": "Hel"}))
        + &event(&json!({"type": "response.of_the_future", "novelty": [1]}))
        + ": a comment\n\n"
}

fn end() -> String {
    event(&json!({"type": "response.completed", "response": done("Hello")})) + "data: [DONE]\n\n"
}

fn chat(server: &Server, options: HttpOptions) -> Chat {
    let model = OpenAi::new("gpt-4o")
        .with_base_url(server.url())
        .with_api_key("sk-canary")
        .with_http(options);
    Chat::new(model)
}

async fn failed_stream(answer: Answer) -> ProviderError {
    let recorder = Recorder::new();
    let server = Server::start(vec![answer]);
    let options =
        HttpOptions::default().with_read_timeout(Duration::from_millis(300)).with_max_retries(0);
    let mut chat = chat(&server, options);
    let (text, result) = read_stream(&mut chat).await;
    let error = result.expect_err("the stream fails");
    assert_eq!(text, "Hel");
    // The received text is in the history, and its id on the span.
    assert_eq!(chat.turns()[1].text(), "Hel");
    recorder.assert_sound();
    let spans = recorder.spans();
    let call = spans.iter().find(|span| span.name() == "chat gpt-4o").expect("a span");
    assert_eq!(call["error.type"], *error.error_type());
    assert_eq!(call["gen_ai.response.id"], "resp_1");
    assert_eq!(spans.len(), 2);
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_stream_is_a_reply() {
    let server = Server::start(vec![Answer::events(begin() + &end())]);
    let (text, reply) = read_stream(&mut chat(&server, HttpOptions::default())).await;
    // The last event contains text that no event before it does.
    assert_eq!(text, "Hello");
    assert_eq!(reply.expect("an answer").text(), "Hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_without_its_last_event_is_truncated() {
    assert_eq!(failed_stream(Answer::events(begin())).await.kind(), Kind::TruncatedStream);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_connection_is_a_truncated_stream() {
    let error = failed_stream(Answer::events(begin()).truncated()).await;
    assert_eq!(error.kind(), Kind::TruncatedStream);
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_stream_times_out() {
    assert_eq!(failed_stream(Answer::events(begin()).stalled()).await.kind(), Kind::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_with_invalid_json_is_malformed() {
    let error = failed_stream(Answer::events(begin() + "data: {\"type\": \n\n" + &end())).await;
    assert_eq!(error.kind(), Kind::MalformedReply);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_event_is_a_typed_error() {
    let body = json!({"type": "error", "code": "server_error", "message": "sorry"});
    let error = failed_stream(Answer::events(begin() + &event(&body))).await;
    assert_eq!((error.kind(), error.code()), (Kind::Overloaded, Some("server_error")));
    assert_eq!(error.message(), "sorry");
    let body = json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "rate_limit_exceeded", "message": "slow down"}}});
    let error = failed_stream(Answer::events(begin() + &event(&body))).await;
    assert_eq!(error.kind(), Kind::RateLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn web_page_is_a_malformed_reply() {
    for stream in [true, false] {
        let server = Server::start(vec![Answer::new(200, "text/html", "<h1>Sign in</h1>")]);
        let mut chat = chat(&server, HttpOptions::default());
        let error = if stream {
            read_stream(&mut chat).await.1.expect_err("an error")
        } else {
            provider_error(in_time(chat.chat("hi")).await.expect_err("an error"))
        };
        assert_eq!(error.kind(), Kind::MalformedReply, "{error}");
        assert!(chat.turns().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_is_content() {
    let refusal = json!({"type": "refusal", "refusal": "I cannot help with that."});
    let mut response = done("");
    response["output"][0]["content"] = json!([refusal]);
    let server = Server::start(vec![
        Answer::json(200, &response),
        Answer::events(event(&json!({"type": "response.completed", "response": response}))),
    ]);
    let mut chat = chat(&server, HttpOptions::default());
    for streamed in [false, true] {
        let reply = if streamed {
            read_stream(&mut chat).await.1.expect("an answer")
        } else {
            in_time(chat.chat("hi")).await.expect("an answer")
        };
        let Content::Refusal(refusal) = &reply.turn.contents[0] else { panic!("{reply:?}") };
        assert_eq!(refusal.text, "I cannot help with that.");
        assert_eq!(reply.turn.finish_reason, Some(chatlas::FinishReason::ContentFilter));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_reply_has_the_finish_reason_length() {
    let mut response = done("Once upon");
    response["status"] = "incomplete".into();
    response["incomplete_details"] = json!({"reason": "max_output_tokens"});
    let server = Server::start(vec![Answer::events(event(
        &json!({"type": "response.incomplete", "response": response}),
    ))]);
    let reply = read_stream(&mut chat(&server, HttpOptions::default())).await.1.expect("an answer");
    assert_eq!(reply.turn.finish_reason, Some(chatlas::FinishReason::Length));
}

#[tokio::test(flavor = "multi_thread")]
async fn thinking_is_sent_back_verbatim() {
    let thought = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "Let me think."}]});
    let mut response = done("Hello");
    let message = response["output"][0].take();
    response["output"] = json!([thought, message]);
    let server = Server::start(vec![Answer::json(200, &response)]);
    let mut chat = chat(&server, HttpOptions::default());
    let reply = in_time(chat.chat("hi")).await.expect("an answer");
    let Content::Thinking(thinking) = &reply.turn.contents[0] else { panic!("{reply:?}") };
    assert_eq!(thinking.text, "Let me think.");
    in_time(chat.chat("and?")).await.expect("an answer");
    assert_eq!(server.sent()[1].body["input"][1], thought);
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_sent_as_the_vendor_names_them() {
    let server = Server::start(vec![Answer::json(200, &done("ok"))]);
    let mut chat = chat(&server, HttpOptions::default().with_header("x-team", "a"))
        .with_temperature(0.5)
        .with_top_p(0.9)
        .with_max_tokens(64)
        .with_reasoning(chatlas::Reasoning::Low);
    in_time(chat.chat("hi")).await.expect("an answer");
    let sent = &server.sent()[0];
    assert_eq!(
        sent.body,
        json!({
            "model": "gpt-4o", "store": false, "stream": false, "temperature": 0.5, "top_p": 0.9,
            "max_output_tokens": 64, "reasoning": {"effort": "low"},
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        })
    );
    assert!(
        sent.head.contains("x-team: a") && sent.head.contains("authorization: Bearer sk-canary")
    );
}

fn slow_down(name: &str, value: &str) -> Answer {
    let error = json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}});
    Answer::json(429, &error).header(name, value)
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_honour_retry_after_and_are_recorded() {
    let recorder = Recorder::new();
    let date = httpdate_in(Duration::from_secs(1));
    let server = Server::start(vec![
        slow_down("retry-after-ms", "20"),
        slow_down("retry-after", &date),
        Answer::json(200, &done("ok")),
    ]);
    let begin = Instant::now();
    let reply = in_time(chat(&server, HttpOptions::default().with_spans(true)).chat("hi")).await;
    assert_eq!(reply.expect("an answer").text(), "ok");
    assert!(begin.elapsed() < Duration::from_secs(5));
    recorder.assert_sound();
    let spans = recorder.spans();
    let posts: Vec<_> = spans.iter().filter(|span| span.name() == "POST").collect();
    let of = |key: &str| -> Value { posts.iter().map(|post| post[key].clone()).collect() };
    assert_eq!(of("http.request.resend_count"), json!([null, 1, 2]));
    assert_eq!(of("http.response.status_code"), json!([429, 429, 200]));
    assert_eq!(of("error.type"), json!(["429", "429", null]));
    assert_eq!(of("http.request.method"), json!(["POST", "POST", "POST"]));
    assert_eq!(of("server.address"), json!(["127.0.0.1", "127.0.0.1", "127.0.0.1"]));
    let url = |post: &&RecordedSpan| post["url.full"].as_str().unwrap().ends_with("/v1/responses");
    assert!(posts.iter().all(url));
    let call = spans.iter().find(|span| span.name() == "chat gpt-4o").expect("a span");
    assert_eq!(call.status(), Status::Unset, "the model call succeeded");
    assert!(posts.iter().all(|post| post.parent_id() == call.id()));
    assert!(!format!("{spans:?}").contains("canary"));
}

fn httpdate_in(wait: Duration) -> String {
    httpdate::fmt_http_date(SystemTime::now() + wait)
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_stop_at_max_retries() {
    let server = Server::start(vec![slow_down("retry-after-ms", "1")]);
    let error = in_time(chat(&server, HttpOptions::default()).chat("hi")).await.unwrap_err();
    let error = provider_error(error);
    assert_eq!((error.kind(), error.status()), (Kind::RateLimit, Some(429)));
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1)));
    assert_eq!(server.sent().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn permanent_failures_are_not_retried() {
    for (answer, kind) in [
        (
            Answer::json(400, &json!({"error": {"message": "no", "code": "bad"}})),
            Kind::InvalidRequest,
        ),
        (Answer::json(401, &json!({"error": {"message": "no"}})), Kind::Authentication),
        (Answer::json(404, &json!({"error": {"code": "model_not_found"}})), Kind::ModelNotFound),
        (Answer::json(413, &json!({})), Kind::ContextTooLong),
        (Answer::json(429, &json!({"error": {"code": "insufficient_quota"}})), Kind::RateLimit),
        (slow_down("retry-after", "3600"), Kind::RateLimit),
        (Answer::new(307, "text/plain", "").header("location", "/v2"), Kind::InvalidRequest),
    ] {
        let server = Server::start(vec![answer]);
        let result = in_time(chat(&server, HttpOptions::default()).chat("hi")).await;
        assert_eq!(provider_error(result.unwrap_err()).kind(), kind);
        assert_eq!(server.sent().len(), 1, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn api_key_is_redacted_everywhere() {
    let recorder = Recorder::new();
    let body = json!({"error": {"message": "the key sk-canary, or canary, is wrong"}});
    let server = Server::start(vec![Answer::json(401, &body)]);
    let model = OpenAi::new("gpt-4o").with_base_url(server.url()).with_api_key("canary");
    let shown = format!("{model:?}");
    let error = in_time(Chat::new(model).chat("hi")).await.unwrap_err();
    let all = format!("{shown} {error} {error:?} {:?}", recorder.spans());
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_setting_is_an_error_that_names_it() {
    for (url, message) in [
        ("not a url", "the base URL of the model server is unusable"),
        ("ftp://a.example", "must begin with `http://` or `https://`"),
    ] {
        let model = OpenAi::new("gpt-4o").with_base_url(url).with_api_key("k");
        let error = in_time(Chat::new(model).chat("hi")).await.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let model = OpenAi::new("gpt-4o").with_base_url("http://127.0.0.1:9/").with_api_key("a\nb");
    let error = in_time(Chat::new(model).chat("hi")).await.unwrap_err();
    assert!(error.to_string().contains("line break"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_request_ends_its_http_span() {
    let recorder = Recorder::new();
    let server = Server::start(vec![Answer::events("").stalled()]);
    let mut chat = chat(&server, HttpOptions::default().with_spans(true));
    let mut stream = chat.stream("hi");
    assert!(tokio::time::timeout(Duration::from_millis(200), stream.next()).await.is_err());
    drop(stream);
    assert_eq!(recorder.tree(), "invoke_agent\n  chat gpt-4o\n    POST\n");
    recorder.assert_sound();
}
