//! Errors: where servers put the message and the code, and what kind of failure they mean.

use chatlas::{HttpOptions, ProviderError, ProviderErrorKind};
use serde_json::{Value, json};

use crate::support::protocols::{COMPLETIONS, PROTOCOLS, Protocol, RESPONSES};
use crate::support::server::{Answer, Server};
use crate::support::stream::{provider_error, read_stream};

async fn failure(protocol: &Protocol, answer: Answer) -> ProviderError {
    let server = Server::start(vec![answer]);
    let options = HttpOptions::default().with_max_retries(0);
    let mut chat = (protocol.chat)(server.root(), options);
    provider_error(chat.chat("hi").await.expect_err("an error"))
}

async fn refused(status: u16, body: Value) -> ProviderError {
    failure(&COMPLETIONS, Answer::json(status, &body)).await
}

/// Any vendor's words for a prompt that is too long have one kind, in every form of the body and over
/// every protocol.
/// Sources: <https://github.com/cline/cline/issues/3120>,
/// <https://github.com/earendil-works/pi/issues/4943>,
/// <https://github.com/google-gemini/gemini-cli/issues/4692>
#[tokio::test]
async fn a_prompt_that_is_too_long_has_one_kind() {
    for (status, body) in [
        (
            400,
            json!({"code": "invalid-argument",
            "error": "This model's maximum prompt length is 5 but the request contains 6 tokens."}),
        ),
        (
            400,
            json!({"error": {"message": "Provider returned error", "code": 400, "metadata": {
            "raw": "Input length 6 exceeds the maximum allowed input length of 5 tokens."}}}),
        ),
        (
            400,
            json!([{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
            "The input token count (6) exceeds the maximum number of tokens allowed (5)."}}]),
        ),
        (400, json!({"error": {"code": "context_length_exceeded", "message": "no"}})),
        (
            400,
            json!({"error": {"code": "string_above_max_length", "message": "no",
            "param": "messages[0].content"}}),
        ),
        (413, json!({"error": {"message": "payload"}})),
        (
            500,
            json!({"error": {"message": "Context size has been exceeded.", "type": "server_error"}}),
        ),
        (422, json!({"detail": "prompt is too long: 6 tokens > 5 maximum"})),
    ] {
        let error = refused(status, body).await;
        assert_eq!(error.kind(), ProviderErrorKind::ContextTooLong, "{error}");
    }
    for protocol in PROTOCOLS {
        let mut body = (protocol.error_body)("prompt is too long: 6 tokens > 5 maximum");
        if body["error"]["status"].is_string() {
            body["error"]["status"] = "INVALID_ARGUMENT".into();
        }
        let error = failure(protocol, Answer::json(400, &body)).await;
        assert_eq!(error.kind(), ProviderErrorKind::ContextTooLong, "{}: {error}", protocol.name);
    }
}

/// A limit of tokens per minute is a rate limit, and a limit of another field is an invalid request.
/// Source: <https://github.com/earendil-works/pi/issues/4943>
#[tokio::test]
async fn other_limits_are_not_a_long_prompt() {
    use ProviderErrorKind as Kind;
    for (status, body, kind) in [
        (
            413,
            json!({"error": {"code": "rate_limit_exceeded", "message":
            "Request too large for model `m` on tokens per minute (TPM): Limit 5, Requested 6"}}),
            Kind::RateLimit,
        ),
        (429, json!({"error": {"message": "Too many tokens, please wait"}}), Kind::RateLimit),
        (
            400,
            json!({"error": {"code": "string_above_max_length", "message": "too long",
            "param": "tools[0].function.name"}}),
            Kind::InvalidRequest,
        ),
        (
            400,
            json!({"error": {"message":
            "max_tokens is too large: 9. This model supports at most 8 completion tokens"}}),
            Kind::InvalidRequest,
        ),
    ] {
        let error = refused(status, body).await;
        assert_eq!(error.kind(), kind, "{error}");
    }
}

/// The message of an error is found wherever a server puts it.
/// Sources: <https://github.com/TokenRhythm/opensquilla/issues/225>,
/// <https://github.com/anomalyco/opencode/issues/30381>
#[tokio::test]
async fn the_message_of_an_error_is_found_in_every_form() {
    for body in [
        json!([{"error": {"message": "bad field"}}]),
        json!({"errors": {"message": "bad field"}}),
        json!({"errors": [{"message": "bad field"}]}),
        json!({"errors": ["bad field"]}),
        json!({"error": "bad field"}),
        json!({"error": ["bad field"]}),
        json!({"error": {"error": {"message": "bad field"}}}),
        json!({"error": {"message": {"message": "bad field"}}}),
        json!({"error": {"message": "{\"error\":{\"message\":\"bad field\"}}"}}),
        json!({"error": {"message": "upstream: {\"message\":\"bad field\"}"}}),
        json!({"detail": "bad field"}),
        json!({"detail": {"message": "bad field"}}),
        json!({"detail": [{"msg": "bad field"}]}),
        json!({"message": "bad field"}),
        json!({"msg": "bad field", "code": 7}),
        json!({"error_msg": "bad field", "error_code": 7}),
        json!({"base_resp": {"status_code": 7, "status_msg": "bad field"}}),
        json!({"fault": {"faultstring": "bad field"}}),
        json!("bad field"),
    ] {
        let error = refused(400, body.clone()).await;
        assert_eq!(error.message(), "bad field", "{body}");
        assert_eq!(error.kind(), ProviderErrorKind::InvalidRequest, "{body}");
    }
    let error = refused(400, json!({"errors": {"message": "bad", "code": 5006}})).await;
    assert_eq!(error.code(), Some("5006"));
}

/// An error with the status 200 is an error with its message.
/// Source: <https://github.com/langchain-ai/langchain/pull/35236>
#[tokio::test]
async fn an_error_with_the_status_200_is_an_error() {
    use ProviderErrorKind as Kind;
    for (body, message, kind) in [
        (
            json!({"id": "", "choices": null, "base_resp": {"status_code": 1004,
            "status_msg": "login fail: please carry the API key"}}),
            "login fail: please carry the API key",
            Kind::Authentication,
        ),
        (json!({"status": "FAILED", "error": "supplier failed"}), "supplier failed", Kind::Other),
        (
            json!({"choices": null, "message": "quota exhausted"}),
            "quota exhausted",
            Kind::RateLimit,
        ),
        (json!({"detail": "Model Not Exist"}), "Model Not Exist", Kind::ModelNotFound),
        (json!([{"error": {"code": 503, "message": "sorry"}}]), "sorry", Kind::Overloaded),
    ] {
        for protocol in [COMPLETIONS, RESPONSES] {
            let error = failure(&protocol, Answer::json(200, &body)).await;
            assert_eq!((error.message(), error.kind()), (message, kind), "{}", protocol.name);
        }
    }
    for event in [
        json!({"type": "error", "message": "supplier failed"}),
        json!({"object": "error", "message": "supplier failed"}),
        json!({"code": 500, "message": "supplier failed"}),
        json!({"detail": "supplier failed"}),
        json!({"error": "supplier failed"}),
        json!({"choices": null, "base_resp": {"status_code": 1, "status_msg": "supplier failed"}}),
    ] {
        let server = Server::start(vec![Answer::events(format!("data: {event}\n\n"))]);
        let options = HttpOptions::default().with_max_retries(0);
        let mut chat = (COMPLETIONS.chat)(server.root(), options);
        let error = read_stream(&mut chat).await.1.expect_err("an error");
        assert_eq!(error.message(), "supplier failed", "{event}");
    }
    // A reply with a status of success beside it is one.
    let mut reply = (COMPLETIONS.complete)("ok");
    reply["base_resp"] = json!({"status_code": 0, "status_msg": ""});
    let server = Server::start(vec![Answer::json(200, &reply)]);
    let mut chat = (COMPLETIONS.chat)(server.root(), HttpOptions::default());
    assert_eq!(chat.chat("hi").await.expect("a reply").text(), "ok");
}

/// Quotas, filters, keys, models and overload are recognized without a code.
/// Source: <https://github.com/anomalyco/opencode/issues/30381>
#[tokio::test]
async fn kinds_are_recognized_by_their_words() {
    use ProviderErrorKind as Kind;
    for (status, message, kind) in [
        (400, "Your credit balance is too low", Kind::RateLimit),
        (403, "You exceeded your current quota", Kind::RateLimit),
        (403, "Key is not allowed here", Kind::Authentication),
        (400, "Content Exists Risk", Kind::ContentFilter),
        (400, "API key not valid. Please pass a valid API key.", Kind::Authentication),
        (400, "acme/m is not a valid model ID", Kind::ModelNotFound),
        (400, "The engine is currently overloaded", Kind::Overloaded),
        (400, "`messages` is required", Kind::InvalidRequest),
    ] {
        let error = refused(status, json!({"error": {"message": message}})).await;
        assert_eq!(error.kind(), kind, "{message}");
    }
}

/// The page of a gateway is named by its title.
/// Source: <https://github.com/EleutherAI/lm-evaluation-harness/issues/2740>
#[tokio::test]
async fn the_page_of_a_gateway_is_a_short_message() {
    let page = format!(
        "<html>\n<head><title>502 Bad\nGateway</title></head><body>{}</body></html>",
        "<p>secret path</p>".repeat(500)
    );
    for protocol in PROTOCOLS {
        let error = failure(protocol, Answer::new(502, "text/html", page.clone())).await;
        assert!(error.message().contains("502 Bad Gateway"), "{}: {error}", protocol.name);
        assert!(error.message().len() < 100, "{}: {error}", protocol.name);
    }
}

/// A body that is JSON of another type is a clear error, without a panic.
/// Source: <https://github.com/langchain-ai/langchain/pull/35236>
#[tokio::test]
async fn json_of_another_type_is_a_clear_error() {
    for body in [json!("hello"), json!(true), json!(7), json!(null), json!([]), json!({"x": 1})] {
        for protocol in [COMPLETIONS, RESPONSES] {
            let error = failure(&protocol, Answer::json(200, &body)).await;
            assert_eq!(error.kind(), ProviderErrorKind::MalformedReply, "{body}");
            assert!(error.message().contains("expected an object with `"), "{error}");
            assert!(!error.message().contains("hello"), "{error}");
            let server = Server::start(vec![Answer::json(200, &body)]);
            let chat = (protocol.chat)(server.root(), HttpOptions::default());
            let listed = chat.provider().list_models().await;
            if body != json!([]) {
                let error = listed.expect_err("not a list of models");
                assert!(error.message().contains("expected a list of models"), "{error}");
            }
        }
    }
}
