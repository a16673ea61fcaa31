//! The span that `reqwest-tracing` records for a request is a child of `chat`.

#[path = "../../../tests/support/server.rs"]
mod server;

use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{ChatError, OpenAi, ProviderErrorKind};
use example_reqwest_middleware::{client, http};
use opentelemetry::trace::TracerProvider as _;
use serde_json::{Value, json};
use server::{Answer, Server};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn reply() -> Value {
    json!({
        "id": "resp_1", "status": "completed", "model": "gpt-4o-2024-08-06",
        "output": [{"type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello"}]}],
        "usage": {"input_tokens": 3, "output_tokens": 2},
    })
}

#[tokio::test]
async fn request_of_a_custom_client_is_a_child_of_the_chat_span() {
    // The client requires a cryptography provider, even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let layer =
        tracing_opentelemetry::layer().with_tracer(Recorder::tracer_provider().tracer("http"));
    tracing_subscriber::registry().with(layer).init();

    let slow = json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}});
    let event = json!({"type": "response.completed", "response": reply()});
    let server = Server::start(vec![
        Answer::json(429, &slow).header("retry-after-ms", "1"),
        Answer::json(200, &reply()),
        Answer::events(format!("data: {event}\n\n")),
    ]);
    let model = || {
        OpenAi::new("gpt-4o").with_api_key("canary").with_http(http(client().expect("a client")))
    };
    let mut chat = Chat::new(model().with_base_url(server.url()));
    for tree in [
        // Each attempt is a separate request.
        "invoke_agent\n  chat gpt-4o\n    POST\n    POST\n",
        "invoke_agent\n  chat gpt-4o\n    POST\n",
    ] {
        let recorder = Recorder::new();
        let last = chat.stream("hi").collect::<Vec<_>>().await.pop();
        let Some(Ok(StreamEvent::Done(reply))) = last else { panic!("{last:?}") };
        assert_eq!(reply.text(), "Hello");
        assert_eq!(recorder.tree(), tree);
        let posts: Vec<_> =
            recorder.spans().into_iter().filter(|span| span.name() == "POST").collect();
        // `reqwest-tracing` records the number as a string.
        assert_eq!(posts[posts.len() - 1]["http.response.status_code"], "200");
        assert!(!format!("{:?}", recorder.spans()).contains("canary"));
    }

    let recorder = Recorder::new();
    let mut chat = Chat::new(model().with_base_url("http://127.0.0.1:9/v1"));
    let error = chat.chat("hi").await.expect_err("no server listens on this port");
    let ChatError::Provider(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), ProviderErrorKind::Connection);
    assert_eq!(recorder.tree(), "invoke_agent\n  chat gpt-4o\n    POST\n    POST\n    POST\n");
}
