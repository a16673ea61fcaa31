//! The example of the guide, compared with the spans that the Python original records for it: the
//! same tree and the same attributes, except where the original is wrong.

use crate::support::cassettes::shared;
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use crate::support::trials::Trials;
use chatlas::OpenAi;
use chatlas::prelude::*;
use chatlas::testing::{RecordedSpan, Recorder};
use opentelemetry::global;
use opentelemetry::trace::Tracer as _;
use serde_json::{Value, json};

/// Get the current weather forecast for a city.
#[tool]
fn get_weather(city: &str) -> String {
    let _work = global::tracer("travel_assistant").start("fetch_forecast");
    format!("{city}: 14°C, light rain, breezy this weekend.")
}

fn response(id: &str, item: &Value, input: u64, output: u64) -> Answer {
    Answer::json(
        200,
        &json!({
            "id": id, "status": "completed", "model": "gpt-4o-2024-08-06", "output": [item],
            "usage": {"input_tokens": input, "output_tokens": output},
        }),
    )
}

async fn run_the_example() -> Vec<RecordedSpan> {
    let recorder = Recorder::new();
    let call = json!({"type": "function_call", "id": "fc_fake0001", "call_id": "call_fake0001",
        "name": "get_weather", "arguments": "{\"city\": \"Tokyo\"}"});
    let text = json!({"type": "output_text", "text": "Pack an umbrella."});
    let message = json!({"type": "message", "role": "assistant", "content": [text]});
    let server = Server::start(vec![
        response("resp_fake0001", &call, 76, 15),
        response("resp_fake0002", &message, 116, 24),
    ]);
    let model =
        OpenAi::new("gpt-4o").with_base_url(server.url()).with_api_key("k").with_http_spans(true);
    let mut chat = Chat::new(model)
        .with_system_prompt("You are a concise travel assistant.")
        .with_tools(tools![get_weather]);
    in_time(chat.chat("I'm headed to Tokyo: what should I pack?")).await.expect("an answer");
    recorder.assert_sound();
    recorder.spans()
}

/// Returns the name of each span and the index of its parent, in start order.
fn shape_of(spans: &[RecordedSpan]) -> Vec<(String, Option<usize>)> {
    let position = |id| spans.iter().position(|span| span.id() == id);
    spans.iter().map(|span| (span.name().to_string(), position(span.parent_id()))).collect()
}

/// Adds the trial.
pub(super) fn add(trials: &mut Trials) {
    trials.add("guide::trace_matches_the_python_original", trace_matches_the_python_original);
}

async fn trace_matches_the_python_original() {
    let spans = run_the_example().await;
    let folder = shared().expect("shared data");
    let golden = std::fs::read_to_string(folder.join("golden/python-monitor-guide.json"))
        .expect("the golden spans");
    let golden: Value = serde_json::from_str(&golden).expect("JSON");
    let golden = golden["variants"]["capture_off"]["spans"].as_array().expect("spans");
    let position = |id: &Value| golden.iter().position(|span| &span["id"] == id);
    let shape: Vec<(String, Option<usize>)> = golden
        .iter()
        .map(|span| (span["name"].as_str().expect("a name").to_owned(), position(&span["parent"])))
        .collect();
    assert_eq!(shape_of(&spans), shape);

    for (ours, theirs) in spans.iter().zip(golden) {
        let name = ours.name();
        for (key, value) in theirs["attributes"].as_object().expect("attributes") {
            let found = &ours[key.as_str()];
            match key.as_str() {
                // The original records the id of the item; the vendor's call id is `call_…`.
                "gen_ai.tool.call.id" => assert_eq!(found, "call_fake0001"),
                // Its HTTP spans follow deprecated conventions.
                old if old.starts_with("http.") => assert!(found.is_null(), "{name}: {key}"),
                _ => assert_eq!(found, value, "{name}: {key}"),
            }
        }
        // An agent that runs in this process is not a remote call.
        let kind = if theirs["name"] == "invoke_agent" {
            "INTERNAL"
        } else {
            theirs["kind"].as_str().expect("a kind")
        };
        assert_eq!(format!("{:?}", ours.kind()).to_uppercase(), kind, "{name}");
        assert_eq!(theirs["status"], "UNSET");
        assert_eq!(ours.status(), opentelemetry::trace::Status::Unset, "{name}");
    }
}
