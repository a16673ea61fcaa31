//! Message content on spans, with capture enabled by the environment variable.

#![allow(clippy::unused_async)] // some tools have nothing to await

use crate::support::timeout::in_time;
use chatlas::Content;
use chatlas::prelude::*;
use chatlas::testing::{Answer, Recorder, Script};
use serde_json::json;

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

/// The variable is read at each run and applies to the whole process, so this test runs in a child
/// process.
#[test]
fn captured_messages_have_the_form_of_the_conventions() {
    let variable = chatlas::telemetry::CAPTURE_VARIABLE;
    let inside = std::env::var(variable).is_ok();
    if !inside {
        // Setting a variable of a running process is unsafe, so a child process gets it.
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "capture_variable::captured_messages_have_the_form_of_the_conventions",
            ])
            .env(variable, "true")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let recorder = Recorder::new();
        let model = Script::new().then(Answer::calls("get_weather", json!({"city": "Tokyo"})).call("fail", json!({}))).says("Take an umbrella.");
        let mut chat =
            Chat::new(model).with_system_prompt("Be brief.").with_tools(tools![get_weather, fail]);
        let prompt = [Content::text("Tokyo?"), Content::image_url("https://example.com/x.png")];
        in_time(chat.chat(prompt)).await.unwrap();
        recorder.assert_sound();

        let spans = recorder.spans();
        let calls: Vec<_> = spans.iter().filter(|span| span.name() == "chat test-model").collect();
        let user = json!({"role": "user", "parts": [
            {"type": "text", "content": "Tokyo?"},
            {"type": "uri", "modality": "image", "uri": "https://example.com/x.png"},
        ]});
        let assistant = json!({"role": "assistant", "finish_reason": "tool_call", "parts": [
            {"type": "tool_call", "id": "call-1", "name": "get_weather", "arguments": {"city": "Tokyo"}},
            {"type": "tool_call", "id": "call-2", "name": "fail", "arguments": {}},
        ]});
        let tool = json!({"role": "tool", "parts": [
            {"type": "tool_call_response", "id": "call-1", "response": "Tokyo: rain"},
            {"type": "tool_call_response", "id": "call-2",
             "response": {"error": "the station is closed"}},
        ]});
        let answer = json!({"role": "assistant", "finish_reason": "stop", "parts": [
            {"type": "text", "content": "Take an umbrella."},
        ]});
        assert_eq!(calls[0].json("gen_ai.input.messages"), json!([user]));
        assert_eq!(calls[0].json("gen_ai.output.messages"), json!([assistant]));
        assert_eq!(calls[1].json("gen_ai.input.messages"), json!([user, assistant, tool]));
        assert_eq!(calls[1].json("gen_ai.output.messages"), json!([answer]));
        let definitions = calls[0].json("gen_ai.tool.definitions");
        assert_eq!(definitions[0]["name"], "get_weather");
        assert_eq!(definitions[0]["parameters"]["required"], json!(["city"]));
        let agent = recorder.span("invoke_agent");
        assert_eq!(agent.json("gen_ai.input.messages"), json!([user]));
        assert_eq!(agent.json("gen_ai.output.messages"), json!([answer]));
        for span in [calls[0], &agent] {
            let system = json!([{"type": "text", "content": "Be brief."}]);
            assert_eq!(span.json("gen_ai.system_instructions"), system);
        }
        let tool = recorder.span("execute_tool get_weather");
        assert_eq!(tool.json("gen_ai.tool.call.arguments"), json!({"city": "Tokyo"}));
        assert_eq!(tool["gen_ai.tool.call.result"], "Tokyo: rain");
        let failed = recorder.span("execute_tool fail");
        assert!(failed["gen_ai.tool.call.result"].is_null());
        assert!(format!("{:?}", failed.events()).contains("the station is closed"));
    });
}
