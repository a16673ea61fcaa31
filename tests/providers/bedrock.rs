//! AWS Bedrock: errors, damaged frames, credentials and regions. Errors are typed and recorded on
//! the spans.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::support::frames::{CONTENT_TYPE, chunk, event, exception, frame};
use crate::support::server::{Answer, Server};
use crate::support::stream::{provider_error, read_stream};
use crate::support::timeout::in_time;
use chatlas::bedrock::{Credentials, provide_credentials_fn};
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{Bedrock, BedrockApi, HttpOptions, ProviderError, ProviderErrorKind as Kind};
use serde_json::{Value, json};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const APIS: [BedrockApi; 2] = [BedrockApi::InvokeModel, BedrockApi::Converse];

/// Returns the first events of a reply.
fn begin(api: BedrockApi) -> Vec<u8> {
    match api {
        BedrockApi::InvokeModel => [
            chunk(&json!({"type": "message_start", "message":
                {"id": "msg_1", "model": "claude-1", "usage": {"input_tokens": 3}}})),
            chunk(&json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": "Hel"}})),
        ]
        .concat(),
        _ => [
            event("messageStart", &json!({"role": "assistant"})),
            event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "Hel"}})),
        ]
        .concat(),
    }
}

fn model(server: &Server) -> Bedrock {
    // Only servers that stall reach the read timeout.
    let patience = Duration::from_millis(if server.stalls() { 300 } else { 20_000 });
    let options = HttpOptions::default().with_read_timeout(patience).with_max_retries(0);
    let token = Some("canary-token".to_owned());
    let keys = Credentials::new("AKIDTEST", "canary-secret", token, None, "test");
    Bedrock::new(CLAUDE)
        .with_region("us-east-1")
        .with_base_url(server.url())
        .with_credentials_provider(keys)
        .with_http(options)
}

/// Reads a stream that fails after its first text. Asserts that the text is kept in the history and
/// that the failure is on the span.
async fn failed_stream(api: BedrockApi, answer: Answer) -> ProviderError {
    let recorder = Recorder::new();
    let server = Server::start(vec![answer.header("x-amzn-requestid", "req-1")]);
    let mut chat = Chat::new(model(&server).with_api(api));
    let mut stream = chat.stream("hi");
    let (mut text, mut failed) = (String::new(), None);
    while let Some(event) = in_time(stream.next()).await {
        match event {
            Ok(StreamEvent::Text(more)) => text.push_str(&more),
            Ok(StreamEvent::Done(reply)) => panic!("{reply:?}"),
            Ok(_) => {}
            Err(error) => failed = Some(provider_error(error)),
        }
    }
    drop(stream);
    let error = failed.expect("the stream fails");
    assert_eq!(text, "Hel");
    assert_eq!(chat.turns()[1].text(), "Hel");
    assert_eq!(error.request_id(), Some("req-1"));
    recorder.assert_sound();
    let call = recorder.span(&format!("chat {CLAUDE}"));
    assert_eq!(call["error.type"], *error.error_type());
    error
}

fn streamed(body: Vec<u8>) -> Answer {
    Answer::new(200, CONTENT_TYPE, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_without_its_last_event_is_truncated() {
    for api in APIS {
        let begin = begin(api);
        let more = event("contentBlockStop", &json!({"contentBlockIndex": 0}));
        let half = [&begin[..], &more[..more.len() / 2]].concat();
        for answer in [streamed(begin.clone()), streamed(half), streamed(begin.clone()).truncated()]
        {
            assert_eq!(failed_stream(api, answer).await.kind(), Kind::TruncatedStream);
        }
        let error = failed_stream(api, streamed(begin).stalled()).await;
        assert_eq!(error.kind(), Kind::Timeout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exception_in_a_stream_is_a_typed_error() {
    for api in APIS {
        for (kind, status, expected) in [
            ("throttlingException", None, Kind::RateLimit),
            ("modelStreamErrorException", Some(500), Kind::Overloaded),
            ("internalServerException", None, Kind::Overloaded),
            ("serviceUnavailableException", None, Kind::Overloaded),
            ("modelTimeoutException", None, Kind::Timeout),
            ("validationException", None, Kind::InvalidRequest),
            ("exceptionOfTheFuture", None, Kind::Other),
        ] {
            let mut payload = json!({"message": "sorry"});
            if let Some(status) = status {
                payload["originalStatusCode"] = json!(status);
                payload["originalMessage"] = "sorry".into();
            }
            let body = [begin(api), exception(kind, &payload)].concat();
            let error = failed_stream(api, streamed(body)).await;
            let code = kind[..1].to_ascii_uppercase() + &kind[1..];
            assert_eq!((error.kind(), error.code()), (expected, Some(code.as_str())));
            assert_eq!(error.message(), "sorry");
        }
        let headers = [
            (":message-type", "error"),
            (":error-code", "InternalFailure"),
            (":error-message", "broken"),
        ];
        let body = [begin(api), frame(&headers, &Value::Null)].concat();
        let error = failed_stream(api, streamed(body)).await;
        assert_eq!((error.code(), error.message()), (Some("InternalFailure"), "broken"));
    }
    // Anthropic's errors are in a chunk.
    let body = json!({"type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let body = [begin(APIS[0]), chunk(&body)].concat();
    assert_eq!(failed_stream(APIS[0], streamed(body)).await.kind(), Kind::Overloaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_frame_is_malformed() {
    for api in APIS {
        let good = begin(api);
        let next = event("contentBlockStop", &json!({"contentBlockIndex": 0}));
        let last = next.len() - 1;
        let damaged = |at: usize| {
            let mut bytes = next.clone();
            bytes[at] ^= 1;
            bytes
        };
        let length = |length: u32| [&length.to_be_bytes()[..], &next[4..]].concat();
        for bad in [
            damaged(last),     // the checksum
            damaged(last - 6), // the payload
            damaged(9),        // the checksum of the prelude
            length(0),         // shorter than the minimum
            length(u32::MAX),  // longer than the maximum
            frame(&[(":message-type", "event")], &json!({})),
            frame(&[(":message-type", "novelty")], &json!({})),
        ] {
            let error = failed_stream(api, streamed([good.clone(), bad].concat())).await;
            assert_eq!(error.kind(), Kind::MalformedReply, "{error}");
        }
    }
    for payload in [json!({}), json!({"bytes": "%"}), json!({"bytes": "e30x"})] {
        let body = [begin(APIS[0]), event("chunk", &payload)].concat();
        let error = failed_stream(APIS[0], streamed(body)).await;
        assert_eq!(error.kind(), Kind::MalformedReply, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_without_the_aws_wrapper_are_read() {
    let body = json!({"type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let body = [begin(APIS[0]), event("chunk", &body)].concat();
    assert_eq!(failed_stream(APIS[0], streamed(body)).await.kind(), Kind::Overloaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn response_of_another_protocol_is_malformed() {
    for api in APIS {
        for (answer, stream) in [
            (Answer::new(200, "text/html", "<h1>Sign in</h1>"), true),
            (Answer::new(200, "text/html", "<h1>Sign in</h1>"), false),
            (Answer::json(200, &json!({"hello": 1})), true),
            (Answer::json(200, &json!([])), false),
        ] {
            let server = Server::start(vec![answer]);
            let mut chat = Chat::new(model(&server).with_api(api));
            let error = if stream {
                in_time(chat.stream("hi").next()).await.expect("an end").expect_err("an error")
            } else {
                in_time(chat.chat("hi")).await.expect_err("an error")
            };
            assert_eq!(provider_error(error).kind(), Kind::MalformedReply);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_status_is_a_typed_error() {
    for (status, code, message, kind) in [
        (403, "AccessDeniedException", "You have no access.", Kind::Authentication),
        (403, "ExpiredTokenException", "The token has expired.", Kind::Authentication),
        (429, "ThrottlingException", "Too many requests.", Kind::RateLimit),
        (
            400,
            "ValidationException",
            "Input is too long for requested model.",
            Kind::ContextTooLong,
        ),
        (404, "ResourceNotFoundException", "Could not resolve the model.", Kind::ModelNotFound),
        (503, "ServiceUnavailableException", "Busy.", Kind::Overloaded),
    ] {
        let answer = Answer::json(status, &json!({"message": message}))
            .header("x-amzn-errortype", &format!("{code}:http://internal.amazon.com/"))
            .header("x-amzn-requestid", "req-1");
        let server = Server::start(vec![answer]);
        let error = in_time(Chat::new(model(&server)).chat("hi")).await.unwrap_err();
        let error = provider_error(error);
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        assert_eq!((error.code(), error.message()), (Some(code), message));
        assert_eq!(error.request_id(), Some("req-1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_signed() {
    let busy = Answer::json(503, &json!({"message": "busy"})).header("retry-after-ms", "10");
    let done = json!({"content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"});
    let server = Server::start(vec![busy, Answer::json(200, &done)]);
    let model = model(&server).with_http(HttpOptions::default());
    assert_eq!(in_time(Chat::new(model).chat("hi")).await.expect("an answer").text(), "ok");
    let sent = server.sent();
    assert_eq!(sent.len(), 2);
    for sent in sent {
        assert!(sent.head.contains("authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/"));
        assert!(sent.head.contains("x-amz-security-token: canary-token"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_redacted_everywhere() {
    let recorder = Recorder::new();
    let body = json!({"message": "The request signature we calculated does not match. canary-token \
        canary-secret. The Canonical String for this request should have been\nx-amz: canary-token"});
    let answer = Answer::json(403, &body).header("x-amzn-errortype", "InvalidSignatureException");
    let server = Server::start(vec![answer]);
    let model = model(&server).with_http_spans(true);
    let shown = format!("{model:?}");
    let error = in_time(Chat::new(model).chat("hi")).await.unwrap_err();
    let all = format!("{shown} {error} {error:?} {:?}", recorder.spans());
    assert!(!all.contains("canary"), "{all}");
    assert!(error.to_string().contains("[redacted] [redacted]."), "{error}");
    let by_key = Bedrock::new(CLAUDE).with_api_key("canary-key");
    assert!(!format!("{by_key:?}").contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_redacted_in_stream_errors() {
    for api in APIS {
        let body = json!({"message": "no: AKIDTEST canary-secret canary-token"});
        let body = [begin(api), exception("validationException", &body)].concat();
        let error = failed_stream(api, streamed(body)).await;
        assert_eq!(error.message(), "no: [redacted] [redacted] [redacted]");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_are_requested_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let keys = provide_credentials_fn(move || {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let end = SystemTime::now() + Duration::from_secs(3600);
        async move {
            Ok(Credentials::new(format!("AKID{number}"), "canary-secret", None, Some(end), "test"))
        }
    });
    let gone = Answer::json(403, &json!({"message": "The security token has expired."}))
        .header("x-amzn-errortype", "ExpiredTokenException");
    let done = json!({"content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"});
    let server = Server::start(vec![gone, Answer::json(200, &done)]);
    let mut chat = Chat::new(model(&server).with_credentials_provider(keys));
    let error = provider_error(in_time(chat.chat("hi")).await.unwrap_err());
    assert_eq!(error.kind(), Kind::Authentication);
    assert_eq!(in_time(chat.chat("hi")).await.expect("an answer").text(), "ok");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert!(server.sent()[1].head.contains("Credential=AKID1/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn guardrail_intervention_is_a_content_filter_finish() {
    let usage = json!({"input_tokens": 3, "output_tokens": 2});
    let complete = json!({"id": "msg_1", "content": [{"type": "text", "text": "Hel"}],
        "stop_reason": "end_turn", "usage": usage, "amazon-bedrock-guardrailAction": "INTERVENED"});
    let end = [
        chunk(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "amazon-bedrock-guardrailAction": "INTERVENED"})),
        chunk(&json!({"type": "message_stop", "amazon-bedrock-guardrailAction": "NONE"})),
    ];
    let stream = [begin(BedrockApi::InvokeModel), end.concat()].concat();
    let server = Server::start(vec![Answer::json(200, &complete), streamed(stream)]);
    let recorder = Recorder::new();
    let mut chat = Chat::new(model(&server));
    in_time(chat.chat("hi")).await.expect("an answer");
    read_stream(&mut chat).await.1.expect("an answer");
    for span in recorder.spans_with_operation("chat") {
        assert_eq!(span["gen_ai.response.finish_reasons"], json!(["content_filter"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_of_a_failing_credentials_provider_is_hidden() {
    let failing = provide_credentials_fn(|| async {
        Err(chatlas::bedrock::CredentialsError::provider_error("canary-secret"))
    });
    let model = Bedrock::new(CLAUDE).with_region("us-east-1").with_credentials_provider(failing);
    let error = provider_error(in_time(Chat::new(model).chat("hi")).await.unwrap_err());
    assert_eq!(error.kind(), Kind::Authentication);
    assert!(error.message().contains("credentials") && !error.message().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn region_determines_the_host() {
    for (region, host) in [
        ("eu-west-1", "bedrock-runtime.eu-west-1.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ] {
        let model = Bedrock::new(CLAUDE).with_region("us-east-1").with_region(region);
        assert_eq!(model.info().server_address.as_deref(), Some(host));
        let model = Bedrock::new(CLAUDE).with_base_url("https://proxy.example").with_region(region);
        assert_eq!(model.info().server_address.as_deref(), Some("proxy.example"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arn_is_one_path_segment() {
    let arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1";
    let done = json!({"output": {"message": {"content": [{"text": "ok"}]}}});
    let server = Server::start(vec![Answer::json(200, &done)]);
    let model = Bedrock::new(arn).with_base_url(server.url()).with_api_key("k");
    assert_eq!(in_time(Chat::new(model).chat("hi")).await.expect("an answer").text(), "ok");
    let head = &server.sent()[0].head;
    let path = "/model/arn:aws:bedrock:us-east-1:1:application-inference-profile%2Fa1/converse ";
    assert!(head.contains(path), "{head}");
}
