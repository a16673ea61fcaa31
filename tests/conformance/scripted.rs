//! A scripted conversation that uses every feature; and tests of the checker itself, which must
//! find violations.

#![allow(clippy::unused_async)] // some tools have nothing to await

use crate::support::conformance::{Conventions, Findings};
use crate::support::signals::{Signals, signals};
use crate::support::timeout::in_time;
use crate::support::trials::Trials;
use chatlas::content::{
    Citation, Media, MediaSource, Refusal, Replay, ServerTool, Thinking, ToolOutcome, ToolRequest,
    ToolResult,
};
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::{Answer, Script};
use chatlas::turn::Alternative;
use chatlas::{
    Approval, AssistantTurn, ChatRequest, FinishReason, Modalities, ModelParams, ProviderError,
    ProviderErrorKind, ProviderInfo, Turn, Usage, UserTurn,
};
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, StringValue, Value as OtelValue, global};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::{Value, json};

/// Adds the trials.
pub(super) fn add(trials: &mut Trials) {
    trials.add(
        "scripted::conversation_with_every_feature_conforms",
        conversation_with_every_feature_conforms,
    );
    trials.add("scripted::model_call_without_a_chat_conforms", model_call_without_a_chat_conforms);
    trials.add("scripted::checker_finds_violations", checker_finds_violations);
    trials.add(
        "scripted::checker_finds_duplicates_and_attributes_missing_at_the_start",
        checker_finds_duplicates_and_attributes_missing_at_the_start,
    );
}

/// Looks something up.
#[tool]
async fn look_up(word: String, times: Option<u32>) -> Result<Value, String> {
    match word.as_str() {
        "" => Err("there is no word".to_owned()),
        "list" => Ok(json!(vec![word; times.unwrap_or(1) as usize])),
        "null" => Ok(Value::Null),
        _ => Ok(json!({"found": word, "score": 0.5, "more": [1, null, {"deep": true}]})),
    }
}

/// Draws a picture.
#[tool]
async fn draw() -> Content {
    Content::image_base64("image/png", "iVBORw0KGgo=")
}

/// Crashes.
#[tool]
async fn crash() -> String {
    panic!("on purpose")
}

/// Is rejected by the approval hook.
#[tool]
async fn delete() -> String {
    "gone".to_owned()
}

fn replay(item: Value) -> Replay {
    Replay::new("openai", item)
}

fn server_tool(name: &str, item: Value) -> Content {
    Content::ServerTool(ServerTool::new(name, replay(item)).with_id("s1"))
}

/// Returns one of each kind of content in a model's turn.
fn model_contents() -> Vec<Content> {
    vec![
        Content::Thinking(Thinking::new("Hm.").with_replay(replay(json!("x")))),
        Content::Thinking(Thinking::default()),
        Content::text("Well, "),
        Content::Refusal(Refusal::new("no.")),
        Content::Citation(Citation::from_url("https://a.example")),
        server_tool("web_search", json!({"type": "web_search_call", "action": {"query": "x"}})),
        server_tool(
            "web_fetch",
            json!([{"type": "server_tool_use"}, {"type": "web_fetch_tool_result", "content": []}]),
        ),
        server_tool("code_execution", json!({"executableCode": {"code": "1+1"}})),
        server_tool("code_execution", json!({"codeExecutionResult": {"output": "2"}})),
    ]
}

/// Returns one of each kind of content in a user's turn.
fn user_contents() -> Vec<Content> {
    let file = |mime_type: Option<&str>| MediaSource::File {
        id: "file-1".into(),
        mime_type: mime_type.map(str::to_owned),
    };
    vec![
        Content::text("What is this?"),
        Content::image_url("https://a.example/x.png"),
        Content::image_base64("image/png", "iVBORw0KGgo="),
        Content::Image(Media::new(file(None))),
        Content::document_url("https://a.example/x.pdf"),
        Content::document_base64("a.pdf", "application/pdf", "JVBERi0="),
        Content::Document(Media::new(file(Some("application/pdf")))),
    ]
}

fn full_usage() -> Usage {
    let parts =
        |text, image, audio| Modalities::new().with_text(text).with_image(image).with_audio(audio);
    Usage::new(100, 50)
        .with_cache_read_tokens(40)
        .with_cache_write_tokens(10)
        .with_reasoning_tokens(20)
        .with_input_by_modality(parts(70, 20, 10))
        .with_output_by_modality(parts(30, 10, 5))
        .with_cache_read_by_modality(parts(20, 10, 10))
}

fn full_reply() -> AssistantTurn {
    let tiers = ["openai.response.service_tier", "openai.response.service_tier"];
    let mut attributes: Vec<KeyValue> =
        tiers.into_iter().map(|key| KeyValue::new(key, "default")).collect();
    attributes.extend([
        KeyValue::new("openai.response.system_fingerprint", "fp_1"),
        // Attributes that are already set, and attributes that a provider must not set.
        KeyValue::new("openai.api.type", "chat_completions"),
        KeyValue::new("gen_ai.response.id", "mine"),
        KeyValue::new("user.id", "mine"),
        KeyValue::new("gen_ai.conversation.compacted", true),
    ]);
    let mut reply = AssistantTurn::new(model_contents())
        .with_usage(full_usage())
        .with_alternatives([
            Alternative::new(vec![Content::text("Or not.")])
                .with_finish_reason(FinishReason::Length),
            Alternative::default(),
        ])
        .with_finish_reason(FinishReason::Stop)
        .with_response_id("resp-2")
        .with_model("test-model-2026");
    reply.attributes = attributes;
    reply
}

fn provider(script: Script) -> Script {
    script.with_info(
        ProviderInfo::new("openai")
            .with_model("gpt-x")
            .with_server("api.example", 443)
            .with_attribute("openai.api.type", "responses")
            .with_attribute("gen_ai.request.model", "another"),
    )
}

/// Returns a chat with every setting.
fn chat(capture: Capture, script: Script) -> Chat {
    let mut params = ModelParams::default();
    params.previous_response_id = Some("resp-0".into());
    Chat::new(provider(script))
        .with_params(params)
        .with_name("expert")
        .with_description("Knows things.")
        .with_conversation_id("c-1")
        .with_system_prompt("Be brief.")
        .with_tools(tools![look_up, draw, crash, delete])
        .with_temperature(0.5)
        .with_top_p(0.9)
        .with_top_k(40)
        .with_max_tokens(100)
        .with_stop_sequences(["END", "STOP"])
        .with_seed(7)
        .with_frequency_penalty(0.1)
        .with_presence_penalty(0.2)
        .with_reasoning(chatlas::Reasoning::Low)
        .with_choice_count(3)
        .with_attribute("user.id", "u-1")
        .with_attribute("gen_ai.prompt.name", "greeting")
        .with_attribute("gen_ai.prompt.version", "3")
        .with_attribute("gen_ai.data_source.id", "d-1")
        .with_attribute("gen_ai.request.model", "mine")
        .with_session_id("s-1")
        .with_tags(["a", "b"])
        .with_capture(capture)
        .on_tool_request(|call| async move {
            match call.request.name.as_str() {
                "delete" => Approval::rejected("not today"),
                _ => Approval::Approved,
            }
        })
}

fn error(kind: ProviderErrorKind) -> ProviderError {
    ProviderError::new(kind, "no").with_status(429).with_code("rate_limit_exceeded")
}

/// Returns tool calls with every possible outcome.
fn many_calls() -> Answer {
    let calls = [
        ("c1", "look_up", json!({"word": "rain"})),
        ("c2", "look_up", json!({"word": ""})),
        ("c3", "look_up", json!("{\"word\": \"list\", \"times\": 3}")),
        ("c4", "look_up", json!({"word": "null"})),
        ("c5", "draw", Value::Null),
        ("c6", "crash", json!({})),
        ("c7", "delete", json!({})),
        ("c8", "no_such", json!({})),
        ("c9", "no such tool\nat all", json!({})),
        // Invalid JSON is recorded verbatim.
        ("c10", "look_up", json!("{\"word\": ")),
    ];
    let answer = Answer::new().with_usage(full_usage());
    calls
        .into_iter()
        .fold(answer, |answer, (id, tool, arguments)| answer.call_with_id(id, tool, arguments))
}

/// Runs conversations with every possible outcome.
async fn everything(capture: Capture) {
    let script = Script::new().then(many_calls()).then(full_reply()).then(full_reply());
    let mut talk = chat(capture, script);
    in_time(talk.chat(user_contents())).await.unwrap();
    in_time(talk.stream("And?").collect::<Vec<_>>()).await;

    // A stored history with a partial turn.
    let mut talk = chat(capture, Script::new().then(full_reply())).with_capture_limit(2048);
    let result = ToolResult::new("c1", "look_up", ToolOutcome::Contents(user_contents()));
    let contents = vec![Content::ToolResult(result), Content::text("x".repeat(10_000))];
    let partial = AssistantTurn::new(model_contents()).with_partial(true);
    let request =
        Content::ToolRequest(ToolRequest::new("c1", "look_up", json!({"word": "x".repeat(9_000)})));
    let tool_call = AssistantTurn::new([request]).with_finish_reason(FinishReason::ToolCall);
    let history = [Turn::user("y"), Turn::from(tool_call), Turn::User(UserTurn::new(contents))];
    talk.set_turns(history.into_iter().chain([Turn::from(partial)]));
    in_time(talk.chat("Go on.")).await.unwrap();

    let mut talk = chat(capture, Script::new().says("{\"value\": 7}").says("x"));
    in_time(talk.extract::<u8>("How many?")).await.unwrap();
    in_time(talk.extract::<u8>("How many?")).await.unwrap_err();

    // Failures: the call, the stream, the number of rounds.
    let partial_answer = || {
        let answer = Answer::new().with_response_id("r").with_model("m");
        answer.thinking("Hm").text("We").usage_update(7, 1)
    };
    let script = Script::new()
        .fails(error(ProviderErrorKind::RateLimit))
        .then(partial_answer().then_fails(error(ProviderErrorKind::Overloaded)))
        .then(full_reply());
    let mut talk = chat(capture, script);
    in_time(talk.chat("a")).await.unwrap_err();
    in_time(talk.stream("b").collect::<Vec<_>>()).await;
    let mut talk = chat(capture, Script::new().then(many_calls())).with_max_rounds(1);
    in_time(talk.chat("c")).await.unwrap_err();

    // Cancellation: a dropped stream, a dropped call.
    let mut talk = chat(
        capture,
        Script::new().then(partial_answer().then_stalls()).then(Answer::new().then_stalls()),
    );
    let mut stream = talk.stream("d");
    in_time(stream.next()).await.unwrap().unwrap();
    drop(stream);
    let _ = tokio::time::timeout(std::time::Duration::from_millis(30), talk.chat("e")).await;
}

fn check(signals: &Signals, conventions: &Conventions, findings: &mut Findings) {
    let spans = signals.spans();
    for span in &spans {
        conventions.check_span(span, &signals.start_of(span), findings);
    }
    Conventions::check_tree(&spans, findings);
    for event in signals.events() {
        conventions.check_event(&event, &spans, findings);
    }
    signals.clear();
}

async fn conversation_with_every_feature_conforms() {
    let conventions = Conventions::get();
    let signals = signals();
    let mut findings = Findings::default();
    let modes = [Capture::Nothing, Capture::Spans, Capture::Events, Capture::SpansAndEvents];
    for capture in modes {
        Box::pin(everything(capture)).await;
        check(&signals, conventions, &mut findings);
    }
    signals.each_metric(|metric| conventions.check_metric(metric, &mut findings));
    assert!(findings.violations.is_empty(), "{}", findings.violations.join("\n"));
    // Every attribute that the library can set occurred at least once.
    let missing: Vec<String> = findings.unseen(
        conventions,
        &[
            // These are not available to the library.
            "exception.stacktrace",
            "gen_ai.prompt.variable",
        ],
    );
    assert!(
        missing.is_empty(),
        "never set:\n{}\nof\n{}",
        missing.join("\n"),
        findings.table(conventions)
    );
}

async fn model_call_without_a_chat_conforms() {
    let conventions = Conventions::get();
    let signals = signals();
    let mut findings = Findings::default();
    let model = provider(Script::new().then(full_reply()));
    let above = Context::new().with_span(global::tracer("app").start("above"));
    let call = {
        let _guard = above.clone().attach();
        // The parent is the span that is current when the call runs.
        let request = ChatRequest::new([Turn::user("hi")]);
        opentelemetry::trace::FutureExt::with_context(
            async move { model.chat(request).await },
            above.clone(),
        )
    };
    in_time(call).await.unwrap();
    above.span().end();
    let span = signals.span("chat gpt-x");
    assert_eq!(span.parent_span_id, above.span().span_context().span_id());
    conventions.check_span(&span, &signals.start_of(&span), &mut findings);
    assert!(findings.violations.is_empty(), "{}", findings.violations.join("\n"));
}

/// Returns a span with arbitrary properties, for tests of the checker.
fn span_with(
    name: &'static str,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    status: Status,
) -> SpanData {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let tracer = provider.tracer("span_with");
    let mut span = tracer.span_builder(name).with_kind(kind).start(&tracer);
    span.set_attributes(attributes);
    span.set_status(status);
    span.end();
    exporter.get_finished_spans().unwrap().remove(0)
}

async fn checker_finds_violations() {
    let conventions = Conventions::get();
    // A conformant span without content.
    let right: Vec<(&'static str, OtelValue)> = vec![
        ("gen_ai.operation.name", "chat".into()),
        ("gen_ai.provider.name", "openai".into()),
        ("gen_ai.request.model", "m".into()),
        (
            "gen_ai.response.finish_reasons",
            OtelValue::Array(vec![StringValue::from("stop")].into()),
        ),
        ("gen_ai.response.id", "r".into()),
        ("gen_ai.response.model", "m".into()),
        ("gen_ai.usage.input_tokens", 10.into()),
        ("gen_ai.usage.output_tokens", 1.into()),
        ("server.address", "a".into()),
        ("server.port", 443.into()),
    ];
    let findings = |change: &[(&'static str, Option<OtelValue>)], name, kind, status| {
        let mut attributes: Vec<KeyValue> = right
            .iter()
            .filter(|(key, _)| !change.iter().any(|(changed, _)| changed == key))
            .map(|(key, value)| KeyValue::new(*key, value.clone()))
            .collect();
        let new = change.iter().filter_map(|(key, value)| Some((*key, value.clone()?)));
        attributes.extend(new.map(|(key, value)| KeyValue::new(key, value)));
        let span = span_with(name, kind, attributes.clone(), status);
        let mut findings = Findings::default();
        conventions.check_span(&span, &attributes, &mut findings);
        findings.violations.join("\n")
    };
    let client = SpanKind::Client;
    let conformant = findings(&[], "chat m", client.clone(), Status::Unset);
    assert_eq!(conformant, "span `chat m`: its scope has no version or no schema");
    let of = |key, value: OtelValue, violation: &str| {
        let found = findings(&[(key, Some(value))], "chat m", client.clone(), Status::Unset);
        assert!(found.contains(violation), "{violation} not in: {found}");
    };
    of("gen_ai.usage.input_tokens", "10".into(), "must be of type int");
    of("gen_ai.request.top_k", 4.0.into(), "must be of type int");
    of("gen_ai.request.temperature", 1.into(), "must be of type double");
    of("gen_ai.made.up", 1.into(), "the registry has no `gen_ai.made.up`");
    of("gen_ai.tool.name", "x".into(), "is not an attribute of gen_ai.client.inference");
    of("gen_ai.output.type", "yaml".into(), "must not be");
    of("gen_ai.provider.name", "OpenAI".into(), "must not be");
    of("error.type", "x".into(), "must be set together");
    of("gen_ai.request.stream", false.into(), "must be true or unset");
    of("gen_ai.response.time_to_first_chunk", 0.5.into(), "only streams");
    of("gen_ai.usage.cache_read.input_tokens", 11.into(), "is greater than");
    let message = |text: &'static str| OtelValue::from(text);
    for (text, violation) in [
        ("[{\"role\":\"assistant\"}]", "does not match its schema"),
        ("[{", "is not valid JSON"),
        ("[{\"role\":\"assistant\",\"parts\":[]}]", "finish_reason None"),
        ("[]", "has no message"),
        (
            r#"[{"role":"assistant","finish_reason":"stop","parts":[{"type":"thinking"}]}]"#,
            "part of an unknown type",
        ),
        (r#"[{"role":"user","finish_reason":"stop","parts":[]}]"#, "role user"),
        (r#"[{"role":"assistant","finish_reason":"end_turn","parts":[]}]"#, "end_turn"),
    ] {
        of("gen_ai.output.messages", message(text), violation);
    }
    of(
        "gen_ai.input.messages",
        message(r#"[{"role":"user","parts":[{"type":"tool_call_response","response":1}]}]"#),
        "of the role user",
    );
    of("gen_ai.tool.definitions", message(r#"[{"name":"x"}]"#), "does not match its schema");
    let missing =
        findings(&[("gen_ai.response.id", None)], "chat m", client.clone(), Status::Unset);
    assert!(missing.contains("`gen_ai.response.id` is recommended and missing"), "{missing}");
    let port = findings(&[("server.port", None)], "chat m", client.clone(), Status::Unset);
    assert!(port.contains("`server.port` is required"), "{port}");
    let named = findings(&[], "openai.chat", client.clone(), Status::Unset);
    assert!(named.contains("its name must be `chat m`"), "{named}");
    let kind = findings(&[], "chat m", SpanKind::Internal, Status::Unset);
    assert!(kind.contains("its kind is not client"), "{kind}");
    let ok = findings(&[], "chat m", client, Status::Ok);
    assert!(ok.contains("leaves the status unset"), "{ok}");
}

async fn checker_finds_duplicates_and_attributes_missing_at_the_start() {
    let conventions = Conventions::get();
    let twice = vec![
        KeyValue::new("gen_ai.operation.name", "execute_tool"),
        KeyValue::new("gen_ai.tool.name", "x"),
        KeyValue::new("gen_ai.tool.name", "x"),
        KeyValue::new("gen_ai.tool.type", "function"),
    ];
    let span = span_with("execute_tool x", SpanKind::Internal, twice.clone(), Status::Unset);
    let mut findings = Findings::default();
    conventions.check_span(&span, &twice[..1], &mut findings);
    let found = findings.violations.join("\n");
    for violation in
        ["is duplicated", "`gen_ai.tool.name` is not set at the start", "`gen_ai.tool.type`"]
    {
        assert!(found.contains(violation), "{violation} not in: {found}");
    }
}
