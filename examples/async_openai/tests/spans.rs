//! The spans of calls that `async-openai` makes are those of any other provider.

#[path = "../../../tests/support/server.rs"]
mod server;

use async_openai::config::OpenAIConfig;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{ChatError, ProviderErrorKind};
use example_async_openai::AsyncOpenAi;
use serde_json::{Value, json};
use server::{Answer, Server};

/// Get the current weather forecast for a city.
#[tool]
fn get_weather(city: &str) -> String {
    format!("{city}: light rain")
}

fn usage() -> Value {
    json!({"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2}})
}

fn whole(message: &Value, reason: &str) -> Answer {
    let choice = json!({"index": 0, "message": message, "finish_reason": reason});
    Answer::json(
        200,
        &json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1,
            "model": "gpt-4o-2024-08-06", "choices": [choice], "usage": usage()}),
    )
}

fn streamed(deltas: &[Value], reason: Option<&str>) -> Answer {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": "gpt-4o-2024-08-06", "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: &Value, reason: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
    let mut body: String =
        deltas.iter().map(|delta| chunk(choice(delta, None), Value::Null)).collect();
    if reason.is_some() {
        body += &chunk(choice(&json!({}), reason), Value::Null);
        body += &chunk(json!([]), usage());
        body += "data: [DONE]\n\n";
    }
    Answer::events(body)
}

fn chat(answers: Vec<Answer>) -> (Chat, Server) {
    // The client wants to know how it would speak TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::start(answers);
    let config = OpenAIConfig::new().with_api_base(server.url()).with_api_key("canary");
    let chat = Chat::new(AsyncOpenAi::new("gpt-4o", config)).with_tools(tools![get_weather]);
    (chat, server)
}

const CALL: &str = "{\"city\":\"Tokyo\"}";

fn whole_conversation() -> Vec<Answer> {
    let call = json!({"id": "call_1", "type": "function",
        "function": {"name": "get_weather", "arguments": CALL}});
    let asks = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let says = json!({"role": "assistant", "content": "Take an umbrella."});
    vec![whole(&asks, "tool_calls"), whole(&says, "stop")]
}

fn streamed_conversation() -> Vec<Answer> {
    let (begin, end) = CALL.split_at(5);
    let call = |piece: Value| json!({"tool_calls": [piece]});
    let asks = [
        call(json!({"index": 0, "id": "call_1", "type": "function",
            "function": {"name": "get_weather", "arguments": ""}})),
        call(json!({"index": 0, "function": {"arguments": begin}})),
        call(json!({"index": 0, "function": {"arguments": end}})),
    ];
    let says =
        [json!({"role": "assistant", "content": "Take an "}), json!({"content": "umbrella."})];
    vec![streamed(&asks, Some("tool_calls")), streamed(&says, Some("stop"))]
}

#[tokio::test]
async fn a_conversation_by_another_library_is_one_trace() {
    for (streams, answers) in [(false, whole_conversation()), (true, streamed_conversation())] {
        let recorder = Recorder::new();
        let (mut chat, server) = chat(answers);
        let text = if streams {
            let events: Vec<_> = chat.stream("What should I pack?").collect().await;
            let Some(Ok(StreamEvent::Done(reply))) = events.last() else { panic!("{events:?}") };
            reply.text()
        } else {
            chat.chat("What should I pack?").await.expect("an answer").text()
        };
        assert_eq!(text, "Take an umbrella.");
        let sent = &server.sent()[1].body["messages"];
        assert_eq!(sent[1]["tool_calls"][0]["function"]["arguments"], CALL);
        assert_eq!(sent[2]["content"], "Tokyo: light rain");
        assert_eq!(sent[2]["tool_call_id"], "call_1");
        recorder.assert_sound();
        assert_eq!(
            recorder.tree(),
            "invoke_agent\n  chat gpt-4o\n  execute_tool get_weather\n  chat gpt-4o\n"
        );
        let calls = recorder.spans_of("chat");
        for (call, reason) in calls.iter().zip(["tool_call", "stop"]) {
            for (key, value) in [
                ("gen_ai.provider.name", json!("openai")),
                ("gen_ai.request.model", json!("gpt-4o")),
                ("gen_ai.response.model", json!("gpt-4o-2024-08-06")),
                ("gen_ai.response.id", json!("chatcmpl-1")),
                ("gen_ai.response.finish_reasons", json!([reason])),
                ("gen_ai.usage.input_tokens", json!(20)),
                ("gen_ai.usage.output_tokens", json!(5)),
                ("gen_ai.usage.cache_read.input_tokens", json!(4)),
                ("gen_ai.usage.reasoning.output_tokens", json!(2)),
                ("server.address", json!("127.0.0.1")),
            ] {
                assert_eq!(call[key], value, "{key}");
            }
        }
        assert_eq!(recorder.metric("gen_ai.client.inference.duration").count(), 2);
    }
}

#[tokio::test]
async fn what_the_library_could_not_do_is_on_the_span() {
    let refused = json!({"error": {"message": "no such key", "type": "invalid_request_error",
        "param": null, "code": "invalid_api_key"}});
    let broken = streamed(&[json!({"content": "Take an "})], None);
    for (answer, kind, error_type) in [
        (Answer::json(401, &refused), ProviderErrorKind::Authentication, "invalid_api_key"),
        (broken, ProviderErrorKind::TruncatedStream, "truncated_stream"),
    ] {
        let recorder = Recorder::new();
        let (mut chat, _server) = chat(vec![answer]);
        let last = chat.stream("hi").collect::<Vec<_>>().await.pop();
        let Some(Err(ChatError::Provider(error))) = last else { panic!("{last:?}") };
        assert_eq!(error.kind(), kind);
        recorder.assert_sound();
        assert_eq!(recorder.span("chat gpt-4o")["error.type"], error_type);
    }
}
