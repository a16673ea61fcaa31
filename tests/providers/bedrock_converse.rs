//! The Converse API of AWS Bedrock, with small replies in AWS's published format: requests, complete
//! and streamed replies, spans.

use crate::support::frames::{answer, event};
use crate::support::server::{Answer, Server};
use crate::support::timeout::in_time;
use chatlas::bedrock::{Credentials, provide_credentials_fn};
use chatlas::content::ToolRequest;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::Recorder;
use chatlas::{Bedrock, BedrockApi, Caching, ChatRequest, CompletionEvent, FinishReason};
use serde_json::{Value, json};

const NOVA: &str = "amazon.nova-lite-v1:0";
const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// Get the current weather forecast for a city.
#[tool]
#[allow(clippy::needless_pass_by_value)] // a tool owns its arguments
fn get_weather(
    /// The city.
    city: String,
) -> String {
    format!("{city}: rain")
}

fn model(name: &str, server: &Server) -> Bedrock {
    Bedrock::new(name)
        .with_region("us-east-1")
        .with_base_url(server.url())
        .with_api_key("canary-key")
}

fn usage() -> Value {
    json!({"inputTokens": 30, "outputTokens": 9, "totalTokens": 1049,
        "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 10})
}

fn reply(content: &Value, reason: &str) -> Value {
    json!({"output": {"message": {"role": "assistant", "content": content}},
        "stopReason": reason, "usage": usage(), "metrics": {"latencyMs": 12}})
}

fn delta(index: u64, delta: &Value) -> Vec<u8> {
    event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta, "p": "abc"}))
}

fn stop(index: u64) -> Vec<u8> {
    event("contentBlockStop", &json!({"contentBlockIndex": index}))
}

fn end(reason: &str) -> [Vec<u8>; 2] {
    [
        event("messageStop", &json!({"stopReason": reason})),
        event("metadata", &json!({"usage": usage(), "metrics": {"latencyMs": 12}})),
    ]
}

/// Returns the frames of a reply with thinking, text and a tool call.
fn tool_call_frames() -> Vec<Vec<u8>> {
    let call = json!({"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather"}});
    let mut frames = vec![
        event("messageStart", &json!({"role": "assistant"})),
        delta(0, &json!({"reasoningContent": {"text": "I need "}})),
        delta(0, &json!({"reasoningContent": {"text": "the weather."}})),
        delta(0, &json!({"reasoningContent": {"signature": "c2ln"}})),
        stop(0),
        delta(1, &json!({"text": "Let me "})),
        delta(1, &json!({"text": "look. ☂"})),
        stop(1),
        event("contentBlockStart", &json!({"contentBlockIndex": 2, "start": call})),
        delta(2, &json!({"toolUse": {"input": "{\"city\": "}})),
        delta(2, &json!({"toolUse": {"input": "\"Tokyo\"}"}})),
        stop(2),
    ];
    frames.extend(end("tool_use"));
    frames
}

fn thought() -> Value {
    json!({"reasoningContent": {"reasoningText": {"text": "I need the weather.", "signature": "c2ln"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn streamed_conversation_with_a_tool() {
    let recorder = Recorder::new();
    let says = [
        vec![
            event("messageStart", &json!({"role": "assistant"})),
            delta(0, &json!({"text": "Take an umbrella."})),
            stop(0),
        ],
        end("end_turn").to_vec(),
    ];
    let server = Server::start(vec![
        answer(&tool_call_frames()).header("x-amzn-requestid", "req-1"),
        answer(&says.concat()).header("x-amzn-requestid", "req-2"),
    ]);
    let model = model(CLAUDE, &server).with_api(BedrockApi::Converse).with_thinking_budget(1024);
    let mut chat = Chat::new(model)
        .with_system_prompt("Be brief.")
        .with_max_tokens(2000)
        .with_tools(tools![get_weather]);
    let mut stream = chat.stream("What should I pack for Tokyo?");
    let (mut text, mut thoughts, mut last) = (String::new(), String::new(), None);
    while let Some(event) = in_time(stream.next()).await {
        match event.expect("a success") {
            StreamEvent::Text(more) => text.push_str(&more),
            StreamEvent::Thinking(more) => thoughts.push_str(&more),
            StreamEvent::Done(reply) => last = Some(reply),
            _ => {}
        }
    }
    drop(stream);
    assert_eq!(text, "Let me look. ☂Take an umbrella.");
    assert_eq!(thoughts, "I need the weather.");
    assert_eq!(last.expect("an end").text(), "Take an umbrella.");

    let sent = server.sent();
    let path = format!("POST /v1/model/{CLAUDE}/converse-stream HTTP/1.1");
    assert!(sent[0].head.starts_with(&path), "{}", sent[0].head);
    assert!(sent[0].head.contains("authorization: Bearer canary-key"));
    let spec = &sent[0].body["toolConfig"]["tools"][0]["toolSpec"];
    assert_eq!(spec["name"], "get_weather");
    assert_eq!(spec["inputSchema"]["json"]["properties"]["city"]["type"], "string");
    let user = json!({"role": "user", "content": [{"text": "What should I pack for Tokyo?"}]});
    assert_eq!(
        sent[0].body,
        json!({
            "messages": [user], "system": [{"text": "Be brief."}],
            "inferenceConfig": {"maxTokens": 2000},
            "toolConfig": sent[0].body["toolConfig"],
            "additionalModelRequestFields":
                {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        })
    );
    // The thinking is sent back with its signature, and the result with the id of the call.
    let call = json!({"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Tokyo"}});
    let result = json!({"toolUseId": "tooluse_1", "content": [{"text": "Tokyo: rain"}]});
    assert_eq!(
        sent[1].body["messages"],
        json!([
            user,
            {"role": "assistant",
                "content": [thought(), {"text": "Let me look. ☂"}, {"toolUse": call}]},
            {"role": "user", "content": [{"toolResult": result}]},
        ])
    );

    recorder.assert_sound();
    let spans = recorder.spans();
    assert!(!format!("{spans:?}").contains("canary"));
    // The first of two calls.
    let name = format!("chat {CLAUDE}");
    let call = spans.iter().find(|span| span.name() == name).expect("a span");
    for (key, value) in [
        ("gen_ai.provider.name", json!("aws.bedrock")),
        ("gen_ai.request.model", json!(CLAUDE)),
        ("gen_ai.response.model", json!(CLAUDE)),
        ("gen_ai.response.id", json!("req-1")),
        ("gen_ai.response.finish_reasons", json!(["tool_call"])),
        ("gen_ai.usage.input_tokens", json!(1040)),
        ("gen_ai.usage.output_tokens", json!(9)),
        ("gen_ai.usage.cache_read.input_tokens", json!(1000)),
        ("gen_ai.usage.cache_write.input_tokens", json!(10)),
        ("server.address", json!("127.0.0.1")),
    ] {
        assert_eq!(call[key], value, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reply_is_equal_complete_and_split_at_any_byte() {
    let call = json!({"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Tokyo"}});
    let content = json!([thought(), {"text": "Let me look. ☂"}, {"toolUse": call}]);
    let id = |answer: Answer| answer.header("x-amzn-requestid", "req-1");
    let complete = Server::start(vec![id(Answer::json(200, &reply(&content, "tool_use")))]);
    let model_of = |server: &Server| model(CLAUDE, server).with_api(BedrockApi::Converse);
    let request = ChatRequest::new([Turn::user("hi")]);
    let expected = in_time(model_of(&complete).chat(request.clone())).await.expect("a reply");
    let calls: Vec<&ToolRequest> = expected.tool_requests().collect();
    assert_eq!(calls[0].arguments, json!({"city": "Tokyo"}));
    assert_eq!(expected.finish_reason, Some(FinishReason::ToolCall));
    assert!(complete.sent()[0].head.contains("/converse HTTP/1.1"));

    let length = tool_call_frames().concat().len();
    let mut cuts: Vec<Vec<usize>> = (1..length).map(|position| vec![position]).collect();
    cuts.push((1..length).collect());
    let answers =
        cuts.iter().map(|positions| id(answer(&tool_call_frames())).split_at(positions)).collect();
    let server = Server::start(answers);
    let model = model_of(&server);
    for _ in &cuts {
        let mut events = model.chat_stream(request.clone()).await.expect("a stream");
        let mut last = None;
        while let Some(event) = in_time(events.next()).await {
            last = Some(event.expect("an event"));
        }
        assert_eq!(last, Some(CompletionEvent::Done(expected.clone().into())));
    }
    println!("{} ways to split it", cuts.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn guardrail_is_requested_and_recorded() {
    for api in [BedrockApi::Converse, BedrockApi::InvokeModel] {
        let recorder = Recorder::new();
        let body = match api {
            BedrockApi::Converse => reply(&json!([{"text": "No."}]), "guardrail_intervened"),
            _ => json!({"content": [{"type": "text", "text": "No."}], "stop_reason": "refusal"}),
        };
        let server = Server::start(vec![Answer::json(200, &body).header("x-amzn-requestid", "r")]);
        let model = model(CLAUDE, &server).with_api(api).with_guardrail("gr-1", "2");
        let reply = in_time(Chat::new(model).chat("hi")).await.expect("an answer");
        assert_eq!(reply.turn.finish_reason, Some(FinishReason::ContentFilter));
        // The body does not contain the guardrail; the request does.
        assert_eq!(reply.turn.response_id.as_deref(), Some("r"));
        assert_eq!(reply.turn.model.as_deref(), Some(CLAUDE));
        let sent = &server.sent()[0];
        let config = json!({"guardrailIdentifier": "gr-1", "guardrailVersion": "2"});
        if api == BedrockApi::Converse {
            assert_eq!(sent.body["guardrailConfig"], config);
        } else {
            assert!(sent.head.contains("x-amzn-bedrock-guardrailidentifier: gr-1"));
            assert!(sent.head.contains("x-amzn-bedrock-guardrailversion: 2"));
        }
        recorder.assert_sound();
        let call = recorder.span(&format!("chat {CLAUDE}"));
        assert_eq!(call["aws.bedrock.guardrail.id"], "gr-1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_tool_of_aws_is_not_run_by_the_program() {
    let recorder = Recorder::new();
    let content = json!([
        {"toolUse": {"toolUseId": "t1", "name": "nova_grounding", "input": {"query": "rust"},
            "type": "server_tool_use"}},
        {"toolResult": {"toolUseId": "t1", "content": [{"json": {"found": 1}}],
            "type": "nova_grounding_result", "status": "success"}},
        {"text": "So it is."},
    ]);
    let server = Server::start(vec![Answer::json(200, &reply(&content, "end_turn"))]);
    let mut chat = Chat::new(model(NOVA, &server)).with_capture(Capture::Spans);
    let reply = in_time(chat.chat("hi")).await.expect("an answer");
    assert_eq!((reply.text().as_str(), reply.rounds), ("So it is.", 1));
    in_time(chat.chat("and?")).await.expect("an answer");
    assert_eq!(server.sent()[1].body["messages"][1]["content"], content);
    recorder.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_points_are_sent_if_caching_is_on() {
    let server =
        Server::start(vec![Answer::json(200, &reply(&json!([{"text": "ok"}]), "end_turn"))]);
    for caching in [Caching::Off, Caching::FiveMinutes] {
        let mut chat =
            Chat::new(model(NOVA, &server).with_caching(caching)).with_system_prompt("Be brief.");
        in_time(chat.chat("hi")).await.expect("an answer");
    }
    let marked = |at: usize| server.sent()[at].body.to_string().matches("cachePoint").count();
    assert_eq!((marked(0), marked(1)), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_apis_count_tokens() {
    let server = Server::start(vec![Answer::json(200, &json!({"inputTokens": 11}))]);
    let request = || ChatRequest::new([Turn::user("hi")]);
    for (name, kind) in [(NOVA, "converse"), (CLAUDE, "invokeModel")] {
        let counted = in_time(model(name, &server).count_tokens(request())).await;
        assert_eq!(counted, Ok(11));
        let sent = server.sent().pop().expect("a request");
        assert!(sent.head.contains(&format!("/model/{name}/count-tokens HTTP/1.1")));
        assert!(sent.body["input"][kind].is_object(), "{}", sent.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_are_requested_again() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, SystemTime};
    let server =
        Server::start(vec![Answer::json(200, &reply(&json!([{"text": "ok"}]), "end_turn"))]);
    for (holds, requested) in [(None, 3), (Some(3600), 1), (Some(30), 3)] {
        let provided = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&provided);
        let keys = provide_credentials_fn(move || {
            let count = Arc::clone(&count);
            async move {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let end = holds.map(|s| SystemTime::now() + Duration::from_secs(s));
                Ok(Credentials::new(format!("AKID{number}"), "s", Some("tok".into()), end, "test"))
            }
        });
        let model = Bedrock::new(NOVA)
            .with_region("eu-west-1")
            .with_base_url(server.url())
            .with_credentials_provider(keys);
        for _ in 0..3 {
            in_time(model.chat(ChatRequest::new([Turn::user("hi")]))).await.expect("an answer");
        }
        assert_eq!(provided.load(Ordering::SeqCst), requested, "{holds:?}");
        let head = &server.sent().pop().expect("a request").head;
        assert!(head.contains(&format!("Credential=AKID{}/", requested - 1)), "{head}");
        assert!(head.contains("x-amz-security-token: tok"), "{head}");
    }
}
