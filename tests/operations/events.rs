//! Exception events under the names of the conventions, and what a dropped or empty output leaves.

#![allow(clippy::unused_async)] // some tools have nothing to await

use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, Recorder, Script};
use opentelemetry::logs::Severity;
use serde_json::json;

/// Fails.
#[tool]
async fn fail() -> Result<i32, String> {
    Err("the station is closed".to_owned())
}

/// Returns nothing.
#[tool]
async fn silent() -> String {
    String::new()
}

#[tokio::test]
async fn failed_tool_emits_an_exception_event() {
    for (capture, quoted) in [(Capture::Nothing, false), (Capture::SpansAndEvents, true)] {
        let trace = Recorder::new();
        let model = Script::new().calls("fail", json!({})).says("Sorry.");
        let mut chat = Chat::new(model).with_tools(tools![fail]).with_capture(capture);
        chat.chat("go").await.unwrap();
        let event = trace.event("gen_ai.execute_tool.exception");
        assert_eq!(event.severity(), Some(Severity::Warn));
        assert_eq!(event.span_id(), trace.span("execute_tool fail").id());
        assert_eq!(event.attributes()["exception.type"], "alloc::string::String");
        assert_eq!(event.attributes().get("exception.message").is_some(), quoted);
    }
}

#[tokio::test]
async fn old_exception_event_needs_the_opt_in() {
    let trace = Recorder::new();
    let error = ProviderError::new(ProviderErrorKind::InvalidRequest, "no").with_status(400);
    Chat::new(Script::new().fails(error)).chat("go").await.unwrap_err();
    let names: Vec<_> = trace.events().iter().map(|event| event.name().to_owned()).collect();
    assert!(names.iter().any(|name| name == "gen_ai.client.inference.exception"), "{names:?}");
    assert!(names.iter().all(|name| name != "gen_ai.client.operation.exception"), "{names:?}");
}

#[tokio::test]
async fn empty_result_of_a_tool_is_recorded() {
    let trace = Recorder::new();
    let model = Script::new().calls("silent", json!({})).says("Quiet.");
    let mut chat = Chat::new(model).with_tools(tools![silent]).with_capture(Capture::Spans);
    chat.chat("go").await.unwrap();
    assert_eq!(trace.span("execute_tool silent")["gen_ai.tool.call.result"], "");
}

#[tokio::test]
async fn partial_output_of_a_dropped_stream_is_on_the_agent_too() {
    let trace = Recorder::new();
    let answer = Answer::streams(["Take ", "an "]).then_stalls();
    let mut chat = Chat::new(Script::new().then(answer)).with_capture(Capture::Spans);
    let mut events = chat.stream("go");
    events.next().await.unwrap().unwrap();
    events.next().await.unwrap().unwrap();
    drop(events);
    trace.assert_sound();
    let (agent, call) = (trace.span("invoke_agent"), trace.span("chat test-model"));
    let output = call.json("gen_ai.output.messages");
    assert!(output[0]["parts"][0]["content"].as_str().unwrap().starts_with("Take"), "{output}");
    assert_eq!(agent.json("gen_ai.output.messages"), output);
    assert_eq!(agent["gen_ai.response.finish_reasons"], call["gen_ai.response.finish_reasons"]);
}

#[tokio::test]
async fn span_and_metric_of_an_operation_have_the_same_duration() {
    let trace = Recorder::new();
    let model = Script::new().calls("silent", json!({})).says("Quiet.");
    Chat::new(model).with_tools(tools![silent]).chat("go").await.unwrap();
    for (span, metric) in [
        ("invoke_agent", "gen_ai.invoke_agent.duration"),
        ("execute_tool silent", "gen_ai.execute_tool.duration"),
    ] {
        let data = trace.span(span).data().clone();
        let seconds = data.end_time.duration_since(data.start_time).unwrap().as_secs_f64();
        assert_eq!(trace.metric(metric).sum().to_bits(), seconds.to_bits(), "{span}");
    }
}

#[tokio::test]
async fn vendor_attributes_are_only_on_metrics_that_list_them() {
    use chatlas::{Completion, CompletionStream, ProviderInfo};
    use opentelemetry::KeyValue;

    struct Tiered(ProviderInfo);

    #[provider]
    impl Provider for Tiered {
        fn info(&self) -> &ProviderInfo {
            &self.0
        }

        async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
            let tier = KeyValue::new("openai.response.service_tier", "flex");
            let mut reply = Completion::new([Content::text("Hi.")]);
            reply.attributes.push(tier);
            Ok(reply.with_usage(Usage::new(1, 1)))
        }

        async fn chat_stream(
            &self,
            request: ChatRequest,
        ) -> Result<CompletionStream, ProviderError> {
            Ok(CompletionStream::from_completion(self.chat(request).await?))
        }
    }

    let trace = Recorder::new();
    let mut chat = Chat::new(Tiered(ProviderInfo::new("openai").with_model("m")));
    chat.stream("go").collect::<Vec<_>>().await;
    let has_tier = |name: &str| {
        let metric = trace.metric(name);
        metric.measurements()[0].attributes().get("openai.response.service_tier").is_some()
    };
    assert!(has_tier("gen_ai.client.inference.usage.input_tokens"));
    assert!(!has_tier("gen_ai.client.inference.time_to_first_chunk"));
}
