//! Gemini on Vertex AI: addresses, credentials, and the differences from the Gemini API. There are
//! no recordings of it; its replies have the same format.

use std::process::Command;

use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{
    BearerToken, ChatRequest, ProviderError, ProviderErrorKind as Kind, Vertex, WebSearch,
};
use serde_json::{Value, json};

const MODEL: &str = "gemini-3.5-flash";
const PATH: &str = "/v1/projects/p-1/locations/europe-west4/publishers/google/models";

fn reply(parts: &Value) -> Value {
    json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5,
            "trafficType": "ON_DEMAND"},
        "modelVersion": MODEL, "createTime": "2026-01-01T00:00:00Z", "responseId": "r-1",
    })
}

fn model(server: &Server) -> Vertex {
    Vertex::new(MODEL).with_project("p-1").with_location("europe-west4").with_base_url(server.url())
}

fn with_token(server: &Server) -> Vertex {
    model(server)
        .with_token_provider(|| async { Ok::<_, ProviderError>(BearerToken::new("canary-token")) })
}

#[tokio::test(flavor = "multi_thread")]
async fn conversation_with_tools_is_sent_in_the_format_of_vertex() {
    /// Doubles a number.
    #[tool]
    fn double(x: f64) -> f64 {
        2.0 * x
    }

    let parts = json!([{"functionCall": {"name": "double", "args": {"x": 21.0}},
        "thoughtSignature": "s1"}]);
    for stream in [false, true] {
        let recorder = Recorder::new();
        let answers = [reply(&parts), reply(&json!([{"text": "42"}]))].map(|reply| {
            if stream {
                Answer::events(format!("data: {reply}\r\n\r\n"))
            } else {
                Answer::json(200, &reply)
            }
        });
        let server = Server::start(answers.to_vec());
        let search = WebSearch::new().with_blocked_domains(["a.example"]);
        let mut chat = Chat::new(with_token(&server).with_tool(search).with_http_spans(true))
            .with_tools(tools![double]);
        let text = if stream {
            let events: Vec<_> = in_time(chat.stream("Double 21.").collect()).await;
            let Some(Ok(StreamEvent::Done(reply))) = events.last() else { panic!("{events:?}") };
            reply.text()
        } else {
            in_time(chat.chat("Double 21.")).await.expect("an answer").text()
        };
        assert_eq!(text, "42");
        let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
        for sent in server.sent() {
            let line = format!("POST {PATH}/{MODEL}:{method} HTTP/1.1\r\n");
            assert!(sent.head.starts_with(&line), "{}", sent.head);
            assert!(sent.head.contains("authorization: Bearer canary-token\r\n"), "{}", sent.head);
            assert_eq!(
                sent.body["tools"][0],
                json!({"googleSearch": {"excludeDomains": ["a.example"]}})
            );
            assert!(sent.body["toolConfig"].is_null());
        }
        assert_eq!(server.sent()[1].body["contents"][1]["parts"], parts);
        recorder.assert_sound();
        for span in recorder.spans_with_operation("chat") {
            assert_eq!(span["gen_ai.provider.name"], "gcp.vertex_ai");
            assert_eq!(span["gen_ai.response.id"], "r-1");
            assert_eq!(span["gen_ai.usage.input_tokens"], 3);
        }
        assert!(!format!("{:?}", recorder.spans()).contains("canary"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_count_is_requested_in_the_format_of_vertex() {
    let server = Server::start(vec![Answer::json(200, &json!({"totalTokens": 9}))]);
    let mut request = ChatRequest::new([Turn::user("hi")]);
    request.system_prompt = Some("Be brief.".into());
    assert_eq!(with_token(&server).count_tokens(request).await, Ok(9));
    let sent = &server.sent()[0];
    assert!(sent.head.starts_with(&format!("POST {PATH}/{MODEL}:countTokens ")), "{}", sent.head);
    assert_eq!(sent.body["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(sent.body["contents"][0]["parts"][0]["text"], "hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn model_list_is_read_to_its_last_page() {
    let model = |id: &str| json!({"name": format!("publishers/google/models/{id}")});
    let server = Server::start(vec![
        Answer::json(200, &json!({"publisherModels": [model("a")], "nextPageToken": "2"})),
        Answer::json(200, &json!({"publisherModels": [model("b")]})),
    ]);
    let models = in_time(with_token(&server).list_models()).await.expect("a list");
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    let path = "GET /v1beta1/publishers/google/models";
    let sent = server.sent();
    assert!(sent[0].head.starts_with(&format!("{path} ")), "{}", sent[0].head);
    assert!(sent[1].head.starts_with(&format!("{path}?pageToken=2 ")), "{}", sent[1].head);
}

#[tokio::test(flavor = "multi_thread")]
async fn api_key_is_used_instead_of_credentials() {
    let server = Server::start(vec![Answer::json(200, &reply(&json!([{"text": "ok"}])))]);
    let mut chat = Chat::new(model(&server).with_api_key("test"));
    assert_eq!(in_time(chat.chat("hi")).await.expect("an answer").text(), "ok");
    let head = &server.sent()[0].head;
    assert!(head.contains("x-goog-api-key: test\r\n"), "{head}");
    assert!(!head.to_lowercase().contains("authorization"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn error_is_typed_and_its_token_redacted() {
    let body = json!([{"error": {"code": 403, "status": "PERMISSION_DENIED",
        "message": "canary-token may not do this"}}]);
    let server = Server::start(vec![Answer::json(403, &body)]);
    let error = with_token(&server).chat(ChatRequest::new([Turn::user("hi")])).await;
    let error = error.expect_err("an error");
    assert_eq!((error.kind(), error.code()), (Kind::Authentication, Some("PERMISSION_DENIED")));
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
}

const URL: &str = "CHATLAS_TEST_VERTEX_URL";

/// The variable applies to the whole process, so a child process sends the request.
#[test]
fn service_account_file_is_used() {
    let token = json!({"access_token": "canary-of-the-account", "expires_in": 3600,
        "token_type": "Bearer"});
    let server = Server::start(vec![
        Answer::json(200, &token),
        Answer::json(200, &reply(&json!([{"text": "ok"}]))),
    ]);
    // A private key of no account.
    let key = include_str!("../fixtures/key_of_no_account.txt");
    let label = "PRIVATE KEY";
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("service_account.json");
    let account = json!({
        "type": "service_account", "project_id": "p-1", "client_email": "a@p-1.example",
        "private_key_id": "k-1", "token_uri": format!("{}/token", server.url()),
        "private_key": format!("-----BEGIN {label}-----\n{key}-----END {label}-----\n"),
    });
    std::fs::write(&file, account.to_string()).expect("a writable directory");
    let program = std::env::current_exe().expect("it runs");
    let output = Command::new(program)
        .args(["--exact", "vertex::child_with_credentials_from_the_environment", "--nocapture"])
        .env("GOOGLE_APPLICATION_CREDENTIALS", &file)
        .env(URL, server.url())
        .output()
        .expect("it runs again");
    assert!(output.status.success(), "{output:?}");
    let sent = server.sent();
    let lines: Vec<_> = sent.iter().filter_map(|sent| sent.head.lines().next()).collect();
    let path = format!("POST {PATH}/{MODEL}:generateContent HTTP/1.1");
    assert_eq!(lines, ["POST /v1/token HTTP/1.1", &path, &path]);
    for request in &sent[1..] {
        let bearer = "authorization: Bearer canary-of-the-account\r\n";
        assert!(request.head.contains(bearer), "{}", request.head);
    }
}

/// Run by the test above, which sets the environment.
#[tokio::test(flavor = "multi_thread")]
async fn child_with_credentials_from_the_environment() {
    let Ok(url) = std::env::var(URL) else { return };
    let model =
        Vertex::new(MODEL).with_project("p-1").with_location("europe-west4").with_base_url(url);
    let mut chat = Chat::new(model);
    for _ in 0..2 {
        assert_eq!(in_time(chat.chat("hi")).await.expect("an answer").text(), "ok");
    }
}
