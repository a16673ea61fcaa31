//! Calls through `async-openai` have the same spans as those of any other provider.

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

fn complete_response(message: &Value, reason: &str) -> Answer {
    let choice = json!({"index": 0, "message": message, "finish_reason": reason});
    Answer::json(
        200,
        &json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1,
            "model": "gpt-4o-2024-08-06", "choices": [choice], "usage": usage()}),
    )
}

fn streamed_response(deltas: &[Value], reason: Option<&str>) -> Answer {
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
    // The client requires a cryptography provider, even for plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::start(answers);
    let config = OpenAIConfig::new().with_api_base(server.url()).with_api_key("canary");
    let chat = Chat::new(AsyncOpenAi::new("gpt-4o", config)).with_tools(tools![get_weather]);
    (chat, server)
}

const ARGUMENTS: &str = "{\"city\":\"Tokyo\"}";

fn complete_conversation() -> Vec<Answer> {
    let call = json!({"id": "call_1", "type": "function",
        "function": {"name": "get_weather", "arguments": ARGUMENTS}});
    let with_call = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let with_text = json!({"role": "assistant", "content": "Take an umbrella."});
    vec![complete_response(&with_call, "tool_calls"), complete_response(&with_text, "stop")]
}

fn streamed_conversation() -> Vec<Answer> {
    let (begin, end) = ARGUMENTS.split_at(5);
    let call = |delta: Value| json!({"tool_calls": [delta]});
    let with_call = [
        call(json!({"index": 0, "id": "call_1", "type": "function",
            "function": {"name": "get_weather", "arguments": ""}})),
        call(json!({"index": 0, "function": {"arguments": begin}})),
        call(json!({"index": 0, "function": {"arguments": end}})),
    ];
    let with_text =
        [json!({"role": "assistant", "content": "Take an "}), json!({"content": "umbrella."})];
    vec![
        streamed_response(&with_call, Some("tool_calls")),
        streamed_response(&with_text, Some("stop")),
    ]
}

#[tokio::test]
async fn conversation_through_async_openai_is_one_trace() {
    for (is_streamed, answers) in
        [(false, complete_conversation()), (true, streamed_conversation())]
    {
        let recorder = Recorder::new();
        let (mut chat, server) = chat(answers);
        let text = if is_streamed {
            let events: Vec<_> = chat.stream("What should I pack?").collect().await;
            let Some(Ok(StreamEvent::Done(reply))) = events.last() else { panic!("{events:?}") };
            reply.text()
        } else {
            chat.chat("What should I pack?").await.expect("an answer").text()
        };
        assert_eq!(text, "Take an umbrella.");
        let sent = &server.sent()[1].body["messages"];
        assert_eq!(sent[1]["tool_calls"][0]["function"]["arguments"], ARGUMENTS);
        assert_eq!(sent[2]["content"], "Tokyo: light rain");
        assert_eq!(sent[2]["tool_call_id"], "call_1");
        recorder.assert_sound();
        assert_eq!(
            recorder.tree(),
            "invoke_agent\n  chat gpt-4o\n  execute_tool get_weather\n  chat gpt-4o\n"
        );
        let calls = recorder.spans_with_operation("chat");
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
async fn failure_of_async_openai_is_recorded_on_the_span() {
    let invalid_key = json!({"error": {"message": "invalid API key", "type": "invalid_request_error",
        "param": null, "code": "invalid_api_key"}});
    let truncated = streamed_response(&[json!({"content": "Take an "})], None);
    for (answer, kind, error_type) in [
        (Answer::json(401, &invalid_key), ProviderErrorKind::Authentication, "invalid_api_key"),
        (truncated, ProviderErrorKind::TruncatedStream, "truncated_stream"),
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
