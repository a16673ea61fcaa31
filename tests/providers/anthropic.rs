//! Anthropic: errors, interrupted streams, and rare parts of the protocol. Errors are typed and
//! recorded on the spans.

use std::time::Duration;

use crate::support::server::{Answer, Server};
use crate::support::stream::{provider_error, read_stream};
use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::telemetry::Capture;
use chatlas::testing::Recorder;
use chatlas::{
    Anthropic, Caching, ChatError, FinishReason, HttpOptions, OutputSchema, ProviderError,
    ProviderErrorKind as Kind, WebFetch, WebSearch,
};
use serde_json::{Value, json};

fn event(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"))
}

fn begin() -> String {
    event(&json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-1",
        "role": "assistant", "content": [], "stop_reason": null,
        "usage": {"input_tokens": 3, "output_tokens": 1}}}))
        + &event(&json!({"type": "ping"}))
        + &event(&json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "text", "text": ""}}))
        + &event(&json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": "text_delta", "text": "Hel"}}))
        + &event(&json!({"type": "block_of_the_future", "novelty": [1]}))
        + ": a comment\n\n"
}

fn finish(reason: &str) -> String {
    event(&json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": "lo"}}))
        + &event(&json!({"type": "content_block_stop", "index": 0}))
        + &event(&json!({"type": "message_delta", "delta": {"stop_reason": reason},
            "usage": {"output_tokens": 2}}))
}

fn stop() -> String {
    event(&json!({"type": "message_stop"}))
}

fn message(content: &Value, reason: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-1",
        "content": content, "stop_reason": reason,
        "usage": {"input_tokens": 3, "output_tokens": 2}})
}

fn text_reply(text: &str) -> Value {
    message(&json!([{"type": "text", "text": text}]), "end_turn")
}

fn failure(code: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": code, "message": message}, "request_id": "req_1"})
}

fn model(server: &Server) -> Anthropic {
    // Only servers that stall reach the read timeout.
    let patience = Duration::from_millis(if server.stalls() { 300 } else { 20_000 });
    let options = HttpOptions::default().with_read_timeout(patience).with_max_retries(0);
    Anthropic::new("claude-1")
        .with_base_url(server.url())
        .with_api_key("canary-key")
        .with_http(options)
}

/// Reads a stream that fails after its first text. Asserts that the text is kept in the history and
/// that the failure is on the span.
async fn failed_stream(answer: Answer) -> ProviderError {
    let recorder = Recorder::new();
    let server = Server::start(vec![answer]);
    let mut chat = Chat::new(model(&server));
    let (text, result) = read_stream(&mut chat).await;
    let error = result.expect_err("the stream fails");
    assert!(text.starts_with("Hel"), "{text}");
    assert_eq!(chat.turns()[1].text(), text);
    assert_eq!(error.partial().map(chatlas::AssistantTurn::text), Some(text));
    recorder.assert_sound();
    let call = recorder.span("chat claude-1");
    assert_eq!(call["error.type"], *error.error_type());
    assert_eq!(call["gen_ai.response.id"], "msg_1");
    assert_eq!(call["gen_ai.usage.input_tokens"], 3);
    assert_eq!(recorder.spans().len(), 2);
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_stream_is_a_reply() {
    let body = begin() + &finish("end_turn") + &stop();
    let server = Server::start(vec![Answer::events(body)]);
    let (text, reply) = read_stream(&mut Chat::new(model(&server))).await;
    assert_eq!(text, "Hello");
    assert_eq!(reply.expect("an answer").text(), "Hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_without_a_stop_reason_is_truncated() {
    let error = failed_stream(Answer::events(begin())).await;
    assert_eq!(error.kind(), Kind::TruncatedStream);
    let error = failed_stream(Answer::events(begin()).truncated()).await;
    assert_eq!(error.kind(), Kind::TruncatedStream);
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_with_a_stop_reason_needs_no_last_event() {
    for body in [begin() + &finish("end_turn"), begin() + &finish("end_turn") + &stop()] {
        let server = Server::start(vec![Answer::events(body)]);
        let (text, reply) = read_stream(&mut Chat::new(model(&server))).await;
        assert_eq!((text.as_str(), reply.expect("a reply").text().as_str()), ("Hello", "Hello"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_stream_times_out() {
    assert_eq!(failed_stream(Answer::events(begin()).stalled()).await.kind(), Kind::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_with_invalid_json_is_malformed() {
    let body = begin() + "data: {\"type\": \n\n" + &finish("end_turn") + &stop();
    assert_eq!(failed_stream(Answer::events(body)).await.kind(), Kind::MalformedReply);
}

#[tokio::test(flavor = "multi_thread")]
async fn error_event_is_a_typed_error() {
    for (code, kind) in [
        ("overloaded_error", Kind::Overloaded),
        ("api_error", Kind::Overloaded),
        ("rate_limit_error", Kind::RateLimit),
        ("invalid_request_error", Kind::InvalidRequest),
        ("an_error_of_the_future", Kind::Other),
    ] {
        let body = begin() + &event(&failure(code, "sorry, canary-key")) + &stop();
        let error = failed_stream(Answer::events(body).header("request-id", "req_head")).await;
        assert_eq!((error.kind(), error.code()), (kind, Some(code)));
        assert_eq!(error.message(), "sorry, [redacted]");
        assert_eq!(error.request_id(), Some("req_1"));
    }
    // Without an id in the body, the id is that of the response header.
    let body = json!({"type": "error", "error": {"type": "api_error", "message": "no"}});
    let answer = Answer::events(begin() + &event(&body)).header("request-id", "req_head");
    assert_eq!(failed_stream(answer).await.request_id(), Some("req_head"));
}

#[tokio::test(flavor = "multi_thread")]
async fn response_of_another_protocol_is_malformed() {
    for (answer, stream) in [
        (Answer::new(200, "text/html", "<h1>Sign in</h1>"), true),
        (Answer::new(200, "text/html", "<h1>Sign in</h1>"), false),
        (Answer::json(200, &json!({"hello": 1})), true),
        (Answer::json(200, &json!([])), false),
        (Answer::new(200, "application/json", "{\"content\": ["), false),
        (Answer::events(stop()), true),
    ] {
        let server = Server::start(vec![answer]);
        let mut chat = Chat::new(model(&server));
        let error = if stream {
            read_stream(&mut chat).await.1.expect_err("an error")
        } else {
            provider_error(in_time(chat.chat("hi")).await.expect_err("an error"))
        };
        assert_eq!(error.kind(), Kind::MalformedReply, "{error}");
        assert!(chat.turns().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_status_is_a_typed_error() {
    for (status, code, message, kind) in [
        (401, "authentication_error", "invalid x-api-key", Kind::Authentication),
        (404, "not_found_error", "model: claude-1", Kind::ModelNotFound),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            Kind::ContextTooLong,
        ),
        (429, "rate_limit_error", "slow down", Kind::RateLimit),
        (529, "overloaded_error", "Overloaded", Kind::Overloaded),
    ] {
        let server = Server::start(vec![
            Answer::json(status, &failure(code, message)).header("request-id", "req_head"),
        ]);
        let error = in_time(Chat::new(model(&server)).chat("hi")).await.unwrap_err();
        let error = provider_error(error);
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        assert_eq!((error.code(), error.message()), (Some(code), message));
        assert_eq!(error.request_id(), Some("req_head"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_failures_are_retried() {
    let busy = Answer::json(529, &failure("overloaded_error", "Overloaded"));
    let server = Server::start(vec![
        busy.header("retry-after-ms", "10"),
        Answer::json(200, &text_reply("ok")),
    ]);
    let model = model(&server).with_http(HttpOptions::default());
    assert_eq!(in_time(Chat::new(model).chat("hi")).await.expect("an answer").text(), "ok");
    assert_eq!(server.sent().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_key_is_named_in_the_error() {
    for url in ["https://api.anthropic.com", "https://API.anthropic.com/v1/"] {
        let model = Anthropic::new("claude-1").with_base_url(url).with_api_key(" ");
        let error = provider_error(in_time(Chat::new(model).chat("hi")).await.unwrap_err());
        assert_eq!(error.kind(), Kind::Authentication);
        assert!(error.message().contains("ANTHROPIC_API_KEY"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn api_key_is_redacted_everywhere() {
    let recorder = Recorder::new();
    let body = failure("authentication_error", "the key canary-key is wrong");
    let server = Server::start(vec![Answer::json(401, &body)]);
    let model = model(&server).with_http_spans(true);
    let shown = format!("{model:?}");
    let error = in_time(Chat::new(model).chat("hi")).await.unwrap_err();
    let all = format!("{shown} {error} {error:?} {:?}", recorder.spans());
    assert!(!all.contains("canary"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_sent_as_the_vendor_names_them() {
    let recorder = Recorder::new();
    let server = Server::start(vec![Answer::json(200, &text_reply("ok"))]);
    let model = model(&server).with_adaptive_thinking().with_beta("one").with_beta("two");
    let model = model.with_tool(WebSearch::new()).with_tool(WebFetch::new().with_max_uses(1));
    let mut chat = Chat::new(model)
        .with_temperature(0.5)
        .with_top_k(7)
        .with_max_tokens(64)
        .with_reasoning(chatlas::Reasoning::Low)
        .with_stop_sequences(["END"]);
    in_time(chat.chat("hi")).await.expect("an answer");
    let sent = &server.sent()[0];
    assert_eq!(
        sent.body,
        json!({
            "model": "claude-1", "stream": false, "max_tokens": 64, "temperature": 0.5, "top_k": 7,
            "stop_sequences": ["END"], "thinking": {"type": "adaptive"},
            "output_config": {"effort": "low"},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi",
                "cache_control": {"type": "ephemeral", "ttl": "5m"}}]}],
            "tools": [{"type": "web_search_20250305", "name": "web_search"},
                {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 1}],
        })
    );
    let head = &sent.head;
    assert!(head.contains("anthropic-beta: one,two,web-fetch-2025-09-10"), "{head}");
    recorder.assert_sound();
    let call = recorder.span("chat claude-1");
    for (key, value) in [
        ("gen_ai.provider.name", json!("anthropic")),
        ("gen_ai.request.top_k", json!(7)),
        ("gen_ai.request.max_tokens", json!(64)),
        ("gen_ai.request.reasoning.level", json!("low")),
        ("gen_ai.request.stop_sequences", json!(["END"])),
        ("server.address", json!("127.0.0.1")),
    ] {
        assert_eq!(call[key], value, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vendor_specific_content_is_sent_back_verbatim() {
    let recorder = Recorder::new();
    let content = json!([
        {"type": "compaction", "content": "So far.", "encrypted_content": "ZW5j"},
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eHl6"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
            "input": {"query": "rust"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
            {"type": "web_search_result", "url": "https://a.example", "title": "A",
                "encrypted_content": "ZW5j"}]},
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {}},
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": true, "content": []},
        {"type": "server_tool_use", "id": "srvtoolu_2", "name": "bash_code_execution",
            "input": {"command": "ls"}},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_2", "content":
            {"type": "bash_code_execution_tool_result_error", "error_code": "unavailable"}},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "block_of_the_future", "novelty": [1]},
        {"type": "text", "text": "It is so.", "citations": [
            {"type": "web_search_result_location", "url": "https://a.example", "title": "A",
                "cited_text": "so it is", "encrypted_index": "aWR4"}]},
        {"type": "text", "text": " Or not."},
    ]);
    let server = Server::start(vec![Answer::json(200, &message(&content, "end_turn"))]);
    let mut chat = Chat::new(model(&server)).with_capture(Capture::Spans);
    let reply = in_time(chat.chat("hi")).await.expect("an answer");
    assert_eq!(reply.text(), "It is so. Or not.");
    let cited = |content: &Content| matches!(content, Content::Citation(_));
    assert!(reply.turn.contents.iter().any(cited));
    // A stored history sends the same request.
    let stored = serde_json::to_string(chat.turns()).expect("JSON");
    let turns: Vec<Turn> = serde_json::from_str(&stored).expect("turns");
    chat.set_turns(turns);
    in_time(chat.chat("and?")).await.expect("an answer");
    assert_eq!(server.sent()[1].body["messages"][1]["content"], content);
    recorder.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn structured_output_uses_the_api_or_a_tool() {
    let answer = json!([{"type": "tool_use", "id": "t", "name": "_structured_tool_call",
        "input": {"data": {"value": {"a": 1}}}}]);
    let server = Server::start(vec![
        Answer::json(200, &text_reply("{\"value\": 7}")),
        Answer::json(200, &message(&answer, "tool_use")),
    ]);
    let model = Anthropic::new("claude-haiku-4-5").with_base_url(server.url()).with_api_key("k");
    let mut chat = Chat::new(model);
    assert_eq!(in_time(chat.extract::<u8>("how many?")).await.expect("a number").value, 7);
    let map = in_time(chat.extract::<std::collections::HashMap<String, u8>>("and each?")).await;
    assert_eq!(map.expect("a map").value["a"], 1);
    let sent = server.sent();
    let format = sent[0].body["output_config"]["format"]["schema"]["properties"]["value"].clone();
    assert_eq!(format["description"], "{maximum: 255, minimum: 0}");
    assert!(sent[1].body.get("output_config").is_none());
    assert_eq!(sent[1].body["tool_choice"]["name"], "_structured_tool_call");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_reasons_are_mapped_to_finish_reasons() {
    for (reason, expected) in [
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
        ("stop_sequence", FinishReason::Stop),
    ] {
        let recorder = Recorder::new();
        let server = Server::start(vec![Answer::events(begin() + &finish(reason) + &stop())]);
        let reply = read_stream(&mut Chat::new(model(&server))).await.1.expect("an answer");
        recorder.assert_sound();
        let call = recorder.span("chat claude-1");
        assert_eq!(call["gen_ai.response.finish_reasons"], json!([expected.as_str()]));
        assert_eq!(reply.turn.finish_reason, Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_at_the_cut_of_a_long_error_body_is_redacted() {
    let _recorder = Recorder::new();
    let body = format!("{} canary-0123456789", "x".repeat(285));
    let server = Server::start(vec![Answer::json(400, &json!(body))]);
    let model =
        Anthropic::new("claude-1").with_base_url(server.url()).with_api_key("canary-0123456789");
    let error = in_time(Chat::new(model).chat("hi")).await.expect_err("a refusal").to_string();
    assert!(error.contains("xxx") && !error.contains("canary"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_in_the_last_event_only_is_counted() {
    let _recorder = Recorder::new();
    let begin = begin().replace("{\"input_tokens\":3,\"output_tokens\":1}", "null");
    assert!(begin.contains("\"usage\":null"), "{begin}");
    let server = Server::start(vec![Answer::events(begin + &finish("end_turn") + &stop())]);
    let reply = read_stream(&mut Chat::new(model(&server))).await.1.expect("an answer");
    assert_eq!(reply.usage.output_tokens, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_turn_continues_within_max_rounds() {
    let recorder = Recorder::new();
    let call = json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
        "input": {"query": "rust"}});
    let first = json!([{"type": "text", "text": "I look. "}, call]);
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
        "content": []});
    let rest = json!([found, {"type": "text", "text": "Nothing."}]);
    let server = Server::start(vec![
        Answer::json(200, &message(&first, "pause_turn")),
        Answer::json(200, &message(&rest, "end_turn")),
        Answer::json(200, &text_reply("Bye.")),
        Answer::json(200, &message(&first, "pause_turn")),
        Answer::json(200, &text_reply("Still here.")),
    ]);
    let mut chat = Chat::new(model(&server).with_caching(Caching::Off)).with_max_rounds(2);
    let reply = in_time(chat.chat("hi")).await.expect("an answer");
    assert_eq!((reply.text().as_str(), reply.rounds), ("I look. Nothing.", 2));
    assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (Some(6), Some(4)));
    assert_eq!(reply.turn.usage, reply.usage);
    let messages = |index: usize| server.sent()[index].body["messages"].clone();
    assert_eq!(messages(1)[1], json!({"role": "assistant", "content": first}));
    let finished: Vec<_> = recorder
        .spans_with_operation("chat")
        .iter()
        .map(|span| span["gen_ai.response.finish_reasons"].clone())
        .collect();
    assert_eq!(finished, [json!(["pause_turn"]), json!(["stop"])]);

    // The paused parts are one turn.
    in_time(chat.chat("and?")).await.expect("an answer");
    assert_eq!(chat.turns().len(), 4);
    let complete = json!([first[0], call, found, rest[1]]);
    assert_eq!(messages(2)[1], json!({"role": "assistant", "content": complete}));

    // If the run ends with a pause, the turn is sent without its open call.
    let mut chat = chat.with_max_rounds(1);
    let error = in_time(chat.chat("more")).await.expect_err("a bound");
    assert_eq!(error, ChatError::TooManyRounds { limit: 1 });
    in_time(chat.chat("well?")).await.expect("an answer");
    assert_eq!(messages(4)[5], json!({"role": "assistant", "content": [first[0]]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn older_model_returns_structured_output_by_a_tool() {
    let call = json!([{"type": "tool_use", "id": "toolu_1", "name": "_structured_tool_call",
        "input": {"data": {"city": "Tokyo"}}}]);
    let server = Server::start(vec![Answer::json(200, &message(&call, "tool_use"))]);
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let model =
        Anthropic::new("claude-3-5-haiku-latest").with_base_url(server.url()).with_api_key("k");
    let output = OutputSchema::new("location", schema.clone()).with_strict(true);
    let reply =
        in_time(Chat::new(model).with_output(output).chat("where?")).await.expect("an answer");
    assert_eq!(reply.text(), "{\"city\":\"Tokyo\"}");
    let sent = &server.sent()[0].body;
    assert_eq!(sent["tools"][0]["input_schema"]["properties"]["data"], schema);
    assert_eq!(sent["tool_choice"]["name"], "_structured_tool_call");
    assert_eq!(server.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn model_list_is_read_to_its_last_page() {
    let page = |id: &str, more: bool| {
        Answer::json(200, &json!({"data": [{"id": id}], "has_more": more, "last_id": id}))
    };
    let server = Server::start(vec![page("claude-2", true), page("claude-1", false)]);
    let models = in_time(model(&server).list_models()).await.expect("a list");
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["claude-2", "claude-1"]);
    assert!(server.sent()[1].head.contains("/v1/models?limit=1000&after_id=claude-2"));
}
