//! Message content on spans, with capture switched on by the environment.

#![allow(clippy::unused_async)] // some tools have nothing to wait for

mod support;

use chatlas::Content;
use chatlas::prelude::*;
use serde_json::{Value, json};
use support::{Scripted, Step, asks, assert_sound, attribute, in_time, record, says};

/// Get the current weather forecast for a city.
#[tool]
fn get_weather(city: &str) -> String {
    format!("{city}: rain")
}

/// Fails.
#[tool]
async fn fail() -> Result<i32, String> {
    Err("the station is closed".to_owned())
}

fn json_of(span: &opentelemetry_sdk::trace::SpanData, key: &str) -> Value {
    serde_json::from_str(&attribute(span, key).unwrap_or_else(|| panic!("no {key}"))).unwrap()
}

/// The environment is read at each run, and is one for the whole process: this is the only test
/// of its binary.
#[test]
fn messages_stand_on_the_spans_as_the_conventions_have_them() {
    let variable = chatlas::telemetry::capture::CAPTURE_VARIABLE;
    let inside = std::env::var(variable).is_ok();
    if !inside {
        // Setting a variable of a running process is unsafe: a child gets it instead.
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .env(variable, "true")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let recorder = record();
        let model = Scripted::new([
            Step::Reply(asks(&[
                ("c1", "get_weather", json!({"city": "Tokyo"})),
                ("c2", "fail", json!({})),
            ])),
            Step::Reply(says("Take an umbrella.")),
        ]);
        let mut chat =
            Chat::new(model).system_prompt("Be brief.").tools(tools![get_weather, fail]);
        let prompt = [Content::text("Tokyo?"), Content::image_url("https://example.com/x.png")];
        in_time(chat.chat(prompt)).await.unwrap();
        assert_sound(&recorder.spans());

        let spans = recorder.spans();
        let calls: Vec<_> = spans.iter().filter(|span| span.name == "chat test-model").collect();
        let user = json!({"role": "user", "parts": [
            {"type": "text", "content": "Tokyo?"},
            {"type": "uri", "modality": "image", "uri": "https://example.com/x.png"},
        ]});
        let assistant = json!({"role": "assistant", "finish_reason": "tool_call", "parts": [
            {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Tokyo"}},
            {"type": "tool_call", "id": "c2", "name": "fail", "arguments": {}},
        ]});
        let tool = json!({"role": "tool", "parts": [
            {"type": "tool_call_response", "id": "c1", "response": "Tokyo: rain"},
            {"type": "tool_call_response", "id": "c2",
             "response": {"error": "the station is closed"}},
        ]});
        let answer = json!({"role": "assistant", "finish_reason": "stop", "parts": [
            {"type": "text", "content": "Take an umbrella."},
        ]});
        assert_eq!(json_of(calls[0], "gen_ai.input.messages"), json!([user]));
        assert_eq!(json_of(calls[0], "gen_ai.output.messages"), json!([assistant]));
        assert_eq!(json_of(calls[1], "gen_ai.input.messages"), json!([user, assistant, tool]));
        assert_eq!(json_of(calls[1], "gen_ai.output.messages"), json!([answer]));
        let definitions = json_of(calls[0], "gen_ai.tool.definitions");
        assert_eq!(definitions[0]["name"], "get_weather");
        assert_eq!(definitions[0]["parameters"]["required"], json!(["city"]));
        let agent = recorder.span("invoke_agent");
        assert_eq!(json_of(&agent, "gen_ai.input.messages"), json!([user]));
        assert_eq!(json_of(&agent, "gen_ai.output.messages"), json!([answer]));
        for span in [calls[0], &agent] {
            let system = json!([{"type": "text", "content": "Be brief."}]);
            assert_eq!(json_of(span, "gen_ai.system_instructions"), system);
        }
        let tool = recorder.span("execute_tool get_weather");
        assert_eq!(json_of(&tool, "gen_ai.tool.call.arguments"), json!({"city": "Tokyo"}));
        assert_eq!(attribute(&tool, "gen_ai.tool.call.result").as_deref(), Some("Tokyo: rain"));
        let failed = recorder.span("execute_tool fail");
        assert!(attribute(&failed, "gen_ai.tool.call.result").is_none());
        assert!(format!("{:?}", failed.events).contains("the station is closed"));
    });
}
