//! The known weaknesses of the Python original's telemetry: one test for each, which shows that the
//! library does not have it.

// Some tools have nothing to await; the compared sums are exact.
#![allow(clippy::unused_async, clippy::float_cmp)]

use std::collections::HashSet;
use std::time::Duration;

use crate::support::server::{Answer as Http, Server};
use crate::support::vendor_replies::{
    anthropic_stream, gemini, gemini_reply, openai, openai_text, openai_tool_call,
};
use chatlas::chat::OutputErrorKind;
use chatlas::content::Thinking;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{
    Anthropic, Approval, CancellationToken, ChatError, Content, FinishReason, HttpOptions,
    ProviderError, ProviderErrorKind, ToolContext, Usage,
};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use serde_json::{Value, json};

/// Get the current weather forecast for a city.
#[tool]
async fn get_weather(city: String) -> String {
    global::tracer("travel").start("fetch_forecast").end();
    format!("{city}: light rain")
}

#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the station of canary-street is closed")
    }
}

/// Fails.
#[tool]
async fn fail() -> Result<String, Closed> {
    Err(Closed)
}

/// Never returns.
#[tool]
async fn hang() -> String {
    std::future::pending().await
}

fn tokyo() -> Value {
    json!({"city": "Tokyo"})
}

fn weather() -> Script {
    Script::new().calls("get_weather", tokyo()).says("Take an umbrella.")
}

#[tokio::test]
async fn w01_http_requests_are_children_of_their_model_calls() {
    let trace = Recorder::new();
    let server = Server::start(vec![openai_tool_call("get_weather"), openai_text("Rain.")]);
    let model = openai(&server, HttpOptions::default().with_spans(true));
    Chat::new(model).with_tools(tools![get_weather]).chat("Tokyo?").await.unwrap();
    trace.assert_sound();
    assert_eq!(
        trace.tree(),
        "\
invoke_agent
  chat gpt-4o
    POST
  execute_tool get_weather
    fetch_forecast
  chat gpt-4o
    POST
"
    );
}

#[tokio::test]
async fn w02_token_counts_include_cached_tokens_and_the_end_of_a_stream() {
    let trace = Recorder::new();
    let server = Server::start(vec![anthropic_stream()]);
    let mut chat =
        Chat::new(Anthropic::new("claude-x").with_base_url(server.url()).with_api_key("k"));
    let events: Vec<_> = chat.stream("Hi").collect().await;
    assert!(matches!(events.last(), Some(Ok(StreamEvent::Done(_)))), "{events:?}");
    for span in trace.spans() {
        assert_eq!(span["gen_ai.usage.input_tokens"], 19_523, "{}", span.name());
        assert_eq!(span["gen_ai.usage.output_tokens"], 50, "{}", span.name());
    }
    let call = trace.span("chat claude-x");
    assert_eq!(call["gen_ai.usage.cache_write.input_tokens"], 400, "not weighted");
    assert_eq!(call["gen_ai.usage.cache_read.input_tokens"], 123);
}

#[tokio::test]
async fn w03_response_model_and_id_are_recorded_for_every_vendor() {
    let trace = Recorder::new();
    let server = Server::start(vec![gemini_reply(&json!([{"text": "Hi"}]))]);
    Chat::new(gemini(&server)).chat("Hi").await.unwrap();
    let call = trace.span("chat gemini-x");
    assert_eq!(call["gen_ai.response.model"], "gemini-x-001");
    assert_eq!(call["gen_ai.response.id"], "response-1");
}

#[cfg(all(feature = "azure", feature = "bedrock", feature = "lm-studio", feature = "mistral",))]
#[test]
fn w04_provider_names_are_those_of_the_conventions() {
    use chatlas::{AzureOpenAi, Bedrock, Gemini, LmStudio, Mistral, OpenAi};

    let names = [
        OpenAi::new("m").info().name.clone(),
        Anthropic::new("m").info().name.clone(),
        Gemini::new("m").info().name.clone(),
        AzureOpenAi::new("m").info().name.clone(),
        Bedrock::new("m").info().name.clone(),
        Mistral::new("m").info().name.clone(),
        LmStudio::new("m").info().name.clone(),
    ];
    let expected = [
        "openai",
        "anthropic",
        "gcp.gemini",
        "azure.ai.openai",
        "aws.bedrock",
        "mistral_ai",
        "lm_studio",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn w05_tool_call_has_the_vendors_id() {
    let trace = Recorder::new();
    let server = Server::start(vec![openai_tool_call("get_weather"), openai_text("Rain.")]);
    let model = openai(&server, HttpOptions::default());
    Chat::new(model).with_tools(tools![get_weather]).chat("Tokyo?").await.unwrap();
    assert_eq!(trace.span("execute_tool get_weather")["gen_ai.tool.call.id"], "call_1");
    drop(trace);

    // If a vendor sends no ids, each call gets one.
    let trace = Recorder::new();
    let call = json!({"functionCall": {"name": "get_weather", "args": tokyo()}});
    let server = Server::start(vec![
        gemini_reply(&json!([call, call])),
        gemini_reply(&json!([{"text": "Rain."}])),
    ]);
    Chat::new(gemini(&server)).with_tools(tools![get_weather]).chat("Tokyo?").await.unwrap();
    let calls = trace.spans_with_operation("execute_tool");
    let ids: HashSet<&str> =
        calls.iter().filter_map(|call| call["gen_ai.tool.call.id"].as_str()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(!ids.contains("get_weather"));
}

#[tokio::test]
async fn w06_agent_span_is_internal_named_and_has_the_outcome() {
    let trace = Recorder::new();
    let chat = Chat::new(weather()).with_name("travel").with_tools(tools![get_weather]);
    chat.with_capture(Capture::Spans).chat("Tokyo?").await.unwrap();
    let agent = trace.span("invoke_agent travel");
    assert_eq!(agent.kind(), SpanKind::Internal);
    assert_eq!(agent["gen_ai.agent.name"], "travel");
    assert_eq!(agent["gen_ai.usage.input_tokens"], 20);
    assert_eq!(agent["gen_ai.usage.output_tokens"], 10);
    assert_eq!(agent["gen_ai.response.finish_reasons"], json!(["stop"]));
    assert_eq!(agent.json("gen_ai.input.messages")[0]["parts"][0]["content"], "Tokyo?");
    let messages = agent.json("gen_ai.output.messages");
    assert_eq!(messages[0]["parts"][0]["content"], "Take an umbrella.");
    assert!(agent["gen_ai.agent.id"].is_null(), "a memory address is not an id");
}

#[tokio::test]
async fn w07_model_call_has_request_parameters_and_response() {
    let trace = Recorder::new();
    let tokens = Usage::new(10, 5)
        .with_cache_read_tokens(4)
        .with_cache_write_tokens(2)
        .with_reasoning_tokens(3);
    let mut chat = Chat::new(Script::new().then(Answer::says("{\"value\": 1}").with_usage(tokens)))
        .with_tools(tools![get_weather])
        .with_max_tokens(100)
        .with_temperature(0.5)
        .with_top_p(0.9)
        .with_top_k(40)
        .with_seed(7)
        .with_stop_sequences(["END"])
        .with_frequency_penalty(0.1)
        .with_presence_penalty(0.2)
        .with_reasoning(chatlas::Reasoning::Low)
        .with_capture(Capture::Spans);
    chat.extract::<u8>("How many?").await.unwrap();
    let call = trace.span("chat test-model");
    for (key, value) in [
        ("gen_ai.response.finish_reasons", json!(["stop"])),
        ("gen_ai.request.max_tokens", json!(100)),
        ("gen_ai.request.temperature", json!(0.5)),
        ("gen_ai.request.top_p", json!(0.9)),
        ("gen_ai.request.top_k", json!(40)),
        ("gen_ai.request.seed", json!(7)),
        ("gen_ai.request.stop_sequences", json!(["END"])),
        ("gen_ai.request.frequency_penalty", json!(0.1)),
        ("gen_ai.request.presence_penalty", json!(0.2)),
        ("gen_ai.request.reasoning.level", json!("low")),
        ("gen_ai.output.type", json!("json")),
        ("server.address", json!("model.example")),
        ("server.port", json!(8443)),
        ("gen_ai.usage.cache_read.input_tokens", json!(4)),
        ("gen_ai.usage.cache_write.input_tokens", json!(2)),
        ("gen_ai.usage.reasoning.output_tokens", json!(3)),
    ] {
        assert_eq!(call[key], value, "{key}");
    }
    assert_eq!(call.json("gen_ai.tool.definitions")[0]["name"], "get_weather");
    drop(trace);

    let trace = Recorder::new();
    Chat::new(Script::new().says("Hi")).stream("Hi").collect::<Vec<_>>().await;
    let call = trace.span("chat test-model");
    assert_eq!(call["gen_ai.request.stream"], true);
    assert!(call["gen_ai.response.time_to_first_chunk"].is_f64());
}

#[tokio::test]
async fn w08_tool_call_has_type_arguments_result_and_conversation() {
    let trace = Recorder::new();
    let chat = Chat::new(weather()).with_tools(tools![get_weather]).with_conversation_id("c-1");
    chat.with_capture(Capture::Spans).chat("Tokyo?").await.unwrap();
    let call = trace.span("execute_tool get_weather");
    assert_eq!(call["gen_ai.tool.type"], "function");
    assert_eq!(call["gen_ai.conversation.id"], "c-1");
    assert_eq!(call.json("gen_ai.tool.call.arguments"), tokyo());
    assert_eq!(call["gen_ai.tool.call.result"], "Tokyo: light rain");
}

#[tokio::test]
async fn w09_messages_have_the_conventions_parts_and_past_turns_are_recorded_once() {
    let trace = Recorder::new();
    let shown = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&shown);
    let thought = Content::Thinking(Thinking::new("Hm."));
    let model = Script::new().then(Answer::new().content(thought).text("A map."));
    let rounds = 30;
    let mut chat = Chat::new(model.otherwise(|_| Answer::says("Yes.")))
        .with_capture(Capture::SpansAndEvents)
        .with_redaction(move |_| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        });
    let image = Content::image_base64("image/png", "iVBORw0KGgo=");
    let file = Content::document_url("https://a.example/a.pdf");
    chat.chat([Content::text("What is this?"), image, file]).await.unwrap();
    let call = trace.span("chat test-model");
    let messages = call.json("gen_ai.input.messages");
    let kinds: Vec<&Value> =
        messages[0]["parts"].as_array().unwrap().iter().map(|part| &part["type"]).collect();
    assert_eq!(kinds, ["text", "blob", "uri"]);
    let answer = call.json("gen_ai.output.messages");
    assert_eq!(answer[0]["parts"][0], json!({"type": "reasoning", "content": "Hm."}));
    assert_eq!(answer[0]["finish_reason"], "stop");
    // Each round records only its own two turns, the reply on the model call and on the agent. The
    // history is not recorded again.
    let first = shown.load(std::sync::atomic::Ordering::SeqCst);
    for _ in 0..rounds {
        chat.chat("Sure?").await.unwrap();
    }
    let each = (shown.load(std::sync::atomic::Ordering::SeqCst) - first) / rounds;
    assert!(each <= 4, "{each} pieces of content in each round");
}

#[tokio::test]
async fn w10_metrics_and_events_are_recorded() {
    let trace = Recorder::new();
    let error = ProviderError::new(ProviderErrorKind::RateLimit, "no").with_status(429);
    let mut chat = Chat::new(weather().fails(error)).with_tools(tools![get_weather]);
    chat.stream("Tokyo?").collect::<Vec<_>>().await;
    chat.chat("And now?").await.unwrap_err();
    for name in [
        "gen_ai.client.inference.duration",
        "gen_ai.client.inference.time_to_first_chunk",
        "gen_ai.client.inference.usage.input_tokens",
        "gen_ai.client.inference.operation.output_tokens",
        "gen_ai.execute_tool.duration",
        "gen_ai.invoke_agent.duration",
        "gen_ai.invoke_agent.inference_calls",
        "gen_ai.invoke_agent.tool_calls",
    ] {
        assert!(trace.metric(name).count() > 0, "{name}");
    }
    let details = trace
        .events()
        .into_iter()
        .filter(|event| event.name() == "gen_ai.client.inference.operation.details");
    assert_eq!(details.count(), 3);
    trace.event("gen_ai.client.inference.exception");
}

#[tokio::test]
async fn w11_errors_contain_no_content_while_capture_is_off() {
    let trace = Recorder::new();
    let refused = ProviderError::new(ProviderErrorKind::InvalidRequest, "canary: your prompt")
        .with_status(400);
    let mut chat =
        Chat::new(Script::new().calls("fail", json!({})).fails(refused)).with_tools(tools![fail]);
    chat.chat("canary").await.unwrap_err();
    let all = format!("{:?} {:?}", trace.spans(), trace.events());
    assert!(!all.contains("canary-street") && !all.contains("canary: "), "{all}");
    assert_eq!(
        trace.span("execute_tool fail").status(),
        Status::error("telemetry::weaknesses::Closed")
    );
}

#[tokio::test]
async fn w12_error_has_the_vendors_code_once_and_every_attempt_is_recorded() {
    let trace = Recorder::new();
    let busy = json!({"error": {"code": "rate_limit_exceeded", "message": "slow down"}});
    let busy = Http::json(429, &busy).header("retry-after", "0");
    let server = Server::start(vec![busy]);
    let options = HttpOptions::default().with_spans(true).with_max_retries(2);
    Chat::new(openai(&server, options)).chat("Hi").await.unwrap_err();
    trace.assert_sound();
    for name in ["invoke_agent", "chat gpt-4o"] {
        assert_eq!(trace.span(name)["error.type"], "rate_limit_exceeded");
    }
    let exceptions: usize = trace.spans().iter().map(|span| span.events().len()).sum();
    assert_eq!(exceptions, 1, "where it happened");
    let call = trace.span("chat gpt-4o");
    let attempts = trace.children(&call);
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|attempt| attempt["error.type"] == "429"));
    assert_eq!(attempts[2]["http.request.resend_count"], 2);
}

#[tokio::test]
async fn w13_failed_tool_rejected_call_and_panicking_hook_have_distinct_error_types() {
    for (name, arguments, kind) in [
        ("fail", json!({}), "telemetry::weaknesses::Closed"),
        ("get_weather", tokyo(), "tool_rejected"),
        ("hang", json!({}), "panic"),
    ] {
        let trace = Recorder::new();
        let model = Script::new().calls(name, arguments).says("Sorry.");
        let mut chat = Chat::new(model)
            .with_tools(tools![fail, get_weather, hang])
            .on_tool_request(|call| async move {
                assert_ne!(call.request.name, "hang", "a bug in the hook");
                match call.request.name.as_str() {
                    "get_weather" => Approval::rejected("not now"),
                    _ => Approval::Approved,
                }
            });
        assert_eq!(chat.chat("Go.").await.unwrap().text(), "Sorry.");
        trace.assert_sound();
        let call = trace.span(&format!("execute_tool {name}"));
        assert_eq!((call.is_error(), call["error.type"].as_str()), (true, Some(kind)), "{name}");
        assert_eq!(trace.span("invoke_agent").status(), Status::Unset);
    }
}

#[tokio::test]
async fn w14_usage_is_counted_whatever_the_outcome() {
    // Arguments that are not JSON: the error is sent to the model.
    let trace = Recorder::new();
    let model = Script::new().calls("get_weather", json!("{\"city\": ")).says("Sorry.");
    Chat::new(model).with_tools(tools![get_weather]).chat("Go.").await.unwrap();
    assert_eq!(trace.span("invoke_agent")["gen_ai.usage.input_tokens"], 20);
    drop(trace);

    // A truncated answer: an error with its usage.
    let trace = Recorder::new();
    let cut = Answer::says("{\"val").with_finish_reason(FinishReason::Length);
    let mut chat = Chat::new(Script::new().then(cut));
    let error = chat.extract::<u8>("Go.").await.unwrap_err();
    let ChatError::Output(output) = &error else { panic!("{error:?}") };
    assert_eq!(output.kind(), OutputErrorKind::Truncated);
    assert_eq!(output.reply().usage, Usage::new(10, 5));
    assert_eq!(trace.span("invoke_agent")["gen_ai.usage.output_tokens"], 5);
    drop(trace);

    // A dropped or interrupted stream: the usage reported until then.
    for answer in [
        Answer::streams(["Once"]).usage_update(12, 1).text(" upon").then_stalls(),
        Answer::streams(["Once"]).usage_update(12, 1).text(" upon").without_done(),
    ] {
        let trace = Recorder::new();
        let mut chat = Chat::new(Script::new().then(answer));
        let mut stream = chat.stream("Tell.");
        for _ in 0..2 {
            stream.next().await.unwrap().unwrap();
        }
        // An interrupted stream ends here; a stalled one is dropped.
        let _ = tokio::time::timeout(Duration::from_millis(50), stream.next()).await;
        drop(stream);
        for span in trace.spans() {
            assert_eq!(span["gen_ai.usage.input_tokens"], 12, "{}", span.name());
        }
        let counted = trace.metric("gen_ai.client.inference.usage.input_tokens").sum();
        assert_eq!(counted, 12.0);
    }
}

#[tokio::test]
async fn w15_cancelled_run_ends_immediately_and_consumer_delay_is_separate() {
    // Dropped: all spans end immediately.
    let trace = Recorder::new();
    let model = Script::new().then(Answer::streams(["Once"]).then_stalls());
    let mut chat = Chat::new(model);
    let mut stream = chat.stream("Tell.");
    stream.next().await.unwrap().unwrap();
    drop(stream);
    trace.assert_sound();
    for span in trace.spans() {
        assert_eq!(span["chatlas.cancelled"], true, "{}", span.name());
        assert_eq!(span.status(), Status::Unset, "not an error");
    }
    assert_eq!(trace.spans().len(), 2);
    drop(trace);

    // Cancelled by a token, during a tool call.
    let trace = Recorder::new();
    let token = CancellationToken::new();
    let model = Script::new().calls("hang", json!({}));
    let mut chat = Chat::new(model).with_tools(tools![hang]).with_cancellation(token.clone());
    let (result, ()) = tokio::join!(chat.chat("Go."), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        token.cancel();
    });
    assert_eq!(result, Err(ChatError::Cancelled));
    trace.assert_sound();
    assert_eq!(trace.span("execute_tool hang")["chatlas.cancelled"], true);
    drop(trace);

    // An aborted task drops its stream.
    let trace = Recorder::new();
    let mut chat = Chat::new(Script::new().then(Answer::new().then_stalls()));
    let task = tokio::spawn(async move { chat.chat("Go.").await }.with_current_context());
    tokio::time::sleep(Duration::from_millis(20)).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    trace.assert_sound();
    assert_eq!(trace.span("invoke_agent")["chatlas.cancelled"], true);
    drop(trace);

    // A slow consumer.
    let trace = Recorder::new();
    let mut chat = Chat::new(Script::new().streams(["a", "b", "c"]));
    let mut stream = chat.stream("Tell.");
    while stream.next().await.is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(stream);
    let held = trace.span("chat test-model")["chatlas.consumer.seconds"].as_f64().unwrap();
    assert!(held >= 0.2, "{held}");
    let gaps = trace.metric("gen_ai.client.inference.time_per_output_chunk").sum();
    assert!(gaps < held / 2.0, "{gaps} of {held} seconds");
    drop(trace);

    // Truncated by a limit: the finish reason is `length`.
    let trace = Recorder::new();
    let cut = Answer::says("Once").with_finish_reason(FinishReason::Length);
    Chat::new(Script::new().then(cut)).chat("Tell.").await.unwrap();
    for span in trace.spans() {
        assert_eq!(span["gen_ai.response.finish_reasons"], json!(["length"]));
    }
}

#[tokio::test]
async fn w16_every_operation_of_a_chat_is_in_one_trace() {
    let trace = Recorder::new();
    let above = Context::current_with_span(global::tracer("app").start("request"));
    let hooks = |chat: Chat| {
        chat.on_tool_request(|_| async { global::tracer("app").start("approve").end() })
            .on_tool_result(|_| async { global::tracer("app").start("log").end() })
    };
    let work = async {
        let mut chat = Chat::new(Script::new().says("{\"value\": 1}"));
        chat.extract::<u8>("How many?").await.unwrap();
        let chat = hooks(Chat::new(weather())).with_tools(tools![get_weather]);
        assert_eq!(chat.parallel(["Tokyo?"], 2).await.len(), 1);
        // The scripted model cannot count tokens; the failure is recorded.
        chat.count_tokens("Tokyo?").await.unwrap_err();
    };
    work.with_context(above.clone()).await;
    above.span().end();
    assert_eq!(
        trace.tree(),
        "\
request
  invoke_agent
    chat test-model
  invoke_agent
    chat test-model
    execute_tool get_weather
      approve
      fetch_forecast
      log
    chat test-model
"
    );
    trace.assert_sound();
    drop(trace);

    // A vendor's token count is recorded.
    let trace = Recorder::new();
    let server = Server::start(vec![Http::json(200, &json!({"input_tokens": 9}))]);
    let model = Anthropic::new("claude-x").with_base_url(server.url()).with_api_key("k");
    let chat = Chat::new(model).with_attribute("user.id", "u-1");
    assert_eq!(chat.count_tokens("Hi").await.unwrap(), 9);
    let span = trace.span("count_tokens claude-x");
    assert_eq!(span["user.id"], "u-1");
    assert_eq!(span["chatlas.counted_tokens"], 9);
    assert!(span["gen_ai.usage.input_tokens"].is_null(), "nothing was used");
}

#[tokio::test]
async fn w17_parent_is_the_span_that_is_current_at_the_call() {
    let trace = Recorder::new();
    let mut chat = Chat::new(weather()).with_tools(tools![get_weather]);
    let asked_in = Context::current_with_span(global::tracer("app").start("called here"));
    let polled_in = Context::current_with_span(global::tracer("app").start("polled there"));
    let stream = {
        let _guard = asked_in.clone().attach();
        chat.stream("Tokyo?")
    };
    stream.collect::<Vec<_>>().with_context(polled_in.clone()).await;
    asked_in.span().end();
    polled_in.span().end();
    let agent = trace.span("invoke_agent");
    assert_eq!(trace.parent(&agent).unwrap().name(), "called here");
    assert!(trace.children(&trace.span("polled there")).is_empty());
}

#[tokio::test]
async fn w18_scope_has_version_and_schema_and_samplers_receive_the_server() {
    let trace = Recorder::new();
    Chat::new(Script::new().says("Hi")).chat("Hi").await.unwrap();
    let call = trace.span("chat test-model");
    let scope = &call.data().instrumentation_scope;
    assert_eq!(scope.name(), "chatlas");
    assert_eq!(scope.version(), Some(env!("CARGO_PKG_VERSION")));
    assert!(scope.schema_url().unwrap().contains("/schemas/gen-ai"));
    // Attributes given at creation come first: samplers receive them. See `attributes` for samplers.
    let first: Vec<&str> = call.attributes().keys().take(5).collect();
    let expected = [
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "server.address",
        "server.port",
    ];
    assert_eq!(first, expected);
}

/// Calls a server of the Model Context Protocol: the trace context is sent in `_meta`.
#[tool]
async fn ask_server(context: &ToolContext) -> Value {
    let mut meta = std::collections::HashMap::new();
    TraceContextPropagator::new().inject_context(context.context(), &mut meta);
    json!({"method": "tools/call", "params": {"_meta": meta}})
}

#[tokio::test]
async fn w19_tool_calls_have_descriptions_and_can_propagate_the_trace() {
    let trace = Recorder::new();
    let model = Script::new().calls("ask_server", json!({})).calls("no_such", json!({}));
    let mut chat = Chat::new(model.says("Done.")).with_name("a").with_tools(tools![ask_server]);
    chat.chat("Go.").await.unwrap();
    let unknown = trace.span("execute_tool no_such");
    for key in ["gen_ai.tool.type", "gen_ai.tool.call.id", "gen_ai.agent.name", "error.type"] {
        assert!(!unknown[key].is_null(), "{key}");
    }
    let call = trace.span("execute_tool ask_server");
    let Turn::User(turn) = chat.turns()[2].as_ref() else { panic!("{:?}", chat.turns()) };
    let sent = turn.tool_results().next().unwrap().outcome.to_model_text();
    let sent: Value = serde_json::from_str(&sent).unwrap();
    let carried = sent["params"]["_meta"]["traceparent"].as_str().unwrap();
    assert!(carried.contains(&call.id().to_string()), "{carried}");
    assert!(carried.contains(&call.trace_id().to_string()), "{carried}");
    drop(trace);

    // Requests to the model can carry the trace context, if the program enables it.
    let trace = Recorder::new();
    global::set_text_map_propagator(TraceContextPropagator::new());
    let server = Server::start(vec![openai_text("Hi")]);
    let options = HttpOptions::default().with_spans(true).with_propagation(true);
    Chat::new(openai(&server, options)).chat("Hi").await.unwrap();
    let head = server.sent()[0].head.to_lowercase();
    assert!(head.contains(&format!("{}-", trace.span("POST").id())), "{head}");
}
